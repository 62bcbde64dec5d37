/**
 * The classes a model tells apart: id, name and, where known, colour.
 *
 * Ids need not be dense or start at 0: published `id2label` tables have holes, and services report only the
 * classes they found.
 *
 * ```ts
 * import { ClassTable } from "effect-segformer/mask"
 *
 * const classes = ClassTable.fromNames(["background", "scratch"])
 * ClassTable.nameOf(classes, 1) // => "scratch"
 * ClassTable.nameOf(classes, 7) // => "class 7"
 * ```
 */
import { dual } from "effect/Function"

/** sRGB, each 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number]

/** One class of a model. */
export interface ClassInfo {
  /** The id that stands for the class in a label map. */
  readonly id: number
  /** The name as the model or service spells it. */
  readonly name: string
  /** The colour the service paints it in, where it says so. */
  readonly color?: Rgb | undefined
}

/** Classes in ascending order of id, each id once. */
export type ClassTable = ReadonlyArray<ClassInfo>

/** The table of classes in any order; of two with one id the first is kept. */
export const make = (classes: Iterable<ClassInfo>): ClassTable => {
  const byId = new Map<number, ClassInfo>()
  for (const info of classes) {
    if (!byId.has(info.id)) byId.set(info.id, info)
  }
  return [...byId.values()].sort((a, b) => a.id - b.id)
}

/** Names whose position is their id. */
export const fromNames = (names: Iterable<string>): ClassTable =>
  Array.from(names, (name, id) => ({ id, name }))

/**
 * The table of a Hugging Face `id2label` object. Keys are decimal strings, with holes where the model has them;
 * other keys are left out.
 */
export const fromId2Label = (id2label: Readonly<Record<string, string>>): ClassTable =>
  make(
    Object.entries(id2label)
      .filter(([key]) => /^\d+$/.test(key))
      .map(([key, name]) => ({ id: Number(key), name }))
  )

/** The class of an id, if the table has it. */
export const get: {
  (id: number): (self: ClassTable) => ClassInfo | undefined
  (self: ClassTable, id: number): ClassInfo | undefined
} = dual(2, (self: ClassTable, id: number): ClassInfo | undefined => {
  // Dense tables, by far the most common, need no search.
  const direct = self[id]
  return direct?.id === id ? direct : self.find((info) => info.id === id)
})

/** The name of an id, or `class 7` where the table does not name it. */
export const nameOf: {
  (id: number): (self: ClassTable) => string
  (self: ClassTable, id: number): string
} = dual(2, (self: ClassTable, id: number): string => get(self, id)?.name ?? `class ${id}`)

/** The class of a name. */
export const byName: {
  (name: string): (self: ClassTable) => ClassInfo | undefined
  (self: ClassTable, name: string): ClassInfo | undefined
} = dual(2, (self: ClassTable, name: string): ClassInfo | undefined =>
  self.find((info) => info.name === name)
)

/** A name as people mean it, whatever its letters' case. @internal */
export const folded = (name: string): string => name.trim().normalize("NFC").toLowerCase()

/**
 * What stands for a class of a table where those of other tables are met: its name, and its id too where the table has the name twice.
 * @internal
 */
export const meaningOf = (classes: ClassTable, id: number): string => {
  const name = nameOf(classes, id)
  const key = folded(name)
  const isTwice = classes.some((info) => info.id !== id && folded(info.name) === key)
  return isTwice ? `${name} (${id})` : key
}

/**
 * One table of the names of several, those that differ in the case of letters being one: ids are those of the first table
 * that has the name, as far as they are free. @internal
 */
export const joined = (tables: ReadonlyArray<ClassTable>): ClassTable => {
  const keyOf = keyer(tables)
  const found = new Map<string, ClassInfo>()
  const taken = new Set<number>()
  for (const info of tables.flat()) {
    if (found.has(keyOf(info.name))) continue
    let { id } = info
    while (taken.has(id)) id++
    found.set(keyOf(info.name), { ...info, id })
    taken.add(id)
  }
  return make(found.values())
}

/** Two names of one table that differ by nothing but case are two classes. */
const keyer = (tables: ReadonlyArray<ClassTable>): ((name: string) => string) =>
  tables.every((table) => new Set(table.map(({ name }) => folded(name))).size === table.length)
    ? folded
    : (name) => name

/** Ids of one table by those that their names have in another; an id without a name gets none that stands for a class there. @internal */
export const renumbering = (
  ids: Iterable<number>,
  from: ClassTable,
  to: ClassTable
): ReadonlyMap<number, number> => {
  const keyOf = keyer([from, to])
  const byKey = new Map(to.map(({ id, name }) => [keyOf(name), id]))
  const beyond = (to.at(-1)?.id ?? -1) + 1
  return new Map(
    Array.from(ids, (id) => {
      const name = get(from, id)?.name
      const own = name === undefined ? undefined : byKey.get(keyOf(name))
      return [id, own ?? (get(to, id) === undefined ? id : beyond + id)] as const
    })
  )
}
