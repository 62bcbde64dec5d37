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
 * Each file appears whole.
 */
import { Effect, FileSystem, Option, type PlatformError, Schema } from "effect"
import { type NotWritten, notWritten } from "../../files/NotWritten.ts"
import * as WholeFile from "../../files/WholeFile.ts"
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
  /** On disk. */
  readonly bytes: number
}

type Io<A> = Effect.Effect<A, PlatformError.PlatformError>
type Written = Effect.Effect<void, NotWritten>

export interface JobFolder {
  /** The jobs that are there. What a crash has left of others is removed. */
  readonly found: Io<ReadonlyArray<StoredJob>>
  /** What a job takes on disk when it is made. */
  readonly sizeOf: (record: JobRecord, images: ReadonlyArray<Uint8Array>) => number
  /** Makes the job, or nothing of it. */
  readonly create: (record: JobRecord, images: ReadonlyArray<Uint8Array>) => Written
  readonly update: (record: JobRecord) => Written
  readonly read: (jobId: string, index: number, kind: Kind) => Io<Uint8Array>
  readonly write: (jobId: string, index: number, kind: Kind, bytes: Uint8Array) => Written
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

  const here = Effect.provideService(FileSystem.FileSystem, files)
  const recordIn = (folder: string, record: JobRecord): WholeFile.Content => ({
    path: `${folder}/job.json`,
    bytes: new TextEncoder().encode(encode(record))
  })

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
    let bytes = WholeFile.diskSize(0)
    for (const name of names) {
      if (WholeFile.isPart(name)) yield* Effect.ignore(files.remove(`${place(jobId)}/${name}`))
      else bytes += WholeFile.diskSize(Number((yield* files.stat(`${place(jobId)}/${name}`)).size))
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

  const create = (record: JobRecord, images: ReadonlyArray<Uint8Array>): Written => {
    const temporary = `${folder}/${unfinished}${record.jobId}`
    const contents = images.map((bytes, index) => ({ path: `${temporary}/${index}.image`, bytes }))
    return Effect.mapError(files.makeDirectory(temporary), notWritten(temporary)).pipe(
      Effect.andThen(WholeFile.writeAll([...contents, recordIn(temporary, record)])),
      Effect.andThen(
        Effect.mapError(files.rename(temporary, place(record.jobId)), notWritten(place(record.jobId)))
      ),
      Effect.andThen(WholeFile.syncFolder(folder)),
      Effect.onError(() => Effect.ignore(files.remove(temporary, { recursive: true, force: true }))),
      here
    )
  }

  return {
    found,
    sizeOf: (record, images) => {
      const { bytes } = recordIn("", record)
      return [0, bytes.length, ...images.map((image) => image.length)].reduce(
        (sum, size) => sum + WholeFile.diskSize(size),
        0
      )
    },
    create,
    update: (record) => here(WholeFile.writeAll([recordIn(place(record.jobId), record)])),
    read: (jobId, index, kind) => files.readFile(path(jobId, index, kind)),
    write: (jobId, index, kind, bytes) => here(WholeFile.write(path(jobId, index, kind), bytes)),
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
