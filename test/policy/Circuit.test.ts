/** When a circuit opens, what it counts, and what a call does that meets one. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Logger } from "effect"
import {
  ConnectionFailed,
  ImageSource,
  RateLimited,
  RequestRejected,
  segment,
  type SegmentationError,
  ServiceUnavailable,
  Transport,
  Transports
} from "effect-segformer"
import { CircuitOpen, Policy, PolicyRunner } from "effect-segformer/policy"
import { Fixtures } from "effect-segformer/testing"
import { TestClock } from "effect/testing"
import { densest } from "../support/Storms.ts"
import { ofDay } from "../support/TimeOfDay.ts"

const service = "http://test"
const answer = { service, detail: "" }
const unavailable = new ServiceUnavailable({ ...answer, status: 503 })
const refused = new ConnectionFailed({ service, phase: "sending", sent: "no", detail: "" })

const make = (options: Policy.PolicyOptions) =>
  PolicyRunner.make({ service, policy: Policy.make({ retryBudget: false, ...options }) })
const quiet = Effect.provide(Logger.layer([]))

/** One attempt that counts itself. */
const asking = (outcome: () => Effect.Effect<number, SegmentationError>) => {
  const seen = { attempts: 0 }
  return { seen, attempt: () => Effect.suspend(() => (seen.attempts++, outcome())) }
}

const tagOf = <A, R>(call: Effect.Effect<A, { readonly _tag: string }, R>) =>
  Effect.match(call, { onSuccess: () => "success", onFailure: ({ _tag }) => _tag })

/** Runs it to its end, as time goes by. */
const settle = <A, R>(effect: Effect.Effect<A, never, R>, within: Duration.Input = "10 minutes") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust(within)
    return yield* Fiber.join(fiber)
  })

describe("a circuit opens", () => {
  const once = { retry: false } as const

  it.effect("once so many failures in a row have lasted, and not before", () =>
    Effect.gen(function* () {
      const runner = yield* make({ ...once, breaker: { failures: 3, lasting: "4 seconds" } })
      const { attempt, seen } = asking(() => Effect.fail(unavailable))
      for (const [wait, attempts] of [
        [0, 10],
        [2000, 20],
        [1900, 30],
        // 4 seconds after the first.
        [100, 31]
      ] as const) {
        yield* TestClock.adjust(wait)
        for (let call = 0; call < 10; call++) yield* tagOf(runner.run(attempt))
        assert.strictEqual(seen.attempts, attempts)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("not by one look after a long silence: what nobody looked at is not known", () =>
    Effect.gen(function* () {
      const runner = yield* make({ ...once, breaker: { failures: 3, lasting: "4 seconds" } })
      const { attempt, seen } = asking(() => Effect.fail(unavailable))
      const look = Effect.forEach([1, 2, 3, 4, 5], () => tagOf(runner.run(attempt)))
      yield* look
      yield* TestClock.adjust("1 minute")
      yield* look
      assert.strictEqual(seen.attempts, 10)
      yield* TestClock.adjust("1 minute")
      // Half of the time for each look.
      yield* look
      assert.strictEqual(seen.attempts, 11)
    }).pipe(Effect.scoped)
  )

  it.effect("by silence: attempts that time out have seen as long as they took, but for the first ones", () =>
    Effect.gen(function* () {
      const runner = yield* make({ ...once, breaker: { lasting: "7 seconds" } })
      const call = tagOf(runner.run(() => Effect.never))
      const round = Effect.all(
        Array.from({ length: 10 }, () => call),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(yield* settle(round, "30 seconds")), new Set(["TimedOut"]))
      assert.strictEqual((yield* runner.circuit.state)._tag, "Closed")
      yield* settle(round, "30 seconds")
      assert.strictEqual((yield* runner.circuit.state)._tag, "Open")
    }).pipe(Effect.scoped)
  )

  it.effect("after as long as the retries of the policy take, at most as long as it stays open", () =>
    Effect.gen(function* () {
      for (const [options, seconds] of [
        [{}, 7],
        [{ retry: { jitter: true } }, 8.4],
        [{ retry: { times: 4, delay: "2 seconds" } }, 24],
        [{ retry: { times: 100 } }, 60],
        [{ retry: { times: Number.MAX_SAFE_INTEGER } }, 60],
        [{ retry: { delay: 0 } }, 0],
        [{ breaker: { around: "calls" } }, 0]
      ] satisfies ReadonlyArray<readonly [Policy.PolicyOptions, number]>) {
        const runner = yield* make(options)
        const call = Effect.exit(runner.run(() => Effect.fail(refused), { policy: { retry: false } }))
        let passed = 0
        for (; passed < 100; passed += 0.1) {
          for (let n = 0; n < 5; n++) yield* call
          if ((yield* runner.circuit.state)._tag === "Open") break
          yield* TestClock.adjust(100)
        }
        assert.approximately(passed, seconds, 0.1)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("for transport failures alone, where 5xx are not to count", () =>
    Effect.gen(function* () {
      const runner = yield* make({ ...once, breaker: { serverErrors: false } })
      const answered = asking(() => Effect.fail(unavailable))
      for (let call = 0; call < 10; call++) yield* tagOf(runner.run(answered.attempt))
      assert.strictEqual(answered.seen.attempts, 10)
      const broken = asking(() => Effect.fail(refused))
      for (let call = 0; call < 10; call++) yield* tagOf(runner.run(broken.attempt))
      assert.strictEqual(broken.seen.attempts, 5)
    }).pipe(Effect.scoped)
  )

  it.effect("whatever becomes of the time of day, of which its error tells the right one", () =>
    Effect.gen(function* () {
      for (const jump of [-3_600_000, 3_600_000]) {
        const runner = yield* make({ breaker: { failures: 3, lasting: "2 seconds", openFor: "10 seconds" } })
        const call = runner.run(() => Effect.fail(refused), { policy: { retry: false } })
        yield* tagOf(call)
        yield* TestClock.adjust("1 second")
        yield* tagOf(call)
        yield* TestClock.adjust("1 second")
        const later = ofDay(jump)
        assert.strictEqual(yield* later(tagOf(call)), "ConnectionFailed")
        const error = yield* later(Effect.flip(call))
        assert(error instanceof CircuitOpen)
        // Two seconds ago, by the time of day of now.
        assert.strictEqual(error.since?.epochMilliseconds, (yield* later(Clock.currentTimeMillis)) - 2000)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* later(tagOf(runner.run(() => Effect.void))), "success")
      }
    }).pipe(Effect.scoped)
  )
})

describe("a circuit of a service that is called seldom", () => {
  it.effect("opens too: failures that take long, or that are minutes apart, are failures in a row", () =>
    Effect.gen(function* () {
      for (const [takes, between, most] of [
        // A call after the other, each attempt 19 s.
        [19_000, 0, 5],
        // A call every two minutes.
        [10, 120_000, 9]
      ] as const) {
        const runner = yield* make({})
        const { attempt, seen } = asking(() => Effect.delay(Effect.fail(refused), takes))
        const call = tagOf(runner.run(attempt))
        let ends = 0
        const until = Effect.gen(function* () {
          while ((yield* runner.circuit.state)._tag !== "Open" && ends++ < 20) {
            yield* call
            if (between > 0) yield* Effect.sleep(between)
          }
        })
        const fiber = yield* Effect.forkChild(until)
        for (let minute = 0; minute < 60 && fiber.pollUnsafe() === undefined; minute += 0.5) {
          yield* TestClock.adjust("30 seconds")
          if ((yield* runner.circuit.state)._tag === "Open") break
        }
        assert.strictEqual((yield* runner.circuit.state)._tag, "Open")
        assert.isAtMost(seen.attempts, most)
        yield* Fiber.interrupt(fiber)
      }
    }).pipe(quiet, Effect.scoped)
  )
})

describe("a circuit around calls", () => {
  it.effect("counts how calls end, and turns them away at once", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: { around: "calls", failures: 2 } })
      const { attempt, seen } = asking(() => Effect.fail(refused))
      const call = tagOf(runner.run(attempt))
      assert.deepStrictEqual(yield* settle(Effect.all([call, call, call])), [
        "ConnectionFailed",
        "ConnectionFailed",
        "CircuitOpen"
      ])
      assert.strictEqual(seen.attempts, 8)
      yield* TestClock.adjust("1 minute")
      let fails = 2
      const back = asking(() => (fails-- > 0 ? Effect.fail(refused) : Effect.succeed(1)))
      // The probe is a whole call, with its retries.
      assert.strictEqual(yield* settle(tagOf(runner.run(back.attempt))), "success")
      assert.strictEqual(yield* tagOf(runner.run(back.attempt)), "success")
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("counts a deadline that passes, and calls whose budget is spent", () =>
    Effect.gen(function* () {
      const spent = yield* make({
        breaker: { around: "calls", failures: 2 },
        retryBudget: { ratio: 0, perSecond: 0 }
      })
      const late = yield* make({ breaker: { around: "calls", failures: 2 }, deadline: "1 second" })
      for (const [runner, tag] of [
        [spent, "RetryBudgetSpent"],
        [late, "TimedOut"]
      ] as const) {
        const call = tagOf(runner.run(() => Effect.delay(Effect.fail(refused), "600 millis")))
        assert.deepStrictEqual(yield* settle(Effect.all([call, call, call])), [tag, tag, "CircuitOpen"])
      }
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("does not count what is the caller's own fault", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: { around: "calls", failures: 2 } })
      const rejected = new RequestRejected({ ...answer, status: 400 })
      const { attempt, seen } = asking(() => Effect.fail(rejected))
      for (let call = 0; call < 10; call++) yield* tagOf(runner.run(attempt))
      assert.strictEqual(seen.attempts, 10)
    }).pipe(Effect.scoped)
  )
})

describe("what is tried again", () => {
  const rejected = (status: number) => new RequestRejected({ ...answer, status })
  const failures = {
    refused,
    409: rejected(409),
    429: new RateLimited({ ...answer, status: 429 }),
    503: unavailable
  } as const
  const cases: ReadonlyArray<
    readonly [NonNullable<Policy.PolicyOptions["retry"]>, ReadonlyArray<keyof typeof failures>]
  > = [
    [{}, [429, 503, "refused"]],
    [{ serverErrors: false }, [429, "refused"]],
    [{ statuses: [] }, ["refused"]],
    [{ statuses: [409] }, [409, "refused"]],
    [{ statuses: [503], serverErrors: false }, [503, "refused"]]
  ]
  it.effect.each(cases)("under %j: after %j", ([retry, wanted]) =>
    Effect.gen(function* () {
      for (const [name, failure] of Object.entries(failures)) {
        const runner = yield* make({ retry, breaker: false })
        const { attempt, seen } = asking(() => Effect.fail(failure))
        yield* settle(tagOf(runner.run(attempt)))
        assert.strictEqual(seen.attempts, wanted.map(String).includes(name) ? 4 : 1, name)
      }
    }).pipe(quiet, Effect.scoped)
  )
})

describe("a call that meets an open circuit", () => {
  const opened = Effect.fnUntraced(function* (options: Policy.PolicyOptions) {
    const runner = yield* make(options)
    for (let call = 0; call < 5; call++) {
      yield* tagOf(runner.run(() => Effect.fail(refused), { policy: { retry: false } }))
    }
    assert.strictEqual((yield* runner.circuit.state)._tag, "Open")
    return runner
  })
  const succeeds = () => asking(() => Effect.succeed(1))

  it.effect("waits it out where its own waits last longer, and it costs no attempt", () =>
    Effect.gen(function* () {
      const runner = yield* opened({ breaker: { lasting: 0, openFor: "6 seconds" } })
      const call = runner.run(() => Effect.succeed(1))
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("7 seconds")
      const outcome = yield* Fiber.join(fiber)
      assert.strictEqual(outcome.attempts, 1)
      assert.strictEqual(Duration.toSeconds(outcome.duration), 7)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("fails at once where they do not, and where it is told not to wait", () =>
    Effect.gen(function* () {
      const runner = yield* opened({ breaker: { lasting: 0, openFor: "7001 millis" } })
      assert.strictEqual(yield* tagOf(runner.run(succeeds().attempt)), "CircuitOpen")
      yield* TestClock.adjust("5 seconds")
      const impatient = runner.run(succeeds().attempt, { waitsForCircuit: false })
      assert.strictEqual(yield* tagOf(impatient), "CircuitOpen")
      assert.strictEqual(yield* settle(tagOf(runner.run(succeeds().attempt))), "success")
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("waits for a probe that is under way, of another call", () =>
    Effect.gen(function* () {
      const runner = yield* opened({ breaker: { lasting: 0, openFor: "1 second" } })
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(tagOf(runner.run(() => Effect.delay(Effect.void, "2 seconds"))), {
        startImmediately: true
      })
      const other = succeeds()
      const fiber = yield* Effect.forkChild(tagOf(runner.run(other.attempt)), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([yield* Fiber.join(probe), yield* Fiber.join(fiber)], ["success", "success"])
      assert.strictEqual(other.seen.attempts, 1)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("is one of no more that wait than the queue holds, also when others gave up waiting", () =>
    Effect.gen(function* () {
      const runner = yield* opened({ breaker: { lasting: 0, openFor: "5 seconds" }, queue: 3 })
      const { attempt, seen } = succeeds()
      const call = tagOf(runner.run(attempt))
      const fork = Effect.forkChild(call, { startImmediately: true })
      const first = yield* Effect.all(Array.from({ length: 8 }, () => fork))
      yield* Effect.yieldNow
      assert.strictEqual(first.filter((fiber) => fiber.pollUnsafe() === undefined).length, 3)
      yield* Fiber.interruptAll(first)
      const second = yield* Effect.all(Array.from({ length: 8 }, () => fork))
      yield* TestClock.adjust("30 seconds")
      const ends = yield* Effect.forEach(second, (fiber) => Fiber.join(fiber))
      assert.strictEqual(ends.filter((tag) => tag === "success").length, 3)
      assert.strictEqual(seen.attempts, 3)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("comes back with the others as slowly as they came: over the time that a call waits", () =>
    Effect.gen(function* () {
      const runner = yield* opened({ breaker: { lasting: 0, openFor: "5 seconds" }, concurrency: 1000 })
      const times: Array<number> = []
      const call = tagOf(runner.run(() => Effect.map(Clock.currentTimeMillis, (now) => void times.push(now))))
      const fork = Effect.forkChild(call, { startImmediately: true })
      const fibers = yield* Effect.all(Array.from({ length: 140 }, () => fork))
      yield* TestClock.adjust("30 seconds")
      const ends = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual(new Set(ends), new Set(["success"]))
      assert.isAtMost(densest(times, 1000), 21)
      assert.isAtMost(times.at(-1)! - times[0]!, 7100)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("does not wait where another service can be asked instead", () =>
    Effect.gen(function* () {
      let asked = 0
      const dead = Transport.layer({
        name: "dead",
        predict: () => Effect.suspend(() => (asked++, Effect.fail(refused))),
        policy: Policy.make({ breaker: { failures: 2, lasting: 0, openFor: "5 seconds" } })
      })
      const well = Transport.layer({ name: "well", predict: () => Effect.succeed(Fixtures.prediction) })
      const call = segment(ImageSource.bytes(Fixtures.image))
      yield* Effect.gen(function* () {
        yield* settle(tagOf(call), "3 seconds")
        const fiber = yield* Effect.forkChild(tagOf(call), { startImmediately: true })
        yield* TestClock.adjust(0)
        assert.strictEqual(fiber.pollUnsafe()?._tag, "Success")
        assert.strictEqual(asked, 2)
      }).pipe(Effect.provide(Transports.fallback([dead, well])))
    }).pipe(quiet)
  )
})
