/** Which values a map has, found while others have their turn. */
import * as ClassTable from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Steps from "../mask/Steps.ts"

/** The different values, in the order in which they come, up to the first after which no more are of interest. */
export function* until(
  data: ArrayLike<number>,
  isEnough: (value: number, values: ReadonlySet<number>) => boolean
): Steps.Steps<Set<number>> {
  const values = new Set<number>()
  let last: number | undefined
  for (let at = 0; at < data.length; at++) {
    if (at % Steps.pixelsPerStep === 0) yield
    const value = data[at]!
    if (value === last) continue
    last = value
    if (values.has(value)) continue
    values.add(value)
    if (isEnough(value, values)) break
  }
  return values
}

/** How many pixels have a value. */
export function* count(data: ArrayLike<number>, value: number): Steps.Steps<number> {
  let pixels = 0
  for (let at = 0; at < data.length; at++) {
    if (at % Steps.pixelsPerStep === 0) yield
    if (data[at] === value) pixels++
  }
  return pixels
}

/** That a map has an id of none of the classes: the lowest, and of how many pixels it is. */
export function* strangerIn(
  { data, ignoreIndex }: LabelMap,
  classes: ClassTable.ClassTable
): Steps.Steps<string | undefined> {
  const isStranger = (id: number) => id !== ignoreIndex && ClassTable.get(classes, id) === undefined
  // None is lower than 0, and 0 is what is most often missing.
  const ids = yield* until(data, (id) => id === 0 && isStranger(id))
  const [lowest] = [...ids].filter(isStranger).toSorted((one, other) => one - other)
  return lowest === undefined
    ? undefined
    : `${yield* count(data, lowest)} pixels have the id ${lowest}, which is none of the model's ${classes.length} classes`
}
