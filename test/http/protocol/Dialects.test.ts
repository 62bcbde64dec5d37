import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted, References } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import {
  BentoML,
  Custom,
  HuggingFace,
  type Protocol,
  Roboflow,
  SegFormerHttp,
  TfServing,
  TorchServe,
  SegFormerConfig
} from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import * as TestServer from "../../support/TestServer.ts"
import * as BentoServer from "../servers/BentoServer.ts"
import * as HuggingFaceServer from "../servers/HuggingFaceServer.ts"
import * as Model from "../servers/Model.ts"
import * as OpenInferenceServer from "../servers/OpenInferenceServer.ts"
import * as RoboflowServer from "../servers/RoboflowServer.ts"
import * as TfServingServer from "../servers/TfServingServer.ts"
import * as TorchServeServer from "../servers/TorchServeServer.ts"

const { classes } = Model
const source = ImageSource.bytes(Model.image, { name: "panel.png" })
const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const ask = (baseUrl: string, protocol: Protocol, image = source) =>
  segment(image).pipe(
    Effect.provide(
      SegFormerHttp.layer({ baseUrl, protocol, policy: { retry: false } }).pipe(
        Layer.provide(NodeHttpClient.layerUndici)
      )
    ),
    quiet
  )

/** A server that gives one answer, and the last request that it saw. */
const answering = (value: unknown, status = 200) =>
  Effect.map(
    TestServer.http((_, response) => TestServer.sendJson(response, value, status)),
    (server) => ({ url: server.url, last: () => server.requests.at(-1)! })
  )

describe("huggingface", () => {
  it.live("a model that loads is ModelLoading with the time it asks for, in a 503 and in a 200", () =>
    Effect.gen(function* () {
      for (const status of [503, 200]) {
        const loading = { error: "Model nvidia/segformer is currently loading", estimated_time: 20.5 }
        const server = yield* answering(loading, status)
        const error = yield* Effect.flip(ask(server.url, HuggingFace.protocol))
        assert.isTrue(error._tag === "ModelLoading" && error.isRetryable)
        if (error._tag !== "ModelLoading") return
        assert.strictEqual(error.status, status)
        assert.strictEqual(error.retryAfter && Duration.toSeconds(error.retryAfter), 20.5)
      }
    }).pipe(Effect.scoped)
  )

  it.live("the failure of an endpoint's container is its 400, in its words, and is not repeated", () =>
    Effect.gen(function* () {
      const server = yield* answering({ error: "cannot identify image file" }, 400)
      const error = yield* Effect.flip(ask(server.url, HuggingFace.protocol))
      assert.isTrue(error._tag === "RequestRejected" && !error.isRetryable)
      assert.include(error.message, "cannot identify image file")
    }).pipe(Effect.scoped)
  )

  it.live("an error in an answer with status 200 is ReportedFailure", () =>
    Effect.gen(function* () {
      const server = yield* answering({ error: ["out of memory", "try less"] })
      const error = yield* Effect.flip(ask(server.url, HuggingFace.protocol))
      assert.strictEqual(error._tag, "ReportedFailure")
      assert.include(error.message, "out of memory; try less")
    }).pipe(Effect.scoped)
  )

  it.live("scores may be numbers, null or missing, in one answer", () =>
    Effect.gen(function* () {
      const [a, b, c] = HuggingFaceServer.answer().map(({ label, mask }) => ({ label, mask }))
      const server = yield* answering([{ ...a, score: 0.5 }, { ...b, score: null }, c])
      const found = yield* ask(server.url, HuggingFace.make({ classes }))
      assert.isTrue(LabelMap.equals(yield* found.labelMap, Model.labels))
      assert.deepStrictEqual(found.scores, new Map([[0, 0.5]]))
    }).pipe(Effect.scoped)
  )

  it.live("sends the file with its type, or JSON with parameters, to the path of the base URL", () =>
    Effect.gen(function* () {
      const server = yield* answering(HuggingFaceServer.answer())
      yield* ask(`${server.url}/models/nvidia/b0`, HuggingFace.protocol)
      assert.strictEqual(server.last().path, "/models/nvidia/b0")
      assert.strictEqual(server.last().headers["content-type"], "image/png")
      assert.strictEqual(server.last().headers["content-length"], String(Model.image.length))
      const parameters = { subtask: "semantic", threshold: 0.5 } as const
      yield* ask(server.url, HuggingFace.make({ parameters, path: "/predict" }))
      assert.strictEqual(server.last().path, "/predict")
      const body = Model.jsonOf(server.last().body)
      assert.deepStrictEqual(body.parameters, parameters)
      assert.isTrue(Model.isTheImage(Buffer.from(body.inputs, "base64")))
    }).pipe(Effect.scoped)
  )
})

describe("roboflow", () => {
  it.live("carries confidence, time and the id of the inference", () =>
    Effect.gen(function* () {
      const server = yield* RoboflowServer.make
      const apiKey = Redacted.make(RoboflowServer.key)
      const found = yield* ask(server.url, Roboflow.make({ modelId: "panels/3", apiKey }))
      assert.strictEqual(found.cost.requestId, "inf-1")
      assert.strictEqual(found.cost.serviceTime && Duration.toMillis(found.cost.serviceTime), 125)
      assert.closeTo(found.confidence?.data[0] ?? 0, 0.8, 1e-6)
    }).pipe(Effect.scoped)
  )

  it.live("passes on the address of an image where it is asked to", () =>
    Effect.gen(function* () {
      const server = yield* answering(RoboflowServer.answer())
      const images = yield* TestServer.http(
        (_, response) => void response.writeHead(200, { "content-type": "image/png" }).end(Model.image)
      )
      const protocol = Roboflow.make({ modelId: "panels/3", sendAs: "address" })
      yield* segment(ImageSource.url(`${images.url}/panel.png`)).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: server.url, protocol })),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.deepStrictEqual(Model.jsonOf(server.last().body).image, {
        type: "url",
        value: `${images.url}/panel.png`
      })
    }).pipe(Effect.scoped)
  )

  it.live("a service that repeats the key does not put it into our errors", () =>
    Effect.gen(function* () {
      const server = yield* RoboflowServer.make
      const apiKey = Redacted.make("wrong-key-77")
      const refused = yield* Effect.flip(ask(server.url, Roboflow.make({ modelId: "panels/3", apiKey })))
      assert.strictEqual(refused._tag, "Unauthorized")
      const echo = yield* answering({ echo: "wrong-key-77" })
      const undecodable = yield* Effect.flip(ask(echo.url, Roboflow.make({ modelId: "panels/3", apiKey })))
      assert.strictEqual(undecodable._tag, "ResponseNotDecodable")
      for (const error of [refused, undecodable]) {
        assert.notInclude(error.message + JSON.stringify(error) + String(error), "wrong-key-77")
      }
      assert.include(refused.message, "<redacted>")
    }).pipe(Effect.scoped)
  )
})

describe("tfserving", () => {
  const model = "segformer"
  const logits = { as: "logits", channels: "last" } as const

  it.live("takes bare Infinity as what it is, and names where NaN stands", () =>
    Effect.gen(function* () {
      const send = (from: RegExp, to: string) =>
        TestServer.http(
          (_, response) =>
            void response.writeHead(200).end(JSON.stringify(TfServingServer.answer()).replace(from, to))
        )
      // The first number is that of class 0 at the top left, the second that of class 1.
      const infinite = yield* send(/(-?[\d.]+),(-?[\d.]+)/, "$1,-Infinity")
      const found = yield* ask(infinite.url, TfServing.make({ model, classes, mask: logits }))
      assert.isTrue(LabelMap.equals(yield* found.labelMap, Model.labels))
      const nan = yield* send(/(-?[\d.]+),(-?[\d.]+)/, "$1,NaN")
      const error = yield* Effect.flip(ask(nan.url, TfServing.make({ model, classes, mask: logits })))
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.include(error.message, "`predictions.0.0.0.1`: it is NaN, and no number")
    }).pipe(Effect.scoped)
  )

  it.live("reads class ids, named outputs and PNG as b64", () =>
    Effect.gen(function* () {
      const predictions: ReadonlyArray<unknown> = [
        Model.nested(),
        { label_map: Model.nested() },
        { b64: Model.base64(Model.greyPng()) },
        { score: [1], mask: { b64: Model.base64(Model.greyPng()) } }
      ]
      for (const prediction of predictions) {
        const server = yield* answering({ predictions: [prediction] })
        const found = yield* ask(server.url, TfServing.make({ model, classes }))
        assert.isTrue(LabelMap.equals(yield* found.labelMap, Model.labels))
      }
    }).pipe(Effect.scoped)
  )

  it.live("asks a version and a signature, with the input named", () =>
    Effect.gen(function* () {
      const server = yield* answering({ predictions: [Model.nested()] })
      yield* ask(server.url, TfServing.make({ model: "a b", version: 3, signature: "seg", input: "image" }))
      assert.strictEqual(server.last().path, "/v1/models/a%20b/versions/3:predict")
      const { instances, signature_name } = Model.jsonOf(server.last().body)
      assert.strictEqual(signature_name, "seg")
      assert.isTrue(Model.isTheImage(Buffer.from(instances[0].image.b64, "base64")))
    }).pipe(Effect.scoped)
  )
})

describe("tfserving, of KServe", () => {
  const healthOf = (baseUrl: string) =>
    Effect.flatMap(Transport, (transport) => transport.health).pipe(
      Effect.provide(
        SegFormerHttp.layer({ baseUrl, protocol: TfServing.make({ model: "m" }) }).pipe(
          Layer.provide(NodeHttpClient.layerUndici)
        )
      )
    )

  it.live("a model says itself whether it is ready", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [status: number, body: unknown, healthy: boolean, detail: string]> =
        [
          [200, { name: "m", ready: true }, true, "ready"],
          [200, { name: "m", ready: false }, false, "not ready"],
          [503, { error: "Model with name m is not ready." }, false, "503: Model with name m is not ready."],
          [500, {}, false, "500"],
          [200, { model_version_status: [] }, false, "it has no version"],
          [
            200,
            { model_version_status: [{ version: "1", state: "LOADING" }] },
            false,
            "version 1 is LOADING"
          ],
          [
            200,
            { model_version_status: [{ state: "END" }, { state: "AVAILABLE" }] },
            true,
            "version ? is END, version ? is AVAILABLE"
          ]
        ]
      for (const [status, body, healthy, detail] of cases) {
        const server = yield* answering(body, status)
        assert.deepStrictEqual(yield* healthOf(server.url), { healthy, detail })
      }
    }).pipe(Effect.scoped)
  )

  it.live("another status, and JSON that says neither, are failures", () =>
    Effect.gen(function* () {
      const missing = yield* answering({ error: "Model with name m does not exist." }, 404)
      assert.strictEqual((yield* Effect.flip(healthOf(missing.url)))._tag, "NotFound")
      for (const body of [{ name: "m" }, { name: "m", ready: "yes" }, [], "ready"]) {
        const server = yield* answering(body)
        assert.strictEqual((yield* Effect.flip(healthOf(server.url)))._tag, "ResponseNotDecodable")
      }
    }).pipe(Effect.scoped)
  )
})

describe("torchserve and bentoml", () => {
  it.live("the form with the field `data` does what the raw body does", () =>
    Effect.gen(function* () {
      const server = yield* TorchServeServer.make
      const found = yield* ask(
        server.url,
        TorchServe.make({ model: "segformer", version: "2.0", body: "form" })
      )
      assert.isTrue(LabelMap.equals(yield* found.labelMap, Model.labels))
      assert.strictEqual(server.requests[0]?.path, "/predictions/segformer/2.0")
    }).pipe(Effect.scoped)
  )

  it.live("a bug in a handler is a 503 with the handler's words", () =>
    Effect.gen(function* () {
      const server = yield* TorchServeServer.make
      const other = ImageSource.bytes(Model.greyPng(), { name: "other.png" })
      const error = yield* Effect.flip(ask(server.url, TorchServe.make({ model: "segformer" }), other))
      assert.strictEqual(error._tag, "ServiceUnavailable")
      assert.include(error.message, "InternalServerException: Prediction failed")
    }).pipe(Effect.scoped)
  )

  it.live("BentoML's parameter gives the part its name, and its error is a JSON string", () =>
    Effect.gen(function* () {
      const server = yield* BentoServer.make
      const error = yield* Effect.flip(ask(server.url, BentoML.make({ parameter: "photo" })))
      assert.isTrue(
        error._tag === "RequestRejected" && error.detail === "1 validation error for Input: image"
      )
    }).pipe(Effect.scoped)
  )
})

describe("custom", () => {
  it.live("sends the image in each of the ways that servers want it", () =>
    Effect.gen(function* () {
      const server = yield* answering({ mask: Model.nested() })
      const send = (body: Custom.CustomBody) =>
        Effect.as(ask(server.url, Custom.make({ path: "/segment", body })), undefined)
      yield* send({ as: "raw" })
      assert.isTrue(Model.isTheImage(server.last().body))
      yield* send({ as: "base64", field: "inputs.0.image", fields: { id: 7 } })
      const nested = Model.jsonOf(server.last().body)
      assert.strictEqual(nested.id, 7)
      assert.isTrue(Model.isTheImage(Buffer.from(nested.inputs[0].image, "base64")))
      yield* send({ as: "data-url" })
      assert.match(Model.jsonOf(server.last().body).image, /^data:image\/png;base64,iVBOR/)
      yield* send({ as: "form", part: "photo", fields: { threshold: "0.5" } })
      const form = yield* Effect.promise(() => Model.formOf(server.last().body, server.last().headers))
      assert.strictEqual(form.fields.get("threshold"), "0.5")
      assert.match(form.files.get("photo")?.name ?? "", /^panel-[0-9a-f]{16}\.png$/)
    }).pipe(Effect.scoped)
  )

  it.live("sends the address of an image from the web, and refuses one that has none", () =>
    Effect.gen(function* () {
      const server = yield* answering({ mask: Model.nested() })
      const images = yield* TestServer.http(
        (_, response) => void response.writeHead(200, { "content-type": "image/png" }).end(Model.image)
      )
      const protocol = Custom.make({ body: { as: "url", field: "image_url" } })
      yield* segment(ImageSource.url(`${images.url}/panel.png`)).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: server.url, protocol })),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.strictEqual(Model.jsonOf(server.last().body).image_url, `${images.url}/panel.png`)
      const error = yield* Effect.flip(ask(server.url, protocol))
      assert.strictEqual(error._tag, "UnsupportedImage")
    }).pipe(Effect.scoped)
  )
})

describe("SEGFORMER_PROTOCOL", () => {
  const fromEnv = (env: Record<string, string>) =>
    Effect.flatMap(segment(source), (found) => found.labelMap).pipe(
      Effect.provide(SegFormerHttp.layerConfig(SegFormerConfig.configWith({ policy: { retry: false } }))),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
      Effect.provide(NodeHttpClient.layerUndici),
      quiet
    )

  it.live("picks the protocol by its name, with the model and the key of the environment", () =>
    Effect.gen(function* () {
      const torch = yield* TorchServeServer.make
      const env = {
        SEGFORMER_SERVICE_URL: torch.url,
        SEGFORMER_PROTOCOL: "torchserve",
        SEGFORMER_MODEL: "segformer"
      }
      assert.isTrue(LabelMap.equals(yield* fromEnv(env), Model.labels))
      const roboflow = yield* RoboflowServer.make
      const keyed = {
        SEGFORMER_SERVICE_URL: roboflow.url,
        SEGFORMER_PROTOCOL: "roboflow",
        SEGFORMER_MODEL: "panels/3",
        SEGFORMER_API_KEY: RoboflowServer.key
      }
      assert.isTrue(LabelMap.equals(yield* fromEnv(keyed), Model.labels))
    }).pipe(Effect.scoped)
  )

  it.live("takes the codec of the context for a protocol that sends pixels", () =>
    Effect.gen(function* () {
      const server = yield* OpenInferenceServer.make({ binary: true })
      const env = {
        SEGFORMER_SERVICE_URL: server.url,
        SEGFORMER_PROTOCOL: "openinference",
        SEGFORMER_MODEL: "segformer"
      }
      assert.isTrue(LabelMap.equals(yield* fromEnv(env).pipe(Effect.provide(SharpCodec.layer)), Model.labels))
      const error = yield* Effect.flip(fromEnv(env))
      assert.include(error.message, "Provide `SharpCodec.layer`")
    }).pipe(Effect.scoped)
  )

  it.live("lists the names there are where the one given is none, and says what a protocol lacks", () =>
    Effect.gen(function* () {
      const unknown = yield* Effect.flip(fromEnv({ SEGFORMER_PROTOCOL: "grpc" }))
      assert.match(
        unknown.message,
        /SEGFORMER_PROTOCOL is "grpc", but must be one of `inspection`, `huggingface`,/
      )
      const lacking = yield* Effect.flip(fromEnv({ SEGFORMER_PROTOCOL: "tfserving" }))
      assert.include(lacking.message, "SEGFORMER_MODEL is not set")
    })
  )
})
