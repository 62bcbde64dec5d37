/** Which prediction is scored against which truth: by the image that a prediction is of, and else by names. */
import { basename, dirname, join, normalize } from "node:path"
import { Effect, type FileSystem } from "effect"
import * as LabelFiles from "./LabelFiles.ts"
import type * as ExitCode from "./ExitCode.ts"

/** A prediction and the truth of one image. */
export interface Pair {
  /** What both are called. */
  readonly key: string
  readonly prediction: LabelFiles.LabelFile
  readonly truth: LabelFiles.LabelFile
}

export interface MatchOptions {
  readonly predictions: string
  readonly truth: string
  /** What names of predictions look like, with `*` for what they share with the truth. Any, by default. */
  readonly predictionNames: string | undefined
  /** The same of the truth. */
  readonly truthNames: string | undefined
}

/** Those that match, in the order of predictions, and what is wrong with the rest. */
export const match = Effect.fnUntraced(function* (
  options: MatchOptions
): Effect.fn.Return<
  { readonly pairs: ReadonlyArray<Pair>; readonly problems: Array<LabelFiles.Problem> },
  ExitCode.Ended,
  FileSystem.FileSystem
> {
  const predictions = named(yield* LabelFiles.inFolder(options.predictions), options.predictionNames)
  const truths = new Map<string, LabelFiles.LabelFile>()
  for (const file of named(yield* LabelFiles.inFolder(options.truth), options.truthNames))
    truths.set(file.key, file)
  const problems: Array<LabelFiles.Problem> = []
  const claims = new Map<string, LabelFiles.LabelFile>()
  // There may be very many claims, and few beside another.
  const rivals = new Map<string, Array<LabelFiles.LabelFile>>()
  const images = yield* LabelFiles.reportedImages(predictions)
  for (const [index, prediction] of predictions.entries()) {
    const image = images[index]
    const key =
      image === undefined ? prediction.key : keyOf(prediction.key, image, truths, options.predictionNames)
    if (claims.has(key)) rivals.set(key, [...(rivals.get(key) ?? []), prediction])
    else if (truths.has(key)) claims.set(key, prediction)
    else {
      const reason = `it has no match in ${options.truth}${hint(options)}`
      const isCalledSo = image === undefined || stem(basename(image)) === basename(prediction.key)
      problems.push({ name: prediction.key, reason: isCalledSo ? reason : `it is of ${image}: ${reason}` })
    }
  }
  const pairs: Array<Pair> = []
  for (const [key, first] of claims) {
    const truth = truths.get(key)
    truths.delete(key)
    if (truth === undefined) continue
    const others = rivals.get(key)
    if (others === undefined) pairs.push({ key, prediction: first, truth })
    else {
      // Which of them is meant nobody can tell.
      for (const { path } of [first, ...others])
        problems.push({ name: path, reason: `${others.length + 1} predictions are of ${truth.path}` })
    }
  }
  for (const key of truths.keys())
    problems.push({ name: key, reason: `it has no match in ${options.predictions}${hint(options)}` })
  return { pairs, problems }
})

/** Files whose names have a pattern, by what stands for its `*`. */
const named = (
  files: ReadonlyArray<LabelFiles.LabelFile>,
  pattern: string | undefined
): ReadonlyArray<LabelFiles.LabelFile> =>
  pattern === undefined
    ? files
    : files.flatMap((file) => {
        const key = shared(file.key, pattern)
        return key === undefined ? [] : [{ ...file, key }]
      })

/** What stands for the `*` of a pattern in the last part of a path, with the folders before it. */
const shared = (path: string, pattern: string): string | undefined => {
  const [before = "", after = ""] = pattern.split("*")
  const name = basename(path)
  if (name.length < before.length + after.length || !name.startsWith(before) || !name.endsWith(after))
    return undefined
  return join(dirname(path), name.slice(before.length, name.length - after.length))
}

const stem = (name: string): string => name.replace(/\.[a-z0-9]{1,5}$/i, "")

/**
 * The truth of an image that a report names: the one that says most of where the image lies. `right/s.jpg` is of
 * `right/s` before it is of `s`, and never of `s-2`, whatever the file of its prediction is called.
 */
const keyOf = (
  key: string,
  image: string,
  truths: ReadonlyMap<string, unknown>,
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
    if (truths.has(end)) return end
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
