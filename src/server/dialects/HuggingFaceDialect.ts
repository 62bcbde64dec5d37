/**
 * Hugging Face's `image-segmentation`, served: what `@huggingface/inference` and `SegFormerHttp` with `HuggingFace` call,
 * at the paths of an endpoint (`/`, `/predict`) and of the hosted service (`/models/{id}`).
 *
 * A mask per class present, ascending by id, as base64 PNG (grey, 0 or 255) of the image's size. `score` is always a
 * number: the class's mean confidence where the segmenter says, else 1. The only subtask is `semantic`; its pipeline
 * looks at no threshold, and neither does this.
 *
 * 503 means that the model is loading, and nothing else: Hugging Face's client repeats it at once and without end. So
 * it is answered after a second, and a full queue is 429.
 */
import { Duration, Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Segmented, type Served } from "../Dialect.ts"
import * as ClassScores from "../ClassScores.ts"
import * as JsonPieces from "../JsonPieces.ts"
import * as LargeJson from "../LargeJson.ts"
import * as ModelName from "../ModelName.ts"
import * as Refusals from "../Refusal.ts"

const statusOf = ({ reason, status }: Refusals.Refusal): number =>
  reason === "busy" ? 429 : status === 503 && reason !== "loading" ? 502 : status === 415 ? 400 : status

const refuse = (refusal: Refusals.Refusal) => {
  const { detail, reason, retryAfter = Duration.seconds(1) } = refusal
  const body =
    reason === "loading"
      ? { error: detail, estimated_time: Duration.toSeconds(retryAfter) }
      : { error: detail }
  return Refusals.answer(refusal, body, statusOf(refusal))
}

const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      inputs: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)]),
      parameters: Schema.optionalKey(
        Schema.NullOr(Schema.Struct({ subtask: Schema.optionalKey(Schema.NullOr(Schema.String)) }))
      )
    })
  ),
  'The body must be an image file, or JSON such as {"inputs": "<image in base64>"}'
)

/** The image in a JSON body. */
const fromJson = Effect.fnUntraced(function* (body: Uint8Array) {
  const { inputs, parameters } = yield* decodeBody(body)
  const subtask = parameters?.subtask ?? "semantic"
  if (subtask !== "semantic") {
    return yield* Refusals.bad(`This model does semantic segmentation: it has no subtask "${subtask}"`)
  }
  return yield* LargeJson.fileOf(inputs, '"inputs"')
})

/** Label, score and file of each mask, within the turn. */
const masks = Effect.fnUntraced(function* (segmented: Segmented) {
  const { labelMap, present } = yield* ClassScores.make(segmented)
  const files = yield* ClassScores.masks(
    labelMap,
    present.map(({ id }) => id)
  )
  return present.map(({ name, score = 1 }, index) => ({ label: name, score, png: files[index]! }))
})

/** At an address of its own, or one that ends in the model's id. */
const infer = (served: Served, path: `/${string}`): DialectRoute =>
  post(
    path,
    Effect.fnUntraced(
      function* (request, parameters) {
        if (path.endsWith("*")) yield* ModelName.find(served, parameters["*"])
        const { maxBytes } = served.limits
        const limit = Bodies.isJson(request) ? LargeJson.base64Bytes(maxBytes) : maxBytes
        const body = yield* Bodies.take(served, request, limit)
        // Some callers do not say what they send.
        const isJson = Bodies.isJson(request) || LargeJson.isObject(body)
        const bytes = isJson ? yield* fromJson(body) : body
        const found = yield* served.segment({ name: "image", bytes }, masks)
        return JsonPieces.answer(
          (function* () {
            yield "["
            yield* JsonPieces.list(found, function* ({ label, png, score }) {
              yield `${JSON.stringify({ label, score }).slice(0, -1)},"mask":`
              yield png
              yield "}"
            })
            yield "]"
          })()
        )
      },
      Effect.tapError(({ reason }) => (reason === "loading" ? Effect.sleep("1 second") : Effect.void))
    )
  )

const health = (served: Served, path: `/${string}`): DialectRoute =>
  get(path, () =>
    Effect.flatMap(served.health, ({ detail, healthy }) =>
      healthy
        ? Effect.succeed(HttpServerResponse.text("Ok"))
        : Effect.fail(
            new Refusals.Refusal({
              status: 503,
              detail: "The model is not loaded yet",
              internal: detail,
              reason: "loading",
              retryAfter: Duration.seconds(1)
            })
          )
    )
  )

/** The dialect `huggingface`. */
export const make = (): Dialect => ({
  name: "huggingface",
  refuse,
  routes: (served) =>
    Effect.succeed([
      infer(served, "/"),
      infer(served, "/predict"),
      infer(served, "/models/*"),
      infer(served, "/hf-inference/models/*"),
      health(served, "/"),
      health(served, "/health")
    ])
})
