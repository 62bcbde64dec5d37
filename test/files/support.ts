/** File systems for tests: one that notes what is asked of it, one that has its files elsewhere, one that is full. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, FileSystem, Layer, PlatformError } from "effect"

/** The real one, changed. */
export const changed = (
  change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>
): Layer.Layer<FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, ...change(fs) }))
  ).pipe(Layer.provide(NodeFileSystem.layer))

/** A file that is the same, but for what is changed of it. */
export const changedFile = (file: FileSystem.File, change: Partial<FileSystem.File>): FileSystem.File => ({
  [FileSystem.FileTypeId]: FileSystem.FileTypeId,
  stat: file.stat,
  sync: file.sync,
  seek: (offset, from) => file.seek(offset, from),
  read: (buffer, options) => file.read(buffer, options),
  readAlloc: (size, options) => file.readAlloc(size, options),
  truncate: (length) => file.truncate(length),
  write: (buffer) => file.write(buffer),
  writeAll: (buffer) => file.writeAll(buffer),
  ...change
})

/** What systems say, as `effect` passes it on. */
export const failure = (code: string, method = "writeAll", tag: PlatformError.SystemErrorTag = "Unknown") =>
  PlatformError.systemError({
    _tag: tag,
    module: "FileSystem",
    method,
    cause: Object.assign(new Error(`${code}: as the system has it`), { code })
  })

/**
 * The files below one folder are below another in truth: who writes to the first by other means than this file system
 * writes to a place that is not there.
 */
export const redirected = (from: string, to: string): Layer.Layer<FileSystem.FileSystem> => {
  const at = (path: string) =>
    path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : path
  return Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) =>
      FileSystem.make({
        ...fs,
        access: (path, options) => fs.access(at(path), options),
        copyFile: (path, other) => fs.copyFile(at(path), at(other)),
        link: (path, other) => fs.link(at(path), at(other)),
        makeDirectory: (path, options) => fs.makeDirectory(at(path), options),
        open: (path, options) => fs.open(at(path), options),
        readDirectory: (path, options) => fs.readDirectory(at(path), options),
        readFile: (path) => fs.readFile(at(path)),
        remove: (path, options) => fs.remove(at(path), options),
        rename: (path, other) => fs.rename(at(path), at(other)),
        stat: (path) => fs.stat(at(path)),
        utimes: (path, accessed, modified) => fs.utimes(at(path), accessed, modified),
        writeFile: (path, data, options) => fs.writeFile(at(path), data, options)
      })
    )
  ).pipe(Layer.provide(NodeFileSystem.layer))
}
