/**
 * A folder of results, whose files are whole or not there. What a process that was killed has left lies in one hidden
 * folder, which is emptied when a run begins.
 */
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import { Effect, FileSystem } from "effect"
import { NotWritten, notWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import { SinkFailed } from "./BatchError.ts"

/** Adds to a file. */
export type Write = (piece: string | Uint8Array) => Effect.Effect<void, SinkFailed>

export interface OutFolder {
  readonly prepare: Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
  /** Writes the file of this path within the folder. */
  readonly write: (path: string, bytes: Uint8Array) => Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
  /** Copies a file of the folder. */
  readonly copy: (from: string, to: string) => Effect.Effect<void, SinkFailed, FileSystem.FileSystem>
  /** Writes a file piece by piece. */
  readonly compose: <E, R>(
    path: string,
    body: (write: Write) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | SinkFailed, R | FileSystem.FileSystem>
  /** Makes the names of what was written outlast a power cut. */
  readonly flush: Effect.Effect<void, never, FileSystem.FileSystem>
}

/** The folder, for the sink of this name. */
export const make = (sink: string, folder: string): OutFolder => {
  const parts = join(folder, ".segformer", "parts")
  const failed = ({ ofDisk, reason }: NotWritten) =>
    new SinkFailed({ sink, place: folder, detail: reason, ...(ofDisk === true ? { endsRun: true } : {}) })

  /** Folders that were made, and those in which something was written since the last flush. */
  const made = new Set<string>()
  const changed = new Set<string>()
  const makeFolder = (path: string) =>
    made.has(path)
      ? Effect.void
      : Effect.map(Effect.mapError(WholeFile.makeFolder(path), failed), () => {
          if (made.size > 10_000) made.clear()
          made.add(path)
        })

  const place = <E, R>(
    path: string,
    write: (target: string, options: WholeFile.Options) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, E | SinkFailed, R | FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const target = join(folder, path)
      yield* Effect.andThen(makeFolder(parts), makeFolder(dirname(target)))
      yield* write(target, { parts, lasting: false })
      changed.add(dirname(target))
    })

  return {
    prepare: Effect.flatMap(FileSystem.FileSystem, (fs) => {
      // A sink may see several runs, and what happens to its files between them.
      made.clear()
      return fs
        .remove(parts, { recursive: true, force: true })
        .pipe(
          Effect.mapError(notWritten(parts)),
          Effect.andThen(WholeFile.makeFolder(parts)),
          Effect.mapError(failed)
        )
    }),
    write: (path, bytes) =>
      place(path, (target, options) => Effect.mapError(WholeFile.write(target, bytes, options), failed)),
    copy: (from, to) =>
      place(to, (target, options) =>
        Effect.mapError(WholeFile.copy(join(folder, from), target, options), failed)
      ),
    compose: (path, body) =>
      place(path, (target, options) =>
        WholeFile.compose(
          target,
          (write) => body((piece) => Effect.mapError(write(piece), failed)),
          options
        ).pipe(
          Effect.catchIf(
            (error) => error instanceof NotWritten,
            (error) => Effect.fail(failed(error))
          )
        )
      ),
    flush: Effect.suspend(() => {
      const folders = [...changed]
      changed.clear()
      return Effect.forEach(folders, WholeFile.syncFolder, { concurrency: 4, discard: true })
    })
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

/** The key whose results have this path, as far as the path tells: parts that were shortened stay as they are. */
export const keyOf = (path: string): string =>
  path
    .split("/")
    .map((part) => {
      if (part === "%") return ""
      if (/%[\da-f]{32}$/.test(part)) return part
      return part.replaceAll(/(?:%[\dA-F]{2})+/g, (bytes) =>
        Buffer.from(bytes.replaceAll("%", ""), "hex").toString("utf8")
      )
    })
    .join("/")
