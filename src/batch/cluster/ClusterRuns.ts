/**
 * Runs of many machines, as seen by who wants them: submit, ask, pause, resume, cancel. The work is done by whatever
 * workers are up (`ClusterWorker`), now or later; this process may end.
 *
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { BatchSource } from "effect-segformer/batch"
 * import { ClusterEngine, ClusterRuns } from "effect-segformer/cluster"
 *
 * const program = Effect.gen(function* () {
 *   const runs = yield* ClusterRuns.make
 *   yield* runs.submit({ run: "line-3", items: BatchSource.folder("/shared/line-3").items, chunk: 100 })
 *   return yield* runs.wait("line-3")
 * })
 * const database = Redacted.make("postgres://segformer:secret@database.internal/segformer")
 * export const main = Effect.provide(program, ClusterEngine.layerClient({ database }))
 * ```
 */
import { resolve } from "node:path"
import { Effect, Option, Schedule, Stream } from "effect"
import { RunnerStorage } from "effect/cluster"
import { WorkflowEngine } from "effect/workflow"
import type { Item } from "../Item.ts"
import type { Failure } from "../Receipt.ts"
import { DatabaseFailed, ImageNotShared, RunIsBeingSubmitted, type UnknownRun } from "./ClusterError.ts"
import type { ImageRef } from "./RunChunks.ts"
import type { RunState } from "./RunQueries.ts"
import * as RunTables from "./RunTables.ts"
import { Chunk, Finish } from "./RunWorkflows.ts"

export interface SubmitOptions<E, R> {
  /**
   * The name of the run. Submitting to it again adds the images it does not have, and goes on with what is left: also where
   * workers have paused it for a reason, since that may be mended by now. Who has paused it must resume it.
   */
  readonly run: string
  /** Each with a location that every worker can open: a path on a shared file system or a URL. */
  readonly items: Stream.Stream<Item<unknown>, E, R>
  /**
   * Images per chunk, which is what a worker takes at once, and what is begun anew (without the images that are
   * settled) where one is killed. 100 by default.
   */
  readonly chunk?: number | undefined
  /** What the workers are told of the run: whatever JSON can hold. */
  readonly spec?: unknown
  /** The run is cancelled with the failure that is the N-th since this submission. Without limit by default. */
  readonly maxFailures?: number | undefined
  /** Go on although workers have another model or other sinks than the run was begun with. */
  readonly allowChange?: boolean | undefined
  /** Do again what has failed before. */
  readonly retryFailed?: boolean | undefined
}

/** What was submitted. */
export interface Submitted {
  readonly run: string
  /** Images that the run did not have. */
  readonly added: number
  /** Images that had failed and are done again: those that were asked for, and those whose results could not be written. */
  readonly again: number
}

/** How a run stands. */
export interface RunStatus {
  readonly run: string
  /** Finished when all images are settled and the sinks have written what they make together. */
  readonly state: RunState
  /** Why it is paused or cancelled, where nobody asked for it. */
  readonly reason: string | undefined
  /** Images submitted so far; more may come while `isOpen`. */
  readonly images: number
  readonly isOpen: boolean
  readonly done: number
  /** Of those done, the images whose content had been done before. */
  readonly repeated: number
  readonly failed: number
  readonly createdAt: Date
  readonly finishedAt: Date | undefined
  /** What the sinks have written at the end. */
  readonly results: ReadonlyArray<string>
}

export interface ClusterRuns {
  /** Submits images; ends when all of them are in the database. */
  readonly submit: <E, R>(
    options: SubmitOptions<E, R>
  ) => Effect.Effect<Submitted, E | DatabaseFailed | RunIsBeingSubmitted | ImageNotShared, R>
  readonly status: (run: string) => Effect.Effect<RunStatus, DatabaseFailed | UnknownRun>
  readonly list: Effect.Effect<ReadonlyArray<RunStatus>, DatabaseFailed>
  /** The status now and every second, to the end of the run: finished or cancelled. A paused run is not at its end. */
  readonly watch: (run: string) => Stream.Stream<RunStatus, DatabaseFailed | UnknownRun>
  /** The last status, at the end of the run. */
  readonly wait: (run: string) => Effect.Effect<RunStatus, DatabaseFailed | UnknownRun>
  /** Images under way are done, and no others are begun, from a second later on. */
  readonly pause: (run: string) => Effect.Effect<RunStatus, DatabaseFailed | UnknownRun>
  /** Goes on with a run that is paused. */
  readonly resume: (run: string) => Effect.Effect<RunStatus, DatabaseFailed | UnknownRun>
  /** Ends a run. What is done stays; submitting to it again goes on with the rest. */
  readonly cancel: (run: string) => Effect.Effect<RunStatus, DatabaseFailed | UnknownRun>
  /** What failed, in the order of keys. */
  readonly failures: (run: string) => Stream.Stream<Failure, DatabaseFailed>
  /** Forgets a run. What is written stays. */
  readonly remove: (run: string) => Effect.Effect<void, DatabaseFailed>
  /** Addresses of the runners that are alive. */
  readonly runners: Effect.Effect<ReadonlyArray<string>, DatabaseFailed>
}

/** How many keys are looked up at once. */
const page = 1000

/** How often a run that is watched is asked after. */
const interval = "1 second"

/** Chunks sent at once. */
const sending = 8

/** The runs of a database, over the engine. */
export const make = Effect.gen(function* () {
  const tables = yield* RunTables.make
  const engine = yield* WorkflowEngine.WorkflowEngine
  const storage = yield* RunnerStorage.RunnerStorage
  const inEngine = Effect.provideService(WorkflowEngine.WorkflowEngine, engine)

  const status = (run: string) => Effect.map(tables.get(run), toStatus)

  const send = (run: string, chunk: number) =>
    Effect.asVoid(inEngine(Chunk.execute({ run, chunk }, { discard: true })))

  const finishIfSettled = Effect.fnUntraced(function* (run: string) {
    const epoch = yield* tables.settledEpoch(run)
    if (epoch !== undefined) yield* inEngine(Finish.execute({ run, epoch }, { discard: true }))
  })

  /**
   * What an earlier submission has left undone: sent again, or given to a new chunk where the old one has ended. One
   * that has not ended does what it has, since the run goes on by now (`RunTables.giveUp`).
   */
  const sendLeft = Effect.fnUntraced(function* (run: string) {
    const again = Effect.fnUntraced(function* (chunk: number) {
      const result = yield* inEngine(
        Effect.flatMap(Chunk.executionId({ run, chunk }), (id) => Chunk.poll(id))
      )
      const hasEnded = Option.isSome(result) && result.value._tag === "Complete"
      yield* send(run, hasEnded ? yield* tables.renumber(run, chunk) : chunk)
    })
    yield* Effect.forEach(yield* tables.leftChunks(run), again, { concurrency: sending, discard: true })
  })

  const submit = Effect.fnUntraced(function* <E, R>(
    options: SubmitOptions<E, R>
  ): Effect.fn.Return<Submitted, E | DatabaseFailed | ImageNotShared, R> {
    const { run } = options
    yield* tables.open({
      id: run,
      spec: options.spec ?? null,
      maxFailures: options.maxFailures,
      allowChange: options.allowChange === true
    })
    // Where results could not be written is nothing that is wrong with an image.
    const again = yield* tables.retryFailed(run, options.retryFailed === true ? undefined : "SinkFailed")
    yield* sendLeft(run)
    const added = yield* options.items.pipe(
      Stream.mapEffect(({ key, location }): Effect.Effect<ImageRef, ImageNotShared> =>
        location === undefined
          ? Effect.fail(new ImageNotShared({ run, key }))
          : Effect.succeed({ key, location: absolute(location) })
      ),
      Stream.grouped(page),
      Stream.mapEffect((images) =>
        Effect.map(
          tables.known(
            run,
            images.map(({ key }) => key)
          ),
          (known) => images.filter(({ key }) => !known.has(key))
        )
      ),
      Stream.flattenIterable,
      Stream.grouped(options.chunk ?? 100),
      Stream.mapEffect(
        (images) =>
          Effect.flatMap(tables.addChunk(run, images), (added) =>
            added === undefined ? Effect.succeed(0) : Effect.as(send(run, added.chunk), added.images)
          ),
        { concurrency: sending, unordered: true }
      ),
      Stream.runFold(
        () => 0,
        (sum, images) => sum + images
      )
    )
    yield* tables.close(run)
    yield* finishIfSettled(run)
    return { run, added, again }
  })

  const change = (run: string, from: ReadonlyArray<RunState>, to: RunState) =>
    Effect.andThen(tables.move(run, from, to), status(run))

  const watch = (run: string): Stream.Stream<RunStatus, DatabaseFailed | UnknownRun> =>
    Stream.fromEffectSchedule(status(run), Schedule.spaced(interval)).pipe(
      Stream.takeUntil(({ state }) => state === "finished" || state === "cancelled")
    )

  const runs: ClusterRuns = {
    submit: (options) =>
      Effect.flatMap(tables.whileSubmitting(options.run, submit(options)), (done) =>
        Option.isSome(done)
          ? Effect.succeed(done.value)
          : Effect.fail(new RunIsBeingSubmitted({ run: options.run }))
      ),
    status,
    list: Effect.map(tables.list, (rows) => rows.map(toStatus)),
    watch,
    wait: (run) => Effect.map(Stream.runLast(watch(run)), (last) => Option.getOrThrow(last)),
    pause: (run) => change(run, ["running"], "paused"),
    resume: Effect.fnUntraced(function* (run) {
      yield* tables.resume(run)
      yield* finishIfSettled(run)
      return yield* status(run)
    }),
    cancel: (run) => change(run, ["running", "paused"], "cancelled"),
    failures: tables.failures,
    remove: tables.remove,
    runners: Effect.mapBoth(storage.getRunners, {
      onSuccess: (found) => found.map(([{ address }]) => `${address.host}:${address.port}`),
      onFailure: (error) => new DatabaseFailed({ operation: "look for runners", detail: error.message })
    })
  }
  return runs
})

const absolute = (location: string): string => (/^https?:\/\//i.test(location) ? location : resolve(location))

const toStatus = (row: RunTables.RunRow): RunStatus => ({
  run: row.id,
  state: row.state,
  reason: row.reason ?? undefined,
  images: row.images,
  isOpen: row.open,
  done: row.done,
  repeated: row.repeated,
  failed: row.failed,
  createdAt: row.created_at,
  finishedAt: row.finished_at ?? undefined,
  results: row.results
})
