/**
 * What the words on the command line stand for: files, folders, globs, addresses, and `-` for standard input. Each
 * image is taken once, whatever names it has been given by, and gets a name that no other one of the run has.
 */
import { normalize, relative, resolve } from "node:path"
import { Effect, FileSystem, References, Stdio, Stream } from "effect"
import type { HttpClient } from "effect/http"
import * as Folder from "../image/Folder.ts"
import type { ImageLimits } from "../image/Image.ts"
import * as SystemError from "../SystemError.ts"
import { ImageNotFound, ImageNotReadable } from "../image/ImageError.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as PageName from "../image/PageName.ts"
import * as FileName from "../jobs/FileName.ts"
import type { ImageCodec } from "../image/ImageCodec.ts"
import * as ExitCode from "./ExitCode.ts"

/** One image to segment. */
export interface Input {
  /** As the user would write it. */
  readonly label: string
  readonly source: ImageSource.ImageSource<FileSystem.FileSystem | HttpClient.HttpClient | ImageCodec>
  /** The whole path, where it is a file. */
  readonly path?: string | undefined
  /** What its results are called, before their ending: of an image in a folder, with the folders between. */
  readonly base: string
}

/** A word that stands for nothing. */
export interface Missing {
  readonly label: string
  readonly error: ImageNotFound | ImageNotReadable
}

export interface Inputs {
  readonly images: ReadonlyArray<Input>
  readonly missing: ReadonlyArray<Missing>
}

export const overlayEnding = ".overlay.png"
export const labelsEnding = ".labels.png"
export const jsonEnding = ".json"
export const cutOutEnding = ".cut-out.png"
export const hiddenEnding = ".hidden.png"
export const differsEnding = ".differs.png"
export const differenceEnding = ".difference.png"

/** The ends of all that `segment` writes of an image. */
export const resultEndings = [overlayEnding, labelsEnding, jsonEnding, cutOutEnding, hiddenEnding]

/** The ends of all that a command writes of an image. */
const endings = [...resultEndings, differsEnding, differenceEnding]

/** What is to be named; `below` is its path within the folder or pattern that it was found by. */
interface Found extends Input {
  base: string
  readonly below?: string | undefined
}

/** An image in a folder: of a hundred thousand no more is held than their names, and the rest is made when it is needed. */
class Below implements Found {
  readonly folder: string
  readonly below: string
  readonly view: ImageSource.View
  base = ""
  constructor(folder: string, below: string, view: ImageSource.View) {
    this.folder = folder
    this.below = below
    this.view = view
  }
  get label(): string {
    return `${this.folder}/${this.below}`
  }
  get path(): string {
    return resolve(this.label)
  }
  get source(): Input["source"] {
    return ImageSource.view(ImageSource.file(this.label), this.view)
  }
}

const glob = /[*?[{]/

/** The images that words stand for, in the order of the words; those of a folder or glob by name. */
export const expand = Effect.fnUntraced(function* (
  words: ReadonlyArray<string>,
  outFolder: string,
  view: ImageSource.View = {}
): Effect.fn.Return<Inputs, never, FileSystem.FileSystem | Stdio.Stdio> {
  const fs = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const found: Array<Found> = []
  const missing: Array<Missing> = []
  const seen = new Set<string>()

  const addFile = (path: string, below?: string) => {
    const whole = resolve(path)
    if (seen.has(whole)) return
    seen.add(whole)
    const source = ImageSource.view(ImageSource.file(path), view)
    found.push({ label: path, source, path: whole, below, base: "" })
  }
  const addPage = (label: string, whole: Input["source"], page: number, id: string, path?: string) => {
    if (seen.has(id)) return
    seen.add(id)
    const source = ImageSource.view(whole, { ...view, page })
    const name = source.name.replace(/(\.[a-z0-9]{1,5})?$/i, (ending) => `-page${page}${ending}`)
    found.push({ label, source: { ...source, name }, path, base: "" })
  }
  for (const word of words) {
    const isStdin = word === "-"
    const remote = /^https?:\/\//i.test(word) ? PageName.parse(word) : undefined
    if (remote !== undefined) {
      addPage(word, ImageSource.url(remote.path), remote.page, word)
      continue
    }
    if (isStdin || /^https?:\/\//i.test(word)) {
      const source: Input["source"] = isStdin
        ? ImageSource.stream("stdin", stdio.stdin)
        : ImageSource.url(word)
      if (!seen.has(word)) found.push({ label: word, source: ImageSource.view(source, view), base: "" })
      seen.add(word)
      continue
    }
    const info = yield* Effect.option(fs.stat(word))
    if (info._tag === "Some" && info.value.type === "Directory") {
      const cannot = (label: string, detail: string) =>
        missing.push({ label, error: new ImageNotReadable({ source: label, detail }) })
      const folder = word.replace(/[\\/]+$/, "") || word
      // What lies in the folder of results is no input, unless that is the very folder which is given.
      const out = relative(folder, resolve(outFolder)).replaceAll("\\", "/")
      const isResult = (name: string) => out !== "" && name.startsWith(`${out}/`)
      let count = 0
      yield* Folder.files(word, Folder.isPicture).pipe(
        Stream.runForEachArray((all) =>
          Effect.sync(() => {
            for (const { name, problem } of all) {
              if (isResult(name)) continue
              count++
              const one = new Below(folder, name, view)
              if (problem !== undefined) cannot(one.label, SystemError.unreadable(problem))
              // Of one folder each file is told once.
              else if (words.length === 1) found.push(one)
              else if (!seen.has(one.path)) {
                seen.add(one.path)
                found.push(one)
              }
            }
          })
        ),
        Effect.match({
          onSuccess: () => count > 0 || cannot(word, "the folder holds no images"),
          onFailure: (error) => cannot(word, SystemError.unreadable(error))
        })
      )
      continue
    }
    if (info._tag === "None" && glob.test(word)) {
      const matches = yield* Effect.orElseSucceed(fs.glob(word), (): Array<string> => [])
      const fixed = word.split("/").findIndex((part) => glob.test(part))
      let count = 0
      for (const match of matches) {
        const stat = yield* Effect.option(fs.stat(match))
        if (stat._tag === "Some" && stat.value.type === "Directory") continue
        count++
        addFile(match, match.split("/").slice(fixed).join("/"))
      }
      if (count === 0) missing.push({ label: word, error: new ImageNotFound({ source: word }) })
      continue
    }
    const part = info._tag === "None" ? PageName.parse(word) : undefined
    if (part === undefined) addFile(word)
    else {
      const path = resolve(part.path)
      addPage(word, ImageSource.file(part.path), part.page, `${path}#${part.page}`, path)
    }
  }
  return { images: named(found, outFolder), missing }
})

/**
 * Names for results: by the file, and for one that was found in a folder with the folders between. Where two share a name,
 * or a result would replace an input, one that was found says where it lies, and others get a number.
 */
const named = (found: ReadonlyArray<Found>, outFolder: string): ReadonlyArray<Input> => {
  // Only those that lie where results go.
  const out = FileName.folded(resolve(outFolder, "x").slice(0, -1))
  const inputs = new Set<string>()
  const folders = new Map<string, string>()
  for (const one of found) {
    if (one instanceof Below) {
      const folder = folders.get(one.folder) ?? FileName.folded(resolve(one.folder, "x").slice(0, -1))
      folders.set(one.folder, folder)
      const isNear = out.startsWith(folder) && FileName.folded(one.below).startsWith(out.slice(folder.length))
      if (!isNear && !folder.startsWith(out)) continue
    }
    const whole = one.path === undefined ? "" : FileName.folded(one.path)
    if (whole.startsWith(out)) inputs.add(whole)
  }
  const taken = new Set<string>()
  const next = new Map<string, number>()
  const isFree = (base: string) =>
    !taken.has(FileName.folded(base)) &&
    (inputs.size === 0 ||
      endings.every((ending) => !inputs.has(FileName.folded(resolve(outFolder, base + ending)))))
  for (const input of found) {
    const { below } = input
    const isLocal = (below !== undefined || input.path !== undefined) && process.platform !== "win32"
    input.base = stemOf(below ?? input.source.name, isLocal)
    if (!isFree(input.base)) {
      const longer =
        below === undefined
          ? input.base
          : stemOf(normalize(input.label).replace(/^(?:\.{0,2}[\\/])+/, ""), isLocal)
      input.base = longer
      // Those before are known to be taken.
      for (let number = next.get(longer) ?? 2; !isFree(input.base); number++) {
        input.base = `${longer}-${number}`
        next.set(longer, number + 1)
      }
    }
    taken.add(FileName.folded(input.base))
  }
  return found
}

/** A path without the ending of its file, each part of it fit to be a name in any folder. */
const stemOf = (path: string, isLocal: boolean): string => {
  const parts = path.split("/")
  return parts
    .map((part, index) =>
      nameOf(index < parts.length - 1 ? part : part.replace(/\.[a-z0-9]{1,5}$/i, ""), isLocal)
    )
    .join("/")
}

const nameOf = (name: string, isLocal: boolean): string => {
  const text = !isLocal && /%[0-9a-f]{2}/i.test(name) ? FileName.decoded(name) : name
  const clean = text
    // A file here keeps what its own name has. Of an address goes what is no part of a name on some system; of either,
    // what a terminal would take for a command.
    .replaceAll(isLocal ? /[/\p{Cc}]+/gu : /[\\/:*?"<>|\p{Cc}]+/gu, "_")
    .replaceAll(/^\.+|[. ]+$/g, "")
  return clean === "" ? "image" : FileName.shortened(FileName.unreserved(clean))
}

/** An image. An address is tried again like a service: what is wrong with it is told at the end, once. */
export const open = (source: Input["source"], limits: Partial<ImageLimits>) =>
  Effect.provideService(source.open(limits), References.MinimumLogLevel, "Error")

/** Where a file or folder is in truth. */
export const realPath = (path: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.realPath(path), () => resolve(path)))

/** Where files are in truth, for {@link spare}. */
export const realPaths = (paths: ReadonlyArray<string>) =>
  Effect.map(Effect.forEach(paths, realPath), (real): ReadonlySet<string> => new Set(real))

/**
 * Refuses a result that would take the place of what it is made from. Where nothing is, nothing is replaced, and nobody
 * needs to know where the others are.
 */
export const spare = <R>(
  inputs: Effect.Effect<ReadonlySet<string>, never, R>,
  out: string
): Effect.Effect<void, ExitCode.Ended, FileSystem.FileSystem | R> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const real = yield* Effect.option(fs.realPath(out))
    if (real._tag === "Some" && (yield* inputs).has(real.value))
      return yield* ExitCode.wrong(`${out} is what the result would be made from: give another --out`)
  })
