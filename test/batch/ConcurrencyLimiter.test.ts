import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import {
  ImageSource,
  Policy,
  RateLimited,
  segment,
  type SegmentationError,
  Transport
} from "effect-segformer"
import { Fixtures } from "effect-segformer/testing"
import * as ConcurrencyLimiter from "../../src/batch/ConcurrencyLimiter.ts"

const image = segment(ImageSource.bytes(Fixtures.image))

/** A service that takes 100 ms an image as long as it has no more than `capacity` of them. */
const service = (capacity: number, beyond: (inside: number) => Effect.Effect<void, SegmentationError>) => {
  const seen = { most: 0, inside: 0, refused: 0 }
  const layer = Transport.layer({
    name: "stub",
    policy: Policy.make({ concurrency: 1000, retryBudget: false, breaker: false, retry: { times: 10 } }),
    predict: () =>
      Effect.suspend(() => {
        seen.most = Math.max(seen.most, ++seen.inside)
        return Effect.andThen(seen.inside > capacity ? beyond(seen.inside) : Effect.sleep(100), () =>
          Effect.succeed(Fixtures.prediction)
        )
      }).pipe(
        Effect.ensuring(Effect.sync(() => void seen.inside--)),
        Effect.tapError(() => Effect.sync(() => void seen.refused++))
      )
  })
  return { layer, seen }
}

/** So many images through a limiter, as many at once as it lets; gives its limit over the last half. */
const through = (count: number, concurrency: ConcurrencyLimiter.Concurrency) =>
  Effect.gen(function* () {
    const limiter = yield* ConcurrencyLimiter.make({ concurrency, maxWait: Duration.minutes(10) })
    const limits: Array<number> = []
    const calls = Effect.forEach(
      Array.from({ length: count }),
      () => Effect.tap(limiter.pass(image), () => Effect.sync(() => limits.push(limiter.limit()))),
      { concurrency: 200, discard: true }
    )
    const fiber = yield* Effect.forkChild(calls)
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(fiber)
    const late = limits.slice(count / 2)
    return { mean: late.reduce((sum, limit) => sum + limit, 0) / late.length, last: limiter.limit() }
  })

describe("ConcurrencyLimiter", () => {
  it.effect("lets a fixed number through at once", () =>
    Effect.gen(function* () {
      const { layer, seen } = service(1000, () => Effect.void)
      const { last } = yield* Effect.provide(through(100, 7), layer)
      assert.deepStrictEqual([seen.most, last], [7, 7])
    })
  )

  it.effect("stops growing where answers only take longer", () =>
    Effect.gen(function* () {
      // Beyond its capacity, images wait for each other.
      const { layer } = service(12, (inside) => Effect.sleep((100 * inside) / 12))
      const { mean } = yield* Effect.provide(through(3000, { max: 100 }), layer)
      assert.isAbove(mean, 10)
      assert.isBelow(mean, 32)
    })
  )

  it.effect("keeps near what a service that answers 429 beyond it can take", () =>
    Effect.gen(function* () {
      const { layer, seen } = service(12, () =>
        Effect.fail(new RateLimited({ service: "stub", status: 429, detail: "" }))
      )
      const { mean } = yield* Effect.provide(through(3000, { max: 100 }), layer)
      assert.isAbove(mean, 6)
      assert.isBelow(mean, 13.5)
      assert.isBelow(seen.refused / 3000, 0.2)
    })
  )

  it.effect("grows to its bound where the service has room, and never below the lower one", () =>
    Effect.gen(function* () {
      const roomy = service(1000, () => Effect.void)
      assert.strictEqual((yield* Effect.provide(through(3000, { max: 40 }), roomy.layer)).last, 40)
      const refusing = service(0, () =>
        Effect.fail(new RateLimited({ service: "stub", status: 429, detail: "" }))
      )
      const limiter = ConcurrencyLimiter.make({ concurrency: { min: 3, max: 40 }, maxWait: Duration.zero })
      const limit = yield* Effect.flatMap(limiter, ({ limit, pass }) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(
            Effect.forEach(Array.from({ length: 30 }), () => Effect.exit(pass(image)), { concurrency: 10 })
          )
          yield* TestClock.adjust("1 hour")
          yield* Fiber.join(fiber)
          return limit()
        })
      ).pipe(Effect.provide(Layer.fresh(refusing.layer)))
      assert.strictEqual(limit, 3)
    })
  )

  it("refuses a number that is none", () => {
    assert.throws(
      () =>
        Effect.runSync(
          Effect.provide(
            ConcurrencyLimiter.make({ concurrency: 0, maxWait: Duration.zero }),
            service(1, () => Effect.void).layer
          )
        ),
      /`concurrency` must be a whole number of at least 1, but is 0/
    )
  })
})
