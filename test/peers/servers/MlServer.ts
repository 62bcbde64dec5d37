/** MLServer, with a runtime for the model: Open Inference Protocol v2 in JSON. */
import { Effect } from "effect"
import { OpenInference } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: OpenInference.OpenInferenceOptions): Asking.Service => ({
  baseUrl,
  protocol: OpenInference.make(options)
})

const logits = { model: "logits", classes: Asking.classes }

/** Runs it in a folder, on the models of one, until a question is answered. */
export const serve = (models: string, cwd: string, question: string) =>
  Process.python("mlserver", {
    program: "mlserver",
    args: () => ["start", models],
    cwd,
    env: (port) => ({
      MLSERVER_HOST: "127.0.0.1",
      MLSERVER_HTTP_PORT: String(port),
      MLSERVER_GRPC_PORT: "0",
      MLSERVER_METRICS_PORT: "0",
      MLSERVER_PARALLEL_WORKERS: "0"
    }),
    ready: async (url) => (await fetch(url + question)).ok
  })

const start = Effect.flatMap(Process.folder, (cwd) =>
  serve(`${Process.here}servers/mlserver`, cwd, "/v2/health/ready")
)

export const peer = Peer.make({
  name: "mlserver",
  kind: "server",
  packages: Peer.pip("mlserver", "mlserver", "onnxruntime"),
  environments: ["mlserver"],
  start,
  trials: {
    "probe knows it, and how it is called": ({ url }) =>
      Asking.probed(url, "openinference", { model: "logits" }),
    "logits in JSON": ({ url }) => Asking.sameMaps(at(url, logits)),
    "a version": ({ url }) => Asking.sameMaps(at(url, { ...logits, version: "3" })),
    "bytes with channels last to class ids": ({ url }) =>
      Asking.sameMaps(at(url, { model: "labels", classes: Asking.classes }), Asking.square),
    "images that share a request": ({ url }) =>
      Asking.sameMaps(at(url, { ...logits, batch: { size: 2, wait: "1 second" } })),
    "a model that does not describe itself": ({ url }) =>
      Effect.andThen(
        Asking.sameMaps(at(url, { ...logits, model: "silent", input: "pixel_values" }), Asking.square),
        Asking.failsWith(at(url, { ...logits, model: "silent" }), "ResponseNotDecodable", /`input`/)
      ),
    "NaN among logits, which it writes as null": ({ url }) =>
      Asking.failsWith(at(url, { ...logits, model: "holes" }), "ResponseNotDecodable", /outputs\.0\.data/),
    metadata: ({ url }) =>
      Effect.map(Asking.describe(at(url, logits)), ({ name }) => Asking.assert.equal(name, "logits")),
    readiness: ({ url }) => Asking.healthy(at(url, logits)),
    "a model that is not there": ({ url }) =>
      Asking.failsWith(at(url, { model: "other" }), "NotFound", /other/),
    "an error of the model": ({ url }) =>
      Asking.failsWith(
        at(url, { ...logits, preprocessing: { size: { width: 32, height: 32 } } }),
        "RequestRejected",
        /the lamp is off/
      )
  }
})
