/** Many images: in which order they come, how many at once, and what a failure among them does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result, Stream } from "effect"
import { ConnectionFailed, ImageSource, segmentAll } from "effect-segformer"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { TestClock } from "effect/testing"

const refused = new ConnectionFailed({ service: "test", phase: "sending", sent: "no", detail: "" })

describe("segmentAll", () => {
  const sources = (count: number) =>
    Stream.fromIterable(
      Array.from({ length: count }, (_, i) => ImageSource.bytes(Fixtures.image, { name: `${i}.png` }))
    )
  const delays = [30, 10, 20]
  /** Each image takes its own time; image 1 fails. */
  const layer = SegFormerTest.layer(
    ({ image }) => {
      const index = Number.parseInt(image.name)
      return Effect.andThen(
        Effect.sleep(`${delays[index] ?? 5} seconds`),
        index === 1 ? Effect.fail(refused) : Effect.succeed(Fixtures.prediction)
      )
    },
    { policy: { retry: false, attemptTimeout: false } }
  )

  const run = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.exit(effect))
      yield* TestClock.adjust("200 seconds")
      return yield* Fiber.join(fiber)
    })

  it.effect("one failure is an item like any other, in the order of the sources", () =>
    Effect.gen(function* () {
      const exit = yield* run(Stream.runCollect(segmentAll(sources(3))).pipe(Effect.provide(layer)))
      const items = Exit.isSuccess(exit) ? exit.value : []
      assert.deepStrictEqual(
        items.map(({ index, name, result }) => [index, name, Result.isSuccess(result)]),
        [
          [0, "0.png", true],
          [1, "1.png", false],
          [2, "2.png", true]
        ]
      )
    })
  )

  it.effect("gives results as they come when asked", () =>
    Effect.gen(function* () {
      const exit = yield* run(
        Stream.runCollect(segmentAll(sources(3), { order: "completion" })).pipe(Effect.provide(layer))
      )
      assert.deepStrictEqual(Exit.isSuccess(exit) ? exit.value.map(({ index }) => index) : [], [1, 2, 0])
    })
  )

  it.effect("ends with the first failure when asked, and interrupts the rest", () =>
    Effect.gen(function* () {
      const exit = yield* run(
        Stream.runCollect(segmentAll(sources(3), { stopOnFailure: true })).pipe(Effect.provide(layer))
      )
      assert.deepStrictEqual(Exit.findErrorOption(exit)._tag, "Some")
    })
  )

  it.each([0, -1, 1.5, Number.NaN])("refuses to run %s at once", (concurrency) => {
    assert.throws(
      () => segmentAll(sources(1), { concurrency }),
      /`concurrency` must be a whole number of at least 1/
    )
  })

  it.effect("pulls no faster than results are taken", () =>
    Effect.gen(function* () {
      let pulled = 0
      const endless = Stream.forever(sources(1)).pipe(Stream.tap(() => Effect.sync(() => void pulled++)))
      const exit = yield* run(
        segmentAll(endless, { concurrency: 2 }).pipe(Stream.take(3), Stream.runDrain, Effect.provide(layer))
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.isAtMost(pulled, 12)
    })
  )

  it.effect("runs no more at once than asked", () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const counting = SegFormerTest.layer(() =>
        Effect.acquireUseRelease(
          Effect.sync(() => void (most = Math.max(most, ++running))),
          () => Effect.as(Effect.sleep("1 second"), Fixtures.prediction),
          () => Effect.sync(() => void running--)
        )
      )
      yield* run(segmentAll(sources(20), { concurrency: 3 }).pipe(Stream.runDrain, Effect.provide(counting)))
      assert.strictEqual(most, 3)
    })
  )
})
