/** Windows over a picture: where they stand, how they are asked for, and what they take. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref, Stream } from "effect"
import { NoLabelMap, ServiceUnavailable } from "effect-segformer"
import { SharpCodec } from "effect-segformer/sharp"
import { SegFormerTest } from "effect-segformer/testing"
import { Tiled, Windows } from "effect-segformer/tiled"
import * as support from "./support.ts"

describe("windows", () => {
  it("stand where mmsegmentation puts them, all of them inside", () => {
    const starts = (width: number, crop: number, stride: number) =>
      Windows.make({ width, height: 1 }, { crop, stride }).columns
    assert.deepStrictEqual(starts(512, 512, 384), [0])
    assert.deepStrictEqual(starts(513, 512, 384), [0, 1])
    assert.deepStrictEqual(starts(896, 512, 384), [0, 384])
    assert.deepStrictEqual(starts(897, 512, 384), [0, 384, 385])
    assert.deepStrictEqual(starts(100, 512, 384), [0])
    const many = starts(30_000, 512, 384)
    assert.deepStrictEqual([many.length, many.at(-2), many.at(-1)], [78, 29_184, 29_488])
  })

  it("that cannot be are refused at once", () => {
    const size = { width: 10, height: 10 }
    assert.throws(() => Windows.make(size, { crop: 0 }), /`crop` must be a whole number of at least 1/)
    assert.throws(() => Windows.make(size, { crop: 8, stride: 9 }), /`stride`.*from 1 to `crop` \(8\)/)
    const picture = { source: "x", ...size, window: () => Effect.die("never asked") }
    assert.throws(
      () => Tiled.segment(picture, { crop: 8, stride: 6, margin: 2 }),
      /half of the overlap \(2\)/
    )
  })

  it.effect("are retried one by one under the transport's policy", () =>
    Effect.gen(function* () {
      const size = { width: 96, height: 64 }
      const picture = yield* support.drawn(size)
      const attempts = yield* Ref.make<ReadonlyArray<string>>([])
      const transport = SegFormerTest.layer(
        ({ image, prefer }, attempt) =>
          Effect.gen(function* () {
            assert.strictEqual(prefer, "logits")
            yield* Ref.update(attempts, (all) => [...all, `${image.source} ${attempt.number}`])
            if (image.source === "drawn at 32, 0" && attempt.number === 1) {
              return yield* new ServiceUnavailable({ service: "test", status: 503, detail: "" })
            }
            return { _tag: "Labels", classes: [], labelMap: { width: 1, height: 1, data: Uint8Array.of(1) } }
          }),
        { policy: { retry: { delay: 0 } } }
      )
      const bands = Tiled.segment(picture, { crop: 64, stride: 32, concurrency: 1 })
      yield* Effect.provide(support.collect(bands, size), transport)
      assert.deepStrictEqual(yield* Ref.get(attempts), [
        "drawn at 0, 0 1",
        "drawn at 32, 0 1",
        "drawn at 32, 0 2"
      ])
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("that fail for good end the stream, and say which it was", () =>
    Effect.gen(function* () {
      const size = { width: 96, height: 64 }
      const picture = yield* support.drawn(size)
      const rendered = SegFormerTest.layer(() =>
        Effect.succeed({ _tag: "Rendered", classes: [], width: 1, height: 1, requestId: "r1" })
      )
      const error = yield* Tiled.segment(picture, { crop: 64 }).pipe(
        Stream.runDrain,
        Effect.provide(rendered),
        Effect.flip
      )
      assert.instanceOf(error, NoLabelMap)
      assert.include(error.message, "drawn at 0, 0")
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("that are answered differently are not put together", () =>
    Effect.gen(function* () {
      const picture = yield* support.drawn({ width: 96, height: 64 })
      let classes = 2
      const growing = support.logitsOf((pixels) => support.convolution(pixels, classes++, 0))
      const error = yield* Tiled.segment(picture, { crop: 64, concurrency: 1 }).pipe(
        Stream.runDrain,
        Effect.provide(growing),
        Effect.flip
      )
      assert.strictEqual(error._tag, "WindowsDisagree")
      assert.include(
        error.message,
        "logits of [2, 16, 16] at first, but that at 32, 0 with logits of [3, 16, 16]"
      )
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("whose overlap takes more memory than allowed are refused after the first", () =>
    Effect.gen(function* () {
      const picture = yield* support.drawn({ width: 30_000, height: 30_000 })
      const wide = support.logitsOf(() => ({
        data: new Float32Array(150 * 128 * 128),
        classes: 150,
        height: 128,
        width: 128
      }))
      const error = yield* Tiled.segment(picture, { stride: 256 }).pipe(
        Stream.runDrain,
        Effect.provide(wide),
        Effect.flip
      )
      assert.strictEqual(error._tag, "OverlapTooLarge")
      assert.match(error.message, /558 MiB of logits \(150 classes\).*limit is 256 MiB.*larger `stride`/)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("take memory for what overlaps, and not for the picture", () =>
    Effect.gen(function* () {
      const classes = 64
      const size = { width: 1024, height: 4096 }
      const picture = yield* support.drawn(size, () => [0, 0, 0])
      let most = 0
      const transport = support.logitsOf(() => {
        most = Math.max(most, process.memoryUsage().arrayBuffers)
        return { data: new Float32Array(classes * 64 * 64).fill(1), classes, height: 64, width: 64 }
      })
      const before = process.memoryUsage().arrayBuffers
      yield* Effect.provide(Stream.runDrain(Tiled.segment(picture, { crop: 256, stride: 224 })), transport)
      // Logits of the whole picture take 1,074 MB; 5 above the start were seen, and twenty times that are allowed.
      assert.isBelow(most - before, (classes * size.width * size.height * 4) / 10)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("are asked for no faster than bands are taken, and not at all after an interruption", () =>
    Effect.gen(function* () {
      const size = { width: 64, height: 6400 }
      const picture = yield* support.drawn(size)
      let asked = 0
      let interrupted = 0
      const reached = yield* Deferred.make<void>()
      const transport = SegFormerTest.layer(() =>
        Effect.suspend(() => {
          asked++
          if (asked === 20) return Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
          return asked > 20
            ? Effect.never
            : Effect.succeed({
                _tag: "Labels" as const,
                classes: [],
                labelMap: { width: 1, height: 1, data: Uint8Array.of(1) }
              })
        }).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted++)))
      )
      const bands = Tiled.segment(picture, { crop: 64, stride: 64, concurrency: 3 })
      const some = yield* Effect.provide(Stream.runCollect(Stream.take(bands, 2)), transport)
      assert.strictEqual(some.length, 2)
      assert.isAtMost(asked, 10)

      const fiber = yield* Effect.forkChild(Effect.provide(Stream.runDrain(bands), transport))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      const before = asked
      yield* Effect.yieldNow
      assert.strictEqual(asked, before)
      assert.isAtLeast(interrupted, 1)
    }).pipe(Effect.provide(SharpCodec.layer))
  )
})
