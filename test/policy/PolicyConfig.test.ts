import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect } from "effect"
import { Policy, PolicyConfig } from "effect-segformer/policy"

const load = (env: Readonly<Record<string, string>>) =>
  Effect.provide(PolicyConfig.load, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
const policyOf = (env: Readonly<Record<string, string>>) =>
  Effect.map(load(env), (options) => Policy.make(options))
const problemsOf = (env: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(load(env)), ({ problems }) =>
    problems.map(({ detail, variable }) => `${variable} ${detail}`)
  )

const standard = Policy.standard
const { retry } = standard
const breaker = standard.breaker!
const budget = standard.retryBudget!

/** What one variable makes of the standard policy. */
const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, Partial<Policy.Policy>]> = [
  [{}, {}],
  [{ SEGFORMER_DEADLINE: "2 minutes" }, { deadline: Duration.minutes(2) }],
  [{ SEGFORMER_DEADLINE: "off" }, { deadline: undefined }],
  [{ SEGFORMER_TIMEOUT: "1500" }, { attemptTimeout: Duration.millis(1500) }],
  [{ SEGFORMER_TIMEOUT: "off" }, { attemptTimeout: undefined }],
  [{ SEGFORMER_MAX_RETRIES: "5" }, { retry: { ...retry, times: 5 } }],
  [{ SEGFORMER_MAX_RETRIES: "off" }, { retry: { ...retry, times: 0 } }],
  [{ SEGFORMER_RETRY_DELAY: "2 seconds" }, { retry: { ...retry, delay: Duration.seconds(2) } }],
  [{ SEGFORMER_RETRY_FACTOR: "1.5" }, { retry: { ...retry, factor: 1.5 } }],
  [{ SEGFORMER_RETRY_MAX_DELAY: "1 minute" }, { retry: { ...retry, maxDelay: Duration.minutes(1) } }],
  [{ SEGFORMER_RETRY_JITTER: "on" }, { retry: { ...retry, jitter: true } }],
  [{ SEGFORMER_RETRY_SERVER_ERRORS: "off" }, { retry: { ...retry, serverErrors: false } }],
  [{ SEGFORMER_RETRY_STATUSES: "429, 503" }, { retry: { ...retry, statuses: [429, 503] } }],
  [{ SEGFORMER_RETRY_STATUSES: "none" }, { retry: { ...retry, statuses: [] } }],
  [{ SEGFORMER_MAX_RETRY_AFTER: "1 hour" }, { retry: { ...retry, maxRetryAfter: Duration.hours(1) } }],
  [{ SEGFORMER_RESEND: "unless-sent" }, { resend: "unless-sent" }],
  [{ SEGFORMER_RETRY_BUDGET: "off" }, { retryBudget: undefined }],
  [{ SEGFORMER_RETRY_BUDGET: "off", SEGFORMER_RETRY_BUDGET_RATIO: "1" }, { retryBudget: undefined }],
  [{ SEGFORMER_RETRY_BUDGET_RATIO: "0.5" }, { retryBudget: { ...budget, ratio: 0.5 } }],
  [{ SEGFORMER_RETRY_BUDGET_PER_SECOND: "0" }, { retryBudget: { ...budget, perSecond: 0 } }],
  [{ SEGFORMER_RETRY_BUDGET_BURST: "1.5" }, { retryBudget: { ...budget, burst: 1.5 } }],
  [{ SEGFORMER_RATE_LIMIT: "20" }, { rateLimit: { limit: 20, window: Duration.seconds(1), burst: 20 } }],
  [
    { SEGFORMER_RATE_LIMIT: "600", SEGFORMER_RATE_LIMIT_WINDOW: "1 minute", SEGFORMER_RATE_LIMIT_BURST: "1" },
    { rateLimit: { limit: 600, window: Duration.minutes(1), burst: 1 } }
  ],
  [{ SEGFORMER_RATE_LIMIT: "off", SEGFORMER_RATE_LIMIT_BURST: "1" }, { rateLimit: undefined }],
  [{ SEGFORMER_MAX_CONNECTIONS: "3" }, { concurrency: 3 }],
  [{ SEGFORMER_QUEUE: "0" }, { queue: 0 }],
  [{ SEGFORMER_BREAKER: "off" }, { breaker: undefined }],
  [{ SEGFORMER_BREAKER: "off", SEGFORMER_BREAKER_FAILURES: "2" }, { breaker: undefined }],
  [{ SEGFORMER_BREAKER: "on" }, { breaker }],
  [{ SEGFORMER_BREAKER_FAILURES: "2" }, { breaker: { ...breaker, failures: 2 } }],
  [{ SEGFORMER_BREAKER_LASTING: "0" }, { breaker: { ...breaker, lasting: Duration.zero } }],
  [{ SEGFORMER_BREAKER_AROUND: "calls" }, { breaker: { ...breaker, around: "calls" } }],
  [{ SEGFORMER_BREAKER_SERVER_ERRORS: "off" }, { breaker: { ...breaker, serverErrors: false } }],
  [
    { SEGFORMER_BREAKER_RATE: "0.25" },
    { breaker: { ...breaker, rate: { threshold: 0.25, size: 100, minimumCalls: 20 } } }
  ],
  [
    {
      SEGFORMER_BREAKER_RATE: "1",
      SEGFORMER_BREAKER_RATE_SIZE: "10",
      SEGFORMER_BREAKER_RATE_MINIMUM_CALLS: "5"
    },
    { breaker: { ...breaker, rate: { threshold: 1, size: 10, minimumCalls: 5 } } }
  ],
  [{ SEGFORMER_BREAKER_RATE: "off" }, { breaker }],
  [
    { SEGFORMER_BREAKER_SLOW_AFTER: "5 seconds" },
    { breaker: { ...breaker, slowAfter: Duration.seconds(5) } }
  ],
  [{ SEGFORMER_BREAKER_OPEN_FOR: "10 seconds" }, { breaker: { ...breaker, openFor: Duration.seconds(10) } }]
]

describe("PolicyConfig", () => {
  it.effect.each(cases)("%j", ([env, changed]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* policyOf(env), { ...standard, ...changed })
    })
  )

  it.effect("the defaults that the table states are those of the standard policy", () =>
    Effect.gen(function* () {
      const stated = Object.values(PolicyConfig.variables).flatMap((variable) =>
        variable.parse(variable.default)._tag === "Value" ? [[variable.name, variable.default] as const] : []
      )
      assert.isAbove(stated.length, 20)
      assert.deepStrictEqual(yield* policyOf(Object.fromEntries(stated)), standard)
    })
  )

  it("each variable of the table is among those cases, and each part of a policy among the variables", () => {
    const named = new Set(cases.flatMap(([env]) => Object.keys(env)))
    assert.deepStrictEqual(
      Object.values(PolicyConfig.variables)
        .map(({ name }) => name)
        .filter((name) => !named.has(name)),
      []
    )
    const changed = new Set(cases.flatMap(([, policy]) => Object.keys(policy)))
    assert.deepStrictEqual([...changed].toSorted(), Object.keys(standard).toSorted())
  })

  it.effect.each(Object.values(PolicyConfig.variables))("$name says what it takes", ({ name, takes }) =>
    Effect.gen(function* () {
      const [problem = ""] = yield* problemsOf({ [name]: "perhaps" })
      assert.include(problem, `${name} is "perhaps", but must be ${takes.replace(", or `off`", "")}`)
    })
  )

  it.effect("what means nothing by itself is said to", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problemsOf({ SEGFORMER_RATE_LIMIT_BURST: "3", SEGFORMER_BREAKER_RATE_SIZE: "10" }),
        [
          "SEGFORMER_RATE_LIMIT_BURST is set, but SEGFORMER_RATE_LIMIT is not",
          "SEGFORMER_BREAKER_RATE_SIZE is set, but SEGFORMER_BREAKER_RATE is not"
        ]
      )
      assert.deepStrictEqual(
        yield* problemsOf({
          SEGFORMER_BREAKER_RATE: "0.5",
          SEGFORMER_BREAKER_RATE_SIZE: "10",
          SEGFORMER_BREAKER_RATE_MINIMUM_CALLS: "11"
        }),
        ["SEGFORMER_BREAKER_RATE_MINIMUM_CALLS is 11, but must be at most SEGFORMER_BREAKER_RATE_SIZE (10)"]
      )
    })
  )
})

/** What no policy may be, and the variables that say the same. */
const wrong: ReadonlyArray<
  readonly [name: string, options: Policy.PolicyOptions, env: Readonly<Record<string, string>>]
> = [
  ["deadline", { deadline: 0 }, { SEGFORMER_DEADLINE: "0" }],
  ["attemptTimeout", { attemptTimeout: 0 }, { SEGFORMER_TIMEOUT: "0" }],
  ["attemptTimeout", { attemptTimeout: Number.NaN }, { SEGFORMER_TIMEOUT: "Infinity" }],
  ["retry.delay", { retry: { delay: Number.NaN } }, { SEGFORMER_RETRY_DELAY: "NaN" }],
  ["retry.times", { retry: { times: 1.5 } }, { SEGFORMER_MAX_RETRIES: "1.5" }],
  ["retry.delay", { retry: { delay: -5 } }, { SEGFORMER_RETRY_DELAY: "-5" }],
  ["retry.factor", { retry: { factor: 0.5 } }, { SEGFORMER_RETRY_FACTOR: "0.5" }],
  ["retry.maxDelay", { retry: { maxDelay: 0 } }, { SEGFORMER_RETRY_MAX_DELAY: "0" }],
  ["retry.maxRetryAfter", { retry: { maxRetryAfter: -1 } }, { SEGFORMER_MAX_RETRY_AFTER: "-1" }],
  ["retry.statuses", { retry: { statuses: [503, 200] } }, { SEGFORMER_RETRY_STATUSES: "503, 200" }],
  ["retry.statuses", { retry: { statuses: [429.5] } }, { SEGFORMER_RETRY_STATUSES: "5xx" }],
  ["retryBudget.burst", { retryBudget: { burst: -1 } }, { SEGFORMER_RETRY_BUDGET_BURST: "-1" }],
  ["retryBudget.ratio", { retryBudget: { ratio: -1 } }, { SEGFORMER_RETRY_BUDGET_RATIO: "-1" }],
  ["retryBudget.ratio", { retryBudget: { ratio: Number.NaN } }, { SEGFORMER_RETRY_BUDGET_RATIO: "NaN" }],
  ["retryBudget.perSecond", { retryBudget: { perSecond: -1 } }, { SEGFORMER_RETRY_BUDGET_PER_SECOND: "-1" }],
  ["rateLimit.limit", { rateLimit: { limit: 0 } }, { SEGFORMER_RATE_LIMIT: "0" }],
  [
    "rateLimit.window",
    { rateLimit: { limit: 1, window: 0 } },
    { SEGFORMER_RATE_LIMIT: "1", SEGFORMER_RATE_LIMIT_WINDOW: "0" }
  ],
  [
    "rateLimit.burst",
    { rateLimit: { limit: 1, burst: 0 } },
    { SEGFORMER_RATE_LIMIT: "1", SEGFORMER_RATE_LIMIT_BURST: "0" }
  ],
  ["concurrency", { concurrency: 0 }, { SEGFORMER_MAX_CONNECTIONS: "0" }],
  ["queue", { queue: -1 }, { SEGFORMER_QUEUE: "-1" }],
  ["breaker.failures", { breaker: { failures: 0 } }, { SEGFORMER_BREAKER_FAILURES: "0" }],
  ["breaker.lasting", { breaker: { lasting: -1 } }, { SEGFORMER_BREAKER_LASTING: "-1" }],
  ["breaker.openFor", { breaker: { openFor: 0 } }, { SEGFORMER_BREAKER_OPEN_FOR: "0" }],
  ["breaker.slowAfter", { breaker: { slowAfter: 0 } }, { SEGFORMER_BREAKER_SLOW_AFTER: "0" }],
  ["breaker.rate.threshold", { breaker: { rate: { threshold: 1.1 } } }, { SEGFORMER_BREAKER_RATE: "1.1" }],
  [
    "breaker.rate.size",
    { breaker: { rate: { size: 0 } } },
    { SEGFORMER_BREAKER_RATE: "1", SEGFORMER_BREAKER_RATE_SIZE: "0" }
  ],
  [
    "breaker.rate.minimumCalls",
    { breaker: { rate: { minimumCalls: 101 } } },
    { SEGFORMER_BREAKER_RATE: "1", SEGFORMER_BREAKER_RATE_MINIMUM_CALLS: "101" }
  ]
]

describe("what no policy may be", () => {
  it.effect.each(wrong)(
    "%s is refused from a program and from the environment alike",
    ([name, options, env]) =>
      Effect.gen(function* () {
        assert.throws(() => Policy.make(options), RangeError, `Policy: \`${name}\` must be `)
        assert.lengthOf(yield* problemsOf(env), 1)
      })
  )

  it("each number and time of a policy is among those cases", () => {
    const tried = new Set(wrong.map(([name]) => name))
    assert.deepStrictEqual([...tried].toSorted(), Object.keys(Policy.ranges).toSorted())
  })

  it.effect("a wait of nothing before a retry, and no patience with Retry-After, are taken from both", () =>
    Effect.gen(function* () {
      const none = { delay: Duration.zero, maxRetryAfter: Duration.zero }
      const env = { SEGFORMER_RETRY_DELAY: "0", SEGFORMER_MAX_RETRY_AFTER: "0" }
      assert.deepStrictEqual(yield* policyOf(env), Policy.make({ retry: none }))
    })
  )
})

describe("Policy.merge", () => {
  const under: Policy.PolicyOptions = {
    deadline: "1 minute",
    retry: { times: 5, jitter: true },
    rateLimit: { limit: 10, burst: 1 },
    breaker: { failures: 2 },
    queue: 3
  }

  it("goes part by part, and takes nothing back that is not said", () => {
    const merged = Policy.merge(
      { retry: { times: 1, jitter: undefined }, breaker: false, rateLimit: { limit: 5 } },
      under
    )
    assert.deepStrictEqual(Policy.make(merged), {
      ...standard,
      deadline: Duration.minutes(1),
      retry: { ...retry, times: 1, jitter: true },
      rateLimit: { limit: 5, window: Duration.seconds(1), burst: 1 },
      breaker: undefined,
      queue: 3
    })
  })

  it("what is turned on goes before what is off", () => {
    const merged = Policy.merge({ breaker: { failures: 9 }, deadline: false }, { ...under, breaker: false })
    assert.deepStrictEqual(Policy.make(merged).breaker, { ...breaker, failures: 9 })
    assert.isUndefined(Policy.make(merged).deadline)
  })
})
