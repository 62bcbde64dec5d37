/** What `segformer eval --against` means by a word: a folder of results, or who else is to segment the pictures. */
import { existsSync, readdirSync, statSync } from "node:fs"
import { basename } from "node:path"
import { Effect, type Scope } from "effect"
import type { ImageCodec } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import { type Provider, providers } from "../onnx/native/Provider.ts"
import * as Throttled from "../Throttled.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import { isRemote } from "./Flags.ts"

/** Another folder of label maps, or what a segmenter is made of. */
export type Other =
  | { readonly _tag: "Folder"; readonly word: string }
  | { readonly _tag: "Segmenter"; readonly word: string; readonly options: Backend.BackendOptions }

const isAddress = (word: string): boolean => /^https?:\/\//i.test(word)
const isProvider = (word: string): word is Provider => providers.some((name) => name === word)
const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory()

/** Whether a folder holds a model, and not results. */
const hasModel = (folder: string): boolean =>
  readdirSync(folder).some((name) => name === "onnx" || name.endsWith(".onnx"))

/** What a word changes of the segmenter that the flags describe; all else stays as they say it. */
export const read = (word: string, flags: Backend.BackendOptions): Effect.Effect<Other, ExitCode.Ended> => {
  const local = { ...flags, url: undefined, service: undefined, header: [], palette: undefined }
  const segmenter = (options: Backend.BackendOptions): Effect.Effect<Other, ExitCode.Ended> =>
    Effect.succeed({ _tag: "Segmenter", word, options })
  if (isAddress(word)) {
    return isRemote(flags)
      ? Effect.fail(
          ExitCode.wrong(
            "two services would be sent the same key: segment with one after the other, and compare the two folders"
          )
        )
      : segmenter({ proxy: flags.proxy, ca: flags.ca, url: word })
  }
  // What lies here goes before what a word may mean elsewhere.
  if (isFolder(word) && !hasModel(word)) return Effect.succeed({ _tag: "Folder", word })
  if (existsSync(word) || /[\\/]|\.onnx$/.test(word)) return segmenter({ ...local, model: word })
  if (isRemote(flags)) {
    return Effect.fail(
      ExitCode.wrong(
        `--against ${word}: there is no such folder, and a service has no such precision or runtime that could be chosen: give a ` +
          "folder or a model"
      )
    )
  }
  if (word === "wasm") return segmenter({ ...local, provider: undefined, webAssembly: true })
  return segmenter(isProvider(word) ? { ...local, provider: word } : { ...local, variant: word })
}

/** One who segments, with the classes that are known of it beforehand. */
export interface Segmenter {
  readonly name: string
  readonly throttled: Throttled.Throttled
  readonly classes: ClassTable.ClassTable
}

/** The segmenter, ready. */
export const make = Effect.fnUntraced(function* (
  options: Backend.BackendOptions,
  word?: string
): Effect.fn.Return<Segmenter, ExitCode.Ended, Scope.Scope | ImageCodec> {
  const transport = yield* Backend.make(options)
  const throttled = yield* Effect.provideService(Throttled.make, Transport, transport)
  // A service that does not say may be asked for pictures all the same.
  const described = yield* Effect.orElseSucceed(transport.describe, () => undefined)
  const { model, provider, variant } = options
  const own = isRemote(options)
    ? transport.name
    : [model ?? transport.name, variant, provider].filter(Boolean).join(", ")
  return { name: word ?? own, throttled, classes: known(described?.classes ?? []) }
})

/** A table of classes, unless its names are placeholders, which say nothing. */
export const known = (classes: ClassTable.ClassTable): ClassTable.ClassTable =>
  classes.every(({ name }) => /^LABEL_\d+$/.test(name)) ? [] : classes

/** Which classes of two segmenters are one. */
export interface Alignment {
  /** Of both. */
  readonly classes: ClassTable.ClassTable
  /** The second's ids are renumbered by its names. */
  readonly byName: boolean
  /** What a reader of the scores has to know. */
  readonly note: string | undefined
}

/** A class that two tables say different things of, in words. */
export const conflict = (first: ClassTable.ClassTable, second: ClassTable.ClassTable): string | undefined => {
  for (const { id, name } of second) {
    const own = ClassTable.get(first, id)
    if (own !== undefined && isSame(own.name, name)) continue
    if (own !== undefined) return `class ${id} is ${own.name} by one and ${name} by the other`
    const elsewhere = first.find((info) => isSame(info.name, name))
    if (elsewhere !== undefined) return `${name} is class ${elsewhere.id} by one and class ${id} by the other`
  }
  return undefined
}

const isSame = (one: string, other: string): boolean => ClassTable.folded(one) === ClassTable.folded(other)

/** By ids where the tables agree or nobody knows one of them, and else by names. */
export const align = (
  first: ClassTable.ClassTable,
  second: ClassTable.ClassTable,
  match: "id" | "name" | undefined
): Effect.Effect<Alignment, ExitCode.Ended> => {
  const differ = conflict(first, second)
  const byId = { classes: ClassTable.make([...first, ...second]), byName: false, note: undefined }
  if (match === "id" || (match === undefined && differ === undefined)) return Effect.succeed(byId)
  if (first.length === 0 || second.length === 0) {
    return Effect.fail(
      ExitCode.wrong("--match name: one of the two does not say what its classes are called")
    )
  }
  const classes = ClassTable.joined([first, second])
  if (classes.length === first.length + second.length) {
    return Effect.fail(
      ExitCode.wrong(
        `no two of their classes have one name${differ === undefined ? "" : `: ${differ}`}. --match id compares what has one id`
      )
    )
  }
  const alone = [
    first.filter(({ name }) => !has(second, name)),
    second.filter(({ name }) => !has(first, name))
  ].map((table) => table.map(({ name }) => name))
  const lists = alone.map((names, index) =>
    names.length === 0 ? "" : `, only the ${index === 0 ? "first" : "second"} has ${some(names)}`
  )
  return Effect.succeed({
    classes,
    byName: true,
    note: match === "name" ? undefined : `classes are compared by name, since ${differ}${lists.join("")}`
  })
}

const has = (table: ClassTable.ClassTable, name: string): boolean =>
  table.some((info) => isSame(info.name, name))

const some = (names: ReadonlyArray<string>): string =>
  names.slice(0, 5).join(", ") + (names.length > 5 ? `, … (${names.length})` : "")

/** Words as names of folders, no two the same. */
export const folderNames = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set<string>()
  return words.map((word) => {
    const own =
      basename(word.replace(/[\\/]+$/, ""))
        .replaceAll(/[^\w.-]+/g, "-")
        .replace(/^\.+/, "") || "other"
    let name = own
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${own}-${number}`
    taken.add(name.toLowerCase())
    return name
  })
}
