/**
 * The files of a multipart request, in memory, under limits: bytes are counted as they come, and a body that dawdles
 * is cut off.
 */
import { ByteSize, Duration, Effect, Stream } from "effect"
import { HttpIncomingMessage, type HttpServerRequest, Multipart } from "effect/http"
import type { Upload } from "./Dialect.ts"
import { bad, Refusal, tooMany } from "./Refusal.ts"
import type { ServerLimits } from "./ServerLimits.ts"

/** What a form's files are read under. */
export type UploadLimits = Pick<ServerLimits, "bodyTimeout" | "maxBytes" | "maxImages" | "maxRequestBytes">

/** Room for the boundaries and headers of parts. */
export const overhead = 64 * 1024

/** Bytes that the body says it has, or may have where it does not say. */
export const bodyBytes = (request: HttpServerRequest.HttpServerRequest, maxRequestBytes: number): number => {
  const length = Number(request.headers["content-length"] ?? Number.NaN)
  return Number.isFinite(length) ? length : maxRequestBytes
}

const tooLarge = (limit: number, what: string) =>
  new Refusal({ status: 413, detail: `${what} is larger than ${limit} bytes, the most this service takes` })

/** A body that did not come in time. */
export const tooSlow = (timeout: Duration.Duration): Refusal =>
  new Refusal({ status: 408, detail: `The body did not arrive within ${Duration.format(timeout)}` })

/** {@link bodyBytes}, unless they are too many already: what can never be taken is not asked to come back later. */
export const announced = (
  request: HttpServerRequest.HttpServerRequest,
  maxRequestBytes: number
): Effect.Effect<number, Refusal> =>
  Effect.suspend(() => {
    const bytes = bodyBytes(request, maxRequestBytes)
    return bytes > maxRequestBytes + overhead
      ? Effect.fail(tooLarge(maxRequestBytes, "The request"))
      : Effect.succeed(bytes)
  })

/** The one file of a part; a request with one image is no larger than an image may be. */
export const readOne = (
  request: HttpServerRequest.HttpServerRequest,
  part: string | ReadonlyArray<string>,
  limits: UploadLimits
): Effect.Effect<Upload | undefined, Refusal> =>
  Effect.map(
    read(request, part, { ...limits, maxImages: 1, maxRequestBytes: limits.maxBytes }),
    ([file]) => file
  )

/** The files of a part, or of those with any of several names, in order. Other parts are read over. */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  part: string | ReadonlyArray<string>,
  limits: UploadLimits
): Effect.Effect<ReadonlyArray<Upload>, Refusal> =>
  Effect.suspend((): Effect.Effect<ReadonlyArray<Upload>, Refusal> => {
    const type = request.headers["content-type"] ?? ""
    const names = typeof part === "string" ? [part] : part
    if (!/^multipart\/form-data\b/i.test(type)) {
      return Effect.fail(
        bad(
          `Send the image as multipart/form-data, as a file part named ${names.map((name) => `"${name}"`).join(" or ")}`
        )
      )
    }
    const total = limits.maxRequestBytes + overhead
    if (bodyBytes(request, 0) > total) return Effect.fail(tooLarge(limits.maxRequestBytes, "The request"))
    const uploads: Array<Upload> = []
    let over = false
    return request.multipartStream.pipe(
      Stream.runForEach((part) => {
        if (part._tag === "Field") return Effect.void
        if (!names.includes(part.key) || part.name === "") return Stream.runDrain(part.content)
        if (uploads.length >= limits.maxImages) {
          over = true
          return Stream.runDrain(part.content)
        }
        return Effect.map(part.contentEffect, (bytes) => {
          uploads.push({ name: part.name, bytes })
        })
      }),
      Effect.provideService(Multipart.MaxFileSize, ByteSize.bytes(limits.maxBytes)),
      Effect.provideService(Multipart.MaxParts, limits.maxImages + 64),
      Effect.provideService(Multipart.MaxFieldSize, ByteSize.bytes(64 * 1024)),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(total)),
      Effect.mapError((error) => fromMultipart(error, limits)),
      Effect.timeoutOrElse({
        duration: limits.bodyTimeout,
        orElse: () => Effect.fail(tooSlow(limits.bodyTimeout))
      }),
      Effect.flatMap(() => (over ? Effect.fail(tooMany(limits.maxImages)) : Effect.succeed(uploads)))
    )
  })

const fromMultipart = (error: Multipart.MultipartError, limits: UploadLimits): Refusal => {
  switch (error.reason._tag) {
    case "FileTooLarge":
      return tooLarge(limits.maxBytes, "The image")
    case "BodyTooLarge":
      return tooLarge(limits.maxRequestBytes, "The request")
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
