/**
 * The cells between four logits, and who can win in them: the parts of `Logits` that do not decide anything.
 *
 * In a smooth map most cells have one winner throughout, and the others few that may win. A class whose largest
 * corner stays below some other class's smallest one cannot win anywhere in the cell.
 */
/** `data` holds `[classes, height, width]` scores before softmax, row-major. */
export interface Logits {
  readonly data: Float32Array
  readonly classes: number
  /** In positions of the model's output, usually a quarter of its input. */
  readonly height: number
  /** In positions. */
  readonly width: number
}

const LARGEST = 3.4028234663852886e38

/** Infinite logits become the largest numbers, NaN the smallest. */
export const finite = (value: number): number =>
  value > -LARGEST ? (value < LARGEST ? value : LARGEST) : -LARGEST

/** Whether not one value is a number. */
export const isNaNThroughout = (data: Float32Array): boolean => {
  let i = 0
  while (i < data.length && Number.isNaN(data[i])) i++
  return i === data.length
}

/** Where each target pixel takes its values from along one axis. */
export interface Axis {
  /** The left or upper neighbour. */
  readonly low: Uint32Array
  /** The right or lower one; the same as `low` where it has no weight. */
  readonly high: Uint32Array
  /** The weight of `high`. */
  readonly weight: Float64Array
  /** One past the last pixel between the same two neighbours. */
  readonly end: Uint32Array
}

/** Of `size` positions those from `from` on, `length` of them, make `target` pixels; what lies beyond is like the border. */
export const axis = (size: number, target: number, from = 0, length = size): Axis => {
  const low = new Uint32Array(target)
  const high = new Uint32Array(target)
  const weight = new Float64Array(target)
  const end = new Uint32Array(target)
  const scale = length / target
  for (let i = 0; i < target; i++) {
    const at = Math.min(size - 1, Math.max(0, (i + 0.5) * scale - 0.5 + from))
    low[i] = Math.floor(at)
    weight[i] = at - low[i]!
    high[i] = weight[i] === 0 ? low[i]! : low[i]! + 1
  }
  for (let i = target - 1; i >= 0; i--) {
    end[i] = i + 1 < target && low[i + 1] === low[i] && high[i + 1] === high[i] ? end[i + 1]! : i + 1
  }
  return { low, high, weight, end }
}

/** One row of logits with the classes of a position side by side, as the planes lie too far apart for the cache. */
export interface Row {
  index: number
  /** `[width, classes]`, finite. */
  readonly values: Float32Array
  /** `[width]`: the largest class, a tie to the lower id. */
  readonly winner: Uint32Array
  readonly best: Float32Array
}

/**
 * The two rows of logits that lie around the current rows of pixels; each row is read once on the way down, and `use` is told
 * of it then.
 */
export const makeBand = (self: Logits, use?: (row: Row) => void) => {
  const { classes, data, height, width } = self
  const empty = (): Row => ({
    index: -1,
    values: new Float32Array(width * classes),
    winner: new Uint32Array(width),
    best: new Float32Array(width)
  })
  let upper = empty()
  let lower = empty()
  const read = (row: Row, y: number): void => {
    if (row.index === y) return
    row.index = y
    const { best, values, winner } = row
    best.fill(-Infinity)
    const plane = height * width
    const last = classes - 1
    // Four classes at a time, the last one again where there are fewer: a position's are then written side by side.
    for (let k = 0; k < classes; k += 4) {
      const k1 = Math.min(k + 1, last)
      const k2 = Math.min(k + 2, last)
      const k3 = Math.min(k + 3, last)
      let from0 = k * plane + y * width
      let from1 = k1 * plane + y * width
      let from2 = k2 * plane + y * width
      let from3 = k3 * plane + y * width
      for (let x = 0, to = 0; x < width; x++, to += classes) {
        const v0 = finite(data[from0++]!)
        const v1 = finite(data[from1++]!)
        const v2 = finite(data[from2++]!)
        const v3 = finite(data[from3++]!)
        values[to + k] = v0
        values[to + k1] = v1
        values[to + k2] = v2
        values[to + k3] = v3
        const top = best[x]!
        if (v0 > top || v1 > top || v2 > top || v3 > top) {
          const most = Math.max(v0, v1, v2, v3)
          best[x] = most
          winner[x] = most === v0 ? k : most === v1 ? k1 : most === v2 ? k2 : k3
        }
      }
    }
    use?.(row)
  }
  return {
    load: (first: number, second: number): { readonly upper: Row; readonly lower: Row } => {
      if (lower.index === first) [upper, lower] = [lower, upper]
      read(upper, first)
      if (first === second) return { upper, lower: upper }
      read(lower, second)
      return { upper, lower }
    }
  }
}

/**
 * The classes that may come within `margin` of winning somewhere between four corners, ascending, in `survivors`:
 * some corner reaches the smallest corner of every class looked at so far, less the margin. The winners of the
 * corners are looked at first, as they set the highest bar. Returns how many there are.
 */
export const candidates = (
  upper: Row,
  lower: Row,
  first: number,
  second: number,
  classes: number,
  margin: number,
  survivors: Uint32Array
): number => {
  const a = upper.values
  const c = lower.values
  const p = first * classes
  const q = second * classes
  let bar = smallestCorner(a, c, p, q, upper.winner[first]!)
  bar = Math.max(bar, smallestCorner(a, c, p, q, upper.winner[second]!))
  bar = Math.max(bar, smallestCorner(a, c, p, q, lower.winner[first]!))
  bar = Math.max(bar, smallestCorner(a, c, p, q, lower.winner[second]!)) - margin
  let count = 0
  for (let k = 0; k < classes; k++) {
    const v0 = a[p + k]!
    const v1 = a[q + k]!
    const v2 = c[p + k]!
    const v3 = c[q + k]!
    if (v0 < bar && v1 < bar && v2 < bar && v3 < bar) continue
    survivors[count++] = k
    const low = (v0 < v1 ? v0 : v1) - margin
    if (low > bar) {
      const all = smallestCorner(a, c, p, q, k) - margin
      if (all > bar) bar = all
    }
  }
  return count
}

const smallestCorner = (a: Float32Array, c: Float32Array, p: number, q: number, k: number): number =>
  Math.min(a[p + k]!, a[q + k]!, c[p + k]!, c[q + k]!)
