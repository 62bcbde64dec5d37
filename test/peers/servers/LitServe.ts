/** LitServe, as its guide has it for files. */
import { Custom } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: Partial<Custom.CustomOptions> = {}): Asking.Service => ({
  baseUrl,
  protocol: Custom.make({
    path: "/predict",
    body: { as: "form", part: "request" },
    healthPath: "/health",
    classes: Asking.classes,
    ...options
  })
})

export const peer = Peer.make({
  name: "litserve",
  kind: "server",
  packages: Peer.pip("servers", "litserve", "onnxruntime"),
  environments: ["servers"],
  start: Process.python("servers", {
    args: (port) => ["servers/litserve_server.py", String(port)],
    ready: async (url) => (await fetch(`${url}/health`)).ok
  }),
  trials: {
    "probe knows it, and how it is called": ({ url }) => Asking.probed(url, "custom"),
    "a form in, a PNG out": ({ url }) => Asking.sameMaps(at(url)),
    health: ({ url }) => Asking.healthy(at(url)),
    "a part that it has not": ({ url }) =>
      Asking.failsWith(
        at(url, { body: { as: "form", part: "file" } }),
        "RequestRejected",
        /request: Field required/
      ),
    "a route that is not there": ({ url }) =>
      Asking.failsWith(at(url, { path: "/other" }), "NotFound", /404/),
    "an error of the model": ({ url }) => Asking.failsWith(at(url), "ServiceFailed", /500/, Asking.broken)
  }
})
