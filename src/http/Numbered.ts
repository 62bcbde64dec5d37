/**
 * What tells maps that number things from maps of classes, and classes that begin at 1 from classes that begin at 0. Taken for class ids,
 * numbers of things would be those of others.
 */
import type { ClassTable } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import type { Prediction } from "../Prediction.ts"
import * as Decode from "../service/Decode.ts"

const hint = 'does it number things? Say with `as: "ids"` that it holds ids of classes'

/** A thing beside a map, and its class where that is known. */
export interface Thing {
  readonly id: number
  readonly label: string | number
  readonly classId: number | undefined
}

/** Whether the values of a map are the numbers of things beside it; a text where they may be. Class ids have to do with the classes of things. */
export const areNumbers = (values: ReadonlySet<number>, things: ReadonlyArray<Thing>): boolean | string => {
  const named = [...values].filter((value) => value > 0)
  const ids = new Set(things.map(({ id }) => id))
  if (named.length === 0 || !named.every((value) => ids.has(value))) return false
  const classes = new Set(things.map(({ classId }) => classId))
  if (classes.has(undefined)) {
    const isTwice = new Set(things.map(({ label }) => label)).size < things.length
    return isTwice && named.length === ids.size && `things of one class beside it have its ids: ${hint}`
  }
  const strangers = named.filter((value) => !classes.has(value))
  if (strangers.length === 0) return false
  if (strangers.length === named.length && !(classes.has(0) && values.has(0))) return true
  return strange(strangers[0], [...classes])
}

const strange = (id: number | undefined, classes: unknown): string =>
  `it has the id ${id}, which is none of the classes beside it (${Decode.quoted(classes)}): ${hint}`

/** That work is not done yet, by one of the objects around a list in which nothing stands: that is no answer of nothing found. */
export const unfinished = (around: ReadonlyArray<Readonly<Record<string, unknown>>>): string | undefined => {
  const said = around
    .flatMap((each) => Object.entries(each))
    .find(
      ([key, value]) =>
        /^(?:(?:job|task|request|prediction)_?)?(?:status|state)$/i.test(key) &&
        typeof value === "string" &&
        /^(?:in[ _-]?queue|(?:en)?queued|pending|processing|in[ _-]?progress|submitted|accepted|waiting|scheduled|started|starting)$/i.test(
          value
        )
    )
  return said && `nothing is in it, and its ${said[0]} is "${String(said[1])}": the work is not done yet`
}

/** The class ids in values that have a class in front of the number of a thing; nothing where they are classes already. */
export const divided = (data: ArrayLike<number>, divisor: number): LabelMap.LabelData | undefined => {
  let most = 0
  for (let at = 0; at < data.length; at++) if (data[at]! > most) most = data[at]!
  if (most < divisor) return undefined
  const ids = LabelMap.allocate(Math.max(255, Math.floor(most / divisor)), data.length)
  for (let at = 0; at < ids.length; at++) ids[at] = data[at]! < 0 ? 255 : Math.floor(data[at]! / divisor)
  return ids
}

/** That a map numbers things, whose classes stand beside it in a list without ids. */
export const thingsIn = (
  prediction: Prediction,
  { category_ids: categoryIds, class_ids: classIds }: Readonly<Record<string, unknown>>
): string | undefined => {
  const listed = classIds ?? categoryIds
  if (prediction._tag !== "Labels" || !Array.isArray(listed) || !listed.every(Number.isInteger))
    return undefined
  const classes: ReadonlySet<unknown> = new Set(listed)
  const stranger = [...LabelMap.histogram(prediction.labelMap).keys()].find(
    (id) => id > 0 && !classes.has(id)
  )
  return stranger === undefined ? undefined : strange(stranger, listed)
}

/** Classes that are numbered from 1 on, with what is of none of them at 0. */
export const fromOne = (classes: ClassTable, isBackground: (name: string) => boolean): ClassTable =>
  classes[0]?.id === 1 &&
  classes.at(-1)?.id === classes.length &&
  classes.every(({ color, name }) => color === undefined && !isBackground(name))
    ? [{ id: 0, name: "background" }, ...classes]
    : classes

/**
 * The prediction of a map with such classes. Names may begin at 1 where ids begin at 0: they do not, where the map has the last one's. Those of a
 * map without 0 are as they were given.
 */
export const settled = (prediction: Prediction, given: ClassTable): Prediction | string => {
  if (prediction._tag !== "Labels") return prediction
  const counts = LabelMap.histogram(prediction.labelMap)
  const none = counts.get(0)
  if (none === undefined) return { ...prediction, classes: given }
  return given.length === 1 || counts.has(given.length)
    ? prediction
    : `${none} pixels have the id 0, and the classes beside it begin at 1: is 0 what is of none of them? Give the option \`classes\``
}
