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
import { Result } from "effect"
import type { LabelMap } from "./LabelMap.ts"
import { MaskNotDecodable } from "./MaskError.ts"

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
  Number.isInteger(options.width) &&
  Number.isInteger(options.height) &&
  options.width > 0 &&
  options.height > 0 &&
  options.data.length === options.width * options.height
    ? Result.succeed(options)
    : Result.fail(
        new MaskNotDecodable({
          mask: "confidence map",
          detail: `${options.width} x ${options.height} pixels, but ${options.data.length} values`
        })
      )

/**
 * The mean confidence of the pixels of each class, ascending by id; without the ignored id. Both maps must be
 * equally large.
 */
export const meanByClass = (self: ConfidenceMap, labels: LabelMap): Map<number, number> => {
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
}
