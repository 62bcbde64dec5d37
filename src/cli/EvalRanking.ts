/** Which images of an evaluation a person should look at next: what is known of each, and the list. */
import { Effect, type FileSystem } from "effect"
import type { ClassTable } from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Ranking from "../mask/Ranking.ts"
import * as Shares from "../mask/Shares.ts"
import * as ClassNames from "./ClassNames.ts"
import * as EvalOthers from "./EvalOthers.ts"
import type { Pair } from "./EvalPairs.ts"
import * as ExitCode from "./ExitCode.ts"
import * as LabelFiles from "./LabelFiles.ts"
import * as LabelFolder from "./LabelFolder.ts"

/** What is known of one image. */
export interface Look extends Ranking.Row {
  readonly shares: Shares.Shares
}

interface Options {
  readonly rank: Ranking.By | undefined
  /** A folder of predictions of another segmenter. */
  readonly against: string | undefined
  readonly binary: boolean
  /** Names that hold for all. */
  readonly classes: string | undefined
}

/** Looks at one image after the other; costs nothing where nobody asks for a ranking. */
export const make = Effect.fnUntraced(function* (
  options: Options,
  classes: ClassTable
): Effect.fn.Return<
  (pair: Pair, prediction: LabelMap) => Effect.Effect<Look, string, FileSystem.FileSystem>,
  ExitCode.Ended,
  FileSystem.FileSystem
> {
  const { against, binary } = options
  if (options.rank === undefined && against === undefined)
    return ({ key }) => Effect.succeed({ image: key, shares: new Map() })
  const others = against === undefined ? undefined : yield* LabelFolder.list(against)
  const names =
    others === undefined || binary || options.classes !== undefined
      ? undefined
      : yield* ClassNames.read(others)
  const differ = names && (names.conflict ?? EvalOthers.conflict(classes, names.classes))
  if (differ !== undefined)
    return yield* ExitCode.wrong(
      `--against ${against}: ${differ}, and predictions of two models are compared by id: give --classes where one list is true of both`
    )
  return Effect.fnUntraced(function* ({ key, prediction: file }: Pair, prediction: LabelMap) {
    const report = yield* LabelFiles.sidecar(file)
    const own = { image: key, ...report?.uncertainty, shares: Shares.of(prediction) }
    if (others === undefined) return own
    const other = others.at(others.placeOf(key))
    if (other === undefined) return yield* Effect.fail(`it has no match in ${against}`)
    const second = yield* Effect.mapError(
      LabelFiles.read(other.path, { asMask: binary }),
      (reason) => `the prediction ${other.path}: ${reason}`
    )
    return { ...own, disagreement: yield* differing(prediction, second, binary) }
  })
})

/** The share of pixels on which two maps say other things. */
const differing = (a: LabelMap, b: LabelMap, binary: boolean): Effect.Effect<number, string> => {
  if (a.width !== b.width || a.height !== b.height) {
    return Effect.fail(
      `one prediction is ${a.width} x ${a.height} pixels, the other ${b.width} x ${b.height}`
    )
  }
  let count = 0
  for (let i = 0; i < a.data.length; i++) {
    const same = binary ? (a.data[i] === 0) === (b.data[i] === 0) : a.data[i] === b.data[i]
    if (!same) count++
  }
  return Effect.succeed(count / a.data.length)
}

/** All images with what is known of them, the first to look at first; none where nobody asked. */
export const ranked = (
  looks: ReadonlyArray<Look>,
  { against, rank }: Options
): Effect.Effect<ReadonlyArray<Ranking.Row>, ExitCode.Ended> => {
  if (rank === undefined && against === undefined) return Effect.succeed([])
  const set = Shares.mean(looks.map(({ shares }) => shares))
  const rows = looks.map(({ shares, ...row }): Ranking.Row => ({
    ...row,
    distance: Shares.distance(shares, set)
  }))
  const by = rank ?? "disagreement"
  return rows.some((row) => row[by] !== undefined)
    ? Effect.succeed(Ranking.sorted(rows, by))
    : Effect.fail(
        ExitCode.wrong(
          `--rank ${by}: no .json beside the predictions says how unsure the model was. segformer segment writes that of a ` +
            "model here"
        )
      )
}
