/**
 * Which class each of several labels is: by the classes that are known, by the ids that an answer gives, and for what it only names in
 * order of appearance. An id of two names would be one class in place of two, and a name alone that two ids have either of them: a failure.
 */
import { Effect } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import * as ClassesIn from "./ClassesIn.ts"
import { type Decoded, fail } from "./EncodedPicture.ts"

/** What something is called. */
export interface Labelled {
  /** Where that is said. */
  readonly path: string
  /** A name, or an id. */
  readonly label: string | number
  /** Of a label that is an id, where both are given. */
  readonly name?: string | undefined
}

/** The id of a label: that of the class of this name, or the number in a placeholder such as `LABEL_3`. */
const idOfLabel = (label: string, classes: ClassTable.ClassTable): number | undefined =>
  ClassTable.byName(classes, label)?.id ?? ClassesIn.idOf(label)

const byName = (name: string | number, known: ClassTable.ClassTable): number | undefined =>
  typeof name === "string" ? ClassTable.byName(known, name)?.id : undefined

/** The id of a label among known classes. One that is known by its name is that one: services number theirs as they like. */
export const idOf = (
  { label, name }: Omit<Labelled, "path">,
  known: ClassTable.ClassTable
): number | undefined =>
  typeof label === "number" ? (byName(name ?? label, known) ?? label) : idOfLabel(label, known)

export interface Assigned {
  readonly classes: ClassTable.ClassTable
  /** The class of each label, in their order. */
  readonly ids: ReadonlyArray<number>
}

/** The class of each label. Those that are known are all that there are. */
export const assign = (
  answer: Answer,
  labelled: ReadonlyArray<Labelled>,
  known: ClassTable.ClassTable
): Decoded<Assigned> =>
  Effect.suspend((): Decoded<Assigned> => {
    const ids: Array<number> = []
    const names = new Map<number, string>()
    const idsOf = new Map<string, number>()
    const ambiguous = new Set<string>()
    const givenIds = labelled.map((each) => idOf(each, known))
    // One that numbers its classes otherwise does so for all.
    const other = labelled.find(({ label }, index) => typeof label === "number" && givenIds[index] !== label)
    for (const [index, id] of givenIds.entries()) {
      const { label, name = label, path } = labelled[index]!
      if (known.length > 0) {
        if (other !== undefined && typeof label === "number" && byName(name, known) === undefined) {
          const detail = `its id ${label} is of another numbering than that of \`classes\`: there "${other.name}" is ${other.label}`
          return fail(answer, path, detail)
        }
        if (id === undefined || ClassTable.get(known, id) === undefined) {
          const detail = `${Decode.quoted(label)} is none of the model's ${known.length} classes`
          return fail(answer, path, detail)
        }
      } else if (id !== undefined && typeof name === "string") {
        if (names.has(id) && names.get(id) !== name) {
          const detail = `the id ${id} is that of "${name}", and of "${names.get(id)}" elsewhere. Give the option \`classes\``
          return fail(answer, path, detail)
        }
        names.set(id, name)
        if ((idsOf.get(name) ?? id) !== id) ambiguous.add(name)
        idsOf.set(name, id)
      }
    }
    const taken = new Set(givenIds)
    let free = 0
    for (const [index, { label, path }] of labelled.entries()) {
      if (ambiguous.has(String(label)) && givenIds[index] === undefined)
        return fail(answer, path, `"${label}" is the name of several ids. Give the option \`classes\``)
      const id = givenIds[index] ?? idsOf.get(String(label))
      if (id === undefined) while (taken.has(free)) free++
      ids.push(id ?? free)
      if (id !== undefined) continue
      taken.add(free)
      idsOf.set(String(label), free)
      names.set(free, String(label))
    }
    const classes =
      known.length > 0 ? known : ClassTable.make(Array.from(names, ([id, name]) => ({ id, name })))
    return Effect.succeed({ classes, ids })
  })
