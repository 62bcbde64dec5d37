import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { LabelMap, Logits } from "effect-segformer/mask"
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

  it.effect("are as sure where a service gives their softmax as where it gives them", () =>
    Effect.gen(function* () {
      const size = { width: 71, height: 67 }
      const options = { crop: 31, stride: 22, weights: "distance", confidence: true } as const
      const model = (pixels: support.Size & { readonly data: Uint8Array }) =>
        support.convolution(pixels, 5, 1)
      const picture = yield* support.drawn(size)
      const of = (layer: ReturnType<typeof support.logitsOf>) =>
        Effect.provide(support.collect(Tiled.segment(picture, options), size), layer)
      const before = yield* of(support.logitsOf(model))
      const after = yield* of(support.logitsOf((pixels) => support.softmaxOf(model(pixels))))
      assert.isAbove(same(after, before), 0.999)
      after.confidence.forEach((value, i) => assert.closeTo(value, before.confidence[i]!, 1e-3))
      // What a service says of all pixels is what each of them has, however it rounds.
      for (const shares of [
        [0.7, 0.2, 0.1],
        [0.33, 0.34, 0.33],
        [0.34, 0.33, 0.34],
        [1, 0, 0]
      ]) {
        const data = Float32Array.from(shares.flatMap((share) => [share, share, share, share]))
        const even = yield* of(support.logitsOf(() => ({ data, classes: 3, width: 2, height: 2 })))
        const sum = shares.reduce((total, share) => total + share, 0)
        for (const value of even.confidence) assert.closeTo(value, Math.max(...shares) / sum, 1e-5)
      }
      // A sum of 2 is none of probabilities: these are logits.
      const data = Float32Array.of(1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1)
      const scores = yield* of(support.logitsOf(() => ({ data, classes: 3, width: 2, height: 2 })))
      for (const value of scores.confidence) assert.closeTo(value, 1 / (2 + Math.exp(-1)), 1e-5)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("are rounded probabilities where the first window's are whole ones", () =>
    Effect.gen(function* () {
      let first = true
      const layer = support.logitsOf(() => {
        const data = first ? Float32Array.of(1, 0) : Float32Array.of(0.72, 0.23)
        first = false
        return { data, classes: 2, width: 1, height: 1 }
      })
      const picture = yield* support.drawn({ width: 60, height: 30 })
      const bands = Tiled.segment(picture, { crop: 30, stride: 30, concurrency: 1, confidence: true })
      const { confidence } = yield* Effect.provide(support.collect(bands, picture), layer)
      assert.closeTo(confidence.at(-1)!, 0.72 / 0.95, 1e-5)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("are not averaged with probabilities of other windows", () =>
    Effect.gen(function* () {
      let first = true
      const layer = support.logitsOf(() => {
        const data = first ? Float32Array.of(0.7, 0.3) : Float32Array.of(0.7, 3.8)
        first = false
        return { data, classes: 2, width: 1, height: 1 }
      })
      const picture = yield* support.drawn({ width: 60, height: 30 })
      const bands = Tiled.segment(picture, { crop: 30, stride: 30, concurrency: 1 })
      const error = yield* Effect.flip(Effect.provide(support.collect(bands, picture), layer))
      assert.strictEqual(error._tag, "WindowsDisagree")
      assert.include(
        error.message,
        "with probabilities of [2, 1, 1] at first, but that at 30, 0 with logits of [2, 1, 1]"
      )
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
