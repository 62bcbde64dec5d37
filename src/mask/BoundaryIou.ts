/**
 * Boundary IoU (Cheng and others, CVPR 2021): the IoU of the pixels of a class that lie within `distance` of its
 * outline, which sees what plain IoU of large areas does not. Summed over a data set.
 *
 * As in the authors' code, the distance is counted in steps to any of 8 neighbours, the border of the image is part
 * of the outline, and `distance` is 2 % of the image's diagonal where it is not given.
 *
 * ```ts
 * import { Result } from "effect"
 * import { BoundaryIou, LabelMap } from "effect-segformer/mask"
 *
 * const truth = LabelMap.filled(4, 4, 1)
 * const sums = BoundaryIou.make(2)
 * Result.getOrThrow(BoundaryIou.add(sums, { prediction: truth, truth }))
 * BoundaryIou.scores(sums).classes // => [undefined, 1]
 * ```
 */
import { Result } from "effect"
import type { LabelMap } from "./LabelMap.ts"
import type { MaskNotDecodable } from "./MaskError.ts"
import { type AddOptions, mean, type Pair, unequalSizes } from "./Metrics.ts"

/** Pixels near outlines, per class: `[classes]` each. `add` changes them in place. */
export interface BoundarySums {
  readonly classes: number
  /** In both. */
  readonly both: Float64Array
  /** In the truth's or the prediction's. */
  readonly either: Float64Array
}

/** Sums of zero for ids 0 to `classes - 1`. */
export const make = (classes: number): BoundarySums => ({
  classes,
  both: new Float64Array(classes),
  either: new Float64Array(classes)
})

export interface Options extends AddOptions {
  /** In pixels, at least 1. 2 % of the image's diagonal, rounded, by default. */
  readonly distance?: number | undefined
}

/** Counts the pixels of one image. Ids outside the classes and ignored pixels of the truth count for nothing. */
export const add = (
  self: BoundarySums,
  { prediction, truth }: Pair,
  options: Options = {}
): Result.Result<BoundarySums, MaskNotDecodable> => {
  const { height, width } = truth
  const unequal = unequalSizes({ prediction, truth })
  if (unequal !== undefined) return unequal
  const distance = Math.max(1, Math.round(options.distance ?? 0.02 * Math.hypot(width, height)))
  const near = boundary(truth, distance)
  const nearPredicted = boundary(prediction, distance)
  const ignored = options.ignoreIndex ?? truth.ignoreIndex ?? 255
  const shift = options.reduceLabels === true ? 1 : 0
  const { both, classes, either } = self
  for (let i = 0; i < near.length; i++) {
    const id = truth.data[i]! - shift
    if (truth.data[i] === ignored || id < 0) continue
    const predicted = prediction.data[i]!
    const inTruth = near[i] === 1 && id < classes
    const inPrediction = nearPredicted[i] === 1 && predicted < classes
    if (inTruth) either[id]!++
    if (inPrediction && !(inTruth && predicted === id)) either[predicted]!++
    if (inTruth && inPrediction && predicted === id) both[id]!++
  }
  return Result.succeed(self)
}

/** IoU near outlines, per class and their mean; `undefined` where there are no such pixels. */
export const scores = (
  self: BoundarySums
): { readonly classes: ReadonlyArray<number | undefined>; readonly mean: number | undefined } => {
  const classes = Array.from(self.either, (either, id) =>
    either === 0 ? undefined : self.both[id]! / either
  )
  return { classes, mean: mean(classes) }
}

/** 1 where a pixel of another class, or the outside of the image, is at most `distance` steps away, else 0. */
export const boundary = (map: LabelMap, distance: number): Uint8Array => {
  const { data, height, width } = map
  const out = new Uint8Array(data.length).fill(1)
  // Of each column, for how many rows up to this one the class was the same and far enough along the row.
  const deep = new Uint32Array(width)
  const span = 2 * distance + 1
  for (let y = 0; y < height; y++) {
    const row = y * width
    let start = 0
    while (start < width) {
      const id = data[row + start]!
      let end = start + 1
      while (end < width && data[row + end] === id) end++
      for (let x = start; x < end; x++) {
        if (x - start < distance || end - 1 - x < distance) deep[x] = 0
        else if (y > 0 && data[row - width + x] === id) deep[x]!++
        else deep[x] = 1
        if (deep[x]! >= span) out[row + x - distance * width] = 0
      }
      start = end
    }
  }
  return out
}
