/**
 * Calls that overlap, against plain models over random histories on a test clock: the circuit, the queue, the rate limit and
 * the jitter. The models are written from the documentation and share no code with what they check.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Logger, type Scope } from "effect"
import { RateLimited, ServiceUnavailable, Unauthorized } from "effect-segformer"
import { Policy, PolicyRunner } from "effect-segformer/policy"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

const service = "http://test"
const unavailable = new ServiceUnavailable({ service, status: 503, detail: "" })
const unauthorized = new Unauthorized({ service, status: 401, detail: "" })

const onTestClock = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(
    effect.pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.provide(Logger.layer([])))
  )

const check = <T>(history: fc.Arbitrary<T>, property: (history: T) => Promise<void>, numRuns = 200) =>
  fc.assert(fc.asyncProperty(history, property), { numRuns })

const now = TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))

const runnerOf = (policy: Policy.PolicyOptions) =>
  PolicyRunner.make({
    service,
    policy: Policy.make({
      retry: false,
      attemptTimeout: false,
      breaker: false,
      concurrency: 1000,
      ...policy
    })
  })

type Ends = "success" | "failure" | "refused" | "interrupted"

/** A call starts, the oldest but `age` of those under way ends, or time passes. */
type Step =
  | { readonly _tag: "Start" }
  | { readonly _tag: "End"; readonly age: number; readonly ends: Ends }
  | { readonly _tag: "Wait"; readonly millis: number }

const stepOf = (waits: ReadonlyArray<number>): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Step>({ _tag: "Start" }) },
    {
      weight: 5,
      arbitrary: fc.record({
        _tag: fc.constant("End" as const),
        age: fc.integer({ min: 0, max: 5 }),
        ends: fc.constantFrom<Ends>("success", "failure", "failure", "failure", "refused", "interrupted")
      })
    },
    {
      weight: 2,
      arbitrary: fc.record({ _tag: fc.constant("Wait" as const), millis: fc.constantFrom(...waits) })
    }
  )

/** Plays a history over a runner, and tells after each step what `look` sees. */
const play = <A>(
  steps: ReadonlyArray<Step>,
  runner: PolicyRunner.PolicyRunner,
  look: (started: ReadonlyArray<number>, refused: ReadonlyArray<string>) => Effect.Effect<A>
) =>
  Effect.gen(function* () {
    const started: Array<number> = []
    const refused: Array<string> = []
    const open: Array<{
      readonly id: number
      readonly fiber: Fiber.Fiber<unknown, unknown>
      readonly end: Deferred.Deferred<void, ServiceUnavailable | Unauthorized>
    }> = []
    const seen: Array<A> = []
    let next = 0
    for (const step of steps) {
      if (step._tag === "Wait") {
        yield* TestClock.adjust(step.millis)
      } else if (step._tag === "Start") {
        const id = next++
        const end = Deferred.makeUnsafe<void, ServiceUnavailable | Unauthorized>()
        const call = runner
          .run(() => Effect.suspend(() => (started.push(id), Deferred.await(end))))
          .pipe(
            Effect.tapError(({ _tag }) =>
              Effect.sync(() => {
                if (_tag === "CircuitOpen" || _tag === "QueueFull") refused.push(`${id} ${_tag}`)
              })
            )
          )
        const fiber = yield* Effect.forkChild(call, { startImmediately: true })
        yield* Effect.yieldNow
        if (fiber.pollUnsafe() === undefined) open.push({ id, fiber, end })
      } else if (open.length > 0) {
        const [ended] = open.splice(Math.min(step.age, open.length - 1), 1)
        if (ended === undefined) continue
        // One that still waits for its turn ends only by being given up.
        if (step.ends === "interrupted" || !started.includes(ended.id)) yield* Fiber.interrupt(ended.fiber)
        else if (step.ends === "success") yield* Deferred.succeed(ended.end, undefined)
        else yield* Deferred.fail(ended.end, step.ends === "failure" ? unavailable : unauthorized)
        yield* Fiber.await(ended.fiber)
        yield* Effect.yieldNow
      }
      seen.push(yield* look([...started], [...refused]))
    }
    yield* Fiber.interruptAll(open.map(({ fiber }) => fiber))
    return seen
  })

describe("a circuit whose calls overlap, against a plain model", () => {
  const openFor = 1000
  const slowAfter = 500

  const model = (steps: ReadonlyArray<Step>, failures: number) => {
    let time = 0
    let state: "Closed" | "Open" | "HalfOpen" = "Closed"
    let openUntil = 0
    let inARow = 0
    /** What began under another state of the circuit says nothing about this one. */
    let generation = 0
    let probe: number | undefined
    let next = 0
    const started: Array<number> = []
    const open: Array<{ readonly id: number; readonly generation: number; readonly at: number }> = []
    const become = (other: typeof state) => {
      state = other
      generation++
      inARow = 0
      probe = undefined
      if (other === "Open") openUntil = time + openFor
    }
    return steps.map((step) => {
      if (step._tag === "Wait") time += step.millis
      if (step._tag === "Start") {
        const id = next++
        if (state === "Open" && time >= openUntil) become("HalfOpen")
        const isIn = state === "Closed" || (state === "HalfOpen" && probe === undefined)
        if (isIn) {
          if (state === "HalfOpen") {
            probe = id
            generation++
          }
          started.push(id)
          open.push({ id, generation, at: time })
        }
      }
      if (step._tag === "End" && open.length > 0) {
        const [call] = open.splice(Math.min(step.age, open.length - 1), 1)
        if (call !== undefined && call.generation === generation) {
          const isGood = step.ends === "success" && time - call.at <= slowAfter
          const isBad = step.ends === "failure" || (step.ends === "success" && !isGood)
          if (call.id === probe) {
            if (isGood) become("Closed")
            else if (isBad) become("Open")
            else probe = undefined
          } else if (isBad) {
            if (++inARow >= failures) become("Open")
          } else if (isGood) inARow = 0
        }
      }
      return { state, started: [...started] }
    })
  }

  it("only outcomes of calls that began under it count, and slow successes are failures", () =>
    check(
      fc.tuple(
        fc.integer({ min: 1, max: 4 }),
        fc.array(stepOf([1, 300, 600, 1000]), { maxLength: 60, size: "max" })
      ),
      async ([failures, steps]) => {
        const seen = await onTestClock(
          Effect.gen(function* () {
            const runner = yield* runnerOf({ breaker: { failures, openFor, slowAfter } })
            return yield* play(steps, runner, (started) =>
              Effect.map(runner.circuit.state, ({ _tag }) => ({ state: _tag, started }))
            )
          })
        )
        assert.deepStrictEqual(seen, model(steps, failures))
      },
      300
    ))
})

describe("the queue against a plain model", () => {
  it("so many at once, so many waiting in the order they came, and the rest turned away", () =>
    check(
      fc.tuple(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(stepOf([1]), { maxLength: 60, size: "max" })
      ),
      async ([concurrency, queue, steps]) => {
        let next = 0
        const started: Array<number> = []
        const refused: Array<string> = []
        const running = new Set<number>()
        const waiting: Array<number> = []
        const open: Array<number> = []
        const begin = (id: number) => {
          running.add(id)
          started.push(id)
        }
        const expected = steps.map((step) => {
          if (step._tag === "Start") {
            const id = next++
            if (running.size < concurrency) begin(id)
            else if (waiting.length < queue) waiting.push(id)
            else refused.push(`${id} QueueFull`)
            if (running.has(id) || waiting.includes(id)) open.push(id)
          }
          if (step._tag === "End" && open.length > 0) {
            const [id = -1] = open.splice(Math.min(step.age, open.length - 1), 1)
            if (running.delete(id)) {
              const first = waiting.shift()
              if (first !== undefined) begin(first)
            } else waiting.splice(waiting.indexOf(id), 1)
          }
          return { started: [...started], refused: [...refused] }
        })
        const seen = await onTestClock(
          Effect.gen(function* () {
            const runner = yield* runnerOf({ concurrency, queue })
            return yield* play(steps, runner, (started, refused) => Effect.succeed({ started, refused }))
          })
        )
        assert.deepStrictEqual(seen, expected)
      }
    ))
})

describe("the rate limit against a plain model", () => {
  it("an attempt starts as soon as the bucket has a token, and not before", () =>
    check(
      fc.tuple(
        fc.constantFrom(1, 2, 4, 5, 10),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 30, size: "max" })
      ),
      async ([limit, burst, gaps]) => {
        // One token every so many milliseconds, and never more than `burst` of them: a line that is paid off.
        const every = 1000 / limit
        let arrival = 0
        let paidUntil = 0
        const expected = gaps.map((gap) => {
          arrival += gap
          const start = Math.max(arrival, paidUntil - (burst - 1) * every)
          paidUntil = Math.max(paidUntil, arrival) + every
          return start
        })
        const started = await onTestClock(
          Effect.gen(function* () {
            const runner = yield* runnerOf({ rateLimit: { limit, burst } })
            const starts: Array<number> = []
            const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
            for (const [index, gap] of gaps.entries()) {
              yield* TestClock.adjust(gap)
              const call = runner.run(() => Effect.map(now, (at) => void (starts[index] = at)))
              fibers.push(yield* Effect.forkChild(call, { startImmediately: true }))
              yield* Effect.yieldNow
            }
            yield* TestClock.adjust("1 hour")
            yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
            return starts
          })
        )
        assert.deepStrictEqual(started, expected)
      }
    ))
})

describe("jitter", () => {
  it("spreads each wait over 80 % to 120 %, and is never sooner than Retry-After", () =>
    check(
      fc.tuple(
        fc.constantFrom(50, 1000, 3000),
        fc.array(fc.option(fc.constantFrom(0, 900, 5000)), { minLength: 4, maxLength: 4 })
      ),
      async ([delay, asks]) => {
        const starts = await onTestClock(
          Effect.gen(function* () {
            const runner = yield* runnerOf({
              retry: { times: 4, delay, jitter: true, maxDelay: 10_000 },
              retryBudget: false
            })
            const starts: Array<number> = []
            const call = runner.run(({ number }) =>
              Effect.flatMap(now, (at) => {
                starts.push(at)
                const asked = asks[number - 1]
                return Effect.fail(
                  asked === null || asked === undefined
                    ? unavailable
                    : new RateLimited({
                        service,
                        status: 429,
                        detail: "",
                        retryAfter: Duration.millis(asked)
                      })
                )
              })
            )
            const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
            yield* TestClock.adjust("1 hour")
            yield* Fiber.join(fiber)
            return starts
          })
        )
        assert.strictEqual(starts.length, 5)
        for (const [index, asked] of asks.entries()) {
          // Times of this clock are fractions that do not add up to the last digit.
          const gap = Math.round((starts[index + 1]! - starts[index]!) * 1e6) / 1e6
          const usual = Math.min(delay * 2 ** index, 10_000)
          assert.isAtLeast(gap, Math.max(Math.floor(usual * 0.8), asked ?? 0))
          assert.isAtMost(gap, Math.max(Math.ceil(usual * 1.2), asked ?? 0))
        }
      }
    ))
})
