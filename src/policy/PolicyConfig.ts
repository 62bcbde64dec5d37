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
import { type Config, Duration, Effect } from "effect"
import { omitUndefined } from "./OmitUndefined.ts"
import * as Policy from "./Policy.ts"
import type { PolicyOptions, Resend } from "./Policy.ts"
import * as Variable from "./Variable.ts"

const resends: ReadonlyArray<Resend> = ["always", "unless-sent"]

const arounds: ReadonlyArray<Policy.BreakerPolicy["around"]> = ["attempts", "calls"]

const { ranges, standardRate } = Policy

/** A part of the standard policy, as it would be written. */
const written = (value: unknown): string => {
  if (value === undefined || value === false) return "off"
  if (!Duration.isDuration(value)) return typeof value === "number" ? String(value) : "on"
  const seconds = Duration.toSeconds(value)
  return seconds === 1 ? "1 second" : `${seconds} seconds`
}

/** What the standard policy has for a part. */
const standardOf = (part: string): unknown =>
  part.split(".").reduce((value: unknown, name) => Reflect.get(Object(value), name), Policy.standard)

const about = (part: string, sets: string): Variable.About => ({ sets, default: written(standardOf(part)) })

const number = (name: string, part: Policy.Part, sets: string) =>
  Variable.number(name, about(part, sets), ranges[part])

const duration = (name: string, part: Policy.Part, sets: string) =>
  Variable.duration(name, about(part, sets), ranges[part])

/** The table that `load` reads and the documentation lists. */
export const variables = {
  deadline: Variable.orOff(
    duration(
      "SEGFORMER_DEADLINE",
      "deadline",
      "time for a call, over all attempts and the waits between them"
    )
  ),
  attemptTimeout: Variable.orOff(
    duration("SEGFORMER_TIMEOUT", "attemptTimeout", "time for one attempt, to the last byte decoded")
  ),
  times: Variable.orOff(number("SEGFORMER_MAX_RETRIES", "retry.times", "attempts after the first")),
  delay: duration("SEGFORMER_RETRY_DELAY", "retry.delay", "wait before the first retry"),
  factor: number(
    "SEGFORMER_RETRY_FACTOR",
    "retry.factor",
    "how many times longer each wait is than the one before"
  ),
  maxDelay: duration(
    "SEGFORMER_RETRY_MAX_DELAY",
    "retry.maxDelay",
    "longest wait between attempts that no Retry-After asks for"
  ),
  jitter: Variable.flag(
    "SEGFORMER_RETRY_JITTER",
    about("retry.jitter", "spread each wait at random over 80 % to 120 %")
  ),
  serverErrors: Variable.flag(
    "SEGFORMER_RETRY_SERVER_ERRORS",
    about("retry.serverErrors", "try again after 5xx")
  ),
  statuses: Variable.statuses("SEGFORMER_RETRY_STATUSES", {
    sets: "HTTP statuses after which to try again",
    default: "408, 425, 429 and 5xx"
  }),
  maxRetryAfter: duration(
    "SEGFORMER_MAX_RETRY_AFTER",
    "retry.maxRetryAfter",
    "longest Retry-After that is waited for"
  ),
  resend: Variable.literal(
    "SEGFORMER_RESEND",
    {
      sets: "whether to send again what may have been done already",
      default: `\`${Policy.standard.resend}\`; \`unless-sent\` for services with a price`
    },
    resends
  ),
  retryBudget: Variable.flag(
    "SEGFORMER_RETRY_BUDGET",
    about("retryBudget", "limit what retries add to the load")
  ),
  budgetRatio: number(
    "SEGFORMER_RETRY_BUDGET_RATIO",
    "retryBudget.ratio",
    "retries that each call adds to the budget"
  ),
  budgetPerSecond: number(
    "SEGFORMER_RETRY_BUDGET_PER_SECOND",
    "retryBudget.perSecond",
    "retries that each second adds to the budget"
  ),
  budgetBurst: Variable.number(
    "SEGFORMER_RETRY_BUDGET_BURST",
    {
      sets: "retries ahead of the budget, for each call of the last ten seconds",
      default: "as many as a call may make"
    },
    ranges["retryBudget.burst"]
  ),
  rateLimit: Variable.orOff(number("SEGFORMER_RATE_LIMIT", "rateLimit.limit", "attempts per window")),
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
  concurrency: number("SEGFORMER_MAX_CONNECTIONS", "concurrency", "requests under way at once"),
  queue: number("SEGFORMER_QUEUE", "queue", "calls that may wait for their turn"),
  breaker: Variable.flag("SEGFORMER_BREAKER", about("breaker", "leave a service alone that keeps failing")),
  failures: number(
    "SEGFORMER_BREAKER_FAILURES",
    "breaker.failures",
    "failures in a row that open the circuit"
  ),
  lasting: Variable.duration(
    "SEGFORMER_BREAKER_LASTING",
    {
      sets: "how long they must have lasted",
      default: "as long as the waits of a call together: 7 seconds"
    },
    ranges["breaker.lasting"]
  ),
  around: Variable.literal(
    "SEGFORMER_BREAKER_AROUND",
    { sets: "what the circuit counts, and turns away", default: `\`${Policy.standard.breaker?.around}\`` },
    arounds
  ),
  breakerServerErrors: Variable.flag(
    "SEGFORMER_BREAKER_SERVER_ERRORS",
    about("breaker.serverErrors", "count 5xx as failures, not only broken connections and time-outs")
  ),
  rate: Variable.orOff(
    number(
      "SEGFORMER_BREAKER_RATE",
      "breaker.rate.threshold",
      "share of failures that opens it, instead of failures in a row"
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
    duration(
      "SEGFORMER_BREAKER_SLOW_AFTER",
      "breaker.slowAfter",
      "a success that took longer counts as a failure"
    )
  ),
  openFor: duration(
    "SEGFORMER_BREAKER_OPEN_FOR",
    "breaker.openFor",
    "how long the circuit stays open before a probe"
  )
}

/** The parts of a policy that the environment sets, by a reader that also reads other things. */
export const read = Effect.fnUntraced(function* (reader: Variable.Reader): Effect.fn.Return<PolicyOptions> {
  const from = reader.read
  const times = yield* from(variables.times)
  const retry = omitUndefined({
    times: times === false ? 0 : times,
    delay: yield* from(variables.delay),
    factor: yield* from(variables.factor),
    maxDelay: yield* from(variables.maxDelay),
    jitter: yield* from(variables.jitter),
    serverErrors: yield* from(variables.serverErrors),
    statuses: yield* from(variables.statuses),
    maxRetryAfter: yield* from(variables.maxRetryAfter)
  })
  return omitUndefined({
    deadline: yield* from(variables.deadline),
    attemptTimeout: yield* from(variables.attemptTimeout),
    retry: some(retry),
    resend: yield* from(variables.resend),
    retryBudget: part(
      yield* from(variables.retryBudget),
      omitUndefined({
        ratio: yield* from(variables.budgetRatio),
        perSecond: yield* from(variables.budgetPerSecond),
        burst: yield* from(variables.budgetBurst)
      })
    ),
    rateLimit: yield* rateLimit(reader),
    concurrency: yield* from(variables.concurrency),
    queue: yield* from(variables.queue),
    breaker: part(
      yield* from(variables.breaker),
      omitUndefined({
        failures: yield* from(variables.failures),
        lasting: yield* from(variables.lasting),
        around: yield* from(variables.around),
        serverErrors: yield* from(variables.breakerServerErrors),
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

/** The same as a `Config`, for a `layerConfig` or another provider. */
export const config: Config.Config<PolicyOptions> = Variable.config(
  Object.values(variables).map(({ name }) => name),
  load
)

const rateLimit = Effect.fnUntraced(function* (
  reader: Variable.Reader
): Effect.fn.Return<PolicyOptions["rateLimit"]> {
  const limit = yield* reader.read(variables.rateLimit)
  const window = yield* reader.read(variables.rateLimitWindow)
  const burst = yield* reader.read(variables.rateLimitBurst)
  if (limit === false) return false
  if (limit !== undefined) return omitUndefined({ limit, window, burst })
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
  return omitUndefined({ threshold, size, minimumCalls })
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
