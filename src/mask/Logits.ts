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
import type { ConfidenceMap } from "./ConfidenceMap.ts"
import { allocate, type LabelData, type LabelMap } from "./LabelMap.ts"
import { axis, candidates, makeBand, narrow, WIDE } from "./LogitCells.ts"
import { MaskNotDecodable } from "./MaskError.ts"

/** `data` holds `[classes, height, width]` scores before softmax, row-major. */
export interface Logits {
  readonly data: Float32Array
  readonly classes: number
  /** In positions of the model's output, usually a quarter of its input. */
  readonly height: number
  /** In positions. */
  readonly width: number
}

const fail = (detail: string) => Result.fail(new MaskNotDecodable({ mask: "logits", detail }))

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
  let i = 0
  while (i < data.length && Number.isNaN(data[i])) i++
  return i === data.length ? fail("every value is NaN") : Result.succeed(options)
}

/**
 * The class of every pixel at `width` x `height` pixels: bilinear resize, then the largest class, a tie to the
 * lower id.
 */
export const toLabelMap = (self: Logits, width: number, height: number): LabelMap => {
  const data = allocate(self.classes - 1, width * height)
  rows(self, width, height, 0, height, data)
  return { width, height, data }
}

/**
 * Rows `fromRow` to `toRow` (exclusive) of what {@link toLabelMap} gives, written to their place in `out`, which
 * holds the whole map. Callers that must not block do a band at a time.
 */
export const rows = (
  self: Logits,
  width: number,
  height: number,
  fromRow: number,
  toRow: number,
  out: LabelData
): void => {
  const { classes } = self
  const columns = axis(self.width, width)
  const lines = axis(self.height, height)
  const band = makeBand(self)
  const survivors = new Uint32Array(classes)
  const labels = new Uint32Array(classes)
  const left = new Float64Array(classes)
  const right = new Float64Array(classes)

  let y = fromRow
  while (y < toRow) {
    const yEnd = Math.min(toRow, lines.end[y]!)
    const { lower, upper } = band.load(lines.low[y]!, lines.high[y]!)
    const a = upper.values
    const c = lower.values
    let x = 0
    while (x < width) {
      const first = columns.low[x]!
      const second = columns.high[x]!
      const winner = upper.winner[first]!
      let xEnd = columns.end[x]!
      // A class that wins at all four corners wins between them, and ties at corners were settled the same way.
      if (
        winner === upper.winner[second] &&
        winner === lower.winner[first] &&
        winner === lower.winner[second]
      ) {
        while (xEnd < width) {
          const next = columns.high[xEnd]!
          const start = columns.low[xEnd]!
          if (upper.winner[start] !== winner || lower.winner[start] !== winner) break
          if (upper.winner[next] !== winner || lower.winner[next] !== winner) break
          xEnd = columns.end[xEnd]!
        }
        for (let row = y; row < yEnd; row++) fillRun(out, row * width + x, row * width + xEnd, winner)
        x = xEnd
        continue
      }
      // What stays below some other class at its lowest corner cannot win anywhere in the cell: rounding is
      // monotone, and two 32-bit values differ by far more than the rounding of 64-bit sums.
      const p = first * classes
      const q = second * classes
      const count = candidates(upper, lower, first, second, classes, 0, survivors)
      for (let row = y; row < yEnd; row++) {
        const wy = lines.weight[row]!
        const vy = 1 - wy
        for (let s = 0; s < count; s++) {
          const k = survivors[s]!
          left[s] = vy * a[p + k]! + wy * c[p + k]!
          right[s] = vy * a[q + k]! + wy * c[q + k]!
        }
        const finalists = xEnd - x < WIDE ? count : narrow(count, survivors, left, right, labels)
        const ids = xEnd - x < WIDE ? survivors : labels
        const start = row * width
        for (let column = x; column < xEnd; column++) {
          const wx = columns.weight[column]!
          const vx = 1 - wx
          let best = vx * left[0]! + wx * right[0]!
          let label = ids[0]!
          for (let s = 1; s < finalists; s++) {
            const value = vx * left[s]! + wx * right[s]!
            if (value > best) {
              best = value
              label = ids[s]!
            }
          }
          out[start + column] = label
        }
      }
      x = xEnd
    }
    y = yEnd
  }
}

/**
 * The softmax probability of the class that {@link toLabelMap} chooses, per pixel, to within 1e-6 for up to 1,000
 * classes: those whose probability is below 1e-9 throughout a cell are left out of its sums.
 */
export const toConfidenceMap = (self: Logits, width: number, height: number): ConfidenceMap => {
  const data = new Float32Array(width * height)
  confidenceRows(self, width, height, 0, height, data)
  return { width, height, data }
}

/** Rows `fromRow` to `toRow` (exclusive) of what {@link toConfidenceMap} gives, written to their place in `out`. */
export const confidenceRows = (
  self: Logits,
  width: number,
  height: number,
  fromRow: number,
  toRow: number,
  out: Float32Array
): void => {
  const { classes } = self
  const columns = axis(self.width, width)
  const lines = axis(self.height, height)
  const band = makeBand(self)
  const survivors = new Uint32Array(classes)
  const left = new Float64Array(classes)
  const right = new Float64Array(classes)

  let y = fromRow
  while (y < toRow) {
    const yEnd = Math.min(toRow, lines.end[y]!)
    const { lower, upper } = band.load(lines.low[y]!, lines.high[y]!)
    const a = upper.values
    const c = lower.values
    let x = 0
    while (x < width) {
      const first = columns.low[x]!
      const second = columns.high[x]!
      const p = first * classes
      const q = second * classes
      const xEnd = columns.end[x]!
      const count = candidates(upper, lower, first, second, classes, NEGLIGIBLE, survivors)
      for (let row = y; row < yEnd; row++) {
        const wy = lines.weight[row]!
        const vy = 1 - wy
        for (let s = 0; s < count; s++) {
          const k = survivors[s]!
          left[s] = vy * a[p + k]! + wy * c[p + k]!
          right[s] = vy * a[q + k]! + wy * c[q + k]!
        }
        const start = row * width
        for (let column = x; column < xEnd; column++) {
          const wx = columns.weight[column]!
          const vx = 1 - wx
          let best = vx * left[0]! + wx * right[0]!
          for (let s = 1; s < count; s++) {
            const value = vx * left[s]! + wx * right[s]!
            if (value > best) best = value
          }
          let sum = 0
          for (let s = 0; s < count; s++) sum += Math.exp(vx * left[s]! + wx * right[s]! - best)
          out[start + column] = 1 / sum
        }
      }
      x = xEnd
    }
    y = yEnd
  }
}

/**
 * The mean softmax probability of each class over the positions of the model's output where it is the largest:
 * `[classes]`, 0 for a class that is the largest nowhere.
 */
export const scores = (self: Logits): Float64Array => {
  const { classes, height, width } = self
  const sums = new Float64Array(classes)
  const counts = new Uint32Array(classes)
  const band = makeBand(self)
  for (let y = 0; y < height; y++) {
    const { values, winner } = band.load(y, y).upper
    for (let x = 0; x < width; x++) {
      const best = winner[x]!
      const at = x * classes
      const top = values[at + best]!
      let sum = 0
      for (let k = 0; k < classes; k++) sum += Math.exp(values[at + k]! - top)
      sums[best] = sums[best]! + 1 / sum
      counts[best]!++
    }
  }
  return sums.map((sum, k) => (counts[k] === 0 ? 0 : sum / counts[k]!))
}

/** `exp(-21)` is under 1e-9. */
const NEGLIGIBLE = 21

/** `fill` costs more than a loop on short runs. */
const fillRun = (out: LabelData, start: number, end: number, id: number): void => {
  if (end - start > 48) out.fill(id, start, end)
  else for (let i = start; i < end; i++) out[i] = id
}
