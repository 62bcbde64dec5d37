/** KServe's own model server: its first protocol, and Open Inference Protocol v2 in JSON and in binary. */
import { Effect } from "effect"
import { OpenInference, TfServing } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const { classes } = Asking

const v2 = (baseUrl: string, options: OpenInference.OpenInferenceOptions): Asking.Service => ({
  baseUrl,
  protocol: OpenInference.make(options)
})

const v1 = (baseUrl: string, model: string): Asking.Service => ({
  baseUrl,
  protocol: TfServing.make({ model, classes })
})

const logits = { model: "logits", classes }

export const peer = Peer.make({
  name: "kserve",
  kind: "server",
  packages: Peer.pip("kserve", "kserve", "onnxruntime"),
  environments: ["kserve"],
  start: Process.python("kserve", {
    args: (port) => ["servers/kserve_server.py", "--http_port", String(port)],
    ready: async (url) => (await fetch(`${url}/v2/health/ready`)).ok
  }),
  trials: {
    "probe knows it, and how it is called": ({ url }) =>
      Asking.probed(url, "openinference", { model: "logits" }),
    "v2: logits in JSON": ({ url }) => Asking.sameMaps(v2(url, logits)),
    "v2: logits in binary": ({ url }) => Asking.sameMaps(v2(url, { ...logits, binary: true })),
    "v2: halves, which it takes in binary alone and does not announce": ({ url }) =>
      // Eleven bits of each number are left: a few pixels along the outlines change sides.
      Asking.sameMaps(v2(url, { model: "halves", classes }), Asking.square, 10),
    "v2: a model that does not describe itself, in binary": ({ url }) =>
      Asking.sameMaps(
        v2(url, { model: "silent", classes, input: "pixel_values", binary: true }),
        Asking.square
      ),
    "v1 and v2: a model that is not ready": ({ url }) =>
      Effect.gen(function* () {
        yield* Asking.unhealthy(v2(url, { model: "unready" }))
        yield* Asking.unhealthy(v1(url, "unready"))
      }),
    "v2: metadata": ({ url }) =>
      Effect.map(Asking.describe(v2(url, logits)), ({ name }) => Asking.assert.equal(name, "logits")),
    "v2: readiness": ({ url }) => Asking.healthy(v2(url, logits)),
    "v2: a model that is not there": ({ url }) =>
      Asking.failsWith(v2(url, { model: "other" }), "NotFound", /other/),
    "v2: an error of the model": ({ url }) =>
      Asking.failsWith(
        v2(url, { ...logits, preprocessing: { size: { width: 32, height: 32 } } }),
        "ServiceFailed",
        /the lamp is off/
      ),
    "v1: ids of a picture": ({ url }) => Asking.sameMaps(v1(url, "pictures")),
    "v1: readiness": ({ url }) => Asking.healthy(v1(url, "pictures")),
    "v1: a model that is not there": ({ url }) => Asking.failsWith(v1(url, "other"), "NotFound", /other/),
    "v1: an error of the model": ({ url }) =>
      Asking.failsWith(v1(url, "pictures"), "ServiceFailed", /image file/, Asking.broken)
  }
})
