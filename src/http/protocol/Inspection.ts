/**
 * The inspection service: a Flask server on port 8080 that finds surface defects with SegFormer and answers with
 * rendered pictures and regions (`B30780/AOI_inference_agent`).
 *
 * Its pictures are bare base64 PNG. `mask_image` is a colour picture of an undocumented palette: with `palette` it
 * becomes a label map, without one it determines none. `segformer serve` says the palette in its answers.
 *
 * ```ts
 * import { Palette } from "effect-segformer/mask"
 * import { Inspection } from "effect-segformer/http"
 *
 * Inspection.make({ palette: Palette.surface }).name // => "inspection"
 * ```
 */
import { Duration, Effect, Result, Schema } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import { type ImageError, UnsupportedImage } from "../../image/ImageError.ts"
import type { ImageFormat } from "../../image/ImageFormat.ts"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { Palette } from "../../mask/Palette.ts"
import type { Region } from "../../mask/Region.ts"
import type { Pictures, Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import { type Answer, ok as succeeded } from "../../service/Exchange.ts"
import * as Multipart from "../../service/Multipart.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import type { ReportedFailure, ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import * as EncodedPicture from "../EncodedPicture.ts"
import { maxPixels } from "../MaskLimits.ts"
import * as Errors from "./Errors.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"

/** What the service takes: it looks at the ending of the file name. @internal */
export const formats: ReadonlySet<ImageFormat> = new Set<ImageFormat>(["png", "jpeg", "bmp", "tiff"])

/** Its limit on an upload, in bytes. */
const maxUpload = 50 * 1024 * 1024

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const RegionJson = Schema.Struct({
  region_id: Schema.Int,
  centroid: Schema.Struct({ x: Schema.Finite, y: Schema.Finite }),
  bounding_box: Schema.Struct({
    x: Schema.Finite,
    y: Schema.Finite,
    width: Schema.Finite,
    height: Schema.Finite
  }),
  area_pixels: Schema.Finite,
  perimeter: Schema.Finite,
  major_axis: Schema.Finite,
  minor_axis: Schema.Finite,
  circularity: Schema.Finite,
  aspect_ratio: Schema.Finite
})

const AnalysisJson = Schema.Struct({
  image_shape: Schema.Struct({
    height: Schema.Int.check(Schema.isGreaterThan(0)),
    width: Schema.Int.check(Schema.isGreaterThan(0))
  }),
  classes: Schema.Record(Schema.String, Schema.Struct({ class_id: Count, regions: Schema.Array(RegionJson) }))
})

const Channel = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

const PaintedJson = Schema.Struct({
  id: Count,
  name: Schema.String,
  color: Schema.Tuple([Channel, Channel, Channel])
})

const UploadJson = Schema.Struct({
  success: Schema.Literal(true),
  filename: Schema.optionalKey(Schema.String),
  overlay_image: Schema.optionalKey(Schema.NullOr(Schema.String)),
  combined_image: Schema.optionalKey(Schema.NullOr(Schema.String)),
  mask_image: Schema.optionalKey(Schema.NullOr(Schema.String)),
  total_defects: Schema.optionalKey(Count),
  processing_time: Schema.optionalKey(Schema.Finite),
  analysis_results: AnalysisJson,
  // `segformer serve` says these as well: in which colours `mask_image` is painted, scores by class id, and whether the
  // regions are its own.
  scores: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  mask_palette: Schema.optionalKey(Schema.Array(PaintedJson)),
  regions_from: Schema.optionalKey(Schema.Literals(["mask", "segmenter"]))
})

const FailureJson = Schema.Struct({
  success: Schema.Literal(false),
  error: Schema.optionalKey(Schema.String)
})

const BatchFailureJson = Schema.Struct({
  ...FailureJson.fields,
  filename: Schema.optionalKey(Schema.String)
})

const BatchJson = Schema.Struct({
  success: Schema.Boolean,
  total_images: Count,
  processed: Count,
  failed: Count,
  batch_id: Schema.String,
  results: Schema.Array(Schema.Union([UploadJson, BatchFailureJson]))
})

const HealthJson = Schema.Struct({
  status: Schema.String,
  model_loaded: Schema.Boolean,
  device: Schema.optionalKey(Schema.String)
})

const ModelJson = Schema.Struct({
  current_model: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  // `segformer serve` says these as well: what is in the box, and in which colours `mask_image` is painted.
  model_name: Schema.optionalKey(Schema.String),
  classes: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        id: Count,
        name: Schema.String,
        color: Schema.optionalKey(Schema.Tuple([Channel, Channel, Channel]))
      })
    )
  )
})

const isFailure = Schema.is(FailureJson)
const decodeUpload = Decode.schema(UploadJson)
const decodeBatch = Decode.schema(BatchJson)
const decodeHealth = Decode.schema(HealthJson)
const decodeModel = Decode.schema(ModelJson)

type UploadResult = typeof UploadJson.Type

/** The part of a form that carries an image. */
const imagePart = (name: string, image: Image): Effect.Effect<Multipart.Part, ImageError> =>
  Effect.suspend((): Effect.Effect<Multipart.Part, ImageError> => {
    if (!formats.has(image.format)) {
      const detail = "the inspection service takes PNG, JPEG, BMP and TIFF. Convert it first"
      return Effect.fail(new UnsupportedImage({ source: image.source, format: image.format, detail }))
    }
    return ProtocolBody.part(name, image, maxUpload)
  })

/** A form with images under one part name. */
export const encodeForm = (part: string, path: string, images: ReadonlyArray<Image>) =>
  Effect.map(
    Effect.forEach(images, (image) => imagePart(part, image)),
    (parts) => ({ method: "POST", path, body: Multipart.form(parts) }) as const
  )

const toRegions = (json: UploadResult): ReadonlyArray<Region> =>
  Object.entries(json.analysis_results.classes).flatMap(([className, { class_id, regions }]) =>
    regions.map((region): Region => ({
      classId: class_id,
      className,
      box: region.bounding_box,
      centroid: region.centroid,
      area: region.area_pixels,
      perimeter: region.perimeter,
      majorAxis: region.major_axis,
      minorAxis: region.minor_axis,
      circularity: region.circularity,
      aspectRatio: region.aspect_ratio
    }))
  )

/** A prediction from one result. `path` leads to it within the answer. */
const toPrediction = (
  answer: Answer,
  json: UploadResult,
  palette: Palette | undefined,
  path = "",
  limit?: number
): Effect.Effect<Prediction, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
    for (const name of ["overlay", "combined", "mask"] as const) {
      const text = json[`${name}_image`] ?? undefined
      if (text === undefined) continue
      pictures[name] = yield* EncodedPicture.textToPng(answer, `${path}${name}_image`, text)
    }
    const { classes, image_shape } = json.analysis_results
    const found = Object.entries(classes).map(([name, { class_id }]) => ({ id: class_id, name }))
    const common = {
      pictures,
      scores: new Map(Object.entries(json.scores ?? {}).map(([id, score]) => [Number(id), score])),
      requestId: answer.requestId,
      serviceTime:
        json.processing_time === undefined ? undefined : Duration.seconds(Math.max(0, json.processing_time))
    }
    const painted = palette ?? json.mask_palette
    if (painted !== undefined && pictures.mask !== undefined) {
      // Whoever lists all colours lists all classes, by their names.
      const table = palette === undefined ? ClassTable.make(painted) : ClassTable.make([...palette, ...found])
      const { mask } = pictures
      // Loaded when there is a mask to unpack: a page that only shows the pictures goes without a PNG decoder.
      const PaletteMask = yield* Effect.promise(() => import("../PaletteMask.ts"))
      return {
        ...common,
        _tag: "Labels",
        labelMap: yield* PaletteMask.decode(answer, `${path}mask_image`, mask, painted, limit),
        classes: table,
        // Those of the mask are found here as well, with what the protocol has no field for.
        regions:
          palette === undefined && json.regions_from === "mask"
            ? undefined
            : toRegions(json).map((region) => ({
                ...region,
                className: ClassTable.nameOf(table, region.classId)
              }))
      }
    }
    return {
      ...common,
      _tag: "Rendered",
      width: image_shape.width,
      height: image_shape.height,
      classes: ClassTable.make(found),
      regions: toRegions(json)
    }
  })

/** Fails where the service says `success: false`, whatever the rest of its answer looks like. */
export const refuseReported = (answer: Answer): Effect.Effect<void, ServiceError> =>
  Effect.flatMap(Decode.json(answer), (value) =>
    isFailure(value) ? Effect.fail(Errors.reported(answer, value.error)) : Effect.void
  )

/** The prediction in an answer of `/upload`: a label map with a palette, what the service rendered without one. */
export const decode = (
  answer: Answer,
  palette?: Palette,
  limit?: number
): Effect.Effect<Prediction, ServiceError> =>
  Effect.flatMap(Decode.json(answer), (value): Effect.Effect<Prediction, ServiceError> =>
    isFailure(value)
      ? Effect.fail(Errors.reported(answer, value.error))
      : Effect.flatMap(decodeUpload(answer, value), (json) => toPrediction(answer, json, palette, "", limit))
  )

/** What became of one image of a batch. */
export interface BatchItem {
  readonly fileName: string | undefined
  readonly result: Result.Result<Prediction, ReportedFailure>
}

/** The answer to `/upload/batch`. Its status is 200 even where every image failed. */
export interface Batch {
  /** For `/download/batch/{id}`. */
  readonly batchId: string
  readonly processed: number
  readonly failed: number
  readonly items: ReadonlyArray<BatchItem>
}

/** The results in an answer of `/upload/batch`. */
export const decodeBatchAnswer = (answer: Answer, palette?: Palette): Effect.Effect<Batch, ServiceError> =>
  Effect.gen(function* () {
    const value = yield* Decode.json(answer)
    // Without results it failed as a whole; with them, each says for itself.
    if (isFailure(value) && !Object.hasOwn(value, "results"))
      return yield* Errors.reported(answer, value.error)
    const json = yield* decodeBatch(answer, value)
    const items = yield* Effect.forEach(json.results, (item, index): Effect.Effect<BatchItem, ServiceError> =>
      item.success
        ? Effect.map(toPrediction(answer, item, palette, `results.${index}.`), (prediction) => ({
            fileName: item.filename,
            result: Result.succeed(prediction)
          }))
        : Effect.succeed({
            fileName: item.filename,
            result: Result.fail(Errors.reported(answer, item.error))
          })
    )
    return { batchId: json.batch_id, processed: json.processed, failed: json.failed, items }
  })

/** What an error's answer says. */
export const readError = (answer: Answer): ErrorBody => {
  const { detail } = Errors.read(answer)
  return { detail, loading: answer.status === 503 && /model/i.test(detail ?? "") }
}

/** The answer if its status is a success, else its error. */
export const ok = (answer: Answer): Effect.Effect<Answer, ServiceError> => succeeded(answer, readError)

export interface InspectionOptions {
  /**
   * The colours in which the service paints `mask_image`, each of one class: the mask becomes a label map, and a
   * colour that is none of them is `ResponseNotDecodable`. The palette's names then go before the service's.
   */
  readonly palette?: Palette | undefined
}

/** The inspection service's protocol. */
export const make = (options: InspectionOptions = {}): Protocol => ({
  name: "inspection",
  encode: (image) => encodeForm("image", "/upload", [image]),
  decode: (answer, image) => decode(answer, options.palette, maxPixels(image)),
  readError,
  entry: { method: "POST", path: "/upload" },
  health: {
    call: { method: "GET", path: "/health" },
    // The route answers 200 while no model is loaded: the field counts, not the status.
    read: (answer) =>
      Effect.map(Effect.flatMap(ok(answer), decodeHealth), (json) => ({
        healthy: json.status === "ok" && json.model_loaded,
        detail: !json.model_loaded
          ? "no model is loaded"
          : json.status === "ok"
            ? `ready${json.device === undefined ? "" : ` on ${json.device}`}`
            : `its status is "${json.status}"`
      }))
  },
  describe: {
    call: { method: "GET", path: "/api/model/current" },
    read: (answer) =>
      Effect.map(Effect.flatMap(ok(answer), decodeModel), (json) => ({
        name: json.model_name ?? json.current_model ?? json.model ?? "unknown",
        classes: ClassTable.make(json.classes ?? [])
      }))
  }
})

/** The protocol without a palette: answers hold what the service rendered, and no label map. */
export const protocol: Protocol = make()
