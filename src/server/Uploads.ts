/** The files of a form, in the body that has come, under limits. */
import { Array as Arr, Duration, Effect } from "effect"
import { type HttpServerRequest, MultipartParser } from "effect/http"
import type { Upload } from "./Dialect.ts"
import { bad, Refusal, tooMany } from "./Refusal.ts"
import type { ServerLimits } from "./ServerLimits.ts"
import { ascii } from "../jobs/FileName.ts"

/** What a form's files are read under. */
export type UploadLimits = Pick<ServerLimits, "maxBytes" | "maxImages" | "maxRequestBytes">

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

/** A body that comes too slowly. */
export const tooMeagre = (rate: number): Refusal =>
  new Refusal({ status: 408, detail: `The body comes at less than ${rate} bytes a second` })

/** A body that did not come in time. */
export const tooSlow = (timeout: Duration.Duration): Refusal =>
  new Refusal({ status: 408, detail: `The body did not arrive within ${Duration.format(timeout)}` })

/** Whether the body says that it is a form with files. */
export const isForm = (request: HttpServerRequest.HttpServerRequest): boolean =>
  /^multipart\/form-data\b/i.test(request.headers["content-type"] ?? "")

/** Bytes of a form that are looked through before others have their turn. */
const piece = 1024 * 1024

/** The files of the parts with any of these names, in order: at least one. Other parts are read over. */
export const files = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  body: Uint8Array,
  names: ReadonlyArray<string>,
  limits: UploadLimits
): Effect.fn.Return<Arr.NonEmptyReadonlyArray<Upload>, Refusal> {
  const found: Array<Upload> = []
  const reading: { wrong: Refusal | undefined; over: boolean } = { wrong: undefined, over: false }
  // A part whose headers do not end is told as the one before it, once more.
  const seen = new Set<unknown>([undefined])
  const isNew = (info: MultipartParser.PartInfo): void => {
    if (seen.has(info)) reading.wrong ??= broken
    seen.add(info)
  }
  const parser = MultipartParser.make({
    headers: { "content-type": request.headers["content-type"] ?? "" },
    maxParts: limits.maxImages + 64,
    maxPartSize: limits.maxBytes,
    maxFieldSize: 64 * 1024,
    maxTotalSize: body.length,
    onField: isNew,
    onFile: (info) => {
      isNew(info)
      const isWanted = names.includes(info.name) && info.filename !== undefined && info.filename !== ""
      if (isWanted && found.length >= limits.maxImages) reading.over = true
      const chunks: Array<Uint8Array> = []
      let isWhole = false
      return (chunk) => {
        if (chunk !== null) {
          if (isWanted && !reading.over) chunks.push(chunk)
          return
        }
        if (isWhole) reading.wrong ??= broken
        isWhole = true
        if (isWanted && !reading.over) found.push({ name: inOneLine(info.filename), bytes: joined(chunks) })
      }
    },
    onError: (error) => {
      reading.wrong ??= fromMultipart(error, limits)
    },
    onDone: () => {}
  })
  // What strangers send may be what the parser does not expect.
  const step = (work: () => void) =>
    Effect.try({
      try: work,
      catch: () => broken
    })
  for (let at = 0; at < body.length && reading.wrong === undefined; at += piece) {
    yield* step(() => parser.write(body.subarray(at, at + piece)))
    yield* Effect.yieldNow
  }
  if (reading.wrong === undefined) yield* step(() => parser.end())
  if (reading.wrong !== undefined) return yield* reading.wrong
  if (reading.over) return yield* tooMany(limits.maxImages)
  return Arr.isArrayNonEmpty(found)
    ? found
    : yield* bad(`The form has no file part ${named(names)} with a file in it`)
})

/** No form is read of a body that says it is none. */
export const checkForm = (
  request: HttpServerRequest.HttpServerRequest,
  names: ReadonlyArray<string>
): Effect.Effect<void, Refusal> => {
  if (!isForm(request))
    return Effect.fail(bad(`Send the image as multipart/form-data, as a file part ${named(names)}`))
  const [, boundary = "", another] = (request.headers["content-type"] ?? "").split(/;\s*boundary=/i)
  // Of two, a filter before this server may have gone by the other one.
  if (another !== undefined) return Effect.fail(broken)
  const [text] = /^(?:"(?:[^"\\]|\\.)*"|[^\s;"]*)/.exec(boundary) ?? [boundary]
  return text.length > maxBoundary ? Effect.fail(longBoundary) : Effect.void
}

/**
 * Characters of a boundary, where RFC 2046 allows 70. Looking for one takes its length times the body's, if the body is made for
 * that: one of 8,000 would hold this process up for minutes.
 */
const maxBoundary = 200
const longBoundary = bad(`The boundary of the form is longer than ${maxBoundary} characters`)

const named = (names: ReadonlyArray<string>): string =>
  `named ${names.map((name) => `"${name}"`).join(" or ")}`

const broken = bad("The body is no whole multipart/form-data form")

/** A name goes into answers, files and the log: a line break in one would begin a line of its own there. */
const inOneLine = (name: string = ""): string => name.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ").trim()

/** Mostly it is one piece, which is left where it is. */
const joined = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
}

const fromMultipart = (error: MultipartParser.MultipartError, limits: UploadLimits): Refusal => {
  if (error._tag !== "ReachedLimit") return broken
  switch (error.limit) {
    case "MaxPartSize":
      return tooLarge(limits.maxBytes, "The image")
    case "MaxTotalSize":
      return tooLarge(limits.maxRequestBytes)
    case "MaxFieldSize":
    case "MaxParts":
      return new Refusal({
        status: 413,
        detail: "The form has more or larger fields than this service takes"
      })
  }
}

/**
 * A file name that is safe in any folder: no separators, no leading dots, letters, digits, `_`, `-` and `.` only.
 * Services clean names like this, and callers expect it.
 */
export const safeName = (name: string): string => ascii(name.split(/[\\/]/).at(-1) ?? "", "image")
