/**
 * Roboflow's semantic segmentation (`POST /infer/semantic_segmentation`), hosted or on a server of one's own.
 *
 * Its mask is a grey PNG whose pixels are class ids. Each image has a price, so that a request is sent again only where it
 * provably cost nothing; with a server of your own, `policy: { resend: "always" }` is yours to say. The API key travels in the request's JSON, as the service wants
 * it, and is taken out of whatever the service says.
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Roboflow } from "effect-segformer/http"
 *
 * Roboflow.make({ modelId: "panels/3", apiKey: Redacted.make("secret") }).name // => "roboflow"
 * ```
 */
import { Duration, Effect, Redacted, Schema } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ResponseNotDecodable } from "../../service/ServiceError.ts"
import * as EncodedPicture from "../EncodedPicture.ts"
import * as MaskDecoding from "../MaskDecoding.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { Protocol } from "./Protocol.ts"

export interface RoboflowOptions extends Pick<
  MaskDecoding.MaskOptions,
  "classes" | "ignoreIndex" | "maxPixels"
> {
  /** Such as `panels/3`. */
  readonly modelId: string
  /** Sent in the body of every request. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** `"address"` passes on where the image was taken from (`ImageSource.url`). `"base64"` by default. */
  readonly sendAs?: "base64" | "address" | undefined
  /** Pixels of less confidence are background. What the service does by default, unless given. */
  readonly confidence?: number | undefined
}

const ResultJson = Schema.Struct({
  predictions: Schema.Struct({
    segmentation_mask: Schema.NonEmptyString,
    class_map: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
    confidence_mask: Schema.optionalKey(Schema.NullOr(Schema.String))
  }),
  time: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  inference_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  visualization: Schema.optionalKey(Schema.NullOr(Schema.String))
})
const decodeResult = Decode.schema(ResultJson)

/** Grey values as confidence. Only at the image's size: confidence is not resized. */
const confidenceOf = (
  answer: Answer,
  text: string | null | undefined,
  image: Image
): Effect.Effect<ConfidenceMap | undefined, ResponseNotDecodable> =>
  Effect.gen(function* () {
    if (text === null || text === undefined || text === "") return undefined
    const path = "predictions.confidence_mask"
    const png = yield* EncodedPicture.textToBytes(answer, path, text)
    const map = yield* MaskDecoding.fromPng(answer, path, png, image, {})
    if (map.width !== image.width || map.height !== image.height) return undefined
    const most = map.data instanceof Uint8Array ? 0xff : 0xffff
    return {
      width: map.width,
      height: map.height,
      data: Float32Array.from(map.data, (value) => value / most)
    }
  })

const decode = (answer: Answer, image: Image, options: RoboflowOptions) =>
  Effect.gen(function* () {
    const result = yield* decodeResult(answer)
    const { class_map, confidence_mask, segmentation_mask } = result.predictions
    const classes = options.classes ?? ClassTable.fromId2Label(class_map ?? {})
    const path = "predictions.segmentation_mask"
    const png = yield* EncodedPicture.textToBytes(answer, path, segmentation_mask)
    const labelMap = yield* MaskDecoding.fromPng(answer, path, png, image, { ...options, classes })
    const confidence = yield* confidenceOf(answer, confidence_mask, image)
    const drawn =
      typeof result.visualization === "string" && result.visualization !== ""
        ? yield* EncodedPicture.textToBytes(answer, "visualization", result.visualization)
        : undefined
    // It may be a JPEG, which `pictures` are not.
    const overlay = drawn !== undefined && EncodedPicture.isPng(drawn) ? drawn : undefined
    const prediction: Prediction = {
      _tag: "Labels",
      labelMap,
      classes,
      confidence,
      pictures: { overlay },
      requestId: result.inference_id ?? answer.requestId,
      serviceTime: typeof result.time === "number" ? Duration.seconds(Math.max(0, result.time)) : undefined
    }
    return prediction
  })

/** The protocol for one model. */
export const make = (options: RoboflowOptions): Protocol => {
  const { apiKey, confidence, modelId, sendAs = "base64" } = options
  return {
    name: "roboflow",
    secrets: apiKey === undefined ? [] : [apiKey],
    // Each image is paid for.
    policy: { resend: "unless-sent" },
    encode: (image) =>
      Effect.map(
        sendAs === "address" ? ProtocolBody.address(image) : ProtocolBody.base64(image),
        (value) => ({
          method: "POST",
          path: "/infer/semantic_segmentation",
          body: ProtocolBody.json({
            model_id: modelId,
            ...(apiKey === undefined ? {} : { api_key: Redacted.value(apiKey) }),
            image: { type: sendAs === "address" ? "url" : "base64", value },
            ...(confidence === undefined ? {} : { confidence })
          })
        })
      ),
    decode: (answer, image) => decode(answer, image, options),
    readError: Errors.read,
    entry: {
      method: "POST",
      path: "/infer/semantic_segmentation",
      body: ProtocolBody.json({
        model_id: modelId,
        ...(apiKey === undefined ? {} : { api_key: Redacted.value(apiKey) })
      })
    },
    health: Errors.healthByStatus("/readiness"),
    describe: { name: modelId, classes: options.classes ?? [] }
  }
}
