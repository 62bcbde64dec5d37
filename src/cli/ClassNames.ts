/**
 * What the ids of label maps on disk mean: by the file itself, as the commands write it, by the report beside it, or by the run of
 * `segformer batch` in whose folder it lies. The results of one folder may be of several models.
 */
import { dirname, join, resolve } from "node:path"
import { Effect, type FileSystem } from "effect"
import * as RunFolder from "../batch/RunFolder.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as PngNames from "../mask/PngNames.ts"
import * as Background from "../render/Background.ts"
import * as ExitCode from "./ExitCode.ts"
import * as LabelFiles from "./LabelFiles.ts"
import type { LabelFile } from "./LabelFolder.ts"

/** Names, and whether they are of all classes of a model, or of those that occur. */
export interface Names {
  readonly classes: ClassTable.ClassTable
  readonly isWhole: boolean
}

/** Who names the classes of a label map, and how. */
interface Naming extends Names {
  /** The model, as far as one is told from another. */
  readonly model: string | undefined
}

/** The names of some label maps. */
export interface ClassNames extends Names {
  /** All names, each once. Ids are those of the label maps, unless there is a conflict. */
  readonly classes: ClassTable.ClassTable
  /** In words, why no one table holds for all of them. */
  readonly conflict: string | undefined
  /** How many label maps nobody names, where others have names, and the first of them. */
  readonly unnamed: { readonly count: number; readonly first: string } | undefined
  /** The names of one of them; empty where nobody knows. */
  readonly of: (file: LabelFile) => Effect.Effect<Names, never, FileSystem.FileSystem>
}

const nothing: Names = { classes: [], isWhole: false }

/** The names of label maps. Each is asked in turn, and of what they say nothing else is held. Of reports that cannot be read it `tells`. */
export const read = Effect.fnUntraced(function* (
  files: Iterable<LabelFile>,
  tells = true
): Effect.fn.Return<ClassNames, never, FileSystem.FileSystem> {
  const { namingOf, runOf } = finder(tells)
  const table = new Table()
  let count = 0
  for (const file of files) {
    // What a run of one model says is the same for all of its folder: none of them is looked into.
    const run = file.hasReport === false && isOfRun(file.path) ? yield* runOf(folderOf(file)) : undefined
    const naming = isOfOne(run)
      ? run
      : (withinOf(file) ?? (isAlone(file) ? undefined : yield* namingOf(file)))
    table.add(file.path, naming)
    if (++count % 256 === 0) yield* Effect.yieldNow
  }
  const { conflict, isWhole, unnamed } = table
  const classes = table.classes()
  return {
    classes,
    conflict,
    isWhole,
    unnamed: classes.length === 0 ? undefined : unnamed,
    of: (file) => Effect.map(namingOf(file), (naming) => naming ?? nothing)
  }
})

/** The names that somebody gave hold for all, unless the label maps have the same names at other ids. */
export const given = Effect.fnUntraced(function* (
  classes: ClassTable.ClassTable,
  files: Iterable<LabelFile>
): Effect.fn.Return<ClassNames, ExitCode.Ended, FileSystem.FileSystem> {
  const ids = new Map(classes.map(({ id, name }) => [ClassTable.folded(name), id]))
  const known = yield* read(files, false)
  for (const { id, name } of known.conflict === undefined ? known.classes : []) {
    const own = ids.get(ClassTable.folded(name))
    const called = ClassTable.get(classes, id)?.name ?? ""
    if (own !== undefined && own !== id && ClassTable.folded(called) !== ClassTable.folded(name))
      return yield* ExitCode.wrong(
        `"${name}" is class ${own} in --classes, and class ${id} in what the label maps say of themselves: give classes in their order, or leave --classes out`
      )
  }
  const whole = { classes, isWhole: true }
  return { ...whole, conflict: undefined, unnamed: undefined, of: () => Effect.succeed(whole) }
})

/** One table for all, or why there is none. */
export const one = (names: ClassNames): Effect.Effect<ClassTable.ClassTable, ExitCode.Ended> =>
  names.conflict === undefined
    ? Effect.succeed(names.classes)
    : Effect.fail(
        ExitCode.wrong(
          `${names.conflict}. One list of classes cannot name both: take the results of each model by themselves, ` +
            "or give --classes where one list is true of all"
        )
      )

/** The ids that are of no class where nobody says: 255, unless a class that is more than background has it. */
export const ignored = (classes: ClassTable.ClassTable): ReadonlyArray<number> => {
  const named = ClassTable.get(classes, 255)
  return named === undefined || Background.isName(named.name) ? [255] : []
}

/** Ids that are named when they are told. */
const mostTold = 3

/**
 * Why a map is none of these classes: an id that none of them has, as the greys of a photo are. `undefined` where it is one, or nobody
 * says which classes there are.
 */
const stranger = (
  map: LabelMap.LabelMap,
  { classes, isWhole }: Names,
  ignored: ReadonlyArray<number>
): string | undefined => {
  if (!isWhole || classes.length === 0) return undefined
  const { data, height, width } = map
  const others = [...LabelMap.histogram({ data, height, width }).keys()].filter(
    (id) => id !== map.ignoreIndex && !ignored.includes(id) && ClassTable.get(classes, id) === undefined
  )
  if (others.length === 0) return undefined
  const some = others.slice(0, mostTold).join(", ")
  const more = others.length > mostTold ? ` and ${others.length - mostTold} more` : ""
  return (
    `it has ${others.length === 1 ? "id" : "ids"} ${some}${more}, and there ${classes.length === 1 ? "is 1 class" : `are ${classes.length} classes`} ` +
    `(${classes[0]!.id} to ${classes.at(-1)!.id}): is it a picture? Say with --classes which there are, with --ignore what belongs to none`
  )
}

/** The map; fails with that reason where it is a stranger's. */
export const refuseStranger =
  (names: Names, ignored: ReadonlyArray<number>) =>
  (map: LabelMap.LabelMap): Effect.Effect<LabelMap.LabelMap, string> => {
    const reason = stranger(map, names, ignored)
    return reason === undefined ? Effect.succeed(map) : Effect.fail(reason)
  }

interface Known {
  readonly id: number
  readonly name: string
  readonly path: string
  readonly model: string | undefined
}

class Table {
  conflict: string | undefined
  isWhole = true
  unnamed: ClassNames["unnamed"]
  readonly #byId = new Map<number, Known>()
  readonly #byName = new Map<string, Known>()
  /** Names whose ids others have. */
  readonly #more = new Set<string>()
  #last: Naming | undefined

  add(path: string, naming: Naming | undefined): void {
    if (naming === undefined) {
      this.unnamed = { count: (this.unnamed?.count ?? 0) + 1, first: this.unnamed?.first ?? path }
      return
    }
    // Most are of one model.
    if (naming.isWhole && naming.model === this.#last?.model && naming.isWhole === this.#last?.isWhole) return
    this.#last = naming
    const { classes, isWhole, model } = naming
    if (!isWhole) this.isWhole = false
    for (const { id, name } of classes) {
      const own = { id, name, path, model }
      const key = ClassTable.folded(name)
      const before = this.#byId.get(id)
      const same = this.#byName.get(key)
      if (before === undefined) this.#byId.set(id, own)
      else if (ClassTable.folded(before.name) !== key) {
        this.#more.add(name)
        this.conflict ??= `class ${id} is "${before.name}" in ${before.path} and "${name}" in ${path}`
      }
      if (same === undefined) this.#byName.set(key, own)
      // One model may have two classes of one name.
      else if (same.id !== id && same.model !== model)
        this.conflict ??= `"${same.name}" is class ${same.id} in ${same.path} and class ${id} in ${path}`
    }
  }

  classes(): ClassTable.ClassTable {
    const own = ClassTable.make(Array.from(this.#byId.values(), ({ id, name }) => ({ id, name })))
    let next = (own.at(-1)?.id ?? -1) + 1
    const names = new Set(own.map(({ name }) => name))
    const more = [...this.#more].filter((name) => !names.has(name)).map((name) => ({ id: next++, name }))
    return [...own, ...more]
  }
}

/** Whether it is called as a run calls its results. */
const isOfRun = (path: string): boolean => /\.labels\.png$/i.test(path)

/** Whether nothing but the file itself can say what its classes are called. */
const isAlone = ({ hasReport, path }: LabelFile): boolean => hasReport === false && !isOfRun(path)

/** What the file itself says. */
const withinOf = (file: LabelFile): Naming | undefined => {
  const within = LabelFiles.namesWithin(file)
  return within && { model: within.text, classes: within.classes, isWhole: true }
}

const folderOf = ({ path }: LabelFile): string => dirname(resolve(path))

/** Whether a run has one list of names for all of its results: it has none where they are of several models. */
const isOfOne = (run: Naming | undefined): run is Naming => run !== undefined && run.classes.length > 0

/** Finds who names the classes of a label map. What a run says is read once for a folder. */
const finder = (tells: boolean) => {
  const runs = new Map<string, Effect.Effect<Naming | undefined, never, FileSystem.FileSystem>>()
  const runOf = (folder: string): Effect.Effect<Naming | undefined, never, FileSystem.FileSystem> =>
    Effect.suspend(() => {
      const known = runs.get(folder)
      if (known !== undefined) return known
      const above = dirname(folder)
      return Effect.flatMap(RunFolder.modelOf(join(folder, ".segformer")), (found) =>
        found !== undefined || above === folder
          ? Effect.succeed(
              found && { model: PngNames.textOf(found.classes), classes: found.classes, isWhole: true }
            )
          : runOf(above)
      ).pipe(Effect.tap((found) => Effect.sync(() => void runs.set(folder, Effect.succeed(found)))))
    })
  const namingOf = Effect.fnUntraced(function* (
    file: LabelFile
  ): Effect.fn.Return<Naming | undefined, never, FileSystem.FileSystem> {
    const within = withinOf(file)
    if (within !== undefined) return within
    const report = yield* LabelFiles.sidecar(file, tells)
    if (report !== undefined) return { model: report.model, classes: report.classes, isWhole: false }
    const run = isOfRun(file.path) ? yield* runOf(folderOf(file)) : undefined
    return isOfOne(run) ? run : undefined
  })
  return { namingOf, runOf }
}
