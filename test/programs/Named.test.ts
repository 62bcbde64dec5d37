/** Several models in one program: a name chooses for a call, options change for what is within. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Duration, Effect, Fiber, type Layer, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import {
  ImageSource,
  Policy,
  RateLimited,
  segment,
  ServiceUnavailable,
  Transport,
  Transports,
  withSegmentOptions
} from "effect-segformer"
import { PolicyRunner } from "effect-segformer/policy"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"

const image = ImageSource.bytes(Fixtures.image)
const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const asked: Array<string> = []
const member = (name: string) =>
  SegFormerTest.layer(
    () =>
      Effect.sync(() => {
        asked.push(name)
        return Fixtures.prediction
      }),
    { name }
  )

describe("Transports.named", () => {
  const models = Transports.named({ small: member("small"), large: member("large") })
  const which = Effect.map(Transport, ({ name }) => name)

  it.effect("has the first one answer, unless a call chooses another", () =>
    Effect.gen(function* () {
      asked.length = 0
      yield* segment(image)
      yield* segment(image).pipe(models.use("large"))
      yield* models.use(segment(image), "small")
      yield* segment(image)
      assert.deepStrictEqual(asked, ["small", "large", "small", "small"])
      // The innermost choice holds, and only within.
      const inner = Effect.all([which, which.pipe(models.use("small"))])
      assert.deepStrictEqual(yield* inner.pipe(models.use("large")), ["large", "small"])
      assert.strictEqual(yield* which, "small")
    }).pipe(Effect.provide(models.layer))
  )

  it.effect("builds each once, and each keeps its own state", () =>
    Effect.gen(function* () {
      const first = yield* models.use(Transport, "large")
      assert.strictEqual(yield* models.use(Transport, "large"), first)
      assert.notStrictEqual(yield* Transport, first)
    }).pipe(Effect.provide(models.layer))
  )

  it.effect("two sets in one program do not meet", () => {
    const others = Transports.named({ large: member("another large") })
    return Effect.gen(function* () {
      assert.strictEqual(yield* which.pipe(models.use("large")), "large")
      assert.strictEqual(yield* which.pipe(others.use("large")), "another large")
    }).pipe(Effect.provide(models.layer), Effect.provide(others.layer))
  })

  it("knows its names, so that a text from outside can be told from them", () => {
    assert.deepStrictEqual(models.names, ["small", "large"])
    assert.deepStrictEqual(["large", "huge", "toString"].map(models.is), [true, false, false])
    expectTypeOf(models.layer).toEqualTypeOf<
      Layer.Layer<Transport | Transports.NamedMembers<"small" | "large">>
    >()
    expectTypeOf(models.use).parameter(0).toExtend<unknown>()
    // @ts-expect-error There is no such model.
    assert.isFunction(models.use("huge"))
    assert.throws(() => Transports.named({}), RangeError)
  })
})

describe("withSegmentOptions", () => {
  const down = new ServiceUnavailable({ service: "test", status: 503, detail: "maintenance" })
  const failing = SegFormerTest.layer(() => Effect.fail(down), { policy: { breaker: false } })
  const attempts = <R>(self: Effect.Effect<unknown, unknown, R>) =>
    Effect.gen(function* () {
      let count = 0
      const counting = SegFormerTest.layer(() => Effect.suspend(() => (count++, Effect.fail(down))), {
        policy: { breaker: false, retryBudget: false }
      })
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.provide(self, counting)))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      return count
    }).pipe(quiet)

  it.effect("changes what is within it, also where another function calls", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* attempts(segment(image)), 4)
      const once = withSegmentOptions({ policy: { retry: false } })
      assert.strictEqual(yield* attempts(segment(image).pipe(once)), 1)
      assert.strictEqual(yield* attempts(once(Effect.exit(segment(image)))), 1)
      const small = yield* Effect.flip(
        segment(image).pipe(withSegmentOptions({ limits: { maxPixels: 5 } }), Effect.provide(failing))
      )
      assert.strictEqual(small._tag, "ImageTooLarge")
    })
  )

  it.effect("a call's own options go before it, and of two the inner one's, part by part", () =>
    Effect.gen(function* () {
      const own = segment(image, { policy: { retry: { times: 2 } } })
      assert.strictEqual(
        yield* attempts(own.pipe(withSegmentOptions({ policy: { retry: { times: 0 } } }))),
        3
      )
      const both = segment(image).pipe(
        withSegmentOptions({ policy: { retry: { times: 1 } } }),
        withSegmentOptions({
          policy: { retry: { times: 0, delay: "1 minute" } },
          limits: { maxPixels: 5000 }
        })
      )
      assert.strictEqual(yield* attempts(both), 2)
    })
  )
})

describe("a schedule of one's own", () => {
  /** When each attempt begins, in milliseconds, against a service that fails so. */
  const starts = (retry: Policy.PolicyOptions["retry"], error: ServiceUnavailable | RateLimited) =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const runner = yield* PolicyRunner.make({
        service: "test",
        policy: Policy.make({ retry, breaker: false, retryBudget: false, attemptTimeout: false })
      })
      const fiber = yield* Effect.forkChild(
        Effect.exit(
          runner.run(() =>
            Effect.andThen(
              TestClock.testClockWith((clock) =>
                Effect.sync(() => void at.push(clock.currentTimeMillisUnsafe()))
              ),
              Effect.fail(error)
            )
          )
        )
      )
      yield* TestClock.adjust("1 day")
      yield* Fiber.join(fiber)
      return at.map((time) => time - at[0]!)
    }).pipe(Effect.scoped, quiet)
  const down = new ServiceUnavailable({ service: "test", status: 503, detail: "maintenance" })

  it.effect("says how long to wait, and `times` how often at most", () =>
    Effect.gen(function* () {
      const fibonacci = Schedule.fibonacci("1 second")
      assert.deepStrictEqual(
        yield* starts({ schedule: fibonacci, times: 4 }, down),
        [0, 1000, 2000, 4000, 7000]
      )
      // One that ends before that ends the retries.
      const twice = Schedule.max([Schedule.spaced("5 seconds"), Schedule.recurs(2)])
      assert.deepStrictEqual(yield* starts({ schedule: twice, times: 9 }, down), [0, 5000, 10_000])
    })
  )

  it.effect("Retry-After stays a lower bound", () =>
    Effect.gen(function* () {
      const busy = new RateLimited({
        service: "test",
        status: 429,
        detail: "busy",
        retryAfter: Duration.seconds(7)
      })
      assert.deepStrictEqual(
        yield* starts({ schedule: Schedule.spaced("1 second"), times: 2 }, busy),
        [0, 7000, 14_000]
      )
      assert.deepStrictEqual(
        yield* starts({ schedule: Schedule.spaced("9 seconds"), times: 1 }, busy),
        [0, 9000]
      )
    })
  )
})
