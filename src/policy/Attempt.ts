/**
 * What an attempt knows of the call it belongs to. The policy makes one for each attempt and hands it to the work.
 */
import type { Duration } from "effect"
import type { Phase } from "./PolicyError.ts"

export interface Attempt {
  /** One id for the whole call, sent as `X-Request-Id` and found in its logs and spans. */
  readonly callId: string
  /** The same on every attempt of one call, so that a service can tell a repetition from a new request. */
  readonly idempotencyKey: string
  /** 1 for the first. */
  readonly number: number
  /** How many there may be in all, where that is known. */
  readonly attempts?: number | undefined
  /** What this attempt may take. */
  readonly timeout: Duration.Duration | undefined
  /** What the attempt is doing. The work sets it as it goes; a time-out reports it. */
  phase: Phase
}
