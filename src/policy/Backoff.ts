/**
 * How long to wait between attempts: the one formula for calls, downloads, jobs and the chunks of many machines.
 */
import { Duration, Effect, Random, Schedule } from "effect"
import type { RetryPolicy } from "./Policy.ts"

/** What a wait may depend on of the failure before it. */
export interface Failure {
  readonly message: string
  readonly retryAfter?: Duration.Duration | undefined
  /** The HTTP status that it came with. */
  readonly status?: number | undefined
}

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

/** The waits before each retry, and no more retries than there may be. */
export const schedule = (retry: RetryPolicy) =>
  Schedule.recurs(retry.times).pipe(
    Schedule.setInputType<Failure>(),
    Schedule.modifyDelay(({ attempt, input }) => delay(retry, attempt, input.retryAfter))
  )

/** Whether the service asks to wait longer than its callers will. */
export const asksTooMuch = (retry: RetryPolicy, { retryAfter }: Failure): boolean =>
  retryAfter !== undefined && Duration.isGreaterThan(retryAfter, retry.maxRetryAfter)

/** Whether a failure is one of those that the policy takes as final, although another attempt might help. */
export const isFinal = (retry: RetryPolicy, { status }: Failure): boolean =>
  !retry.serverErrors && status !== undefined && status >= 500
