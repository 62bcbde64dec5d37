/**
 * What a server takes, keeps and waits for: every limit, with its unit and its default. `max…Bytes` are sizes of what the
 * name says; times are `Duration`s.
 */
import { Duration, Effect, Option, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { omitUndefined } from "../policy/OmitUndefined.ts"

const MiB = 1024 ** 2

/** A number that is whole, or `Infinity` for no limit. */
const whole = (least: number, otherwise: number) =>
  Schema.Number.check(
    Schema.makeFilter(
      (value) =>
        (value >= least && (Number.isInteger(value) || value === Infinity)) ||
        `a limit must be a whole number of at least ${least}`
    )
  ).pipe(Schema.withDecodingDefault(Effect.succeed(otherwise)))

/** What the timers of Node, which end connections, can wait for. */
const longest = Duration.days(24)

/** What programs write for a time. Whether it is one shows when it is read. */
const Input = Schema.declare((value): value is Duration.Input => value !== undefined && value !== null)

const upTo = (most: Duration.Duration) =>
  Input.pipe(
    Schema.decodeTo(
      Schema.Duration.check(
        Schema.makeFilter(
          (value) =>
            (Duration.isGreaterThanOrEqualTo(value, Duration.zero) &&
              Duration.isLessThanOrEqualTo(value, most)) ||
            (Duration.isFinite(most)
              ? `a limit must be a time of at most ${Duration.format(most)}`
              : "a limit must be a time that passes, or 0")
        )
      ),
      SchemaTransformation.transformEffect({
        decode: (input) =>
          Option.match(Duration.fromInput(input), {
            onSome: Effect.succeed,
            onNone: () =>
              Effect.fail(new SchemaIssue.InvalidValue({ message: "a limit must be a time" }, input))
          }),
        encode: (time) => Effect.succeed<Duration.Input>(time)
      })
    )
  )

const time = (otherwise: Duration.Input, most: Duration.Duration = longest) =>
  upTo(most).pipe(Schema.withDecodingDefault(Effect.succeed(otherwise)))

export const ServerLimits = Schema.Struct({
  /** Bytes of one image file. 50 MiB by default. */
  maxBytes: whole(1, 50 * MiB),
  /** Width times height of one image. 50 million by default. */
  maxPixels: whole(1, 50_000_000),
  /** Images in one request. 64 by default. */
  maxImages: whole(1, 64),
  /** Bytes of one request with several images. 200 MiB by default. */
  maxRequestBytes: whole(1, 200 * MiB),
  /** Bytes of requests' bodies in memory at once, over all requests. 512 MiB by default. */
  maxHeldBytes: whole(0, 512 * MiB),
  /** Bytes of results, and of what is taken from them, kept in memory for images that come again, over all models. None (0) by default. */
  maxCacheBytes: whole(0, 0),
  /** Connections open at once. 1,024 by default. */
  maxConnections: whole(1, 1024),
  /** Of these, from one address that is no trusted proxy. 512 by default. */
  maxConnectionsPerAddress: whole(1, 512),
  /** Bodies waited for from one address at once: where there are more, the slowest makes room. 64 by default. */
  maxBodiesPerAddress: whole(1, 64),
  /** Requests of one address worked on or waiting at once. As many as there are places by default. */
  maxPlacesPerAddress: whole(1, Infinity),
  /** Bytes a second that a body must bring on average, once `bodyGrace` is over. 1,024 by default. */
  minBodyRate: whole(0, 1024),
  /** How long a body may come, and an answer be taken, before it is looked at how slowly that goes. 5 seconds by default. */
  bodyGrace: time("5 seconds"),
  /** Images worked on at once. 2 by default. */
  concurrency: whole(1, 2),
  /** Requests that may wait besides those worked on; one more is refused. 32 by default. */
  queue: whole(0, 32),
  /** For one image, from its turn to its answer. 2 minutes by default. */
  timeout: time("2 minutes", Duration.infinity),
  /** For the headers of a request to arrive. 10 seconds by default. */
  headersTimeout: time("10 seconds"),
  /** For its body. 60 seconds by default. */
  bodyTimeout: time("60 seconds"),
  /** A client that takes nothing of its answer for so long is cut off. 30 seconds by default. */
  writeTimeout: time("30 seconds"),
  /** How long requests under way may take to finish once the server is to stop. 20 seconds by default. */
  drain: time("20 seconds", Duration.infinity)
})
export type ServerLimits = typeof ServerLimits.Type

/** Some of them, as a program writes them: a time is also `"20 seconds"`, or milliseconds. */
export type ServerLimitsInput = typeof ServerLimits.Encoded

/** Those that routes of one kind may have of their own, where that is less than the server takes. */
export type RouteLimits = Pick<
  ServerLimitsInput,
  "maxBytes" | "maxPixels" | "maxImages" | "concurrency" | "timeout"
>

const decode = Schema.decodeResult(ServerLimits)

/** All of them: those given, and the defaults of the others. Throws where one is none that a server can have. */
export const make = (limits: ServerLimitsInput = {}): ServerLimits =>
  Result.getOrThrowWith(
    decode(limits),
    ({ message }) => new RangeError(`SegFormerServer: ${message.replaceAll(/\s+/g, " ")}`)
  )

export const defaults: ServerLimits = make()

/** The server's limits where routes have stricter ones of their own. */
export const stricter = (limits: ServerLimits, own: RouteLimits = {}): ServerLimits => {
  const { concurrency, maxBytes, maxImages, maxPixels, timeout } = make({ ...limits, ...omitUndefined(own) })
  return {
    ...limits,
    maxBytes: Math.min(maxBytes, limits.maxBytes),
    maxPixels: Math.min(maxPixels, limits.maxPixels),
    maxImages: Math.min(maxImages, limits.maxImages),
    concurrency: Math.min(concurrency, limits.concurrency),
    timeout: Duration.min(timeout, limits.timeout)
  }
}
