/**
 * Logits: what a model says before anybody decides, one score per class and position.
 *
 * A SegFormer answers at a quarter of its input. `toLabelMap` resizes bilinearly with PyTorch's
 * `align_corners=False` (half-pixel centres, clamped at the border) and takes the largest class, a tie going to
 * the lower id, without ever holding `[classes, height, width]` at the target size.
 *
 * The definition, in 64-bit arithmetic and this order, for weights `wx`, `wy` of the right and lower neighbours:
 * `left = (1 - wy) a + wy c`, `right = (1 - wy) b + wy d`, `value = (1 - wx) left + wx right`.
 * Values are limited to finite 32-bit numbers first; NaN counts as the lowest. `make` refuses logits that are
 * NaN throughout.
 *
 * ```ts
 * import { Logits } from "effect-segformer/mask"
 *
 * const logits = { data: Float32Array.of(1, 0, 0, 1), classes: 2, height: 1, width: 2 }
 * Logits.toLabelMap(logits, 4, 1).data // => Uint8Array.of(0, 0, 1, 1)
 * ```
 */
import { Result } from "effect"
import { isNaNThroughout, type Logits } from "./LogitCells.ts"
import { failing, type MaskNotDecodable } from "./MaskError.ts"

export type { Logits }
export { confidenceRows, rows, scores, toConfidenceMap, toLabelMap } from "./LogitRows.ts"

const fail = failing("logits")

/** Logits whose sizes match their data and of which at least one value is a number. */
export const make = (options: Logits): Result.Result<Logits, MaskNotDecodable> => {
  const { classes, data, height, width } = options
  if (![classes, height, width].every((size) => Number.isInteger(size) && size > 0)) {
    return fail(`sizes must be positive integers, but are [${classes}, ${height}, ${width}]`)
  }
  if (data.length !== classes * height * width) {
    return fail(
      `[${classes}, ${height}, ${width}] needs ${classes * height * width} values, but there are ${data.length}`
    )
  }
  return isNaNThroughout(data) ? fail("every value is NaN") : Result.succeed(options)
}
