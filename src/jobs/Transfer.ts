/**
 * How the bytes of one file come: request after request, each from where the one before broke, until all are there or no
 * more will come.
 */
import { Clock, Data, Duration, Effect, Stream } from "effect"
import type { Headers } from "effect/http"
import * as Backoff from "../policy/Backoff.ts"
import type { Policy } from "../policy/Policy.ts"
import { type PolicyError, TimedOut } from "../policy/PolicyError.ts"
import type { PolicyRunner } from "../policy/PolicyRunner.ts"
import * as ContentRange from "../service/ContentRange.ts"
import * as Exchange from "../service/Exchange.ts"
import { ConnectionFailed, ResponseNotDecodable, type ServiceError } from "../service/ServiceError.ts"
import { type DownloadError, FileTooLarge, WrongLength } from "./DownloadError.ts"
import type { PartialFile } from "./PartialFile.ts"
import * as Representation from "./Representation.ts"

/** How far a download is, in bytes. */
export interface Progress {
  readonly _tag: "Progress"
  readonly received: number
  /** Of the whole, where its service says so. */
  readonly total: number | undefined
}

/** How a download fails. */
export type Failure = DownloadError | ServiceError | PolicyError

/** What is true of one file. */
export interface FileOptions {
  /** Made with its parents where it is not there. */
  readonly folder: string
  /** Replaces a file of that name. By default the service's word for it, which replaces none. Cleaned either way. */
  readonly name?: string | undefined
  /** In bytes. */
  readonly length?: number | undefined
  /** In hexadecimal. */
  readonly sha256?: string | undefined
  /** In hexadecimal. */
  readonly md5?: string | undefined
  /**
   * Keeps what came of a download that fails, hidden in the folder, and goes on with it next time: also in another
   * process, but not in two at once. Off by default: nothing is left behind. Where the machine itself may go down, give
   * a digest as well: what was not on the disk by then is none of the file.
   */
  readonly keepPartial?: boolean | undefined
  /** Told of every piece that is written. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/** Failures of a body that is gone on with: the connection broke, or brought nothing for too long. */
const isCut = (error: Failure): error is ConnectionFailed | TimedOut =>
  (error._tag === "ConnectionFailed" && error.phase === "receiving") ||
  (error._tag === "TimedOut" && error.kind === "attempt" && error.phase === "receiving")

/** An answer, and the byte that it was asked to begin with; `undefined` where all was asked for. */
interface Asked {
  readonly opened: Exchange.Opened
  readonly from: number | undefined
}

/** Asks for the rest once more, from where the file is now. */
class Again extends Data.TaggedError("Again")<{ readonly message: string }> {}

export interface TransferOptions {
  readonly url: URL
  /** The URL as errors call it. */
  readonly place: string
  readonly exchange: Exchange.Exchange
  readonly runner: PolicyRunner
  readonly partial: PartialFile
  readonly policy: Policy
  readonly maxBytes: number
  readonly maxResumes: number
  readonly wanted: FileOptions
}

/** Fills a partial file, and gives how often that took another request. */
export const run = Effect.fnUntraced(function* (options: TransferOptions): Effect.fn.Return<number, Failure> {
  const { exchange, maxBytes, maxResumes, partial, place, policy, runner, url, wanted } = options
  const told = wanted.onProgress

  const cut = (detail: string, requestId?: string) =>
    new ConnectionFailed({ service: place, requestId, phase: "receiving", sent: "maybe", detail })
  const tooLarge = (length?: number) => new FileTooLarge({ url: place, limit: maxBytes, length })
  const check = (length: number | undefined): Effect.Effect<void, FileTooLarge | WrongLength> =>
    length === undefined
      ? Effect.void
      : length > maxBytes
        ? Effect.fail(tooLarge(length))
        : wanted.length !== undefined && wanted.length !== length
          ? Effect.fail(new WrongLength({ url: place, expected: wanted.length, actual: length }))
          : Effect.void

  /** Takes a chunk of what ends there. */
  const writeUntil =
    (end: number) =>
    (chunk: Uint8Array): Effect.Effect<void, Failure | Again> => {
      const next = partial.received() + chunk.length
      if (next > end) return Effect.fail(new Again({ message: "more came than there is of the file" }))
      if (next > maxBytes) return Effect.fail(tooLarge())
      return told === undefined
        ? partial.append(chunk)
        : Effect.andThen(
            partial.append(chunk),
            Effect.suspend(() =>
              told({ _tag: "Progress", received: partial.received(), total: partial.start()?.length })
            )
          )
    }

  const isChecked = wanted.sha256 !== undefined || wanted.md5 !== undefined

  /**
   * Which file an answer is of, and what of it: the file is ready for its bytes. Gives where they end, or `"all"` where
   * nothing is missing of the file that is there. Parts that were asked for begin at `from`.
   */
  const prepare = Effect.fnUntraced(function* (
    { headers, requestId, status }: Exchange.Opened,
    from: number | undefined
  ): Effect.fn.Return<number | "all", Failure | Again> {
    const start = partial.start()
    if (status === 206 && from !== undefined) {
      const part = start && Representation.goneOn(headers, start, from, isChecked)
      if (part === undefined) return yield* new Again({ message: "the part is of another file" })
      partial.learn(part.start)
      return part.end
    }
    const partOf = status === 200 ? ContentRange.partOf(headers) : undefined
    if (partOf !== undefined && from !== undefined) {
      return yield* new Again({ message: `status 200 came with a part (${partOf})` })
    }
    if (status !== 200 || partOf !== undefined) {
      return yield* new ResponseNotDecodable({
        service: place,
        requestId,
        status,
        path: "",
        detail:
          partOf === undefined
            ? `status ${status} brings no file`
            : `status ${status} came with a part of the file (${partOf}), though all of it was asked for`,
        excerpt: ""
      })
    }
    const whole = Representation.ofWhole(headers, url)
    yield* check(whole.length)
    const received = partial.received()
    const isThere = start?.etag !== undefined && start.etag === whole.etag
    if (from === undefined && received > 0 && isThere && (whole.length ?? received) === received) return "all"
    yield* partial.restart(whole)
    return whole.length ?? Infinity
  })

  /** One request, and as much of the file as it brings. */
  const once = Effect.gen(function* () {
    const start = partial.start()
    if (start?.etag === undefined && partial.received() > 0) yield* partial.restart(undefined)
    const received = partial.received()
    let refused: Headers.Headers | undefined
    /** All of the file, or what it has from there on, if it is still the same. */
    const ask = (from?: number, etag?: string): Effect.Effect<Asked | undefined, Failure | Again> =>
      Effect.map(
        runner.run((attempt) =>
          exchange.open(
            {
              method: "GET",
              path: url.pathname + url.search,
              accept: "*/*",
              headers: etag === undefined ? {} : { range: `bytes=${from}-`, "if-range": etag },
              // Each chunk is in the file before the next is asked for.
              lendsChunks: true
            },
            attempt,
            (answer) => {
              refused = answer.status === 416 ? answer.headers : undefined
              return Exchange.failure(answer)
            }
          )
        ),
        ({ value: opened }) => ({ opened, from })
      )
    const answer =
      received === 0 || start?.etag === undefined
        ? yield* ask()
        : yield* Effect.catchIf(
            ask(received, start.etag),
            (error) => "status" in error && (error.status === 416 || error.status === 412),
            () => {
              const isAll = refused && Representation.isAll(refused, start, received, isChecked)
              if (isAll === "yes") return Effect.undefined
              // The headers of the whole tell whether it is still the same.
              if (isAll === "perhaps") return ask()
              // The part that is asked for is none of the file that is there now.
              return Effect.fail(new Again({ message: "the file has changed" }))
            }
          )
    // Nothing is missing.
    if (answer === undefined) return yield* check(received)
    const { from, opened } = answer
    const end = yield* Effect.onError(prepare(opened, from), () => Exchange.drop(opened))
    if (end === "all") return yield* Effect.andThen(Exchange.drop(opened), check(received))
    yield* drain(opened.body, writeUntil(end), place, policy.attemptTimeout)
    const total = partial.start()?.length
    if (total !== undefined && partial.received() < total) {
      return yield* cut(`it ended after ${partial.received()} of ${total} bytes`, opened.requestId)
    }
  })

  let resumes = 0
  let barren = 0
  /** Parts that were none of the file: whoever sends such each time sends no others. */
  let strays = 0
  while (true) {
    const from = partial.received()
    const failure = yield* Effect.match(once, { onFailure: (error) => error, onSuccess: () => undefined })
    if (failure === undefined) break
    if (failure._tag !== "Again" && !isCut(failure)) return yield* failure
    resumes++
    if (failure._tag === "Again") {
      strays++
      yield* partial.restart(undefined)
    }
    // What cannot be gone on with was for nothing.
    const hasGrown =
      partial.start()?.etag !== undefined && partial.received() !== from && partial.received() > 0
    barren = hasGrown ? 0 : barren + 1
    if (Math.max(barren, strays) > policy.retry.times || policy.retry.times === 0 || resumes > maxResumes) {
      return yield* failure._tag === "Again" ? cut(failure.message) : failure
    }
    yield* Effect.logWarning(
      `The download of ${place} is gone on with at byte ${partial.received()}: ${failure.message}`
    )
    yield* Effect.flatMap(Backoff.delay(policy.retry, barren + 1), Effect.sleep)
  }

  return resumes
})

export const late = (place: string, kind: "attempt" | "deadline", after: Duration.Duration): TimedOut =>
  new TimedOut({ service: place, kind, phase: "receiving", after, attempt: 1 })

/**
 * Reads a body to its end, and fails where it brings nothing for so long. One timer watches it all: the stream's own
 * time-out asks for the next chunk while this one is still in use, and a chunk that is lent must not be.
 */
const drain = <E>(
  body: Stream.Stream<Uint8Array, ServiceError>,
  write: (chunk: Uint8Array) => Effect.Effect<void, E>,
  place: string,
  idle: Duration.Duration | undefined
): Effect.Effect<void, E | ServiceError | TimedOut> =>
  idle === undefined
    ? Stream.runForEach(body, write)
    : Clock.clockWith((clock) =>
        Effect.suspend(() => {
          let last = clock.monotonicTimeNanosUnsafe()
          const watch: Effect.Effect<never, TimedOut> = Effect.suspend(() => {
            const left = Duration.subtract(idle, Duration.nanos(clock.monotonicTimeNanosUnsafe() - last))
            return Duration.isGreaterThan(left, Duration.zero)
              ? Effect.andThen(Effect.sleep(left), watch)
              : Effect.fail(late(place, "attempt", idle))
          })
          const read = Stream.runForEach(body, (chunk) => {
            last = clock.monotonicTimeNanosUnsafe()
            return write(chunk)
          })
          return Effect.raceFirst(read, watch)
        })
      )
