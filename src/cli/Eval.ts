/** `segformer eval`, at work: two folders of label maps in, scores and a report out. */
import { dirname } from "node:path"
import { Clock, Effect, type FileSystem, Result } from "effect"
import * as WholeFile from "../files/WholeFile.ts"
import * as BoundaryIou from "../mask/BoundaryIou.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Metrics from "../mask/Metrics.ts"
import * as Colors from "../render/Colors.ts"
import * as EvalReport from "../render/EvalReport.ts"
import * as Annotations from "./Annotations.ts"
import * as Backend from "./Backend.ts"
import * as ClassFile from "./ClassFile.ts"
import * as ClassNames from "./ClassNames.ts"
import type * as EvalCommand from "./EvalCommand.ts"
import * as EvalPairs from "./EvalPairs.ts"
import * as EvalPictures from "./EvalPictures.ts"
import * as EvalRanking from "./EvalRanking.ts"
import * as EvalSums from "./EvalSums.ts"
import * as EvalTruth from "./EvalTruth.ts"
import * as EvalTable from "./EvalTable.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import * as Inputs from "./Inputs.ts"
import * as LabelFiles from "./LabelFiles.ts"
import type { LabelFile } from "./LabelFolder.ts"
import * as Screen from "./Screen.ts"

/** Beside a truth. */
interface Options extends Omit<EvalCommand.Options, "truth" | "against"> {
  readonly truth: string
  /** A folder of another segmenter's predictions. */
  readonly against: string | undefined
}

/** The whole run, from two folders to scores. */
export const run = (options: Options) =>
  Effect.scoped(evaluate(options)).pipe(Effect.provide(Backend.layerCodec))

/** The matrix of so many classes takes half a gigabyte. */
const maxIds = 8192

/** What an object and what is none are called, where nobody says. */
const two = ClassTable.fromNames(["background", "object"])

const evaluate = Effect.fnUntraced(function* (options: Options) {
  const started = yield* Clock.currentTimeMillis
  const { predictions, truth } = options
  const told = options.classes === undefined ? undefined : yield* ClassFile.read(options.classes)
  const given = told ?? (options.binary ? two : undefined)
  const most = given?.at(-1)?.id ?? 0
  if (most >= maxIds)
    return yield* ExitCode.wrong(
      `--classes has ids up to ${most}, and every id below that would be held against every other: ids below ${maxIds} can be scored. Number the classes from 0`
    )
  const annotations = yield* EvalTruth.read(options)
  const annotated = annotations && new Annotations.AnnotatedFiles(truth, annotations.images)
  const { pairs, problems: unmatched, unannotated } = yield* EvalPairs.match(options, annotated)
  const problems = [...(annotations?.problems ?? []), ...unmatched]
  for (const { name, reason } of problems) yield* Screen.complain(`${name}: ${reason}`)
  const advice = EvalPairs.advice(options, problems)
  if (advice !== undefined) yield* Screen.complain(advice)
  if (pairs.length === 0 && problems.length === 0)
    return yield* ExitCode.failed(
      annotations === undefined
        ? `there are no label PNGs or .npy files in ${predictions} and ${truth}`
        : `no prediction in ${predictions} is of an image that ${truth} has annotations of`
    )

  if ((yield* Inputs.realPath(predictions)) === (yield* Inputs.realPath(truth)))
    return yield* ExitCode.wrong(`${predictions} and ${truth} are one folder, which would be right all over`)

  const isTruthToo = annotations === undefined
  const names = yield* given === undefined
    ? ClassNames.read(filesOf(pairs, isTruthToo))
    : ClassNames.given(given, told === undefined ? [] : filesOf(pairs, isTruthToo && !options.reduceLabels))
  const named = yield* ClassNames.one(names)
  const excluded = yield* excludedIds(options.exclude, named)
  const progress = yield* Screen.progress(!options.quiet)
  const ignored = options.binary
    ? [EvalSums.BINARY_IGNORED]
    : annotated === undefined
      ? ignoredIds(options, named)
      : ignoredInAnnotations(options, named)
  const { boundary, reduceLabels } = options
  const drawn = annotations && (yield* EvalTruth.reading(options, named, ignored))
  const sums = new EvalSums.Sums(given, { ignored, reduceLabels, boundary, excluded })
  const images: Array<EvalReport.ImageScores> = []
  const looks: Array<EvalRanking.Look> = []
  const lookAt = yield* EvalRanking.make(options, named)
  const truthIds = new Set<number>()
  const maybeMasks: Array<string> = []
  let done = 0
  for (const pair of pairs) {
    yield* progress.show(`[${done++}/${pairs.length}] ${pair.key}`)
    const result = yield* Effect.result(
      Effect.flatMap(readPair(pair, options, given, names, drawn), (maps) => {
        const ids = EvalSums.idsOf(maps.truth)
        for (const id of ids) truthIds.add(id)
        if (annotations === undefined && isMaskLike(options, ids, named)) maybeMasks.push(pair.truth.path)
        // What cannot be looked at is in no count either.
        return Effect.flatMap(lookAt(pair, maps.prediction), (look) =>
          Effect.map(Effect.fromResult(sums.add(maps)), (scores) => ({ look, scores }))
        )
      })
    )
    if (Result.isFailure(result)) {
      yield* progress.clear
      yield* Screen.complain(`${pair.key}: ${result.failure}`)
      problems.push({ name: pair.key, reason: result.failure })
    } else {
      const { ignored, meanIou, overallAccuracy, pixels } = result.success.scores
      images.push({ name: pair.key, meanIou, overallAccuracy, pixels, ignored })
      looks.push(result.success.look)
    }
    yield* Effect.yieldNow
  }
  yield* progress.clear
  if (annotations === undefined) yield* askWhatIsMeant(options, truthIds, named)
  if (maybeMasks.length > 0)
    yield* Screen.complain(
      `${Screen.some(maybeMasks)}: ${maybeMasks.length === 1 ? "it holds" : "they hold"} 0 and 255 alone, unlike the others, and 255 is not ` +
        "counted. Where it is an object, write it as the id of its class"
    )
  if (images.length === 0) return yield* ExitCode.failed("no pair of files could be scored")

  const classes = Array.from(
    { length: sums.confusion.classes },
    (_, id) => ClassTable.get(named, id) ?? { id, name: ClassTable.nameOf(named, id) }
  )
  const scores = Metrics.scores(sums.confusion, { exclude: excluded })
  if (scores.pixels === 0)
    return yield* ExitCode.failed(`every pixel of the truth is ignored (--ignore ${ignored.join(",")})`)
  const worst = images
    .filter(({ pixels }) => pixels > 0)
    .sort((a, b) => (a.meanIou ?? 1) - (b.meanIou ?? 1))
    .slice(0, options.worst ?? 6)
  const found: EvalReport.Evaluation = {
    classes,
    scores,
    excluded: new Set(excluded),
    boundary: boundary ? BoundaryIou.scores(sums.boundary) : undefined,
    confusion: sums.confusion,
    ranking: yield* EvalRanking.ranked(looks, options),
    images,
    notes: [
      ...notes(scores, classes, ignored, new Set(excluded)),
      ...withoutClass(sums.confusion, scores.pixels),
      ...(annotations?.notes ?? []),
      ...(drawn?.notes ?? []),
      ...(unannotated === 0
        ? []
        : [`predictions of images without annotations: ${Screen.count(unannotated)} left out`])
    ],
    problems
  }

  // Before anything is printed: who reads no more of that (`| head`) ends the command.
  if (options.html !== undefined) {
    const palette = Colors.paletteOf(classes)
    const pictures: Array<EvalReport.Pictured> = []
    for (const image of worst) {
      const pair = pairs.get(image.name)
      if (pair === undefined) continue
      yield* progress.show(`drawing ${image.name}`)
      const maps = yield* Effect.result(readPair(pair, options, given, names, drawn))
      if (Result.isFailure(maps)) continue
      const rules = { ignored, reduceLabels, images: options.images, names: options.predictionNames }
      const own = yield* EvalPictures.make(maps.success, pair, palette, rules)
      pictures.push({ ...image, pictures: own })
    }
    yield* progress.clear
    yield* writeHtml(options.html, EvalReport.html(found, { palette, pictures, predictions, truth }))
  }
  if (options.json) yield* Screen.say(JSON.stringify(EvalTable.toJson(found, worst)))
  else if (!options.quiet) {
    const took = (yield* Clock.currentTimeMillis) - started
    for (const line of EvalTable.table(found, worst, took)) yield* Screen.say(line)
  }
  if (options.html !== undefined && !options.json && !options.quiet)
    yield* Screen.say(`\nThe report is ${Screen.plain(options.html)}`)
  if (problems.length > 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
})

/** Those that may say what their classes are called. */
function* filesOf(pairs: EvalPairs.Pairs, isTruthToo: boolean): Generator<LabelFile> {
  yield* pairs.predictions()
  if (isTruthToo) yield* pairs.truths()
}

/** The ids that are not counted: none of a mask of two values, where nobody says. */
const ignoredIds = (
  { binary, ignore, reduceLabels }: Options,
  classes: ClassTable.ClassTable
): ReadonlyArray<number> => {
  if (ignore !== undefined) return ignore
  if (binary) return []
  // What is 255 in a truth whose ids are by one higher is none of the classes.
  return reduceLabels ? [255] : ClassNames.ignored(classes)
}

/** The same of a truth that was drawn: what nobody drew on has an id of its own. */
const ignoredInAnnotations = (options: Options, classes: ClassTable.ClassTable): ReadonlyArray<number> => {
  const ids = ignoredIds(options, classes)
  return ids.length > 0 || options.ignore !== undefined ? ids : [LabelMap.freeId(classes.map(({ id }) => id))]
}

/** The ids of classes that are in no mean; without a table of classes they are ids. */
const excludedIds = (words: ReadonlyArray<string>, classes: ClassTable.ClassTable) =>
  Effect.forEach(words, (word) =>
    classes.length === 0 && /^\d+$/.test(word)
      ? Effect.succeed([Number(word)])
      : Flags.classIds("exclude", [word], classes)
  ).pipe(Effect.map((ids) => ids.flat()))

/** Where nobody said what 255 is. */
const isMaskLike = (options: Options, ids: ReadonlySet<number>, classes: ClassTable.ClassTable): boolean =>
  options.ignore === undefined &&
  !options.reduceLabels &&
  ignoredIds(options, classes).includes(255) &&
  EvalSums.areOfMask(ids)

const askWhatIsMeant = (options: Options, ids: ReadonlySet<number>, classes: ClassTable.ClassTable) =>
  isMaskLike(options, ids, classes)
    ? Effect.fail(
        ExitCode.wrong(
          `${options.truth} holds 0 and 255 alone, and 255 is not counted by default, which would leave one class to score. ` +
            "Say what 255 is: --binary where it is the object, --ignore none where it is a class of that id, --ignore 255 " +
            "where it is to be ignored"
        )
      )
    : Effect.void

/** What a reader of the means has to know. */
const notes = (
  scores: Metrics.Scores,
  classes: ClassTable.ClassTable,
  ignored: ReadonlyArray<number>,
  excluded: ReadonlySet<number>
): ReadonlyArray<string> =>
  scores.classes
    .filter(
      ({ id, predicted, truth }) => ignored.includes(id) && truth === 0 && predicted > 0 && !excluded.has(id)
    )
    .map(({ id, predicted }) => {
      const name = ClassTable.nameOf(classes, id)
      return (
        `${name} is ignored in the truth and predicted on ${Screen.count(predicted)} pixels of others: its IoU of 0 ` +
        `counts in the means, as evaluate's mean_iou has it. --exclude "${name}" leaves it out`
      )
    })

/** Of predictions that leave gaps, as those of a list of masks do, whatever the truth has there is lost. */
const withoutClass = ({ classes, counts }: Metrics.Confusion, pixels: number): ReadonlyArray<string> => {
  let none = 0
  for (let row = 0; row < classes; row++) none += counts[row * (classes + 1) + classes]!
  return none < pixels / 100
    ? []
    : [
        `predictions have no class (255, or one that is none) on ${Screen.count(none)} of ${Screen.count(pixels)} pixels that are counted: ` +
          "they are wrong there. Masks of things leave such gaps, where the truth has a background"
      ]
}

const readPair = (
  pair: EvalPairs.Pair,
  options: Options,
  palette: ClassTable.ClassTable | undefined,
  names: ClassNames.Names,
  drawn: EvalTruth.Reading | undefined
): Effect.Effect<Metrics.Pair, string, FileSystem.FileSystem> => {
  const asAsked = (
    map: LabelMap.LabelMap,
    ignored: ReadonlyArray<number>
  ): Result.Result<LabelMap.LabelMap, string> =>
    options.binary ? EvalSums.binary(map, ignored) : Result.succeed(map)
  // Ids of such a truth are not those of the classes.
  const byIndex = options.reduceLabels
  /** The truth may have other classes by one. */
  const namesOf = (isReduced: boolean): ClassNames.Names => {
    const one = names.classes.length > 0 ? [{ id: 0, name: "" }] : []
    return isReduced
      ? { ...names, classes: [...one, ...names.classes.map(({ id, name }) => ({ id: id + 1, name }))] }
      : names
  }
  const read = ({ path }: LabelFile, what: string, ignored: ReadonlyArray<number>) =>
    LabelFiles.read(path, { palette, asMask: options.binary, byIndex }).pipe(
      Effect.flatMap((map) => Effect.fromResult(asAsked(map, ignored))),
      Effect.flatMap(
        options.binary
          ? Effect.succeed
          : ClassNames.refuseStranger(
              namesOf(byIndex && what === "truth"),
              ignoredIds(options, names.classes)
            )
      ),
      Effect.mapError((reason) => `the ${what} ${path}: ${reason}`)
    )
  const { annotated } = pair.truth
  return Effect.flatMap(read(pair.prediction, "prediction", []), (prediction) => {
    const truth =
      annotated === undefined || drawn === undefined
        ? read(pair.truth, "truth", ignoredIds(options, names.classes))
        : Effect.fromResult(drawn.toLabelMap(annotated, prediction))
    return Effect.map(truth, (truth) => ({ prediction, truth }))
  })
}

const writeHtml = (path: string, html: string) =>
  Effect.andThen(
    WholeFile.makeFolder(dirname(path)),
    WholeFile.write(path, new TextEncoder().encode(html))
  ).pipe(Effect.mapError(({ reason }) => ExitCode.notWritten({ path, reason })))
