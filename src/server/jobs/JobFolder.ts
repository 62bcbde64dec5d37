/**
 * Jobs on disk: a folder for each, under an id of ours, so that nothing of a request becomes a path.
 *
 * ```
 * <jobId>/job.json     what was asked, and how it ended; written last, so that a folder with it is a whole job
 * <jobId>/<n>.image    the bytes of image n
 * <jobId>/<n>.png      its label map
 * <jobId>/<n>.json     its result; there once the label map is
 * <jobId>/<n>.failed   why there is none
 * ```
 *
 * Each file appears whole: it is written under another name, synced, and renamed.
 */
import { Effect, type FileSystem, Option, type PlatformError, Schema } from "effect"
import { randomHex } from "../../randomHex.ts"
import { RefusalStatus } from "../RefusalStatus.ts"

/** What a job is, in `job.json`. */
export const JobRecord = Schema.Struct({
  jobId: Schema.String,
  model: Schema.String,
  /** Who submitted it, where the server asks. */
  user: Schema.optionalKey(Schema.String),
  /** Of the caller and the idempotency key. */
  key: Schema.optionalKey(Schema.String),
  /** Of the images, in order. */
  content: Schema.String,
  /** Milliseconds since 1970, like every time here. */
  createdAt: Schema.Finite,
  images: Schema.Array(Schema.String),
  ended: Schema.optionalKey(
    Schema.Struct({ at: Schema.Finite, status: Schema.Literals(["succeeded", "failed", "cancelled"]) })
  )
})
export type JobRecord = typeof JobRecord.Type

/** Why an image has no result. */
export const ImageFailure = Schema.Struct({
  status: RefusalStatus,
  tag: Schema.String,
  message: Schema.String
})
export type ImageFailure = typeof ImageFailure.Type

/** What became of an image so far. */
export type ImageState = "waiting" | "done" | ImageFailure

export type Kind = "image" | "png" | "json" | "failed"

/** A job as it was found when the server started. */
export interface StoredJob {
  readonly record: JobRecord
  readonly images: ReadonlyArray<ImageState>
  readonly bytes: number
}

type Io<A> = Effect.Effect<A, PlatformError.PlatformError>

export interface JobFolder {
  /** The jobs that are there. What a crash has left of others is removed. */
  readonly found: Io<ReadonlyArray<StoredJob>>
  /** Makes the job, or nothing of it. */
  readonly create: (record: JobRecord, images: ReadonlyArray<Uint8Array>) => Io<void>
  readonly update: (record: JobRecord) => Io<void>
  readonly read: (jobId: string, index: number, kind: Kind) => Io<Uint8Array>
  readonly write: (jobId: string, index: number, kind: Kind, bytes: Uint8Array) => Io<void>
  readonly remove: (jobId: string) => Effect.Effect<void>
}

const encode = Schema.encodeSync(Schema.fromJsonString(JobRecord))
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(JobRecord))
const decodeFailure = Schema.decodeUnknownOption(Schema.fromJsonString(ImageFailure))

/** Begins the name of what is not whole yet. */
const unfinished = ".new-"

export const make = (files: FileSystem.FileSystem, folder: string): JobFolder => {
  const place = (jobId: string) => `${folder}/${jobId}`
  const path = (jobId: string, index: number, kind: Kind) => `${place(jobId)}/${index}.${kind}`
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

  const writeTo = (target: string, bytes: Uint8Array): Io<void> => {
    const temporary = `${target}.${randomHex(4)}.new`
    return Effect.scoped(
      Effect.gen(function* () {
        const file = yield* files.open(temporary, { flag: "w" })
        yield* file.writeAll(bytes)
        yield* file.sync
      })
    ).pipe(
      Effect.andThen(files.rename(temporary, target)),
      Effect.tapError(() => Effect.ignore(files.remove(temporary, { force: true })))
    )
  }

  const stateOf = Effect.fnUntraced(function* (jobId: string, index: number, names: ReadonlySet<string>) {
    if (names.has(`${index}.json`)) return "done"
    if (!names.has(`${index}.failed`)) return "waiting"
    const failure = decodeFailure(text(yield* files.readFile(path(jobId, index, "failed"))))
    return Option.getOrElse(failure, (): ImageState => "waiting")
  })

  const look = Effect.fnUntraced(function* (jobId: string) {
    const names = new Set(yield* files.readDirectory(place(jobId)))
    const record = names.has("job.json")
      ? Option.getOrUndefined(decode(text(yield* files.readFile(`${place(jobId)}/job.json`))))
      : undefined
    if (record === undefined || record.jobId !== jobId) return undefined
    let bytes = 0
    for (const name of names) {
      if (name.endsWith(".new")) yield* Effect.ignore(files.remove(`${place(jobId)}/${name}`))
      else bytes += Number((yield* files.stat(`${place(jobId)}/${name}`)).size)
    }
    const images = yield* Effect.forEach(record.images, (_, index) => stateOf(jobId, index, names))
    return { record, images, bytes } satisfies StoredJob
  })

  const found = Effect.gen(function* () {
    const all: Array<StoredJob> = []
    for (const name of yield* files.readDirectory(folder)) {
      if (name.startsWith(unfinished)) {
        yield* Effect.ignore(files.remove(`${folder}/${name}`, { recursive: true, force: true }))
      } else if (/^[\da-f]{32}$/.test(name)) {
        const job = yield* look(name)
        if (job !== undefined) all.push(job)
      }
    }
    return all.sort((a, b) => a.record.createdAt - b.record.createdAt)
  })

  const create = (record: JobRecord, images: ReadonlyArray<Uint8Array>): Io<void> => {
    const temporary = `${folder}/${unfinished}${record.jobId}`
    return Effect.gen(function* () {
      yield* files.makeDirectory(temporary)
      for (const [index, bytes] of images.entries()) yield* writeTo(`${temporary}/${index}.image`, bytes)
      yield* writeTo(`${temporary}/job.json`, new TextEncoder().encode(encode(record)))
      yield* files.rename(temporary, place(record.jobId))
    }).pipe(
      Effect.onExit((exit) =>
        exit._tag === "Success"
          ? Effect.void
          : Effect.ignore(files.remove(temporary, { recursive: true, force: true }))
      )
    )
  }

  return {
    found,
    create,
    update: (record) => writeTo(`${place(record.jobId)}/job.json`, new TextEncoder().encode(encode(record))),
    read: (jobId, index, kind) => files.readFile(path(jobId, index, kind)),
    write: (jobId, index, kind, bytes) => writeTo(path(jobId, index, kind), bytes),
    remove: (jobId) =>
      // Without its record it is no job any more, should the rest not go at once.
      Effect.ignore(
        Effect.andThen(
          files.remove(`${place(jobId)}/job.json`, { force: true }),
          files.remove(place(jobId), { recursive: true, force: true })
        )
      )
  }
}
