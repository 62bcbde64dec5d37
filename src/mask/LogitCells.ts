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
    for (let k = 0; k < classes; k++) {
      const plane = (k * height + y) * width
      for (let x = 0; x < width; x++) {
        const value = finite(data[plane + x]!)
        values[x * classes + k] = value
        if (value > best[x]!) {
          best[x] = value
          winner[x] = k
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

/** From this many pixels between two columns of logits on, looking for who can win along a row pays. */
export const WIDE = 8

/**
 * The same as {@link candidates} along one row, between its two ends: moves who can still win to the front. The
 * margin is far above the rounding of 64-bit sums. Returns how many there are.
 */
export const narrow = (
  count: number,
  survivors: Uint32Array,
  left: Float64Array,
  right: Float64Array,
  labels: Uint32Array
): number => {
  let floor = -Infinity
  for (let s = 0; s < count; s++) {
    const low = left[s]! < right[s]! ? left[s]! : right[s]!
    if (low > floor) floor = low
  }
  const bar = floor - Math.abs(floor) * 1e-12
  let finalists = 0
  for (let s = 0; s < count; s++) {
    const l = left[s]!
    const r = right[s]!
    if (l < bar && r < bar) continue
    left[finalists] = l
    right[finalists] = r
    labels[finalists++] = survivors[s]!
  }
  return finalists
}
