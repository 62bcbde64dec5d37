/**
 * How often to ask, and for how long: an interval that grows, a service's own hint, and a deadline over it all.
 *
 * A pace never spins: no two questions are closer than the interval. Time is monotonic.
 */
import { Clock, Duration, Effect } from "effect"
import type { Phase } from "../policy/PolicyError.ts"
import { TimedOut } from "../policy/PolicyError.ts"

export interface PaceOptions {
  /** Before the first repetition, and between questions from then on. 2 seconds by default. */
  readonly interval?: Duration.Input | undefined
  /** Each interval is this many times the one before. 1.5 by default; 1 keeps it as it is. */
  readonly growth?: number | undefined
  /** No interval grows beyond this. 10 seconds by default. */
  readonly maxInterval?: Duration.Input | undefined
  /** Over everything, from the start. 2 minutes by default; `false` for none. */
  readonly deadline?: Duration.Input | false | undefined
}

/** A pace that is under way. */
export interface Pace {
  /**
   * Waits for the next interval, or for as long as the service asks where that is longer. Fails at once where that
   * would end after the deadline: waiting for it in vain would help nobody.
   */
  readonly next: (hint?: Duration.Duration) => Effect.Effect<void, TimedOut>
  /** The effect, interrupted at the deadline. */
  readonly within: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | TimedOut, R>
}

/** Who waits, for the error of a deadline. */
export interface Waiting {
  readonly service: string
  readonly phase: () => Phase
  /** The id of the job, where it is known by now. */
  readonly requestId: () => string | undefined
}

/** What the options say, where they say nothing included. */
export interface Tempo {
  readonly interval: Duration.Duration
  /** The interval after one of that length. */
  readonly next: (interval: Duration.Duration) => Duration.Duration
  readonly deadline: Duration.Duration | undefined
}

/** An interval below a millisecond throws, as it would be none. */
export const tempo = (options: PaceOptions): Tempo => {
  const { growth = 1.5 } = options
  const interval = Duration.fromInputUnsafe(options.interval ?? "2 seconds")
  const longest = Duration.max(interval, Duration.fromInputUnsafe(options.maxInterval ?? "10 seconds"))
  if (!(Duration.toMillis(interval) >= 1)) {
    throw new RangeError(`Pace: \`interval\` must be at least 1 ms, but is ${Duration.format(interval)}`)
  }
  if (!(growth >= 1)) throw new RangeError(`Pace: \`growth\` must be at least 1, but is ${growth}`)
  return {
    interval,
    next: (interval) => Duration.min(Duration.times(interval, growth), longest),
    deadline:
      options.deadline === false ? undefined : Duration.fromInputUnsafe(options.deadline ?? "2 minutes")
  }
}

/** Starts a pace: its deadline counts from now. */
export const start = (options: PaceOptions, waiting: Waiting): Effect.Effect<Pace> =>
  Clock.clockWith((clock) =>
    Effect.sync(() => {
      const { deadline, interval: first, next: after } = tempo(options)
      let interval = first
      const started = clock.monotonicTimeNanosUnsafe()
      let asked = 1

      const timedOut = (after: Duration.Duration) =>
        new TimedOut({
          service: waiting.service,
          kind: "deadline",
          phase: waiting.phase(),
          after,
          attempt: asked,
          requestId: waiting.requestId()
        })
      const left = (whole: Duration.Duration): Duration.Duration =>
        Duration.max(
          Duration.zero,
          Duration.subtract(whole, Duration.nanos(clock.monotonicTimeNanosUnsafe() - started))
        )

      const within = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | TimedOut, R> =>
        deadline === undefined
          ? self
          : Effect.suspend(() =>
              Effect.timeoutOrElse(self, {
                duration: left(deadline),
                orElse: () => Effect.fail(timedOut(deadline))
              })
            )

      const next = (hint?: Duration.Duration): Effect.Effect<void, TimedOut> =>
        Effect.suspend(() => {
          const wait = hint === undefined ? interval : Duration.max(interval, hint)
          interval = after(interval)
          if (deadline !== undefined && hint !== undefined && Duration.isGreaterThan(hint, left(deadline))) {
            return Effect.fail(timedOut(deadline))
          }
          return Effect.andThen(
            within(Effect.sleep(wait)),
            Effect.sync(() => void asked++)
          )
        })

      return { next, within }
    })
  )
