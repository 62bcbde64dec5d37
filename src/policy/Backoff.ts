/**
 * How long to wait between attempts: the one formula for calls, downloads, jobs and the chunks of many machines.
 */
import { Duration, Effect, Random, Schedule } from "effect"
import type { RetryFailure, RetryPolicy } from "./Policy.ts"
import { CircuitOpen } from "./PolicyError.ts"

export type { RetryFailure as Failure }

/**
 * The wait before a retry, of which 1 is the first. `Retry-After` is a lower bound, and never jittered: a service that
 * names a time is not asked before it.
 */
export const delay = (
  retry: RetryPolicy,
  number: number,
  retryAfter?: Duration.Duration
): Effect.Effect<Duration.Duration> => {
  // The largest powers are infinite, and nothing times those is no time.
  const factor = Math.min(retry.factor ** (number - 1), Number.MAX_SAFE_INTEGER)
  const capped = Duration.min(Duration.times(retry.delay, factor), retry.maxDelay)
  const spread = retry.jitter
    ? Effect.map(Random.next, (random) => Duration.times(capped, 0.8 + 0.4 * random))
    : Effect.succeed(capped)
  return retryAfter === undefined ? spread : Effect.map(spread, Duration.max(retryAfter))
}

/** What the service asks for. A circuit is asked again in the call's own time: whoever waited for its end would come back together. */
const asked = (input: RetryFailure): Duration.Duration | undefined =>
  input instanceof CircuitOpen ? undefined : input.retryAfter

/** The waits before each retry, and no more retries than there may be. Each is told before anybody is asked whether to. */
export const schedule = (
  retry: RetryPolicy,
  told: (wait: Duration.Duration) => void = () => {}
): Schedule.Schedule<unknown, RetryFailure> => {
  const times = Schedule.setInputType<RetryFailure>()(Schedule.recurs(retry.times))
  const telling = (wait: Effect.Effect<Duration.Duration>) =>
    Effect.tap(wait, (wait) => Effect.sync(() => told(wait)))
  return retry.schedule === undefined
    ? Schedule.modifyDelay(times, ({ attempt, input }) => telling(delay(retry, attempt, asked(input))))
    : Schedule.modifyDelay(Schedule.max([times, retry.schedule]), ({ duration, input }) =>
        telling(Effect.succeed(Duration.max(duration, asked(input) ?? Duration.zero)))
      )
}

/** A wait as a line of the log has it. */
export const inWords = (wait: Duration.Duration): string => {
  const milliseconds = Math.round(Duration.toMillis(wait))
  return milliseconds < 1000 ? `${milliseconds} ms` : `${Math.round(milliseconds / 100) / 10} s`
}

/** Whether the service asks to wait longer than its callers will. */
export const asksTooMuch = (retry: RetryPolicy, { retryAfter }: RetryFailure): boolean =>
  retryAfter !== undefined && Duration.isGreaterThan(retryAfter, retry.maxRetryAfter)

/** Whether the policy tries again after such a failure, of which `helps` says whether another attempt may help. */
export const isWanted = (retry: RetryPolicy, { status }: RetryFailure, helps: boolean): boolean => {
  if (status === undefined) return helps
  if (retry.statuses !== undefined) return retry.statuses.includes(status)
  return helps && (retry.serverErrors || status < 500)
}

/** More waits than this are as good as endless. */
const most = 1000

/** How long the waits of a call take together, in milliseconds, from a retry on of which 1 is the first. */
export const length = (retry: RetryPolicy, from = 1): number => {
  const delay = Duration.toMillis(retry.delay)
  const longest = Duration.toMillis(retry.maxDelay)
  if (retry.times - from > most) return delay === 0 ? 0 : Number.POSITIVE_INFINITY
  let sum = 0
  for (let number = from; number <= retry.times; number++) {
    sum += Math.min(delay * Math.min(retry.factor ** (number - 1), Number.MAX_SAFE_INTEGER), longest)
  }
  return retry.jitter ? sum * 1.2 : sum
}
