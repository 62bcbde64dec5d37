import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option } from "effect"
import { TimedOut } from "effect-segformer/policy"
import { TestClock } from "effect/testing"
import {
  unavailable,
  failed,
  refused,
  limited,
  unauthorized,
  notDecodable,
  type Failure,
  scripted,
  settle,
  make,
  quiet
} from "./runners.ts"

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
      assert(error._tag === "Some" && error.value._tag === "TimedOut")
      assert.deepInclude(error.value, { phase: "backing off", failure: refused.message })
      assert.match(error.value.message, /waiting to try again.*Before it failed: /)
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
