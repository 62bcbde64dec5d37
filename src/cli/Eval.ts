/** `segformer eval`, at work: two folders of label maps in, scores and a report out. */
import { dirname } from "node:path"
import { Clock, Effect, FileSystem, Result } from "effect"
import * as WholeFile from "../files/WholeFile.ts"
import * as BoundaryIou from "../mask/BoundaryIou.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Metrics from "../mask/Metrics.ts"
import * as Colors from "../render/Colors.ts"
import * as EvalReport from "../render/EvalReport.ts"
import * as Backend from "./Backend.ts"
import * as EvalPictures from "./EvalPictures.ts"
import type { Options } from "./EvalCommand.ts"
import * as ExitCode from "./ExitCode.ts"
import * as LabelFiles from "./LabelFiles.ts"
import * as Screen from "./Screen.ts"

/** Above this the matrix of classes would be larger than it could be of use. */
const maxClasses = 1024

/** The whole run, from two folders to scores. */
export const run = (options: Options) =>
  Effect.scoped(evaluate(options)).pipe(Effect.provide(Backend.layerCodec))

const evaluate = Effect.fnUntraced(function* (options: Options) {
  const started = yield* Clock.currentTimeMillis
  const given = options.classes === undefined ? undefined : yield* LabelFiles.classes(options.classes)
  const { pairs, problems } = yield* match(options)
  for (const { name, reason } of problems) yield* Screen.complain(`${name}: ${reason}`)
  if (pairs.length === 0 && problems.length === 0) {
    const { predictions, truth } = options
    return yield* ExitCode.failed(`there are no label PNGs or .npy files in ${predictions} and ${truth}`)
  }

  const progress = yield* Screen.progress(!options.quiet)
  const sums = new Sums(given, options)
  const images: Array<EvalReport.ImageScores> = []
  for (const [done, pair] of pairs.entries()) {
    yield* progress.show(`[${done}/${pairs.length}] ${pair.key}`)
    const result = yield* Effect.result(
      Effect.flatMap(readPair(pair, options, given), (maps) => Effect.fromResult(sums.add(maps)))
    )
    if (Result.isFailure(result)) {
      yield* progress.clear
      yield* Screen.complain(`${pair.key}: ${result.failure}`)
      problems.push({ name: pair.key, reason: result.failure })
    } else if (result.success.pixels > 0) {
      const { meanIou, overallAccuracy, pixels } = result.success
      images.push({ name: pair.key, meanIou, overallAccuracy, pixels })
    }
    yield* Effect.yieldNow
  }
  yield* progress.clear
  if (images.length === 0) return yield* ExitCode.failed("no pair of files could be scored")

  const named = given ?? (yield* LabelFiles.classesBeside(pairs.map(({ prediction }) => prediction)))
  const classes = Array.from(
    { length: sums.confusion.classes },
    (_, id) => ClassTable.get(named, id) ?? { id, name: ClassTable.nameOf(named, id) }
  )
  const scores = Metrics.scores(sums.confusion)
  const boundary = options.boundary ? BoundaryIou.scores(sums.boundary) : undefined
  const worst = images.toSorted((a, b) => (a.meanIou ?? 1) - (b.meanIou ?? 1)).slice(0, options.worst ?? 6)
  const found: EvalReport.Evaluation = {
    classes,
    scores,
    boundary,
    confusion: sums.confusion,
    images,
    problems
  }

  if (options.json) yield* Screen.say(JSON.stringify(toJson(found, worst)))
  else if (!options.quiet) {
    const took = (yield* Clock.currentTimeMillis) - started
    for (const line of table(found, worst, took)) yield* Screen.say(line)
  }
  if (options.html !== undefined) {
    const palette = Colors.paletteOf(classes)
    const pictures: Array<EvalReport.Pictured> = []
    for (const image of worst) {
      const pair = pairs.find(({ key }) => key === image.name)
      if (pair === undefined) continue
      yield* progress.show(`drawing ${image.name}`)
      const maps = yield* Effect.result(readPair(pair, options, given))
      if (Result.isFailure(maps)) continue
      pictures.push({
        ...image,
        pictures: yield* EvalPictures.make(maps.success, pair.key, palette, options)
      })
    }
    yield* progress.clear
    const html = EvalReport.html(found, {
      palette,
      pictures,
      predictions: options.predictions,
      truth: options.truth
    })
    yield* writeHtml(options.html, html)
    if (!options.json && !options.quiet) yield* Screen.say(`\nThe report is ${Screen.plain(options.html)}`)
  }
  if (problems.length > 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
})

interface Pair {
  readonly key: string
  readonly prediction: LabelFiles.LabelFile
  readonly truth: LabelFiles.LabelFile
}

const match = Effect.fnUntraced(function* (options: Options) {
  const predictions = yield* LabelFiles.inFolder(options.predictions)
  const truths = new Map((yield* LabelFiles.inFolder(options.truth)).map((file) => [file.key, file]))
  const pairs: Array<Pair> = []
  const problems: Array<LabelFiles.Problem> = []
  for (const prediction of predictions) {
    const { key } = prediction
    const truth = truths.get(key)
    if (truth === undefined) problems.push({ name: key, reason: `it has no match in ${options.truth}` })
    else pairs.push({ key, prediction, truth })
    truths.delete(key)
  }
  for (const key of truths.keys())
    problems.push({ name: key, reason: `it has no match in ${options.predictions}` })
  return { pairs, problems }
})

const readPair = (
  pair: Pair,
  options: Options,
  palette: ClassTable.ClassTable | undefined
): Effect.Effect<Metrics.Pair, string, FileSystem.FileSystem> =>
  Effect.all({
    prediction: Effect.mapError(
      LabelFiles.read(pair.prediction.path, { palette }),
      (reason) => `the prediction ${pair.prediction.path}: ${reason}`
    ),
    truth: Effect.mapError(
      LabelFiles.read(pair.truth.path, { ignoreIndex: options.ignore, palette }),
      (reason) => `the truth ${pair.truth.path}: ${reason}`
    )
  })

/** What was counted so far. Without a table of classes it grows with the ids that occur. */
class Sums {
  confusion: Metrics.Confusion
  boundary: BoundaryIou.BoundarySums
  readonly #fixed: boolean
  readonly #options: Options

  constructor(classes: ClassTable.ClassTable | undefined, options: Options) {
    const count = (classes?.at(-1)?.id ?? -1) + 1
    this.confusion = Metrics.make(count)
    this.boundary = BoundaryIou.make(count)
    this.#fixed = classes !== undefined
    this.#options = options
  }

  /** Counts one image; gives its own scores, or says what is wrong. */
  add(pair: Metrics.Pair): Result.Result<Metrics.Scores, string> {
    const { boundary, ignore, reduceLabels } = this.#options
    const rules = { ignoreIndex: ignore, reduceLabels }
    if (!this.#fixed) {
      const shift = reduceLabels ? 1 : 0
      const count = Math.max(highest(pair.truth, ignore) - shift, highest(pair.prediction, ignore)) + 1
      if (count > maxClasses) {
        return Result.fail(`it has id ${count - 1}: say with --classes how many there are, or with --ignore`)
      }
      this.#grow(count)
    }
    const own = Metrics.make(this.confusion.classes)
    const counted = Metrics.add(own, pair, rules)
    if (Result.isFailure(counted)) return Result.fail(counted.failure.detail)
    this.confusion = Metrics.combine(this.confusion, own)
    if (boundary) BoundaryIou.add(this.boundary, pair, rules)
    return Result.succeed(Metrics.scores(own))
  }

  #grow(count: number): void {
    const { classes, counts } = this.confusion
    if (count <= classes) return
    const wider = Metrics.make(count)
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

const highest = ({ data }: LabelMap, ignore: number): number => {
  let most = 0
  for (let i = 0; i < data.length; i++) if (data[i]! > most && data[i] !== ignore) most = data[i]!
  return most
}

const writeHtml = (path: string, html: string) =>
  Effect.andThen(
    WholeFile.makeFolder(dirname(path)),
    WholeFile.write(path, new TextEncoder().encode(html))
  ).pipe(Effect.mapError(({ reason }) => ExitCode.notWritten({ path, reason })))

const score = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(4))

const table = (
  { boundary, classes, images, problems, scores }: EvalReport.Evaluation,
  worst: ReadonlyArray<EvalReport.ImageScores>,
  took: number
): ReadonlyArray<string> => {
  const rows = scores.classes
    .filter(({ predicted, truth }) => predicted > 0 || truth > 0)
    .map((own) => ({
      cells: [
        Screen.plain(ClassTable.nameOf(classes, own.id)),
        Screen.count(own.truth),
        score(own.iou),
        ...(boundary === undefined ? [] : [score(boundary.classes[own.id])]),
        score(own.dice),
        score(own.precision),
        score(own.recall)
      ]
    }))
  const also = problems.length === 0 ? "" : `, ${problems.length} left out`
  const totals: ReadonlyArray<readonly [string, number | undefined]> = [
    ["mean IoU", scores.meanIou],
    ...(boundary === undefined ? [] : [["mean boundary IoU", boundary.mean] as const]),
    ["mean Dice", scores.meanDice],
    ["mean precision", scores.meanPrecision],
    ["mean accuracy (recall)", scores.meanAccuracy],
    ["overall accuracy", scores.overallAccuracy],
    ["frequency-weighted IoU", scores.frequencyWeightedIou]
  ]
  const low = worst.slice(0, 3).filter(({ meanIou }) => meanIou !== undefined && meanIou < 1)
  return [
    `${images.length} ${images.length === 1 ? "image" : "images"}${also}, ${Screen.count(scores.pixels)} pixels, ` +
      `${(took / 1000).toFixed(1)} s`,
    "",
    ...Screen.table(
      [
        "class",
        "pixels",
        "IoU",
        ...(boundary === undefined ? [] : ["boundary IoU"]),
        "Dice",
        "precision",
        "recall"
      ],
      rows
    ),
    "",
    ...Screen.table(
      ["all classes", ""],
      totals.map(([name, value]) => ({ cells: [name, score(value)] }))
    ),
    ...(low.length === 0
      ? []
      : [
          "",
          ...Screen.table(
            ["worst images", "mean IoU"],
            low.map(({ meanIou, name }) => ({ cells: [Screen.plain(name), score(meanIou)] }))
          )
        ])
  ]
}

/** What has no value is null, so that every key is there. */
const toJson = (
  { boundary, classes, images, problems, scores }: EvalReport.Evaluation,
  worst: ReadonlyArray<EvalReport.ImageScores>
) => ({
  images: images.length,
  pixels: scores.pixels,
  meanIou: scores.meanIou ?? null,
  meanBoundaryIou: boundary?.mean ?? null,
  meanDice: scores.meanDice ?? null,
  meanPrecision: scores.meanPrecision ?? null,
  meanAccuracy: scores.meanAccuracy ?? null,
  overallAccuracy: scores.overallAccuracy ?? null,
  frequencyWeightedIou: scores.frequencyWeightedIou ?? null,
  classes: scores.classes.map((own) => ({
    id: own.id,
    name: ClassTable.nameOf(classes, own.id),
    truth: own.truth,
    predicted: own.predicted,
    iou: own.iou ?? null,
    boundaryIou: boundary?.classes[own.id] ?? null,
    dice: own.dice ?? null,
    precision: own.precision ?? null,
    recall: own.recall ?? null
  })),
  worst: worst.map(({ meanIou, name, overallAccuracy }) => ({
    name,
    meanIou: meanIou ?? null,
    overallAccuracy: overallAccuracy ?? null
  })),
  leftOut: problems
})
