/**
 * How well predictions match the truth, over a whole data set: a confusion matrix filled image by image, and scores
 * from its sums (not means of images).
 *
 * Whose definition: that of `mean_iou` in Hugging Face's `evaluate`, which mmsegmentation shares. A class that occurs
 * neither in the truth nor in the predictions has no score and is left out of the means. A class that is ignored in the
 * truth and predicted elsewhere has IoU 0 there and counts: `scores` leaves classes out of the means with `exclude`, as
 * torchmetrics does with its `ignore_index`. Agreement of two segmenters is the same code.
 *
 * ```ts
 * import { Result } from "effect"
 * import { LabelMap, Metrics } from "effect-segformer/mask"
 *
 * const map = (...ids: Array<number>) => LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.from(ids) })
 * const confusion = Metrics.make(3)
 * Result.getOrThrow(Metrics.add(confusion, { prediction: map(0, 0, 1, 1), truth: map(0, 1, 1, 1) }))
 * Metrics.scores(confusion).meanIou?.toFixed(3) // => "0.583"
 * ```
 */
import { Result } from "effect"
import { dual } from "effect/Function"
import type { LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable, pairName, unequalSizes } from "./MaskError.ts"

/**
 * Counts of pixels: `[classes, classes + 1]`, row-major, a row for each class of the truth and a column for each
 * predicted one; the last column is for predictions outside the classes. `add` changes it in place.
 */
export interface Confusion {
  readonly classes: number
  readonly counts: Float64Array
  /** Pixels of the truth that were ignored, which are in no count. */
  ignored: number
}

/** A matrix of zeros for ids 0 to `classes - 1`. */
export const make = (classes: number): Confusion => ({
  classes,
  counts: new Float64Array(classes * (classes + 1)),
  ignored: 0
})

export interface Pair {
  readonly prediction: LabelMap
  readonly truth: LabelMap
}

export interface AddOptions {
  /**
   * Pixels of this id, or of these, in the truth are not counted; an empty list counts all. The truth's own
   * `ignoreIndex` by default, or 255.
   */
  readonly ignoreIndex?: number | Iterable<number> | undefined
  /**
   * The truth counts from 1, with 0 for "nothing" (ADE20K's files): 0 is ignored, and 1 is taken from the rest.
   * Off by default.
   */
  readonly reduceLabels?: boolean | undefined
}

/** Counts the pixels of one image. Nothing is counted where sizes differ or the truth has an id outside the classes. */
export const add = (
  self: Confusion,
  pair: Pair,
  options: AddOptions = {}
): Result.Result<Confusion, MaskNotDecodable> => {
  const { classes, counts } = self
  const { prediction, truth } = pair
  const wrong = unequal(pair)
  if (wrong !== undefined) return wrong
  const rowOf = rows(truth, classes, options)
  const stride = classes + 1
  const image = new Uint32Array(counts.length)
  const t = truth.data
  const p = prediction.data
  let ignored = 0
  let last = -1
  let row = IGNORED
  for (let i = 0; i < t.length; i++) {
    const id = t[i]!
    if (id !== last) {
      last = id
      row = rowOf(id)
      if (row === UNKNOWN) return unknownId(id, classes)
    }
    if (row === IGNORED) {
      ignored++
      continue
    }
    const column = p[i]!
    const at = row * stride + (column < classes ? column : classes)
    image[at]!++
  }
  for (let i = 0; i < counts.length; i++) counts[i] = counts[i]! + image[i]!
  self.ignored += ignored
  return Result.succeed(self)
}

/** The sums of both, for work done in parts. Throws a `RangeError` where they have not the same number of classes. */
export const combine: {
  (that: Confusion): (self: Confusion) => Confusion
  (self: Confusion, that: Confusion): Confusion
} = dual(2, (self: Confusion, that: Confusion): Confusion => {
  if (self.classes !== that.classes)
    throw new RangeError(`Metrics.combine: one has ${self.classes} classes, the other ${that.classes}`)
  return {
    classes: self.classes,
    counts: self.counts.map((count, i) => count + that.counts[i]!),
    ignored: self.ignored + that.ignored
  }
})

/** Scores of one class; `undefined` where there is nothing to divide by. */
export interface ClassScores {
  readonly id: number
  /** Pixels of the class in the truth. */
  readonly truth: number
  /** Pixels predicted to be of the class, where the truth is not ignored. */
  readonly predicted: number
  /** Pixels of the class in both, over pixels in either (Jaccard). */
  readonly iou: number | undefined
  /** Twice the pixels in both, over the sum of pixels (F1). */
  readonly dice: number | undefined
  /** The share of predicted pixels that are right. */
  readonly precision: number | undefined
  /** The share of the truth that was found; also called the accuracy of the class. */
  readonly recall: number | undefined
}

/** Scores of a data set. Means are over the classes that have the score. */
export interface Scores {
  /** Pixels counted. */
  readonly pixels: number
  /** Pixels of the truth that were ignored. */
  readonly ignored: number
  readonly classes: ReadonlyArray<ClassScores>
  readonly meanIou: number | undefined
  readonly meanDice: number | undefined
  readonly meanPrecision: number | undefined
  /** Mean recall: `mean_accuracy` of `evaluate`. */
  readonly meanAccuracy: number | undefined
  /** The share of pixels that are right. */
  readonly overallAccuracy: number | undefined
  /** Mean IoU weighted by the pixels of each class in the truth. */
  readonly frequencyWeightedIou: number | undefined
}

export interface ScoresOptions {
  /** Classes that are in no mean over classes. Their pixels count as all others do. None by default. */
  readonly exclude?: Iterable<number> | undefined
}

/** The scores of what was counted so far. */
export const scores = (self: Confusion, options: ScoresOptions = {}): Scores => {
  const excluded = new Set(options.exclude)
  const { classes, counts } = self
  const stride = classes + 1
  const truth = new Float64Array(classes)
  const predicted = new Float64Array(stride)
  for (let row = 0; row < classes; row++) {
    for (let column = 0; column < stride; column++) {
      const count = counts[row * stride + column]!
      truth[row] = truth[row]! + count
      predicted[column] = predicted[column]! + count
    }
  }
  let pixels = 0
  let right = 0
  let weighted = 0
  const perClass = Array.from({ length: classes }, (_, id): ClassScores => {
    const both = counts[id * stride + id]!
    const t = truth[id]!
    const p = predicted[id]!
    const iou = ratio(both, t + p - both)
    pixels += t
    right += both
    weighted += t * (iou ?? 0)
    return {
      id,
      truth: t,
      predicted: p,
      iou,
      dice: ratio(2 * both, t + p),
      precision: ratio(both, p),
      recall: ratio(both, t)
    }
  })
  const inMeans = perClass.filter(({ id }) => !excluded.has(id))
  return {
    pixels,
    ignored: self.ignored,
    classes: perClass,
    meanIou: mean(inMeans.map(({ iou }) => iou)),
    meanDice: mean(inMeans.map(({ dice }) => dice)),
    meanPrecision: mean(inMeans.map(({ precision }) => precision)),
    meanAccuracy: mean(inMeans.map(({ recall }) => recall)),
    overallAccuracy: ratio(right, pixels),
    frequencyWeightedIou: ratio(weighted, pixels)
  }
}

/** Of values that may be missing, the mean of those that are not. */
export const mean = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined)
  return ratio(
    known.reduce((sum, value) => sum + value, 0),
    known.length
  )
}

const ratio = (part: number, whole: number): number | undefined => (whole === 0 ? undefined : part / whole)

/** Rows that are none. */
const IGNORED = -1
const UNKNOWN = -2

/** The ids of the truth that are not counted. @internal */
export const ignoredIds = (truth: LabelMap, { ignoreIndex }: AddOptions): ReadonlySet<number> =>
  typeof ignoreIndex === "object" ? new Set(ignoreIndex) : new Set([ignoreIndex ?? truth.ignoreIndex ?? 255])

/** The row of an id of the truth, {@link IGNORED} or {@link UNKNOWN}. */
const rows = (truth: LabelMap, classes: number, options: AddOptions): ((id: number) => number) => {
  const ignored = ignoredIds(truth, options)
  const shift = options.reduceLabels === true ? 1 : 0
  return (id) => (ignored.has(id) || id < shift ? IGNORED : id - shift < classes ? id - shift : UNKNOWN)
}

/** 1 at each pixel of the truth that is not counted; or what is wrong with its ids. @internal */
export const ignoredPixels = (
  truth: LabelMap,
  classes: number,
  options: AddOptions
): Result.Result<Uint8Array, MaskNotDecodable> => {
  const { data } = truth
  const rowOf = rows(truth, classes, options)
  const ignored = new Uint8Array(data.length)
  let last = -1
  let value = 0
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== last) {
      last = data[i]!
      const row = rowOf(last)
      if (row === UNKNOWN) return unknownId(last, classes)
      value = row === IGNORED ? 1 : 0
    }
    ignored[i] = value
  }
  return Result.succeed(ignored)
}

const unknownId = (id: number, classes: number) =>
  fail(pairName, `the truth has id ${id}, but there are ${classes} classes`)

/** What is wrong with a pair whose maps are not of one size. @internal */
export const unequal = ({ prediction, truth }: Pair) => unequalSizes("prediction", prediction, "truth", truth)
