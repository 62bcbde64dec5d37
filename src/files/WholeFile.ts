/**
 * Files that are whole or not there. Each is written under another name, made to outlast a power cut, and moved to its
 * place; what fails or is interrupted leaves nothing behind, and what stood there before stays as it was. Only a process
 * that is killed leaves a part, which `isPart` knows by its name.
 */
import { Bytes, Effect, FileSystem, Option, type PlatformError } from "effect"
import { randomHex } from "../randomHex.ts"
import * as SystemError from "../SystemError.ts"
import { NotWritten, notWritten } from "./NotWritten.ts"

export interface Options {
  /** Where parts lie: a folder on the same disk. Beside the place by default. */
  readonly parts?: string | undefined
  /**
   * Whether the name outlasts a power cut as well as the file does. True by default; who writes many files into a few
   * folders calls `syncFolder` once for all of them.
   */
  readonly lasting?: boolean | undefined
}

/** A file and what is in it. */
export interface Content {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Takes the next piece of a file. */
export type Write = (piece: string | Uint8Array) => Effect.Effect<void, NotWritten>

/** Puts other bytes where some were written before, for what is only known at the end. */
export type Patch = (at: number, bytes: Uint8Array) => Effect.Effect<void, NotWritten>

/** Whether a file of this name is a part that a killed process has left. */
export const isPart = (name: string): boolean => /^\.segformer-[\da-f]{16}\.part$/.test(name)

/** Where there is a file system there is a process; only on Windows a backslash parts folders. */
const isWindows = typeof process === "object" && process.platform === "win32"

const folderOf = (path: string): string => {
  const last = Math.max(path.lastIndexOf("/"), isWindows ? path.lastIndexOf("\\") : -1)
  return last < 0 ? "." : path.slice(0, Math.max(1, last))
}

/** Makes a folder, and those it lies in. */
export const makeFolder = (folder: string): Effect.Effect<void, NotWritten, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.catch(madeIn(fs, folder), (error) =>
      Effect.flatMap(deadLink(fs, folder), (target) =>
        Effect.fail(
          target === undefined
            ? notWritten(folder)(error)
            : new NotWritten({ path: folder, reason: `it is a link to ${target}, which is not there` })
        )
      )
    )
  )

/** Where a link leads that leads nowhere: itself, or the nearest folder above that is there at all. */
const deadLink = (fs: FileSystem.FileSystem, path: string): Effect.Effect<string | undefined> =>
  Effect.flatMap(Effect.option(fs.stat(path)), (found) =>
    found._tag === "Some"
      ? Effect.undefined
      : Effect.catch(fs.readLink(path), () =>
          folderOf(path) === path ? Effect.undefined : deadLink(fs, folderOf(path))
        )
  )

/**
 * One after the other, as nobody is asked to make folders within folders: where a folder is there and takes none, as in
 * `/proc`, Node tries that for ever, and of a disk that cannot be written systems say that there is no such folder.
 */
const madeIn = (
  fs: FileSystem.FileSystem,
  folder: string
): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.catch(fs.makeDirectory(folder), (error) => {
    const within = folderOf(folder)
    const isFolder = (path: string) =>
      Effect.match(fs.stat(path), {
        onSuccess: ({ type }) => type === "Directory",
        onFailure: () => false
      })
    // Whatever the reason is: some systems have another one for what is there already.
    return Effect.flatMap(isFolder(folder), (isThere) => {
      if (isThere) return Effect.void
      if (error.reason._tag !== "NotFound" || within === folder) return Effect.fail(error)
      return Effect.andThen(
        madeIn(fs, within),
        // Whoever makes the same may have been sooner.
        Effect.catch(fs.makeDirectory(folder), (last) =>
          Effect.flatMap(isFolder(folder), (isMade) => (isMade ? Effect.void : Effect.fail(last)))
        )
      )
    })
  })

/** Makes the names in a folder outlast a power cut. Where folders cannot be opened, as on Windows, they do already. */
export const syncFolder = (folder: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.ignore(
      Effect.scoped(
        Effect.flatMap(fs.open(folder, { flag: "r" }), ({ sync }) => Effect.uninterruptible(sync))
      )
    )
  )

/** Where a file goes, and the rights of the one that stands there: a link stays one, and leads to the new file. */
interface Place {
  readonly path: string
  readonly mode: number | undefined
}

const placeOf = (path: string): Effect.Effect<Place, NotWritten, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = Option.getOrUndefined(yield* Effect.option(fs.stat(path)))
    if (info === undefined) return { path: yield* endOf(path), mode: undefined }
    if (info.type === "Directory")
      return yield* new NotWritten({ path, reason: "a folder stands in its place" })
    if (info.type !== "File")
      return yield* new NotWritten({
        path,
        reason: "what stands in its place is no file, but a device or a pipe"
      })
    const mode = info.mode & 0o7777
    const isLink = Option.isSome(yield* Effect.option(fs.readLink(path)))
    return isLink
      ? { path: yield* Effect.mapError(fs.realPath(path), notWritten(path)), mode }
      : { path, mode }
  })

/** Links that may lead to each other: systems take about as many. */
const mostLinks = 40

/** Where a file is made that is not there: at the end of the links that lead nowhere yet, as a shell has it. */
const endOf = (path: string): Effect.Effect<string, NotWritten, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    let end = path
    for (let links = 0; ; links++) {
      const target = Option.getOrUndefined(yield* Effect.option(fs.readLink(end)))
      if (target === undefined) break
      const reason = `it is a link to ${target}, which `
      if (links === mostLinks) return yield* new NotWritten({ path, reason: `${reason}leads in a circle` })
      const isWhole = target.startsWith("/") || (isWindows && /^([\\/]|[a-z]:)/i.test(target))
      end = isWhole ? target : `${folderOf(end)}/${target}`
      const isThere = yield* Effect.orElseSucceed(fs.exists(folderOf(end)), () => false)
      if (!isThere)
        return yield* new NotWritten({ path, reason: `${reason}is in a folder that is not there` })
    }
    return end
  })

/** Moves a part to its place, with the rights that it has there. */
const settle = (
  fs: FileSystem.FileSystem,
  part: string,
  { mode, path }: Place
): Effect.Effect<void, PlatformError.PlatformError> =>
  // Where rights mean nothing there are none to keep.
  Effect.andThen(
    mode === undefined ? Effect.void : Effect.ignore(fs.chmod(part, mode)),
    fs.rename(part, path)
  )

/** Fills parts, then moves all of them to their places; or none, as far as can be. */
const place = <A, E, R>(
  paths: ReadonlyArray<string>,
  fill: (parts: ReadonlyArray<string>) => Effect.Effect<A, E, R>,
  { lasting = true, parts: folder }: Options,
  isWanted: (filled: A) => boolean = () => true
): Effect.Effect<void, E | NotWritten, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // First, so that nobody works for a file that cannot be.
    const places = yield* Effect.forEach(paths, placeOf)
    // A link may lead to another disk, to which no file is moved.
    const besides = (path: string, index: number) =>
      folder === undefined || path !== paths[index] ? folderOf(path) : folder
    const parts = places.map(({ path }, index) => `${besides(path, index)}/.segformer-${randomHex(8)}.part`)
    const drop = Effect.forEach(parts, (part) => Effect.ignore(fs.remove(part, { force: true })), {
      discard: true
    })
    const move = Effect.gen(function* () {
      for (const [index, place] of places.entries()) {
        yield* Effect.mapError(settle(fs, parts[index]!, place), notWritten(place.path))
      }
      if (lasting) {
        const folders = new Set(places.map(({ path }) => folderOf(path)))
        yield* Effect.forEach(folders, syncFolder, { discard: true })
      }
    })
    yield* fill(parts).pipe(
      Effect.flatMap((filled) => (isWanted(filled) ? Effect.uninterruptible(move) : drop)),
      Effect.onError(() => drop)
    )
  })

/** Opens a part, and syncs it once it is filled. It is closed before it is moved: Windows moves no file that is open. */
const filled = <A, E, R>(
  path: string,
  part: string,
  body: (file: FileSystem.File) => Effect.Effect<A, E, R>,
  flag: "wx" | "r+" = "wx"
): Effect.Effect<A, E | NotWritten, R | FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* Effect.mapError(fs.open(part, { flag }), notWritten(path))
      const value = yield* body(file)
      yield* ended(path, file.sync)
      return value
    })
  )

/** What is under way is waited for: its file must not be closed, and its number given to another, before it is done. */
const ended = <A>(path: string, work: Effect.Effect<A, PlatformError.PlatformError>) =>
  Effect.uninterruptible(Effect.mapError(work, notWritten(path)))

/** Writes several files: all of them, or none. */
export const writeAll = (
  files: ReadonlyArray<Content>,
  options: Options = {}
): Effect.Effect<void, NotWritten, FileSystem.FileSystem> =>
  place(
    files.map(({ path }) => path),
    (parts) =>
      Effect.forEach(
        files,
        ({ bytes, path }, index) => filled(path, parts[index]!, (file) => ended(path, file.writeAll(bytes))),
        { discard: true }
      ),
    options
  )

/** Writes a file. */
export const write = (
  path: string,
  bytes: Uint8Array,
  options?: Options
): Effect.Effect<void, NotWritten, FileSystem.FileSystem> => writeAll([{ path, bytes }], options)

/** Copies a file. */
export const copy = (
  from: string,
  path: string,
  options: Options = {}
): Effect.Effect<void, NotWritten, FileSystem.FileSystem> =>
  place(
    [path],
    ([part]) =>
      Effect.flatMap(FileSystem.FileSystem, (fs) =>
        Effect.andThen(
          ended(path, fs.copyFile(from, part!)),
          filled(path, part!, () => Effect.void, "r+")
        )
      ),
    options
  )

/** Moves a file that is whole, and on the disk, to its place. */
export const move = (from: string, path: string): Effect.Effect<void, NotWritten, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const place = yield* placeOf(path)
    const { mode } = yield* Effect.mapError(fs.stat(from), notWritten(path))
    yield* Effect.matchEffect(settle(fs, from, place), {
      onSuccess: () => syncFolder(folderOf(place.path)),
      onFailure: (error) =>
        // With the rights of a file that nobody may write it could not be copied, nor gone on with.
        Effect.andThen(
          Effect.ignore(fs.chmod(from, mode & 0o7777)),
          SystemError.isOtherDisk(error)
            ? Effect.andThen(copy(from, place.path), Effect.ignore(fs.remove(from)))
            : Effect.fail(notWritten(path)(error))
        )
    })
  }).pipe(Effect.uninterruptible)

/**
 * The same where nothing stands in its place; `false` where something does, and where a link leads nowhere that a file can be
 * made. Of those that want one place at once, in this process and in others, one has it.
 */
export const moveNew = (
  from: string,
  path: string
): Effect.Effect<boolean, NotWritten, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (yield* Effect.isSuccess(fs.stat(path))) return false
    const end = Option.getOrUndefined(yield* Effect.option(endOf(path)))
    if (end === undefined) return false
    const isTaken = ({ reason }: PlatformError.PlatformError) => reason._tag === "AlreadyExists"
    const linked = yield* Effect.result(fs.link(from, end))
    if (linked._tag === "Success") {
      yield* Effect.ignore(fs.remove(from))
      yield* syncFolder(folderOf(end))
      return true
    }
    if (isTaken(linked.failure)) return false
    if (SystemError.isOtherDisk(linked.failure) && folderOf(from) !== folderOf(end)) {
      // Nothing stands in its place before all of it is on that disk, for however long that takes.
      const part = `${folderOf(end)}/.segformer-${randomHex(8)}.part`
      if (yield* Effect.isFailure(copy(from, part))) return false
      const isMoved = yield* Effect.ensuring(
        moveNew(part, end),
        Effect.ignore(fs.remove(part, { force: true }))
      )
      if (isMoved) yield* Effect.ignore(fs.remove(from))
      return isMoved
    }
    // A disk that knows no second name of a file: an empty file keeps the place.
    const held = yield* Effect.result(Effect.scoped(fs.open(end, { flag: "wx" })))
    if (held._tag === "Failure") {
      return isTaken(held.failure) || end !== path ? false : yield* notWritten(path)(held.failure)
    }
    yield* Effect.onError(move(from, end), () => Effect.ignore(fs.remove(end)))
    return true
  }).pipe(Effect.uninterruptible)

/** Pieces are written when so many bytes have come together. */
const block = 256 * 1024

/** Writes a file piece by piece. Where `body` gives `false`, there shall be none. */
export const compose = <E, R>(
  path: string,
  body: (write: Write, patch: Patch) => Effect.Effect<boolean | void, E, R>,
  options: Options = {}
): Effect.Effect<void, E | NotWritten, R | FileSystem.FileSystem> =>
  place(
    [path],
    ([part]) =>
      filled(path, part!, (file) => {
        const encoder = new TextEncoder()
        let pieces: Array<Uint8Array> = []
        let size = 0
        const drain = Effect.suspend(() => {
          const all = pieces
          pieces = []
          size = 0
          return all.length === 0
            ? Effect.void
            : ended(path, file.writeAll(all.length > 1 ? Bytes.concat(all) : all[0]!))
        })
        const write: Write = (piece) =>
          Effect.suspend(() => {
            const bytes = typeof piece === "string" ? encoder.encode(piece) : piece
            if (bytes.length > 0) pieces.push(bytes)
            size += bytes.length
            return size < block ? Effect.void : drain
          })
        const patch: Patch = (at, bytes) =>
          Effect.gen(function* () {
            yield* drain
            const end = yield* ended(path, file.seek(0n, "current"))
            yield* ended(path, file.seek(BigInt(at), "start"))
            yield* ended(path, file.writeAll(bytes))
            yield* ended(path, file.seek(end, "start"))
          })
        return Effect.tap(body(write, patch), () => drain)
      }),
    options,
    (isWanted) => isWanted !== false
  )

/** Blocks of a disk, in bytes. */
const onDisk = 4096

/** What a file of so many bytes takes of a disk: whole blocks, and one for itself, as an empty one or a folder does. */
export const diskSize = (bytes: number): number => onDisk * (1 + Math.ceil(bytes / onDisk))
