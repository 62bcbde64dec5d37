/** Images that arrive together, predicted together. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { ImageSource, InferenceFailed, segment, Transport, type TransportOptions } from "effect-segformer"
import { Fixtures } from "effect-segformer/testing"
import { make, type MicroBatchOptions } from "../../src/server/MicroBatch.ts"
import { ask, serve } from "./support.ts"

type PredictMany = NonNullable<TransportOptions["predictMany"]>

const done = Result.succeed(Fixtures.prediction)

/** A transport whose batches are noted; `work` is what each one does. */
const noting = (work: (size: number) => Effect.Effect<void> = () => Effect.void) => {
  const sizes: Array<number> = []
  const predictMany: PredictMany = (requests) =>
    Effect.suspend(() => {
      sizes.push(requests.length)
      return Effect.as(
        work(requests.length),
        requests.map(() => done)
      )
    })
  return { sizes, predictMany }
}

const never = () => Effect.die("one by one")

const batching = (predictMany: PredictMany, options?: MicroBatchOptions) =>
  Layer.effect(
    Transport,
    Effect.flatMap(Transport.make({ name: "many", predict: never, predictMany }), (transport) =>
      make(transport, options)
    )
  )

const one = segment(ImageSource.bytes(Fixtures.image))
const fork = (count: number) => Effect.forEach(Array.from({ length: count }), () => Effect.forkChild(one))

describe("micro-batching", () => {
  it.effect("sends a full batch at once, and the rest after its delay", () => {
    const { predictMany, sizes } = noting()
    return Effect.gen(function* () {
      const fibers = yield* fork(11)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(sizes, [4, 4])
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(sizes, [4, 4])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(sizes, [4, 4, 3])
      yield* Fiber.joinAll(fibers)
    }).pipe(Effect.provide(batching(predictMany, { size: 4, delay: "10 millis" })))
  })

  it.effect("gives each caller its own result, and a batch's failure to all in it", () => {
    const failed = new InferenceFailed({ model: "many", source: "image", detail: "odd" })
    let call = 0
    const predictMany: PredictMany = (requests) =>
      ++call === 1
        ? Effect.succeed(requests.map((_, index) => (index === 1 ? Result.fail(failed) : done)))
        : Effect.fail(failed)
    return Effect.gen(function* () {
      const tags = yield* Effect.forEach(Array.from({ length: 6 }), () => Effect.result(one), {
        concurrency: 6
      }).pipe(Effect.map((results) => results.map((result) => result._tag)))
      assert.deepStrictEqual(tags, ["Success", "Failure", "Success", "Failure", "Failure", "Failure"])
    }).pipe(Effect.provide(batching(predictMany, { size: 3 })))
  })

  it.effect("leaves out who has left, and stops what nobody waits for", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      let interrupted = false
      const { predictMany, sizes } = noting(() =>
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              interrupted = true
            })
          )
        )
      )
      yield* Effect.gen(function* () {
        const [first, second, third] = yield* fork(3)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(first!)
        yield* TestClock.adjust("4 millis")
        yield* Deferred.await(begun)
        assert.deepStrictEqual(sizes, [2])
        yield* Fiber.interrupt(second!)
        assert.isFalse(interrupted)
        yield* Fiber.interrupt(third!)
        assert.isTrue(interrupted)
        // A batch that all have left before it goes asks nothing of the transport.
        const [alone] = yield* fork(1)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(alone!)
        yield* TestClock.adjust("10 millis")
        assert.deepStrictEqual(sizes, [2])
      }).pipe(Effect.provide(batching(predictMany)))
    })
  )

  it.effect("is a bug of the transport where results are missing", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(one)
      assert.match(String(exit), /gave 0 results for 1 images/)
    }).pipe(Effect.provide(batching(() => Effect.succeed([]), { delay: 0 })))
  )

  it.live("goes through the server, and can be turned off", () =>
    Effect.gen(function* () {
      const { predictMany, sizes } = noting()
      const single = { predict: () => Effect.succeed(Fixtures.prediction) }
      const init: RequestInit = { method: "POST", body: Uint8Array.from(Fixtures.image) }
      const together = (url: string) =>
        Effect.forEach(Array.from({ length: 16 }), () => ask(`${url}/v1/segment`, init), { concurrency: 16 })
      const on = yield* serve(never, { batch: { size: 8, delay: "1 minute" } }, { predictMany })
      for (const { status } of yield* together(on.url)) assert.strictEqual(status, 200)
      assert.deepStrictEqual(sizes, [8, 8])
      const off = yield* serve(single.predict, { batch: false }, { predictMany })
      for (const { status } of yield* together(off.url)) assert.strictEqual(status, 200)
      assert.strictEqual(sizes.length, 2)
    }).pipe(Effect.scoped)
  )
})
