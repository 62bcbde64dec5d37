/**
 * Files of label maps on disk: which ones there are, by names that pair them with others, what is in them, and what
 * their classes are called.
 */
import { closeSync, constants, openSync, readSync } from "node:fs"
import { basename, dirname, join, normalize, resolve } from "node:path"
import { Effect, FileSystem, Option, Predicate, Result, Schema } from "effect"
import * as OutFolder from "../batch/OutFolder.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import * as Npy from "../mask/Npy.ts"
import * as Palette from "../mask/Palette.ts"
import * as PngNames from "../mask/PngNames.ts"
import * as SystemError from "../SystemError.ts"
import * as ExitCode from "./ExitCode.ts"
import { ending, imageEnding, type LabelFile, type LabelFiles, list, withoutEndings } from "./LabelFolder.ts"
import * as Screen from "./Screen.ts"

/** What is wrong with a file or a name, in a line. */
export interface Problem {
  readonly name: string
  readonly reason: string
}

/** The label maps that words stand for: files, folders, globs; each once. */
export const expand = Effect.fnUntraced(function* (
  words: ReadonlyArray<string>
): Effect.fn.Return<
  { readonly files: LabelFiles; readonly missing: ReadonlyArray<Problem> },
  ExitCode.Ended,
  FileSystem.FileSystem
> {
  const fs = yield* FileSystem.FileSystem
  const files: Array<LabelFile> = []
  const missing: Array<Problem> = []
  const seen = new Set<string>()
  const keys = new Set<string>()
  const add = (given: LabelFile) => {
    const file = { ...given }
    const whole = resolve(file.path)
    if (seen.has(whole)) return
    seen.add(whole)
    if (keys.has(file.key)) {
      // Of two folders with files of one name, the second says where its own are.
      const own = normalize(file.path)
        .replace(ending, "")
        .replace(/^(?:\.{0,2}[\\/])+/, "")
      file.key = own
      for (let number = 2; keys.has(file.key); number++) file.key = `${own}-${number}`
    }
    keys.add(file.key)
    files.push(file)
  }
  for (const word of words) {
    const info = yield* Effect.option(fs.stat(word))
    if (Option.isSome(info) && info.value.type === "Directory") {
      const found = yield* list(word)
      if (found.length === 0) missing.push({ name: word, reason: "the folder holds no label PNG or .npy" })
      // No two of one folder are called the same, nor is one of them told twice.
      if (words.length === 1) return { files: found, missing }
      for (const file of found) add(file)
      continue
    }
    if (Option.isSome(info)) {
      withoutEndings([{ path: word, key: basename(word).replace(ending, "") }]).forEach(add)
      continue
    }
    const matches = /[*?[{]/.test(word) ? yield* Effect.orElseSucceed(fs.glob(word), () => []) : []
    if (matches.length === 0) missing.push({ name: word, reason: "there is no such file" })
    // As a folder's, the keys of a pattern keep the folders between it and the file.
    const fixed = word.split("/").findIndex((part) => /[*?[{]/.test(part))
    const found = matches.toSorted().map((path) => ({
      path,
      key: path.split("/").slice(fixed).join("/").replace(ending, "")
    }))
    withoutEndings(found).forEach(add)
  }
  return { files, missing }
})

export interface ReadOptions {
  /** The id of pixels that belong to no class. */
  readonly ignoreIndex?: number | undefined
  /** Colours of coloured pictures. */
  readonly palette?: ClassTable.ClassTable | undefined
  /** Take a coloured picture for a mask: what is black is 0, all else 255. Off by default. */
  readonly asMask?: boolean | undefined
  /** The colours of a picture with a palette say nothing. Off by default. */
  readonly byIndex?: boolean | undefined
}

/** The label map of a file. */
export const read = Effect.fnUntraced(function* (
  path: string,
  options: ReadOptions = {}
): Effect.fn.Return<LabelMap.LabelMap, string, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.mapError(fs.stat(path), (error) => error.message)
  if (info.type !== "File") return yield* Effect.fail(`it is no regular file (${info.type})`)
  const bytes = yield* Effect.mapError(fs.readFile(path), (error) => error.message)
  const { ignoreIndex } = options
  const decoded = /\.npy$/i.test(path)
    ? Result.map(Npy.toLabelMap(bytes), (map) => (ignoreIndex === undefined ? map : { ...map, ignoreIndex }))
    : LabelPng.decode(bytes, { ignoreIndex, palette: options.palette })
  if (options.asMask === true && Result.isFailure(decoded)) {
    const mask = LabelPng.decodeMask(bytes)
    if (Result.isSuccess(mask))
      return { ...mask.success, data: mask.success.data.map((inside) => inside * 255) }
  }
  const map = yield* Effect.mapError(Effect.fromResult(decoded), ({ detail }) => detail)
  const { palette } = options
  if (palette !== undefined && options.byIndex !== true && isIndexed(bytes)) {
    const byColor = LabelPng.decode(bytes, { palette, byColor: true })
    if (Result.isSuccess(byColor) && !LabelMap.equals(byColor.success, map))
      return yield* Effect.fail(
        "its palette has the colours of the classes at other indices than their ids, and which are meant it does not say. Convert it to " +
          "RGB to have its colours read, or give --classes with names alone to have its indices"
      )
  }
  return map
})

/** Whether it is a PNG of the kind that has a palette. */
const isIndexed = (bytes: Uint8Array): boolean => bytes[25] === 3 && bytes[0] === 0x89

/** For help and errors. */
const classSources =
  `${Palette.names.join(", ")}, a model's folder or its config.json, a JSON array of names, or a text file with a ` +
  "name a line"

const Id2Label = Schema.Record(Schema.String, Schema.String)
const ClassFile = Schema.fromJsonString(
  Schema.Union([Schema.Array(Schema.String), Schema.Struct({ id2label: Id2Label }), Id2Label])
)

/** The classes that `--classes` names. */
export const classes = Effect.fnUntraced(function* (
  source: string
): Effect.fn.Return<ClassTable.ClassTable, ExitCode.Ended, FileSystem.FileSystem> {
  const table = Palette.byName(source)
  if (table !== undefined) return table
  const fs = yield* FileSystem.FileSystem
  const fail = (reason: string) => ExitCode.wrong(`--classes ${source}: ${reason}`)
  const info = yield* Effect.mapError(fs.stat(source), () =>
    fail(`there is no such file, and no such name. Give ${classSources}`)
  )
  const path = info.type === "Directory" ? join(source, "config.json") : source
  const text = yield* Effect.mapError(fs.readFileString(path), (error) => fail(error.message))
  if (!/^\s*[[{]/.test(text)) {
    const names = text.split(/\r?\n/).map((line) => line.trim())
    while (names.at(-1) === "") names.pop()
    return names.length === 0 ? yield* fail("it is empty") : ClassTable.fromNames(names)
  }
  const parsed = yield* Effect.mapError(Effect.fromResult(Schema.decodeUnknownResult(ClassFile)(text)), () =>
    fail("it is JSON, but neither an array of names nor an object with id2label")
  )
  const found = Array.isArray(parsed)
    ? ClassTable.fromNames(parsed)
    : ClassTable.fromId2Label(isConfig(parsed) ? parsed.id2label : plain(parsed))
  return found.length === 0 ? yield* fail("it names no classes") : found
})

type Parsed = typeof ClassFile.Type
const isConfig = (parsed: Parsed): parsed is { readonly id2label: Readonly<Record<string, string>> } =>
  !Array.isArray(parsed) && "id2label" in parsed && typeof parsed.id2label === "object"
const plain = (parsed: Parsed): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  )

/** What `segformer segment` wrote beside a label map. */
const Sidecar = Schema.fromJsonString(
  Schema.Struct({
    image: Schema.String,
    model: Schema.optional(Schema.String),
    classes: Schema.Array(Schema.Struct({ id: Schema.Int, name: Schema.String })),
    uncertainty: Schema.optional(
      Schema.Struct({ entropy: Schema.Finite, margin: Schema.Finite, unsure: Schema.Finite })
    )
  })
)
export type Sidecar = typeof Sidecar.Type

/** Reports that could not be read, and were told of: each is asked for by several that want something of it. */
const told = new Set<string>()

/** What stands beside a label map is another's where it has not what a report has; and broken where it is no JSON, or has that wrong. */
const reportOf = (text: string): Result.Result<Sidecar | undefined, string> => {
  const found = Schema.decodeUnknownResult(Sidecar)(text)
  if (Result.isSuccess(found)) return Result.succeed(found.success)
  const parsed = Schema.decodeUnknownResult(Json)(text)
  if (Result.isFailure(parsed)) return Result.fail("it is no JSON")
  const isOurs =
    Predicate.hasProperty(parsed.success, "image") && Predicate.hasProperty(parsed.success, "classes")
  return isOurs ? Result.fail(found.failure.message) : Result.succeed(undefined)
}
const Json = Schema.fromJsonString(Schema.Unknown)

/** The report beside a label map, where there is one. Of one that cannot be read it is told once. */
export const sidecar = (file: LabelFile): Effect.Effect<Sidecar | undefined, never, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    if (file.hasReport === false) return Effect.undefined
    const path = file.path.replace(ending, ".json")
    const tell = (reason: string) => {
      if (told.has(resolve(path))) return Effect.undefined
      told.add(resolve(path))
      return Effect.as(
        Screen.complain(
          `${path} beside ${file.path} is not used: ${reason}. What it said of its image and its classes is not known: write both anew, or remove it`
        ),
        undefined
      )
    }
    return Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path)).pipe(
      Effect.matchEffect({
        onFailure: (error) =>
          error.reason._tag === "NotFound" ? Effect.undefined : tell(SystemError.unreadable(error)),
        onSuccess: (text) =>
          Result.match(reportOf(text), { onFailure: tell, onSuccess: (found) => Effect.succeed(found) })
      })
    )
  })

/** Room for the beginning of a file, and more where names are longer: there may be very many files, and each is looked into at once. */
let space = Buffer.alloc(64)

/** What a label map's own file says of its classes: all of the model's, or nothing. */
export const namesWithin = ({ path }: LabelFile): PngNames.Found | undefined => {
  if (/\.npy$/i.test(path)) return undefined
  let file: number | undefined
  try {
    // A pipe that nobody writes to is not waited for.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    let length = 64
    for (;;) {
      if (space.length < length) space = Buffer.alloc(length)
      const found = PngNames.find(space.subarray(0, readSync(file, space, 0, length, 0)))
      if (found === undefined || "text" in found) return found
      // The file has ended.
      if (found.needs <= length) return undefined
      length = found.needs
    }
  } catch {
    // Whoever reads the map is told what is wrong with it.
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** The image that the report beside each label map names. Of very many reports nothing else is held. */
export const reportedImages = (
  files: LabelFiles
): Effect.Effect<ReadonlyArray<string | undefined>, never, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    const images: Array<string | undefined> = []
    const reported: Array<number> = []
    for (const { hasReport } of files) {
      if (hasReport !== false) reported.push(images.length)
      images.push(undefined)
    }
    const read = (index: number) =>
      Effect.map(sidecar(files.at(index)!), (report) => void (images[index] = report?.image))
    return Effect.as(Effect.forEach(reported, read, { concurrency: 8, discard: true }), images)
  })

/**
 * What the image of each label map is called: by the report beside it where it lies within the folder that was segmented,
 * so far as the results keep that, else by the name of the file itself. Two images of one name say where they lie; two label maps of
 * one image are refused, since nobody can tell which is meant.
 */
export const imageNames = Effect.fnUntraced(function* (
  files: LabelFiles
): Effect.fn.Return<ReadonlyArray<string>, ExitCode.Ended, FileSystem.FileSystem> {
  const reported = yield* reportedImages(files)
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

const twice = (files: LabelFiles, name: string, first: number, second: number) =>
  ExitCode.wrong(
    `${files.at(first)!.path} and ${files.at(second)!.path} are both of the image ${name}. Take the results of one command at a time: ` +
      "those of batch are called NAME.png.labels.png, those of segment NAME.labels.png"
  )

/** Results of `segment` and of `batch` in one folder that are of one image: its name, and their places. */
const twins = (
  files: LabelFiles,
  paths: ReadonlyArray<string | undefined>
): [name: string, first: number, second: number] | undefined => {
  if (paths.every((path) => path === undefined)) return undefined
  const found = new Map<string, number>()
  let index = 0
  for (const { image, path } of files) {
    const reported = paths[index]
    const place = path.replace(ending, "")
    const name = reported === undefined ? image && basename(image) : basename(reported)
    // What one command called otherwise, since the name was taken, may be called so by chance.
    if (
      name !== undefined &&
      basename(place) === (reported === undefined ? name : name.replace(imageEnding, ""))
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
    { path }: LabelFile,
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

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
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
