import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Random } from "effect"
import { Policy } from "effect-segformer/policy"
import * as Backoff from "../../src/policy/Backoff.ts"

const { retry } = Policy.standard
const millis = (policy: Policy.RetryPolicy, number: number, retryAfter?: Duration.Duration) =>
  Effect.map(Backoff.delay(policy, number, retryAfter), Duration.toMillis)

describe("the wait before a retry", () => {
  it.effect.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [4, 8000],
    [5, 10_000],
    [5000, 10_000]
  ] as const)("number %d is %d ms: twice the one before, up to the longest", ([number, expected]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* millis(retry, number), expected)
    })
  )

  it.effect("of nothing stays nothing, however often", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* millis({ ...retry, delay: Duration.zero }, 5000), 0)
    })
  )

  it.effect("is spread over 80 % to 120 % with jitter, and never to before Retry-After", () =>
    Effect.gen(function* () {
      const spread = { ...retry, jitter: true }
      const waits = yield* Effect.all(Array.from({ length: 200 }, () => millis(spread, 2)))
      assert.isTrue(waits.every((wait) => wait >= 1600 && wait <= 2400))
      assert.isAbove(new Set(waits).size, 100)
      const asked = yield* Effect.all(
        Array.from({ length: 200 }, () => millis(spread, 2, Duration.millis(2300)))
      )
      assert.isTrue(asked.every((wait) => wait >= 2300))
    }).pipe(Random.withSeed("waits"))
  )
})
