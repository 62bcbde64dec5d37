/** `segformer eval` without a truth, at work: two segmenters over one set of images, and where they differ. */
import { join, relative } from "node:path"
import { Clock, Effect, FileSystem, Result } from "effect"
import type { HttpClient } from "effect/http"
import type { NotWritten } from "../files/NotWritten.ts"
import { ImageCodec, type Raster } from "../image/ImageCodec.ts"
import type { Image } from "../image/ImageSource.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import { segment } from "../Segmenter.ts"
import type { Segmentation } from "../Segmentation.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import * as ClassFile from "./ClassFile.ts"
import * as ClassNames from "./ClassNames.ts"
import * as EvalAgainstTable from "./EvalAgainstTable.ts"
import type { Options } from "./EvalCommand.ts"
import * as EvalComparison from "./EvalComparison.ts"
import * as EvalOthers from "./EvalOthers.ts"
import * as EvalPairs from "./EvalPairs.ts"
import * as EvalPictures from "./EvalPictures.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import * as Inputs from "./Inputs.ts"
import * as LabelFiles from "./LabelFiles.ts"
import type { LabelFile } from "./LabelFolder.ts"
import * as NewFolder from "./NewFolder.ts"
import * as Screen from "./Screen.ts"
import * as Words from "./Words.ts"

/** The whole run, from pictures or folders to what differs. */
export const run = (options: Options) =>
  Effect.scoped(compare(options)).pipe(Effect.provide([Backend.layerCodec, Backend.layerHttpClient(options)]))

const compare = Effect.fnUntraced(function* (given: Options) {
  const started = yield* Clock.currentTimeMillis
  const { against } = given
  const twice = against.find((word, index) => against.indexOf(word) !== index)
  if (twice !== undefined) return yield* ExitCode.wrong(`--against ${twice} is given twice`)
  const others = yield* Effect.forEach(against, (word) => EvalOthers.read(word, given))
  const folders = others.flatMap((other) => (other._tag === "Folder" ? [other.word] : []))
  const segmenters = others.flatMap((other) => (other._tag === "Segmenter" ? [other] : []))
  const [folder] = folders
  const options = folder === undefined ? yield* withService(given, segmenters) : given
  if (folder !== undefined && segmenters.length > 0) {
    return yield* ExitCode.wrong(
      `--against ${folder} is a folder of label maps, and ${segmenters[0]!.word} would segment pictures: compare with one after the other`
    )
  }
  yield* Flags.refuse(
    folder === undefined
      ? Flags.ignored(options, ["classes", "images"], "is for folders of label maps: leave it out")
      : [
          ...Flags.ignored(
            options,
            Flags.ofSegmenters,
            `is for segmenting pictures, and ${folder} is a folder without a model in it: leave it out`
          ),
          ...(options.out === undefined
            ? Flags.ignored(options, ["images"], "is for the pictures of --out: give that too")
            : [])
        ]
  )
  const progress = yield* Screen.progress(!options.quiet)
  const run: Run = { options, progress, problems: [] }
  const found = yield* folder === undefined ? ofPictures(segmenters, run) : ofFolders(folders, run)
  yield* progress.clear
  if (options.out !== undefined) yield* EvalComparison.tellLeft(options.out, found.comparisons)
  if (options.json) yield* Screen.say(JSON.stringify(EvalAgainstTable.toJson(found)))
  else if (!options.quiet && found.comparisons.some(({ images }) => images > 0)) {
    const took = (yield* Clock.currentTimeMillis) - started
    for (const line of EvalAgainstTable.table(found, took)) yield* Screen.say(line)
    if (options.out !== undefined && found.comparisons.some(({ least }) => least.length > 0))
      yield* Screen.say(`\nWhat differs is in ${Screen.plain(relative(".", options.out) || ".")}/`)
  }
  if (found.problems.length === 0) return
  return yield* new ExitCode.Ended({ code: found.unavailable ? ExitCode.unavailable : ExitCode.someFailed })
})

/** By the service that the environment names, where nobody is named and the others are models: what else they may be changes a model here. */
const withService = (
  options: Options,
  others: ReadonlyArray<EvalOthers.Other & { readonly _tag: "Segmenter" }>
) =>
  (process.env["SEGFORMER_SERVICE_URL"] ?? "") === ""
    ? Effect.succeed(options)
    : Effect.flatMap(
        ExitCode.loaded(() => import("./ServiceVariable.ts")),
        ({ orVariable, passedOver }) =>
          others.every((other) => other.options.model === other.word)
            ? orVariable(options)
            : Effect.as(passedOver(options), options)
      )

interface Run {
  readonly options: Options
  readonly progress: Screen.Progress
  readonly problems: Array<LabelFiles.Problem>
}

/** What is wrong with one image, told at once. */
const complain = ({ options, problems, progress }: Run, name: string, error: string, who?: string) =>
  Effect.suspend(() => {
    const by = who === undefined || options.against.length === 1 ? "" : `${who}: `
    const reason = by + Words.plain(error)
    problems.push({ name, reason })
    return Effect.andThen(progress.clear, Screen.complain(`${name}: ${reason}`))
  })

/** Where the pictures of each comparison go. */
const outs = ({ against, out }: Options): ReadonlyArray<string | undefined> => {
  const names = EvalOthers.folderNames(against)
  return names.map((name) => (out === undefined ? undefined : against.length === 1 ? out : join(out, name)))
}

const makeOut = ({ out }: Options) =>
  out === undefined
    ? Effect.void
    : Effect.mapError(NewFolder.make(out), ({ reason }) =>
        ExitCode.failed(`cannot write to ${out}: ${reason}`)
      )

/** Label maps of one name in two folders. */
const ofFolders = Effect.fnUntraced(function* (folders: ReadonlyArray<string>, run: Run) {
  const { options, progress } = run
  const { ignore = [], images, out, predictions } = options
  const told = options.classes === undefined ? undefined : yield* ClassFile.read(options.classes)
  const first = yield* Inputs.realPath(predictions)
  for (const folder of folders) {
    if ((yield* Inputs.realPath(folder)) === first)
      return yield* ExitCode.wrong(`${predictions} and ${folder} are one folder, which would agree all over`)
  }
  // There they would be label maps of the next run.
  for (const folder of out === undefined ? [] : [predictions, ...folders]) {
    if ((yield* Inputs.realPath(out!)) === (yield* Inputs.realPath(folder)))
      return yield* ExitCode.wrong(`--out ${out} is one of the folders that are compared: give another one`)
  }
  yield* makeOut(options)
  const places = outs(options)
  const comparisons: Array<EvalComparison.Comparison> = []
  for (const [index, folder] of folders.entries()) {
    const { pairs, problems } = yield* EvalPairs.match({
      predictions,
      truth: folder,
      predictionNames: undefined,
      truthNames: undefined
    })
    if (pairs.length === 0) {
      return yield* ExitCode.failed(
        `${predictions} and ${folder} have no label maps (PNG or .npy) of one name. To segment pictures by another model, give ` +
          "--against a model, a precision or a runtime"
      )
    }
    for (const { name, reason } of problems) yield* complain(run, name, reason, folder)
    const namesOf = (files: Iterable<LabelFile>) =>
      told === undefined ? ClassNames.read(files) : ClassNames.given(told, files)
    const names = [yield* namesOf(pairs.predictions()), yield* namesOf(pairs.truths())] as const
    const tables = [yield* ClassNames.one(names[0]), yield* ClassNames.one(names[1])] as const
    const alignment = yield* EvalOthers.align(...tables, options.match)
    const comparison = new EvalComparison.Comparison(folder, tables[1], alignment, {
      ignore,
      out: places[index],
      names: [predictions, folder],
      worst: options.worst
    })
    comparisons.push(comparison)
    const read = (path: string, names: ClassNames.Names) =>
      LabelFiles.read(path, {
        palette: told,
        ignoreIndex: ClassTable.get(names.classes, 255) === undefined ? 255 : undefined
      }).pipe(
        Effect.flatMap(ClassNames.refuseStranger(names, ignore)),
        Effect.mapError((reason) => `${path}: ${reason}`)
      )
    let done = 0
    for (const { key, prediction, truth } of pairs) {
      yield* progress.show(`[${done++}/${pairs.length}] ${key}`)
      const result = yield* Effect.result(
        Effect.gen(function* () {
          const pair = {
            first: yield* read(prediction.path, names[0]),
            second: yield* read(truth.path, names[1])
          }
          const { height, width } = pair.first
          const photo =
            images === undefined
              ? Effect.succeed(undefined)
              : EvalPictures.photoOf(images, new Set([key, prediction.key]), width, height)
          yield* Effect.mapError(comparison.add(key, pair, photo), messageOf)
        })
      )
      if (Result.isFailure(result)) yield* complain(run, key, result.failure, folder)
      yield* Effect.yieldNow
    }
  }
  return { first: predictions, comparisons, problems: run.problems, unavailable: false }
})

const messageOf = ({ message }: { readonly message: string }): string => message

/** What goes wrong with one image. */
type Failure = SegmentationError | NotWritten | EvalComparison.NotComparable

/** Pictures segmented by each. */
const ofPictures = Effect.fnUntraced(function* (
  others: ReadonlyArray<{ readonly word: string; readonly options: Backend.BackendOptions }>,
  run: Run
) {
  const { options, progress } = run
  const { ignore = [], out, predictions } = options
  const { images, missing } = yield* Inputs.expand(
    [predictions],
    out ?? join(predictions, "segformer-out"),
    Flags.viewOf(options)
  )
  for (const { error, label } of missing) yield* complain(run, label, error.message)
  if (images.length === 0) {
    const words = others.map(({ word }) => word).join(", ")
    return yield* ExitCode.failed(
      `there are no pictures to segment. To compare label maps, give --against a folder of them, which ${words} is not`
    )
  }
  yield* progress.show(Flags.asked(options))
  const first = yield* EvalOthers.make(options)
  const places = outs(options)
  const compared = yield* Effect.forEach(others, ({ options: own, word }, index) =>
    Effect.gen(function* () {
      const second = yield* Effect.mapError(
        EvalOthers.make(own, word),
        ({ code, message }) =>
          // Whose model it is, of several.
          new ExitCode.Ended({ code, reason: `--against ${word}: ${message}` })
      )
      const alignment = yield* EvalOthers.align(first.classes, second.classes, options.match)
      const comparison = new EvalComparison.Comparison(word, second.classes, alignment, {
        ignore,
        out: places[index],
        names: [first.name, word],
        worst: options.worst
      })
      return { second, comparison }
    })
  )
  yield* makeOut(options)
  const failures: Array<Failure> = []
  const fail = (label: string, error: Failure, who?: string) =>
    Effect.suspend(() => {
      failures.push(error)
      return complain(run, label, error.message, who)
    })
  let done = 0
  const one = Effect.fnUntraced(function* ({ base, label, source }: Inputs.Input) {
    const image = yield* Inputs.open(source, Flags.limitsOf(options))
    const own = yield* labelled(image, first)
    const codec = yield* ImageCodec
    const photo: Effect.Effect<Raster, SegmentationError> = codec.decode(image)
    for (const { comparison, second } of compared) {
      // Of several others each is on its own.
      const result = yield* Effect.result(
        Effect.flatMap(labelled(image, second), (other) =>
          Effect.andThen(
            options.match === undefined ? comparison.meet(own.classes, other.classes) : Effect.void,
            comparison.add(base, { first: own.labelMap, second: other.labelMap }, photo)
          )
        )
      )
      if (Result.isFailure(result)) yield* fail(label, result.failure, second.name)
    }
  })
  yield* Effect.forEach(
    images,
    (input) =>
      Effect.gen(function* () {
        yield* progress.show(`[${done}/${images.length}] ${input.label}`)
        const result = yield* Effect.result(one(input))
        done++
        if (Result.isFailure(result)) yield* fail(input.label, result.failure)
      }),
    { concurrency: 2, discard: true }
  ).pipe(
    Effect.onInterrupt(() =>
      Effect.andThen(
        progress.clear,
        Screen.stopped(`: ${done} of ${Screen.images(images.length)} done, and nothing is told of them`)
      )
    )
  )
  const comparisons = compared.map(({ comparison }) => comparison)
  // Where no image got through and none of them is to blame, it is a service or a model.
  const unavailable =
    failures.length > 0 &&
    comparisons.every(({ images: counted }) => counted === 0) &&
    failures.every((failure) => "concerns" in failure && failure.concerns !== "image")
  return { first: first.name, comparisons, problems: run.problems, unavailable }
})

/** What one says of an image. */
const labelled = (
  image: Image,
  { throttled: { transport, whileOthersAreGranted } }: EvalOthers.Segmenter
): Effect.Effect<
  { readonly labelMap: LabelMap.LabelMap; readonly classes: Segmentation["classes"] },
  SegmentationError,
  ImageCodec | FileSystem.FileSystem | HttpClient.HttpClient
> =>
  Effect.flatMap(
    whileOthersAreGranted(Effect.provideService(segment(image), Transport, transport)),
    ({ classes, labelMap }) =>
      Effect.map(labelMap, (map) => ({ classes: EvalOthers.known(classes), labelMap: map }))
  )
