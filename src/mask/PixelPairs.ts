/**
 * Pixels by what two label maps say of them. Ids of 32 bits each fit into no number together, so a map of maps holds them.
 */
import type { LabelMap } from "./LabelMap.ts"

/** Of the first's ids those of the second, and pixels. */
export type PixelPairs = Map<number, Map<number, number>>

/** Of pixels that belong to no class. */
export const none = -1

export const make = (): PixelPairs => new Map()

/** Counts pixels `from` to `to` of two maps of one size; gives how many of them the first calls one of `ignored`. */
export const add = (
  self: PixelPairs,
  { data: a, ignoreIndex: noA }: LabelMap,
  { data: b, ignoreIndex: noB }: LabelMap,
  from: number,
  to: number,
  ignored: ReadonlySet<number> = new Set()
): number => {
  let left = 0
  // Neighbours mostly agree: the maps are touched once for each run.
  for (let i = from; i < to;) {
    const first = a[i]!
    const second = b[i]!
    const start = i
    do i++
    while (i < to && a[i] === first && b[i] === second)
    if (ignored.has(first)) left += i - start
    else put(self, first === noA ? none : first, second === noB ? none : second, i - start)
  }
  return left
}

/** Counts pixels of one pair. */
export const put = (self: PixelPairs, first: number, second: number, pixels: number): void => {
  let row = self.get(first)
  if (row === undefined) self.set(first, (row = new Map()))
  row.set(second, (row.get(second) ?? 0) + pixels)
}

/** Adds what another one holds. */
export const merge = (self: PixelPairs, that: PixelPairs): void => {
  for (const [first, second, pixels] of entries(that)) put(self, first, second, pixels)
}

/** Each pair and its pixels. */
export function* entries(
  self: PixelPairs
): Generator<readonly [first: number, second: number, pixels: number]> {
  for (const [first, row] of self) for (const [second, pixels] of row) yield [first, second, pixels]
}

/** How many pairs there are. */
export const size = (self: PixelPairs): number => {
  let count = 0
  for (const row of self.values()) count += row.size
  return count
}
