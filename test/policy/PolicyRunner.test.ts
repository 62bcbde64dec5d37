import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Logger, Metric, Option, Result } from "effect"
import { type Attempt, Policy, PolicyRunner, TimedOut } from "effect-segformer/policy"
import {
  ConnectionFailed,
  RateLimited,
  ResponseNotDecodable,
  ServiceFailed,
  ServiceUnavailable,
  Unauthorized
} from "effect-segformer"
import { TestClock } from "effect/testing"

const service = "http://test"
const answer = { service, status: 503, detail: "" }
const unavailable = new ServiceUnavailable(answer)
const failed = new ServiceFailed({ ...answer, status: 500 })
const refused = new ConnectionFailed({
  service,
  code: "ECONNREFUSED",
  phase: "sending",
  sent: "no",
  detail: ""
})
const limited = (retryAfter?: Duration.Duration) => new RateLimited({ ...answer, status: 429, retryAfter })
const unauthorized = new Unauthorized({ ...answer, status: 401 })
const notDecodable = new ResponseNotDecodable({ service, status: 200, path: "", detail: "", excerpt: "" })

type Failure =
  | ServiceUnavailable
  | ServiceFailed
  | ConnectionFailed
  | RateLimited
  | Unauthorized
  | ResponseNotDecodable

/** Attempts that end one after the other as listed, and when each began, in milliseconds. */
const scripted = (outcomes: ReadonlyArray<Failure | "never" | number>) => {
  const starts: Array<number> = []
  const seen: Array<Attempt> = []
  const attempt = (current: Attempt) =>
    Effect.flatMap(
      TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe())),
      (now) => {
        const outcome = outcomes[starts.length] ?? outcomes.at(-1)!
        starts.push(now)
        seen.push({ ...current })
        return typeof outcome === "number"
          ? Effect.succeed(outcome)
          : outcome === "never"
            ? Effect.never
            : Effect.fail(outcome)
      }
    )
  return { starts, seen, attempt }
}

/** Runs to the end while the test clock goes on, second by second. */
const settle = <A, E>(effect: Effect.Effect<A, E>, seconds = 300) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let second = 0; second < seconds * 4 && fiber.pollUnsafe() === undefined; second++) {
      yield* TestClock.adjust("250 millis")
    }
    return yield* Fiber.join(fiber)
  })

const make = (options: Policy.PolicyOptions = {}) =>
  PolicyRunner.make({ service, policy: Policy.make(options) })
const quiet = Effect.provide(Logger.layer([]))

describe("PolicyRunner: retries", () => {
  it.effect(
    "a call that keeps failing is tried 4 times, 1 s, 2 s and 4 s apart, and ends with the last failure",
    () =>
      Effect.gen(function* () {
        const runner = yield* make()
        const script = scripted([refused, failed, refused, unavailable])
        const exit = yield* settle(runner.run(script.attempt))
        assert.deepStrictEqual(script.starts, [0, 1000, 3000, 7000])
        assert.deepStrictEqual(exit, Exit.fail(unavailable))
      }).pipe(quiet, Effect.scoped)
  )

  it.effect("the attempts of one call share their id and idempotency key, those of two calls do not", () =>
    Effect.gen(function* () {
      const runner = yield* make()
      const script = scripted([refused, 1])
      yield* settle(runner.run(script.attempt))
      yield* settle(runner.run(script.attempt))
      assert.deepStrictEqual(
        script.seen.map(({ number }) => number),
        [1, 2, 1]
      )
      assert.strictEqual(script.seen[0]!.callId, script.seen[1]!.callId)
      assert.strictEqual(script.seen[0]!.idempotencyKey, script.seen[1]!.idempotencyKey)
      assert.notStrictEqual(script.seen[1]!.callId, script.seen[2]!.callId)
    }).pipe(quiet, Effect.scoped)
  )

  const mixtures: ReadonlyArray<readonly [string, ReadonlyArray<Failure | "never">, number]> = [
    ["transport failures", [refused], 4],
    ["5xx", [failed], 4],
    ["429", [limited()], 4],
    ["time-outs", ["never"], 4],
    ["all of them in turn", [refused, failed, limited(), "never"], 4],
    ["a failure that is not retryable after two that are", [refused, failed, unauthorized], 3]
  ]
  it.effect.each(mixtures)("%s are never tried more than 4 times", ([, outcomes, expected]) =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: false })
      const script = scripted(outcomes)
      const exit = yield* settle(runner.run(script.attempt))
      assert.strictEqual(script.starts.length, expected)
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(quiet, Effect.scoped)
  )

  it.effect.each([unauthorized, notDecodable])("$_tag is not retried", (failure) =>
    Effect.gen(function* () {
      const script = scripted([failure])
      const exit = yield* settle((yield* make()).run(script.attempt))
      assert.deepStrictEqual(script.starts, [0])
      assert.deepStrictEqual(exit, Exit.fail(failure))
    }).pipe(Effect.scoped)
  )

  it.effect("delays grow by the factor up to the longest", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: { times: 4, factor: 3, maxDelay: "5 seconds" }, breaker: false })
      const script = scripted([refused])
      yield* settle(runner.run(script.attempt))
      assert.deepStrictEqual(script.starts, [0, 1000, 4000, 9000, 14000])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("jitter spreads a delay over 80 % to 120 %", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: { times: 1, delay: "10 seconds", jitter: true }, breaker: false })
      const starts = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.gen(function* () {
          const script = scripted([refused])
          yield* settle(runner.run(script.attempt))
          return script.starts[1]! - script.starts[0]!
        })
      )
      assert.isTrue(starts.every((delay) => delay >= 8000 && delay <= 12_000))
      assert.isTrue(new Set(starts).size > 5)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("5xx are left alone when the policy says so, transport failures are not", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: { serverErrors: false } })
      const script = scripted([refused, failed])
      yield* settle(runner.run(script.attempt))
      assert.strictEqual(script.starts.length, 2)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a predicate over errors replaces isRetryable, within the number of attempts", () =>
    Effect.gen(function* () {
      const runner = yield* make()
      const script = scripted([unauthorized])
      yield* settle(runner.run(script.attempt, { retryWhen: (error) => error._tag === "Unauthorized" }))
      assert.strictEqual(script.starts.length, 4)
      const never = scripted([refused])
      yield* settle(runner.run(never.attempt, { retryWhen: () => false }))
      assert.strictEqual(never.starts.length, 1)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect(
    "a predicate over results repeats until one is wanted, and gives the last when attempts are used up",
    () =>
      Effect.gen(function* () {
        const runner = yield* make()
        const third = yield* settle(runner.run(scripted([1, 2, 3]).attempt, { retryResult: (n) => n < 3 }))
        assert.deepStrictEqual(
          Exit.map(third, ({ attempts, value }) => [attempts, value]),
          Exit.succeed([3, 3])
        )
        const last = yield* settle(runner.run(scripted([1, 2, 3, 4]).attempt, { retryResult: () => true }))
        assert.deepStrictEqual(
          Exit.map(last, ({ attempts, value }) => [attempts, value]),
          Exit.succeed([4, 4])
        )
      }).pipe(quiet, Effect.scoped)
  )
})

describe("PolicyRunner: Retry-After", () => {
  it.effect("is a lower bound of the next delay only", () =>
    Effect.gen(function* () {
      const runner = yield* make()
      const script = scripted([limited(Duration.seconds(30)), limited(Duration.millis(10)), refused])
      yield* settle(runner.run(script.attempt))
      // 30 s instead of 1 s, then 2 s (longer than 10 ms), then 4 s.
      assert.deepStrictEqual(script.starts, [0, 30_000, 32_000, 36_000])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("equal to the cap is waited for: only what is above it is too long", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: { maxRetryAfter: "20 seconds" } })
      const script = scripted([limited(Duration.seconds(20)), limited(Duration.millis(20_001)), 1])
      yield* settle(runner.run(script.attempt))
      assert.deepStrictEqual(script.starts, [0, 20_000])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("above the cap fails at once and says how long", () =>
    Effect.gen(function* () {
      const runner = yield* make()
      const script = scripted([limited(Duration.hours(2))])
      const exit = yield* settle(runner.run(script.attempt))
      assert.deepStrictEqual(script.starts, [0])
      assert.match(String(Exit.isFailure(exit) ? exit.cause : ""), /asks to wait 2h/)
    }).pipe(quiet, Effect.scoped)
  )
})

describe("PolicyRunner: time", () => {
  it.effect("an attempt that stalls times out after 30 s and says what it was doing", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: false })
      const exit = yield* settle(
        runner.run((attempt) => {
          attempt.phase = "receiving"
          return Effect.never
        })
      )
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      assert(error instanceof TimedOut)
      assert.deepInclude({ ...error }, { kind: "attempt", phase: "receiving", attempt: 1 })
      assert.strictEqual(Duration.toSeconds(error.after), 30)
      assert.match(error.message, /while reading the answer/)
    }).pipe(Effect.scoped)
  )

  it.effect("a deadline bounds all attempts and the waits between them", () =>
    Effect.gen(function* () {
      const runner = yield* make({ deadline: "2 seconds" })
      const script = scripted([refused])
      const exit = yield* settle(runner.run(script.attempt))
      assert.deepStrictEqual(script.starts, [0, 1000])
      const error = Exit.findErrorOption(exit)
      assert.isTrue(
        error._tag === "Some" && error.value._tag === "TimedOut" && error.value.phase === "backing off"
      )
    }).pipe(quiet, Effect.scoped)
  )

  it.effect(
    "a call that has no time left is over before it begins, and one that may take for ever is not",
    () =>
      Effect.gen(function* () {
        const runner = yield* make({
          retry: { maxDelay: Duration.infinity, maxRetryAfter: Duration.infinity }
        })
        for (const [policy, kind] of [
          [{ deadline: 0 }, "deadline"],
          [{ deadline: -5 }, "deadline"],
          [{ attemptTimeout: "0 millis" }, "attempt"]
        ] as const) {
          const script = scripted([])
          const error = yield* Effect.flip(runner.run(script.attempt, { policy }))
          assert.deepInclude(error, { _tag: "TimedOut", kind, attempt: 0 })
          assert.deepStrictEqual(script.starts, [])
        }
        const script = scripted([refused])
        yield* settle(runner.run(script.attempt, { policy: { attemptTimeout: Duration.infinity } }))
        assert.strictEqual(script.starts.length, 4)
      }).pipe(quiet, Effect.scoped)
  )

  it.effect("interruption ends the attempt at once", () =>
    Effect.gen(function* () {
      const runner = yield* make()
      let interrupted = false
      const fiber = yield* Effect.forkChild(
        runner.run(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true))))
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(interrupted)
    }).pipe(Effect.scoped)
  )
})

describe("PolicyRunner: admission", () => {
  it.effect("no more attempts run at once than allowed, and waiting does not count against the attempt", () =>
    Effect.gen(function* () {
      const runner = yield* make({ concurrency: 2, retry: false })
      let running = 0
      let most = 0
      const attempt = () =>
        Effect.acquireUseRelease(
          Effect.sync(() => void (most = Math.max(most, ++running))),
          () => Effect.sleep("20 seconds"),
          () => Effect.sync(() => void running--)
        )
      const exit = yield* settle(
        Effect.all(
          Array.from({ length: 6 }, () => runner.run(attempt)),
          { concurrency: "unbounded" }
        )
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(most, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("a call that finds the queue full fails at once, and the others are not disturbed", () =>
    Effect.gen(function* () {
      const runner = yield* make({ concurrency: 1, queue: 2, retry: false })
      const call = Effect.result(runner.run(() => Effect.as(Effect.sleep("1 second"), 1)))
      const exit = yield* settle(
        Effect.all(
          Array.from({ length: 5 }, () => call),
          { concurrency: "unbounded" }
        )
      )
      const results = Exit.isSuccess(exit) ? exit.value : []
      assert.deepStrictEqual(
        results.map((result) => (Result.isSuccess(result) ? "ok" : result.failure._tag)),
        ["ok", "ok", "ok", "QueueFull", "QueueFull"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("a caller that gives up while it waits leaves its place", () =>
    Effect.gen(function* () {
      const runner = yield* make({ concurrency: 1, queue: 1, retry: false })
      const first = yield* Effect.forkChild(runner.run(() => Effect.sleep("10 seconds")))
      const second = yield* Effect.forkChild(runner.run(() => Effect.succeed(2)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(second)
      const third = yield* Effect.forkChild(runner.run(() => Effect.succeed(3)))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(third)).value, 3)
    }).pipe(Effect.scoped)
  )
})

describe("PolicyRunner: circuit breaker", () => {
  it.effect("opens after 5 failures, lets one probe through after 60 s, and closes when it succeeds", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: false })
      const script = scripted([...Array.from({ length: 5 }, () => failed), 1])
      for (let call = 0; call < 5; call++) yield* settle(runner.run(script.attempt))
      const open = yield* Effect.flip(runner.run(script.attempt))
      assert.strictEqual(open._tag, "CircuitOpen")
      assert.match(open.message, /Its next probe is in 59s 750ms/)
      assert.strictEqual(script.starts.length, 5)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* runner.run(script.attempt)).value, 1)
      assert.strictEqual((yield* runner.run(script.attempt)).value, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("counts attempts that time out", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: false, attemptTimeout: "1 second" })
      for (let call = 0; call < 5; call++) yield* settle(runner.run(() => Effect.never))
      assert.strictEqual((yield* Effect.flip(runner.run(() => Effect.never)))._tag, "CircuitOpen")
    }).pipe(Effect.scoped)
  )

  it.effect("does not hold refused requests against the service", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: false })
      const script = scripted([unauthorized])
      for (let call = 0; call < 20; call++) yield* settle(runner.run(script.attempt))
      assert.strictEqual(script.starts.length, 20)
    }).pipe(Effect.scoped)
  )

  it.effect("says what failed before where it opened in the middle of a call", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: { failures: 2, lasting: 0 } })
      const error = yield* settle(runner.run(scripted([refused]).attempt))
      assert.match(
        String(Exit.isFailure(error) ? error.cause : ""),
        /CircuitOpen.*Before that: Cannot reach/s
      )
    }).pipe(quiet, Effect.scoped)
  )
})

describe("PolicyRunner: retry budget", () => {
  it.effect("calls to a service that is down for all make at most 1.2 times the load", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: false, concurrency: 1000, retryBudget: { perSecond: 0 } })
      let attempts = 0
      const call = Effect.exit(runner.run(() => Effect.suspend(() => (attempts++, Effect.fail(unavailable)))))
      const exits = yield* settle(
        Effect.all(
          Array.from({ length: 500 }, () => call),
          { concurrency: "unbounded" }
        )
      )
      assert.isAtMost(attempts, 600)
      const spent = Exit.isSuccess(exits)
        ? exits.value.filter((exit) => String(exit).includes("RetryBudgetSpent"))
        : []
      assert.isAbove(spent.length, 300)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("leaves three retries a second to callers that are few", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: false })
      const script = scripted([unavailable])
      yield* settle(runner.run(script.attempt))
      assert.strictEqual(script.starts.length, 4)
    }).pipe(quiet, Effect.scoped)
  )
})

describe("PolicyRunner: what it tells", () => {
  it.effect("counts calls, attempts and failures by tag, and what is in flight", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: false })
      yield* settle(runner.run(scripted([refused, failed, 1]).attempt))
      yield* settle(runner.run(scripted([unauthorized]).attempt))
      const stateOf = Effect.fnUntraced(function* (id: string, attributes: Record<string, string> = {}) {
        const found = (yield* Metric.snapshot).find(
          (metric) =>
            metric.id === id &&
            Object.entries(attributes).every(([key, value]) => metric.attributes?.[key] === value)
        )
        return found?.state
      })
      assert.deepInclude(yield* stateOf("segformer.call.duration"), { count: 1 })
      const refusals = yield* stateOf("segformer.call.duration", { "error.type": "Unauthorized" })
      assert.deepInclude(refusals, { count: 1 })
      assert.deepInclude(yield* stateOf("segformer.attempts"), { count: 4 })
      assert.deepInclude(yield* stateOf("segformer.attempts.active"), { value: 0 })
    }).pipe(quiet, Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("logs each retry as a warning with what failed", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
      const runner = yield* make()
      yield* settle(runner.run(scripted([refused, 1]).attempt)).pipe(Effect.provide(Logger.layer([logger])))
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Warn Retrying in 1 s \(2 of 4\): Cannot reach http:\/\/test/)
    }).pipe(Effect.scoped)
  )
})
