/** FastAPI on Uvicorn, as people write it. */
import { Custom } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: Partial<Custom.CustomOptions> = {}): Asking.Service => ({
  baseUrl,
  protocol: Custom.make({
    path: "/segment",
    body: { as: "form", part: "image" },
    healthPath: "/healthz",
    classes: Asking.classes,
    ...options
  })
})

/** The application that more than one row is about. */
export const start = Process.python("servers", {
  program: "uvicorn",
  args: (port) => ["fastapi_app:app", "--host", "127.0.0.1", "--port", String(port)],
  ready: async (url) => (await fetch(`${url}/healthz`)).ok
})

export const peer = Peer.make({
  name: "fastapi",
  kind: "server",
  packages: Peer.pip("servers", "fastapi", "uvicorn", "onnxruntime"),
  environments: ["servers"],
  start,
  trials: {
    "probe knows it, and how it is called": ({ url }) => Asking.probed(url, "custom"),
    "a form in, rows of ids out": ({ url }) => Asking.sameMaps(at(url)),
    "bytes in, a streamed PNG out": ({ url }) =>
      Asking.sameMaps(at(url, { path: "/raw", body: { as: "raw" } })),
    "bytes in, an array of NumPy out": ({ url }) =>
      Asking.sameMaps(at(url, { path: "/npy", body: { as: "raw" } })),
    health: ({ url }) => Asking.healthy(at(url)),
    "a part that it has not, and the place of it": ({ url }) =>
      Asking.failsWith(
        at(url, { body: { as: "form", part: "file" } }),
        "RequestRejected",
        /422.*image.*required/is
      ),
    "a field of the wrong kind": ({ url }) =>
      Asking.failsWith(
        at(url, { body: { as: "form", part: "image", fields: { threshold: "much" } } }),
        "RequestRejected",
        /threshold/
      ),
    "a picture that it cannot read": ({ url }) =>
      Asking.failsWith(at(url), "RequestRejected", /cannot read it/, Asking.broken),
    "a route that is not there": ({ url }) => Asking.failsWith(at(url, { path: "/other" }), "NotFound", /404/)
  }
})
