/**
 * Failures that the policy itself raises, whatever it runs.
 *
 * Like every member of `SegmentationError` they have a `message` a person can act on, and say what they concern (`concerns`),
 * whether another attempt within the call may help (`isRetryable`), and whether a later call may (`isTransient`).
 */
import { DateTime, Duration, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"

/** What an attempt was doing: the place to look when it took too long. */
export const Phase = Schema.Literals([
  "queued",
  "preparing",
  "waiting",
  "receiving",
  "decoding",
  "inferring",
  "backing off"
])
export type Phase = typeof Phase.Type

const doing: Record<Phase, string> = {
  queued: "waiting for its turn",
  preparing: "reading and encoding the image",
  waiting: "waiting for the first byte of the answer",
  receiving: "reading the answer",
  decoding: "decoding the answer",
  inferring: "running the model",
  "backing off": "waiting to try again"
}

/**
 * An attempt took longer than `attemptTimeout`, or all attempts together longer than `deadline`.
 *
 * `phase` says what the call was doing when its time was up.
 */
export class TimedOut extends ErrorKind.make({ concerns: "service" })<TimedOut>()("TimedOut", {
  service: Schema.String,
  kind: Schema.Literals(["attempt", "deadline"]),
  phase: Phase,
  after: Schema.DurationFromMillis,
  attempt: Schema.Int,
  requestId: Schema.optional(Schema.String),
  /** Of a deadline: the message of the attempt that failed before. */
  failure: Schema.optional(Schema.String)
}) {
  /** An attempt that timed out may be tried again; a deadline is the end of the call. */
  get isRetryable(): boolean {
    return this.kind === "attempt"
  }
  get isTransient(): boolean {
    return this.isRetryable
  }
  override get message(): string {
    // What fails with its first attempt has had no other.
    const what = this.kind === "attempt" && this.attempt > 1 ? `Attempt ${this.attempt} at` : `The call to`
    const option = this.kind === "attempt" ? "attemptTimeout" : "deadline"
    return `${what} ${this.service} took longer than ${Duration.format(this.after)}, while ${doing[this.phase]}. Raise \`${option}\` if that is to be expected${this.failure ? `. Before it failed: ${this.failure}` : ""}`
  }
}

/**
 * Too many calls wait for their turn: the bounded queue before `concurrency` is full. The call never left this process, and
 * whoever sends too much must slow down, not repeat.
 */
export class QueueFull extends ErrorKind.forNow<QueueFull>()("QueueFull", {
  service: Schema.String,
  concurrency: Schema.Int,
  queue: Schema.Int
}) {
  override get message(): string {
    return `${this.queue} calls already wait for ${this.service}, behind ${this.concurrency} under way. Send fewer at once (segmentAll does), or raise \`queue\``
  }
}

/** Repeating it within the call would only wait for the breaker, or add to the load. */
const leftAlone = ErrorKind.make({ concerns: "service", isRetryable: false, isTransient: true })

/** The circuit of a service that keeps failing is open: no call is made until it has had time to recover. */
export class CircuitOpen extends leftAlone<CircuitOpen>()("CircuitOpen", {
  service: Schema.String,
  retryAfter: Schema.optional(Schema.DurationFromMillis),
  /** When the first call began that failed since the last one that went well, where this process saw it. */
  since: Schema.optional(Schema.DateTimeUtcFromMillis),
  /** The message of the failure that this call had met before, where it had. */
  failure: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const wait =
      this.retryAfter === undefined ? "" : ` Its next probe is in ${Duration.format(this.retryAfter)}`
    const before = this.failure === undefined ? "" : `. Before that: ${this.failure}`
    const since = this.since === undefined ? "" : ` since ${DateTime.formatIso(this.since)}`
    return `${this.service} has failed too often in a row${since} and is left alone for a while.${wait}${before}`
  }
}

/** A retry was due, but retries have already added as much load to this host as the retry budget allows. */
export class RetryBudgetSpent extends leftAlone<RetryBudgetSpent>()("RetryBudgetSpent", {
  service: Schema.String,
  /** The message of the failure that was not retried. */
  failure: Schema.String
}) {
  override get message(): string {
    return `${this.service} fails for so many calls that this one was not tried again (its retry budget is spent): ${this.failure}`
  }
}

export const PolicyError = Schema.Union([TimedOut, QueueFull, CircuitOpen, RetryBudgetSpent])
/** Every failure the policy raises. */
export type PolicyError = TimedOut | QueueFull | CircuitOpen | RetryBudgetSpent
