/**
 * Files of label maps on disk: which ones there are, by names that pair them with others, what is in them, and what
 * lies beside them.
 */
import { closeSync, constants, openSync, readSync } from "node:fs"
import { basename, normalize, resolve } from "node:path"
import { Effect, FileSystem, Option, Predicate, Result, Schema } from "effect"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import * as MaskThreshold from "../mask/MaskThreshold.ts"
import * as Npy from "../mask/Npy.ts"
import * as PngFile from "../mask/PngFile.ts"
import * as PngPaused from "../mask/PngPaused.ts"
import * as PngNames from "../mask/PngNames.ts"
import * as SystemError from "../SystemError.ts"
import * as ExitCode from "./ExitCode.ts"
import { ending, type LabelFile, type LabelFiles, list, withoutEndings } from "./LabelFolder.ts"
import * as PaletteOrder from "./PaletteOrder.ts"
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
  readonly palette?: ClassTable | undefined
  /** Take a coloured picture for a mask: what is black is 0, all else 255; where it was smoothed, what is darker than half. Off by default. */
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
  const palette = options.palette && PaletteOrder.withVoid(options.palette)
  if (/\.npy$/i.test(path)) {
    const map = yield* Effect.mapError(Effect.fromResult(Npy.toLabelMap(bytes)), ({ detail }) => detail)
    return ignoreIndex === undefined ? map : { ...map, ignoreIndex }
  }
  const picture = yield* Effect.mapError(PngPaused.read(bytes, "label PNG"), ({ detail }) => detail)
  const decoded = LabelPng.ofPicture(picture, { ignoreIndex, palette })
  if (options.asMask === true && Result.isFailure(decoded)) {
    const { height, width } = picture
    const values = PngFile.brightness(picture)
    const threshold = MaskThreshold.areFew(values) ? 1 : (MaskThreshold.of(values) ?? 1)
    return { width, height, data: values.map((value) => (value >= threshold ? 255 : 0)) }
  }
  const map = yield* Effect.mapError(Effect.fromResult(decoded), ({ detail }) => detail)
  return options.byIndex !== true && PaletteOrder.isOther(picture, palette)
    ? yield* Effect.fail(
        "its palette has the colours of the classes at other indices than their ids, and which are meant it does not say. Convert it to " +
          "RGB to have its colours read, or give --classes with names alone to have its indices"
      )
    : map
})

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

/** The report beside a label map, where there is one. Of one that cannot be read it `tells` once. */
export const sidecar = (
  file: LabelFile,
  tells = true
): Effect.Effect<Sidecar | undefined, never, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    if (file.hasReport === false) return Effect.undefined
    const path = file.path.replace(ending, ".json")
    const tell = (reason: string) => {
      if (!tells || told.has(resolve(path))) return Effect.undefined
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

/** Room for a piece of a file, and more where names are longer: there may be very many files, and each is looked into at once. */
let space = Buffer.alloc(64)

/** What a label map's own file says of its classes: all of the model's, or nothing. */
export const namesWithin = ({ path }: LabelFile): PngNames.Found | undefined => {
  if (/\.npy$/i.test(path)) return undefined
  let file: number | undefined
  try {
    // A pipe that nobody writes to is not waited for.
    const opened = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    file = opened
    let from = 0
    let to = 0
    return PngNames.find((at, length) => {
      if (space.length < length) space = Buffer.alloc(length)
      if (at < from || at + length > to) {
        from = at
        to = at + readSync(opened, space, 0, Math.max(64, length), at)
      }
      return space.subarray(at - from, Math.min(to, at + length) - from)
    })
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
