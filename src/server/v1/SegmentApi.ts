/** The contract of segmenting: which models there are, and what one of them sees in an image. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { FeatureCollection } from "../../mask/GeoJson.ts"
import { Dataset } from "../../mask/Coco.ts"
import * as Exports from "../../mask/Exports.ts"
import * as SegFormerAnswer from "../../http/protocol/SegFormerAnswer.ts"
import { Authorization, refusals } from "./ApiError.ts"

/** Such as `#ff8800`. */
const Color = Schema.String.check(Schema.isPattern(/^#[\da-f]{6}$/))

/** A class that a model tells apart. */
export const ModelClass = Schema.Struct({ id: Schema.Int, name: Schema.String, color: Color })

/** A model that can be asked for. */
export const ModelInfo = Schema.Struct({
  name: Schema.String,
  /** Asked when a request names none. */
  default: Schema.Boolean,
  /** `model` for one that runs here, `service` for one that runs elsewhere. */
  kind: Schema.String,
  classes: Schema.Array(ModelClass)
})
export type ModelInfo = typeof ModelInfo.Type

export const ModelList = Schema.Struct({
  models: Schema.Array(ModelInfo),
  /** Media types that `/v1/segment` can answer with: what a client can count on. */
  formats: Schema.Array(Schema.String)
})

/** 0 to 1; `null` where the model does not say. */
const Confidence = Schema.NullOr(Schema.Finite)

/** A class with at least one pixel. */
export const FoundClass = Schema.Struct({
  ...ModelClass.fields,
  pixels: Schema.Int,
  /** Of the image's pixels, 0 to 1. */
  share: Schema.Finite,
  confidence: Confidence
})

/** A connected set of pixels of one class. Coordinates in pixels, from the top left. */
export const FoundRegion = Schema.Struct({
  /** Its place in the list. */
  id: Schema.Int,
  classId: Schema.Int,
  class: Schema.String,
  area: Schema.Int,
  boundingBox: Schema.Struct({
    x: Schema.Finite,
    y: Schema.Finite,
    width: Schema.Finite,
    height: Schema.Finite
  }),
  centroid: Schema.Struct({ x: Schema.Finite, y: Schema.Finite }),
  confidence: Confidence
})

/** A byte a pixel, packed as labels are. */
const Plane = Schema.Struct({ width: Schema.Int, height: Schema.Int, deflate: Schema.String })

/** What a model sees in an image. */
export const SegmentResult = Schema.Struct({
  requestId: Schema.String,
  model: Schema.String,
  /** In pixels, as a person sees the image. */
  width: Schema.Int,
  height: Schema.Int,
  /** The image has more pages or frames, or smaller copies of itself, and this is of the first. */
  morePages: Schema.optionalKey(Schema.Boolean),
  /** That the segmentation took. */
  seconds: Schema.Finite,
  /** Those in the image, largest first. */
  classes: Schema.Array(FoundClass),
  /** Largest first, at most 1,000. */
  regions: Schema.Array(FoundRegion),
  regionsTotal: Schema.Int,
  /** With `include=labels`: class ids row by row, little-endian, compressed by zlib, in base64. */
  labels: Schema.optionalKey(
    Schema.Struct({
      width: Schema.Int,
      height: Schema.Int,
      bits: Schema.Literals([8, 16]),
      deflate: Schema.String
    })
  ),
  /** With `include=confidence`, where the model says: a byte a pixel, 0 to 255 for 0 to 1, packed likewise. */
  confidence: Schema.optionalKey(Plane)
})
export type SegmentResult = typeof SegmentResult.Type

/** What a request may ask for besides. */
export const segmentQuery = {
  model: Schema.optionalKey(Schema.String),
  /** `labels` and `confidence` for the JSON, `background` for formats of objects, with commas between. */
  include: Schema.optionalKey(Schema.String)
}

/** A label map that a caller has already, as `/v1/segment` gives it with `include=labels`. */
export const LabelMapToExport = Schema.Struct({
  /** What the image is called. */
  image: Schema.optionalKey(Schema.String),
  /** What the labels come from. */
  model: Schema.optionalKey(Schema.String),
  classes: Schema.Array(
    Schema.Struct({
      id: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })),
      name: Schema.String,
      color: Schema.optionalKey(Color),
      /** Mean of its pixels', 0 to 1. */
      confidence: Schema.optionalKey(Schema.NullOr(Schema.Finite))
    })
  ),
  labels: Schema.Struct({
    width: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
    height: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
    bits: Schema.Literals([8, 16]),
    /** Class ids row by row, little-endian, compressed by zlib, in base64. */
    deflate: Schema.String
  }),
  /** As `include=confidence` gives it, for formats that tell of each region how sure it is; as large as the labels. */
  confidence: Schema.optionalKey(Plane)
})

/** A file as it is. */
export const file = (contentType: string) =>
  Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType }))

/** Formats of export whose content has a schema of its own. */
const documents = [
  FeatureCollection.pipe(HttpApiSchema.asJson({ contentType: Exports.formats.geojson.mediaType })),
  Dataset.pipe(HttpApiSchema.asJson({ contentType: Exports.formats.coco.mediaType }))
] as const

/** In the forms that `Accept` chooses between; JSON by default. */
export const segmentFormats = [
  SegmentResult,
  file("application/octet-stream"),
  // For clients of this library: the label map as runs, classes, scores and confidence, of each image of a form.
  file(SegFormerAnswer.mediaType),
  ...documents,
  ...Exports.names
    .filter((name) => name !== "geojson" && name !== "coco")
    .map((name) => Exports.formats[name])
    .map(({ mediaType, per }) =>
      per === "image" ? file(mediaType) : Schema.String.pipe(HttpApiSchema.asText({ contentType: mediaType }))
    )
] as const

/** An image: its bytes as they are, or a form with it. */
const imagePayload = [
  file("application/octet-stream"),
  Schema.Struct({ image: Schema.Unknown }).pipe(HttpApiSchema.asMultipart())
] as const

export class ModelsGroup extends HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.get("list", "/v1/models", { success: ModelList, error: refusals() }).annotateMerge(
      OpenApi.annotations({ summary: "The models that can be asked for" })
    )
  )
  .middleware(Authorization) {}

export class SegmentGroup extends HttpApiGroup.make("segment")
  .add(
    HttpApiEndpoint.post("image", "/v1/segment", {
      query: segmentQuery,
      headers: { accept: Schema.optionalKey(Schema.String) },
      payload: imagePayload,
      success: segmentFormats,
      error: refusals(400, 404, 406, 408, 413, 415, 502, 504)
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Segment an image",
        description:
          "The body is an image file as it is, or a form with one file part named `image` or `file`. `Accept` " +
          `chooses the form of the answer: JSON, raw class ids, or ${Exports.names
            .map((name) => Exports.formats[name].title)
            .join(", ")}.`
      })
    )
  )
  .add(
    HttpApiEndpoint.post("export", "/v1/export", {
      headers: { accept: Schema.optionalKey(Schema.String) },
      payload: LabelMapToExport,
      success: segmentFormats,
      error: refusals(400, 406, 408, 413, 415)
    }).annotateMerge(
      OpenApi.annotations({
        summary: "A label map in another form",
        description:
          "The same forms as of `/v1/segment`, of a label map that is there already: no image is sent, and nothing " +
          "is segmented again."
      })
    )
  )
  .add(
    HttpApiEndpoint.post("picture", "/v1/picture", {
      payload: imagePayload,
      success: file("image/png"),
      error: refusals(400, 408, 413, 415)
    }).annotateMerge(
      OpenApi.annotations({
        summary: "An image as browsers show it",
        description:
          "The pixels that a model would see, at their own size, as a PNG: of a TIFF, say, which browsers cannot show. " +
          "The body is as of `/v1/segment`."
      })
    )
  )
  .middleware(Authorization) {}
