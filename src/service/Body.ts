/**
 * The body of an answer, read under limits: bytes on the wire and bytes after decompression, each counted as they
 * come, so that neither a body of 10 GB nor a 150 KB bomb takes more memory than its limit.
 *
 * Effect's undici client decompresses nothing and bounds nothing; `fetch` decompresses by itself. Both are handled
 * here, and nowhere else.
 */
import { Bytes, Effect, Option, Stream } from "effect"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { type BodyLimits, bounded, defaultLimits, discard } from "./BodyBounds.ts"
import { broken, type Origin, placeOf } from "./BodyFailure.ts"
import { anyPlatform, type Platform } from "./BodyPlatform.ts"
import type { ServiceError } from "./ServiceError.ts"
import { ResponseTooLarge } from "./WireError.ts"
import { lazily } from "./CodeNotLoaded.ts"

const decompression = lazily(() => import("./Decompression.ts"))

/** An address without what may hold a secret. */
export const withoutQuery = (url: string): string => url.split(/[?#]/, 1)[0]!

/** Whether a body is sent in an encoding. */
export const isCompressed = ({ headers }: Pick<HttpClientResponse.HttpClientResponse, "headers">): boolean =>
  !/^\s*(identity\s*)?$/i.test(headers["content-encoding"] ?? "")

/** Each chunk alone, its memory freed when the next one is asked for. */
const lending =
  (release: (chunk: Uint8Array) => void) =>
  <E>(self: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
    Stream.suspend(() => {
      let last: Uint8Array | undefined
      return Stream.map(Stream.rechunk(self, 1), (chunk) => {
        if (last !== undefined) release(last)
        last = chunk
        return chunk
      })
    })

/** The body as a stream, decompressed and bounded. Chunks that are `lent` are good until the next is asked for. */
export const stream = (
  response: HttpClientResponse.HttpClientResponse,
  limits: BodyLimits,
  origin: Origin,
  options?: { readonly platform?: Platform | undefined; readonly lent?: boolean | undefined }
): Stream.Stream<Uint8Array, ServiceError> => {
  const { lent = false, platform = anyPlatform } = options ?? {}
  // A `Response` without a body says so by a failure.
  const sent = Stream.catchIf(
    response.stream,
    (error) => error.reason._tag === "EmptyBodyError",
    () => Stream.empty
  )
  const received = Stream.mapError(sent, broken(response, origin))
  // A `Response` of the platform has been decompressed, though its header still names the encoding: it is counted after that.
  const isDone = isCompressed(response) && Option.isSome(HttpClientResponse.toWeb(response))
  const plain = isDone
    ? bounded(limits.maxDecodedBytes, "decompressed", origin)(received)
    : bounded(limits.maxBodyBytes, "received", origin)(received)
  if (isCompressed(response) && !isDone) {
    return Stream.unwrap(
      Effect.map(decompression, (Decompression) =>
        Decompression.stream(plain, response, limits, origin, platform)
      )
    )
  }
  return lent ? lending(platform.release)(plain) : plain
}

/** The whole body as bytes, under limits. */
export const bytes = (
  response: HttpClientResponse.HttpClientResponse,
  limits: BodyLimits,
  origin: Origin,
  platform: Platform
): Effect.Effect<Uint8Array, ServiceError> => {
  const { headers } = response
  // A stated length bounds the body by itself, and reading at once is several times cheaper than chunk by chunk.
  if (headers["content-length"] !== undefined && !isCompressed(response)) {
    if (Number(headers["content-length"]) <= limits.maxBodyBytes) {
      return Effect.mapBoth(response.arrayBuffer, {
        onSuccess: (buffer) => new Uint8Array(buffer),
        onFailure: broken(response, origin)
      })
    }
    const tooLarge = new ResponseTooLarge({
      ...placeOf(origin),
      stage: "received",
      limit: limits.maxBodyBytes
    })
    return Effect.andThen(discard(response), Effect.fail(tooLarge))
  }
  return Effect.map(Stream.runCollect(stream(response, limits, origin, { platform })), concat)
}

/** At most `limit` bytes of the body, for error messages: what is longer, broken or compressed is cut off there. */
export const head = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number,
  origin: Origin,
  platform: Platform
): Effect.Effect<Uint8Array> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let seen = 0
    return Stream.runForEachWhile(stream(response, defaultLimits, origin, { platform }), (chunk) =>
      Effect.sync(() => {
        chunks.push(chunk)
        seen += chunk.length
        return seen < limit
      })
    ).pipe(
      Effect.ignore,
      Effect.map(() => concat(chunks).subarray(0, limit))
    )
  })

/** Chunks in one piece. One alone is not copied. */
export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array =>
  chunks.length === 1 ? chunks[0]! : Bytes.concat(chunks)
