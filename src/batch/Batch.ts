/**
 * Segments as many images as there are, each once, whatever happens meanwhile: a run that was stopped, by Ctrl-C, a kill
 * or a power cut, goes on where it was when it is run again. What is done is noted in a journal in the run's folder.
 *
 * ```ts
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import { Effect } from "effect"
 * import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
 *
 * export const program = Batch.run({
 *   source: BatchSource.folder("panels"),
 *   sinks: [Sinks.labels({ folder: "found" }), Sinks.coco({ path: "found/coco.json" })],
 *   folder: "found/.segformer"
 * }).pipe(Effect.provide(NodeFileSystem.layer))
 * ```
 */
import { join } from "node:path"
import { Duration, Effect, Fiber, FileSystem, Stream } from "effect"
import type { PolicyError } from "../policy/PolicyError.ts"
import type { SegmentOptions } from "../Segmenter.ts"
import { folded } from "../jobs/FileName.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import type { Transport } from "../Transport.ts"
import * as BatchReport from "./BatchReport.ts"
import { type BatchError, SinkFailed, TooManyFailures } from "./BatchError.ts"
import type { BatchSource } from "./BatchSource.ts"
import * as FailedList from "./FailedList.ts"
import * as FailureRules from "./FailureRules.ts"
import * as Fingerprint from "./Fingerprint.ts"
import * as ConcurrencyLimiter from "./ConcurrencyLimiter.ts"
import type { Item } from "./Item.ts"
import * as ItemQueue from "./ItemQueue.ts"
import * as Journal from "./Journal.ts"
import * as JournalLine from "./JournalLine.ts"
import { millis as now } from "../policy/MonotonicClock.ts"
import * as Progress from "./Progress.ts"
import type { Failure } from "./Receipt.ts"
import * as RunFolder from "./RunFolder.ts"
import * as Recorded from "./Recorded.ts"
import type { Sink } from "./Sink.ts"
import * as Work from "./Work.ts"
import { span } from "../TelemetryNames.ts"

export interface BatchOptions<R, R2> {
  readonly source: BatchSource<R>
  readonly sinks: ReadonlyArray<Sink<R2>>
  /** Where the run is remembered. A folder for each run; it is made where it is missing. */
  readonly folder: string
  readonly segment?: SegmentOptions | undefined
  /**
   * Images at the segmenter at once, 4 by default; with bounds, it follows the service's latency and 429s. The policy of
   * a transport has a limit of its own, 10 for a service unless said otherwise.
   */
  readonly concurrency?: ConcurrencyLimiter.Concurrency | undefined
  /** How long an image waits for a service that asks to be left alone, before it counts as failed. 10 minutes. */
  readonly maxWait?: Duration.Input | undefined
  /** Do again what failed, and nothing else. */
  readonly retryFailed?: boolean | undefined
  /** Ends the run with the failure that is the N-th of this session. Without limit by default. */
  readonly maxFailures?: number | undefined
  /**
   * Ends the run when so many images have failed one after the other, 100 by default: something else is wrong then. What
   * is wrong with an image (`concerns`) does not count.
   */
  readonly maxFailuresInARow?: number | undefined
  /** Goes on with a run that was begun with another model, other options or other sinks. */
  readonly allowChange?: boolean | undefined
  /** More that results depend on: a run that is gone on with is refused where it has changed. */
  readonly fingerprint?: Readonly<Record<string, string>> | undefined
  /** How long what is under way may take when the run is interrupted, before it is dropped. 5 seconds. */
  readonly grace?: Duration.Input | undefined
  /** Price of an image in any currency, for the costs in `Progress`. */
  readonly price?: number | undefined
  /** Path of an HTML report that is written at the end. See `BatchReport`. */
  readonly report?: string | undefined
  /** Path of a CSV of all failures, written at the end of the run or at too many; removed where there are none. */
  readonly failedList?: string | undefined
  /** Told twice a second, and once at the end, which may be an interruption. */
  readonly onProgress?: ((progress: Progress.Progress) => Effect.Effect<void>) | undefined
  /** How a failure is told of, in the journal, the list and the report: by its message unless given. @internal */
  readonly wordsOf?: ((error: { readonly message: string }) => string) | undefined
  /** Told of each image that fails. */
  readonly onFailure?: ((failure: Failure) => Effect.Effect<void>) | undefined
}

/** How a run ended. */
export interface Summary {
  /** Images that are done, in this session and before. */
  readonly done: number
  /** Images that failed, and were not done since. */
  readonly failed: number
  /** Images that were settled in this session; `repeated` are those of `done` that are equal to another. */
  readonly settled: { readonly done: number; readonly repeated: number; readonly failed: number }
  /** Images of `settled` that were done before, and whose results were not there any more, or not whole, as where doing them again was stopped. */
  readonly missing: number
  /** Images of `settled` that were done before, and whose content was another one then. */
  readonly changed: number
  /** Images that were settled before, or that are not to be retried. */
  readonly skipped: number
  /** Of `skipped` those that were done before, and those that had failed. */
  readonly before: { readonly done: number; readonly failed: number }
  /** Failures by their tag, over all images. */
  readonly failures: ReadonlyMap<string, number>
  /** What sinks wrote at the end, and the lists and reports asked for. */
  readonly files: ReadonlyArray<string>
  readonly progress: Progress.Progress
}

/**
 * Works through the source until each image is done or has failed, then lets the sinks finish. It ends before that with
 * a `BatchError`, or when it is interrupted: what is under way is finished within the grace, and noted.
 */
export const run = <R, R2 = never>(
  options: BatchOptions<R, R2>
): Effect.Effect<
  Summary,
  BatchError | ServiceError | PolicyError,
  Transport | FileSystem.FileSystem | R | R2
> => Effect.scoped(runWith(Journal.open, options)).pipe(span("Batch.run"))

/** The same with a journal of one's own, to measure what the real one costs. @internal */
export const runWith = Effect.fnUntraced(function* <R, R2>(
  open: typeof Journal.open,
  options: BatchOptions<R, R2>
) {
  const { sinks, source, wordsOf = ({ message }) => message } = options
  const limiter = yield* ConcurrencyLimiter.make({
    concurrency: options.concurrency ?? 4,
    maxWait: Duration.fromInputUnsafe(options.maxWait ?? FailureRules.standardMaxWait)
  })
  const model = yield* Fingerprint.described
  const { fingerprint: more, segment } = options
  yield* RunFolder.take({
    folder: options.folder,
    fingerprint: Fingerprint.of({ sinks, segment, more }, model),
    classes: model.classes,
    allowChange: options.allowChange ?? false
  })
  yield* Effect.forEach(sinks, ({ prepare }) => prepare, { discard: true })
  const flush = Effect.forEach(sinks, ({ flush }) => flush, { discard: true })
  const journal = yield* open(options.folder, flush)
  for (const [count, text] of [
    [journal.broken, "of journal.log cannot be read"],
    [journal.lost, "of journal.log is of an image whose part of records.log is missing"]
  ] as const) {
    if (count > 0)
      yield* Effect.logWarning(
        `In ${options.folder} ${count === 1 ? "a line" : `each of ${count} lines`} ${text}: what it was of is done again`
      )
  }
  let end: TooManyFailures | SinkFailed | undefined
  const unlessUnwritable = Effect.suspend(() => (end?._tag === "SinkFailed" ? Effect.fail(end) : Effect.void))
  const work = Work.make<R2, SinkFailed>({
    sinks,
    segment: options.segment,
    // Nobody pays for what cannot be written.
    around: (call) => Effect.andThen(unlessUnwritable, limiter.pass(call)),
    find: (content) => ofContent(content),
    isStill: ({ content, key }) => Effect.map(ofContent(content), (now) => now?.key === key)
  })
  // What cannot be read is not known, and done again.
  const ofContent = (content: string) => Effect.orElseSucceed(journal.findContent(content), () => undefined)

  const settled = { done: 0, repeated: 0, failed: 0 }
  const before = { done: 0, failed: 0 }
  let skipped = 0
  let missing = 0
  let changed = 0
  let stopping = false
  const isRetry = options.retryFailed === true
  let total = isRetry ? journal.failed() : undefined

  const start = yield* now
  const follow = Progress.follow(start, isRetry ? 0 : journal.done() + journal.failed(), options.price)
  const progress = Effect.map(now, (time) =>
    follow(time, {
      done: isRetry ? settled.done : journal.done(),
      failed: isRetry ? settled.failed : journal.failed(),
      total,
      segmented: settled.done - settled.repeated,
      concurrency: limiter.limit()
    })
  )

  // Where this is read under another name, so would a result be.
  const fs = yield* FileSystem.FileSystem
  const isFolded = yield* Effect.orElseSucceed(fs.exists(join(options.folder, "JOURNAL.LOG")), () => false)
  const placeOf = isFolded ? folded : (key: string) => key
  /** Keys under way by what their results are called: a source may name an image twice. */
  const underWay = new Map<string, string>()
  /** Whether somebody has taken away what was written or kept for an image, or spoilt it. */
  const isGone = Effect.fnUntraced(function* (line: JournalLine.DoneLine) {
    if (JournalLine.isRedone(line)) return true
    for (const { isThere, name } of sinks) {
      const record = yield* journal.record(line, name)
      if (record === undefined) return true
      if (isThere !== undefined && !(yield* isThere(Recorded.of(line, record)))) return true
    }
    return false
  })
  const skip = (line: JournalLine.Line | undefined): boolean => {
    skipped++
    if (line !== undefined) before[JournalLine.isFailed(line) ? "failed" : "done"]++
    return false
  }
  const again = Effect.fnUntraced(function* (line: JournalLine.DoneLine, why: string, isFirst: boolean) {
    if (isFirst) yield* Effect.logWarning(why)
    if (!JournalLine.isRedone(line)) yield* journal.redo(line)
    return true
  })
  /** Whether an image that is done is to be done again. */
  const isStale = Effect.fnUntraced(function* (item: Item<R>, line: JournalLine.DoneLine) {
    const { key, version } = item
    if (yield* isGone(line))
      return yield* again(
        line,
        `The result of ${key}, or what ${options.folder} keeps of it, is not there any more, or not whole, though it was done. What is missing is made again`,
        missing++ === 0
      )
    // Of what earlier releases noted none is known.
    const now = version === undefined || line.v === undefined ? undefined : yield* version
    if (now === undefined || now === line.v) return skip(line)
    // Copied, or touched: its content tells.
    const content = yield* Effect.orElseSucceed(
      Effect.map(Work.opened(item, segment), ({ content }) => content),
      () => undefined
    )
    if (content === line.content) return yield* Effect.as(journal.renew(line, now), skip(line))
    return yield* again(
      line,
      `${key} is another image than it was when it was done. What has changed is done again`,
      changed++ === 0
    )
  })
  const isWanted = (item: Item<R>) =>
    Effect.flatMap(journal.find(item.key), (line) => {
      if (line === undefined || JournalLine.isFailed(line)) {
        // Where results could not be written is nothing that is wrong with an image.
        const isWanted = line === undefined ? !isRetry : isRetry || line.tag === "SinkFailed"
        return Effect.sync(() => isWanted || skip(line))
      }
      // What was stopped while it was done again has no result.
      return isRetry && !JournalLine.isRedone(line) ? Effect.sync(() => skip(line)) : isStale(item, line)
    })
  const tally = FailureRules.tally(options)
  const fail = Effect.fnUntraced(function* (key: string, error: Work.WorkError) {
    // What fails behind the last failure that is allowed is not settled: the run that goes on does it again.
    if (end !== undefined) return
    if (error._tag === "SinkFailed" && error.endsRun === true) {
      stopping = true
      end = error
      return
    }
    settled.failed++
    const tooMany = tally.failed(error)
    // At once: others fail while this one is noted.
    if (tooMany !== undefined) {
      stopping = true
      end = tooMany
    }
    const failure = { key, tag: error._tag, message: wordsOf(error).slice(0, 500) }
    yield* journal.add(failure)
    if (options.onFailure !== undefined) yield* options.onFailure(failure)
  })
  /** Of two that a disk takes for one the second would take the place of the first. */
  const isAlike = (key: string, other: string) =>
    new SinkFailed({
      sink: "all",
      place: options.folder,
      detail: `${key} differs from ${other} in nothing but the case or the form of letters, which make no other name on this disk. Rename one of the images, or use a folder on another disk`
    })
  const one = (item: Item<R>) =>
    // First: what changes while it is read is another version.
    Effect.flatMap(item.version ?? Effect.undefined, (version) =>
      Effect.matchEffect(work.process(item), {
        onSuccess: (receipt) => {
          settled.done++
          tally.done()
          if (receipt.sameAs !== undefined) settled.repeated++
          return journal.add({ ...receipt, version })
        },
        onFailure: (error) => fail(item.key, error)
      })
    )

  // Lanes take from one source, and each looks for itself: a run that is gone on with mostly looks at what is there.
  const lanes = ConcurrencyLimiter.lanesFor(limiter.most)
  const take = yield* ItemQueue.make(source)
  const lane: Effect.Effect<void, BatchError, Transport | R | R2> = Effect.suspend(() =>
    stopping ? Effect.void : Effect.flatMap(take, (item) => (item === undefined ? Effect.void : turn(item)))
  )
  const turn = (item: Item<R>) => {
    const place = placeOf(item.key)
    const other = underWay.get(place)
    if (other === item.key) return lane
    if (other === undefined) underWay.set(place, item.key)
    return isWanted(item).pipe(
      Effect.flatMap((isWanted) => {
        if (!isWanted || stopping) return Effect.void
        if (!isFolded) return one(item)
        return Effect.flatMap(journal.findAlike(item.key), (line) => {
          const first = other ?? line?.key
          return first === undefined ? one(item) : fail(item.key, isAlike(item.key, first))
        })
      }),
      Effect.ensuring(Effect.sync(() => underWay.get(place) === item.key && underWay.delete(place))),
      Effect.andThen(lane)
    )
  }
  const scope = yield* Effect.scope
  const working = yield* Effect.forkIn(
    Effect.forEach(Array.from({ length: lanes }), () => lane, { concurrency: "unbounded", discard: true }),
    scope
  )
  if (source.isCountable && !isRetry) {
    yield* Effect.forkScoped(
      Effect.flatMap(Effect.option(Stream.runCount(source.items)), (count) =>
        Effect.sync(() => {
          if (count._tag === "Some") total = count.value
        })
      )
    )
  }
  const tell = options.onProgress
  if (tell !== undefined) {
    const often = Effect.forever(Effect.andThen(Effect.sleep("500 millis"), Effect.flatMap(progress, tell)))
    yield* Effect.forkScoped(often)
  }

  const grace = options.grace ?? "5 seconds"
  yield* Effect.onInterrupt(Fiber.join(working), () =>
    Effect.suspend(() => {
      stopping = true
      return Effect.timeoutOption(Fiber.await(working), grace).pipe(
        Effect.andThen(Fiber.interrupt(working)),
        Effect.andThen(tell === undefined ? Effect.void : Effect.flatMap(progress, tell))
      )
    })
  )
  // Where the disk is full this may fail too, and the end of the run says why.
  yield* end?._tag === "SinkFailed" ? Effect.ignore(journal.commit) : journal.commit
  if (tell !== undefined) yield* Effect.flatMap(progress, tell)
  if (options.failedList !== undefined && end?._tag !== "SinkFailed")
    yield* FailedList.write(options.failedList, journal)
  if (end !== undefined) return yield* end

  const files: Array<string> = []
  for (const sink of sinks)
    files.push(...(yield* sink.finish(Recorded.all(journal, options.folder, sink.name))))
  const found = yield* BatchReport.read(journal)
  const last = yield* progress
  if (options.report !== undefined) {
    const totals = { done: journal.done(), failed: journal.failed() }
    yield* BatchReport.write({
      path: options.report,
      source,
      sinks,
      ...totals,
      progress: last,
      summary: found
    })
    files.push(options.report)
  }
  if (options.failedList !== undefined && journal.failed() > 0) files.push(options.failedList)
  return {
    done: journal.done(),
    failed: journal.failed(),
    settled,
    missing,
    changed,
    skipped,
    before,
    failures: found.tags,
    files,
    progress: last
  }
})
