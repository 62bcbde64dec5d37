/**
 * Boundary IoU (Cheng and others, CVPR 2021): the IoU of the pixels of a class that lie within `distance` of its
 * outline, which sees what plain IoU of large areas does not. Summed over a data set.
 *
 * As in the authors' code, the distance is counted in steps to any of 8 neighbours, the border of the image is part
 * of the outline, and `distance` is 2 % of the image's diagonal where it is not given. Pixels that the truth ignores
 * have no part in either outline: what lies on their other side is what a pixel is compared with.
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
import { type AddOptions, ignoredPixels, mean, type Pair, unequal } from "./Metrics.ts"

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

/** Counts the pixels of one image. Nothing is counted where sizes differ or the truth has an id outside the classes. */
export const add = (
  self: BoundarySums,
  { prediction, truth }: Pair,
  options: Options = {}
): Result.Result<BoundarySums, MaskNotDecodable> => {
  const { height, width } = truth
  const wrong = unequal({ prediction, truth })
  if (wrong !== undefined) return wrong
  const { both, classes, either } = self
  return Result.map(ignoredPixels(truth, classes, options), (ignored) => {
    const distance = Math.max(1, Math.round(options.distance ?? 0.02 * Math.hypot(width, height)))
    const near = boundary(truth, distance, ignored)
    const nearPredicted = boundary(prediction, distance, ignored)
    const shift = options.reduceLabels === true ? 1 : 0
    for (let i = 0; i < near.length; i++) {
      if (ignored[i] === 1) continue
      const id = truth.data[i]! - shift
      const predicted = prediction.data[i]!
      const inTruth = near[i] === 1
      const inPrediction = nearPredicted[i] === 1 && predicted < classes
      if (inTruth) either[id]!++
      if (inPrediction && !(inTruth && predicted === id)) either[predicted]!++
      if (inTruth && inPrediction && predicted === id) both[id]!++
    }
    return self
  })
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

/**
 * 1 where a pixel of another class, or the outside of the image, is at most `distance` steps away, else 0. Where
 * `ignored` is 1 a pixel is of no class: it is 1 itself, and nobody's neighbour.
 */
export const boundary = (map: LabelMap, distance: number, ignored?: Uint8Array): Uint8Array => {
  const { data, height, width } = map
  const out = new Uint8Array(data.length).fill(1)
  const span = 2 * distance + 1
  // The class of all that lies around a pixel within its row, or that there are several, or none that counts.
  const row = new Float64Array(width)
  const down = streaks(width)
  const along = streaks(1)
  for (let y = 0; y < height; y++) {
    const at = y * width
    row.fill(MIXED)
    reset(along)
    for (let x = 0; x < width; x++) {
      push(along, 0, x, ignored?.[at + x] === 1 ? ANY : data[at + x]!)
      if (x + 1 - along.start[0]! < span) continue
      // What counted last may lie before the pixels around this one.
      row[x - distance] = along.last[0]! > x - span ? along.value[0]! : ANY
    }
    for (let x = 0; x < width; x++) {
      push(down, x, y, row[x]!)
      if (y + 1 - down.start[x]! < span || down.value[x]! < 0) continue
      const i = at - distance * width + x
      if (ignored?.[i] !== 1) out[i] = 0
    }
  }
  return out
}

/** No class that counts, and more than one. */
const ANY = -1
const MIXED = -2

/** How far back values agree: of each lane, where that begins, on what, and where a value that counts was last. */
interface Streaks {
  readonly start: Int32Array
  readonly value: Float64Array
  readonly last: Int32Array
}

const streaks = (lanes: number): Streaks => ({
  start: new Int32Array(lanes),
  value: new Float64Array(lanes).fill(ANY),
  last: new Int32Array(lanes).fill(-1)
})

const reset = ({ last, start, value }: Streaks): void => {
  start.fill(0)
  value.fill(ANY)
  last.fill(-1)
}

const push = ({ last, start, value }: Streaks, lane: number, at: number, next: number): void => {
  if (next === ANY) return
  if (next === MIXED) {
    start[lane] = at + 1
    value[lane] = ANY
  } else if (next !== value[lane]) {
    // What did not count goes with either side.
    if (value[lane] !== ANY) start[lane] = last[lane]! + 1
    value[lane] = next
  }
  last[lane] = at
}
