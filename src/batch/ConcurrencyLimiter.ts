/**
 * How many images are at the segmenter at once: a fixed number, or one that finds itself. Either way they follow one another
 * no faster than the service grants. Where it finds itself, it grows
 * by one when as many attempts as are allowed went well, falls by a third when the service says that it is too much
 * (429, 5xx, time-outs, broken connections), and falls a little when answers take twice as long as they can: more at
 * once would only wait in the service's queue.
 */
import { type Duration, Effect, Semaphore } from "effect"
import * as Throttled from "../Throttled.ts"
import { Transport } from "../Transport.ts"
import * as FailureRules from "./FailureRules.ts"
import { millis as now } from "../policy/MonotonicClock.ts"
import type { Call } from "./Work.ts"

/** A number, or bounds between which it finds itself. */
export type Concurrency = number | { readonly min?: number | undefined; readonly max: number }

export interface LimiterOptions {
  readonly concurrency: Concurrency
  /** How long an image waits for a service that asks to be left alone. */
  readonly maxWait: Duration.Duration
}

export interface ConcurrencyLimiter {
  /** Runs a call at the segmenter when its turn has come. */
  readonly pass: (call: Call) => Call
  /** Images allowed at once, now. */
  readonly limit: () => number
  /** The most that it may become. */
  readonly most: number
}

/**
 * How many images are under way, where so many may be at the segmenter: more, so that it need not wait for one to be read
 * or a result to be written.
 */
export const lanesFor = (most: number): number => most + Math.max(2, Math.ceil(most / 2))

/** After so many attempts the limit is halved for a moment, to see what an answer takes at best by now. */
const lookAgain = 2000

const whole = (name: string, value: number): number => {
  if (Number.isInteger(value) && value >= 1) return value
  throw new RangeError(`Batch: \`${name}\` must be a whole number of at least 1, but is ${value}`)
}

/** A limiter in front of a transport. */
export const make = (options: LimiterOptions): Effect.Effect<ConcurrencyLimiter, never, Transport> =>
  Effect.gen(function* () {
    const { transport, whileOthersAreGranted } = yield* Throttled.make
    const { concurrency, maxWait } = options
    const isFixed = typeof concurrency === "number"
    const most = isFixed ? whole("concurrency", concurrency) : whole("concurrency.max", concurrency.max)
    const least = isFixed ? most : Math.min(most, whole("concurrency.min", concurrency.min ?? 1))
    let limit = isFixed ? most : Math.max(least, Math.min(4, most))
    const places = yield* Semaphore.make(limit)

    /** Attempts that went well since the limit was changed last, and when that was; and since it was halved to look. */
    let good = 0
    let changedAt = 0
    let since = 0
    /** What an answer takes, in milliseconds: lately, and at best. */
    let lately = 0
    let best = Number.POSITIVE_INFINITY
    const change = (to: number, now: number): Effect.Effect<void> => {
      const next = Math.max(least, Math.min(most, Math.floor(to)))
      good = 0
      changedAt = now
      if (next === limit) return Effect.void
      limit = next
      return places.resize(next)
    }
    const wentWell = (began: number, now: number): Effect.Effect<void> => {
      if (began < changedAt) return Effect.void
      const took = Math.max(1, now - began)
      lately = lately === 0 ? took : lately * 0.9 + took * 0.1
      best = Math.min(best, took)
      if (++since === lookAgain) {
        since = 0
        lately = 0
        best = Number.POSITIVE_INFINITY
        return change(limit / 2, now)
      }
      if (++good < limit) return Effect.void
      return lately > best * 2 ? change(limit * 0.9, now) : change(limit + 1, now)
    }
    // A burst of failures that were under way together is one sign, not many.
    const wasTooMuch = (began: number, now: number): Effect.Effect<void> =>
      began < changedAt ? Effect.void : change(limit * 0.66, now)

    const watched: Transport["Service"] = {
      ...transport,
      predict: (request, attempt) =>
        Effect.flatMap(now, (began) =>
          Effect.onExit(transport.predict(request, attempt), (exit) =>
            Effect.flatMap(now, (time) => {
              if (exit._tag === "Success") return wentWell(began, time)
              const isOverload = exit.cause.reasons.some(
                (reason) =>
                  reason._tag === "Interrupt" ||
                  (reason._tag === "Fail" && FailureRules.isOverload(reason.error))
              )
              return isOverload ? wasTooMuch(began, time) : Effect.void
            })
          )
        )
    }

    const whileTurnedAway = FailureRules.whileTurnedAway({ maxWait })

    return {
      // Whoever waits keeps its place: while a service is to be left alone, nobody calls it.
      pass: (call) =>
        places.withPermit(
          Effect.provideService(
            whileTurnedAway(whileOthersAreGranted(call)),
            Transport,
            isFixed ? transport : watched
          )
        ),
      limit: () => limit,
      most
    }
  })
