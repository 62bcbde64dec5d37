/**
 * What the words on the command line stand for: files, folders, globs, addresses, and `-` for standard input. Each
 * image is taken once, whatever names it has been given by, and gets a name that no other one of the run has.
 */
import { resolve } from "node:path"
import { Effect, FileSystem, Stdio, Stream } from "effect"
import type { HttpClient } from "effect/http"
import * as Folder from "../image/Folder.ts"
import { ImageNotFound, ImageNotReadable } from "../image/ImageError.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as ExitCode from "./ExitCode.ts"

/** One image to segment. */
export interface Input {
  /** As the user would write it. */
  readonly label: string
  readonly source: ImageSource.ImageSource<FileSystem.FileSystem | HttpClient.HttpClient>
  /** The whole path, where it is a file. */
  readonly path?: string | undefined
  /** What its results are called, before their ending. */
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

type Found = Omit<Input, "base">

/** The images that words stand for, in the order of the words; those of a folder or glob by name. */
export const expand = Effect.fnUntraced(function* (
  words: ReadonlyArray<string>,
  outFolder: string
): Effect.fn.Return<Inputs, never, FileSystem.FileSystem | Stdio.Stdio> {
  const fs = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const found: Array<Found> = []
  const missing: Array<Missing> = []
  const seen = new Set<string>()

  const addFile = (path: string) => {
    const whole = resolve(path)
    if (seen.has(whole)) return
    seen.add(whole)
    found.push({ label: path, source: ImageSource.file(path), path: whole })
  }
  for (const word of words) {
    const isStdin = word === "-"
    if (isStdin || /^https?:\/\//i.test(word)) {
      const source = isStdin ? ImageSource.stream("stdin", stdio.stdin) : ImageSource.url(word)
      if (!seen.has(word)) found.push({ label: word, source })
      seen.add(word)
      continue
    }
    const info = yield* Effect.option(fs.stat(word))
    if (info._tag === "Some" && info.value.type === "Directory") {
      const cannot = (label: string, detail: string) =>
        missing.push({ label, error: new ImageNotReadable({ source: label, detail }) })
      const out = resolve(outFolder)
      const folder = word.replace(/[\\/]+$/, "") || word
      const paths: Array<string> = []
      yield* Folder.files(word, Folder.isPicture).pipe(
        Stream.runForEach(({ name, problem }) => {
          const path = `${folder}/${name}`
          const isInput = resolve(folder) === out || !resolve(path).startsWith(`${out}/`)
          if (isInput && problem === undefined) paths.push(path)
          else if (isInput && problem !== undefined) cannot(path, Folder.reasonOf(problem))
          return Effect.void
        }),
        Effect.match({
          onSuccess: () => paths.length > 0 || cannot(word, "the folder holds no images"),
          onFailure: (error) => cannot(word, Folder.reasonOf(error))
        })
      )
      for (const path of paths.sort()) addFile(path)
      continue
    }
    if (info._tag === "None" && /[*?[{]/.test(word)) {
      const matches = yield* Effect.orElseSucceed(fs.glob(word), (): Array<string> => [])
      const files: Array<string> = []
      for (const match of matches) {
        const stat = yield* Effect.option(fs.stat(match))
        if (stat._tag === "Some" && stat.value.type === "File") files.push(match)
      }
      if (files.length === 0) missing.push({ label: word, error: new ImageNotFound({ source: word }) })
      for (const path of files) addFile(path)
      continue
    }
    addFile(word)
  }
  return { images: named(found, outFolder), missing }
})

/** Names for results: by the file, numbered where two files share one or a result would replace an input. */
const named = (found: ReadonlyArray<Found>, outFolder: string): ReadonlyArray<Input> => {
  const inputs = new Set(found.flatMap(({ path }) => (path === undefined ? [] : [path.toLowerCase()])))
  const taken = new Set<string>()
  const isFree = (base: string) =>
    !taken.has(base.toLowerCase()) &&
    [overlayEnding, labelsEnding, jsonEnding].every(
      (ending) => !inputs.has(resolve(outFolder, base + ending).toLowerCase())
    )
  return found.map((input) => {
    const stem = stemOf(input.source.name)
    let base = stem
    for (let number = 2; !isFree(base); number++) base = `${stem}-${number}`
    taken.add(base.toLowerCase())
    return { ...input, base }
  })
}

/** A name without its ending, fit to be one in any folder. */
const stemOf = (name: string): string => {
  const decoded = /%[0-9a-f]{2}/i.test(name) ? decode(name) : name
  const clean = decoded
    .replace(/\.[a-z0-9]{1,5}$/i, "")
    // What is no part of a name on some system, and what a terminal would take for a command.
    .replaceAll(/[\\/:*?"<>|\p{Cc}]+/gu, "_")
    .replaceAll(/^\.+|[. ]+$/g, "")
    .slice(0, 150)
  return clean === "" ? "image" : clean
}

const decode = (name: string): string => {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

const realPath = (path: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.realPath(path), () => resolve(path)))

/** Where files are in truth, for {@link spare}. */
export const realPaths = (paths: ReadonlyArray<string>) =>
  Effect.map(Effect.forEach(paths, realPath), (real): ReadonlySet<string> => new Set(real))

/** Refuses a result that would take the place of what it is made from. */
export const spare = (
  inputs: ReadonlySet<string>,
  out: string
): Effect.Effect<void, ExitCode.Ended, FileSystem.FileSystem> =>
  Effect.flatMap(realPath(out), (real) =>
    inputs.has(real)
      ? Effect.fail(ExitCode.wrong(`${out} is what the result would be made from: give another --out`))
      : Effect.void
  )
