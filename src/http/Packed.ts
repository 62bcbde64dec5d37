/**
 * Maps whose values are a class and the number of a thing in one, `class * 1000 + number`, as Cityscapes and panoptic models write them.
 * Taken for ids they would be of classes that there are not.
 */
import { groupBy } from "effect/Array"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Steps from "../mask/Steps.ts"
import * as MapValues from "./MapValues.ts"

/** So many things no picture has. */
const mostThings = 5000

/** What is wrong with such a map; `undefined` where its values may be class ids. */
export function* flawOf({ data, ignoreIndex }: LabelMap): Steps.Steps<string | undefined> {
  if (data instanceof Uint8Array) return undefined
  const values = yield* MapValues.until(data, (_, seen) => seen.size > 2 * mostThings)
  const ids = [...values]
    .filter((id) => id >= 1000 && id !== 0xffff && id !== ignoreIndex)
    .toSorted((one, other) => one - other)
  if (ids.length > mostThings) return undefined
  const runs = Object.values(groupBy(ids, (id) => String(Math.floor(id / 1000)))).map((run) =>
    run.map((id) => id % 1000)
  )
  const areCounted = (run: ReadonlyArray<number>) =>
    Math.min(...run) < 2 && Math.max(...run) - Math.min(...run) < run.length
  // Things are counted by class or all together, from 0 or from 1 on; what has no things is its class alone.
  const arePacked = (runs.every(areCounted) || areCounted(runs.flat())) && runs.flat().includes(1)
  const [first, second] = ids
  return arePacked && second !== undefined
    ? `it has values such as ${first} and ${second}: classes with numbers of things behind them? Say with \`binary: false\` or \`classes\` if they are class ids`
    : undefined
}
