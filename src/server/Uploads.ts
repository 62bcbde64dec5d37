/**
 * The files of a multipart request, in memory, under limits: bytes are counted as they come, and a body that dawdles
 * is cut off.
 */
import { Array as Arr, ByteSize, Duration, Effect, type Scope, Stream } from "effect"
import { HttpIncomingMessage, type HttpServerRequest, Multipart } from "effect/http"
import type { Served, Upload } from "./Dialect.ts"
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

/** More bytes than are taken. */
export const tooLarge = (limit: number, what: string = "The request"): Refusal =>
  new Refusal({ status: 413, detail: `${what} is larger than ${limit} bytes, the most this service takes` })

/** A body that did not come in time. */
export const tooSlow = (timeout: Duration.Duration): Refusal =>
  new Refusal({ status: 408, detail: `The body did not arrive within ${Duration.format(timeout)}` })

/**
 * Takes a place for a request of at most so many bytes, unless it announces too many already: what can never be taken is
 * not asked to come back later.
 */
export const enter = (
  served: Pick<Served, "enter">,
  request: HttpServerRequest.HttpServerRequest,
  maxRequestBytes: number
): Effect.Effect<void, Refusal, Scope.Scope> =>
  Effect.suspend(() => {
    const bytes = bodyBytes(request, maxRequestBytes)
    return bytes > maxRequestBytes + overhead ? Effect.fail(tooLarge(maxRequestBytes)) : served.enter(bytes)
  })

/** The one file of a part; a request with one image is no larger than an image may be. */
export const readOne = (
  request: HttpServerRequest.HttpServerRequest,
  names: ReadonlyArray<string>,
  limits: UploadLimits
): Effect.Effect<Upload, Refusal> =>
  Effect.map(
    read(request, names, { ...limits, maxImages: 1, maxRequestBytes: limits.maxBytes }),
    ([file]) => file
  )

/** Whether the body says that it is a form with files. */
export const isForm = (request: HttpServerRequest.HttpServerRequest): boolean =>
  /^multipart\/form-data\b/i.test(request.headers["content-type"] ?? "")

/** The files of the parts with any of these names, in order: at least one. Other parts are read over. */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  names: ReadonlyArray<string>,
  limits: UploadLimits
): Effect.Effect<Arr.NonEmptyReadonlyArray<Upload>, Refusal> =>
  Effect.suspend(() => {
    const named = `named ${names.map((name) => `"${name}"`).join(" or ")}`
    if (!isForm(request)) {
      return Effect.fail(bad(`Send the image as multipart/form-data, as a file part ${named}`))
    }
    const total = limits.maxRequestBytes + overhead
    if (bodyBytes(request, 0) > total) return Effect.fail(tooLarge(limits.maxRequestBytes))
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
      Effect.flatMap(() => {
        if (over) return Effect.fail(tooMany(limits.maxImages))
        return Arr.isArrayNonEmpty(uploads)
          ? Effect.succeed(uploads)
          : Effect.fail(bad(`The form has no file part ${named} with a file in it`))
      })
    )
  })

const fromMultipart = (error: Multipart.MultipartError, limits: UploadLimits): Refusal => {
  switch (error.reason._tag) {
    case "FileTooLarge":
      return tooLarge(limits.maxBytes, "The image")
    case "BodyTooLarge":
      return tooLarge(limits.maxRequestBytes)
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
