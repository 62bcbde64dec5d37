/**
 * What the ids of label maps on disk mean: by the report beside each, which `segformer segment` writes, or by the run of
 * `segformer batch` in whose folder it lies. The results of one folder may be of several models.
 */
import { dirname, join, resolve } from "node:path"
import { Effect, type FileSystem, Stream } from "effect"
import * as RunFolder from "../batch/RunFolder.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as ExitCode from "./ExitCode.ts"
import * as LabelFiles from "./LabelFiles.ts"
import type { LabelFile } from "./LabelFolder.ts"

/** Who names the classes of a label map, and how: those that occur in it, at least. */
interface Naming {
  readonly model: string | undefined
  readonly classes: ClassTable.ClassTable
}

/** The names of some label maps. */
export interface ClassNames {
  /** All names, each once. Ids are those of the label maps, unless there is a conflict. */
  readonly classes: ClassTable.ClassTable
  /** In words, why no one table holds for all of them. */
  readonly conflict: string | undefined
  /** The names of one of them; empty where nobody knows. */
  readonly of: (file: LabelFile) => Effect.Effect<ClassTable.ClassTable, never, FileSystem.FileSystem>
}

/** The names that somebody gave hold for all. */
export const given = (classes: ClassTable.ClassTable): ClassNames => ({
  classes,
  conflict: undefined,
  of: () => Effect.succeed(classes)
})

/** The names of label maps. Each is asked in turn, and of their reports nothing else is held. */
export const read = Effect.fnUntraced(function* (
  files: Iterable<LabelFile>
): Effect.fn.Return<ClassNames, never, FileSystem.FileSystem> {
  const namingOf = finder()
  const table = new Table()
  const folders = new Set<string>()
  /** What a run says is the same for all of a folder: of those without a report one is asked, and the others cost nothing. */
  const isAsked = ({ hasReport, path }: LabelFile): boolean => {
    if (hasReport !== false) return true
    const folder = dirname(path)
    if (!isOfRun(path) || folders.has(folder)) return false
    folders.add(folder)
    return true
  }
  yield* Stream.fromIterable(files).pipe(
    Stream.filter(isAsked),
    Stream.mapEffect((file) => Effect.map(namingOf(file), (naming) => ({ path: file.path, naming })), {
      concurrency: 8
    }),
    Stream.runForEach(({ naming, path }) =>
      Effect.sync(() => {
        if (naming !== undefined) table.add(path, naming)
      })
    )
  )
  return {
    classes: table.classes(),
    conflict: table.conflict,
    of: (file) => Effect.map(namingOf(file), (naming) => naming?.classes ?? [])
  }
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

interface Known {
  readonly id: number
  readonly name: string
  readonly path: string
  readonly model: string | undefined
}

class Table {
  conflict: string | undefined
  readonly #byId = new Map<number, Known>()
  readonly #byName = new Map<string, Known>()
  /** Names whose ids others have. */
  readonly #more = new Set<string>()

  add(path: string, { classes, model }: Naming): void {
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

/** Finds who names the classes of a label map. What a run says is read once for a folder. */
const finder = () => {
  const runs = new Map<string, Effect.Effect<Naming | undefined, never, FileSystem.FileSystem>>()
  const runOf = (folder: string): Effect.Effect<Naming | undefined, never, FileSystem.FileSystem> =>
    Effect.suspend(() => {
      const known = runs.get(folder)
      if (known !== undefined) return known
      const above = dirname(folder)
      return Effect.flatMap(RunFolder.modelOf(join(folder, ".segformer")), (found) =>
        found !== undefined || above === folder ? Effect.succeed(found) : runOf(above)
      ).pipe(Effect.tap((found) => Effect.sync(() => void runs.set(folder, Effect.succeed(found)))))
    })
  return (file: LabelFile): Effect.Effect<Naming | undefined, never, FileSystem.FileSystem> =>
    Effect.flatMap(LabelFiles.sidecar(file), (report) => {
      if (report !== undefined) return Effect.succeed({ model: report.model, classes: report.classes })
      return isOfRun(file.path) ? runOf(dirname(resolve(file.path))) : Effect.undefined
    })
}
