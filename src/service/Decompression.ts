/**
 * Takes content encodings off, each under the limit of what may come of it. Loaded with the first answer that has one: in browsers
 * `fetch` does it.
 */
import { Effect, Stream } from "effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { type BodyLimits, bounded, discard } from "./BodyBounds.ts"
import { brokenData, type Origin, undecodable } from "./BodyFailure.ts"
import type { Platform } from "./BodyPlatform.ts"
import type { ServiceError } from "./ServiceError.ts"
import { ConnectionFailed, ResponseNotDecodable, ResponseTooLarge } from "./WireError.ts"

/** Encodings that `DecompressionStream` has another name for. */
const formats: Readonly<Record<string, string>> = { "x-gzip": "gzip", br: "brotli" }

const isServiceError = (cause: unknown): cause is ServiceError =>
  cause instanceof ConnectionFailed ||
  cause instanceof ResponseTooLarge ||
  cause instanceof ResponseNotDecodable

/** Encodings that are taken off wherever somebody can. */
const encodings = new Set([
  "gzip",
  "x-gzip",
  "deflate",
  "br",
  "zstd",
  "compress",
  "x-compress",
  "exi",
  "pack200-gzip",
  "dcb",
  "dcz"
])

/**
 * Which decompressions are left to do, in the order in which they were applied. A word that is no encoding (`none`, `utf-8`,
 * `binary`, `aws-chunked`) says nothing of the bytes: `fetch` gives them as they are, and so does this.
 */
const encodingsOf = (
  { headers }: HttpClientResponse.HttpClientResponse,
  platform: Platform
): ReadonlyArray<string> => {
  const named = (headers["content-encoding"] ?? "")
    .toLowerCase()
    .split(",")
    .map((each) => each.trim())
  return named.filter((each) => encodings.has(each) || Object.hasOwn(platform.decompressors, each))
}

/** As many as `fetch` takes off: each is work for every byte of what is beneath it. */
const mostEncodings = 5

const decompressed = (
  self: Stream.Stream<Uint8Array, ServiceError>,
  encoding: string,
  response: HttpClientResponse.HttpClientResponse,
  origin: Origin,
  { decompressors }: Platform
): Stream.Stream<Uint8Array, ServiceError> => {
  const onError = (cause: unknown) =>
    isServiceError(cause) ? cause : undecodable(response, origin, brokenData(response, cause))
  if (Object.hasOwn(decompressors, encoding)) return decompressors[encoding]!(self, onError)
  const format = formats[encoding]
  return Stream.unwrap(
    Effect.gen(function* () {
      const transform = yield* Effect.try({
        // The DOM's type knows three formats; runtimes know more, and throw for those they do not.
        try: () => new DecompressionStream((format ?? encoding) as CompressionFormat),
        catch: () => undecodable(response, origin, unsupported(encoding))
      }).pipe(Effect.tapError(() => discard(response)))
      const readable = yield* Stream.toReadableStreamEffect(Stream.flatMap(self, piecesOf))
      return Stream.fromReadableStream({
        evaluate: () =>
          readable.pipeThrough<Uint8Array>(transform as ReadableWritablePair<Uint8Array, Uint8Array>),
        onError
      })
    })
  )
}

/** Bytes that are given to a runtime at once: it may hold all that comes of them, a thousand times as many. */
const stride = 4096

const piecesOf = (chunk: Uint8Array) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(chunk.length / stride) }, (_, at) =>
      chunk.subarray(at * stride, (at + 1) * stride)
    ),
    { chunkSize: 1 }
  )

const unsupported = (encoding: string): string => `its content encoding "${encoding}" is not supported here`

/** The body without its encodings; as it is where its header names none. */
export const stream = (
  received: Stream.Stream<Uint8Array, ServiceError>,
  response: HttpClientResponse.HttpClientResponse,
  limits: BodyLimits,
  origin: Origin,
  platform: Platform
): Stream.Stream<Uint8Array, ServiceError> => {
  const applied = encodingsOf(response, platform)
  if (applied.length > mostEncodings) {
    return Stream.fromEffect(
      Effect.andThen(
        discard(response),
        Effect.fail(undecodable(response, origin, unsupported(applied.join(", "))))
      )
    )
  }
  return applied.reduceRight<Stream.Stream<Uint8Array, ServiceError>>(
    (stream, encoding) =>
      bounded(
        limits.maxDecodedBytes,
        "decompressed",
        origin
      )(decompressed(stream, encoding, response, origin, platform)),
    received
  )
}
