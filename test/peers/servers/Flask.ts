/** Flask behind Gunicorn, as people write it. */
import { Custom } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: Partial<Custom.CustomOptions> = {}): Asking.Service => ({
  baseUrl,
  protocol: Custom.make({
    path: "/segment",
    body: { as: "form", part: "file" },
    mask: { at: "mask" },
    healthPath: "/health",
    classes: Asking.classes,
    ...options
  })
})

const json = { path: "/predict", body: { as: "data-url", field: "image" }, mask: undefined } as const

export const peer = Peer.make({
  name: "flask",
  kind: "server",
  packages: Peer.pip("servers", "flask", "gunicorn", "onnxruntime"),
  environments: ["servers"],
  start: Process.python("servers", {
    program: "gunicorn",
    args: (port) => ["--bind", `127.0.0.1:${port}`, "--workers", "1", "--threads", "4", "flask_app:app"],
    ready: async (url) => (await fetch(`${url}/health`)).ok
  }),
  trials: {
    "probe knows it": ({ url }) => Asking.probed(url, "custom"),
    "a form in, a PNG in base64 out": ({ url }) => Asking.sameMaps(at(url)),
    "found without being told where": ({ url }) => Asking.sameMaps(at(url, { mask: undefined })),
    "a data URL in, a PNG out": ({ url }) => Asking.sameMaps(at(url, json)),
    health: ({ url }) => Asking.healthy(at(url)),
    "a part that it has not": ({ url }) =>
      Asking.failsWith(at(url, { body: { as: "form", part: "image" } }), "RequestRejected", /no file/),
    "a body in another type": ({ url }) =>
      Asking.failsWith(at(url, { ...json, body: { as: "raw" } }), "RequestRejected", /415/),
    "a page of HTML for a bug": ({ url }) =>
      Asking.failsWith(at(url), "ServiceFailed", /Internal Server Error/, Asking.broken),
    "a picture that is too large for it": ({ url }) =>
      Asking.failsWith(at(url), "RequestRejected", /413/, Asking.heavy)
  }
})
