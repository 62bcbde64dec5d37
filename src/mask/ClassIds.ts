/**
 * Class ids that come from outside (files, other people's tables, callers): what an id can be, and which one is free for
 * pixels that are in no object. The one place for either.
 */
import { Result } from "effect"
import { allocate, type LabelData } from "./LabelStorage.ts"
import { fail, type MaskNotDecodable } from "./MaskError.ts"

/** The largest id that a label map can hold. */
export const LARGEST = 0xffff_ffff

/** Whether a number is an id: whole, from 0 to {@link LARGEST}. */
export const isId = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= LARGEST

/** What is said of a number that is none. */
export const refusal = (value: number): string =>
  `${value} is no class id: ids are whole numbers from 0 to ${LARGEST}`

/**
 * The id for pixels of no class, which none of `taken` has: 255 as most data sets have it; where a class is called so,
 * the first id above all of them, or, where the largest is taken too, the lowest that is free.
 */
export const free = (taken: Iterable<number>): number => {
  const ids = new Set(taken)
  if (!ids.has(255)) return 255
  let most = 0
  for (const id of ids) if (id > most) most = id
  if (most < LARGEST) return most + 1
  let lowest = 0
  while (ids.has(lowest)) lowest++
  return lowest
}

/** A map to paint on: `gap` throughout. */
export interface Canvas {
  readonly width: number
  readonly height: number
  readonly data: LabelData
  readonly ignoreIndex?: number
}

/**
 * A map that these ids can be painted on: of `gap` throughout, or of a free id, which is then the ignored one. Fails where
 * one of them is no id; `what` is what they are of.
 */
export const canvas = (
  what: string,
  size: { readonly width: number; readonly height: number },
  ids: Iterable<number>,
  gap?: number
): Result.Result<Canvas, MaskNotDecodable> => {
  const taken = new Set(ids)
  let most = gap ?? 0
  if (!isId(most)) return fail(what, `gap: ${refusal(most)}`)
  for (const id of taken) {
    if (!isId(id)) return fail(what, refusal(id))
    if (id > most) most = id
  }
  const { height, width } = size
  const ground = gap ?? free(taken)
  const data = allocate(Math.max(most, ground), width * height).fill(ground)
  return Result.succeed(
    gap === undefined ? { width, height, data, ignoreIndex: ground } : { width, height, data }
  )
}
