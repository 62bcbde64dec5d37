import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { BinaryMask, BoundaryIou, type LabelMap, Metrics } from "effect-segformer/mask"
import { labelMaps, random } from "./support.ts"

const map = (rows: ReadonlyArray<ReadonlyArray<number>>): LabelMap.LabelMap => ({
  width: rows[0]!.length,
  height: rows.length,
  data: Uint8Array.from(rows.flat())
})

const pairs = labelMaps({ classes: 5 }).chain((truth) =>
  fc.tuple(fc.integer(), fc.constantFrom(0, 0.2, 0.9)).map(([seed, noise]): Metrics.Pair => {
    const next = random(seed)
    const data = truth.data.map((id) => (next() < noise ? Math.floor(next() * 6) : id))
    return { truth, prediction: { ...truth, data } }
  })
)

const failureOf = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")

describe("Metrics", () => {
  it("gives the scores of evaluate's mean_iou for its own example", () => {
    const confusion = Metrics.make(10)
    const examples = [
      {
        prediction: map([
          [1, 2],
          [3, 4],
          [5, 255]
        ]),
        truth: map([
          [0, 3],
          [5, 4],
          [6, 255]
        ])
      },
      {
        prediction: map([
          [2, 7],
          [9, 2],
          [3, 6]
        ]),
        truth: map([
          [1, 7],
          [9, 2],
          [3, 6]
        ])
      },
      {
        prediction: map([
          [2, 2, 3],
          [8, 2, 4],
          [3, 255, 2]
        ]),
        truth: map([
          [1, 2, 2],
          [8, 2, 1],
          [3, 255, 1]
        ])
      }
    ]
    for (const pair of examples) Result.getOrThrow(Metrics.add(confusion, pair, { ignoreIndex: 255 }))
    const scores = Metrics.scores(confusion)
    assert.closeTo(scores.meanIou!, 0.4775, 1e-12)
    assert.closeTo(scores.meanAccuracy!, 0.5916666666666666, 1e-12)
    assert.closeTo(scores.overallAccuracy!, 0.5263157894736842, 1e-12)
    const iou = [0, 0, 0.375, 0.4, 0.5, 0, 0.5, 1, 1, 1]
    const accuracy = [0, 0, 0.75, 2 / 3, 1, 0, 0.5, 1, 1, 1]
    for (const [id, score] of scores.classes.entries()) {
      assert.closeTo(score.iou!, iou[id]!, 1e-12)
      assert.closeTo(score.recall!, accuracy[id]!, 1e-12)
    }
  })

  it("sums over the data set what a count of every pixel gives", () => {
    fc.assert(
      fc.property(fc.array(pairs, { minLength: 1, maxLength: 4 }), (images) => {
        const confusion = Metrics.make(5)
        for (const pair of images) {
          Result.getOrThrow(Metrics.add(confusion, { ...pair, truth: { ...pair.truth, ignoreIndex: 3 } }))
        }
        const pixels = images
          .flatMap(({ prediction, truth }) =>
            [...truth.data].map((t, i) => [t, prediction.data[i]!] as const)
          )
          .filter(([t]) => t !== 3)
        const count = (test: (t: number, p: number) => boolean) =>
          pixels.filter(([t, p]) => test(t, p)).length
        const scores = Metrics.scores(confusion)
        assert.strictEqual(scores.pixels, pixels.length)
        const ious: Array<number> = []
        let weighted = 0
        for (const { dice, id, iou, precision, predicted, recall, truth } of scores.classes) {
          const both = count((t, p) => t === id && p === id)
          const either = count((t, p) => t === id || p === id)
          assert.strictEqual(
            truth,
            count((t) => t === id)
          )
          assert.strictEqual(
            predicted,
            count((_, p) => p === id)
          )
          assert.strictEqual(iou, either === 0 ? undefined : both / either)
          assert.strictEqual(dice, either === 0 ? undefined : (2 * both) / (truth + predicted))
          assert.strictEqual(precision, predicted === 0 ? undefined : both / predicted)
          assert.strictEqual(recall, truth === 0 ? undefined : both / truth)
          if (iou !== undefined) ious.push(iou)
          weighted += truth * (iou ?? 0)
        }
        if (ious.length === 0) return assert.isUndefined(scores.meanIou)
        assert.closeTo(scores.meanIou!, ious.reduce((a, b) => a + b) / ious.length, 1e-12)
        if (pixels.length === 0) return assert.isUndefined(scores.overallAccuracy)
        assert.closeTo(scores.overallAccuracy!, count((t, p) => t === p) / pixels.length, 1e-12)
        assert.closeTo(scores.frequencyWeightedIou!, weighted / pixels.length, 1e-12)
      })
    )
  })

  it("leaves a class that never appears out of the mean", () => {
    const confusion = Metrics.make(100)
    const same = map([[0, 7]])
    Result.getOrThrow(Metrics.add(confusion, { prediction: same, truth: same }))
    const scores = Metrics.scores(confusion)
    assert.strictEqual(scores.meanIou, 1)
    assert.isUndefined(scores.classes[1]!.iou)
    assert.isUndefined(Metrics.scores(Metrics.make(3)).meanIou)
  })

  it("reduces labels: 0 of the truth is ignored, the rest counts from 1", () => {
    const confusion = Metrics.make(150)
    const pair = { prediction: map([[5, 0, 149, 3]]), truth: map([[0, 1, 150, 255]]) }
    Result.getOrThrow(Metrics.add(confusion, pair, { reduceLabels: true }))
    const scores = Metrics.scores(confusion)
    assert.strictEqual(scores.pixels, 2)
    assert.strictEqual(scores.overallAccuracy, 1)
  })

  it("counts nothing of an image that it refuses", () => {
    const confusion = Metrics.make(2)
    const bad = { prediction: map([[0, 0]]), truth: map([[1, 2]]) }
    assert.match(failureOf(Metrics.add(confusion, bad)), /the truth has id 2, but there are 2 classes/)
    const far = { width: 2, height: 1, data: Uint16Array.of(1, 256) }
    assert.match(failureOf(Metrics.add(confusion, { prediction: far, truth: far })), /the truth has id 256/)
    const odd = { prediction: map([[0, 0]]), truth: map([[0]]) }
    assert.match(failureOf(Metrics.add(confusion, odd)), /2 x 1 pixels, the truth 1 x 1/)
    assert.match(failureOf(BoundaryIou.add(BoundaryIou.make(2), odd)), /2 x 1 pixels, the truth 1 x 1/)
    assert.strictEqual(Metrics.scores(confusion).pixels, 0)
  })

  it("combines parts to the whole", () => {
    fc.assert(
      fc.property(pairs, pairs, (a, b) => {
        const [one, two, whole] = [Metrics.make(6), Metrics.make(6), Metrics.make(6)]
        Result.getOrThrow(Metrics.add(one, a))
        Result.getOrThrow(Metrics.add(two, b))
        for (const pair of [a, b]) Result.getOrThrow(Metrics.add(whole, pair))
        assert.deepStrictEqual(Metrics.combine(one, two), whole)
      })
    )
    assert.throws(() => Metrics.combine(Metrics.make(2), Metrics.make(3)), /one has 2 classes, the other 3/)
  })

  it("counts what is ignored: one id, several, the largest, or none", () => {
    const truth = { width: 4, height: 1, data: Uint32Array.of(0, 1, 255, 4_294_967_295) }
    const prediction = { width: 4, height: 1, data: Uint8Array.of(0, 1, 1, 1) }
    const counted = (ignoreIndex: number | Iterable<number> | undefined, classes = 2) =>
      Result.map(Metrics.add(Metrics.make(classes), { prediction, truth }, { ignoreIndex }), (confusion) => {
        const { ignored, meanIou, pixels } = Metrics.scores(confusion)
        return { ignored, meanIou, pixels }
      })
    assert.deepStrictEqual(
      counted([255, 4_294_967_295]),
      Result.succeed({ ignored: 2, meanIou: 1, pixels: 2 })
    )
    assert.deepStrictEqual(
      counted(new Set([0, 255, 4_294_967_295])),
      Result.succeed({ ignored: 3, meanIou: 1, pixels: 1 })
    )
    assert.match(failureOf(counted(undefined)), /the truth has id 4294967295/)
    assert.match(failureOf(counted([])), /the truth has id 255/)
  })

  it("leaves classes out of the means, and keeps their pixels for the others", () => {
    const confusion = Metrics.make(3)
    const truth = map([[0, 0, 1, 0, 2, 2]])
    Result.getOrThrow(
      Metrics.add(confusion, { truth, prediction: map([[0, 0, 1, 0, 0, 2]]) }, { ignoreIndex: 0 })
    )
    const all = Metrics.scores(confusion)
    const without = Metrics.scores(confusion, { exclude: [0] })
    assert.deepStrictEqual([all.meanIou, without.meanIou], [0.5, 0.75])
    assert.deepStrictEqual([without.classes, without.overallAccuracy], [all.classes, all.overallAccuracy])
  })
})

describe("BoundaryIou", () => {
  /** The pixels of a class within some steps of a pixel that is not of it; outside the image nothing is. */
  const plainBoundary = (map: LabelMap.LabelMap, id: number, distance: number): Set<number> => {
    const mask = BinaryMask.fromLabelMap(map, id)
    const near = new Set<number>()
    for (let y = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++) {
        if (!BinaryMask.has(mask, x, y)) continue
        for (let dy = -distance; dy <= distance; dy++) {
          for (let dx = -distance; dx <= distance; dx++) {
            if (!BinaryMask.has(mask, x + dx, y + dy)) near.add(y * map.width + x)
          }
        }
      }
    }
    return near
  }

  it("is the IoU of the pixels near outlines, summed over images", () => {
    fc.assert(
      fc.property(
        fc.array(pairs, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 3 }),
        (images, distance) => {
          const sums = BoundaryIou.make(6)
          for (const pair of images) Result.getOrThrow(BoundaryIou.add(sums, pair, { distance }))
          const { classes, mean } = BoundaryIou.scores(sums)
          const expected = Array.from({ length: 6 }, (_, id) => {
            let both = 0
            let either = 0
            for (const { prediction, truth } of images) {
              const t = plainBoundary(truth, id, distance)
              const p = plainBoundary(prediction, id, distance)
              const shared = [...t].filter((i) => p.has(i)).length
              both += shared
              either += t.size + p.size - shared
            }
            return either === 0 ? undefined : both / either
          })
          assert.deepStrictEqual(classes, expected)
          assert.strictEqual(mean, Metrics.mean(expected))
        }
      )
    )
  })

  it("what is ignored has no part in either outline", () => {
    // A prediction that is right wherever it counts, beside a band of 255.
    const size = 40
    const column = (id: (x: number) => number) => ({
      width: size,
      height: size,
      data: Uint8Array.from({ length: size * size }, (_, i) => id(i % size))
    })
    const truth = column((x) => (x < 18 ? 1 : x < 26 ? 255 : 2))
    for (const edge of [18, 20, 24, 26]) {
      const sums = BoundaryIou.make(3)
      Result.getOrThrow(
        BoundaryIou.add(sums, { truth, prediction: column((x) => (x < edge ? 1 : 2)) }, { distance: 3 })
      )
      assert.deepStrictEqual(BoundaryIou.scores(sums).classes, [undefined, 1, 1], String(edge))
    }
  })

  it("with ignored pixels, it is the pixels near another class that counts, by the plain definition", () => {
    fc.assert(
      fc.property(
        pairs,
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 4 }),
        (pair, distance, ignoreIndex) => {
          const { prediction, truth } = pair
          const { height, width } = truth
          const near = (map: LabelMap.LabelMap, x: number, y: number): boolean => {
            for (let v = y - distance; v <= y + distance; v++) {
              for (let u = x - distance; u <= x + distance; u++) {
                if (u < 0 || v < 0 || u >= width || v >= height) return true
                const i = v * width + u
                if (truth.data[i] !== ignoreIndex && map.data[i] !== map.data[y * width + x]) return true
              }
            }
            return false
          }
          const both = new Float64Array(6)
          const either = new Float64Array(6)
          for (let i = 0; i < truth.data.length; i++) {
            if (truth.data[i] === ignoreIndex) continue
            const [x, y] = [i % width, Math.floor(i / width)]
            const t = near(truth, x, y) ? truth.data[i]! : -1
            const p = near(prediction, x, y) ? prediction.data[i]! : -1
            if (t >= 0) either[t]!++
            if (p >= 0 && p !== t) either[p]!++
            if (t >= 0 && t === p) both[t]!++
          }
          const sums = BoundaryIou.make(6)
          Result.getOrThrow(BoundaryIou.add(sums, pair, { distance, ignoreIndex }))
          assert.deepStrictEqual([sums.both, sums.either], [both, either])
        }
      )
    )
  })

  it("does not look at ignored pixels, and takes 2 % of the diagonal by default", () => {
    const truth = { ...map([[0, 0, 1, 1]]), ignoreIndex: 1 }
    const sums = BoundaryIou.make(2)
    Result.getOrThrow(BoundaryIou.add(sums, { prediction: map([[0, 0, 0, 1]]), truth }))
    assert.deepStrictEqual(BoundaryIou.scores(sums).classes, [1, undefined])
    const wide = { width: 300, height: 400, data: new Uint8Array(120_000) }
    const big = BoundaryIou.make(1)
    Result.getOrThrow(BoundaryIou.add(big, { prediction: wide, truth: wide }))
    assert.strictEqual(big.either[0], 120_000 - 280 * 380)
  })
})
