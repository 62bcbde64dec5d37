/**
 * A policy: how long a call may take, how often it is tried, and how many run at once. It is plain data;
 * `PolicyRunner` applies it, in one place and one order.
 *
 * ```ts
 * import { Policy } from "effect-segformer/policy"
 * import { Duration } from "effect"
 *
 * const patient = Policy.make({ attemptTimeout: "2 minutes", retry: { times: 1 } })
 * Duration.toSeconds(patient.retry.delay) // => 1
 * patient.retry.times // => 1
 * ```
 */
import { Duration, Option, type Schedule } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import { omitUndefined } from "./OmitUndefined.ts"
import { duration, number, type Part } from "./PolicyRanges.ts"

export { type Part, ranges } from "./PolicyRanges.ts"

/** When and how often a failed attempt is repeated. */
export interface RetryPolicy {
  /** Retries after the first attempt. 3 by default: at most 4 attempts. */
  readonly times: number
  /** Before the first retry. 1 second by default. */
  readonly delay: Duration.Duration
  /** Each delay is this many times the one before. 2 by default: 1 s, 2 s, 4 s. */
  readonly factor: number
  /** No delay of the exponential is longer. 10 seconds by default. */
  readonly maxDelay: Duration.Duration
  /** Spread each delay at random over 80 % to 120 %, so that callers do not come back together. Off by default. */
  readonly jitter: boolean
  /** Repeat after 5xx as well. On by default. */
  readonly serverErrors: boolean
  /**
   * The HTTP statuses after which to repeat, instead of 408, 425, 429 and 5xx; none of them with an empty list. What no
   * status came with (a broken connection, a time-out) is repeated in any case.
   */
  readonly statuses: ReadonlyArray<number> | undefined
  /** A service that asks to wait longer than this is not asked again: the call fails and says how long. 60 seconds. */
  readonly maxRetryAfter: Duration.Duration
  /**
   * Waits as this schedule says, instead of by `delay`, `factor`, `maxDelay` and `jitter`, and no more often than it does.
   * `times` bounds it still, and `Retry-After` is still a lower bound.
   */
  readonly schedule: Schedule.Schedule<unknown, RetryFailure> | undefined
}

/** What a wait may depend on of the failure before it. */
export interface RetryFailure {
  readonly message: string
  readonly retryAfter?: Duration.Duration | undefined
  /** The HTTP status that it came with. */
  readonly status?: number | undefined
}

/** Opens a circuit by the share of failures among the last calls, whatever their order. */
export interface FailureRate {
  /** Share of failures that opens the circuit, above 0 and at most 1. 0.5 by default. */
  readonly threshold: number
  /** How many of the last outcomes are looked at. 100 by default. */
  readonly size: number
  /** Outcomes that must be known before the rate says anything. 20 by default, and at most `size`. */
  readonly minimumCalls: number
}

/** When a service that keeps failing is left alone. */
export interface BreakerPolicy {
  /** Failures in a row that open the circuit. 5 by default. Not used where there is a `rate`. */
  readonly failures: number
  /**
   * How long they must have lasted, so that many callers who fail in one instant do not open it. By default as long as the
   * waits between the attempts of one call together, at most `openFor`: 7 seconds. Nothing where a call has one attempt, or
   * where calls are counted. Not used where there is a `rate`.
   */
  readonly lasting: Duration.Duration | undefined
  /**
   * What it counts. `"attempts"`, the default: a call waits out an open circuit where its own waits are long enough.
   * `"calls"`: it stands around the retries, counts how calls end, and turns away only whole calls.
   */
  readonly around: "attempts" | "calls"
  /** 5xx count as failures, as broken connections and time-outs do. On by default. */
  readonly serverErrors: boolean
  /** Opens by the share of failures instead of by failures in a row. Off by default. */
  readonly rate: FailureRate | undefined
  /** An attempt that succeeds, but took longer, counts as a failure. Off by default. */
  readonly slowAfter: Duration.Duration | undefined
  /** How long it stays open before one call may probe. 60 seconds by default. */
  readonly openFor: Duration.Duration
}

/**
 * How much load retries may add, over all callers of one transport, or of one host with `PolicyStores`: a bucket of
 * retries, which calls and time fill.
 */
export interface RetryBudgetPolicy {
  /** Retries that each call adds to the bucket. 0.2 by default: in the long run retries add 20 % to the load. */
  readonly ratio: number
  /** Retries that each second adds to it. 3 by default. The bucket holds what ten seconds add. */
  readonly perSecond: number
  /**
   * Retries that may be made ahead of the share, for each call that is under way or has ended in the last ten seconds: a
   * pause that all callers meet at once must not cost a call. By default as many as a call may make, and none where
   * `perSecond` is 0.
   */
  readonly burst?: number | undefined
}

/** How often a service may be asked, over all callers of one transport, or of one host with `PolicyStores`. */
export interface RateLimitPolicy {
  /** Attempts per window on average. */
  readonly limit: number
  readonly window: Duration.Duration
  /** Attempts that may start at once after a quiet time; 1 spaces them evenly. `limit` by default. */
  readonly burst: number
}

/**
 * Whether a failed attempt may be sent again. `"always"`: as the retry policy says. `"unless-sent"`: only where it
 * provably cost nothing, because each execution has a price: the request never reached the service, or the service
 * turned it away (408, 425, 429, 503 with Retry-After, a model that is not loaded). Any other answer may come from a
 * gateway behind which the work went on; so may silence.
 */
export type Resend = "always" | "unless-sent"

/** How one call is run. Durations that are `undefined` are without limit. */
export interface Policy {
  /** Over all attempts and the waits between them. Off by default. */
  readonly deadline: Duration.Duration | undefined
  /** Over one attempt, to the last byte decoded. 30 seconds by default. Waiting in the queue does not count. */
  readonly attemptTimeout: Duration.Duration | undefined
  readonly retry: RetryPolicy
  /** `"always"` by default: a prediction is pure. `"unless-sent"` for services with a price: Replicate, Roboflow. */
  readonly resend: Resend
  /** Off by default. Waiting for it does not count against the attempt, but against `deadline` and `queue`. */
  readonly rateLimit: RateLimitPolicy | undefined
  /** Attempts under way at once, over all callers of one transport. 10 by default. */
  readonly concurrency: number
  /** Calls that may wait for their turn; one more fails with `QueueFull`. 1,000 by default. */
  readonly queue: number
  readonly breaker: BreakerPolicy | undefined
  readonly retryBudget: RetryBudgetPolicy | undefined
}

/** What a user writes: any part of a policy, durations in any form. `false` turns a limit off. */
export interface PolicyOptions {
  readonly deadline?: Duration.Input | false | undefined
  readonly attemptTimeout?: Duration.Input | false | undefined
  readonly retry?:
    | false
    | {
        readonly times?: number | undefined
        readonly delay?: Duration.Input | undefined
        readonly factor?: number | undefined
        readonly maxDelay?: Duration.Input | undefined
        readonly jitter?: boolean | undefined
        readonly serverErrors?: boolean | undefined
        readonly statuses?: ReadonlyArray<number> | undefined
        readonly maxRetryAfter?: Duration.Input | undefined
        readonly schedule?: Schedule.Schedule<unknown, RetryFailure> | undefined
      }
    | undefined
  readonly resend?: Resend | undefined
  readonly rateLimit?:
    | false
    | {
        readonly limit: number
        readonly window?: Duration.Input | undefined
        readonly burst?: number | undefined
      }
    | undefined
  readonly concurrency?: number | undefined
  readonly queue?: number | undefined
  readonly breaker?:
    | false
    | {
        readonly failures?: number | undefined
        readonly lasting?: Duration.Input | undefined
        readonly around?: "attempts" | "calls" | undefined
        readonly serverErrors?: boolean | undefined
        readonly openFor?: Duration.Input | undefined
        readonly rate?: false | { readonly [K in keyof FailureRate]?: FailureRate[K] | undefined } | undefined
        readonly slowAfter?: Duration.Input | false | undefined
      }
    | undefined
  readonly retryBudget?:
    | false
    | {
        readonly ratio?: number | undefined
        readonly perSecond?: number | undefined
        readonly burst?: number | undefined
      }
    | undefined
}

/** The parts that can change from call to call. Queue, rate limit, budget and circuit are shared by all calls. */
export type CallPolicyOptions = Pick<PolicyOptions, OfCall> & {
  readonly [Name in Exclude<keyof PolicyOptions, OfCall>]?: never
}
type OfCall = "deadline" | "attemptTimeout" | "retry" | "resend"

const standardBreaker: BreakerPolicy = {
  failures: 5,
  lasting: undefined,
  around: "attempts",
  serverErrors: true,
  rate: undefined,
  slowAfter: undefined,
  openFor: Duration.seconds(60)
}
/** What a `rateLimit` has that does not say it. */
export const standardWindow = Duration.seconds(1)

/** What a `breaker.rate` has that does not say it. */
export const standardRate: FailureRate = { threshold: 0.5, size: 100, minimumCalls: 20 }
const standardBudget: RetryBudgetPolicy = { ratio: 0.2, perSecond: 3, burst: undefined }

/** The policy for a remote service, as the mission of this library states it. */
export const standard: Policy = {
  deadline: undefined,
  attemptTimeout: Duration.seconds(30),
  retry: {
    times: 3,
    delay: Duration.seconds(1),
    factor: 2,
    maxDelay: Duration.seconds(10),
    jitter: false,
    serverErrors: true,
    statuses: undefined,
    maxRetryAfter: Duration.seconds(60),
    schedule: undefined
  },
  resend: "always",
  rateLimit: undefined,
  concurrency: 10,
  queue: 1000,
  breaker: standardBreaker,
  retryBudget: standardBudget
}

/** One attempt, no time-out: for work in this process, which fails the same way each time. */
export const local: Policy = {
  ...standard,
  attemptTimeout: undefined,
  retry: { ...standard.retry, times: 0 },
  concurrency: Number.MAX_SAFE_INTEGER,
  queue: Number.MAX_SAFE_INTEGER,
  breaker: undefined,
  retryBudget: undefined
}

const limit = (
  name: Part,
  value: Duration.Input | false | undefined,
  otherwise: Duration.Duration | undefined
): Duration.Duration | undefined =>
  value === undefined ? otherwise : value === false ? undefined : duration(name, value)

/** A part that may be off: as the base has it where the options do not say. */
const optional = <Options extends object, Base>(
  options: Options | false | undefined,
  base: Base | undefined,
  build: (options: Options, base: Base | undefined) => Base
): Base | undefined => (options === undefined ? base : options === false ? undefined : build(options, base))

/** The options of a part that is not off. */
type On<Name extends keyof PolicyOptions> = Exclude<PolicyOptions[Name], false | undefined>

const failureRate = (
  options: Exclude<On<"breaker">["rate"], false | undefined>,
  otherwise = standardRate
): FailureRate => {
  const size = number("breaker.rate.size", options.size ?? otherwise.size)
  const wanted = options.minimumCalls ?? Math.min(otherwise.minimumCalls, size)
  const minimumCalls = number("breaker.rate.minimumCalls", wanted)
  if (minimumCalls > size) {
    throw new RangeError(
      `Policy: \`breaker.rate.minimumCalls\` must be at most \`size\` (${size}), but is ${minimumCalls}`
    )
  }
  const threshold = number("breaker.rate.threshold", options.threshold ?? otherwise.threshold)
  return { threshold, size, minimumCalls }
}

const rateLimit = (options: On<"rateLimit">, base?: RateLimitPolicy): RateLimitPolicy => ({
  limit: number("rateLimit.limit", options.limit),
  window: duration("rateLimit.window", options.window ?? base?.window ?? standardWindow),
  burst: number("rateLimit.burst", options.burst ?? options.limit)
})

const breaker = (options: On<"breaker">, base = standardBreaker): BreakerPolicy => ({
  failures: number("breaker.failures", options.failures ?? base.failures),
  lasting: limit("breaker.lasting", options.lasting, base.lasting),
  around: ErrorKind.oneOf("Policy", "breaker.around", options.around ?? base.around, ["attempts", "calls"]),
  serverErrors: options.serverErrors ?? base.serverErrors,
  rate: optional(options.rate, base.rate, failureRate),
  slowAfter: limit("breaker.slowAfter", options.slowAfter, base.slowAfter),
  openFor: duration("breaker.openFor", options.openFor ?? base.openFor)
})

const retryBudget = (options: On<"retryBudget">, base = standardBudget): RetryBudgetPolicy => ({
  ratio: number("retryBudget.ratio", options.ratio ?? base.ratio),
  perSecond: number("retryBudget.perSecond", options.perSecond ?? base.perSecond),
  burst: options.burst === undefined ? base.burst : number("retryBudget.burst", options.burst)
})

/**
 * The base policy ({@link standard} unless given), changed by what the options say. A number or a time that is out of its
 * range is a mistake of the program: it throws a `RangeError` that names the option.
 */
export const make = (options: PolicyOptions, base: Policy = standard): Policy => {
  const retry = options.retry === false ? { times: 0 } : (options.retry ?? {})
  return {
    deadline: limit("deadline", options.deadline, base.deadline),
    attemptTimeout: limit("attemptTimeout", options.attemptTimeout, base.attemptTimeout),
    retry: {
      times: number("retry.times", retry.times ?? base.retry.times),
      delay: duration("retry.delay", retry.delay ?? base.retry.delay),
      factor: number("retry.factor", retry.factor ?? base.retry.factor),
      maxDelay: duration("retry.maxDelay", retry.maxDelay ?? base.retry.maxDelay),
      jitter: retry.jitter ?? base.retry.jitter,
      serverErrors: retry.serverErrors ?? base.retry.serverErrors,
      statuses: retry.statuses?.map((status) => number("retry.statuses", status)) ?? base.retry.statuses,
      maxRetryAfter: duration("retry.maxRetryAfter", retry.maxRetryAfter ?? base.retry.maxRetryAfter),
      schedule: retry.schedule ?? base.retry.schedule
    },
    resend: ErrorKind.oneOf("Policy", "resend", options.resend ?? base.resend, ["always", "unless-sent"]),
    rateLimit: optional(options.rateLimit, base.rateLimit, rateLimit),
    concurrency: number("concurrency", options.concurrency ?? base.concurrency),
    queue: number("queue", options.queue ?? base.queue),
    breaker: optional(options.breaker, base.breaker, breaker),
    retryBudget: optional(options.retryBudget, base.retryBudget, retryBudget)
  }
}

/** What is left of a caller's own time may be nothing: the call is over before it begins. */
export const isOver = ({
  attemptTimeout,
  deadline
}: CallPolicyOptions): "attempt" | "deadline" | undefined => {
  const isNone = (time: Duration.Input | false | undefined) =>
    time !== undefined &&
    time !== false &&
    Option.exists(Duration.fromInput(time), (time) => Duration.isLessThanOrEqualTo(time, Duration.zero))
  return isNone(deadline) ? "deadline" : isNone(attemptTimeout) ? "attempt" : undefined
}

const part = <A extends object>(
  over: A | false | undefined,
  under: A | false | undefined
): A | false | undefined => {
  if (over === undefined) return under
  if (over === false || under === undefined || under === false) return over
  return { ...under, ...omitUndefined(over) }
}

/** Options over other options, part by part: what `over` does not say is as `under` has it. */
export const merge = (over: PolicyOptions, under: PolicyOptions): PolicyOptions => ({
  ...under,
  ...omitUndefined(over),
  retry: part(over.retry, under.retry),
  rateLimit: part(over.rateLimit, under.rateLimit),
  breaker: part(over.breaker, under.breaker),
  retryBudget: part(over.retryBudget, under.retryBudget)
})
