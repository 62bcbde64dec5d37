/**
 * The body of an answer, read under limits: bytes on the wire and bytes after decompression, each counted as they
 * come, so that neither a body of 10 GB nor a 150 KB bomb takes more memory than its limit.
 *
 * Effect's undici client decompresses nothing and bounds nothing; `fetch` decompresses by itself. Both are handled
 * here, and nowhere else.
 */
import { Bytes, Context, Effect, Option, type Scope, Stream } from "effect"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { ServiceError } from "./ServiceError.ts"
import { ConnectionFailed, excerpt, ResponseNotDecodable, ResponseTooLarge } from "./WireError.ts"
import { type Hide, nothing } from "./Hiding.ts"

export interface BodyLimits {
  /** Bytes on the wire. 64 MiB by default. */
  readonly maxBodyBytes: number
  /** Bytes after decompression. 256 MiB by default. */
  readonly maxDecodedBytes: number
}

export const defaultLimits: BodyLimits = {
  maxBodyBytes: 64 * 1024 * 1024,
  maxDecodedBytes: 256 * 1024 * 1024
}

/** Takes an encoding off. Data that is not of it fails with what `onError` makes of the cause. */
export type Decompressor = <E>(
  self: Stream.Stream<Uint8Array, E>,
  onError: (cause: unknown) => E
) => Stream.Stream<Uint8Array, E>

/** What the platform of an `HttpClient` can do that not every runtime can. */
export interface Platform {
  /** Takes off encodings that `DecompressionStream` does not know, by their names in `Content-Encoding`. */
  readonly decompressors: Readonly<Record<string, Decompressor>>
  /** Frees the memory of a chunk that the client has read and nobody looks at any more. */
  readonly release: (chunk: Uint8Array) => void
  /** So many connections to an origin, for the requests that are made in its context, until the scope ends. */
  readonly pool: (connections: number) => Effect.Effect<Pool, never, Scope.Scope>
}

/** The context in which requests share connections; empty where the client cannot be told how many it may open. */
export type Pool = Context.Context<never>

/** The platform beneath. No client says so itself: `NodeHttp.layer` sets it with its own. */
export const Platform = Context.Reference<Platform>("effect-segformer/service/Body/Platform", {
  defaultValue: () => anyPlatform
})

const anyPlatform: Platform = {
  decompressors: {},
  release: () => {},
  pool: () => Effect.succeed(Context.empty())
}

/** Who is asked, for the errors. */
export interface Origin {
  readonly service: string
  readonly requestId: string | undefined
  /** Takes our secrets out of what the service says. */
  readonly hide?: Hide | undefined
}

const placeOf = ({ requestId, service }: Origin) => ({ service, requestId })

/** An address without what may hold a secret. */
export const withoutQuery = (url: string): string => url.split(/[?#]/, 1)[0]!

/** Encodings that `DecompressionStream` has another name for. */
const formats: Readonly<Record<string, string>> = { "x-gzip": "gzip", br: "brotli" }

const isServiceError = (cause: unknown): cause is ServiceError =>
  cause instanceof ConnectionFailed ||
  cause instanceof ResponseTooLarge ||
  cause instanceof ResponseNotDecodable

/** Fails once more than `limit` bytes have passed. */
const bounded =
  (limit: number, stage: "received" | "decompressed", origin: Origin) =>
  <E>(self: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | ResponseTooLarge> =>
    Stream.suspend(() => {
      let seen = 0
      return Stream.mapEffect(self, (chunk) => {
        seen += chunk.length
        return seen > limit
          ? Effect.fail(new ResponseTooLarge({ ...placeOf(origin), stage, limit }))
          : Effect.succeed(chunk)
      })
    })

const isCompressed = ({ headers }: HttpClientResponse.HttpClientResponse): boolean =>
  !/^\s*(identity\s*)?$/i.test(headers["content-encoding"] ?? "")

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
  response: HttpClientResponse.HttpClientResponse,
  platform: Platform
): ReadonlyArray<string> => {
  if (!isCompressed(response)) return []
  // A `Response` of the platform has been decompressed, though its header still names the encoding.
  if (Option.isSome(HttpClientResponse.toWeb(response))) return []
  const named = (response.headers["content-encoding"] ?? "")
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
      const readable = yield* Stream.toReadableStreamEffect(self)
      return Stream.fromReadableStream({
        evaluate: () =>
          readable.pipeThrough<Uint8Array>(transform as ReadableWritablePair<Uint8Array, Uint8Array>),
        onError
      })
    })
  )
}

const brokenData = ({ headers }: HttpClientResponse.HttpClientResponse, cause: unknown): string => {
  const encoding = headers["content-encoding"] ?? ""
  const named = encoding.includes(",") ? `"${encoding}"` : encoding.trim()
  return `its ${named} data is broken or cut off (${describe(cause)})`
}

const unsupported = (encoding: string): string => `its content encoding "${encoding}" is not supported here`

/** What cannot be read of an answer because of its content encoding. */
const undecodable = (response: HttpClientResponse.HttpClientResponse, origin: Origin, detail: string) =>
  new ResponseNotDecodable({
    ...placeOf(origin),
    status: response.status,
    path: "",
    detail: excerpt((origin.hide ?? nothing)(detail)),
    excerpt: ""
  })

/** Codes of decompressors: what `fetch` takes off itself breaks its stream like a connection does. */
const ofDecompressors = /^(?:Z_|ERR__ERROR_|ERR_BROTLI|ERR_ZSTD|ZSTD_)/

const broken =
  (response: HttpClientResponse.HttpClientResponse, origin: Origin) =>
  (error: { readonly cause?: unknown }): ConnectionFailed | ResponseNotDecodable => {
    const code = codeOf(error.cause)
    if (code !== undefined && ofDecompressors.test(code))
      return undecodable(response, origin, brokenData(response, error.cause))
    const detail = describe(error.cause)
    return new ConnectionFailed({ ...placeOf(origin), code, phase: "receiving", sent: "maybe", detail })
  }

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
  const applied = encodingsOf(response, platform)
  // A `Response` without a body says so by a failure.
  const sent = Stream.catchIf(
    response.stream,
    (error) => error.reason._tag === "EmptyBodyError",
    () => Stream.empty
  )
  const received = Stream.mapError(sent, broken(response, origin))
  if (applied.length === 0) {
    // What the platform has decompressed can only be counted after it.
    const plain = isCompressed(response)
      ? bounded(limits.maxDecodedBytes, "decompressed", origin)(received)
      : bounded(limits.maxBodyBytes, "received", origin)(received)
    return lent ? lending(platform.release)(plain) : plain
  }
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
    bounded(limits.maxBodyBytes, "received", origin)(received)
  )
}

/** Gives up a response without reading it, so that its connection is closed at once. */
export const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  // Its stream closes the connection when it is interrupted.
  Effect.ignore(Effect.raceFirst(Stream.runDrain(response.stream), Effect.void))

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

/**
 * The innermost error with a system code, else the innermost of all: HTTP clients wrap what happened in errors of
 * their own, which say no more than "fetch failed".
 */
const innermost = (cause: unknown): unknown => {
  let found = cause
  let hasCode = false
  for (let at = cause, depth = 0; depth < 6 && at instanceof Error; depth++) {
    if ("code" in at && typeof at.code === "string") {
      found = at
      hasCode = true
    } else if (!hasCode) found = at
    at = at.cause
  }
  return found
}

/** The system's code of a failure, such as ECONNREFUSED. */
export const codeOf = (cause: unknown): string | undefined => {
  const error = innermost(cause)
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code
  // Undici's parser has a code for some of what is no HTTP, and for some a name alone.
  return error instanceof Error && error.name === "HTTPParserError" ? "HPE_INVALID" : undefined
}

/** A failure in words, for an error message. */
export const describe = (cause: unknown): string => {
  const error = innermost(cause)
  // An AggregateError (every address of a name refused) has no message of its own.
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join("; ")
  }
  return error instanceof Error ? error.message : String(error ?? "no cause given")
}
