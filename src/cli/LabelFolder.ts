/**
 * The label maps of a folder, by key. Of very many little is held: their names are one text, and each file is told anew
 * when it is asked for.
 */
import { join } from "node:path"
import { Effect, type FileSystem, Stream } from "effect"
import { reasonOf } from "../files/NotWritten.ts"
import * as Folder from "../image/Folder.ts"
import * as ImageFormat from "../image/ImageFormat.ts"
import type { AnnotatedImage } from "../mask/Annotated.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Screen from "./Screen.ts"

/** One label map on disk. */
export interface LabelFile {
  /** As the user would write it. */
  readonly path: string
  /**
   * The same for all files of one image: the path within its folder, without its ending. That of the image goes with it
   * (`a` for `a.jpg.labels.png`), unless two images differ in nothing else.
   */
  readonly key: string
  /** What the image is called, as far as the file's own name tells. */
  readonly image?: string | undefined
  /** `false` where it is known that no report lies beside it. */
  readonly hasReport?: boolean | undefined
  /** What was drawn on its image, where it is one of many in a file of annotations. */
  readonly annotated?: AnnotatedImage | undefined
}

/** Some label maps. */
export interface LabelFiles extends Iterable<LabelFile> {
  readonly length: number
  readonly at: (index: number) => LabelFile | undefined
}

/** Some label maps that are found by their keys. */
export interface KeyedFiles extends LabelFiles {
  /** The place of a key, or -1. */
  readonly placeOf: (key: string) => number
}

/** The end of a label map's name. */
export const ending = /(\.labels)?\.(png|npy)$/i
const sure = /\.labels\.png$/i
/** Pictures that `segment` and `eval` write beside label maps. */
const pictures = /\.(overlay|cut-out|hidden|differs|difference)\.png$/i
/** The ending of an image's name. */
export const imageEnding = new RegExp(`\\.(?:${ImageFormat.endings().join("|")})$`, "i")

/**
 * The label maps of a folder, those within its folders included, in the order of their keys. What lies beside a `.labels.png` and is
 * called as its image is that image, and no label map: it is left out, and that is told. `rename` gives another key, or none to leave a file out.
 */
export const list = Effect.fnUntraced(function* (
  folder: string,
  rename?: (key: string) => string | undefined
): Effect.fn.Return<LabelFolder, ExitCode.Ended, FileSystem.FileSystem> {
  const names = new Texts()
  const reports = new Set<string>()
  yield* Folder.files(
    folder,
    (name) => (ending.test(name) && !pictures.test(name)) || name.endsWith(".json")
  ).pipe(
    Stream.runForEachArray((all) => {
      // A folder that cannot be read would leave out a part without a word.
      const bad = all.find(({ problem }) => problem !== undefined)?.problem
      if (bad !== undefined) return Effect.fail(bad)
      for (const { name } of all) {
        if (name.endsWith(".json")) reports.add(name.slice(0, -5))
        else names.add(name)
      }
      return Effect.void
    }),
    Effect.mapError((error) => ExitCode.wrong(`cannot list ${folder}: ${reasonOf(error)}`))
  )
  const start = join(folder, "x").slice(0, -1)
  const found = new LabelFolder(start, names, (key) => reports.has(key), rename ?? ((key) => key))
  const { aside } = found
  if (aside !== undefined)
    yield* Screen.complain(
      `${aside.path} is left out beside ${aside.of}, which is the label map of that name` +
        (aside.count === 1 ? "" : `; so ${aside.count === 2 ? "is 1 more" : `are ${aside.count - 1} more`}`)
    )
  return found
})

/** Keys without the ending of their image, where no two become one. */
export const withoutEndings = (files: ReadonlyArray<LabelFile>): ReadonlyArray<LabelFile> => {
  const taken = new Map<string, number>()
  for (const { key } of files) {
    const short = key.replace(imageEnding, "")
    taken.set(short, (taken.get(short) ?? 0) + 1)
  }
  return files.map((file) => {
    const short = file.key.replace(imageEnding, "")
    if (short === file.key) return file
    return { ...file, image: file.key, key: taken.get(short) === 1 ? short : file.key }
  })
}

/** The first place of so many, in order, whose name is this or comes after it. */
const firstFrom = (length: number, name: string, nameAt: (index: number) => string): number => {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if (Folder.byName(nameAt(middle), name) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Texts in one text. */
class Texts {
  #parts: Array<string> = []
  readonly #ends: Array<number> = []
  #end = 0

  get length(): number {
    return this.#ends.length
  }

  add(text: string): void {
    this.#parts.push(text)
    this.#ends.push((this.#end += text.length))
  }

  /** A text, or so much of its beginning. */
  at(index: number, length?: number): string {
    if (this.#parts.length > 1) this.#parts = [this.#parts.join("")]
    const from = this.#ends[index - 1] ?? 0
    return this.#parts[0]!.slice(from, length === undefined ? this.#ends[index] : from + length)
  }
}

/** The label maps of a folder, in the order of their keys. */
export class LabelFolder implements KeyedFiles {
  readonly #start: string
  readonly #names: Texts
  readonly #rename: (key: string) => string | undefined
  /** Where each stands among the names. Of those: how long a name without its ending is, how long its key, whether it has a report. */
  readonly #order: Uint32Array
  readonly #wholes: Uint32Array
  readonly #keys: Uint32Array
  readonly #reports: Uint8Array
  /** How many files are left out for a label map beside them, and the first of them. */
  readonly aside: { readonly count: number; readonly path: string; readonly of: string } | undefined
  #next = 0

  /** @internal */
  constructor(
    start: string,
    names: Texts,
    isReported: (key: string) => boolean,
    rename: (key: string) => string | undefined
  ) {
    this.#start = start
    this.#names = names
    this.#rename = rename
    this.#wholes = new Uint32Array(names.length)
    this.#keys = new Uint32Array(names.length)
    this.#reports = new Uint8Array(names.length)
    for (let at = 0; at < names.length; at++) {
      const whole = names.at(at).replace(ending, "")
      this.#wholes[at] = whole.length
      this.#keys[at] = whole.replace(imageEnding, "").length
      this.#reports[at] = isReported(whole) ? 1 : 0
    }
    const wholeOf = (at: number) => names.at(at, this.#wholes[at])
    const shortOf = (at: number) => names.at(at, this.#keys[at])
    const rank = (at: number) => (sure.test(names.at(at)) ? 0 : 1)
    // Sorting what is in order already, as folders mostly are, takes one look at each.
    const order = Array.from(this.#wholes.keys()).sort(
      (a, b) =>
        Folder.byName(wholeOf(a), wholeOf(b)) || rank(a) - rank(b) || Folder.byName(names.at(a), names.at(b))
    )
    /** The first of those whose names without their ends are this. */
    const firstOf = (whole: string): number | undefined => {
      const at = order[firstFrom(order.length, whole, (index) => wholeOf(order[index]!))]
      return at !== undefined && wholeOf(at) === whole ? at : undefined
    }
    /** What a file is left out for: another label map of its name, or one of it. */
    const insteadOf = (at: number, index: number): number | undefined => {
      if (index > 0 && wholeOf(order[index - 1]!) === wholeOf(at)) return firstOf(wholeOf(at))
      const of = rank(at) === 0 ? undefined : firstOf(names.at(at))
      return of !== undefined && rank(of) === 0 ? of : undefined
    }
    const each: Array<number> = []
    for (const [index, at] of order.entries()) {
      const other = insteadOf(at, index)
      if (other === undefined) each.push(at)
      else {
        const { count = 0, of = start + names.at(other), path = start + names.at(at) } = this.aside ?? {}
        this.aside = { count: count + 1, path, of }
      }
    }
    each.sort((a, b) => Folder.byName(shortOf(a), shortOf(b)))
    // Two that become one keep their ends, and both are known before either does.
    const isTaken = each.map((at, index) =>
      [each[index - 1], each[index + 1]].some(
        (other) => other !== undefined && shortOf(other) === shortOf(at)
      )
    )
    for (const [index, at] of each.entries()) if (isTaken[index] === true) this.#keys[at] = this.#wholes[at]!
    this.#order = Uint32Array.from(
      each
        .filter((at) => this.#keyOf(at) !== undefined)
        .sort((a, b) => Folder.byName(this.#keyOf(a) ?? "", this.#keyOf(b) ?? ""))
    )
  }

  get length(): number {
    return this.#order.length
  }

  at(index: number): LabelFile | undefined {
    const at = this.#order[index]
    const key = at === undefined ? undefined : this.#keyOf(at)
    if (at === undefined || key === undefined) return undefined
    const name = this.#names.at(at)
    const whole = name.slice(0, this.#wholes[at])
    return {
      path: this.#start + name,
      key,
      image: imageEnding.test(whole) ? whole : undefined,
      hasReport: this.#reports[at] === 1
    }
  }

  *[Symbol.iterator](): Iterator<LabelFile> {
    for (let index = 0; index < this.length; index++) yield this.at(index)!
  }

  /** The place of a key, or -1. Those that are asked for in their order are found at once. */
  placeOf(key: string): number {
    const keyAt = (index: number) => {
      const at = this.#order[index]
      return at === undefined ? undefined : this.#keyOf(at)
    }
    if (keyAt(this.#next) === key) return this.#next++
    const found = firstFrom(this.length, key, (index) => keyAt(index) ?? "")
    if (keyAt(found) !== key) return -1
    this.#next = found + 1
    return found
  }

  #keyOf(at: number): string | undefined {
    return this.#rename(this.#names.at(at, this.#keys[at]))
  }
}
