/**
 * What the failure of an image means: the rules that a run on one machine and a run on many both go by.
 *
 * | the call to the segmenter | then |
 * |---|---|
 * | was turned away for now (429, an open circuit, a full queue, a model that is loading, no budget for a retry) | it waits and asks again, as long as `maxWait` lasts |
 * | failed otherwise | the image has failed. Many machines try it again with its chunk first where that is transient |
 *
 * | failed images | then |
 * |---|---|
 * | by a disk of results that is full, broken or read-only (`endsRun`) | the image has not failed. A run on one machine ends; on many it is paused |
 * | so many in a submission or a session (`maxFailures`) | the run ends with that one; those under way are finished |
 * | so many one after the other (`maxFailuresInARow`), not counting what is wrong with images | a run on one machine ends; on many, where each counts its own, it is paused |
 */
import { Duration, Effect } from "effect"
import * as Backoff from "../policy/Backoff.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { TooManyFailures } from "./BatchError.ts"
import { millis as now } from "../policy/MonotonicClock.ts"
import type { Call } from "./Work.ts"

/** It may be done later: the policy kept the call, or its next attempt, back, or the service refused it for now. */
export const isTurnedAway = (error: SegmentationError): boolean =>
  error.isTransient && (!error.isRetryable || ("wasRefused" in error && error.wasRefused))

/** The service, or the way to it, has more to do than it can: fewer at once may help. */
export const isOverload = (error: SegmentationError): boolean =>
  error.isTransient && error.concerns === "service"

/** How long an image waits for a service that asks to be left alone. */
export const standardMaxWait = Duration.minutes(10)

export interface WaitOptions {
  readonly maxWait: Duration.Duration
  /** Whether there is still something to wait for. Always, unless given. */
  readonly goesOn?: (() => boolean) | undefined
}

/** How often it is told that images wait, in milliseconds. */
const telling = 60_000

/** Makes calls again that were turned away, until maxWait ends, and tells now and then for what they wait. */
export const whileTurnedAway = ({ goesOn = () => true, maxWait }: WaitOptions): ((call: Call) => Call) => {
  let toldAt = Number.NEGATIVE_INFINITY
  const tell = (error: SegmentationError, time: number, wait: number): Effect.Effect<void> => {
    if (time - toldAt < telling) return Effect.void
    toldAt = time
    const [most, next] = [Backoff.inWords(maxWait), Backoff.inWords(Duration.millis(wait))]
    return Effect.logWarning(
      `Images wait for the service, each for up to ${most}, and are asked for again in ${next}: ${error.message}`
    )
  }
  return (call) =>
    Effect.flatMap(now, (began) => {
      const again: Call = Effect.catchIf(call, isTurnedAway, (error) =>
        Effect.flatMap(now, (time) => {
          const asked = "retryAfter" in error ? error.retryAfter : undefined
          const wait = Math.max(500, asked === undefined ? 0 : Duration.toMillis(asked))
          return !goesOn() || time - began + wait > Duration.toMillis(maxWait)
            ? Effect.fail(error)
            : Effect.andThen(Effect.andThen(tell(error, time, wait), Effect.sleep(wait)), again)
        })
      )
      return again
    })
}

export interface Limits {
  /** Without limit by default. Many machines count it in their database. */
  readonly maxFailures?: number | undefined
  /** 100 by default. */
  readonly maxFailuresInARow?: number | undefined
}

/** Counts failures, and says which of them is one too many. */
export interface Tally {
  readonly done: () => void
  /** Gives the end of the run with the failure that ends it, and undefined before and after. */
  readonly failed: (error: {
    readonly message: string
    readonly concerns?: SegmentationError["concerns"]
  }) => TooManyFailures | undefined
}

export const tally = (limits: Limits): Tally => {
  const { maxFailures = Number.POSITIVE_INFINITY, maxFailuresInARow = 100 } = limits
  let failed = 0
  let inARow = 0
  let hasEnded = false
  return {
    done: () => {
      inARow = 0
    },
    failed: ({ concerns, message: last }) => {
      failed++
      // What is wrong with an image says nothing of the next one.
      if (concerns !== "image") inARow++
      const tooMany = failed >= maxFailures
      if (hasEnded || !(tooMany || inARow >= maxFailuresInARow)) return undefined
      hasEnded = true
      return tooMany
        ? new TooManyFailures({ failed, limit: maxFailures, inARow: false, last })
        : new TooManyFailures({ failed: inARow, limit: maxFailuresInARow, inARow: true, last })
    }
  }
}
