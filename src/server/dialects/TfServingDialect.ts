/**
 * TensorFlow Serving's REST API, served: `POST /v1/models/{m}:predict` with images as `{"b64": …}`, by row (`instances`)
 * or by column (`inputs`).
 *
 * The signature `serving_default` gives class ids, `[height][width]` for each image; `png` gives `{"b64": …}` of a grey
 * PNG whose pixels are class ids, many times smaller.
 */
import { Effect, Schema, type Scope } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import { isRecord } from "../../service/Message.ts"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Segmented, type Served } from "../Dialect.ts"
import * as ClassScores from "../ClassScores.ts"
import * as IdsJson from "./IdsJson.ts"
import * as JsonPieces from "../JsonPieces.ts"
import * as LargeJson from "../LargeJson.ts"
import * as ModelName from "../ModelName.ts"
import * as Refusals from "../Refusal.ts"

const refuse = (refusal: Refusals.Refusal) => Refusals.answer(refusal, { error: refusal.detail })

/** The only version there is. */
const version = "1"

const usage =
  'The body must be JSON such as {"instances": [{"b64": "<image in base64>"}]}, with a "signature_name" "serving_default" or "png" if any'

const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      signature_name: Schema.optionalKey(Schema.Literals(["serving_default", "png"])),
      instances: Schema.optionalKey(Schema.NonEmptyArray(Schema.Unknown)),
      inputs: Schema.optionalKey(Schema.Unknown)
    })
  ),
  usage
)

/** What the model's only input is given: `{image: X}` is X, by whatever name. */
const unnamed = (value: unknown): unknown => {
  if (!isRecord(value) || "b64" in value) return value
  const fields = Object.values(value)
  return fields.length === 1 ? fields[0] : undefined
}

const fileOf = (value: unknown): Effect.Effect<Uint8Array, Refusals.Refusal> => {
  const b64 = isRecord(value) ? value["b64"] : undefined
  return typeof b64 === "string" || b64 instanceof LargeJson.LongText
    ? LargeJson.fileOf(b64, '"b64"')
    : Effect.fail(Refusals.bad(usage))
}

/** What the protocol says of one image, within the turn: ids, or the file that holds them. */
const prediction =
  (signature: "serving_default" | "png") =>
  (segmented: Segmented): Effect.Effect<Iterable<JsonPieces.Piece>, Refusals.Refusal> =>
    Effect.flatMap(
      ClassScores.make(segmented),
      (found): Effect.Effect<Iterable<JsonPieces.Piece>, Refusals.Refusal> =>
        signature === "png"
          ? Effect.map(ClassScores.png(found), (png) => ['{"b64":', png, "}"])
          : Effect.succeed(IdsJson.nested(found.labelMap))
    )

const predict = Effect.fnUntraced(function* (
  served: Served,
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusals.Refusal, Scope.Scope> {
  const body = yield* Bodies.take(served, request, LargeJson.base64Bytes(served.limits.maxRequestBytes))
  const { inputs, instances, signature_name = "serving_default" } = yield* decodeBody(body)
  if ((instances === undefined) === (inputs === undefined)) return yield* Refusals.bad(usage)
  const column = unnamed(inputs)
  const images: ReadonlyArray<unknown> =
    instances?.map(unnamed) ?? (Array.isArray(column) ? column : [column])
  const predictions = yield* Bodies.segmentAll(served, images, fileOf, prediction(signature_name))
  return JsonPieces.answer(
    (function* () {
      yield instances === undefined ? '{"outputs":[' : '{"predictions":['
      yield* JsonPieces.list(predictions, (pieces) => pieces)
      yield "]}"
    })()
  )
})

const status = (served: Served): DialectRoute["handle"] =>
  Effect.fnUntraced(function* (_, parameters) {
    yield* ModelName.find(served, parameters["model"])
    yield* ModelName.checkVersion(parameters["version"], version)
    const { healthy } = yield* served.health
    const [state, error_code, error_message] = healthy
      ? ["AVAILABLE", "OK", ""]
      : ["LOADING", "UNAVAILABLE", "The model is not loaded"]
    return JsonPieces.json({
      model_version_status: [{ version, state, status: { error_code, error_message } }]
    })
  })

/** Tensors as TensorFlow describes them: -1 is any size. */
const tensor = (dtype: string, ...sizes: ReadonlyArray<number>) => ({
  dtype,
  tensor_shape: { dim: sizes.map((size) => ({ size: String(size), name: "" })), unknown_rank: false },
  name: ""
})

const image = { image: tensor("DT_STRING", -1) }
const signatures = {
  serving_default: { inputs: image, outputs: { labels: tensor("DT_INT32", -1, -1, -1) } },
  png: { inputs: image, outputs: { png: tensor("DT_STRING", -1) } }
}

const metadata = (served: Served): DialectRoute["handle"] =>
  Effect.fnUntraced(function* (_, parameters) {
    const { name } = yield* ModelName.find(served, parameters["model"])
    yield* ModelName.checkVersion(parameters["version"], version)
    return JsonPieces.json({
      model_spec: { name, signature_name: "", version },
      metadata: { signature_def: { signature_def: signatures } }
    })
  })

/** `name:predict` is one part of the path. */
const action = (served: Served, part: "model" | "version"): DialectRoute["handle"] =>
  Effect.fnUntraced(function* (request, parameters) {
    const [, value, verb] = /^(.*):(\w+)$/s.exec(parameters[part] ?? "") ?? []
    if (value === undefined || verb !== "predict") {
      return yield* Refusals.notFound('What can be asked of a model here ends in ":predict"')
    }
    yield* ModelName.find(served, part === "model" ? value : parameters["model"])
    yield* ModelName.checkVersion(part === "version" ? value : undefined, version)
    return yield* predict(served, request)
  })

/** The dialect `tfserving`. */
export const make = (): Dialect => ({
  name: "tfserving",
  refuse,
  routes: (served) =>
    Effect.succeed([
      // TensorFlow's has none; KServe's clients of this protocol ask here whether a server is up.
      get("/", () => Effect.succeed(JsonPieces.json({ status: "alive" }))),
      post("/v1/models/:model", action(served, "model")),
      post("/v1/models/:model/versions/:version", action(served, "version")),
      get("/v1/models/:model", status(served)),
      get("/v1/models/:model/versions/:version", status(served)),
      get("/v1/models/:model/metadata", metadata(served)),
      get("/v1/models/:model/versions/:version/metadata", metadata(served))
    ])
})
