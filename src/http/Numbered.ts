/**
 * What tells maps that number things from maps of classes, and classes that begin at 1 from classes that begin at 0. Taken for class ids,
 * numbers of things would be those of others.
 */
import type { ClassTable } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Steps from "../mask/Steps.ts"
import type { Prediction } from "../Prediction.ts"
import * as Background from "../render/Background.ts"
import * as Decode from "../service/Decode.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as MapValues from "./MapValues.ts"

const hint = 'does it number things? Say with `as: "ids"` that it holds ids of classes'

/** A thing beside a map, and its class where that is known. */
export interface Thing {
  readonly id: number
  readonly label: string | number
  readonly classId: number | undefined
}

/** Whether the values of a map are the numbers of things beside it; a text where they may be. Class ids have to do with the classes of things. */
export function* areNumbers(
  data: ArrayLike<number>,
  things: ReadonlyArray<Thing>
): Steps.Steps<boolean | string> {
  const ids = new Set(things.map(({ id }) => id))
  const isOther = (value: number) => value > 0 && !ids.has(value)
  const values = yield* MapValues.until(data, isOther)
  const named = [...values].filter((value) => value > 0)
  if (named.length === 0 || named.some(isOther)) return false
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

/**
 * The map of class ids in values that have a class in front of the number of a thing; nothing where they are classes already. What is below 0 is
 * of none: its id is that of no class.
 */
export function* divided(
  { data, height, width }: Omit<LabelMap.LabelMap, "data"> & { readonly data: ArrayLike<number> },
  divisor: number,
  options: Pick<MaskDecoding.MaskOptions, "classes" | "palette" | "ignoreIndex">
): Steps.Steps<LabelMap.LabelMap | undefined> {
  let most = 0
  let hasNone = false
  let last: number | undefined
  const found = new Set<number>()
  for (let at = 0; at < data.length; at++) {
    if (at % Steps.pixelsPerStep === 0) yield
    const value = data[at]!
    if (value === last) continue
    if (!Number.isInteger(value)) return undefined
    last = value
    if (value > most) most = value
    if (value < 0) hasNone = true
    else found.add(Math.floor(value / divisor))
  }
  if (most < divisor) return undefined
  const largest = Math.floor(most / divisor)
  const { ignoreIndex: none } = MaskDecoding.groundOf(found, options)
  const ids = LabelMap.allocate(hasNone ? Math.max(none, largest) : largest, data.length)
  for (let at = 0; at < ids.length; at++) {
    if (at % Steps.pixelsPerStep === 0) yield
    ids[at] = data[at]! < 0 ? none : Math.floor(data[at]! / divisor)
  }
  return { width, height, data: ids, ...(hasNone && none !== 255 ? { ignoreIndex: none } : {}) }
}

/** The ids of a map but the ignored one, up to the first after which no more are of interest. */
function* idsOf(
  { data, ignoreIndex }: LabelMap.LabelMap,
  isEnough: (id: number, ids: ReadonlySet<number>) => boolean
): Steps.Steps<ReadonlySet<number>> {
  const ids = yield* MapValues.until(data, (id, seen) => id !== ignoreIndex && isEnough(id, seen))
  if (ignoreIndex !== undefined) ids.delete(ignoreIndex)
  return ids
}

/** That a map numbers things, whose classes stand beside it in a list without ids. */
export function* thingsIn(
  prediction: Prediction,
  { category_ids: categoryIds, class_ids: classIds }: Readonly<Record<string, unknown>>
): Steps.Steps<string | undefined> {
  const listed = classIds ?? categoryIds
  if (prediction._tag !== "Labels" || !Array.isArray(listed) || !listed.every(Number.isInteger))
    return undefined
  const classes: ReadonlySet<unknown> = new Set(listed)
  const isStranger = (id: number) => id > 0 && !classes.has(id)
  const stranger = [...(yield* idsOf(prediction.labelMap, isStranger))].find(isStranger)
  return stranger === undefined ? undefined : strange(stranger, listed)
}

/** Whether there is one class in a prediction, and the service said no id. */
export function* isMask(prediction: Prediction): Steps.Steps<boolean> {
  if (prediction._tag !== "Labels") return false
  const found = yield* idsOf(prediction.labelMap, (id) => id > 1)
  return found.has(1) && [...found].every((id) => id < 2)
}

/** Classes that are numbered from 1 on, with what is of none of them at 0. */
export const fromOne = (classes: ClassTable): ClassTable =>
  classes[0]?.id === 1 &&
  classes.at(-1)?.id === classes.length &&
  classes.every(({ color, name }) => color === undefined && !Background.isGround(name))
    ? [{ id: 0, name: "background" }, ...classes]
    : classes

/**
 * The prediction of a map with such classes. Names may begin at 1 where ids begin at 0: they do not, where the map has the last one's. Those of a
 * map without 0 are as they were given.
 */
export function* settled(prediction: Prediction, given: ClassTable): Steps.Steps<Prediction | string> {
  if (prediction._tag !== "Labels") return prediction
  const { labelMap } = prediction
  const isSettled = (ids: ReadonlySet<number>) => ids.has(0) && (given.length === 1 || ids.has(given.length))
  const ids = yield* idsOf(labelMap, (_, seen) => isSettled(seen))
  if (!ids.has(0)) return { ...prediction, classes: given }
  return isSettled(ids)
    ? prediction
    : `${yield* MapValues.count(labelMap.data, 0)} pixels have the id 0, and the classes beside it begin at 1: is 0 what is of none of them? Give the option \`classes\``
}
