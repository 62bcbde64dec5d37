/**
 * How fast the attempts of many calls may follow one another: as fast as they come, until a service refuses several in a
 * row because there are too many (429, 503). Then no faster than it grants them, a little faster with each that it grants,
 * and slower with each that it refuses (AIMD, with a rate in the place of a window).
 *
 * A limit on how many run at once would not do: a service that grants one a second refuses in a millisecond.
 */
import { Clock, Deferred, Duration, Effect, Exit, Result, Semaphore } from "effect"
import { millis, millisOf } from "./MonotonicClock.ts"

/** What it must know of a failure. */
export interface Refusal {
  readonly _tag: string
  readonly status?: number | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

export interface Throttle {
  /** Waits until the next attempt may start. */
  readonly turn: Effect.Effect<void>
  /** Runs an attempt and learns from how it ends. */
  readonly watch: <A, E extends Refusal, R>(attempt: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** When an attempt went well last, in monotonic milliseconds; or when this was made. */
  readonly grantedAt: () => number
}

/** Whether a service refuses because too much is asked of it. */
export const isRefusal = ({ status }: Refusal): boolean => status === 429 || status === 503

/** A larger share of refusals, of the last few attempts, is no accident: three in a row, or every second one. */
const accident = 0.4
const weight = 0.2

/** So many refusals in a row, at a pace that it had granted, say that it grants nothing for now. */
const several = 2

/** How much faster with each attempt that is granted: until the first is refused, and then. It doubles in quiet times. */
const atFirst = 0.25
const careful = 0.02
const most = 0.5
/** So many granted one after the other are a quiet time. */
const quiet = 32

/** How much slower by one refusal, and by several. */
const byOne = 0.9
const bySeveral = 0.7

/** How long nobody starts after several that do not say, in milliseconds. */
const hold = 1000
/** One a minute at least, and without limit where a millisecond has room for one. */
const slowest = 1 / 60_000
const fastest = 1

/** A Retry-After that is longer than this holds nobody back: whoever meets it fails of it. */
export const make = Effect.fnUntraced(function* (longest: Duration.Duration): Effect.fn.Return<Throttle> {
  const queue = yield* Semaphore.make(1)
  /** Attempts in a millisecond. */
  let rate = Number.POSITIVE_INFINITY
  let growth = atFirst
  /** When the next may start, and what wakes who waits for it when that is sooner than it was. */
  let next = 0
  let sooner = Deferred.makeUnsafe<void>()
  /** Refused one after the other; once they are several, one attempt at a time asks whether that is over. */
  let refused = 0
  let share = 0
  let calm = 0
  /** Of what was under way together, the first refusal tells the rate. */
  let slowedAt = 0
  /** Granted in the second that began then, and in the one before. */
  let second = Number.NEGATIVE_INFINITY
  let inSecond = 0
  let before = 0
  let grantedAt = yield* millis

  const isBlocked = () => refused >= several && rate < Number.POSITIVE_INFINITY

  const inTurn = queue.withPermit(
    Effect.gen(function* () {
      for (;;) {
        const now = yield* millis
        if (now >= next) {
          next = now + (isBlocked() ? hold : 1 / rate)
          return
        }
        yield* Effect.raceFirst(Effect.sleep(Math.ceil(next - now)), Deferred.await(sooner))
      }
    })
  )

  const turn = Effect.suspend(() => (rate === Number.POSITIVE_INFINITY && next === 0 ? Effect.void : inTurn))

  const wasGranted = (began: number, now: number): void => {
    grantedAt = now
    if (now - second >= 1000) {
      before = now - second < 2000 ? inSecond : 0
      inSecond = 0
      second = now
    }
    inSecond++
    share *= 1 - weight
    if (isBlocked()) {
      // What was under way when it refused has another answer to come, but not a newer one.
      if (began < slowedAt) return
      rate = Math.max(rate, (Math.max(inSecond, before) / 1000) * byOne)
      next = now + 1 / rate
      Deferred.doneUnsafe(sooner, Exit.void)
      sooner = Deferred.makeUnsafe()
    }
    refused = 0
    if (rate === Number.POSITIVE_INFINITY) return
    if (++calm % quiet === 0) growth = Math.min(growth * 2, most)
    rate *= 1 + growth
    if (rate > fastest) rate = Number.POSITIVE_INFINITY
  }
  const wasRefused = (began: number, now: number, retryAfter: Duration.Duration | undefined): void => {
    refused++
    share += (1 - share) * weight
    calm = 0
    if (rate === Number.POSITIVE_INFINITY) {
      if (share > accident) {
        rate = Math.max(1, inSecond, before) / 1000
        growth = atFirst
        slowedAt = now
      }
    } else if (began >= slowedAt) {
      rate = Math.max(slowest, rate * (refused < several ? byOne : bySeveral))
      growth = careful
      slowedAt = now
    }
    const asked =
      retryAfter === undefined || Duration.isGreaterThan(retryAfter, longest)
        ? undefined
        : Duration.toMillis(retryAfter)
    if (!isBlocked() && asked === undefined) return
    next = Math.max(next, now + (asked ?? hold))
  }

  return {
    turn,
    grantedAt: () => grantedAt,
    watch: (attempt) =>
      Clock.clockWith((clock) => {
        const began = millisOf(clock)
        return Effect.onExit(attempt, (exit) =>
          Effect.sync(() => {
            const now = millisOf(clock)
            if (Exit.isSuccess(exit)) return wasGranted(began, now)
            const error = Result.getOrUndefined(Exit.findError(exit))
            if (error !== undefined && isRefusal(error)) wasRefused(began, now, error.retryAfter)
          })
        )
      })
  }
})
