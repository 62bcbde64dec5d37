import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref, Stream } from "effect"
import { LabelMap, Logits } from "effect-segformer/mask"
import { NoLabelMap, ServiceUnavailable } from "effect-segformer"
import { SharpCodec } from "effect-segformer/sharp"
import { SegFormerTest } from "effect-segformer/testing"
import { Tiled, Windows } from "effect-segformer/tiled"
import * as support from "./support.ts"

/** The average of all windows at every pixel, with everything in memory. */
const byHand = (
  size: support.Size,
  options: Tiled.TiledOptions & { readonly crop: number; readonly stride: number },
  model: (x: number, y: number) => Logits.Logits,
  classes: number
) => {
  const { columns, crop, rows } = Windows.make(size, options)
  const sums = new Float64Array(classes * size.width * size.height)
  const weights = new Float64Array(size.width * size.height)
  const side = (p: number, length: number, isFirst: boolean, isLast: boolean) => {
    const margin = options.margin ?? 0
    if ((!isFirst && p < margin) || (!isLast && p >= length - margin)) return 0
    const distance = Math.min(isFirst ? Infinity : p + 0.5, isLast ? Infinity : length - p - 0.5)
    return options.weights === "distance" && distance < Infinity ? distance : 1
  }
  rows.forEach((top, r) =>
    columns.forEach((left, c) => {
      const logits = model(left, top)
      for (let y = 0; y < crop.height; y++) {
        for (let x = 0; x < crop.width; x++) {
          const weight =
            side(x, crop.width, c === 0, c === columns.length - 1) *
            side(y, crop.height, r === 0, r === rows.length - 1)
          const pixel = (top + y) * size.width + left + x
          weights[pixel]! += weight
          for (let k = 0; k < classes; k++) {
            sums[pixel * classes + k]! += weight * support.sample(logits, k, x, y, crop)
          }
        }
      }
    })
  )
  const data = new Uint16Array(size.width * size.height)
  const confidence = new Float32Array(data.length)
  for (let pixel = 0; pixel < data.length; pixel++) {
    const values = Array.from({ length: classes }, (_, k) => sums[pixel * classes + k]! / weights[pixel]!)
    const most = Math.max(...values)
    data[pixel] = values.indexOf(most)
    confidence[pixel] = 1 / values.reduce((sum, value) => sum + Math.exp(value - most), 0)
  }
  return { ...size, data, confidence }
}

const same = (a: LabelMap.LabelMap, b: LabelMap.LabelMap): number => {
  let count = 0
  for (let i = 0; i < a.data.length; i++) if (a.data[i] === b.data[i]) count++
  return count / a.data.length
}

describe("logits of windows", () => {
  const cases: ReadonlyArray<
    readonly [
      name: string,
      size: support.Size,
      options: Tiled.TiledOptions & { readonly crop: number; readonly stride: number }
    ]
  > = [
    ["even", { width: 150, height: 110 }, { crop: 48, stride: 36 }],
    ["by distance", { width: 150, height: 110 }, { crop: 48, stride: 36, weights: "distance" }],
    ["with a margin", { width: 130, height: 99 }, { crop: 48, stride: 32, margin: 8 }],
    [
      "with a margin and by distance",
      { width: 130, height: 99 },
      { crop: 48, stride: 32, margin: 6, weights: "distance" }
    ],
    ["many deep", { width: 97, height: 83 }, { crop: 48, stride: 13 }],
    ["many deep by distance", { width: 97, height: 83 }, { crop: 48, stride: 13, weights: "distance" }],
    ["side by side", { width: 100, height: 100 }, { crop: 32, stride: 32 }],
    ["of sides that four does not divide", { width: 71, height: 67 }, { crop: 31, stride: 22 }],
    ["one that holds the whole picture", { width: 40, height: 30 }, { crop: 64, stride: 48 }],
    ["a column of them", { width: 20, height: 200 }, { crop: 64, stride: 48, weights: "distance" }]
  ]
  it.effect.each(cases)("are averaged at every pixel, %s", ([, size, options]) =>
    Effect.gen(function* () {
      const classes = 5
      const expected = byHand(
        size,
        options,
        (x, y) => {
          const { crop } = Windows.make(size, options)
          return support.convolution(support.draw({ x, y, ...crop }, support.waves), classes, 1)
        },
        classes
      )
      const picture = yield* support.drawn(size)
      const transport = support.logitsOf((pixels) => support.convolution(pixels, classes, 1))
      const bands = Tiled.segment(picture, { ...options, confidence: true })
      const found = yield* Effect.provide(support.collect(bands, size), transport)
      assert.isAbove(LabelMap.histogram(expected).size, 2)
      assert.isTrue(LabelMap.equals(found, expected), `${same(found, expected)} of the pixels are the same`)
      // What is no number is at no distance, and fails too.
      const farthest = found.confidence.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - expected.confidence[i]!)),
        0
      )
      assert.isAtMost(farthest, 1e-6)
      const without = yield* Effect.provide(support.collect(Tiled.segment(picture, options), size), transport)
      assert.isTrue(LabelMap.equals(without, expected))
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("leave no seam where the margin is as wide as what the model sees around a pixel", () =>
    Effect.gen(function* () {
      const size = { width: 400, height: 300 }
      const reach = 2
      const model = (pixels: support.Size & { readonly data: Uint8Array }) =>
        support.convolution(pixels, 6, reach)
      const picture = yield* support.drawn(size)
      const whole = model(support.draw({ x: 0, y: 0, ...size }, support.waves))
      const untiled = Logits.toLabelMap(whole, size.width, size.height)
      const labels = (options: Tiled.TiledOptions) =>
        Effect.provide(support.collect(Tiled.segment(picture, options), size), support.logitsOf(model))
      // Cells of the model reach so far, and resizing one more.
      const margin = (reach + 1) * 4
      const exact = yield* labels({ crop: 96, stride: 64, margin })
      assert.isTrue(LabelMap.equals(exact, untiled))

      // Without it, what lies further inside its window than the model sees is the same all the same.
      const seams = yield* labels({ crop: 96, stride: 64 })
      const far = (x: number, y: number) =>
        [
          [x, size.width],
          [y, size.height]
        ].every(([at, length]) =>
          Windows.make({ width: length!, height: 1 }, { crop: 96, stride: 64 }).columns.every(
            (start) =>
              start + 96 <= at! ||
              at! < start ||
              ((start === 0 || at! - start >= margin) && (start + 96 === length || start + 96 - at! > margin))
          )
        )
      let compared = 0
      let others = 0
      for (let y = 0; y < size.height; y++) {
        for (let x = 0; x < size.width; x++) {
          const isSame = seams.data[y * size.width + x] === untiled.data[y * size.width + x]
          if (!isSame) others++
          if (!far(x, y)) continue
          compared++
          if (!isSame) assert.fail(`${x}, ${y}`)
        }
      }
      assert.isAbove(compared, size.width * size.height * 0.3)
      assert.isAbove(others, 0)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect(
    "label 2,000 x 2,000 pixels as the whole does, to the last pixel, for a model of bounded reach",
    () =>
      Effect.gen(function* () {
        const size = { width: 2000, height: 2000 }
        const model = (pixels: support.Size & { readonly data: Uint8Array }) =>
          support.convolution(pixels, 3, 1)
        const picture = yield* support.drawn(size)
        const whole = model(support.draw({ x: 0, y: 0, ...size }, support.waves))
        const untiled = Logits.toLabelMap(whole, size.width, size.height)
        const bands = Tiled.segment(picture, { margin: 8 })
        const tiled = yield* Effect.provide(support.collect(bands, size), support.logitsOf(model))
        assert.isAbove(LabelMap.histogram(untiled).size, 2)
        assert.isTrue(LabelMap.equals(tiled, untiled))
      }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("take NaN for the smallest and infinity for the largest number", () =>
    Effect.gen(function* () {
      const size = { width: 24, height: 16 }
      const model = () => ({
        data: Float32Array.of(Number.NaN, 0, Number.NaN, 0, -Infinity, -1, -Infinity, Infinity),
        classes: 2,
        width: 2,
        height: 2
      })
      const picture = yield* support.drawn(size)
      const bands = Tiled.segment(picture, { crop: 16, stride: 8 })
      const found = yield* Effect.provide(support.collect(bands, size), support.logitsOf(model))
      assert.isTrue(LabelMap.equals(found, byHandFinite(size)))
    }).pipe(Effect.provide(SharpCodec.layer))
  )
})

/** The same with the numbers that they stand for. */
const byHandFinite = (size: support.Size) => {
  const largest = 3.4028234663852886e38
  return byHand(
    size,
    { crop: 16, stride: 8 },
    () => ({
      data: Float32Array.of(-largest, 0, -largest, 0, -largest, -1, -largest, largest),
      classes: 2,
      width: 2,
      height: 2
    }),
    2
  )
}

describe("label maps of windows", () => {
  it.effect("are joined midway through each overlap", () =>
    Effect.gen(function* () {
      const size = { width: 100, height: 70 }
      const options = { crop: 40, stride: 30 }
      const { columns, rows } = Windows.make(size, options)
      let index = 0
      // Windows are asked one after the other, and each answers with its number.
      const picture = yield* support.drawn(size)
      const numbered = support.labelsOf(() => new Uint8Array(40 * 40).fill(index++), 99)
      const bands = Tiled.segment(picture, { ...options, concurrency: 1 })
      const found = yield* Effect.provide(support.collect(bands, size), numbered)
      const nearest = (starts: ReadonlyArray<number>, at: number) =>
        starts.reduce(
          (best, start, i) =>
            Math.abs(at + 0.5 - start - 20) <= Math.abs(at + 0.5 - starts[best]! - 20) ? i : best,
          0
        )
      const expected = new Uint8Array(size.width * size.height).map(
        (_, i) =>
          nearest(rows, Math.floor(i / size.width)) * columns.length + nearest(columns, i % size.width)
      )
      assert.isTrue(LabelMap.equals(found, { ...size, data: expected }))
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("of any size and of 16 bits are joined too", () =>
    Effect.gen(function* () {
      const size = { width: 60, height: 60 }
      const picture = yield* support.drawn(size)
      let first = true
      const transport = SegFormerTest.layer(() => {
        const data = first ? Uint8Array.of(7) : Uint16Array.of(700)
        first = false
        return Effect.succeed({ _tag: "Labels", classes: [], labelMap: { width: 1, height: 1, data } })
      })
      const bands = Tiled.segment(picture, { crop: 40, stride: 40, concurrency: 1 })
      const { data } = yield* Effect.provide(support.collect(bands, size), transport)
      assert.deepStrictEqual([data[0], data[59], data[3599]], [7, 700, 700])
    }).pipe(Effect.provide(SharpCodec.layer))
  )
})

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
