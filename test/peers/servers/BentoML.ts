/** BentoML: a picture, an array, logits, and masks with labels, as a service's types have it. */
import { Effect } from "effect"
import { BentoML } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: BentoML.BentoMLOptions): Asking.Service => ({
  baseUrl,
  protocol: BentoML.make({ classes: Asking.classes, ...options })
})

const start = Effect.flatMap(Process.folder, (home) =>
  Process.python("servers", {
    program: "bentoml",
    args: (port) => [
      "serve",
      "bento_service:Segmenter",
      `--working-dir=${Process.here}servers`,
      "--host=127.0.0.1",
      `--port=${port}`
    ],
    env: () => ({ BENTOML_HOME: home, BENTOML_DO_NOT_TRACK: "True" }),
    ready: async (url) => (await fetch(`${url}/readyz`)).ok
  })
)

export const peer = Peer.make({
  name: "bentoml",
  kind: "server",
  packages: Peer.pip("servers", "bentoml", "onnxruntime"),
  environments: ["servers"],
  start,
  trials: {
    "probe knows it, and how it is called": ({ url }) => Asking.probed(url, "bentoml"),
    "a picture": ({ url }) => Asking.sameMaps(at(url, {})),
    "an array of ids": ({ url }) => Asking.sameMaps(at(url, { route: "ids" })),
    "masks with labels, by a route with a further parameter": ({ url }) =>
      Asking.sameMaps(at(url, { route: "v1/masks", fields: { threshold: "0.25" } })),
    "an array of logits": ({ url }) =>
      Asking.sameMaps(at(url, { route: "logits", mask: { as: "logits", channels: "first" } })),
    "what it refuses, in a list": ({ url }) =>
      Asking.failsWith(
        at(url, { route: "v1/masks", fields: { threshold: "7" } }),
        "RequestRejected",
        /the lamp is off/
      ),
    readiness: ({ url }) => Asking.healthy(at(url, {})),
    "a route that is not there": ({ url }) =>
      Asking.failsWith(at(url, { route: "other" }), "NotFound", /404/),
    "a picture that it cannot read": ({ url }) =>
      Asking.failsWith(at(url, {}), "ServiceFailed", /500/, Asking.broken)
  }
})
