/** A run, open on a worker: its body of work, and how results are noted in the database. */
import { Data, type Duration, Effect, Schedule, type Semaphore, Stream, type Scope } from "effect"
import type { PolicyError } from "../../policy/PolicyError.ts"
import type { SegmentOptions } from "../../Segmenter.ts"
import type { Segmentation } from "../../Segmentation.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as Throttled from "../../Throttled.ts"
import { Transport } from "../../Transport.ts"
import { RunChanged, RunFolderFailed, type SinkFailed } from "../BatchError.ts"
import * as FailureRules from "../FailureRules.ts"
import * as Fingerprint from "../Fingerprint.ts"
import * as Item from "../Item.ts"
import type { Failure, Receipt } from "../Receipt.ts"
import type { Records, Sink } from "../Sink.ts"
import * as Work from "../Work.ts"
import type { DatabaseFailed, UnknownRun } from "./ClusterError.ts"
import type { ImageRef } from "./RunChunks.ts"
import * as RunGate from "./RunGate.ts"
import type { RunRow, RunTables } from "./RunTables.ts"

/** What is done with the images of a run. */
export interface Workload<R> {
  readonly transport: Transport["Service"]
  readonly sinks: ReadonlyArray<Sink<R>>
  readonly segment?: SegmentOptions | undefined
  /** More that results depend on: a worker that has another value of it pauses the run. */
  readonly fingerprint?: Readonly<Record<string, string>> | undefined
}

export interface OpenRun<R> {
  /** The submission that it was opened for. */
  readonly epoch: number
  /** Whether images may be begun. */
  readonly gate: RunGate.RunGate
  /** What this worker has seen fail of the run. */
  readonly tally: FailureRules.Tally
  /** Does one image; undefined where the run does not go on. */
  readonly process: (
    image: ImageRef
  ) => Effect.Effect<Receipt | undefined, SegmentationError | SinkFailed, R | Item.Access>
  /**
   * Notes what is done, once it outlasts a power cut; where it does not, that is the failure. Gives whether failures are
   * noted too: not those of an earlier submission than the run's, which are to be done again.
   */
  readonly settle: (
    receipts: ReadonlyArray<Receipt>,
    failures: ReadonlyArray<Failure>
  ) => Effect.Effect<boolean, SinkFailed, R>
  /** Lets the sinks write what all images make together, and gives the paths. */
  readonly finish: Effect.Effect<ReadonlyArray<string>, SinkFailed | RunFolderFailed, R>
}

/** Without the database there is nothing to do but wait for it. */
export const patiently = <A, R>(self: Effect.Effect<A, DatabaseFailed, R>): Effect.Effect<A, never, R> =>
  self.pipe(
    Effect.tapError((error) => Effect.logWarning(`${error.message}. Trying again`)),
    Effect.retry(Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")])),
    Effect.orDie
  )

/** The run does not go on, and the segmenter was not asked. */
class NotBegun extends Data.TaggedError("NotBegun") {}

/** The run as it stands; undefined if it is forgotten. */
export const ask = (tables: RunTables, run: string): Effect.Effect<RunRow | undefined> =>
  patiently(Effect.catchTag(tables.get(run), "UnknownRun", () => Effect.undefined))

/** Opens a run for as long as the scope lasts. The first worker to do so prepares its sinks. */
export const make = Effect.fnUntraced(function* <R>(
  tables: RunTables,
  run: string,
  epoch: number,
  workload: Workload<R>,
  rules: {
    readonly maxWait: Duration.Duration
    readonly maxFailuresInARow: number | undefined
    /** At the segmenter, for the images of all runs. */
    readonly places: Semaphore.Semaphore
  }
): Effect.fn.Return<
  OpenRun<R>,
  ServiceError | PolicyError | SinkFailed | RunChanged | DatabaseFailed | UnknownRun,
  R | Scope.Scope
> {
  const { segment, sinks } = workload
  // As on one machine: whoever is refused because there are too many slows down all of this worker.
  const { transport, whileOthersAreGranted } = yield* Effect.provideService(
    Throttled.make,
    Transport,
    workload.transport
  )
  const inTransport = Effect.provideService(Transport, transport)
  const fingerprint = yield* inTransport(Fingerprint.make({ sinks, segment, more: workload.fingerprint }))
  const prepare = Effect.forEach(sinks, (sink) => sink.prepare, { discard: true })
  const flush = Effect.forEach(sinks, (sink) => sink.flush, { discard: true })
  const begun = yield* tables.begin(run, fingerprint, prepare)
  const changes = Fingerprint.changes(begun, fingerprint)
  if (changes.length > 0) return yield* new RunChanged({ folder: `the database ("${run}")`, changes })

  const gate = yield* RunGate.make(ask(tables, run))

  // What is done here and not noted yet, by content.
  const unsettled = new Map<string, Receipt>()
  const whileTurnedAway = FailureRules.whileTurnedAway({ maxWait: rules.maxWait, goesOn: gate.isOpen })
  // An image may have waited for its place, and not be wanted any more.
  const asked = (call: Work.Call): Effect.Effect<Segmentation, SegmentationError | NotBegun, Transport> =>
    gate.isOpen() ? whileTurnedAway(whileOthersAreGranted(call)) : Effect.fail(new NotBegun())
  const work = Work.make<R, NotBegun>({
    sinks,
    segment,
    around: (call) => rules.places.withPermit(Effect.suspend(() => asked(call))),
    find: (content) =>
      Effect.suspend(() => {
        const known = unsettled.get(content)
        return known === undefined ? patiently(tables.find(run, content)) : Effect.succeed(known)
      })
  })
  const process = (image: ImageRef) =>
    Effect.suspend(() => {
      if (!gate.isOpen()) return Effect.undefined
      const done = inTransport(work.process(Item.at(image.location, image.key)))
      return Effect.tap(done, (receipt) =>
        Effect.sync(() => {
          if (!unsettled.has(receipt.content)) unsettled.set(receipt.content, receipt)
        })
      ).pipe(Effect.catchTag("NotBegun", () => Effect.undefined))
    })

  const settle = Effect.fnUntraced(function* (
    receipts: ReadonlyArray<Receipt>,
    failures: ReadonlyArray<Failure>
  ) {
    if (receipts.length + failures.length === 0) return true
    const lost = yield* Effect.result(flush)
    const done = lost._tag === "Success" ? receipts.map((receipt) => ({ receipt })) : []
    const { goesOn, isCurrent } = yield* patiently(tables.settle(run, epoch, [...done, ...failures]))
    if (!goesOn) gate.close()
    for (const { content, key } of receipts)
      if (unsettled.get(content)?.key === key) unsettled.delete(content)
    if (lost._tag === "Failure") return yield* lost.failure
    return isCurrent || failures.length === 0
  })

  const recordsOf = (sink: string): Records =>
    tables.receipts(run).pipe(
      Stream.map(({ height, key, records, width }) => ({ key, width, height, record: records[sink] ?? "" })),
      Stream.mapError(({ detail }) => new RunFolderFailed({ folder: `the database (run "${run}")`, detail }))
    )

  return {
    epoch,
    gate,
    tally: FailureRules.tally({ maxFailuresInARow: rules.maxFailuresInARow }),
    process,
    settle,
    // Nobody else is at work then: what killed processes have left can go.
    finish: Effect.andThen(
      prepare,
      Effect.map(
        Effect.forEach(sinks, (sink) => sink.finish(recordsOf(sink.name))),
        (paths) => paths.flat()
      )
    )
  }
})
