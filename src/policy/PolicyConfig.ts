/**
 * Every part of a policy from the environment: each is on or off, and as strong as its variables say. What is not set
 * stays as the program has it.
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { PolicyConfig } from "effect-segformer/policy"
 *
 * const env = { SEGFORMER_BREAKER: "off", SEGFORMER_RATE_LIMIT: "20" }
 * const options = PolicyConfig.load.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
 * const { breaker, rateLimit } = await Effect.runPromise(options)
 * breaker // => false
 * rateLimit // => { limit: 20 }
 * ```
 */
import { Duration, Effect } from "effect"
import { given } from "./Given.ts"
import * as Policy from "./Policy.ts"
import type { PolicyOptions, Resend } from "./Policy.ts"
import * as Variable from "./Variable.ts"

const resends: ReadonlyArray<Resend> = ["always", "unless-sent"]

const { breaker, retry, retryBudget, ...standard } = Policy.standard
const { ranges, standardRate } = Policy

/** A part of the standard policy, as it would be written. */
const written = (value: Duration.Duration | number | boolean | undefined): string => {
  if (value === undefined || value === false) return "off"
  if (value === true) return "on"
  if (typeof value === "number") return String(value)
  const seconds = Duration.toSeconds(value)
  return seconds === 1 ? "1 second" : `${seconds} seconds`
}

/** The table that `load` reads and the documentation lists. */
export const variables = {
  deadline: Variable.orOff(
    Variable.duration(
      "SEGFORMER_DEADLINE",
      {
        sets: "time for a call, over all attempts and the waits between them",
        default: written(standard.deadline)
      },
      ranges.deadline
    )
  ),
  attemptTimeout: Variable.orOff(
    Variable.duration(
      "SEGFORMER_TIMEOUT",
      {
        sets: "time for one attempt, to the last byte decoded",
        default: written(standard.attemptTimeout)
      },
      ranges.attemptTimeout
    )
  ),
  times: Variable.orOff(
    Variable.number(
      "SEGFORMER_MAX_RETRIES",
      { sets: "attempts after the first", default: written(retry.times) },
      ranges["retry.times"]
    )
  ),
  delay: Variable.duration(
    "SEGFORMER_RETRY_DELAY",
    { sets: "wait before the first retry", default: written(retry.delay) },
    ranges["retry.delay"]
  ),
  factor: Variable.number(
    "SEGFORMER_RETRY_FACTOR",
    { sets: "how many times longer each wait is than the one before", default: written(retry.factor) },
    ranges["retry.factor"]
  ),
  maxDelay: Variable.duration(
    "SEGFORMER_RETRY_MAX_DELAY",
    { sets: "longest wait between attempts that no Retry-After asks for", default: written(retry.maxDelay) },
    ranges["retry.maxDelay"]
  ),
  jitter: Variable.flag("SEGFORMER_RETRY_JITTER", {
    sets: "spread each wait at random over 80 % to 120 %",
    default: written(retry.jitter)
  }),
  serverErrors: Variable.flag("SEGFORMER_RETRY_SERVER_ERRORS", {
    sets: "try again after 5xx",
    default: written(retry.serverErrors)
  }),
  maxRetryAfter: Variable.duration(
    "SEGFORMER_MAX_RETRY_AFTER",
    { sets: "longest Retry-After that is waited for", default: written(retry.maxRetryAfter) },
    ranges["retry.maxRetryAfter"]
  ),
  resend: Variable.literal(
    "SEGFORMER_RESEND",
    {
      sets: "whether to send again what may have been done already",
      default: `\`${standard.resend}\`; \`unless-sent\` for services with a price`
    },
    resends
  ),
  retryBudget: Variable.flag("SEGFORMER_RETRY_BUDGET", {
    sets: "limit what retries add to the load",
    default: written(retryBudget !== undefined)
  }),
  budgetRatio: Variable.number(
    "SEGFORMER_RETRY_BUDGET_RATIO",
    { sets: "retries per call, over the last ten seconds", default: written(retryBudget?.ratio) },
    ranges["retryBudget.ratio"]
  ),
  budgetPerSecond: Variable.number(
    "SEGFORMER_RETRY_BUDGET_PER_SECOND",
    { sets: "retries a second that are always allowed", default: written(retryBudget?.perSecond) },
    ranges["retryBudget.perSecond"]
  ),
  rateLimit: Variable.orOff(
    Variable.number(
      "SEGFORMER_RATE_LIMIT",
      { sets: "attempts per window", default: written(standard.rateLimit?.limit) },
      ranges["rateLimit.limit"]
    )
  ),
  rateLimitWindow: Variable.duration(
    "SEGFORMER_RATE_LIMIT_WINDOW",
    { sets: "window of the rate limit", default: written(Policy.standardWindow) },
    ranges["rateLimit.window"]
  ),
  rateLimitBurst: Variable.number(
    "SEGFORMER_RATE_LIMIT_BURST",
    { sets: "attempts that may start at once after a quiet time", default: "the rate limit" },
    ranges["rateLimit.burst"]
  ),
  concurrency: Variable.number(
    "SEGFORMER_MAX_CONNECTIONS",
    { sets: "requests under way at once", default: written(standard.concurrency) },
    ranges.concurrency
  ),
  queue: Variable.number(
    "SEGFORMER_QUEUE",
    { sets: "calls that may wait for their turn", default: written(standard.queue) },
    ranges.queue
  ),
  breaker: Variable.flag("SEGFORMER_BREAKER", {
    sets: "leave a service alone that keeps failing",
    default: written(breaker !== undefined)
  }),
  failures: Variable.number(
    "SEGFORMER_BREAKER_FAILURES",
    { sets: "failures in a row that open the circuit", default: written(breaker?.failures) },
    ranges["breaker.failures"]
  ),
  rate: Variable.orOff(
    Variable.number(
      "SEGFORMER_BREAKER_RATE",
      {
        sets: "share of failures that opens it, instead of failures in a row",
        default: written(breaker?.rate?.threshold)
      },
      ranges["breaker.rate.threshold"]
    )
  ),
  rateSize: Variable.number(
    "SEGFORMER_BREAKER_RATE_SIZE",
    { sets: "last outcomes that the share is of", default: written(standardRate.size) },
    ranges["breaker.rate.size"]
  ),
  rateMinimumCalls: Variable.number(
    "SEGFORMER_BREAKER_RATE_MINIMUM_CALLS",
    {
      sets: "outcomes that must be known before",
      default: `${written(standardRate.minimumCalls)}, or all of them where they are fewer`
    },
    ranges["breaker.rate.minimumCalls"]
  ),
  slowAfter: Variable.orOff(
    Variable.duration(
      "SEGFORMER_BREAKER_SLOW_AFTER",
      { sets: "a success that took longer counts as a failure", default: written(breaker?.slowAfter) },
      ranges["breaker.slowAfter"]
    )
  ),
  openFor: Variable.duration(
    "SEGFORMER_BREAKER_OPEN_FOR",
    { sets: "how long the circuit stays open before a probe", default: written(breaker?.openFor) },
    ranges["breaker.openFor"]
  )
}

/** The parts of a policy that the environment sets, by a reader that also reads other things. */
export const read = Effect.fnUntraced(function* (reader: Variable.Reader): Effect.fn.Return<PolicyOptions> {
  const from = reader.read
  const times = yield* from(variables.times)
  const retry = given({
    times: times === false ? 0 : times,
    delay: yield* from(variables.delay),
    factor: yield* from(variables.factor),
    maxDelay: yield* from(variables.maxDelay),
    jitter: yield* from(variables.jitter),
    serverErrors: yield* from(variables.serverErrors),
    maxRetryAfter: yield* from(variables.maxRetryAfter)
  })
  return given({
    deadline: yield* from(variables.deadline),
    attemptTimeout: yield* from(variables.attemptTimeout),
    retry: some(retry),
    resend: yield* from(variables.resend),
    retryBudget: part(
      yield* from(variables.retryBudget),
      given({
        ratio: yield* from(variables.budgetRatio),
        perSecond: yield* from(variables.budgetPerSecond)
      })
    ),
    rateLimit: yield* rateLimit(reader),
    concurrency: yield* from(variables.concurrency),
    queue: yield* from(variables.queue),
    breaker: part(
      yield* from(variables.breaker),
      given({
        failures: yield* from(variables.failures),
        rate: yield* failureRate(reader),
        slowAfter: yield* from(variables.slowAfter),
        openFor: yield* from(variables.openFor)
      })
    )
  })
})

/** The parts of a policy that the environment sets. */
export const load: Effect.Effect<PolicyOptions, Variable.InvalidConfig> = Effect.suspend(() => {
  const reader = Variable.reader()
  return Effect.tap(read(reader), () => reader.done)
})

const rateLimit = Effect.fnUntraced(function* (
  reader: Variable.Reader
): Effect.fn.Return<PolicyOptions["rateLimit"]> {
  const limit = yield* reader.read(variables.rateLimit)
  const window = yield* reader.read(variables.rateLimitWindow)
  const burst = yield* reader.read(variables.rateLimitBurst)
  if (limit === false) return false
  if (limit !== undefined) return given({ limit, window, burst })
  needs(reader, variables.rateLimit, [
    [variables.rateLimitWindow, window],
    [variables.rateLimitBurst, burst]
  ])
  return undefined
})

const failureRate = Effect.fnUntraced(function* (reader: Variable.Reader) {
  const threshold = yield* reader.read(variables.rate)
  const size = yield* reader.read(variables.rateSize)
  const minimumCalls = yield* reader.read(variables.rateMinimumCalls)
  if (threshold === false) return false
  if (threshold === undefined) {
    needs(reader, variables.rate, [
      [variables.rateSize, size],
      [variables.rateMinimumCalls, minimumCalls]
    ])
    return undefined
  }
  const most = size ?? standardRate.size
  if (minimumCalls !== undefined && minimumCalls > most) {
    reader.object(
      variables.rateMinimumCalls,
      `is ${minimumCalls}, but must be at most ${variables.rateSize.name} (${most})`
    )
    return undefined
  }
  return given({ threshold, size, minimumCalls })
})

/** Says of what is set that it means nothing by itself. */
const needs = (
  reader: Variable.Reader,
  needed: { readonly name: string },
  others: ReadonlyArray<readonly [{ readonly name: string }, unknown]>
): void => {
  for (const [variable, value] of others) {
    if (value !== undefined) reader.object(variable, `is set, but ${needed.name} is not`)
  }
}

const some = <A extends object>(options: A): A | undefined =>
  Object.keys(options).length === 0 ? undefined : options

/** A part that a flag of its own turns on or off. */
const part = <A extends object>(isOn: boolean | undefined, options: A): A | false | undefined =>
  isOn === false ? false : isOn === true ? options : some(options)
