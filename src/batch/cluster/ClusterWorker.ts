/**
 * A worker: does the images of whatever runs are submitted, on a runner of the cluster. It does for an image what a run
 * on one machine does (`Work`), with the same sinks; what becomes of it is noted in the database.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Transport } from "effect-segformer"
 * import { Sink } from "effect-segformer/batch"
 * import { ClusterWorker } from "effect-segformer/cluster"
 *
 * const worker = ClusterWorker.layer({
 *   concurrency: 8,
 *   work: (run) =>
 *     Effect.map(Transport, (transport) => ({
 *       transport,
 *       sinks: [Sink.make({ name: "log", write: ({ item }) => Effect.log(`${run.id}: ${item.key}`) })]
 *     }))
 * })
 * Layer.isLayer(worker) // => true
 * ```
 */
import {
  Cause,
  Duration,
  Effect,
  type FileSystem,
  Layer,
  RcMap,
  Schedule,
  Schema,
  type Scope,
  Semaphore,
  Stream
} from "effect"
import type { HttpClient } from "effect/http"
import type * as SqlClient from "effect/sql/SqlClient"
import { Activity, DurableClock, type WorkflowEngine } from "effect/workflow"
import * as Backoff from "../../policy/Backoff.ts"
import * as Policy from "../../policy/Policy.ts"
import { randomHex } from "../../randomHex.ts"
import type { SinkFailed, TooManyFailures } from "../BatchError.ts"
import { lanesFor } from "../ConcurrencyLimiter.ts"
import * as FailureRules from "../FailureRules.ts"
import type { Failure, Receipt } from "../Receipt.ts"
import * as Intake from "./Intake.ts"
import * as OpenRun from "./OpenRun.ts"
import type { ImageRef } from "./RunChunks.ts"
import * as RunGate from "./RunGate.ts"
import * as RunTables from "./RunTables.ts"
import { Chunk, Finish } from "./RunWorkflows.ts"
import { messageOf } from "../../SystemError.ts"

export type { Workload } from "./OpenRun.ts"

/** A run as a worker meets it. */
export interface Run {
  readonly id: string
  /** What the submitter said of it: whatever JSON can hold. */
  readonly spec: unknown
}

export interface WorkerOptions<E, R, R2> {
  /** Asked once for each run; what it opens is closed a minute after the last image. */
  readonly work: (run: Run) => Effect.Effect<OpenRun.Workload<R2>, E, R | Scope.Scope>
  /** Images at the segmenter at once, over all runs. 4 by default. */
  readonly concurrency?: number | undefined
  /**
   * Images that failed by something that passes (`isTransient`) are tried again with their chunk, on top of what the
   * transport's policy did for each call: 3 times after 10, 20 and 40 s by default.
   */
  readonly retry?: Policy.PolicyOptions["retry"]
  /** How long an image waits for a service that asks to be left alone, before it counts as failed. 10 minutes. */
  readonly maxWait?: Duration.Input | undefined
  /**
   * Pauses a run of which this worker has seen so many images fail one after the other, 100 by default: something else is
   * wrong then. What is wrong with an image (`concerns`) does not count.
   */
  readonly maxFailuresInARow?: number | undefined
}

/** Of the names that runs are opened by: a submission's number and the run. */
const runOf = (submission: string): string => submission.slice(submission.indexOf(" ") + 1)

/** Results are noted in the database after so many images, or so much time. */
const batch = 64
const batchTime = Duration.seconds(1)

const standardRetry: Policy.Policy = {
  ...Policy.standard,
  retry: { ...Policy.standard.retry, delay: Duration.seconds(10), maxDelay: Duration.minutes(1) }
}

/** A worker for every run in the database, for as long as the layer lasts. */
export const layer = <E extends { readonly message: string }, R, R2>(
  options: WorkerOptions<E, R, R2>
): Layer.Layer<
  never,
  never,
  | WorkflowEngine.WorkflowEngine
  | SqlClient.SqlClient
  | FileSystem.FileSystem
  | HttpClient.HttpClient
  | Exclude<R | R2, Scope.Scope>
> => Layer.unwrap(make(options))

const make = Effect.fnUntraced(function* <E extends { readonly message: string }, R, R2>(
  options: WorkerOptions<E, R, R2>
) {
  const { patiently } = OpenRun
  const tables = yield* RunTables.make
  const concurrency = options.concurrency ?? 4
  const { retry } = Policy.make({ retry: options.retry }, standardRetry)
  const rules = {
    maxWait: Duration.fromInputUnsafe(options.maxWait ?? FailureRules.standardMaxWait),
    maxFailuresInARow: options.maxFailuresInARow
  }
  const places = Semaphore.makeUnsafe(concurrency)
  // As on one machine, more than there are places at the segmenter: it need not wait for an image to be read or a result
  // to be written.
  const most = lanesFor(concurrency)
  const lanes = Semaphore.makeUnsafe(most)
  // The next chunk is read while the last images of one begin; no sooner, since what is at hand no other worker does.
  const intake = Intake.make(most - concurrency)
  const pause = (run: string, reason: string) =>
    Effect.andThen(
      Effect.logError(`The run "${run}" is paused: ${reason}`),
      patiently(tables.move(run, ["running"], "paused", reason))
    )

  // Opened anew for each submission, which may ask for something else. What cannot be opened is paused by who opens it, once:
  // by each of the chunks that wait for it, the last would pause a run that goes on already.
  const runs = yield* RcMap.make({
    lookup: Effect.fnUntraced(
      function* (submission: string) {
        const { id, spec } = yield* tables.get(runOf(submission))
        return yield* OpenRun.make(
          tables,
          id,
          Number.parseInt(submission),
          yield* options.work({ id, spec }),
          { ...rules, places }
        )
      },
      (self, submission) =>
        Effect.tapCause(self, (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.void
            : pause(runOf(submission), asFailure(Cause.squash(cause)).message)
        )
    ),
    idleTimeToLive: "1 minute"
  })

  /** What cannot be done because of a mistake of the program is done again when the run goes on. */
  const orPause = <A, R3>(run: string, self: Effect.Effect<A, never, R3>): Effect.Effect<A, never, R3> =>
    Effect.catchDefect(self, (defect) =>
      Effect.andThen(pause(run, asFailure(defect).message), orPause(run, self))
    )

  /** The run, opened, once it may go on; undefined if it is cancelled. What this worker cannot open, it pauses. */
  const opened = Effect.fnUntraced(function* (run: string) {
    while (true) {
      const row = yield* RunGate.passed(OpenRun.ask(tables, run))
      if (row === undefined) return undefined
      const submission = `${row.epoch} ${run}`
      const found = yield* Effect.exit(RcMap.get(runs, submission))
      if (found._tag === "Success") {
        found.value.gate.open()
        return found.value
      }
      if (Cause.hasInterruptsOnly(found.cause)) return yield* Effect.interrupt
      yield* RcMap.invalidate(runs, submission)
    }
  })

  /**
   * Does what is left of a chunk, and then what others have of the run and nobody has begun. Gives how many images are
   * left, how many of them are worth another attempt, and the milliseconds that their service asks to wait before.
   */
  const doChunk = Effect.fnUntraced(function* (run: string, chunk: number, attempt: number) {
    const isLast = attempt > retry.times
    const holder = randomHex(8)
    const again = new Set<string>()
    let wait = Duration.zero
    // What is tried again has a wait of its own, which others' images need not share.
    let isHelping = attempt === 1
    while (true) {
      const work = yield* opened(run)
      if (work === undefined) return { left: (yield* patiently(tables.leftOf(run, chunk))).length, again: 0 }
      // Those that were not begun, or that wait for the service, because the run was paused or cancelled meanwhile; and
      // those that failed when it was submitted again already.
      let waiting = 0
      let unbegun = 0
      const begin = patiently(tables.beginChunk(run, chunk, holder))
      const take = (read: typeof begin) =>
        Effect.map(intake.take(read), (found) => {
          const wanted = found.filter(({ key }) => !again.has(key))
          intake.leave(found.length - wanted.length)
          unbegun += wanted.length
          return wanted
        })
      const takeOver = Effect.suspend(() =>
        isHelping && waiting === 0 && !intake.isWaitedFor() && work.gate.isOpen()
          ? take(
              Effect.catch(tables.takeOver(run, chunk, holder), ({ message }) => {
                // Nobody knows whether they are this chunk's now: it begins anew, and sees.
                isHelping = false
                waiting++
                return Effect.as(Effect.logWarning(message), [])
              })
            )
          : Effect.succeed([])
      )
      const failures: Array<Failure> = []
      const fail = (
        image: ImageRef,
        error: Parameters<FailureRules.Tally["failed"]>[0] & { readonly _tag: string }
      ) => {
        const tooMany = work.tally.failed(error)
        const outcome = failed(image.key, error)
        failures.push(...outcome.failures)
        if (tooMany === undefined) return Effect.succeed(outcome)
        work.gate.stop()
        // Counted first: who sees the run paused sees what has paused it. What is noted already is not counted twice.
        return patiently(tables.settle(run, work.epoch, failures)).pipe(
          Effect.andThen(pause(run, inARow(tooMany))),
          Effect.as(outcome)
        )
      }
      // As on one machine, where no other result can be written either, nothing has failed, and nothing more is begun.
      const stop = (error: SinkFailed) => {
        waiting++
        if (!work.gate.isOpen()) return Effect.void
        work.gate.stop()
        return pause(run, error.message)
      }
      const one = (image: ImageRef) =>
        lanes
          .withPermit(
            Effect.suspend(() => {
              unbegun--
              intake.leave(1)
              return work.process(image)
            })
          )
          .pipe(
            Effect.map((receipt) => {
              if (receipt === undefined) {
                waiting++
                return undecided
              }
              work.tally.done()
              return done(receipt)
            }),
            Effect.catch((error) => {
              if (error._tag === "SinkFailed" && error.endsRun === true)
                return Effect.as(stop(error), undecided)
              if (error._tag !== "SinkFailed" && FailureRules.isTurnedAway(error) && !work.gate.isOpen()) {
                waiting++
                return Effect.succeed(undecided)
              }
              const isPassing =
                Backoff.isWanted(retry, error, error.isTransient) && !Backoff.asksTooMuch(retry, error)
              if (isLast || !isPassing) return fail(image, error)
              again.add(image.key)
              if ("retryAfter" in error && error.retryAfter !== undefined)
                wait = Duration.max(wait, error.retryAfter)
              return Effect.succeed(undecided)
            }),
            Effect.catchDefect((defect) => fail(image, asFailure(defect)))
          )
      yield* Stream.fromIterableEffect(take(begin)).pipe(
        Stream.concat(
          Stream.flattenIterable(
            Stream.unfold(undefined, () =>
              Effect.map(takeOver, (found) =>
                found.length === 0 ? undefined : ([found, undefined] as const)
              )
            )
          )
        ),
        Stream.mapEffect(one, { concurrency: most, unordered: true }),
        Stream.groupedWithin(batch, batchTime),
        Stream.runForEach((outcomes) =>
          Effect.matchEffect(
            work.settle(
              outcomes.flatMap(({ receipts }) => receipts),
              outcomes.flatMap(({ failures }) => failures)
            ),
            {
              onSuccess: (isNoted) => Effect.sync(() => void (isNoted || waiting++)),
              onFailure: stop
            }
          )
        ),
        Effect.ensuring(Effect.sync(() => intake.leave(unbegun)))
      )
      if (waiting === 0)
        return { left: again.size, again: again.size, wait: Math.ceil(Duration.toMillis(wait)) }
    }
  }, Effect.scoped)

  const finishIfSettled = Effect.fnUntraced(function* (run: string) {
    const epoch = yield* patiently(tables.settledEpoch(run))
    if (epoch !== undefined) yield* Finish.execute({ run, epoch }, { discard: true, detached: true })
  })

  const chunkLayer = Chunk.toLayer(
    Effect.fnUntraced(function* ({ chunk, run }) {
      for (let attempt = 1; ; attempt++) {
        const {
          again,
          left,
          wait = 0
        } = yield* Activity.make({
          name: "images",
          success: Schema.Struct({
            left: Schema.Int,
            again: Schema.Int,
            wait: Schema.optionalKey(Schema.Int)
          }),
          execute: orPause(run, doChunk(run, chunk, attempt))
        }).pipe(Effect.provideService(Activity.CurrentAttempt, attempt))
        if (again === 0) {
          // Cancelled; if it was submitted again meanwhile, this chunk is still the one that has these images.
          if (left > 0 && !(yield* patiently(tables.giveUp(run, chunk)))) continue
          yield* finishIfSettled(run)
          return { left }
        }
        yield* DurableClock.sleep({
          name: `before attempt ${attempt + 1}`,
          duration: yield* Backoff.delay(retry, attempt, Duration.millis(wait))
        })
      }
    })
  )

  const finish = Effect.fnUntraced(function* (run: string, epoch: number) {
    const work = yield* opened(run)
    // Another submission has an end of its own.
    if (work?.epoch === epoch) yield* patiently(tables.finish(run, epoch, yield* work.finish))
  }, Effect.scoped)

  const finishLayer = Finish.toLayer(({ epoch, run }) =>
    Activity.make({
      name: "finish",
      execute: orPause(
        run,
        finish(run, epoch).pipe(
          Effect.retry({ times: 3, schedule: Schedule.exponential("1 second") }),
          Effect.catch(({ message }) => Effect.asVoid(pause(run, `it cannot be ended: ${message}`)))
        )
      )
    })
  )

  return Layer.merge(chunkLayer, finishLayer)
})

const inARow = ({ failed, last }: TooManyFailures): string =>
  `${failed} images failed one after the other on a worker. The last one: ${last}`

/** What became of an image in one attempt: one of both, or nothing yet. */
interface Outcome {
  readonly receipts: ReadonlyArray<Receipt>
  readonly failures: ReadonlyArray<Failure>
}

const undecided: Outcome = { receipts: [], failures: [] }

const done = (receipt: Receipt): Outcome => ({ receipts: [receipt], failures: [] })

const failed = (key: string, error: { readonly _tag: string; readonly message: string }): Outcome => ({
  receipts: [],
  failures: [{ key, tag: error._tag, message: error.message }]
})

const asFailure = (defect: unknown) => ({
  _tag: "Defect",
  message: messageOf(defect)
})
