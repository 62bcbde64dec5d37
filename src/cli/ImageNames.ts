/** What the images of label maps are called, so that the results of one image are known for that. */
import { basename, dirname, join, normalize, resolve } from "node:path"
import { Effect, FileSystem } from "effect"
import * as OutFolder from "../batch/OutFolder.ts"
import * as ExitCode from "./ExitCode.ts"
import * as LabelFiles from "./LabelFiles.ts"
import * as LabelFolder from "./LabelFolder.ts"
import { decoded } from "../jobs/FileName.ts"

/**
 * What the image of each label map is called: by the report beside it where it lies within the folder that was segmented,
 * so far as the results keep that, else by the name of the file itself. Two images of one name say where they lie; two label maps of
 * one image are refused, since nobody can tell which is meant.
 */
export const read = Effect.fnUntraced(function* (
  files: LabelFolder.LabelFiles
): Effect.fn.Return<ReadonlyArray<string>, ExitCode.Ended, FileSystem.FileSystem> {
  const reported = yield* LabelFiles.reportedImages(files)
  const paths = reported.map((image, index) =>
    // Where names of files have a backslash, it is no end of a folder.
    image === undefined ? undefined : pathOf(image, files.at(index)!.key.includes("\\"))
  )
  const both = twins(files, paths)
  if (both !== undefined) return yield* twice(files, ...both)
  const keyOf = yield* keysOfRuns
  const own: Array<string> = []
  for (const file of files) {
    const path = paths[own.length]
    const { image, key } = file
    if (path === undefined) {
      own.push(image === undefined ? `${key}.png` : yield* keyOf(file, inFolder(key, image)))
      continue
    }
    const below = inFolder(key, path)
    own.push(path === below || path.endsWith(`/${below}`) ? below : basename(path))
  }
  if (new Set(own).size === own.length) return own
  const common = commonFolder(paths.filter((path) => path !== undefined))
  const long = renamed(own, (name, index) => paths[index]?.slice(common.length) ?? name)
  // Those whose image is a guess are called as they are.
  const names = renamed(long, (name, index) => {
    const { image, key } = files.at(index)!
    return paths[index] === undefined && image === undefined ? key : name
  })
  const first = new Map<string, number>()
  for (const [index, name] of names.entries()) {
    const before = first.get(name)
    if (before !== undefined) return yield* twice(files, name, before, index)
    first.set(name, index)
  }
  return names
})

const twice = (files: LabelFolder.LabelFiles, name: string, first: number, second: number) =>
  ExitCode.wrong(
    `${files.at(first)!.path} and ${files.at(second)!.path} are both of the image ${name}. Take the results of one command at a time: ` +
      "those of batch are called NAME.png.labels.png, those of segment NAME.labels.png"
  )

/** Results of `segment` and of `batch` in one folder that are of one image: its name, and their places. */
const twins = (
  files: LabelFolder.LabelFiles,
  paths: ReadonlyArray<string | undefined>
): [name: string, first: number, second: number] | undefined => {
  if (paths.every((path) => path === undefined)) return undefined
  const found = new Map<string, number>()
  let index = 0
  for (const { image, path } of files) {
    const reported = paths[index]
    const place = path.replace(LabelFolder.ending, "")
    const name = reported === undefined ? image && basename(image) : basename(reported)
    // What one command called otherwise, since the name was taken, may be called so by chance.
    if (
      name !== undefined &&
      basename(place) === (reported === undefined ? name : name.replace(LabelFolder.imageEnding, ""))
    ) {
      const whole = resolve(dirname(place), name)
      const before = found.get(whole)
      if (before !== undefined) return [name, before, index]
      found.set(whole, index)
    }
    index++
  }
  return undefined
}

/** A file in the folder of a key. */
const inFolder = (key: string, path: string): string =>
  join(dirname(key), basename(path)).replaceAll("\\", "/")

/** Other names for those that several have. */
const renamed = (
  names: ReadonlyArray<string>,
  other: (name: string, index: number) => string
): ReadonlyArray<string> => {
  const count = new Map<string, number>()
  for (const name of names) count.set(name, (count.get(name) ?? 0) + 1)
  return names.map((name, index) => (count.get(name) === 1 ? name : other(name, index)))
}

/** Names of results of a run as the run has them: in the names of files some letters stand otherwise. */
const keysOfRuns = Effect.sync(() => {
  const folders = new Map<string, boolean>()
  return Effect.fnUntraced(function* (
    { path }: LabelFolder.LabelFile,
    name: string
  ): Effect.fn.Return<string, never, FileSystem.FileSystem> {
    if (!name.includes("%")) return name
    const fs = yield* FileSystem.FileSystem
    for (let at = dirname(resolve(path)); ; at = dirname(at)) {
      const isRun =
        folders.get(at) ??
        (yield* Effect.orElseSucceed(fs.exists(join(at, ".segformer", "run.json")), () => false))
      folders.set(at, isRun)
      if (isRun) return OutFolder.keyOf(name)
      if (dirname(at) === at) return name
    }
  })
})

/** The path of an image as its report has it, or of its address. */
const pathOf = (image: string, isLetter: boolean): string => {
  const url = /^https?:/i.test(image) && URL.canParse(image) ? new URL(image).pathname : undefined
  return url === undefined ? normalize(image).replaceAll(isLetter ? "/" : "\\", "/") : decoded(url)
}

/** The folders that all paths begin with, and a slash; or nothing. */
const commonFolder = ([first = "", ...others]: ReadonlyArray<string>): string => {
  const parts = first.split("/").slice(0, -1)
  let length = parts.length
  for (const other of others) {
    const own = other.split("/").slice(0, -1)
    let same = 0
    while (same < length && own[same] === parts[same]) same++
    length = same
  }
  return length === 0 ? "" : `${parts.slice(0, length).join("/")}/`
}
