/**
 * Roboflow's semantic segmentation, served: `POST /infer/semantic_segmentation`, one image or a list of them, in base64;
 * and `POST /{model}/{version}` of its hosted models, with one image as base64 or as a file.
 *
 * Addresses are refused: this server fetches nothing on behalf of callers. `confidence_mask` is a grey PNG of the
 * confidence times 255 where the segmenter says how sure it is of each pixel, else null; pixels below `confidence` then
 * become background where the model has such a class. A token may be the query's `api_key`, which is where clients put it by
 * default; that in a body is not looked at, since no body is read before it is known whose it is.
 */
import { Duration, Effect, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as Background from "../../render/Background.ts"
import * as Steps from "../../mask/Steps.ts"
import { randomHex } from "../../randomHex.ts"
import { version } from "../../version.ts"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Segmented, type Served } from "../Dialect.ts"
import * as ClassScores from "../ClassScores.ts"
import * as JsonPieces from "../JsonPieces.ts"
import * as LargeJson from "../LargeJson.ts"
import * as ModelName from "../ModelName.ts"
import * as Refusals from "../Refusal.ts"
import * as Uploads from "../Uploads.ts"

const refuse = (refusal: Refusals.Refusal) => Refusals.answer(refusal, { message: refusal.detail })

const ImageJson = Schema.Struct({
  type: Schema.String,
  value: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)])
})
const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      model_id: Schema.String,
      image: Schema.Union([ImageJson, Schema.Array(ImageJson)]),
      confidence: Schema.optionalKey(
        Schema.NullOr(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
      )
    })
  ),
  'The body must be JSON such as {"model_id": "segformer", "image": {"type": "base64", "value": "…"}}, with a "confidence" from 0 to 1 if any'
)

/** `panels/3` is version 3 of `panels`: there is but one version here. */
const withoutVersion = (id: string): string => id.replace(/\/\d+$/, "")

const fileOf = ({ type, value }: typeof ImageJson.Type): Effect.Effect<Uint8Array, Refusals.Refusal> =>
  type === "base64"
    ? LargeJson.fileOf(value, '"image.value"')
    : Effect.fail(
        Refusals.bad(`Send the image as {"type": "base64", "value": …}: the type "${type}" is not taken here`)
      )

/** Pixels that the model is less sure of than `least` become background. */
function* doubtless(
  found: ClassScores.ClassScores,
  least: number,
  background: number
): Steps.Steps<ClassScores.ClassScores> {
  const { confidence, labelMap } = found
  if (confidence === undefined) return found
  const data = labelMap.data.slice()
  for (let from = 0; from < data.length; from += Steps.pixelsPerStep) {
    const end = Math.min(data.length, from + Steps.pixelsPerStep)
    for (let at = from; at < end; at++) if (confidence.data[at]! < least) data[at] = background
    yield
  }
  return { ...found, labelMap: { ...labelMap, data } }
}

/** What the protocol says of one image, within the turn. `flat` says it as hosted models do too: the mask outside `predictions`. */
const predictions = (least: number | null | undefined, flat: boolean = false) =>
  Effect.fnUntraced(function* (segmented: Segmented) {
    const found = yield* ClassScores.make(segmented)
    const { classes, confidence, maxId } = found
    const [background] = Background.idsOf(classes)
    const kept =
      typeof least === "number" && least > 0 && background !== undefined
        ? yield* Steps.run(() => doubtless(found, least, background))
        : found
    const { height, width } = found.labelMap
    const sure =
      confidence === undefined
        ? "null"
        : yield* ClassScores.png({
            labelMap: {
              width,
              height,
              data: yield* Steps.run(() => ClassScores.confidenceBytes(confidence))
            },
            maxId: 255
          })
    const mask = yield* ClassScores.png({
      labelMap: kept.labelMap,
      maxId: Math.max(maxId, background ?? 0)
    })
    const took = Duration.toSeconds(segmented.segmentation.cost.duration)
    const classMap = Object.fromEntries(classes.map(({ id, name }) => [String(id), name]))
    const named = [`"class_map":${JSON.stringify(classMap)},"segmentation_mask":`, mask]
    return [
      `{"inference_id":"${randomHex(16)}","time":${took},"image":${JSON.stringify({ width, height })}`,
      ...(flat ? [",", ...named] : []),
      `,"visualization":null,"predictions":{`,
      ...named,
      `,"confidence_mask":`,
      sure,
      "}}"
    ]
  })

const infer = (served: Served): DialectRoute =>
  post(
    "/infer/semantic_segmentation",
    Effect.fnUntraced(function* (request) {
      const body = yield* Bodies.take(served, request, LargeJson.base64Bytes(served.limits.maxRequestBytes))
      const { confidence, image, model_id } = yield* decodeBody(body)
      yield* Effect.catch(ModelName.find(served, model_id), () =>
        ModelName.find(served, withoutVersion(model_id))
      )
      const isList = "length" in image
      const images = isList ? image : [image]
      if (images.length === 0) return yield* Refusals.bad('"image" has no image in it')
      const results = yield* Bodies.segmentAll(served, images, fileOf, predictions(confidence))
      return JsonPieces.answer(
        (function* () {
          if (isList) yield "["
          yield* JsonPieces.list(results, (pieces) => pieces)
          if (isList) yield "]"
        })()
      )
    })
  )

/** The `confidence` of a query: a part of one, or percent from 1 on. */
const leastOf = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<number | undefined, Refusals.Refusal> => {
  const given = queryOf(request).get("confidence")
  if (given === null || given === "") return Effect.succeed(undefined)
  const value = Number(given)
  return value >= 0 && value <= 100
    ? Effect.succeed(value < 1 ? value : value / 100)
    : Effect.fail(Refusals.bad('"confidence" is a number from 0 to 1, or percent'))
}

const queryOf = ({ url }: HttpServerRequest.HttpServerRequest): URLSearchParams =>
  new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")

/** The image of a hosted model's route: base64 as the whole body, however it is labelled, or a form with a file. */
const inferAt = (served: Served): DialectRoute =>
  // No other path of two parts is one of these.
  post(
    "/:model/:version(^\\d+$)",
    Effect.fnUntraced(function* (request, { model }) {
      yield* ModelName.find(served, model)
      const least = yield* leastOf(request)
      if (queryOf(request).has("image")) {
        return yield* Refusals.bad('"image" is an address, and nothing is fetched from here: send the file')
      }
      const upload = Uploads.isForm(request)
        ? yield* Bodies.takeImage(served, request, "file", true)
        : {
            name: "image",
            bytes: yield* Effect.flatMap(
              Bodies.take(served, request, LargeJson.base64Bytes(served.limits.maxBytes)),
              (body) => LargeJson.fileOf(new TextDecoder().decode(body), "the body")
            )
          }
      const pieces = yield* served.segment(upload, predictions(least, true))
      return JsonPieces.answer(pieces)
    })
  )

/** Drawn when a server is made: workers such as Cloudflare's draw nothing while their modules are loaded. */
const info = () => ({ name: "effect-segformer", version, uuid: randomHex(16) })

/** The models that there are, as its own server lists those it has loaded: here by both of its names. */
const registry = (served: Served) =>
  Effect.map(served.describe, ({ name }) =>
    JsonPieces.json({
      models: [...new Set([name, ModelName.alias])].map((model) => ({
        model_id: `${model}/1`,
        task_type: "semantic-segmentation",
        batch_size: null,
        input_height: null,
        input_width: null
      }))
    })
  )

/** The dialect `roboflow`. */
export const make = (): Dialect => ({
  name: "roboflow",
  refuse,
  token: (request) => queryOf(request).get("api_key") ?? undefined,
  routes: (served) => {
    const about = info()
    return Effect.succeed([
      infer(served),
      inferAt(served),
      get("/model/registry", () => registry(served)),
      get("/info", () => Effect.succeed(JsonPieces.json(about))),
      get("/healthz", () => Effect.succeed(JsonPieces.json({ status: "healthy" }))),
      get("/readiness", () =>
        Effect.map(served.health, ({ healthy }) =>
          healthy
            ? JsonPieces.json({ status: "ready" })
            : JsonPieces.json({ status: "not ready", message: "The model is not loaded" }, 503)
        )
      )
    ])
  }
})
