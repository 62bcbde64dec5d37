/**
 * A file on its way: hidden in the folder that it is for, hashed as it grows, and only moved to its name once it is
 * whole and on the disk. It goes with its scope, or stays to be gone on with where that is wanted.
 */
import { Effect, Exit, FileSystem, Option, Schema, Scope } from "effect"
import { randomHex } from "../randomHex.ts"
import { type NotWritten, notWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import * as Hashing from "./Hashing.ts"

/** An ETag that promises the same bytes: a weak one does not, nor an empty one, which some servers give to every file. */
export const strongEtag = /^"[^"]+"$/

/** What the answer that a file started with said of it. */
export const Start = Schema.Struct({
  /** A strong ETag: what a later part must match. */
  etag: Schema.optional(Schema.String.check(Schema.isPattern(strongEtag))),
  /** When it was changed last, as the service says it. */
  modified: Schema.optional(Schema.String),
  /** Of the whole, in bytes. */
  length: Schema.optional(Schema.Number),
  /** As the service calls it, cleaned. */
  name: Schema.String,
  mediaType: Schema.optional(Schema.String),
  /** In hexadecimal. */
  digests: Schema.Struct({ "sha-256": Schema.optional(Schema.String), md5: Schema.optional(Schema.String) })
})
export type Start = typeof Start.Type

/** What is kept beside a file that is to be gone on with by another process. */
const Beside = Schema.fromJsonString(Schema.Struct({ url: Schema.String, start: Start }))

/** In hexadecimal; the MD5 only where somebody has named one. */
export interface Digests {
  readonly "sha-256": string
  readonly md5: string | undefined
}

export interface PartialFile {
  /** Bytes that are in it. */
  readonly received: () => number
  readonly start: () => Start | undefined
  /** More is known of it by now. */
  readonly learn: (start: Start) => void
  /** Empties it, for another start. */
  readonly restart: (start: Start | undefined) => Effect.Effect<void, NotWritten>
  /** Takes a chunk as it is called, and gives what has to be waited for before the next. */
  readonly append: (chunk: Uint8Array) => Effect.Effect<void, NotWritten>
  /** Everything is there: on the disk once this is done. */
  readonly finish: Effect.Effect<Digests, NotWritten>
  /** To its name, in one step. `false` where it replaces nothing, and something stands there. */
  readonly moveTo: (path: string, replaces: boolean) => Effect.Effect<boolean, NotWritten>
  /** Removes it and what is beside it, also where it was to be kept. */
  readonly discard: Effect.Effect<void>
}

/** Files that this process is going on with. */
const inUse = new Set<string>()

const digestOf = (text: string): string => {
  const hasher = Hashing.make("sha-256")
  hasher.update(new TextEncoder().encode(text))
  return Hashing.toHex(hasher.digest())
}

/** Bytes that are written, or read again, at once. Few large writes let the socket be read as fast as it brings. */
const bufferBytes = 256 * 1024

export const open = Effect.fnUntraced(function* (options: {
  readonly fs: FileSystem.FileSystem
  readonly folder: string
  /** What it is of, without what may be secret. */
  readonly url: string
  /** The whole of its address: only a digest of it is kept. */
  readonly address: string
  /** Whether it outlives a failure. */
  readonly keep: boolean
  /** Whether its MD5 is wanted, whatever the service says of it. */
  readonly hasMd5: boolean
}): Effect.fn.Return<PartialFile, NotWritten, Scope.Scope> {
  const { folder, fs, url } = options
  const keptPath = `${folder}/.${digestOf(options.address).slice(0, 24)}.part`
  // Whoever comes second to the same file, in this process, has one of their own.
  const isKept = options.keep && !inUse.has(keptPath)
  const path = isKept ? keptPath : `${folder}/.${randomHex(12)}.part`
  const recordPath = `${path}.json`
  const fail = Effect.mapError(notWritten(path))
  const remove = Effect.ignore(fs.remove(path, { force: true }))
  const removeRecord = Effect.ignore(fs.remove(recordPath, { force: true }))
  const discard = Effect.andThen(remove, removeRecord)

  let isDone = false
  let start: Start | undefined
  let received = 0
  yield* Effect.acquireRelease(
    Effect.sync(() => void (isKept && inUse.add(path))),
    () =>
      Effect.suspend(() => {
        if (isKept) inUse.delete(path)
        const isOfUse = isKept && received > 0 && start?.etag !== undefined
        return isDone || isOfUse ? Effect.void : discard
      })
  )
  const own = yield* Scope.fork(yield* Effect.scope)
  // Closed before it is moved or removed: Windows does neither to a file that is open.
  const close = Scope.close(own, Exit.void)

  // Who was killed while it got its name has left it two: to write to it would change the file.
  const hasName = Effect.map(fs.stat(path), ({ nlink }) => Option.getOrElse(nlink, () => 1) > 1)
  if (isKept && (yield* Effect.orElseSucceed(hasName, () => false))) yield* discard

  const kept = isKept
    ? yield* fs.readFileString(recordPath).pipe(
        Effect.flatMap(Schema.decodeEffect(Beside)),
        Effect.filterOrFail((record) => record.url === url),
        Effect.zipWith(fs.stat(path), (record, { size }) => ({ start: record.start, size: Number(size) })),
        Effect.option,
        Effect.map(Option.getOrUndefined)
      )
    : undefined
  const file = yield* fs.open(path, { flag: kept === undefined ? "w+" : "r+" }).pipe(fail, Scope.provide(own))

  start = kept?.start
  let sha256 = Hashing.make("sha-256")
  const md5Of = (start: Start | undefined) =>
    options.hasMd5 || start?.digests.md5 !== undefined ? Hashing.make("md5") : undefined
  let md5 = md5Of(start)
  const grow = (chunk: Uint8Array) => {
    sha256.update(chunk)
    md5?.update(chunk)
    received += chunk.length
  }

  const buffer = new Uint8Array(bufferBytes)
  let held = 0
  const flush = Effect.suspend(() => {
    if (held === 0) return Effect.void
    const whole = buffer.subarray(0, held)
    held = 0
    return fail(file.writeAll(whole))
  })
  /** Takes the chunk at once; what is left to run is only the write, where one is due. */
  const append = (chunk: Uint8Array): Effect.Effect<void, NotWritten> => {
    const taken = Math.min(chunk.length, bufferBytes - held)
    buffer.set(chunk.subarray(0, taken), held)
    held += taken
    if (held < bufferBytes) return Effect.void
    return taken === chunk.length ? flush : Effect.flatMap(flush, () => append(chunk.subarray(taken)))
  }
  // What came is written also where no more will come: another process may go on with it.
  yield* Effect.addFinalizer(() => (isKept ? Effect.ignore(flush) : Effect.void))

  const restart = (next: Start | undefined) =>
    Effect.gen(function* () {
      start = next
      received = 0
      held = 0
      sha256 = Hashing.make("sha-256")
      md5 = md5Of(next)
      yield* file.truncate(0)
      yield* file.seek(0n, "start")
      if (!isKept) return
      // Without an ETag nothing could go on with it.
      if (next?.etag === undefined) return yield* removeRecord
      yield* fs.writeFileString(recordPath, Schema.encodeSync(Beside)({ url, start: next }))
    }).pipe(fail)

  if (kept !== undefined) {
    while (received < kept.size) {
      const read = yield* fail(file.read(buffer))
      if (read === 0) break
      grow(buffer.subarray(0, read))
    }
    if (kept.start.length !== undefined && received > kept.start.length) yield* restart(undefined)
  }

  return {
    received: () => received,
    start: () => start,
    learn: (known) => void (start = known),
    restart,
    append: (chunk) => {
      grow(chunk)
      return append(chunk)
    },
    finish: Effect.andThen(
      Effect.andThen(flush, fail(file.sync)),
      Effect.sync(() => ({
        "sha-256": Hashing.toHex(sha256.digest()),
        md5: md5 === undefined ? undefined : Hashing.toHex(md5.digest())
      }))
    ),
    moveTo: (to, replaces) =>
      close.pipe(
        Effect.andThen(replaces ? Effect.as(WholeFile.move(path, to), true) : WholeFile.moveNew(path, to)),
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.tap((isMoved) => {
          isDone = isMoved
          return isMoved ? removeRecord : Effect.void
        }),
        Effect.uninterruptible
      ),
    discard: Effect.uninterruptible(Effect.andThen(close, discard))
  }
})
