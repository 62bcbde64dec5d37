/**
 * A folder of results. A file is written under another name, made to outlast a power cut, and moved to its place: what is
 * there is whole. What a process that was killed has left lies in one hidden folder, which is emptied when a run begins.
 */
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import { Effect, FileSystem, type PlatformError } from "effect"
import { randomHex } from "../randomHex.ts"
import { SinkFailed } from "./BatchError.ts"

type Piece = string | Uint8Array

export interface OutFolder {
  readonly prepare: Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
  /** Writes the file of this path within the folder. */
  readonly write: (path: string, bytes: Uint8Array) => Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
  /** Copies a file of the folder. */
  readonly copy: (from: string, to: string) => Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
  /** Writes a file piece by piece. */
  readonly compose: <E, R>(
    path: string,
    body: (write: (piece: Piece) => Effect.Effect<void, SinkFailed>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | SinkFailed, R | FileSystem.FileSystem>
  /** Makes the names of what was written outlast a power cut. */
  readonly flush: Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
}

/** Pieces are written when so many bytes have come together. */
const block = 256 * 1024

/** The folder, for the sink of this name. */
export const make = (sink: string, folder: string): OutFolder => {
  const parts = join(folder, ".segformer", "parts")
  const failed = (error: PlatformError.PlatformError) => {
    // The system's own words: what became of them here says little of a full disk.
    const { cause, message } = error.reason
    const detail = cause instanceof Error ? cause.message : message
    return new SinkFailed({ sink, place: folder, detail })
  }
  const using = <A, R>(
    work: (fs: FileSystem.FileSystem) => Effect.Effect<A, PlatformError.PlatformError, R>
  ): Effect.Effect<A, SinkFailed, R | FileSystem.FileSystem> =>
    Effect.mapError(Effect.flatMap(FileSystem.FileSystem, work), failed)

  /** Folders that were made, and those in which something was written since the last flush. */
  const made = new Set<string>()
  const changed = new Set<string>()
  const makeFolder = (fs: FileSystem.FileSystem, path: string) =>
    made.has(path)
      ? Effect.void
      : Effect.tap(fs.makeDirectory(path, { recursive: true }), () =>
          Effect.sync(() => {
            if (made.size > 10_000) made.clear()
            made.add(path)
          })
        )

  /** Fills a file of another name, and moves it to its place. */
  const place = <E, R>(
    path: string,
    fill: (part: string) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, E | SinkFailed, R | FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const target = join(folder, path)
      const part = join(parts, randomHex(12))
      yield* using((fs) => Effect.andThen(makeFolder(fs, parts), makeFolder(fs, dirname(target))))
      yield* fill(part).pipe(
        Effect.andThen(using((fs) => fs.rename(part, target))),
        Effect.onError(() => Effect.ignore(using((fs) => fs.remove(part, { force: true }))))
      )
      changed.add(dirname(target))
    })

  return {
    prepare: using((fs) =>
      Effect.andThen(
        fs.remove(parts, { recursive: true, force: true }),
        fs.makeDirectory(parts, { recursive: true })
      )
    ),
    write: (path, bytes) =>
      place(path, (part) =>
        using((fs) =>
          Effect.scoped(
            Effect.flatMap(fs.open(part, { flag: "wx" }), (file) =>
              Effect.andThen(file.writeAll(bytes), file.sync)
            )
          )
        )
      ),
    copy: (from, to) =>
      place(to, (part) =>
        using((fs) =>
          Effect.andThen(
            fs.copyFile(join(folder, from), part),
            Effect.scoped(Effect.flatMap(fs.open(part, { flag: "r+" }), (file) => file.sync))
          )
        )
      ),
    compose: (path, body) =>
      place(path, (part) =>
        Effect.scoped(
          Effect.gen(function* () {
            const file = yield* using((fs) => fs.open(part, { flag: "wx" }))
            let pieces: Array<Uint8Array> = []
            let size = 0
            const drain = Effect.suspend(() => {
              const all = Buffer.concat(pieces)
              pieces = []
              size = 0
              return all.length === 0 ? Effect.void : Effect.mapError(file.writeAll(all), failed)
            })
            yield* body((piece) => {
              const bytes = typeof piece === "string" ? Buffer.from(piece) : piece
              pieces.push(bytes)
              size += bytes.length
              return size < block ? Effect.void : drain
            })
            yield* drain
            yield* Effect.mapError(file.sync, failed)
          })
        )
      ),
    flush: using((fs) =>
      Effect.suspend(() => {
        const folders = [...changed]
        changed.clear()
        // Where folders cannot be opened, as on Windows, their entries need no such care.
        return Effect.forEach(
          folders,
          (path) =>
            Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r" }), (file) => file.sync))),
          { concurrency: 4, discard: true }
        )
      })
    )
  }
}

const encode = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")

/** Longest part of a path, in bytes: systems take 255, and endings are added. */
const longest = 200

/**
 * The path of an image's results, without an ending: its key, fit to be a path on any system and within its folder. No
 * two keys have the same.
 */
export const pathOf = (key: string): string =>
  key
    .split("/")
    .map((part) => {
      if (part === "") return "%"
      const safe = part.replaceAll(/[\\:*?"<>|%\p{Cc}]/gu, encode).replaceAll(/^\.|[. ]$/g, encode)
      if (Buffer.byteLength(safe) <= longest) return safe
      const digest = createHash("sha256").update(part).digest("hex").slice(0, 32)
      return `${safe.slice(0, 40)}%${digest}`
    })
    .join("/")
