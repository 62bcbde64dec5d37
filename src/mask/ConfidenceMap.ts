/**
 * A confidence map: how sure a segmenter is of the class of each pixel, 0 to 1.
 *
 * ```ts
 * import { ConfidenceMap, LabelMap } from "effect-segformer/mask"
 *
 * const labels = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 1, 1) })
 * const confidence = { width: 3, height: 1, data: Float32Array.of(1, 0.5, 0.25) }
 * ConfidenceMap.meanByClass(confidence, labels) // => new Map([[0, 1], [1, 0.375]])
 * ```
 */
import { dual } from "effect/Function"
import { Result } from "effect"
import * as Grid from "./Grid.ts"
import type { LabelMap } from "./LabelMap.ts"
import { type MaskNotDecodable, pixels, sized } from "./MaskError.ts"
import type { Box } from "./Region.ts"

/** `data` holds `[height, width]` probabilities, row-major, each 0 to 1. */
export interface ConfidenceMap {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  readonly data: Float32Array
}

/** A confidence map, once its sizes are checked against its data. */
export const make = (options: ConfidenceMap): Result.Result<ConfidenceMap, MaskNotDecodable> =>
  sized("confidence map", "values", options)

const empty: Grid.Empty<ConfidenceMap> = (like, width = like.width, height = like.height) => ({
  width,
  height,
  data: new Float32Array(width * height)
})

/**
 * The mean confidence of the pixels of each class, ascending by id; without the ignored id. Both maps must be
 * equally large.
 */
export const meanByClass: {
  (labels: LabelMap): (self: ConfidenceMap) => Map<number, number>
  (self: ConfidenceMap, labels: LabelMap): Map<number, number>
} = dual(2, (self: ConfidenceMap, labels: LabelMap): Map<number, number> => {
  const sums = new Map<number, { total: number; count: number }>()
  const { data } = labels
  let current = { total: 0, count: 0 }
  for (let i = 0; i < data.length; i++) {
    const id = data[i]!
    // Neighbours mostly agree, so the table is asked at borders only.
    if (i === 0 || id !== data[i - 1]) {
      const known = sums.get(id)
      current = known ?? { total: 0, count: 0 }
      if (known === undefined) sums.set(id, current)
    }
    current.total += self.data[i]!
    current.count++
  }
  if (labels.ignoreIndex !== undefined) sums.delete(labels.ignoreIndex)
  return new Map([...sums].sort((a, b) => a[0] - b[0]).map(([id, { count, total }]) => [id, total / count]))
})

/** The part inside `box`; `undefined` where none of the map is. */
export const crop: {
  (box: Box): (self: ConfidenceMap) => ConfidenceMap | undefined
  (self: ConfidenceMap, box: Box): ConfidenceMap | undefined
} = dual(2, (self: ConfidenceMap, box: Box): ConfidenceMap | undefined => Grid.crop(self, box, empty))

/** The map at another size, by nearest neighbour as in `LabelMap.resize`, which throws for the same sizes. */
export const resize: {
  (width: number, height: number): (self: ConfidenceMap) => ConfidenceMap
  (self: ConfidenceMap, width: number, height: number): ConfidenceMap
} = dual(3, (self: ConfidenceMap, width: number, height: number): ConfidenceMap => {
  Result.getOrThrow(pixels("confidence map", width, height))
  return Grid.resize(self, width, height, empty)
})

/** Left becomes right. */
export const flipX = (self: ConfidenceMap): ConfidenceMap => Grid.flipX(self, empty)

/** Top becomes bottom. */
export const flipY = (self: ConfidenceMap): ConfidenceMap => Grid.flipY(self, empty)

/** Turned clockwise by so many degrees. */
export const rotate: {
  (turn: Grid.Turn): (self: ConfidenceMap) => ConfidenceMap
  (self: ConfidenceMap, turn: Grid.Turn): ConfidenceMap
} = dual(2, (self: ConfidenceMap, turn: Grid.Turn): ConfidenceMap => Grid.rotate(self, turn, empty))
