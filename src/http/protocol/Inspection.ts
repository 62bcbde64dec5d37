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
import { Effect, Result, Schema } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import { type ImageError, ImageTooLarge, UnsupportedImage } from "../../image/ImageError.ts"
import type { ImageFormat } from "../../image/ImageFormat.ts"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { Palette } from "../../mask/Palette.ts"
import type { Pictures, Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import { type Answer, ok as succeeded } from "../../service/Exchange.ts"
import * as Multipart from "../../service/Multipart.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import type { ReportedFailure, ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import * as EncodedPicture from "../EncodedPicture.ts"
import * as Side from "../Side.ts"
import * as InspectionAnswer from "./InspectionAnswer.ts"
import { maxPixels } from "../MaskLimits.ts"
import * as Errors from "./Errors.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"

/** What the service takes: it looks at the ending of the file name. @internal */
export const formats: ReadonlySet<ImageFormat> = new Set<ImageFormat>(["png", "jpeg", "bmp", "tiff"])

/** Its limit on the body of an upload, in bytes. */
const maxUpload = 50 * 1024 * 1024

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const FailureJson = Schema.Struct({
  success: Schema.Literal(false),
  error: Schema.optionalKey(Schema.Unknown)
})

/** Of a batch: what it found of each image. The counts are beside that. */
const BatchJson = Schema.Struct({
  batch_id: Schema.String,
  results: Schema.Array(Schema.Unknown)
})

const HealthJson = Schema.Struct({
  status: Schema.String,
  model_loaded: Schema.Boolean,
  device: Schema.optionalKey(Schema.String)
})

const Channel = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

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
const decodeBatch = Decode.schema(BatchJson)
const decodeHealth = Decode.schema(HealthJson)
const decodeModel = Decode.schema(ModelJson)

/** The part of a form that carries an image. */
const imagePart = (name: string, image: Image, fileName: string): Effect.Effect<Multipart.Part, ImageError> =>
  Effect.suspend((): Effect.Effect<Multipart.Part, ImageError> => {
    if (!formats.has(image.format)) {
      const detail = "the inspection service takes PNG, JPEG, BMP and TIFF. Convert it first"
      return Effect.fail(new UnsupportedImage({ source: image.source, format: image.format, detail }))
    }
    return ProtocolBody.part(name, image, maxUpload, fileName)
  })

/** A form with images under one part name. */
export const encodeForm = (
  part: string,
  path: string,
  images: ReadonlyArray<Image>,
  /** Gets the image's name for each that is sent. */
  sentAs?: Map<string, string>
) =>
  Effect.flatMap(
    Effect.forEach(images, (image) => {
      const fileName = ProtocolBody.uploadName(image.name)
      sentAs?.set(fileName, image.name)
      return imagePart(part, image, fileName)
    }),
    (parts) => {
      const body = Multipart.form(parts)
      const actual = body._tag === "Form" ? body.length : (body.contentLength ?? 0)
      // The limit is that of the body, which is more than its files: over it the service answers 500, when all of it has come.
      return actual > maxUpload
        ? Effect.fail(
            new ImageTooLarge({
              source: images.map(({ source }) => source).join(", "),
              measure: "bytes",
              actual,
              limit: maxUpload,
              by: "a request to this service"
            })
          )
        : Effect.succeed({ method: "POST", path, body } as const)
    }
  )

/** A prediction from one result. `path` leads to it within the answer. */
const toPrediction = (
  answer: Answer,
  inspected: InspectionAnswer.Inspected,
  palette: Palette | undefined,
  path = "",
  limit?: number
): Effect.Effect<Prediction, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const { classes: found, regions, serviceTime, size } = inspected
    const painted = palette ?? inspected.palette
    const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
    for (const name of ["overlay", "combined", "mask"] as const) {
      const text = inspected.pictures[name]
      if (text === undefined || text === null) continue
      const at = `${path}${name}_image`
      const picture =
        typeof text === "string"
          ? EncodedPicture.textToPng(answer, at, text)
          : Effect.fail(Decode.notDecodable(answer, at, "it is no text"))
      // The one that is decoded has to be right, the others are beside it.
      const isNeeded = name === "mask" && (painted !== undefined || size === undefined)
      const bytes = isNeeded ? yield* picture : yield* Side.optional(answer, at, picture)
      if (bytes !== undefined) pictures[name] = bytes
    }
    const common = { pictures, scores: new Map(inspected.scores), requestId: answer.requestId, serviceTime }
    if (painted !== undefined && pictures.mask !== undefined) {
      // Whoever lists all colours lists all classes, by their names.
      const table = palette === undefined ? ClassTable.make(painted) : ClassTable.make([...palette, ...found])
      const { mask } = pictures
      // Loaded when there is a mask to unpack: a page that only shows the pictures goes without a PNG decoder.
      const PaletteMask = yield* Effect.promise(() => import("../PaletteMask.ts"))
      const named = regions.map((region) => ({
        ...region,
        className: ClassTable.nameOf(table, region.classId)
      }))
      return {
        ...common,
        _tag: "Labels",
        labelMap: yield* PaletteMask.decode(answer, `${path}mask_image`, mask, painted, limit),
        classes: table,
        // Those of the mask are found here as well, with what the protocol has no field for.
        ...(size === undefined || (palette === undefined && inspected.isOfMask) ? {} : { regions: named })
      }
    }
    if (size === undefined) {
      return yield* Effect.fail(Decode.notDecodable(answer, `${path}analysis_results`, "it is no object"))
    }
    return { ...common, ...size, _tag: "Rendered", classes: ClassTable.make(found), regions }
  })

/** Fails where the service says `success: false`, whatever the rest of its answer looks like. */
export const refuseReported = (answer: Answer): Effect.Effect<void, ServiceError> =>
  Effect.flatMap(Decode.json(answer), (value) =>
    isFailure(value) ? Effect.fail(Errors.reported(answer, Errors.messageIn(value.error))) : Effect.void
  )

/** The prediction in an answer of `/upload`: a label map with a palette, what the service rendered without one. */
export const decode = (
  answer: Answer,
  palette?: Palette,
  limit?: number
): Effect.Effect<Prediction, ServiceError> =>
  Effect.flatMap(Decode.json(answer), (value): Effect.Effect<Prediction, ServiceError> =>
    isFailure(value)
      ? Effect.fail(Errors.reported(answer, Errors.messageIn(value.error)))
      : Effect.flatMap(InspectionAnswer.read(answer, value), (inspected) =>
          toPrediction(answer, inspected, palette, "", limit)
        )
  )

/** What became of one image of a batch. */
export interface BatchItem {
  readonly fileName: string | undefined
  readonly result: Result.Result<Prediction, ReportedFailure | ResponseNotDecodable>
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
      return yield* Errors.reported(answer, Errors.messageIn(value.error))
    const json = yield* decodeBatch(answer, value)
    const items = yield* Effect.forEach(json.results, (item, index): Effect.Effect<BatchItem> => {
      const path = `results.${index}.`
      const given = Errors.isRecord(item) ? item["filename"] : undefined
      // One that cannot be read costs none of the others.
      const result: Effect.Effect<Prediction, ReportedFailure | ResponseNotDecodable> = isFailure(item)
        ? Effect.fail(Errors.reported(answer, Errors.messageIn(item.error)))
        : Effect.flatMap(InspectionAnswer.read(answer, item, path), (inspected) =>
            toPrediction(answer, inspected, palette, path)
          )
      return Effect.map(Effect.result(result), (result) => ({
        fileName: typeof given === "string" ? given : undefined,
        result
      }))
    })
    const failed = items.filter(({ result }) => Result.isFailure(result)).length
    return { batchId: json.batch_id, processed: items.length - failed, failed, items }
  })

/** Werkzeug's refusal of a body, which the service gives on with its own status. */
const tooLarge = ({ status }: Answer, detail: string | undefined): number | undefined =>
  status >= 500 && /^413\b/.test(detail ?? "") ? 413 : undefined

/** What an error's answer says. */
export const readError = (answer: Answer): ErrorBody => {
  const json = Errors.jsonOf(answer)
  const { detail } = Errors.read(answer)
  // By status and shape, as it may speak any language: 503 is its word for a model that is not loaded. What stands before it
  // or in its place and is busy says when to come back.
  const isBusy = answer.headers["retry-after"] !== undefined && !/model/i.test(detail ?? "")
  return {
    detail,
    loading: answer.status === 503 && isFailure(json) && !isBusy,
    status: tooLarge(answer, detail)
  }
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
