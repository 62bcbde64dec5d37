/** The retry budget against a plain model, over random histories: as in Properties.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { RetryBudget } from "effect-segformer/policy"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { check, onTestClock } from "./models.ts"

describe("the retry budget against a plain model", () => {
  type Step = { readonly _tag: "Call" | "Retry" } | { readonly _tag: "Wait"; readonly millis: number }
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 10, arbitrary: fc.record({ _tag: fc.constant("Call" as const) }) },
    { weight: 20, arbitrary: fc.record({ _tag: fc.constant("Retry" as const) }) },
    {
      weight: 12,
      arbitrary: fc.record({
        _tag: fc.constant("Wait" as const),
        millis: fc.constantFrom(1, 400, 1000, 3000)
      })
    },
    { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Wait" as const), millis: fc.constant(20_000) }) }
  )

  it("allows what calls and time have put into the bucket, and so many ahead for each call of late", () =>
    check(
      fc.tuple(
        fc.constantFrom(0, 0.125, 0.25, 1),
        fc.integer({ min: 0, max: 4 }),
        fc.constantFrom(0, 0.5, 3),
        fc.array(step, { minLength: 50, maxLength: 150, size: "max" })
      ),
      async ([ratio, perSecond, burst, steps]) => {
        let time = 0
        let bucket = perSecond * 10
        const calls: Array<number> = []
        const recent = () => calls.filter((at) => at > Math.floor(time / 1000) - 10).length
        const add = (n: number) => (bucket = Math.min(bucket + n, perSecond * 10 + ratio * recent()))
        const expected = steps.map((each) => {
          if (each._tag === "Wait") {
            time += each.millis
            add((perSecond * each.millis) / 1000)
          }
          if (each._tag === "Call") {
            calls.push(Math.floor(time / 1000))
            add(ratio)
          }
          if (each._tag !== "Retry") return undefined
          const allowed = bucket - 1 + 1e-6 >= -burst * recent()
          if (allowed) bucket--
          return allowed
        })
        const budget = RetryBudget.make({ ratio, perSecond, burst })
        const seen = await onTestClock(
          Effect.forEach(steps, (each): Effect.Effect<boolean | undefined> =>
            each._tag === "Wait"
              ? Effect.as(TestClock.adjust(each.millis), undefined)
              : each._tag === "Call"
                ? Effect.as(budget.count(Effect.void), undefined)
                : budget.tryRetry
          )
        )
        assert.deepStrictEqual(seen, expected)
      }
    ))

  it("never lets retries add more than their share, where none a second are free", () =>
    check(
      fc.tuple(fc.constantFrom(0.1, 0.2, 0.5), fc.array(step, { maxLength: 200, size: "max" })),
      async ([ratio, steps]) => {
        const budget = RetryBudget.make({ ratio, perSecond: 0 })
        const load = await onTestClock(
          Effect.gen(function* () {
            let calls = 0
            let retries = 0
            for (const each of steps) {
              if (each._tag === "Wait") yield* TestClock.adjust(each.millis)
              else if (each._tag === "Call") yield* budget.count(Effect.sync(() => calls++))
              else if (yield* budget.tryRetry) retries++
            }
            return { calls, retries }
          })
        )
        assert.isAtMost(load.retries, ratio * load.calls + 1e-6)
      }
    ))

  it("refuses no call its retries in a pause that all meet at once", () =>
    check(
      fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 5 })),
      async ([callers, retries]) => {
        const budget = RetryBudget.make({ ratio: 0.2, perSecond: 3, burst: retries })
        const one = budget.count(
          Effect.forEach(Array.from({ length: retries }), () =>
            Effect.andThen(Effect.sleep("1 second"), budget.tryRetry)
          )
        )
        const allowed = await onTestClock(
          Effect.gen(function* () {
            const all = Effect.all(
              Array.from({ length: callers }, () => one),
              { concurrency: "unbounded" }
            )
            const fiber = yield* Effect.forkChild(all)
            yield* TestClock.adjust("1 minute")
            return yield* Fiber.join(fiber)
          })
        )
        assert.isTrue(allowed.flat().every(Boolean))
      },
      20
    ))
})
