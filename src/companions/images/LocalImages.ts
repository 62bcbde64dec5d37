/** Image processing in this process: what the contract asks for, done with a segmenter and a codec. */
import { Clock, Effect, Result } from "effect"
import { ImageCodec } from "../../image/ImageCodec.ts"
import type { DependencyMissing } from "../../image/ImageError.ts"
import * as ImageFormat from "../../image/ImageFormat.ts"
import type { Image, ImageLimits, SourceError } from "../../image/ImageSource.ts"
import type { ClassTable } from "../../mask/ClassTable.ts"
import type { Segmentation } from "../../Segmentation.ts"
import type { NoLabelMap } from "../../SegmentationError.ts"
import type { Health } from "../../Transport.ts"
import { version } from "../../version.ts"
import { type Forbidden, InputInvalid } from "../CompanionError.ts"
import { warn } from "../ImageWarnings.ts"
import type {
  BatchRequest,
  BatchResult,
  ComposedSheet,
  CropRequest,
  CropStrategy,
  Detection,
  DetectRequest,
  HealthStatus,
  ProcessedImage,
  SheetRequest
} from "../ImageProcessingApi.ts"
import { PictureFiles, type PictureNotWritten, quote } from "../PictureFiles.ts"
import { SheetPdf } from "../SheetPdf.ts"
import * as Crop from "./Crop.ts"
import * as Objects from "./Objects.ts"
import * as Scale from "./Scale.ts"
import * as Sheet from "./Sheet.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

/** Who finds objects. */
export interface Segmenting<out E> {
  readonly segment: (image: Image) => Effect.Effect<Segmentation, E>
  /** Those that the model knows; none where it does not say. */
  readonly classes: Effect.Effect<ClassTable, E>
  readonly health: Effect.Effect<Health, E>
}

export interface LocalImagesOptions {
  /** Of each picture. */
  readonly limits?: Partial<ImageLimits> | undefined
  /** Share of an image's pixels below which a region is a speck and no object. 1 / 2,000 by default. */
  readonly minShare?: number | undefined
  /** Images of a batch worked on at once. 2 by default: each is in memory as pixels. */
  readonly concurrency?: number | undefined
  /** Images in one batch, and pictures on one sheet. 1,000 by default. */
  readonly maxImages?: number | undefined
  /** Whether a class that the model lacks is refused, where a request does not say it. Off by default: it is a warning. */
  readonly strict?: boolean | undefined
}

/** What is wrong besides the segmenting. */
export type LocalError =
  | SourceError
  | DependencyMissing
  | CodeNotLoaded
  | NoLabelMap
  | InputInvalid
  | Forbidden
  | PictureNotWritten

const invalid = (detail: string) => new InputInvalid({ service: "imageProcessing", detail })

/** A picture keeps its type where that can be written. */
const formatOf = (image: Image) => {
  const format = image.format === "jpeg" || image.format === "webp" ? image.format : "png"
  const { endings, mediaType } = ImageFormat.table[format]
  return { format, extension: endings[0], mediaType, channels: format === "jpeg" ? 3 : 4 } as const
}

/** What a result of this picture is called. */
const nameOf = (path: string): string =>
  /^data:/i.test(path) ? "picture" : (path.split(/[\\/]/).at(-1) ?? path).replace(/\.\w+$/, "")

/** `failed` says of an image of a batch why it failed: by default its error's message. */
export const make = Effect.fnUntraced(function* <E extends { readonly message: string }>(
  segmenting: Segmenting<E>,
  options: LocalImagesOptions = {},
  failed: (error: E | LocalError) => string = (error) => error.message
) {
  const { concurrency = 2, limits, maxImages = 1000, minShare, strict = false } = options
  const codec = yield* ImageCodec
  const files = yield* PictureFiles
  const writePdf = yield* SheetPdf
  const clock = yield* Clock.Clock
  const started = clock.monotonicTimeNanosUnsafe()
  // Where the model cannot be asked, segmenting will say why.
  const known = yield* Effect.cachedWithTTL(
    Effect.catch(segmenting.classes, () => Effect.succeed<ClassTable>([])),
    "1 minute"
  )

  /** Classes that are wanted and that the model lacks: what there is to say of them, or nothing. */
  const missing = (types: ReadonlyArray<string>): Effect.Effect<string | undefined> =>
    Effect.map(known, (classes) => {
      const unknown = Objects.unknownTypes(classes, types)
      if (unknown.length === 0) return undefined
      const named = classes.slice(0, 20).map(({ name }) => name)
      const more = classes.length > named.length ? `, and ${classes.length - named.length} more` : ""
      const wanted = unknown.slice(0, 5).map((type) => `"${type.slice(0, 50)}"`)
      return `The model has no class ${wanted.join(", ")}. It has ${named.join(", ")}${more}`
    })

  const checkTypes = (
    types: ReadonlyArray<string>,
    isStrict = strict
  ): Effect.Effect<string | undefined, InputInvalid> =>
    Effect.flatMap(missing(types), (lack) =>
      lack !== undefined && isStrict ? Effect.fail(invalid(lack)) : Effect.succeed(lack)
    )

  const objectsOf = (
    image: Image,
    wanted: Objects.ObjectOptions
  ): Effect.Effect<ReadonlyArray<Detection>, E | NoLabelMap | CodeNotLoaded> =>
    Effect.flatMap(segmenting.segment(image), (segmentation) =>
      Objects.find(segmentation, { minShare, ...wanted })
    )

  const detect = Effect.fnUntraced(function* (
    request: DetectRequest
  ): Effect.fn.Return<ReadonlyArray<Detection>, E | LocalError> {
    const lack = yield* checkTypes(request.detection_types, request.strict)
    if (lack !== undefined) yield* warn(lack)
    const image = yield* files.open(request.image_path, limits)
    return yield* objectsOf(image, {
      types: request.detection_types,
      threshold: request.confidence_threshold
    })
  })

  const cropOne = Effect.fnUntraced(function* (
    path: string,
    ratio: Crop.Size,
    strategy: CropStrategy | undefined,
    objects: (image: Image) => Effect.Effect<ReadonlyArray<Detection>, E | NoLabelMap | CodeNotLoaded>
  ): Effect.fn.Return<ProcessedImage, E | LocalError> {
    const image = yield* files.open(path, limits)
    const kept = strategy === "center_faces" ? yield* objects(image) : []
    const place = Crop.place(
      image,
      ratio,
      kept.map(({ bounding_box }) => bounding_box)
    )
    const { channels, extension, format, mediaType } = formatOf(image)
    const picture = yield* Scale.crop(yield* codec.decode(image, { channels }), place)
    const processed = yield* files.write(
      { name: nameOf(path), extension, mediaType },
      yield* codec.encode(picture, format)
    )
    return {
      original_path: quote(path),
      processed_path: processed,
      crop_coordinates: place,
      final_dimensions: { width: place.width, height: place.height }
    }
  })

  const crop = (request: CropRequest): Effect.Effect<ProcessedImage, E | LocalError> =>
    cropOne(request.image_path, request.target_aspect_ratio, request.crop_strategy, (image) =>
      request.detection_results === undefined
        ? objectsOf(image, {})
        : Effect.succeed(request.detection_results)
    )

  const tooMany = (count: number, what: string): Effect.Effect<void, InputInvalid> =>
    count > maxImages
      ? Effect.fail(invalid(`${count} ${what} are more than the ${maxImages} taken at once`))
      : Effect.void

  const batch = Effect.fnUntraced(function* (
    request: BatchRequest
  ): Effect.fn.Return<BatchResult, E | LocalError> {
    const options = request.processing_options
    const { crop_strategy, detection_types: types, target_aspect_ratio } = options
    yield* tooMany(request.images.length, "images")
    // What looks at no object misses no class.
    const lack = crop_strategy === "center_faces" ? yield* checkTypes(types ?? [], options.strict) : undefined
    const results = yield* Effect.forEach(
      request.images,
      (path) =>
        Effect.map(
          Effect.result(
            cropOne(path, target_aspect_ratio, crop_strategy, (image) => objectsOf(image, { types }))
          ),
          (result) => ({ path: quote(path), result })
        ),
      { concurrency }
    )
    return {
      processed_images: results.flatMap(({ result }) => (Result.isSuccess(result) ? [result.success] : [])),
      failed_images: results.flatMap(({ path, result }) =>
        Result.isFailure(result) ? [{ path, error: failed(result.failure) }] : []
      ),
      ...(lack === undefined ? {} : { warnings: [lack] })
    }
  })

  const sheet = Effect.fnUntraced(function* (
    request: SheetRequest
  ): Effect.fn.Return<ComposedSheet, E | LocalError> {
    const { grid_layout, processed_images: paths, sheet_orientation: orientation } = request
    const { columns, rows } = grid_layout
    yield* tooMany(paths.length, "pictures")
    if (paths.length > rows * columns) {
      return yield* invalid(
        `${paths.length} pictures do not fit on a sheet of ${rows} x ${columns}. Make more rows or columns`
      )
    }
    const layout = { rows, columns, orientation }
    const open = (path: string) => files.open(path, limits)
    const isPdf = request.output_format === "pdf"
    const bytes = yield* Effect.provideService(
      isPdf ? Sheet.pdf(paths, layout, open, writePdf) : Sheet.png(paths, layout, open),
      ImageCodec,
      codec
    )
    const format = isPdf ? "pdf" : "png"
    const mediaType = isPdf ? "application/pdf" : "image/png"
    return {
      output_path: yield* files.write({ name: "sheet", extension: format, mediaType }, bytes),
      format,
      dimensions: Sheet.pageSize(orientation, isPdf ? 72 : Sheet.resolution)
    }
  })

  const health: Effect.Effect<HealthStatus> = Effect.map(Effect.result(segmenting.health), (result) => {
    const found = Result.isSuccess(result)
      ? result.success
      : { healthy: false, detail: failed(result.failure) }
    return {
      status: found.healthy ? "healthy" : "unhealthy",
      checks: { segmenter: found.healthy },
      uptime_seconds: Number(clock.monotonicTimeNanosUnsafe() - started) / 1e9,
      ...(found.healthy ? {} : { last_error: found.detail }),
      version
    }
  })

  return { detect, crop, batch, sheet, health }
})
