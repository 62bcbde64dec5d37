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
import { Effect, Redacted } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ReportedFailure, ResponseNotDecodable } from "../../service/ServiceError.ts"
import * as ClassesIn from "../ClassesIn.ts"
import * as EncodedPicture from "../EncodedPicture.ts"
import * as MaskAnswer from "../MaskAnswer.ts"
import * as MaskDecoding from "../MaskDecoding.ts"
import * as Side from "../Side.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { Protocol } from "./Protocol.ts"
import * as ErrorKind from "../../ErrorKind.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

export interface RoboflowOptions extends Pick<
  MaskDecoding.MaskOptions,
  "classes" | "ignoreIndex" | "maxPixels" | "pointsOf"
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

/** Grey values as confidence. Only at the image's size: confidence is not resized. */
const confidenceOf = (
  answer: Answer,
  value: unknown,
  image: Image
): Effect.Effect<ConfidenceMap | undefined> => {
  if (value === null || value === undefined || value === "") return Effect.succeed(undefined)
  const path = "predictions.confidence_mask"
  const decoded = Effect.gen(function* () {
    if (typeof value !== "string") {
      return yield* Decode.notDecodable(answer, path, "it is no text", "")
    }
    const png = yield* EncodedPicture.textToBytes(answer, path, value)
    const map = yield* MaskDecoding.fromPng(answer, path, png, image, { binary: false })
    if (map.width !== image.width || map.height !== image.height) return undefined
    const most = map.data instanceof Uint8Array ? 0xff : 0xffff
    return {
      width: map.width,
      height: map.height,
      data: Float32Array.from(map.data, (value) => value / most)
    }
  })
  return Side.optional(answer, path, decoded)
}

/** What it drew. It may be a JPEG, which `pictures` are not. */
const drawnIn = (answer: Answer, value: unknown): Effect.Effect<Uint8Array | undefined> => {
  if (typeof value !== "string" || value === "") return Effect.succeed(undefined)
  const decoded = EncodedPicture.textToBytes(answer, "visualization", value)
  return Effect.map(Side.optional(answer, "visualization", decoded), (drawn) =>
    drawn !== undefined && EncodedPicture.isPng(drawn) ? drawn : undefined
  )
}

const decode = (
  answer: Answer,
  image: Image,
  options: RoboflowOptions
): Effect.Effect<Prediction, ResponseNotDecodable | ReportedFailure | CodeNotLoaded> =>
  Effect.gen(function* () {
    const json = yield* Decode.json(answer)
    const found = Errors.isRecord(json) ? json["predictions"] : undefined
    const common = {
      pictures: {
        overlay: yield* drawnIn(answer, Errors.isRecord(json) ? json["visualization"] : undefined)
      },
      requestId: Errors.isRecord(json)
        ? ((yield* Side.text(answer, "inference_id", json["inference_id"])) ?? answer.requestId)
        : answer.requestId,
      serviceTime: Errors.isRecord(json) ? yield* Side.seconds(answer, "time", json["time"]) : undefined
    }
    // Its other models and its workflows list what they found: outlines, or run lengths.
    if (Array.isArray(found)) {
      const prediction = yield* MaskAnswer.fromValue(
        answer,
        "predictions",
        found,
        image,
        options,
        Errors.isRecord(json) ? [json] : []
      )
      return { ...prediction, ...common }
    }
    const segmentation = Errors.isRecord(found) ? found["segmentation_mask"] : undefined
    const path = "predictions.segmentation_mask"
    if (!Errors.isRecord(found) || typeof segmentation !== "string" || segmentation === "") {
      const said = Errors.isRecord(json) && found === undefined ? Errors.messageIn(json) : undefined
      return yield* said === undefined
        ? Effect.fail(Decode.notDecodable(answer, path, "there is no mask"))
        : Effect.fail(Errors.reported(answer, said))
    }
    const named = yield* ClassesIn.read(answer, "predictions", { class_map: found["class_map"] })
    const classes = options.classes ?? named
    const png = yield* EncodedPicture.textToBytes(answer, path, segmentation)
    const labelMap = yield* MaskDecoding.fromPng(answer, path, png, image, { ...options, classes })
    const confidence = yield* confidenceOf(answer, found["confidence_mask"], image)
    return { ...common, _tag: "Labels", labelMap, classes, confidence }
  })

/** The protocol for one model. */
export const make = (options: RoboflowOptions): Protocol => {
  const { apiKey, confidence, modelId, sendAs = "base64" } = options
  ErrorKind.oneOf("roboflow", "sendAs", sendAs, ["base64", "address"])
  ClassesIn.check("roboflow", options)
  const asking = (fields: Readonly<Record<string, unknown>>) => ({
    method: "POST" as const,
    path: "/infer/semantic_segmentation",
    body: ProtocolBody.json({
      model_id: modelId,
      ...(apiKey === undefined ? {} : { api_key: Redacted.value(apiKey) }),
      ...fields
    })
  })
  return {
    name: "roboflow",
    secrets: apiKey === undefined ? [] : [apiKey],
    // Each image is paid for.
    policy: { resend: "unless-sent" },
    encode: (image) =>
      Effect.map(sendAs === "address" ? ProtocolBody.address(image) : ProtocolBody.base64(image), (value) =>
        asking({
          image: { type: sendAs === "address" ? "url" : "base64", value },
          ...(confidence === undefined ? {} : { confidence })
        })
      ),
    decode: (answer, image) => decode(answer, image, options),
    readError: Errors.read,
    entry: asking({}),
    health: Errors.healthByStatus("/readiness"),
    describe: { name: modelId, classes: options.classes ?? [] }
  }
}
