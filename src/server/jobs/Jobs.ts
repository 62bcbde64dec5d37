/**
 * The jobs of a server: images taken now and segmented while nobody waits.
 *
 * A job is on disk before it is answered for, so that neither a restart nor kill -9 loses it: what was not done then is
 * done after the next start, and what was done is not done again. A failure that may pass is tried again; any other ends
 * its image, and the rest of the job goes on.
 */
import { createHash } from "node:crypto"
import {
  Clock,
  Deferred,
  Duration,
  Effect,
  FiberSet,
  FileSystem,
  Queue,
  Schedule,
  type Scope,
  Semaphore
} from "effect"
import * as Lock from "../../files/Lock.ts"
import * as TemporaryFolder from "../../files/TemporaryFolder.ts"
import * as WholeFile from "../../files/WholeFile.ts"
import * as Backoff from "../../policy/Backoff.ts"
import * as Policy from "../../policy/Policy.ts"
import { randomHex } from "../../randomHex.ts"
import type { Upload } from "../Dialect.ts"
import { notFound, ofDefect, Refusal, tagOf } from "../Refusal.ts"
import { RequestId } from "../RequestId.ts"
import { CurrentCaller } from "../Caller.ts"
import type { JobInfo } from "../v1/JobsApi.ts"
import { CannotKeepJobs, type JobsOptions } from "./JobsOptions.ts"
import * as JobFolder from "./JobFolder.ts"
import { own, span } from "../../TelemetryNames.ts"

/** The two forms of a result that are kept. */
export interface Results {
  readonly json: Uint8Array
  readonly png: Uint8Array
}

/** Segments one image of a job with one of the models. */
export type Work = (model: string, upload: Upload, jobId: string) => Effect.Effect<Results, Refusal>

export interface Submission {
  readonly model: string
  readonly images: ReadonlyArray<Upload>
  readonly user: string | undefined
  readonly idempotencyKey: string | undefined
}

export interface Jobs {
  readonly submit: (submission: Submission) => Effect.Effect<JobInfo, Refusal>
  /** Of a job that is this user's. Another one's is 404, as one that never was. */
  readonly info: (jobId: string, user: string | undefined) => Effect.Effect<JobInfo, Refusal>
  readonly cancel: (jobId: string, user: string | undefined) => Effect.Effect<JobInfo, Refusal>
  /** Of an image that is done. */
  readonly result: (
    jobId: string,
    index: number,
    kind: "json" | "png",
    user: string | undefined
  ) => Effect.Effect<Uint8Array, Refusal>
}

interface Job {
  record: JobFolder.JobRecord
  readonly images: Array<JobFolder.ImageState>
  readonly running: Set<number>
  /** Done when it is cancelled. */
  readonly stop: Deferred.Deferred<void>
  /** Done when it has ended; there once it is about to. */
  ending: Deferred.Deferred<void> | undefined
  bytes: number
}

interface Task {
  readonly job: Job
  readonly index: number
}

const sha256 = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part) : part
    hash.update(`${bytes.length}:`).update(bytes)
  }
  return hash.digest("hex")
}

/** Failures of what is behind this server, which may be back soon: its 408 and 429 are a 503 of this one. */
const passing = new Set([503, 504])

/** Six times in a bit more than a minute. */
const again = Backoff.schedule({ ...Policy.standard.retry, times: 6, maxDelay: Duration.seconds(30) })

const lost = new Refusal({
  status: 500,
  detail: "The job's files cannot be read or written. The service's log says why",
  tag: "StorageFailed"
})

/** For as long as the scope. What is under way when it ends is done after the next start. */
export const make = Effect.fnUntraced(function* (
  files: FileSystem.FileSystem,
  work: Work,
  options: JobsOptions
): Effect.fn.Return<Jobs, CannotKeepJobs, Scope.Scope> {
  const keepFor = Duration.toMillis(Duration.fromInputUnsafe(options.keepFor ?? "1 day"))
  const maxStoredBytes = options.maxStoredBytes ?? 4 * 1024 ** 3
  const maxJobs = options.maxJobs ?? 10_000
  const cannot = (folder: string) => (cause: { readonly message: string }) =>
    new CannotKeepJobs({ folder, detail: cause.message })
  const here = Effect.provideService(FileSystem.FileSystem, files)
  const path =
    options.folder ?? (yield* here(Effect.mapError(TemporaryFolder.make(), cannot("a temporary folder"))))
  const folder = JobFolder.make(files, path)
  // A temporary one is nobody else's.
  if (options.folder !== undefined) {
    yield* here(Effect.mapError(Effect.andThen(WholeFile.makeFolder(path), Lock.acquire(path)), cannot(path)))
  }
  const before = yield* Effect.mapError(folder.found, cannot(path))

  const jobs = new Map<string, Job>()
  const byKey = new Map<string, Job>()
  const tasks = yield* Queue.unbounded<Task>()
  const one = Semaphore.makeUnsafe(1)
  let held = 0
  const telling = yield* FiberSet.make()
  // Who is being told when the server stops hears the rest of it.
  yield* Effect.addFinalizer(() =>
    FiberSet.awaitEmpty(telling).pipe(Effect.interruptible, Effect.timeoutOption("5 seconds"))
  )

  const now = Clock.currentTimeMillis
  const failuresIn = (job: Job) => job.images.filter((state) => typeof state === "object")
  const doneIn = (job: Job) => job.images.filter((state) => state === "done").length
  const expiryOf = ({ record }: Job) => (record.ended === undefined ? Infinity : record.ended.at + keepFor)

  const infoOf = (job: Job): JobInfo => {
    const { record, running } = job
    const failures = failuresIn(job)
    const status = record.ended?.status ?? (running.size > 0 || doneIn(job) > 0 ? "running" : "queued")
    const [first] = failures
    return {
      jobId: record.jobId,
      model: record.model,
      status,
      total: record.images.length,
      done: doneIn(job),
      failed: failures.length,
      createdAt: new Date(record.createdAt).toISOString(),
      ...(record.ended === undefined ? {} : { expiresAt: new Date(expiryOf(job)).toISOString() }),
      ...(status === "failed" && first !== undefined
        ? { error: { tag: first.tag, message: first.message } }
        : {}),
      images: record.images.map((name, index) => {
        const state = job.images[index]!
        if (typeof state === "object") {
          return { index, name, status: "failed", error: { tag: state.tag, message: state.message } }
        }
        if (state === "done") return { index, name, status: "succeeded" }
        if (record.ended !== undefined) return { index, name, status: "cancelled" }
        return { index, name, status: running.has(index) ? "running" : "queued" }
      })
    }
  }

  const add = (
    record: JobFolder.JobRecord,
    images: ReadonlyArray<JobFolder.ImageState>,
    bytes: number
  ): Job => {
    const job: Job = {
      record,
      images: [...images],
      running: new Set(),
      stop: Deferred.makeUnsafe<void>(),
      ending: undefined,
      bytes
    }
    jobs.set(record.jobId, job)
    if (record.key !== undefined) byKey.set(record.key, job)
    held += bytes
    if (record.ended === undefined) {
      for (const [index, state] of job.images.entries())
        if (state === "waiting") Queue.offerUnsafe(tasks, { job, index })
    }
    return job
  }

  const remove = (job: Job) => {
    jobs.delete(job.record.jobId)
    if (job.record.key !== undefined) byKey.delete(job.record.key)
    held -= job.bytes
    return folder.remove(job.record.jobId)
  }

  const logged = <A>(
    self: Effect.Effect<A, { readonly message: string }>,
    { jobId }: JobFolder.JobRecord
  ): Effect.Effect<A, Refusal> =>
    Effect.catch(self, (cause) =>
      Effect.andThen(Effect.logError(`Job ${jobId}: ${cause.message}`), Effect.fail(lost))
    )

  /** Notes how a job has ended, and tells whoever wants to know. Once for each. */
  const end = (job: Job, status: "succeeded" | "failed" | "cancelled") =>
    Effect.gen(function* () {
      if (job.record.ended !== undefined) return
      if (job.ending !== undefined) return yield* Deferred.await(job.ending)
      const ending = (job.ending = Deferred.makeUnsafe<void>())
      const record = { ...job.record, ended: { at: yield* now, status } }
      // On disk before it is told: nobody hears of an end that a crash could take back.
      yield* Effect.ignore(logged(folder.update(record), record))
      job.record = record
      yield* Deferred.succeed(ending, undefined)
      if (status === "cancelled") yield* Deferred.succeed(job.stop, undefined)
      const { jobId, user, images } = job.record
      const detail = status === "failed" ? failuresIn(job)[0]?.message : undefined
      if (options.onEnd !== undefined) {
        const told = options.onEnd({ jobId, user, status, images: images.length, detail })
        yield* FiberSet.run(telling, Effect.interruptible(told))
      }
    }).pipe(Effect.uninterruptible)

  const settle = (job: Job) =>
    Effect.suspend(() =>
      job.images.includes("waiting") ? Effect.void : end(job, doneIn(job) > 0 ? "succeeded" : "failed")
    )

  const segment = ({ index, job }: Task): Effect.Effect<void, Refusal> =>
    Effect.gen(function* () {
      const { jobId, images, model, user } = job.record
      const bytes = yield* logged(folder.read(jobId, index, "image"), job.record)
      const { json, png } = yield* Effect.retry(work(model, { name: images[index]!, bytes }, jobId), {
        schedule: again,
        while: ({ status }) => passing.has(status)
      }).pipe(
        // Whoever wants to know what is done is told whose it was, and for which job.
        Effect.provideService(CurrentCaller, user === undefined ? undefined : { subject: user }),
        Effect.provideService(RequestId, jobId)
      )
      yield* logged(
        Effect.andThen(folder.write(jobId, index, "png", png), folder.write(jobId, index, "json", json)),
        job.record
      )
      job.images[index] = "done"
      grow(job, png)
      grow(job, json)
    })

  /** Notes a file that a job has got. */
  const grow = (job: Job, { length }: Uint8Array): void => {
    job.bytes += WholeFile.diskSize(length)
    held += WholeFile.diskSize(length)
  }

  const run = (task: Task): Effect.Effect<void> => {
    const { index, job } = task
    // A bug that one image finds must not keep the others.
    const safe = Effect.catchDefect(segment(task), (defect) =>
      Effect.flip(
        ofDefect(
          `Image ${index} of job ${job.record.jobId}`,
          defect,
          "The service failed on this image. Its log says why"
        )
      )
    )
    const attempt = Effect.catch(safe, (refusal) => {
      const failure: JobFolder.ImageFailure = {
        status: refusal.status,
        tag: tagOf(refusal),
        message: refusal.detail
      }
      job.images[index] = failure
      const bytes = new TextEncoder().encode(JSON.stringify(failure))
      grow(job, bytes)
      return Effect.ignore(logged(folder.write(job.record.jobId, index, "failed", bytes), job.record))
    })
    return Effect.suspend(() => {
      if (job.ending !== undefined || job.record.ended !== undefined) return Effect.void
      if (job.images[index] !== "waiting") return Effect.void
      job.running.add(index)
      return Effect.raceFirst(attempt, Deferred.await(job.stop)).pipe(
        span("Jobs.image", { [own.job]: job.record.jobId }),
        Effect.ensuring(Effect.sync(() => job.running.delete(index))),
        Effect.andThen(settle(job))
      )
    })
  }

  const find = (jobId: string, user: string | undefined): Effect.Effect<Job, Refusal> =>
    Effect.suspend(() => {
      const job = jobs.get(jobId)
      return job === undefined || job.record.user !== user
        ? Effect.fail(notFound(`There is no job "${jobId.slice(0, 100)}" here, or it has expired`))
        : Effect.succeed(job)
    })

  const submit = Effect.fnUntraced(function* ({ idempotencyKey, images, model, user }: Submission) {
    const content = sha256(model, ...images.flatMap(({ bytes, name }) => [name, bytes]))
    const key = idempotencyKey === undefined ? undefined : sha256(user ?? "", idempotencyKey)
    const known = key === undefined ? undefined : byKey.get(key)
    if (known !== undefined) {
      return known.record.content === content
        ? infoOf(known)
        : yield* new Refusal({
            status: 409,
            detail: "This Idempotency-Key was used for another job, with other images or another model"
          })
    }
    const record: JobFolder.JobRecord = {
      jobId: randomHex(16),
      model,
      ...(user === undefined ? {} : { user }),
      ...(key === undefined ? {} : { key }),
      content,
      createdAt: yield* now,
      images: images.map(({ name }) => name)
    }
    const bytes = folder.sizeOf(
      record,
      images.map((image) => image.bytes)
    )
    if (held + bytes > maxStoredBytes || jobs.size >= maxJobs) {
      return yield* new Refusal({
        status: 507,
        detail: "There is no room for further jobs until older ones expire"
      })
    }
    yield* logged(
      folder.create(
        record,
        images.map((image) => image.bytes)
      ),
      record
    )
    return infoOf(
      add(
        record,
        images.map(() => "waiting" as const),
        bytes
      )
    )
  })

  const cancel = Effect.fnUntraced(function* (jobId: string, user: string | undefined) {
    const job = yield* find(jobId, user)
    yield* end(job, "cancelled")
    return infoOf(job)
  })

  const result: Jobs["result"] = Effect.fnUntraced(function* (jobId, index, kind, user) {
    const job = yield* find(jobId, user)
    const state = job.images[index]
    if (state === undefined) {
      return yield* notFound(`Job ${jobId} has ${job.images.length} images, counted from 0`)
    }
    if (typeof state === "object") {
      return yield* new Refusal({ status: state.status, detail: state.message, tag: state.tag })
    }
    if (state === "done") return yield* logged(folder.read(jobId, index, kind), job.record)
    return yield* new Refusal({
      status: 409,
      detail: `Image ${index} of job ${jobId} is not done`,
      ...(job.record.ended === undefined ? { retryAfter: Duration.seconds(1) } : {})
    })
  })

  const sweep = Effect.gen(function* () {
    const time = yield* now
    for (const job of jobs.values()) if (expiryOf(job) <= time) yield* remove(job)
  })

  for (const { bytes, images, record } of before) yield* settle(add(record, images, bytes))
  yield* sweep
  const worker = Effect.forever(Effect.flatMap(Queue.take(tasks), run))
  for (let i = 0; i < (options.concurrency ?? 1); i++) yield* Effect.forkScoped(worker)
  const often = Duration.millis(Math.max(1000, Math.min(60_000, keepFor / 10)))
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(often)))

  return {
    // One after the other: two requests with one key are one job.
    submit: (submission) => one.withPermit(Effect.uninterruptible(submit(submission))),
    info: (jobId, user) => Effect.map(find(jobId, user), infoOf),
    cancel,
    result
  }
})
