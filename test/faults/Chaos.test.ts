import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger } from "effect"
import { ImageSource, segment, type SegmentationError } from "effect-segformer"
import { Chaos, Fixtures, SegFormerTest } from "effect-segformer/testing"
import { TestClock } from "effect/testing"

const image = ImageSource.bytes(Fixtures.image)

/** How so many calls, one after the other, end under chaos; and how often the work was done. */
const run = (options: Chaos.ChaosOptions, calls: number) =>
  Effect.gen(function* () {
    let executions = 0
    const steady = SegFormerTest.layer(
      () => Effect.suspend(() => (executions++, Effect.succeed(Fixtures.prediction))),
      { policy: { retry: false, breaker: false, attemptTimeout: "1 minute" } }
    )
    const fiber = yield* Effect.forEach(Array.from({ length: calls }), () =>
      Effect.exit(segment(image))
    ).pipe(Effect.provide(Chaos.layer(options).pipe(Layer.provide(steady))), Effect.forkChild)
    yield* TestClock.adjust("100 hours")
    const tags = (yield* Fiber.join(fiber)).map((exit: Exit.Exit<unknown, SegmentationError>) => {
      const error = Exit.findErrorOption(exit)
      return error._tag === "Some" ? error.value._tag : "success"
    })
    return { tags, executions }
  }).pipe(Effect.provide(Logger.layer([])))

const share = (tags: ReadonlyArray<string>, wanted: (tag: string) => boolean) =>
  tags.filter(wanted).length / tags.length

describe("Chaos", () => {
  it.each([
    [{ failure: 30 }, /`failure` must be a number of at least 0 and at most 1, but is 30/],
    [{ lost: -0.1 }, /`lost`/],
    [{ stall: Number.NaN }, /`stall` .* but is NaN/],
    [{ failure: 0.8, lost: 0.5 }, /together must be at most 1, but are 1\.3/],
    [{ latency: ["2 seconds", "1 second"] }, /`latency` must be from less to more, but is 2s to 1s/]
  ] as const)("refuses what is no share, or no range: %j", (options, message) => {
    assert.throws(() => Chaos.layer({ seed: 1, ...options }), message)
  })

  it("takes shares that are all there is together", () => {
    assert.doesNotThrow(() => Chaos.layer({ seed: 1, failure: 0.1, lost: 0.2, stall: 0.7 }))
  })

  it.effect("does nothing unless asked to", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run({ seed: 1 }, 20), {
        tags: Array.from({ length: 20 }, () => "success"),
        executions: 20
      })
    })
  )

  it.effect("is the same for the same seed, and another for another", () =>
    Effect.gen(function* () {
      const options = { failure: 0.4, lost: 0.1 }
      const first = yield* run({ ...options, seed: 7 }, 100)
      assert.deepStrictEqual(yield* run({ ...options, seed: 7 }, 100), first)
      assert.notDeepEqual((yield* run({ ...options, seed: 8 }, 100)).tags, first.tags)
    })
  )

  it.effect("fails, loses and stalls as often as it is told", () =>
    Effect.gen(function* () {
      const { executions, tags } = yield* run({ seed: 3, failure: 0.3, lost: 0.2, stall: 0.1 }, 2000)
      assert.closeTo(
        share(tags, (tag) => tag === "success"),
        0.4,
        0.05
      )
      assert.closeTo(
        share(tags, (tag) => tag === "TimedOut"),
        0.1,
        0.03
      )
      // What is lost was done: the work of successes and of lost answers.
      assert.closeTo(executions / 2000, 0.6, 0.05)
      assert.includeMembers(tags, ["ConnectionFailed", "RateLimited", "ServiceFailed", "ServiceUnavailable"])
    })
  )

  it.effect("makes attempts late, within its bounds", () =>
    Effect.gen(function* () {
      const steady = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
      const slow = Chaos.layer({ seed: 5, latency: ["1 second", "2 seconds"] }).pipe(Layer.provide(steady))
      const fiber = yield* Effect.forkChild(Effect.provide(segment(image), slow), { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1001 millis")
      assert.isDefined(fiber.pollUnsafe())
    })
  )
})
