/**
 * How far two label maps of each image say the same, over a whole data set: a model in another precision or by another
 * runtime beside the one it may replace, a service of today beside that of yesterday. Neither is the truth, so nothing is left
 * out that one of them ignores: "no class" is an answer like any other.
 *
 * Pixels are summed over all images (scores are no means of images), by pairs of ids, so that ids may be as large and as many
 * as they like. `Metrics` scores against a truth, with the classes known beforehand.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Agreement, LabelMap } from "effect-segformer/mask"
 *
 * const map = (...ids: Array<number>) => LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.from(ids) })
 * const agreement = Agreement.make()
 * Result.getOrThrow(Agreement.add(agreement, { first: map(0, 0, 3, 3), second: map(0, 3, 3, 3) }))
 * const { classes, differences, overall } = Agreement.scores(agreement)
 * overall // => 0.75
 * classes.map(({ id, iou }) => [id, iou.toFixed(2)]) // => [[0, "0.50"], [3, "0.67"]]
 * differences // => [{ first: 0, second: 3, pixels: 1 }]
 * ```
 */
import { Result } from "effect"
import { dual } from "effect/Function"
import type { BinaryMask } from "./BinaryMask.ts"
import type { LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable, pairName, unequalSizes } from "./MaskError.ts"
import * as PixelPairs from "./PixelPairs.ts"
import * as Steps from "./Steps.ts"

/** What was counted so far. `add` changes it in place. */
export interface Agreement {
  /** Pixels by the ids that the two say; {@link PixelPairs.none} stands for "no class". */
  readonly pairs: PixelPairs.PixelPairs
  /** Pixels that were not counted. */
  ignored: number
}

/** Nothing counted yet. */
export const make = (): Agreement => ({ pairs: PixelPairs.make(), ignored: 0 })

/** Two label maps of one image, `[height, width]` both. */
export interface Pair {
  readonly first: LabelMap
  readonly second: LabelMap
}

export interface AddOptions {
  /** Pixels for which the first says one of these are not counted, whatever the second says. None by default. */
  readonly ignore?: Iterable<number> | undefined
}

/** More pairs of ids than any two tables of classes have: these are instances, each with an id of its own. */
const maxPairs = 1 << 20
const tooMany = fail(
  pairName,
  `they have more than ${maxPairs} pairs of ids: these are instances, and no classes`
)

/** Counts the pixels of one image. Nothing is counted where sizes differ, or where ids are those of instances. */
export const add: (
  self: Agreement,
  pair: Pair,
  options?: AddOptions
) => Result.Result<Agreement, MaskNotDecodable> = Steps.sync(steps)

/** The same, step by step. @internal */
export function* steps(
  self: Agreement,
  { first, second }: Pair,
  options: AddOptions = {}
): Steps.Steps<Result.Result<Agreement, MaskNotDecodable>> {
  const unequal = unequalSizes("first", first, "second", second)
  if (unequal !== undefined) return unequal
  const own = PixelPairs.make()
  const ignored = new Set(options.ignore)
  const { height, width } = first
  const rows = Steps.rowsPerStep(width)
  let left = 0
  for (let from = 0; from < height; from += rows) {
    left += PixelPairs.add(own, first, second, from * width, Math.min(height, from + rows) * width, ignored)
    if (PixelPairs.size(own) > maxPairs) return tooMany
    yield
  }
  return absorb(self, { pairs: own, ignored: left })
}

/** Adds what was counted elsewhere, or nothing of it. @internal */
export const absorb: {
  (that: Agreement): (self: Agreement) => Result.Result<Agreement, MaskNotDecodable>
  (self: Agreement, that: Agreement): Result.Result<Agreement, MaskNotDecodable>
} = dual(2, (self: Agreement, that: Agreement): Result.Result<Agreement, MaskNotDecodable> => {
  if (PixelPairs.size(self.pairs) + PixelPairs.size(that.pairs) > maxPairs) return tooMany
  PixelPairs.merge(self.pairs, that.pairs)
  self.ignored += that.ignored
  return Result.succeed(self)
})

/** The sums of both, for work done in parts. */
export const combine: {
  (that: Agreement): (self: Agreement) => Agreement
  (self: Agreement, that: Agreement): Agreement
} = dual(2, (self: Agreement, that: Agreement): Agreement => {
  const pairs = PixelPairs.make()
  PixelPairs.merge(pairs, self.pairs)
  PixelPairs.merge(pairs, that.pairs)
  return { pairs, ignored: self.ignored + that.ignored }
})

/** How far the two agree on one class that at least one of them has found. */
export interface ClassScores {
  readonly id: number
  /** Pixels of the class by the first. */
  readonly first: number
  /** Pixels of the class by the second. */
  readonly second: number
  /** Pixels of the class by both. */
  readonly both: number
  /** Of the first's pixels of the class, the share for which the second says the same; `undefined` where it has none. */
  readonly agreement: number | undefined
  /** Pixels of the class by both, over pixels by either: the same whichever is the first. */
  readonly iou: number
}

/** Pixels for which the two say other things; `undefined` is no class. */
export interface Difference {
  readonly first: number | undefined
  readonly second: number | undefined
  readonly pixels: number
}

/** How far two segmenters agree. */
export interface Scores {
  /** Pixels counted. */
  readonly pixels: number
  /** Pixels that were not counted. */
  readonly ignored: number
  /** Pixels for which the two say other things. */
  readonly differing: number
  /** The share of pixels for which they say the same, from 0 to 1; `undefined` where none was counted. */
  readonly overall: number | undefined
  /** Ascending by id. */
  readonly classes: ReadonlyArray<ClassScores>
  /** Over the classes that one of them at least has found. */
  readonly meanIou: number | undefined
  /** The most frequent first. */
  readonly differences: ReadonlyArray<Difference>
}

/** How far the two agree on what was counted so far. */
export const scores = (self: Agreement): Scores => {
  const counts = new Map<number, { first: number; second: number; both: number }>()
  const differences: Array<Difference> = []
  let pixels = 0
  let differing = 0
  const of = (id: number) => {
    const found = counts.get(id) ?? { first: 0, second: 0, both: 0 }
    counts.set(id, found)
    return found
  }
  for (const [first, second, count] of PixelPairs.entries(self.pairs)) {
    pixels += count
    of(first).first += count
    of(second).second += count
    if (first === second) of(first).both += count
    else {
      differing += count
      differences.push({ first: idOf(first), second: idOf(second), pixels: count })
    }
  }
  counts.delete(PixelPairs.none)
  const classes = Array.from(counts, ([id, { both, first, second }]): ClassScores => ({
    id,
    first,
    second,
    both,
    agreement: first === 0 ? undefined : both / first,
    iou: both / (first + second - both)
  })).sort((a, b) => a.id - b.id)
  return {
    pixels,
    ignored: self.ignored,
    differing,
    overall: pixels === 0 ? undefined : (pixels - differing) / pixels,
    classes,
    meanIou:
      classes.length === 0 ? undefined : classes.reduce((sum, { iou }) => sum + iou, 0) / classes.length,
    differences: differences.sort((a, b) => b.pixels - a.pixels)
  }
}

const idOf = (id: number): number | undefined => (id === PixelPairs.none ? undefined : id)

/** `[height, width]`: 1 where the two say other things of a pixel that is counted. */
export const differing = (
  { first, second }: Pair,
  options: AddOptions = {}
): Result.Result<BinaryMask, MaskNotDecodable> => {
  const unequal = unequalSizes("first", first, "second", second)
  if (unequal !== undefined) return unequal
  const { data: a, height, ignoreIndex: noA, width } = first
  const { data: b, ignoreIndex: noB } = second
  const ignored = new Set(options.ignore)
  const data = new Uint8Array(a.length)
  for (let i = 0; i < a.length; i++) {
    const isNone = a[i] === noA
    const isSame = isNone === (b[i] === noB) && (isNone || a[i] === b[i])
    data[i] = isSame || ignored.has(a[i]!) ? 0 : 1
  }
  return Result.succeed({ width, height, data })
}
