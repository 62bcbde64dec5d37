import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Metric, Stream } from "effect"
import { ConnectionFailed, ServiceUnavailable } from "effect-segformer"
import { type CircuitChange, Policy, PolicyRunner, PolicyStores } from "effect-segformer/policy"
import { TestClock } from "effect/testing"

const service = "http://test"
const unavailable = new ServiceUnavailable({ service, status: 503, detail: "" })
const now = TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))
const quiet = Effect.provide(Logger.layer([]))
const make = (options: Policy.PolicyOptions) => PolicyRunner.make({ service, policy: Policy.make(options) })

describe("the rate limit", () => {
  const starts = (options: Policy.PolicyOptions, calls: number) =>
    Effect.gen(function* () {
      const runner = yield* make(options)
      const seen: Array<number> = []
      const call = runner.run(() => Effect.map(now, (at) => void seen.push(at)))
      const fiber = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: calls }, () => Effect.exit(call)),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 minute")
      return { seen, exits: yield* Fiber.join(fiber) }
    })

  it.effect("lets a burst go at once and then one every window / limit", () =>
    Effect.gen(function* () {
      const { seen } = yield* starts({ rateLimit: { limit: 4, window: "1 second" } }, 8)
      assert.deepStrictEqual(seen, [0, 0, 0, 0, 250, 500, 750, 1000])
    }).pipe(Effect.scoped)
  )

  it.effect("spaces attempts evenly with a burst of 1", () =>
    Effect.gen(function* () {
      const { seen } = yield* starts({ rateLimit: { limit: 2, window: "1 second", burst: 1 } }, 4)
      assert.deepStrictEqual(seen, [0, 500, 1000, 1500])
    }).pipe(Effect.scoped)
  )

  it.effect("is off unless asked for", () =>
    Effect.gen(function* () {
      const { seen } = yield* starts({ concurrency: 100 }, 100)
      assert.isTrue(seen.every((at) => at === 0))
    }).pipe(Effect.scoped)
  )

  it.effect("counts retries, and waiting for it does not count against the attempt", () =>
    Effect.gen(function* () {
      const runner = yield* make({
        rateLimit: { limit: 1, window: "10 seconds" },
        attemptTimeout: "1 second",
        breaker: false
      })
      const seen: Array<number> = []
      const attempt = () =>
        Effect.flatMap(now, (at) => (seen.push(at), seen.length < 3 ? Effect.fail(unavailable) : Effect.void))
      const fiber = yield* Effect.forkChild(runner.run(attempt))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).attempts, 3)
      assert.deepStrictEqual(seen, [0, 10_000, 20_000])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("callers that wait for it fill the queue, which stays bounded", () =>
    Effect.gen(function* () {
      const { exits } = yield* starts({ rateLimit: { limit: 1 }, concurrency: 2, queue: 3 }, 10)
      // One goes at once, two wait for the rate with a permit each, and three wait for a permit.
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 6)
      assert.strictEqual(exits.filter((exit) => String(exit).includes("QueueFull")).length, 4)
    }).pipe(Effect.scoped)
  )

  it.effect("an hour that the wall clock loses changes nothing", () =>
    Effect.gen(function* () {
      const runner = yield* make({ rateLimit: { limit: 1 } })
      yield* TestClock.adjust("2 hours")
      yield* runner.run(() => Effect.void)
      // The test clock's monotonic time goes on while its time of day is set back.
      yield* TestClock.setTime(3_600_000)
      yield* TestClock.adjust("10 seconds")
      // By the time of day the bucket would stay empty for an hour.
      const fiber = yield* Effect.forkChild(
        runner.run(() => Effect.void),
        { startImmediately: true }
      )
      assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.scoped)
  )

  it("refuses what is no rate", () => {
    assert.throws(() => Policy.make({ rateLimit: { limit: 0 } }), /`rateLimit.limit`/)
    assert.throws(() => Policy.make({ rateLimit: { limit: 1, window: 0 } }), /`rateLimit.window`/)
    assert.throws(() => Policy.make({ rateLimit: { limit: 1, burst: 0 } }), /`rateLimit.burst`/)
  })
})

describe("the circuit", () => {
  const fail = Effect.fail(unavailable)
  const states = (runner: PolicyRunner.PolicyRunner) => Effect.map(runner.circuit.state, ({ _tag }) => _tag)

  it.effect("opens by a rate of failures that never come in a row", () =>
    Effect.gen(function* () {
      const rate = { threshold: 0.5, size: 10, minimumCalls: 10 }
      const byRow = yield* make({ retry: false })
      const byRate = yield* make({ retry: false, breaker: { rate } })
      for (let i = 0; i < 12; i++) {
        for (const runner of [byRow, byRate]) {
          yield* Effect.exit(runner.run(() => (i % 2 === 0 ? fail : Effect.void)))
        }
      }
      assert.strictEqual(yield* states(byRow), "Closed")
      assert.strictEqual(yield* states(byRate), "Open")
    }).pipe(Effect.scoped)
  )

  it.effect("counts slow successes where it is asked to, and gives them to their callers", () =>
    Effect.gen(function* () {
      const slow = Effect.delay(Effect.succeed("late"), "3 seconds")
      const asked = yield* make({ breaker: { failures: 3, lasting: 0, slowAfter: "2 seconds" } })
      const unasked = yield* make({ breaker: { failures: 3 } })
      for (const runner of [asked, unasked]) {
        for (let i = 0; i < 3; i++) {
          const fiber = yield* Effect.forkChild(runner.run(() => slow))
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual((yield* Fiber.join(fiber)).value, "late")
        }
      }
      assert.strictEqual(yield* states(asked), "Open")
      assert.strictEqual(yield* states(unasked), "Closed")
    }).pipe(Effect.scoped)
  )

  it.effect("tells its changes as a stream, and counts them", () =>
    Effect.gen(function* () {
      const runner = yield* make({ retry: false, breaker: { failures: 2, openFor: "10 seconds" } })
      const seen: Array<string> = []
      const tell = ({ from, to }: CircuitChange) => Effect.sync(() => void seen.push(`${from} > ${to}`))
      yield* Effect.forkScoped(Stream.runForEach(runner.circuit.changes, tell), { startImmediately: true })
      const call = (attempt: Effect.Effect<void, ServiceUnavailable>) =>
        Effect.exit(runner.run(() => attempt))
      yield* call(fail)
      yield* call(fail)
      yield* TestClock.adjust("10 seconds")
      yield* call(fail)
      assert.deepInclude(yield* runner.circuit.state, { _tag: "Open" })
      yield* TestClock.adjust("10 seconds")
      yield* call(Effect.void)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(seen, [
        "Closed > Open",
        "Open > HalfOpen",
        "HalfOpen > Open",
        "Open > HalfOpen",
        "HalfOpen > Closed"
      ])
      const metrics = yield* Metric.snapshot
      const opened = metrics.filter(
        ({ attributes, id }) =>
          id === "segformer.circuit.changes" && attributes?.["segformer.circuit.to"] === "Open"
      )
      assert.deepStrictEqual(
        opened.map(({ attributes, state }) => [
          attributes?.["segformer.circuit.from"],
          "count" in state ? state.count : 0
        ]),
        [
          ["Closed", 1],
          ["HalfOpen", 1]
        ]
      )
      const gauge = metrics.find(({ id }) => id === "segformer.circuit.state")
      assert.deepInclude(gauge?.state, { value: 0 })
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("is closed, and stays silent, where the policy has none", () =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: false })
      assert.strictEqual(yield* states(runner), "Closed")
      assert.deepStrictEqual(yield* Stream.runCollect(runner.circuit.changes), [])
    }).pipe(Effect.scoped)
  )
})

describe("stores of the context", () => {
  const keyed = (key: string, options: Policy.PolicyOptions) =>
    PolicyRunner.make({ service: "one of several", key, policy: Policy.make(options) })

  it.effect("runners of one origin share a circuit, those of another do not", () =>
    Effect.gen(function* () {
      const options = { retry: false, breaker: { failures: 4 } } as const
      const first = yield* keyed(service, options)
      const second = yield* keyed(service, options)
      const other = yield* keyed("http://other", options)
      for (const runner of [first, second, first, second]) {
        yield* Effect.exit(runner.run(() => Effect.fail(unavailable)))
      }
      assert.strictEqual((yield* Effect.flip(first.run(() => Effect.void)))._tag, "CircuitOpen")
      assert.strictEqual((yield* Effect.flip(second.run(() => Effect.void)))._tag, "CircuitOpen")
      yield* other.run(() => Effect.void)
    }).pipe(quiet, Effect.provide(PolicyStores.layerMemory), Effect.scoped)
  )

  it.effect("and a rate limit", () =>
    Effect.gen(function* () {
      const options = { rateLimit: { limit: 2, window: "1 minute" } } as const
      const first = yield* keyed(service, options)
      const second = yield* keyed(service, options)
      const other = yield* keyed("http://other", options)
      const started: Array<number> = []
      const attempt = () => Effect.map(now, (at) => void started.push(at))
      const fibers = yield* Effect.forEach([first, second, first, other], (runner) =>
        Effect.forkChild(runner.run(attempt), { startImmediately: true })
      )
      yield* TestClock.adjust("1 minute")
      yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual(started, [0, 0, 0, 30_000])
    }).pipe(Effect.provide(PolicyStores.layerMemory), Effect.scoped)
  )
})

describe("resend: unless-sent", () => {
  const failed = (sent: "no" | "maybe") =>
    new ConnectionFailed({ service, phase: "sending", sent, detail: "" })
  const attemptsOf = (
    options: Policy.PolicyOptions,
    fail: Effect.Effect<never, ConnectionFailed | ServiceUnavailable>,
    phase: "preparing" | "waiting" = "waiting"
  ) =>
    Effect.gen(function* () {
      const runner = yield* make({ breaker: false, ...options })
      let attempts = 0
      const attempt = (current: { phase: string }) => {
        attempts++
        current.phase = phase
        return fail
      }
      const fiber = yield* Effect.forkChild(Effect.exit(runner.run(attempt)))
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.join(fiber)
      return attempts
    })

  it.effect("repeats what nobody took, and nothing else", () =>
    Effect.gen(function* () {
      const once = { resend: "unless-sent" } as const
      assert.strictEqual(yield* attemptsOf(once, Effect.fail(failed("no"))), 4)
      assert.strictEqual(yield* attemptsOf(once, Effect.fail(failed("maybe"))), 1)
      assert.strictEqual(yield* attemptsOf(once, Effect.fail(unavailable)), 1)
      assert.strictEqual(yield* attemptsOf(once, Effect.never), 1)
      // A time-out while the image was still being read.
      assert.strictEqual(yield* attemptsOf(once, Effect.never, "preparing"), 4)
      assert.strictEqual(yield* attemptsOf({}, Effect.fail(failed("maybe"))), 4)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("holds for the callers' own rules as well", () =>
    Effect.gen(function* () {
      const runner = yield* make({ resend: "unless-sent" })
      let attempts = 0
      const attempt = () => (attempts++, Effect.fail(failed("maybe")))
      const fiber = yield* Effect.forkChild(Effect.exit(runner.run(attempt, { retryWhen: () => true })))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(attempts, 1)
    }).pipe(quiet, Effect.scoped)
  )
})
