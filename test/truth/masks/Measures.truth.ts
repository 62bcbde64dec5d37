import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { BinaryMask, BoundaryIou, type LabelMap, Metrics, Morphology } from "effect-segformer/mask"
import { random } from "../../mask/support.ts"
import * as Support from "./support.ts"

interface Theirs {
  readonly scores: {
    readonly matrix: ReadonlyArray<ReadonlyArray<number>>
    readonly labels: ReadonlyArray<number>
    readonly iou: ReadonlyArray<number>
    readonly dice: ReadonlyArray<number>
    readonly precision: ReadonlyArray<number>
    readonly recall: ReadonlyArray<number>
    readonly accuracy: number
  } | null
  readonly boundary: ReadonlyArray<ReadonlyArray<number | null>>
  readonly morphology: Readonly<Record<"dilate" | "diamond" | "filled" | "large", ReadonlyArray<number>>>
}

/** A truth and what somebody might have found. */
const pairs = Support.maps({ count: 160, seed: 5, maxSide: 30, classes: 4 }).map((truth, i) => {
  const next = random(i + 1)
  const share = [0, 0.1, 0.5][i % 3]!
  const data = Uint8Array.from(truth.data, (id) => (next() < share ? Math.floor(next() * 4) : id))
  return { truth, prediction: { ...truth, data } as LabelMap.LabelMap }
})

describe("measures, beside scikit-learn, OpenCV, SciPy and scikit-image", () => {
  const theirs = Support.judge<Theirs>(
    "measures.py",
    pairs.flatMap(({ prediction, truth }) => [truth, prediction])
  )

  it("the confusion matrix and every score of a class are scikit-learn's", () => {
    for (const [i, pair] of pairs.entries()) {
      const { scores: want } = theirs[i]!
      const confusion = Metrics.make(4)
      Result.getOrThrow(Metrics.add(confusion, pair, { ignoreIndex: 3 }))
      const own = Metrics.scores(confusion)
      if (want === null) {
        assert.strictEqual(own.pixels, 0)
        continue
      }
      const rows = Array.from({ length: 4 }, (_, row) =>
        Array.from(confusion.counts.subarray(row * 5, row * 5 + 4))
      )
      assert.deepStrictEqual(rows, want.matrix)
      assert.closeTo(own.overallAccuracy!, want.accuracy, 1e-12)
      for (const [k, id] of want.labels.entries()) {
        const found = own.classes[id]!
        assert.closeTo(found.iou!, want.iou[k]!, 1e-12)
        assert.closeTo(found.dice!, want.dice[k]!, 1e-12)
        // Where there is nothing to divide by, scikit-learn was told to say 0, and this library says nothing.
        assert.closeTo(found.precision ?? 0, want.precision[k]!, 1e-12)
        assert.closeTo(found.recall ?? 0, want.recall[k]!, 1e-12)
      }
      const ious = want.iou
      assert.closeTo(own.meanIou!, ious.reduce((sum, iou) => sum + iou, 0) / ious.length, 1e-12)
    }
  })

  it("boundary IoU is that of its authors' code", () => {
    for (const [i, pair] of pairs.entries()) {
      for (const [k, distance] of [1, 2].entries()) {
        const sums = BoundaryIou.make(4)
        Result.getOrThrow(BoundaryIou.add(sums, pair, { distance, ignoreIndex: [] }))
        assert.deepStrictEqual(
          BoundaryIou.scores(sums).classes.map((iou) => iou ?? null),
          theirs[i]!.boundary[k]
        )
      }
    }
  })

  it("morphology of a mask is OpenCV's, SciPy's and scikit-image's", () => {
    for (const [i, { truth }] of pairs.entries()) {
      const mask = BinaryMask.fromLabelMap(truth, 1)
      const want = theirs[i]!.morphology
      assert.deepStrictEqual(Array.from(Morphology.dilate(mask, { radius: 1 }).data), want.dilate)
      assert.deepStrictEqual(
        Array.from(Morphology.dilate(mask, { radius: 1, shape: "diamond" }).data),
        want.diamond
      )
      assert.deepStrictEqual(Array.from(Morphology.fillHoles(mask).data), want.filled)
      assert.deepStrictEqual(Array.from(Morphology.removeSmall(mask, { minArea: 5 }).data), want.large)
    }
  })
})
