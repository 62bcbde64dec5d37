/**
 * The loops of `Logits`: labels, confidences and scores, row by row.
 *
 * No Effect here: the ONNX transport runs them in its session's process, which starts sooner and is 40 MiB smaller
 * without it.
 */
import { dual } from "effect/Function"
import type { ConfidenceMap } from "./ConfidenceMap.ts"
import type { LabelData, LabelMap } from "./LabelMap.ts"
import { allocate } from "./Grid.ts"
import { axis, candidates, type Logits, makeBand, type Row } from "./LogitCells.ts"

/**
 * The class of every pixel at `width` x `height` pixels: bilinear resize, then the largest class, a tie to the
 * lower id.
 */
export const toLabelMap: {
  (width: number, height: number): (self: Logits) => LabelMap
  (self: Logits, width: number, height: number): LabelMap
} = dual(3, (self: Logits, width: number, height: number): LabelMap => {
  const data = allocate(self.classes - 1, width * height)
  rows(self, width, height, 0, height, data)
  return { width, height, data }
})

/** The part of logits that a picture is on, in their positions: not all where a picture was padded, and more where it was cropped. */
export interface Part {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
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
  out: LabelData,
  part?: Part
): void => decide(self, width, height, fromRow, toRow, out, part)

/**
 * The same. What {@link scores} needs is summed up on the way where it is wanted: putting the classes of a position side by side
 * is a third of the work of either. @internal
 */
export const decide = (
  self: Logits,
  width: number,
  height: number,
  fromRow: number,
  toRow: number,
  out: LabelData,
  part?: Part,
  summed?: Sums
): void => {
  const { classes } = self
  const columns = axis(self.width, width, part?.left, part?.width)
  const lines = axis(self.height, height, part?.top, part?.height)
  const band = makeBand(self, summed?.add)
  const survivors = new Uint32Array(classes)
  const left = new Float64Array(classes)
  const right = new Float64Array(classes)

  let y = fromRow
  while (y < toRow) {
    const yEnd = Math.min(toRow, lines.end[y]!)
    const { lower, upper } = band.load(lines.low[y]!, lines.high[y]!)
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
        between(count, survivors, upper.values, lower.values, p, q, lines.weight[row]!, left, right)
        decideRun(out, row * width, x, xEnd, columns.weight, count, survivors, left, right)
      }
      x = xEnd
    }
    y = yEnd
  }
}

/** What so many classes have at both ends of a row of pixels between four logits. */
const between = (
  count: number,
  ids: Uint32Array,
  above: Float32Array,
  below: Float32Array,
  p: number,
  q: number,
  weight: number,
  left: Float64Array,
  right: Float64Array
): void => {
  const rest = 1 - weight
  for (let s = 0; s < count; s++) {
    const k = ids[s]!
    left[s] = rest * above[p + k]! + weight * below[p + k]!
    right[s] = rest * above[q + k]! + weight * below[q + k]!
  }
}

/** Far more than sums of 64 bits are off by, of what is summed up. */
const ROUNDING = 1e-12

/**
 * The class of each pixel of such a row. Values change evenly along it, so that a class that is ahead stays so until another
 * meets it: only where that may be is a pixel looked at.
 */
const decideRun = (
  out: LabelData,
  start: number,
  from: number,
  to: number,
  weights: Float64Array,
  count: number,
  ids: Uint32Array,
  left: Float64Array,
  right: Float64Array
): void => {
  if (count === 1) return fillRun(out, start + from, start + to, ids[0]!)
  let column = from
  while (column < to) {
    const wx = weights[column]!
    const vx = 1 - wx
    let best = vx * left[0]! + wx * right[0]!
    let first = 0
    for (let s = 1; s < count; s++) {
      const value = vx * left[s]! + wx * right[s]!
      if (value > best) {
        best = value
        first = s
      }
    }
    const label = ids[first]!
    out[start + column++] = label
    if (column === to) return
    const l = left[first]!
    const r = right[first]!
    const doubt = Math.max(Math.abs(l), Math.abs(r)) * ROUNDING
    let until = 1
    for (let s = 0; s < count; s++) {
      if (s === first) continue
      const ahead = l - left[s]! - doubt
      const lost = ahead - (r - right[s]! - doubt)
      if (ahead <= lost * wx) until = 0
      else if (ahead < lost * until) until = ahead / lost
    }
    until -= until * ROUNDING
    while (column < to && weights[column]! < until) out[start + column++] = label
  }
}

/**
 * The softmax probability of the class that {@link toLabelMap} chooses, per pixel, to within 1e-6 for up to 1,000
 * classes: those whose probability is below 1e-9 throughout a cell are left out of its sums.
 */
export const toConfidenceMap: {
  (width: number, height: number): (self: Logits) => ConfidenceMap
  (self: Logits, width: number, height: number): ConfidenceMap
} = dual(3, (self: Logits, width: number, height: number): ConfidenceMap => {
  const data = new Float32Array(width * height)
  confidenceRows(self, width, height, 0, height, data)
  return { width, height, data }
})

/** Rows `fromRow` to `toRow` (exclusive) of what {@link toConfidenceMap} gives, written to their place in `out`. */
export const confidenceRows = (
  self: Logits,
  width: number,
  height: number,
  fromRow: number,
  toRow: number,
  out: Float32Array,
  part?: Part
): void => {
  const { classes } = self
  const columns = axis(self.width, width, part?.left, part?.width)
  const lines = axis(self.height, height, part?.top, part?.height)
  const band = makeBand(self)
  const survivors = new Uint32Array(classes)
  const left = new Float64Array(classes)
  const right = new Float64Array(classes)

  let y = fromRow
  while (y < toRow) {
    const yEnd = Math.min(toRow, lines.end[y]!)
    const { lower, upper } = band.load(lines.low[y]!, lines.high[y]!)
    let x = 0
    while (x < width) {
      const first = columns.low[x]!
      const second = columns.high[x]!
      const p = first * classes
      const q = second * classes
      const xEnd = columns.end[x]!
      const count = candidates(upper, lower, first, second, classes, NEGLIGIBLE, survivors)
      for (let row = y; row < yEnd; row++) {
        between(count, survivors, upper.values, lower.values, p, q, lines.weight[row]!, left, right)
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
          for (let s = 0; s < count; s++) sum += decay(best - (vx * left[s]! + wx * right[s]!))
          out[start + column] = 1 / sum
        }
      }
      x = xEnd
    }
    y = yEnd
  }
}

/** What {@link scores} adds up, row by row. @internal */
export interface Sums {
  /** The next row of logits. */
  readonly add: (row: Row) => void
  /** Of what was added; of all rows, whichever were. */
  readonly scores: () => Float64Array
}

/** To be told of the rows of these logits. @internal */
export const sums = (self: Logits): Sums => {
  const { classes, height, width } = self
  const totals = new Float64Array(classes)
  const counts = new Uint32Array(classes)
  let rows = 0
  return {
    add: ({ values, winner }) => {
      rows++
      for (let x = 0; x < width; x++) {
        const best = winner[x]!
        const at = x * classes
        const top = values[at + best]!
        let sum = 0
        for (let k = 0; k < classes; k++) sum += decay(top - values[at + k]!)
        totals[best] = totals[best]! + 1 / sum
        counts[best]!++
      }
    },
    // A picture smaller than the logits, and a part of one, passes over rows.
    scores: () =>
      rows === height ? totals.map((sum, k) => (counts[k] === 0 ? 0 : sum / counts[k]!)) : scores(self)
  }
}

/**
 * The mean softmax probability of each class over the positions of the model's output where it is the largest:
 * `[classes]`, 0 for a class that is the largest nowhere.
 */
export const scores = (self: Logits): Float64Array => {
  const summed = sums(self)
  const band = makeBand(self, summed.add)
  for (let y = 0; y < self.height; y++) band.load(y, y)
  return summed.scores()
}

/** `exp(-21)` is under 1e-9. */
const NEGLIGIBLE = 21

const STEPS = 128
const powers = Float64Array.from({ length: NEGLIGIBLE * STEPS }, (_, i) => Math.exp(-i / STEPS))

/** `exp(-x)` to ten digits for `x` of at least 0, and 0 where it is negligible: a third of the time of `Math.exp`. */
const decay = (x: number): number => {
  if (!(x < NEGLIGIBLE)) return 0
  const step = (x * STEPS) | 0
  const rest = x - step * (1 / STEPS)
  return powers[step]! * (1 - rest * (1 - rest * (0.5 - rest * (1 / 6 - rest * (1 / 24)))))
}

/** `fill` costs more than a loop on short runs. */
const fillRun = (out: LabelData, start: number, end: number, id: number): void => {
  if (end - start > 48) out.fill(id, start, end)
  else for (let i = start; i < end; i++) out[i] = id
}
