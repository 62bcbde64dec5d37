/** `segformer batch`, at work on this machine. */
import { existsSync } from "node:fs"
import { isAbsolute, join, relative, resolve, sep } from "node:path"
import { Duration, Effect, Stream } from "effect"
import * as Batch from "../batch/Batch.ts"
import * as BatchSource from "../batch/BatchSource.ts"
import type { Progress } from "../batch/Progress.ts"
import type { Failure } from "../batch/Receipt.ts"
import { time } from "../batch/ReportPage.ts"
import type { ImageCodec } from "../image/ImageCodec.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as PageName from "../image/PageName.ts"
import * as Stretch from "../image/Stretch.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import type { Options } from "./BatchCommand.ts"
import * as BatchSinks from "./BatchSinks.ts"
import * as ExitCode from "./ExitCode.ts"
import { asked, limitsOf, viewOf } from "./Flags.ts"
import * as Screen from "./Screen.ts"
import * as Words from "./Words.ts"

/** The whole run, from words on the command line to results. */
export const run = (options: Options) =>
  Effect.scoped(runAll(options)).pipe(Effect.provide([Backend.layerCodec, Backend.layerHttpClient(options)]))

/** Without what lies in the folder of results, where that is within the folder of images. */
const apart = <R>(
  source: BatchSource.BatchSource<R>,
  root: string,
  out: string
): BatchSource.BatchSource<R> => {
  const isBelow = (folder: string, path: string) => {
    const way = relative(resolve(folder), resolve(path))
    return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)
  }
  return isBelow(root, out)
    ? {
        ...source,
        items: Stream.filter(
          source.items,
          ({ location }) => location === undefined || !isBelow(out, location)
        )
      }
    : source
}

const isPattern = (word: string): boolean => /[*?[{]/.test(word) && !existsSync(word)

/**
 * The images that a word names. One that names none ends the command before it makes or loads anything: a word that is
 * wrong, or a disk that is not there, looks like nothing to do.
 */
export const sourceOf = Effect.fnUntraced(function* (word: string, out: string) {
  const isThere = existsSync(word) || existsSync(PageName.parse(word)?.path ?? "")
  if (!isThere && !isPattern(word) && !/^https?:/i.test(word))
    return yield* ExitCode.wrong(
      `there is nothing at ${word}${/#0+$/.test(word) ? ": pages count from 1" : ""}. Give a folder, an image, a list (.csv, .jsonl, .txt), a glob in quotes, or an address`
    )
  const source = apart(BatchSource.of(word), isPattern(word) ? word.split(/[^/]*[*?[{]/, 1)[0]! : word, out)
  const first = yield* Effect.mapError(Stream.runHead(source.items), ExitCode.by(ExitCode.usage))
  if (first._tag === "None")
    return yield* ExitCode.wrong(
      isPattern(word)
        ? `nothing matches ${word}`
        : `there are no images in ${word}: of a folder those are taken that are called so (.jpg, .png, .tif and the like), of a list those that it names`
    )
  return source
})

/** The same images, each looked at so. */
const viewed = <R>(
  source: BatchSource.BatchSource<R>,
  view: ImageSource.View
): BatchSource.BatchSource<R | ImageCodec> => ({
  ...source,
  items: Stream.map(source.items, (item) => ({ ...item, image: ImageSource.view(item.image, view) }))
})

/** Files of all images together. One that is there and not asked for looks like a result of this run. */
const wholes = ["report.html", "coco.json", "classes.csv", "regions.csv", "ranking.csv"]

/** Failures that are printed; all of them are in failed.csv. */
const mostPrinted = 20

const runAll = Effect.fnUntraced(function* (options: Options) {
  const view = viewOf(options)
  const source = viewed(yield* sourceOf(options.source, options.out), view)
  const line = yield* Screen.progress(!options.quiet)
  yield* line.show(asked(options))
  const { concurrency = 4, out } = options
  let last: Progress | undefined
  const sayWhenStopped = Effect.onInterrupt(() =>
    Effect.andThen(
      line.clear,
      Screen.stopped(`${last === undefined ? "" : `: ${counts(last)}`}. The same command goes on from here`)
    )
  )
  const transport = yield* sayWhenStopped(
    Backend.make({ ...options, atOnce: concurrency, uncertainty: options.rank !== undefined })
  )
  const fingerprint = {
    ...(yield* Backend.modelFingerprint(options)),
    ...Backend.fingerprint(yield* Backend.settingsOf(options)),
    ...(view.page === undefined ? {} : { page: String(view.page) }),
    ...(view.stretch === undefined ? {} : { stretch: Stretch.format(view.stretch) })
  }

  const failures: Array<Failure> = []
  const program = Batch.run({
    source,
    sinks: BatchSinks.make(options),
    folder: join(out, ".segformer"),
    segment: { limits: limitsOf(options) },
    concurrency: options.adaptive ? { max: concurrency } : concurrency,
    retryFailed: options.retryFailed,
    allowChange: options.allowChange,
    maxFailures: options.maxFailures,
    fingerprint,
    price: options.price,
    report: (options.report ?? true) ? join(out, "report.html") : undefined,
    failedList: join(out, "failed.csv"),
    wordsOf: ({ message }) => Words.plain(message),
    onProgress: (progress) => {
      last = progress
      return line.show(progressLine(progress))
    },
    onFailure: (failure) => {
      if (options.json) return Screen.say(JSON.stringify({ image: failure.key, error: failure }))
      if (failures.length < mostPrinted) failures.push(failure)
      return Effect.void
    }
  })
  const say = options.json ? () => Effect.void : (text: string) => Screen.complain(text)
  const told = yield* sayWhenInterrupted(say)
  const summary = yield* program.pipe(
    Effect.provideService(Transport, transport),
    sayWhenStopped,
    Effect.mapError((error) =>
      ExitCode.by(codeOf(error._tag))({
        message:
          error._tag === "SinkFailed" && error.endsRun === true
            ? `${error.message}. The run ends there${last === undefined ? "" : `: ${counts(last)}`}. Once that is mended, the same command goes on from here`
            : error.message
      })
    ),
    Effect.tapError(() => line.clear)
  )
  told()
  yield* line.clear
  const left = wholes
    .map((name) => join(out, name))
    .filter((path) => !summary.files.includes(path) && existsSync(path))
  if (left.length > 0)
    yield* Screen.complain(
      `this run does not write ${left.join(", ")}, and what is there is of before: remove it, or ask for it again`
    )

  const { failed } = summary
  if (options.json) {
    const { changed, files, missing, progress, settled, skipped } = summary
    yield* Screen.say(
      JSON.stringify({
        done: summary.done,
        failed,
        new: settled,
        missing,
        changed,
        skipped,
        failures: Object.fromEntries(summary.failures),
        milliseconds: Math.round(Duration.toMillis(progress.elapsed)),
        ...(progress.cost === undefined ? {} : { cost: progress.cost.spent }),
        files
      })
    )
  } else {
    for (const { message } of failures) yield* Screen.complain(message)
    if (summary.settled.failed > failures.length) {
      yield* Screen.complain(
        `and ${summary.settled.failed - failures.length} more: see ${join(out, "failed.csv")}`
      )
    }
    if (!options.quiet) for (const text of closing(summary, out)) yield* Screen.say(text)
  }
  if (failed > 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
})

/** Until it is called off, the first Ctrl-C says what is going on, since ending takes a moment. */
const sayWhenInterrupted = (say: (text: string) => Effect.Effect<void>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const tell = () => void Effect.runFork(say("finishing what is under way; Ctrl-C again drops it"))
      process.once("SIGINT", tell)
      return () => void process.removeListener("SIGINT", tell)
    }),
    (off) => Effect.sync(off)
  )

const money = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 })

const counts = ({ done, failed, total }: Progress): string =>
  `${total === undefined ? Screen.images(done) : `${Screen.count(done)} of ${Screen.images(total)}`} ${done === 1 ? "is" : "are"} done` +
  (failed === 0 ? "" : `, ${Screen.count(failed)} failed`)

const progressLine = (progress: Progress): string => {
  const { concurrency, cost, done, failed, rate, timeLeft, total } = progress
  const settled = Screen.count(done + failed)
  return [
    `[${settled}${total === undefined ? "" : `/${Screen.count(total)}`}]`,
    ...(total === undefined || total === 0 ? [] : [`${Math.floor((100 * (done + failed)) / total)} %`]),
    `${rate.toFixed(rate < 10 ? 1 : 0)} a second`,
    ...(timeLeft === undefined ? [] : [`${time(timeLeft)} left`]),
    ...(failed === 0 ? [] : [`${Screen.count(failed)} failed`]),
    `${concurrency} at once`,
    ...(cost === undefined
      ? []
      : [
          `cost ${money.format(cost.spent)}${cost.left === undefined ? "" : `, ${money.format(cost.left)} to come`}`
        ])
  ].join("  ")
}

const closing = (
  { before, changed, failed, failures, files, missing, progress, settled, skipped }: Batch.Summary,
  out: string
) => {
  const part = (count: number, one: string, many: string) =>
    count === 0 ? "" : `, ${Screen.count(count)} ${count === 1 ? one : many}`
  const known =
    part(before.done, "was done before", "were done before") + part(before.failed, "had failed", "had failed")
  const unknown = skipped - before.done - before.failed
  const untried = part(unknown, "not tried, as it is new", "not tried, as they are new")
  const again =
    missing === 0 ? "" : `, ${Screen.count(missing)} of them again, as their results were gone or not whole`
  const other =
    changed === 0 ? "" : `, ${Screen.count(changed)} of them again, as the images are others than they were`
  const equal = settled.repeated === 0 ? "" : `, ${Screen.count(settled.repeated)} of them equal to others`
  const tags = Array.from(failures, ([tag, count]) => `${Screen.count(count)} ${tag}`).join(", ")
  const spent = progress.cost === undefined ? "" : `, cost ${money.format(progress.cost.spent)}`
  return [
    `${Screen.images(settled.done)} done${equal}${again}${other}${known}${untried}, ${time(progress.elapsed)}${spent}`,
    ...(failed === 0
      ? []
      : [`${Screen.count(failed)} failed: ${tags}. Once mended, try them again with --retry-failed`]),
    `Results are in ${Screen.plain(relative(".", out) || ".")}/`,
    ...files.map((file) => `  ${Screen.plain(relative(".", file))}`)
  ]
}

/** What ends a run before its first image is either the segmenter or the command line. */
const codeOf = (tag: string): number => {
  switch (tag) {
    case "SourceNotReadable":
    case "RunChanged":
      return ExitCode.usage
    case "SinkFailed":
    case "RunFolderFailed":
    case "RunLocked":
    case "TooManyFailures":
      return ExitCode.someFailed
    default:
      return ExitCode.unavailable
  }
}
