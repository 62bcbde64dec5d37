/** Which prediction is scored against which truth: by the image that a prediction is of, and else by names. */
import { basename, dirname, join, normalize } from "node:path"
import { Effect, type FileSystem } from "effect"
import * as Annotations from "./Annotations.ts"
import type * as ExitCode from "./ExitCode.ts"
import * as LabelFiles from "./LabelFiles.ts"
import * as LabelFolder from "./LabelFolder.ts"

/** A prediction and the truth of one image. */
export interface Pair {
  /** What both are called. */
  readonly key: string
  readonly prediction: LabelFolder.LabelFile
  readonly truth: LabelFolder.LabelFile
}

export interface MatchOptions {
  readonly predictions: string
  readonly truth: string
  /** What names of predictions look like, with `*` for what they share with the truth. Any, by default. */
  readonly predictionNames: string | undefined
  /** The same of the truth. */
  readonly truthNames: string | undefined
}

/** Those that match, in the order of predictions; each is told anew when it is asked for, since there may be very many. */
export class Pairs implements Iterable<Pair> {
  readonly #predictions: LabelFolder.LabelFolder
  readonly #truths: LabelFolder.KeyedFiles
  /** The truth of each prediction, or -1; and the predictions that have one. */
  readonly #places: Int32Array
  readonly #paired: ReadonlyArray<number>

  constructor(predictions: LabelFolder.LabelFolder, truths: LabelFolder.KeyedFiles, places: Int32Array) {
    this.#predictions = predictions
    this.#truths = truths
    this.#places = places
    this.#paired = Array.from(places.keys()).filter((index) => places[index]! >= 0)
  }

  get length(): number {
    return this.#paired.length
  }

  *[Symbol.iterator](): Iterator<Pair> {
    for (const index of this.#paired) {
      const prediction = this.#predictions.at(index)!
      const truth = this.#truths.at(this.#places[index]!)!
      yield { key: truth.key, prediction, truth }
    }
  }

  /** The predictions. */
  *predictions(): Generator<LabelFolder.LabelFile> {
    for (const { prediction } of this) yield prediction
  }

  /** The truths. */
  *truths(): Generator<LabelFolder.LabelFile> {
    for (const { truth } of this) yield truth
  }

  /** The pair of a key. */
  get(key: string): Pair | undefined {
    const place = this.#truths.placeOf(key)
    const truth = this.#truths.at(place)
    const prediction = place < 0 ? undefined : this.#predictions.at(this.#places.indexOf(place))
    return truth === undefined || prediction === undefined ? undefined : { key, prediction, truth }
  }
}

/** Those that match, and what is wrong with the rest. */
export interface Matched {
  readonly pairs: Pairs
  readonly problems: ReadonlyArray<LabelFiles.Problem>
  /** Predictions of images that a file of annotations does not hold. */
  readonly unannotated: number
}

/**
 * Pairs each prediction with its truth, which is in a folder or among annotated images. Of those mostly few are annotated yet:
 * predictions of others are counted, and nothing is wrong with them.
 */
export const match = Effect.fnUntraced(function* (
  options: MatchOptions,
  annotated?: Annotations.AnnotatedFiles | undefined
): Effect.fn.Return<Matched, ExitCode.Ended, FileSystem.FileSystem> {
  const { predictionNames, truthNames } = options
  const predictions = yield* LabelFolder.list(options.predictions, byPattern(predictionNames))
  const truths = annotated ?? (yield* LabelFolder.list(options.truth, byPattern(truthNames)))
  const problems: Array<LabelFiles.Problem> = []
  const images = yield* LabelFiles.reportedImages(predictions)
  const places = new Int32Array(predictions.length)
  const claims = new Uint32Array(truths.length)
  let unannotated = 0
  let index = 0
  for (const file of predictions) {
    const { key: own } = file
    const image = images[index]
    const place =
      annotated?.find(file, image) ??
      placeOf(truths, image === undefined ? own : keyOf(own, image, truths, predictionNames))
    places[index++] = place
    if (place >= 0) claims[place]!++
    else if (annotated !== undefined && place === Annotations.none) unannotated++
    else {
      const reason =
        annotated === undefined
          ? `it has no match in ${options.truth}${hint(options)}`
          : `several images of ${options.truth} may be it`
      const isCalledSo = image === undefined || stem(basename(image)) === basename(own)
      problems.push({ name: own, reason: isCalledSo ? reason : `it is of ${image}: ${reason}` })
    }
  }
  for (const [index, place] of places.entries()) {
    if (place < 0 || claims[place] === 1) continue
    // Which of them is meant nobody can tell.
    const name = predictions.at(index)?.path ?? ""
    problems.push({ name, reason: `${claims[place]} predictions are of ${truths.at(place)?.path}` })
    places[index] = -1
  }
  for (const [place, count] of claims.entries()) {
    if (count > 0) continue
    const name = truths.at(place)?.key ?? ""
    problems.push({ name, reason: `it has no match in ${options.predictions}${hint(options)}` })
  }
  return { pairs: new Pairs(predictions, truths, places), problems, unannotated }
})

/** Files whose names have a pattern, by what stands for its `*`. */
const byPattern = (pattern: string | undefined) =>
  pattern === undefined ? undefined : (key: string) => shared(key, pattern)

/** What stands for the `*` of a pattern in the last part of a path, with the folders before it. */
const shared = (path: string, pattern: string): string | undefined => {
  const [before = "", after = ""] = pattern.split("*")
  const name = basename(path)
  if (name.length < before.length + after.length || !name.startsWith(before) || !name.endsWith(after))
    return undefined
  return join(dirname(path), name.slice(before.length, name.length - after.length))
}

/** The place of a key, or -1: in the other of the two ways to write ü, one letter or two, where it is not there in its own. */
const placeOf = (truths: LabelFolder.KeyedFiles, key: string): number =>
  [key, key.normalize("NFC"), key.normalize("NFD")].reduce(
    (place, form) => (place >= 0 ? place : truths.placeOf(form)),
    -1
  )

const stem = (name: string): string => name.replace(/\.[a-z0-9]{1,5}$/i, "")

/**
 * The truth of an image that a report names: the one that says most of where the image lies. `right/s.jpg` is of
 * `right/s` before it is of `s`, and never of `s-2`, whatever the file of its prediction is called.
 */
const keyOf = (
  key: string,
  image: string,
  truths: LabelFolder.KeyedFiles,
  pattern: string | undefined
): string => {
  // What came over the network has no place here, and standard input none at all.
  if (/^https?:/i.test(image) || image === "-") return key
  const path = normalize(image)
    .replaceAll("\\", "/")
    .replace(/^(?:\.{0,2}\/)+/, "")
  const own = stem(path)
  const whole = pattern === undefined ? own : (shared(own, pattern) ?? own)
  const parts = whole.split("/")
  for (let from = 0; from < parts.length; from++) {
    const end = parts.slice(from).join("/")
    if (placeOf(truths, end) >= 0) return end
  }
  return stem(basename(path)) === basename(key) ? key : whole
}

const hint = ({ predictionNames, truthNames }: MatchOptions): string =>
  predictionNames === undefined && truthNames === undefined
    ? ""
    : ` under these patterns: ${predictionNames ?? "*"} and ${truthNames ?? "*"}`

/** What may be meant where nothing matches and names are those of Cityscapes. */
export const advice = (
  options: MatchOptions,
  problems: ReadonlyArray<LabelFiles.Problem>
): string | undefined =>
  options.predictionNames === undefined &&
  options.truthNames === undefined &&
  problems.some(({ name }) => /_leftImg8bit$|_gtFine_label\w+$/.test(name))
    ? "for files that are called as those of Cityscapes, give --prediction-names '*_leftImg8bit' " +
      "--truth-names '*_gtFine_labelTrainIds'"
    : undefined
