/**
 * The state machines of the policy against plain models, over random histories on a test clock. The models are written
 * from the documentation, in a few lines of arithmetic: they share no code with what they check.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber } from "effect"
import { ConnectionFailed, RateLimited, ServiceUnavailable, Unauthorized } from "effect-segformer"
import { Policy, PolicyRunner } from "effect-segformer/policy"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { check, onTestClock } from "./models.ts"

const service = "http://test"
const answer = { service, detail: "" }
const unavailable = new ServiceUnavailable({ ...answer, status: 503 })
const unauthorized = new Unauthorized({ ...answer, status: 401 })
const unsent = new ConnectionFailed({ service, phase: "sending", sent: "no", detail: "" })
const unsure = new ConnectionFailed({ service, phase: "sending", sent: "maybe", detail: "" })

const now = TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))

describe("the circuit breaker against a plain model", () => {
  type Step =
    | { readonly _tag: "Wait"; readonly millis: number }
    | { readonly _tag: "Call"; readonly ends: "success" | "failure" | "refused" | "interrupted" }

  const step = fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({ _tag: fc.constant("Wait" as const), millis: fc.integer({ min: 1, max: 2500 }) })
    },
    {
      weight: 4,
      arbitrary: fc.record({
        _tag: fc.constant("Call" as const),
        ends: fc.constantFrom("success", "failure", "failure", "refused", "interrupted")
      })
    }
  ) as fc.Arbitrary<Step>

  const openFor = 1000

  /** Which calls run, and what the circuit is after each step. */
  const model = (steps: ReadonlyArray<Step>, trips: (outcomes: ReadonlyArray<boolean>) => boolean) => {
    let time = 0
    let state: "Closed" | "Open" | "HalfOpen" = "Closed"
    let openUntil = 0
    let failed: Array<boolean> = []
    return steps.map((each) => {
      if (each._tag === "Wait") {
        time += each.millis
        return { ran: undefined, state }
      }
      if (state === "Open" && time < openUntil) return { ran: false, state }
      if (state === "Open") state = "HalfOpen"
      const isProbe = state === "HalfOpen"
      if (each.ends === "success" || each.ends === "failure") {
        failed.push(each.ends === "failure")
        if (isProbe && each.ends === "success") state = "Closed"
        if ((isProbe && each.ends === "failure") || (!isProbe && trips(failed))) {
          state = "Open"
          openUntil = time + openFor
        }
        if (isProbe || state === "Open") failed = []
      }
      // A refusal or an interruption says nothing: a probe that ends so leaves its place to the next.
      return { ran: true, state }
    })
  }

  const observed = (steps: ReadonlyArray<Step>, breaker: NonNullable<Policy.PolicyOptions["breaker"]>) =>
    onTestClock(
      Effect.gen(function* () {
        const runner = yield* PolicyRunner.make({
          service,
          policy: Policy.make({ breaker, retry: false, attemptTimeout: false })
        })
        const seen: Array<{ ran: boolean | undefined; state: string }> = []
        for (const each of steps) {
          let ran: boolean | undefined
          if (each._tag === "Wait") {
            yield* TestClock.adjust(each.millis)
          } else {
            ran = false
            const attempt = (): Effect.Effect<void, ServiceUnavailable | Unauthorized> => {
              ran = true
              return each.ends === "success"
                ? Effect.void
                : each.ends === "failure"
                  ? Effect.fail(unavailable)
                  : each.ends === "refused"
                    ? Effect.fail(unauthorized)
                    : Effect.never
            }
            const fiber = yield* Effect.forkChild(runner.run(attempt), { startImmediately: true })
            if (each.ends === "interrupted") yield* Fiber.interrupt(fiber)
            yield* Fiber.await(fiber)
          }
          seen.push({ ran, state: (yield* runner.circuit.state)._tag })
        }
        return seen
      })
    )

  it("by failures in a row", () =>
    check(
      fc.tuple(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 40, size: "max" })),
      async ([failures, steps]) => {
        const trips = (outcomes: ReadonlyArray<boolean>) =>
          outcomes.length >= failures && outcomes.slice(-failures).every(Boolean)
        assert.deepStrictEqual(await observed(steps, { failures, openFor }), model(steps, trips))
      }
    ))

  it("by the rate of failures among the last calls", () =>
    check(
      fc.tuple(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom(0.2, 0.5, 0.75, 1),
        fc.array(step, { maxLength: 40, size: "max" })
      ),
      async ([a, b, threshold, steps]) => {
        const size = Math.max(a, b)
        const minimumCalls = Math.min(a, b)
        const trips = (outcomes: ReadonlyArray<boolean>) => {
          const last = outcomes.slice(-size)
          const share = last.filter(Boolean).length / last.length
          return last.length >= minimumCalls && share > 0 && share >= threshold
        }
        const rate = { size, minimumCalls, threshold }
        assert.deepStrictEqual(await observed(steps, { rate, openFor }), model(steps, trips))
      }
    ))

  it("however many calls come at once after it was open, one of them runs", () =>
    check(
      fc.tuple(fc.integer({ min: 2, max: 30 }), fc.constantFrom("success", "failure", "interrupted")),
      async ([callers, ends]) => {
        const ran = await onTestClock(
          Effect.gen(function* () {
            const runner = yield* PolicyRunner.make({
              service,
              policy: Policy.make({
                breaker: { failures: 1, openFor },
                retry: false,
                attemptTimeout: false,
                concurrency: 100
              })
            })
            yield* Effect.exit(runner.run(() => Effect.fail(unavailable)))
            yield* TestClock.adjust(openFor)
            let running = 0
            const attempt = () =>
              Effect.suspend(() => {
                running++
                return Effect.delay(
                  ends === "success"
                    ? Effect.void
                    : ends === "failure"
                      ? Effect.fail(unavailable)
                      : Effect.never,
                  10
                )
              })
            const fibers = yield* Effect.forEach(Array.from({ length: callers }), () =>
              Effect.forkChild(runner.run(attempt), { startImmediately: true })
            )
            yield* TestClock.adjust(10)
            const first = running
            yield* Fiber.interruptAll(fibers)
            // An interrupted probe has freed its place; a failed one has opened the circuit again.
            running = 0
            const next = yield* Effect.forkChild(runner.run(attempt), { startImmediately: true })
            yield* TestClock.adjust(10)
            yield* Fiber.interrupt(next)
            return [first, running]
          })
        )
        assert.deepStrictEqual(ran, [1, ends === "failure" ? 0 : 1])
      },
      50
    ))
})

describe("retries against a plain model", () => {
  type Ending = "ok" | "503" | "401" | "unsent" | "unsure" | "slow" | { readonly retryAfter: number }
  const ending: fc.Arbitrary<Ending> = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom<Ending>("ok", "401") },
    { weight: 5, arbitrary: fc.constantFrom<Ending>("503", "unsent", "unsure", "slow") },
    { weight: 2, arbitrary: fc.record({ retryAfter: fc.constantFrom(0, 300, 5000, 30_000, 90_000) }) }
  )
  type Failure = ServiceUnavailable | Unauthorized | ConnectionFailed | RateLimited
  const failureOf = (each: Exclude<Ending, "slow">): Failure | undefined => {
    switch (each) {
      case "ok":
        return undefined
      case "503":
        return unavailable
      case "401":
        return unauthorized
      case "unsent":
        return unsent
      case "unsure":
        return unsure
      default:
        return new RateLimited({ ...answer, status: 429, retryAfter: Duration.millis(each.retryAfter) })
    }
  }
  const policies = fc.record({
    times: fc.integer({ min: 0, max: 5 }),
    delay: fc.constantFrom(50, 1000),
    factor: fc.constantFrom(1, 2, 3),
    maxDelay: fc.constantFrom(500, 10_000),
    serverErrors: fc.boolean(),
    resend: fc.constantFrom<Policy.Resend>("always", "unless-sent"),
    deadline: fc.constantFrom<number | false>(false, 2500, 12_345)
  })
  const attemptTimeout = 2000
  /** An attempt that does end takes this long. */
  const takes = 10

  it("attempts start when, and the call ends as, the policy says", () =>
    check(
      fc.tuple(policies, fc.array(ending, { minLength: 6, maxLength: 6 })),
      async ([{ deadline, delay, factor, maxDelay, resend, serverErrors, times }, endings]) => {
        const starts: Array<number> = []
        let time = 0
        let tag = ""
        for (let number = 1; ; number++) {
          starts.push(time)
          const each = endings[number - 1]!
          time += each === "slow" ? attemptTimeout : takes
          tag = each === "slow" ? "TimedOut" : (failureOf(each)?._tag ?? "ok")
          const asked = typeof each === "object" ? each.retryAfter : 0
          const mayRepeat =
            each !== "ok" &&
            each !== "401" &&
            (serverErrors || each !== "503") &&
            // An attempt of this test that is slow has left the preparing behind; 429 says that nothing was done.
            (resend === "always" || each === "unsent" || typeof each === "object")
          if (number > times || !mayRepeat || asked > 60_000) break
          time += Math.max(Math.min(delay * factor ** (number - 1), maxDelay), asked)
        }
        const cut = deadline !== false && time > deadline
        const expected = {
          starts: deadline === false ? starts : starts.filter((at) => at < deadline),
          tag: cut ? "TimedOut" : tag,
          ended: cut ? deadline : time
        }
        const seen = await onTestClock(
          Effect.gen(function* () {
            const runner = yield* PolicyRunner.make({
              service,
              policy: Policy.make({
                attemptTimeout,
                deadline,
                resend,
                retry: { times, delay, factor, maxDelay, serverErrors },
                breaker: false,
                retryBudget: false
              })
            })
            const started: Array<number> = []
            const call = runner.run((attempt) =>
              Effect.flatMap(now, (at) => {
                started.push(at)
                attempt.phase = "waiting"
                const each = endings[attempt.number - 1]!
                if (each === "slow") return Effect.never
                const failure = failureOf(each)
                return Effect.delay(failure === undefined ? Effect.void : Effect.fail(failure), takes)
              })
            )
            let ended = -1
            const settled = Effect.exit(call).pipe(
              Effect.tap(() => Effect.map(now, (at) => void (ended = at)))
            )
            const fiber = yield* Effect.forkChild(settled, { startImmediately: true })
            yield* TestClock.adjust("1 hour")
            const exit = yield* Fiber.join(fiber)
            const found = Exit.isSuccess(exit) ? "ok" : Exit.findErrorOption(exit)
            return {
              starts: started,
              tag: found === "ok" ? "ok" : found._tag === "Some" ? found.value._tag : "defect",
              ended
            }
          })
        )
        assert.deepStrictEqual(seen, expected)
      },
      300
    ))
})
