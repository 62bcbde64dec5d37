/**
 * How far images lie from their set, by the shares that classes have of their pixels: a set that a model was trained on, or
 * will be, is judged by what is rare in it.
 *
 * ```ts
 * import { Shares } from "effect-segformer/mask"
 *
 * const plain = new Map([[0, 1]])
 * const odd = new Map([[0, 0.5], [1, 0.5]])
 * const set = Shares.mean([plain, plain, plain, odd])
 * Shares.distance(plain, set) // => 0.125
 * Shares.distance(odd, set) // => 0.375
 * ```
 */
import { dual } from "effect/Function"
import { histogram, type LabelMap } from "./LabelMap.ts"

/** The share of the pixels that each class has, by id; they add up to 1, or there are none. */
export type Shares = ReadonlyMap<number, number>

/** The shares of a label map, without its ignored pixels. */
export const of = (map: LabelMap): Shares => {
  const counts = histogram(map)
  let total = 0
  for (const count of counts.values()) total += count
  return new Map(Array.from(counts, ([id, count]) => [id, count / total]))
}

/** The mean of several, each image counting as much whatever its size. */
export const mean = (all: Iterable<Shares>): Shares => {
  const sums = new Map<number, number>()
  let count = 0
  for (const shares of all) {
    count++
    for (const [id, share] of shares) sums.set(id, (sums.get(id) ?? 0) + share)
  }
  return new Map(Array.from(sums, ([id, sum]) => [id, sum / count]))
}

/** How much of one would have to be moved to make it the other (total variation): 0 for the same, 1 for nothing in common. */
export const distance: {
  <Class>(that: ReadonlyMap<Class, number>): (self: ReadonlyMap<Class, number>) => number
  <Class>(self: ReadonlyMap<Class, number>, that: ReadonlyMap<Class, number>): number
} = dual(2, <Class>(self: ReadonlyMap<Class, number>, that: ReadonlyMap<Class, number>): number => {
  let sum = 0
  for (const id of new Set([...self.keys(), ...that.keys()]))
    sum += Math.abs((self.get(id) ?? 0) - (that.get(id) ?? 0))
  return sum / 2
})
