/** The error of an answer whose body is not read, and the wait that it asks for. */
import type { Duration } from "effect"
import type { Headers } from "effect/http"
import * as RetryAfter from "../policy/RetryAfter.ts"
import type { ServiceError } from "./ServiceError.ts"
import { fromStatus } from "./StatusError.ts"

/** What an answer is without its body. */
interface Head {
  readonly status: number
  readonly headers: Headers.Headers
}

/**
 * The wait that an answer asks for: by its headers, else by what its body says, else until the limit begins anew that it has met.
 * `now` in wall-clock milliseconds.
 */
export const waitOf = (
  { headers, status }: Head,
  now: number,
  said?: Duration.Duration
): Duration.Duration | undefined =>
  RetryAfter.fromHeaders(headers, now) ??
  said ??
  (status === 429 ? RetryAfter.fromRateLimit(headers, now) : undefined)

/** The error of an answer whose body is not read. */
export const ofHead = (service: string, head: Head, now: number): ServiceError =>
  fromStatus({ service, status: head.status, detail: "", retryAfter: waitOf(head, now) })
