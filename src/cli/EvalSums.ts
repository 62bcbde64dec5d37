/** What `segformer eval` counts over all images, and what it makes of label maps before. */
import { Result } from "effect"
import * as BoundaryIou from "../mask/BoundaryIou.ts"
import type * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Metrics from "../mask/Metrics.ts"

export interface Rules {
  /** Ids of the truth that are not counted. */
  readonly ignored: ReadonlyArray<number>
  readonly reduceLabels: boolean
  readonly boundary: boolean
  /** Classes that are in no mean. */
  readonly excluded: ReadonlyArray<number>
}

/** Above this the matrix of classes would be larger than it could be of use. */
const maxClasses = 1024

/** What was counted so far. Without a table of classes it grows with the ids that occur. */
export class Sums {
  confusion: Metrics.Confusion
  boundary: BoundaryIou.BoundarySums
  readonly #fixed: boolean
  readonly #rules: Rules

  constructor(classes: ClassTable.ClassTable | undefined, rules: Rules) {
    const count = (classes?.at(-1)?.id ?? -1) + 1
    this.confusion = Metrics.make(count)
    this.boundary = BoundaryIou.make(count)
    this.#fixed = classes !== undefined
    this.#rules = rules
  }

  /** Counts one image; gives its own scores, or says what is wrong. */
  add(pair: Metrics.Pair): Result.Result<Metrics.Scores, string> {
    const { boundary, excluded, ignored, reduceLabels } = this.#rules
    const rules = { ignoreIndex: ignored, reduceLabels }
    if (!this.#fixed) {
      const shift = reduceLabels ? 1 : 0
      const count = Math.max(highest(pair.truth, ignored) - shift, highest(pair.prediction, ignored)) + 1
      if (count > maxClasses) {
        return Result.fail(
          `it has id ${count - 1}: say with --classes how many there are, with --ignore that it is none, or --binary ` +
            "where these are masks"
        )
      }
      this.#grow(count)
    }
    const own = Metrics.make(this.confusion.classes)
    const counted = Metrics.add(own, pair, rules)
    if (Result.isFailure(counted)) return Result.fail(counted.failure.detail)
    this.confusion = Metrics.combine(this.confusion, own)
    if (boundary) BoundaryIou.add(this.boundary, pair, rules)
    return Result.succeed(Metrics.scores(own, { exclude: excluded }))
  }

  #grow(count: number): void {
    const { classes, counts, ignored } = this.confusion
    if (count <= classes) return
    const wider = Metrics.make(count)
    wider.ignored = ignored
    for (let row = 0; row < classes; row++) {
      const from = counts.subarray(row * (classes + 1), (row + 1) * (classes + 1))
      wider.counts.set(from.subarray(0, classes), row * (count + 1))
      wider.counts[row * (count + 1) + count] = from[classes]!
    }
    this.confusion = wider
    const { both, either } = this.boundary
    this.boundary = BoundaryIou.make(count)
    this.boundary.both.set(both)
    this.boundary.either.set(either)
  }
}

const highest = ({ data }: LabelMap.LabelMap, ignored: ReadonlyArray<number>): number => {
  let most = 0
  for (let i = 0; i < data.length; i++) if (data[i]! > most && !ignored.includes(data[i]!)) most = data[i]!
  return most
}

/** Whether these are 0 and 255 alone: a mask more often than a map most of which is ignored. */
export const areOfMask = (ids: ReadonlySet<number>): boolean => ids.size === 2 && ids.has(0) && ids.has(255)

/** Every id of a map, the ignored one too. */
export const idsOf = ({ data, height, width }: LabelMap.LabelMap): ReadonlySet<number> =>
  new Set(LabelMap.histogram({ data, height, width }).keys())

/** The id of ignored pixels in a map of {@link binary}. */
export const BINARY_IGNORED = 255

/**
 * A mask as a map of two classes: 0 stays, the one other id is class 1, and what is ignored {@link BINARY_IGNORED}. Fails
 * where there are several: greys of an edge that was smoothed are no classes.
 */
export const binary = (
  map: LabelMap.LabelMap,
  ignored: ReadonlyArray<number>
): Result.Result<LabelMap.LabelMap, string> => {
  const others = [...idsOf(map)].filter((id) => id !== 0 && !ignored.includes(id))
  if (others.length > 1) {
    const [first, second, ...more] = others
    const also = more.length === 0 ? "" : ` and ${more.length} more`
    return Result.fail(`it has ids ${first}, ${second}${also} besides 0: --binary is for 0 and one other`)
  }
  const { data, height, width } = map
  const out = new Uint8Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const id = data[i]!
    out[i] = ignored.includes(id) ? BINARY_IGNORED : id === 0 ? 0 : 1
  }
  return Result.succeed({ width, height, data: out })
}
