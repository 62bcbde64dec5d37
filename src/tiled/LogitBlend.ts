/**
 * Logits of windows averaged into bands of labels, without `[classes, height, width]` at any size.
 *
 * Each window's logits are resized to its pixels as `Logits` does (bilinear, `align_corners=False`) and averaged with
 * those of the windows that share the pixel, in 64 bits; then the largest class, a tie to the lower id. Bilinear
 * resizing takes a row at a time, so nothing is kept but the logits of windows under way, and, of the windows above,
 * those rows that the next row of windows shares.
 */
import { allocate, type LabelData } from "../mask/LabelMap.ts"
import { axis, finite } from "../mask/LogitCells.ts"
import type { Logits } from "../mask/Logits.ts"
import { type BandWork, rows as bandOf } from "./Band.ts"
import type { Window, Windows } from "./Windows.ts"

export interface BlendOptions {
  /** Every window counts the same, or by its pixel's distance to its border: horizontal times vertical distance. */
  readonly weights: "even" | "distance"
  /** Pixels along a window's border that do not count where it has a neighbour. */
  readonly margin: number
  readonly confidence: boolean
}

/** What all windows have in common. */
export interface Shape {
  readonly classes: number
  readonly height: number
  readonly width: number
}

/** How windows lie along one axis. */
interface Side {
  readonly starts: ReadonlyArray<number>
  readonly size: number
  readonly crop: number
  /** The pixels of each window that count. */
  readonly from: ReadonlyArray<number>
  readonly to: ReadonlyArray<number>
  /** By window, `[crop]`. */
  readonly weights: ReadonlyArray<Float64Array>
}

const side = (
  starts: ReadonlyArray<number>,
  crop: number,
  size: number,
  { margin, weights }: BlendOptions
): Side => {
  const last = starts.length - 1
  return {
    starts,
    size,
    crop,
    from: starts.map((start, i) => (i === 0 ? start : start + margin)),
    to: starts.map((start, i) => (i === last ? start + crop : start + crop - margin)),
    weights: starts.map((_, i) =>
      Float64Array.from({ length: crop }, (_, p) => {
        if (weights === "even") return 1
        // The border of the picture is nobody's seam.
        const before = i === 0 ? Infinity : p + 0.5
        const after = i === last ? Infinity : crop - p - 0.5
        const distance = Math.min(before, after)
        return distance === Infinity ? 1 : distance
      })
    )
  }
}

/** A row of windows: of each, the rows of its logits that are still needed. */
interface Layer {
  readonly index: number
  readonly data: Array<Float32Array | undefined>
  /** The row of logits that `data` starts with. */
  readonly first: Array<number>
}

/** Pixels of a row over which the same windows count. */
interface Segment {
  readonly from: number
  readonly to: number
  readonly columns: ReadonlyArray<number>
}

/** As in `Logits`. */
const limited = (data: Float32Array): Float32Array => {
  let i = 0
  while (i < data.length && Number.isFinite(data[i])) i++
  return i === data.length ? data : data.map(finite)
}

/** Bytes of logits that are kept for the next group of rows, at most. */
export const overlapBytes = (windows: Windows, shape: Shape): number => {
  const { crop, groups, rows } = windows
  const lines = axis(shape.height, crop.height)
  let most = 0
  for (const { first } of groups.slice(1)) {
    let kept = 0
    for (let above = first - 1; above >= 0 && rows[above]! + crop.height > rows[first]!; above--) {
      kept += shape.height - lines.low[rows[first]! - rows[above]!]!
    }
    most = Math.max(most, kept)
  }
  return most * shape.width * shape.classes * 4 * windows.columns.length
}

/** Windows must come in their order, their logits all of one shape. */
export const make = (windows: Windows, shape: Shape, options: BlendOptions) => {
  const { classes } = shape
  const { width } = windows
  const across = side(windows.columns, windows.crop.width, width, options)
  const down = side(windows.rows, windows.crop.height, windows.height, options)
  const columns = axis(shape.width, windows.crop.width)
  const lines = axis(shape.height, windows.crop.height)
  /** Resized to the current row of pixels and averaged over layers: by column, `[classes, shape.width]`. */
  const resized: Array<Float64Array> = []
  /** The largest class of each, and its value. */
  const winners: Array<Uint32Array> = []
  const best = new Float64Array(shape.width)
  const values = new Float64Array(classes)
  let layers: Array<Layer> = []
  let labels: LabelData = new Uint8Array()
  let sure: Float32Array | undefined

  /** The layers that count at row `y`, and their shares, which add up to 1. */
  const layersAt = (y: number) => {
    const active = layers.filter(({ index }) => down.from[index]! <= y && y < down.to[index]!)
    const weights = active.map(({ index }) => down.weights[index]![y - down.starts[index]!]!)
    const sum = weights.reduce((a, b) => a + b, 0)
    return active.map((layer, i) => {
      const p = y - down.starts[layer.index]!
      const share = active.length === 1 ? 1 : weights[i]! / sum
      return { layer, share, low: lines.low[p]!, high: lines.high[p]!, weight: lines.weight[p]! }
    })
  }

  /** Fills `resized` and `winners` of a column for logits `from` to `to` (inclusive). */
  const resizeColumn = (
    slot: number,
    column: number,
    at: ReturnType<typeof layersAt>,
    from: number,
    to: number
  ): void => {
    const out = (resized[slot] ??= new Float64Array(classes * shape.width))
    const winner = (winners[slot] ??= new Uint32Array(shape.width))
    best.fill(-Infinity, from, to + 1)
    for (let k = 0; k < classes; k++) {
      const base = k * shape.width
      for (let s = 0; s < at.length; s++) {
        const { high, layer, low, share, weight } = at[s]!
        const data = layer.data[column]!
        const first = layer.first[column]!
        const plane = k * (shape.height - first)
        const upper = (plane + low - first) * shape.width
        const lower = (plane + high - first) * shape.width
        const above = 1 - weight
        if (s === 0 && share === 1) {
          for (let l = from; l <= to; l++)
            out[base + l] = above * data[upper + l]! + weight * data[lower + l]!
        } else if (s === 0) {
          for (let l = from; l <= to; l++)
            out[base + l] = share * (above * data[upper + l]! + weight * data[lower + l]!)
        } else {
          for (let l = from; l <= to; l++)
            out[base + l]! += share * (above * data[upper + l]! + weight * data[lower + l]!)
        }
      }
      for (let l = from; l <= to; l++) {
        const value = out[base + l]!
        if (value > best[l]!) {
          best[l] = value
          winner[l] = k
        }
      }
    }
  }

  /** One window's pixels: between two logits with the same winner it wins throughout. */
  const fillAlone = (slot: number, column: number, from: number, to: number, at: number): void => {
    const out = resized[slot]!
    const winner = winners[slot]!
    const start = across.starts[column]!
    let x = from
    while (x < to) {
      const low = columns.low[x - start]!
      const high = columns.high[x - start]!
      let end = Math.min(to, start + columns.end[x - start]!)
      const label = winner[low]!
      if (winner[high] === label) {
        while (
          end < to &&
          winner[columns.low[end - start]!] === label &&
          winner[columns.high[end - start]!] === label
        ) {
          end = Math.min(to, start + columns.end[end - start]!)
        }
        labels.fill(label, at + x, at + end)
        x = end
        continue
      }
      for (; x < end; x++) {
        const right = columns.weight[x - start]!
        const left = 1 - right
        let most = -Infinity
        let label = 0
        for (let k = 0; k < classes; k++) {
          const value = left * out[k * shape.width + low]! + right * out[k * shape.width + high]!
          if (value > most) {
            most = value
            label = k
          }
        }
        labels[at + x] = label
      }
    }
  }

  /** The average of several windows at pixel `x`, in `values`. */
  const averageAt = (x: number, first: number, segment: Segment): void => {
    values.fill(0)
    let sum = 0
    for (const column of segment.columns) sum += across.weights[column]![x - across.starts[column]!]!
    for (const column of segment.columns) {
      const p = x - across.starts[column]!
      const share = segment.columns.length === 1 ? 1 : across.weights[column]![p]! / sum
      const out = resized[column - first]!
      const low = columns.low[p]!
      const high = columns.high[p]!
      const right = share * columns.weight[p]!
      const left = share - right
      for (let k = 0; k < classes; k++) {
        values[k]! += left * out[k * shape.width + low]! + right * out[k * shape.width + high]!
      }
    }
  }

  const decide = (): number => {
    let label = 0
    for (let k = 1; k < classes; k++) if (values[k]! > values[label]!) label = k
    return label
  }

  /** Pixels that several windows share: where all of them agree around a pixel, so does their average. */
  const fillShared = (first: number, segment: Segment, at: number): void => {
    let x = segment.from
    while (x < segment.to) {
      let end = segment.to
      let agreed = -1
      for (const column of segment.columns) {
        const start = across.starts[column]!
        const winner = winners[column - first]!
        end = Math.min(end, start + columns.end[x - start]!)
        const low = winner[columns.low[x - start]!]!
        if (agreed === -1) agreed = low
        if (low !== agreed || winner[columns.high[x - start]!] !== agreed) agreed = -2
      }
      if (agreed >= 0) {
        for (; x < end; x++) labels[at + x] = agreed
        continue
      }
      for (; x < end; x++) {
        averageAt(x, first, segment)
        labels[at + x] = decide()
      }
    }
  }

  const fillConfidence = (out: Float32Array, first: number, segment: Segment, at: number): void => {
    for (let x = segment.from; x < segment.to; x++) {
      averageAt(x, first, segment)
      const most = values[decide()]!
      let sum = 0
      for (let k = 0; k < classes; k++) sum += Math.exp(values[k]! - most)
      out[at + x] = 1 / sum
    }
  }

  /** Pixels that no later column reaches: from the start of this one to that of the next. */
  const segmentsOf = (column: number): ReadonlyArray<Segment> => {
    const from = across.starts[column]!
    const to = across.starts[column + 1] ?? width
    const borders = [...across.from.slice(0, column + 1), ...across.to.slice(0, column + 1)]
    const edges = [...new Set([from, ...borders.filter((x) => x > from && x < to), to])].sort((a, b) => a - b)
    return edges.slice(1).map((end, i) => {
      const start = edges[i]!
      const covers = (c: number) => across.from[c]! <= start && end <= across.to[c]!
      return {
        from: start,
        to: end,
        columns: Array.from({ length: column + 1 }, (_, c) => c).filter(covers)
      }
    })
  }

  /** Lets go of what no row below `y` needs, in the columns that no later one overlaps. */
  const trim = (column: number, y: number): void => {
    const edge = across.starts[column + 1] ?? Infinity
    for (let c = column; c >= 0; c--) {
      if (across.starts[c]! + across.crop > edge) continue
      for (const { data, first, index } of layers) {
        const held = data[c]
        const begin = first[c]!
        if (held === undefined) continue
        if (down.to[index]! <= y) {
          data[c] = undefined
          continue
        }
        const needed = lines.low[y - down.starts[index]!]!
        const rows = shape.height - begin
        const kept = shape.height - needed
        if (kept >= rows) continue
        const slice = new Float32Array(classes * kept * shape.width)
        for (let k = 0; k < classes; k++) {
          const end = (k + 1) * rows * shape.width
          slice.set(held.subarray(end - kept * shape.width, end), k * kept * shape.width)
        }
        data[c] = slice
        first[c] = needed
      }
    }
  }

  return function* ({ column, group, row }: Window, logits: Logits): BandWork {
    const y = down.starts[group.first]!
    const yEnd = down.starts[group.end] ?? windows.height
    const height = yEnd - y
    if (column === 0) {
      layers = layers.filter(({ index }) => down.to[index]! > y)
      layers.push({ index: row, data: [], first: [] })
    }
    const layer = layers.find(({ index }) => index === row)!
    layer.data[column] = limited(logits.data)
    layer.first[column] = 0
    // The column is due when all windows of the group have come.
    if (row < group.end - 1) return undefined
    if (column === 0) {
      labels = allocate(classes - 1, width * height)
      sure = options.confidence ? new Float32Array(width * height) : undefined
    }
    const segments = segmentsOf(column)
    const used = [...new Set(segments.flatMap((segment) => segment.columns))].sort((a, b) => a - b)
    const first = used[0]!
    /** Of each column, the logits around the pixels that are due. */
    const ranges = used.map((c) => {
      const due = segments.filter((segment) => segment.columns.includes(c))
      const from = due[0]!.from - across.starts[c]!
      const to = due.at(-1)!.to - 1 - across.starts[c]!
      return { column: c, from: columns.low[from]!, to: columns.high[to]! }
    })
    for (let i = 0; i < height; i++) {
      yield
      const at = layersAt(y + i)
      for (const range of ranges) resizeColumn(range.column - first, range.column, at, range.from, range.to)
      for (const segment of segments) {
        const [only] = segment.columns
        if (segment.columns.length === 1 && only !== undefined) {
          fillAlone(only - first, only, segment.from, segment.to, i * width)
        } else {
          fillShared(first, segment, i * width)
        }
        if (sure !== undefined) fillConfidence(sure, first, segment, i * width)
      }
    }
    trim(column, yEnd)
    return column < across.starts.length - 1 ? undefined : bandOf(y, width, height, labels, sure)
  }
}
