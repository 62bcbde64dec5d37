/**
 * What `/v1/segment` answers to `Accept: application/vnd.segformer`: for each image of a request a frame, which is the
 * length of its JSON (32 bits, little-endian), the JSON, and the bytes that it lists, in their order. The server writes it
 * and the client reads it from here.
 */
import { Duration, Effect, Result, Schema } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import * as LabelRuns from "../../mask/LabelRuns.ts"
import type { Pictures, Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ResponseNotDecodable } from "../../service/ServiceError.ts"
import { maxPixels } from "../MaskLimits.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

export const mediaType = "application/vnd.segformer"

const Size = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Side = Schema.Int.check(Schema.isGreaterThan(0))
const Channel = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Point = Schema.Struct({ x: Schema.Finite, y: Schema.Finite })

const RegionJson = Schema.Struct({
  classId: Size,
  className: Schema.String,
  box: Schema.Struct({ ...Point.fields, width: Schema.Finite, height: Schema.Finite }),
  centroid: Point,
  area: Schema.Finite,
  perimeter: Schema.Finite,
  majorAxis: Schema.Finite,
  minorAxis: Schema.Finite,
  circularity: Schema.Finite,
  aspectRatio: Schema.Finite,
  touchesBorder: Schema.optional(Schema.Boolean),
  meanConfidence: Schema.optional(Schema.Finite),
  orientation: Schema.optional(Schema.Finite),
  solidity: Schema.optional(Schema.Finite)
})

/** What bytes can follow the JSON: the runs of the label map, a byte of confidence a pixel, and PNG files. */
const parts = ["labels", "confidence", "overlay", "combined", "mask"] as const
export type Part = (typeof parts)[number]

/** An image that was segmented. */
export const Head = Schema.Struct({
  requestId: Schema.String,
  model: Schema.String,
  width: Side,
  height: Side,
  seconds: Schema.Finite,
  /** All of the model's. */
  classes: Schema.Array(
    Schema.Struct({
      id: Size,
      name: Schema.String,
      color: Schema.optionalKey(Schema.Tuple([Channel, Channel, Channel]))
    })
  ),
  /** By class id, where the segmenter says. */
  scores: Schema.Record(Schema.String, Schema.Finite),
  /** Where the segmenter found them itself; else they are those of the label map. */
  regions: Schema.optionalKey(Schema.Array(RegionJson)),
  labels: Schema.optionalKey(
    Schema.Struct({ bits: Schema.Literals([8, 16, 32]), ignoreIndex: Schema.optionalKey(Size) })
  ),
  bytes: Schema.Struct({
    labels: Schema.optionalKey(Size),
    confidence: Schema.optionalKey(Size),
    overlay: Schema.optionalKey(Size),
    combined: Schema.optionalKey(Size),
    mask: Schema.optionalKey(Size)
  })
})
export type Head = typeof Head.Type

/** An image of several that was not. */
export const Failed = Schema.Struct({
  status: Schema.Int,
  error: Schema.Struct({ tag: Schema.String, message: Schema.String })
})
export type Failed = typeof Failed.Type

const decodeHead = Decode.schema(Schema.Union([Head, Failed]))

/** The bytes of a frame. */
export const encode = (
  head: Omit<Head, "bytes"> | Failed,
  contents: { readonly [K in Part]?: Uint8Array | undefined } = {}
): ReadonlyArray<Uint8Array> => {
  const present = parts.flatMap((part) => {
    const bytes = contents[part]
    return bytes === undefined ? [] : [{ part, bytes }]
  })
  const lengths = Object.fromEntries(present.map(({ bytes, part }) => [part, bytes.length]))
  const json = new TextEncoder().encode(JSON.stringify("status" in head ? head : { ...head, bytes: lengths }))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, json.length, true)
  return [length, json, ...present.map(({ bytes }) => bytes)]
}

/** One frame of an answer. */
export interface Frame {
  readonly head: Head | Failed
  readonly contents: { readonly [K in Part]?: Uint8Array }
}

/** The frames of an answer. */
export const frames = Effect.fnUntraced(function* (
  answer: Answer
): Effect.fn.Return<ReadonlyArray<Frame>, ResponseNotDecodable | CodeNotLoaded> {
  const { body } = answer
  const cut = () => Decode.notDecodable(answer, "", "it is cut off, or no answer of this kind", "")
  const found: Array<Frame> = []
  for (let at = 0; at < body.length;) {
    if (at + 4 > body.length) return yield* cut()
    const length = new DataView(body.buffer, body.byteOffset + at, 4).getUint32(0, true)
    at += 4
    if (at + length > body.length) return yield* cut()
    const head = yield* decodeHead({ ...answer, body: body.subarray(at, at + length) })
    at += length
    const contents: { [K in Part]?: Uint8Array } = {}
    if ("bytes" in head) {
      for (const part of parts) {
        const size = head.bytes[part]
        if (size === undefined) continue
        if (at + size > body.length) return yield* cut()
        contents[part] = body.subarray(at, at + size)
        at += size
      }
    }
    found.push({ head, contents })
  }
  return found
})

/** What a frame says of an image. */
export const prediction = Effect.fnUntraced(function* (
  answer: Answer,
  head: Head,
  contents: Frame["contents"],
  image: Pick<Image, "width" | "height">
): Effect.fn.Return<Prediction, ResponseNotDecodable> {
  const { classes, height, labels, regions, requestId, scores, seconds, width } = head
  const limit = maxPixels(image)
  if (width * height > limit) {
    const detail = `${width} x ${height} pixels are more than the ${limit} allowed`
    return yield* Decode.notDecodable(answer, "labels", detail, "")
  }
  const pictures: Pictures = {
    ...(contents.overlay === undefined ? {} : { overlay: contents.overlay }),
    ...(contents.combined === undefined ? {} : { combined: contents.combined }),
    ...(contents.mask === undefined ? {} : { mask: contents.mask })
  }
  const common = {
    classes,
    scores: new Map(Object.entries(scores).map(([id, score]) => [Number(id), score])),
    regions,
    pictures,
    requestId,
    serviceTime: seconds >= 0 ? Duration.seconds(seconds) : undefined
  }
  if (labels === undefined || contents.labels === undefined)
    return { ...common, _tag: "Rendered", width, height }
  const { bits, ignoreIndex } = labels
  const decoded = LabelRuns.decode(contents.labels, { width, height, bits })
  if (Result.isFailure(decoded))
    return yield* Decode.notDecodable(answer, "labels", decoded.failure.detail, "")
  const labelMap = ignoreIndex === undefined ? decoded.success : { ...decoded.success, ignoreIndex }
  return { ...common, _tag: "Labels", labelMap, confidence: confidenceOf(head, contents.confidence) }
})

/** A byte a pixel, 0 to 255 for 0 to 1. */
const confidenceOf = ({ height, width }: Head, bytes: Uint8Array | undefined): ConfidenceMap | undefined =>
  bytes === undefined || bytes.length !== width * height
    ? undefined
    : { width, height, data: Float32Array.from(bytes, (value) => value / 255) }
