/** Who may call, and when: turns, circuits, the budget of retries, and what is told of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Metric, Result } from "effect"
import { TestClock } from "effect/testing"
import { unavailable, failed, refused, unauthorized, scripted, settle, make, quiet } from "./runners.ts"

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
