/**
 * The files of a multipart request, in memory, under limits: bytes are counted as they come, and a body that dawdles
 * is cut off.
 */
import { ByteSize, Duration, Effect, Stream } from "effect"
import { HttpIncomingMessage, type HttpServerRequest, Multipart } from "effect/http"
import type { Upload } from "./Dialect.ts"
import { bad, Refusal, tooMany } from "./Refusal.ts"

export interface UploadOptions {
  /** The part that carries files, or the names it may have. Others are read over. */
  readonly part: string | ReadonlyArray<string>
  /** Bytes of one file. */
  readonly maxBytes: number
  /** Bytes of the whole body. */
  readonly maxTotalBytes: number
  readonly maxFiles: number
  /** In milliseconds. */
  readonly timeout: number
}

/** Room for the boundaries and headers of parts. */
export const overhead = 64 * 1024

/** Bytes that the body says it has, or may have where it does not say. */
export const bodyBytes = (request: HttpServerRequest.HttpServerRequest, maxTotalBytes: number): number => {
  const length = Number(request.headers["content-length"] ?? Number.NaN)
  return Number.isFinite(length) ? length : maxTotalBytes
}

const tooLarge = (limit: number, what: string) =>
  new Refusal({ status: 413, detail: `${what} is larger than ${limit} bytes, the most this service takes` })

/** A body that did not come within so many milliseconds. */
export const tooSlow = (timeout: number): Refusal =>
  new Refusal({
    status: 408,
    detail: `The body did not arrive within ${Duration.format(Duration.millis(timeout))}`
  })

/** {@link bodyBytes}, unless they are too many already: what can never be taken is not asked to come back later. */
export const announced = (
  request: HttpServerRequest.HttpServerRequest,
  maxTotalBytes: number
): Effect.Effect<number, Refusal> =>
  Effect.suspend(() => {
    const bytes = bodyBytes(request, maxTotalBytes)
    return bytes > maxTotalBytes + overhead
      ? Effect.fail(tooLarge(maxTotalBytes, "The request"))
      : Effect.succeed(bytes)
  })

/** The files of a part, in order. */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  options: UploadOptions
): Effect.Effect<ReadonlyArray<Upload>, Refusal> =>
  Effect.suspend((): Effect.Effect<ReadonlyArray<Upload>, Refusal> => {
    const type = request.headers["content-type"] ?? ""
    const names = typeof options.part === "string" ? [options.part] : options.part
    if (!/^multipart\/form-data\b/i.test(type)) {
      return Effect.fail(
        bad(
          `Send the image as multipart/form-data, as a file part named ${names.map((name) => `"${name}"`).join(" or ")}`
        )
      )
    }
    const total = options.maxTotalBytes + overhead
    if (bodyBytes(request, 0) > total) return Effect.fail(tooLarge(options.maxTotalBytes, "The request"))
    const uploads: Array<Upload> = []
    let over = false
    return request.multipartStream.pipe(
      Stream.runForEach((part) => {
        if (part._tag === "Field") return Effect.void
        if (!names.includes(part.key) || part.name === "") return Stream.runDrain(part.content)
        if (uploads.length >= options.maxFiles) {
          over = true
          return Stream.runDrain(part.content)
        }
        return Effect.map(part.contentEffect, (bytes) => {
          uploads.push({ name: part.name, bytes })
        })
      }),
      Effect.provideService(Multipart.MaxFileSize, ByteSize.bytes(options.maxBytes)),
      Effect.provideService(Multipart.MaxParts, options.maxFiles + 64),
      Effect.provideService(Multipart.MaxFieldSize, ByteSize.bytes(64 * 1024)),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(total)),
      Effect.mapError((error) => fromMultipart(error, options)),
      Effect.timeoutOrElse({
        duration: Duration.millis(options.timeout),
        orElse: () => Effect.fail(tooSlow(options.timeout))
      }),
      Effect.flatMap(() => (over ? Effect.fail(tooMany(options.maxFiles)) : Effect.succeed(uploads)))
    )
  })

const fromMultipart = (error: Multipart.MultipartError, options: UploadOptions): Refusal => {
  switch (error.reason._tag) {
    case "FileTooLarge":
      return tooLarge(options.maxBytes, "The image")
    case "BodyTooLarge":
      return tooLarge(options.maxTotalBytes, "The request")
    case "FieldTooLarge":
    case "TooManyParts":
      return new Refusal({
        status: 413,
        detail: "The form has more or larger fields than this service takes"
      })
    case "Parse":
    case "InternalError":
      return bad("The body is no whole multipart/form-data form")
  }
}

/**
 * A file name that is safe in any folder: no separators, no leading dots, letters, digits, `_`, `-` and `.` only.
 * Services clean names like this, and callers expect it.
 */
export const safeName = (name: string): string => {
  const last = name.split(/[\\/]/).at(-1) ?? ""
  const clean = last
    .normalize("NFKD")
    .replaceAll(/[^\w.-]+/g, "_")
    .replaceAll(/^[._]+|[._]+$/g, "")
  return clean.length > 100 ? clean.slice(-100) : clean === "" ? "image" : clean
}
