/**
 * The contract of image processing: objects of an image, a crop that keeps them, many at once, a sheet of pictures. A
 * service that speaks it and the one in this process (`ImageProcessing`) take and give the same.
 *
 * Pictures go by path: of a file that both sides see, or a data URL. Boxes are in pixels of the image as a person sees
 * it, from its top left corner.
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { maybe, open } from "./Schemas.ts"

const Positive = Schema.Finite.check(Schema.isGreaterThan(0))
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

/** Such as 3 and 4, or 1080 and 1350: only what they are to each other counts. */
export const AspectRatio = Schema.Struct({ width: Positive, height: Positive })
export type AspectRatio = typeof AspectRatio.Type

export const BoundingBox = Schema.Struct({
  x: Schema.Finite,
  y: Schema.Finite,
  width: Schema.Finite,
  height: Schema.Finite
})

/** An object that was found. */
export const Detection = open({
  /** Its class, such as `person`. */
  type: Schema.String,
  confidence: Share,
  bounding_box: BoundingBox
})
export type Detection = typeof Detection.Type

export const Dimensions = Schema.Struct({ width: Schema.Int, height: Schema.Int })

/** `"center"` looks at no object; `"center_faces"` keeps those that were found. */
export const CropStrategy = Schema.Literals(["center", "center_faces"])
export type CropStrategy = typeof CropStrategy.Type

export const DetectRequest = Schema.Struct({
  image_path: Schema.String,
  /** The classes that are wanted, such as `["person"]`. */
  detection_types: Schema.Array(Schema.String),
  /** Objects below it are left out. */
  confidence_threshold: Schema.optionalKey(Share),
  /** Whether a class that the model lacks is refused. Off by default: it gives no detections, and a warning. */
  strict: Schema.optionalKey(Schema.Boolean)
})
export type DetectRequest = typeof DetectRequest.Type

export const CropRequest = Schema.Struct({
  image_path: Schema.String,
  target_aspect_ratio: AspectRatio,
  /** What to keep, where it is known already. */
  detection_results: Schema.optionalKey(Schema.Array(Detection)),
  /** `"center"` by default. */
  crop_strategy: Schema.optionalKey(CropStrategy)
})
export type CropRequest = typeof CropRequest.Type

/** A picture that was made of another. */
export const ProcessedImage = open({
  original_path: Schema.String,
  processed_path: Schema.String,
  /** What was kept of the original. */
  crop_coordinates: BoundingBox,
  final_dimensions: Dimensions
})
export type ProcessedImage = typeof ProcessedImage.Type

export const BatchRequest = Schema.Struct({
  images: Schema.Array(Schema.String),
  processing_options: Schema.Struct({
    target_aspect_ratio: AspectRatio,
    crop_strategy: Schema.optionalKey(CropStrategy),
    detection_types: Schema.optionalKey(Schema.Array(Schema.String)),
    /** As of a detection. Where no object is looked at (`"center"`) no class is missed. */
    strict: Schema.optionalKey(Schema.Boolean)
  })
})
export type BatchRequest = typeof BatchRequest.Type

/** What became of each image of a batch: one that fails keeps no other from being processed. */
export const BatchResult = open({
  processed_images: Schema.Array(ProcessedImage),
  failed_images: Schema.Array(open({ path: Schema.String, error: Schema.String })),
  /** What else there is to say, such as a class that the model lacks. */
  warnings: Schema.optionalKey(Schema.Array(Schema.String))
})
export type BatchResult = typeof BatchResult.Type

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

export const SheetRequest = Schema.Struct({
  /** Paths, in the order of the cells, row by row. */
  processed_images: Schema.NonEmptyArray(Schema.String),
  grid_layout: Schema.Struct({ rows: Count, columns: Count }),
  sheet_orientation: Schema.Literals(["portrait", "landscape"]),
  /** `"image"` by default, which is a PNG. */
  output_format: Schema.optionalKey(Schema.Literals(["image", "pdf"]))
})
export type SheetRequest = typeof SheetRequest.Type

export const ComposedSheet = open({
  output_path: Schema.String,
  /** Such as `png` or `pdf`. */
  format: Schema.String,
  /** In pixels; of a PDF in points of 1/72 inch. */
  dimensions: Dimensions
})
export type ComposedSheet = typeof ComposedSheet.Type

/** How a service is, as it says itself. */
export const HealthStatus = open({
  /** `healthy`, `degraded` or `unhealthy`. Any other word is not healthy. */
  status: Schema.String,
  /** Whether each of what it needs is there. */
  checks: maybe(Schema.Record(Schema.String, Schema.Boolean)),
  uptime_seconds: maybe(Schema.Finite),
  memory_usage_mb: maybe(Schema.Finite),
  disk_usage_percent: maybe(Schema.Finite),
  last_error: maybe(Schema.String),
  version: maybe(Schema.String)
})
export type HealthStatus = typeof HealthStatus.Type

const { guarded, invalid, notFound } = errorsOf("imageProcessing")
const error = [...guarded, notFound, invalid] as const

export class ImageProcessingGroup extends HttpApiGroup.make("imageProcessing", { topLevel: true })
  .add(
    HttpApiEndpoint.post("detect", "/api/v1/detect", {
      payload: DetectRequest,
      success: Schema.Array(Detection),
      error
    }),
    HttpApiEndpoint.post("crop", "/api/v1/crop", { payload: CropRequest, success: ProcessedImage, error }),
    HttpApiEndpoint.post("batch", "/api/v1/process-batch", {
      payload: BatchRequest,
      success: BatchResult,
      error
    }),
    HttpApiEndpoint.post("sheet", "/api/v1/compose-sheet", {
      payload: SheetRequest,
      success: ComposedSheet,
      error
    }),
    HttpApiEndpoint.get("health", "/health", {
      // What says that it is not healthy says so with 503 as well.
      success: [HealthStatus, HealthStatus.pipe(HttpApiSchema.status(503))]
    })
  )
  // The same picture gives the same result: nothing is done twice that must not be.
  .annotate(ServiceClient.Idempotent, true) {}

export class ImageProcessingApi extends HttpApi.make("imageProcessing").add(ImageProcessingGroup) {}
