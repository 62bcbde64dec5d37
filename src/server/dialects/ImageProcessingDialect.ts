/**
 * Image processing, served: the contract of `effect-segformer/companions`, on top of this server's segmenter.
 *
 * A request's paths are data URLs, unless a folder of pictures is given: then they are of files below it, and results
 * go to its `processed`. No path leads anywhere else. Without a folder results are data URLs as well.
 */
import * as NodePath from "@effect/platform-node/NodePath"
import { Effect, FileSystem, Layer, Schema, Semaphore } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Api from "../../companions/ImageProcessingApi.ts"
import * as ImageWarnings from "../../companions/ImageWarnings.ts"
import * as LocalImages from "../../companions/images/LocalImages.ts"
import * as PdfLib from "../../companions/PdfLib.ts"
import { PictureFiles } from "../../companions/PictureFiles.ts"
import { SheetPdf, type WritePdf } from "../../companions/SheetPdf.ts"
import { ImageCodec } from "../../image/ImageCodec.ts"
import { NotAnImage } from "../../image/ImageError.ts"
import { bytes as inMemory } from "../../image/ImageSource.ts"
import { randomHex } from "../../randomHex.ts"
import { excerpt } from "../../service/ServiceError.ts"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../Dialect.ts"
import * as JsonPieces from "../JsonPieces.ts"
import * as LargeJson from "../LargeJson.ts"
import * as Refusals from "../Refusal.ts"
import { Refusal } from "../Refusal.ts"

export interface ImageProcessingDialectOptions {
  /** The folder of pictures that requests may name. None by default. */
  readonly folder?: string | undefined
}

const refuse = (refusal: Refusal) => Refusals.answer(refusal, { error: refusal.detail })

/** What a failure is to a caller: statuses of the contract where it has one. */
const toRefusal = (error: Refusal | LocalImages.LocalError): Refusal => {
  const as = (status: Refusal["status"], detail: string, internal?: string) =>
    new Refusal({ status, detail, internal })
  switch (error._tag) {
    case "Refusal":
      return error
    case "Forbidden":
      return as(403, error.detail)
    case "InputInvalid":
      return as(422, error.detail)
    case "ImageNotFound":
      return as(404, error.message)
    case "ImageNotReadable":
    case "ImageTooLarge":
    case "NotAnImage":
    case "UnsupportedImage":
      return as(422, error.message)
    case "PictureNotWritten":
      return as(503, "This service cannot write its results now", error.message)
    default:
      return Refusals.fromError(error)
  }
}

/** Pictures of one request, and its results, by names instead of strings of many megabytes. */
interface InRequest {
  /** The value with names in the place of what was long. */
  readonly named: (value: unknown) => unknown
  readonly files: PictureFiles["Service"]
  /** The answer's text, with results in the place of their names. */
  readonly pieces: (answer: string) => Iterable<Uint8Array>
}

/** Where a `folder` is given, results go there, and paths that are no data URLs are looked for there. */
const inRequest = (folder: PictureFiles["Service"] | undefined): InRequest => {
  const uploads = new Map<string, LargeJson.LongText>()
  const results = new Map<string, { readonly mediaType: string; readonly bytes: Uint8Array }>()
  // Nobody can guess it, so no text of a request is mistaken for a result.
  const prefix = `result:${randomHex(16)}:`
  const other = folder ?? inline

  const named = (value: unknown, depth = 0): unknown => {
    if (value instanceof LargeJson.LongText) {
      const name = `upload ${uploads.size + 1}`
      uploads.set(name, value)
      return name
    }
    // No request of the contract is as deep as this; deeper ones do not fit its schemas, and need no names.
    if (depth > 8) return value
    if (Array.isArray(value)) return value.map((item) => named(item, depth + 1))
    if (typeof value !== "object" || value === null || value instanceof LargeJson.LongNumbers) return value
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, named(field, depth + 1)]))
  }

  return {
    named,
    files: {
      open: (path, limits) => {
        const upload = uploads.get(path)
        if (upload === undefined) return other.open(path, limits)
        return LargeJson.fileOf(upload, path).pipe(
          Effect.mapError(({ detail }) => new NotAnImage({ source: path, detail })),
          Effect.flatMap((bytes) => inMemory(bytes, { name: path }).open(limits))
        )
      },
      write: (name, bytes) => {
        if (folder !== undefined) return folder.write(name, bytes)
        return Effect.sync(() => {
          const path = `${prefix}${results.size}:`
          results.set(path, { mediaType: name.mediaType, bytes })
          return path
        })
      }
    },
    pieces: function* (answer) {
      for (const part of answer.split(new RegExp(`(${prefix}\\d+:)`))) {
        const result = results.get(part)
        if (result === undefined) {
          yield Buffer.from(part)
          continue
        }
        yield Buffer.from(`data:${result.mediaType};base64,`)
        yield* JsonPieces.base64(result.bytes)
      }
    }
  }
}

const inline = Effect.runSync(Effect.provide(PictureFiles, PictureFiles.layerInline))

type Images = Effect.Success<ReturnType<typeof imagesOf>>

/** Image processing on top of a server's segmenter. */
const imagesOf = (served: Served, files: PictureFiles["Service"], writePdf: WritePdf) => {
  const { maxBytes, maxImages, maxPixels } = served.limits
  return LocalImages.make<Refusal>(
    {
      segment: (image) =>
        Effect.flatMap(Effect.mapError(image.bytes, toRefusal), (bytes) =>
          served.segment(
            { name: image.name, bytes },
            ({ segmentation }) => Effect.succeed(segmentation),
            // Each request is told as what it is.
            { isReported: false }
          )
        ),
      classes: Effect.map(served.describe, ({ classes }) => classes),
      health: served.health
    },
    { limits: { maxBytes, maxPixels }, maxImages, concurrency: 1 },
    (error) => toRefusal(error).detail
  ).pipe(
    Effect.provideService(PictureFiles, files),
    Effect.provideService(ImageCodec, served.codec),
    Effect.provideService(SheetPdf, writePdf)
  )
}

/** The dialect. */
export const make = (options: ImageProcessingDialectOptions = {}): Dialect => ({
  name: "imageprocessing",
  refuse,
  routes: Effect.fnUntraced(function* (served: Served) {
    const folder =
      options.folder === undefined
        ? undefined
        : yield* Effect.provide(
            PictureFiles,
            Layer.provide(PictureFiles.layerFolder(options.folder), [
              Layer.succeed(FileSystem.FileSystem, served.files),
              NodePath.layer
            ])
          )
    // Decoding and drawing take memory too, and there is no turn for them elsewhere.
    const turns = Semaphore.makeUnsafe(served.concurrency)
    const { endpoints } = Api.ImageProcessingGroup
    const writePdf = yield* Effect.provide(SheetPdf, PdfLib.layer)
    const own = yield* imagesOf(served, folder ?? inline, writePdf)

    const call = <Request, Value>(
      action: string,
      endpoint: { readonly path: string },
      schema: Schema.ConstraintDecoder<Request>,
      run: (images: Images, request: Request) => Effect.Effect<Value, Refusal | LocalImages.LocalError>
    ): DialectRoute => {
      const decode = Schema.decodeUnknownEffect(schema)
      return post(
        `/${endpoint.path.slice(1)}`,
        Effect.fnUntraced(function* (request) {
          const body = yield* Bodies.takeJson(
            served,
            request,
            LargeJson.base64Bytes(served.limits.maxRequestBytes)
          )
          const pictures = inRequest(folder)
          const wanted = yield* Effect.mapError(
            decode(pictures.named(yield* LargeJson.parse(body))),
            (error) => new Refusal({ status: 422, detail: excerpt(error.message) })
          )
          const images = yield* imagesOf(served, pictures.files, writePdf)
          const [value, warnings] = yield* ImageWarnings.collect(
            Effect.mapError(turns.withPermit(run(images, wanted)), toRefusal)
          )
          yield* served.report(action)
          const stream = JsonPieces.bytes(pictures.pieces(JSON.stringify(value)))
          return HttpServerResponse.stream(stream, {
            contentType: "application/json",
            headers: warnings.length === 0 ? {} : { warning: ImageWarnings.toHeader(warnings) }
          })
        })
      )
    }

    return [
      call("detect", endpoints.detect, Api.DetectRequest, (images, request) => images.detect(request)),
      call("crop", endpoints.crop, Api.CropRequest, (images, request) => images.crop(request)),
      call("batch", endpoints.batch, Api.BatchRequest, (images, request) => images.batch(request)),
      call("sheet", endpoints.sheet, Api.SheetRequest, (images, request) => images.sheet(request)),
      get(`/${endpoints.health.path.slice(1)}`, () =>
        Effect.map(own.health, (status) => JsonPieces.json(status))
      )
    ]
  })
})
