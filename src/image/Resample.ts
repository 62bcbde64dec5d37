/**
 * Resizing 8-bit pictures as Pillow's `Image.resize` does, to the bit: a separable convolution whose filter widens
 * with the reduction (antialiasing), coefficients rounded to 22 bits, the horizontal pass first and rounded to 8
 * bits before the vertical one. `SegformerImageProcessor` resizes with it, so models were trained on its results.
 *
 * No Effect here: the ONNX transport runs it in its session's process, on rows as they arrive.
 */

export type PillowFilter = "nearest" | "lanczos" | "bilinear" | "bicubic" | "box" | "hamming"

/**
 * `"libvips-bilinear"` samples as `@huggingface/transformers` does on Node, where bilinear is libvips' affine
 * transform: at `x * scale` and not at the centre of the pixel, without antialiasing, and with black beyond the right
 * and lower border. For results that must agree with its own; models were trained on Pillow's.
 */
export type Filter = PillowFilter | "libvips-bilinear"

/** In the order of the numbers that `resample` in `preprocessor_config.json` has from Pillow: 2 is bilinear. */
export const filters: ReadonlyArray<PillowFilter> = [
  "nearest",
  "lanczos",
  "bilinear",
  "bicubic",
  "box",
  "hamming"
]

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

interface Kernel {
  readonly support: number
  readonly at: (x: number) => number
}

const kernels: Readonly<Record<Exclude<PillowFilter, "nearest">, Kernel>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  hamming: {
    support: 1,
    at: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)))
  },
  bicubic: {
    support: 2,
    at: (value) => {
      const x = Math.abs(value)
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
    }
  },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) }
}

/** Bits behind the point of a coefficient. */
const PRECISION = 22
const HALF = 1 << (PRECISION - 1)

/** Which source positions each target position takes, and with what weight. */
interface Taps {
  readonly first: Uint32Array
  readonly count: Uint32Array
  /** `[target, widest]`, in units of 2^-22. */
  readonly weights: Int32Array
  readonly widest: number
}

const makeTaps = (size: number, target: number, filter: Filter): Taps => {
  const first = new Uint32Array(target)
  const count = new Uint32Array(target)
  if (filter === "nearest") {
    const scale = size / target
    // Pillow adds up, and what that rounds decides where a centre lies between two.
    for (let i = 0, at = scale * 0.5; i < target; i++, at += scale)
      first[i] = Math.min(size - 1, Math.floor(at))
    return { first, count: count.fill(1), weights: new Int32Array(target).fill(1 << PRECISION), widest: 1 }
  }
  if (filter === "libvips-bilinear") return makeAffineTaps(size, target)
  const kernel = kernels[filter]
  const scale = size / target
  const stretch = Math.max(1, scale)
  const support = kernel.support * stretch
  const widest = Math.ceil(support) * 2 + 1
  const weights = new Int32Array(target * widest)
  const values = new Float64Array(widest)
  for (let i = 0; i < target; i++) {
    const centre = (i + 0.5) * scale
    const from = Math.max(0, Math.trunc(centre - support + 0.5))
    const n = Math.min(size, Math.trunc(centre + support + 0.5)) - from
    let sum = 0
    for (let k = 0; k < n; k++) {
      const value = kernel.at((k + from - centre + 0.5) * (1 / stretch))
      values[k] = value
      sum += value
    }
    for (let k = 0; k < n; k++) {
      const value = (sum === 0 ? values[k]! : values[k]! / sum) * (1 << PRECISION)
      weights[i * widest + k] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5)
    }
    first[i] = from
    count[i] = n
  }
  return { first, count, weights, widest }
}

/** libvips rounds positions down to this part of a pixel. */
const POSITIONS = 4096

/** The neighbour beyond the border, which is black, is left out. */
const makeAffineTaps = (size: number, target: number): Taps => {
  const first = new Uint32Array(target)
  const count = new Uint32Array(target)
  const weights = new Int32Array(target * 2)
  for (let i = 0; i < target; i++) {
    const at = (i * size) / target
    first[i] = Math.floor(at)
    count[i] = Math.min(2, size - first[i]!)
    const part = Math.trunc((at - first[i]!) * POSITIONS) / POSITIONS
    weights[i * 2] = (1 - part) * (1 << PRECISION)
    weights[i * 2 + 1] = part * (1 << PRECISION)
  }
  return { first, count, weights, widest: 2 }
}

/** Filters with negative weights go beyond 0 and 255, and Pillow limits them; limiting costs the others an eighth. */
const overshoots = (filter: Filter): boolean => filter === "bicubic" || filter === "lanczos"

const limited = (bytes: Uint8Array, filter: Filter): Uint8Array | Uint8ClampedArray =>
  overshoots(filter) ? new Uint8ClampedArray(bytes.buffer, bytes.byteOffset, bytes.length) : bytes

const resizeRow = (
  source: Uint8Array,
  from: number,
  out: Uint8Array | Uint8ClampedArray,
  to: number,
  target: number,
  taps: Taps
): void => {
  const { count, first, weights, widest } = taps
  for (let x = 0, place = to; x < target; x++, place += 3) {
    const at = from + first[x]! * 3
    const start = x * widest
    const n = count[x]!
    if (n <= 2) {
      // Enlarging takes two pixels at most.
      const w0 = weights[start]!
      const w1 = n === 2 ? weights[start + 1]! : 0
      const next = n === 2 ? at + 3 : at
      out[place] = (HALF + Math.imul(source[at]!, w0) + Math.imul(source[next]!, w1)) >> PRECISION
      out[place + 1] = (HALF + Math.imul(source[at + 1]!, w0) + Math.imul(source[next + 1]!, w1)) >> PRECISION
      out[place + 2] = (HALF + Math.imul(source[at + 2]!, w0) + Math.imul(source[next + 2]!, w1)) >> PRECISION
      continue
    }
    blend(source, at, 3, weights, start, n, out, place)
  }
}

/** One pixel of `n`, which are `step` bytes apart. */
const blend = (
  source: Uint8Array,
  from: number,
  step: number,
  weights: Int32Array,
  start: number,
  n: number,
  out: Uint8Array | Uint8ClampedArray,
  place: number
): void => {
  let r = HALF
  let g = HALF
  let b = HALF
  for (let k = start, at = from; k < start + n; k++, at += step) {
    const w = weights[k]!
    r = (r + Math.imul(source[at]!, w)) | 0
    g = (g + Math.imul(source[at + 1]!, w)) | 0
    b = (b + Math.imul(source[at + 2]!, w)) | 0
  }
  out[place] = r >> PRECISION
  out[place + 1] = g >> PRECISION
  out[place + 2] = b >> PRECISION
}

/** Row after row goes through `use`, while it is in the processor's cache. */
const resizeColumns = (
  source: Uint8Array,
  stride: number,
  height: number,
  target: number,
  filter: Filter,
  use: (row: Uint8Array, y: number) => void
): void => {
  const { count, first, weights, widest } = makeTaps(height, target, filter)
  const bytes = new Uint8Array(stride)
  const out = limited(bytes, filter)
  for (let y = 0; y < target; y++) {
    const n = count[y]!
    const w0 = weights[y * widest]!
    const first0 = first[y]! * stride
    if (n <= 2) {
      // Enlarging takes two rows at most: one pass is enough.
      const w1 = n === 2 ? weights[y * widest + 1]! : 0
      const first1 = n === 2 ? first0 + stride : first0
      for (let i = 0; i < stride; i++) {
        out[i] = (HALF + Math.imul(source[first0 + i]!, w0) + Math.imul(source[first1 + i]!, w1)) >> PRECISION
      }
    } else {
      for (let i = 0; i < stride; i += 3) blend(source, first0 + i, stride, weights, y * widest, n, out, i)
    }
    use(bytes, y)
  }
}

/** What each byte becomes, for red, green and blue: 256 values each. */
export type Tables = readonly [red: Float32Array, green: Float32Array, blue: Float32Array]

/** One row of pixels through the tables, to `at` in the first plane and so on. */
const spread = (row: Uint8Array, tables: Tables, out: Float32Array, at: number, plane: number): void => {
  const [red, green, blue] = tables
  let r = at
  let g = r + plane
  let b = g + plane
  for (let i = 0; i < row.length; i += 3) {
    out[r++] = red[row[i]!]!
    out[g++] = green[row[i + 1]!]!
    out[b++] = blue[row[i + 2]!]!
  }
}

/** `resizeColumns` and `spread` in one where two rows make one: what is in between is never written down. */
const enlargeColumns = (
  source: Uint8Array,
  width: number,
  { count, first, weights, widest }: Taps,
  tables: Tables,
  out: Float32Array
): void => {
  const stride = width * 3
  const plane = count.length * width
  const [red, green, blue] = tables
  for (let y = 0; y < count.length; y++) {
    const n = count[y]!
    const w0 = weights[y * widest]!
    const w1 = n === 2 ? weights[y * widest + 1]! : 0
    let i = first[y]! * stride
    let k = n === 2 ? i + stride : i
    let r = y * width
    let g = r + plane
    let b = g + plane
    for (const end = r + width; r < end; i += 3, k += 3) {
      out[r++] = red[(HALF + Math.imul(source[i]!, w0) + Math.imul(source[k]!, w1)) >> PRECISION]!
      out[g++] = green[(HALF + Math.imul(source[i + 1]!, w0) + Math.imul(source[k + 1]!, w1)) >> PRECISION]!
      out[b++] = blue[(HALF + Math.imul(source[i + 2]!, w0) + Math.imul(source[k + 2]!, w1)) >> PRECISION]!
    }
  }
}

/** Takes the rows of an RGB picture as they come, and gives it at another size. */
export interface Resampler {
  /** The next bytes of `[height, width, 3]`, cut anywhere. */
  readonly push: (chunk: Uint8Array) => void
  /** The rows of the result, `[target width, 3]` from the top, once all bytes are in. Each is valid during its call. */
  readonly rows: (use: (row: Uint8Array, y: number) => void) => void
  /** The result through the tables: `[3, target height, target width]`, once all bytes are in. */
  readonly planes: (tables: Tables, out: Float32Array) => void
}

/** Memory that a resampler works in, kept for the next one: to be used for one picture after the other. */
export interface Scratch {
  bytes: Uint8Array
}

/** What is kept at most, in bytes. */
const maxScratch = 8 * 1024 * 1024

/**
 * Only the rows at the target's width are held, so a picture of 100 megapixels takes 15 MB here and its 300 MB are
 * never in this process at once.
 */
export const make = (
  width: number,
  height: number,
  targetWidth: number,
  targetHeight: number,
  filter: Filter,
  scratch: Scratch = { bytes: new Uint8Array() }
): Resampler => {
  const stride = targetWidth * 3
  const size = height * stride
  const narrowed = scratch.bytes.length < size ? new Uint8Array(size) : scratch.bytes.subarray(0, size)
  if (narrowed.length > scratch.bytes.length && size <= maxScratch) scratch.bytes = narrowed
  const out = limited(narrowed, filter)
  let seen = 0
  let push: Resampler["push"]
  if (width === targetWidth) {
    push = (chunk) => {
      narrowed.set(chunk, seen)
      seen += chunk.length
    }
  } else {
    const taps = makeTaps(width, targetWidth, filter)
    const bytes = width * 3
    const row = new Uint8Array(bytes)
    let filled = 0
    let y = 0
    push = (chunk) => {
      let at = 0
      if (filled > 0) {
        at = Math.min(bytes - filled, chunk.length)
        row.set(chunk.subarray(0, at), filled)
        filled += at
        if (filled < bytes) return
        resizeRow(row, 0, out, y++ * stride, targetWidth, taps)
        filled = 0
      }
      for (; at + bytes <= chunk.length; at += bytes) {
        resizeRow(chunk, at, out, y++ * stride, targetWidth, taps)
      }
      row.set(chunk.subarray(at))
      filled = chunk.length - at
    }
  }
  const rows: Resampler["rows"] = (use) => {
    if (height !== targetHeight) return resizeColumns(narrowed, stride, height, targetHeight, filter, use)
    for (let y = 0; y < height; y++) use(narrowed.subarray(y * stride, (y + 1) * stride), y)
  }
  return {
    push,
    rows,
    planes: (tables, out) => {
      const enlarges = height < targetHeight && !overshoots(filter)
      const taps = enlarges ? makeTaps(height, targetHeight, filter) : undefined
      if (taps?.count.every((n) => n <= 2) === true) {
        return enlargeColumns(narrowed, targetWidth, taps, tables, out)
      }
      const plane = targetWidth * targetHeight
      rows((row, y) => spread(row, tables, out, y * targetWidth, plane))
    }
  }
}

/** A whole picture at another size: `[height, width, 3]` in, `[target height, target width, 3]` out. */
export const resize = (
  data: Uint8Array,
  width: number,
  height: number,
  targetWidth: number,
  targetHeight: number,
  filter: Filter
): Uint8Array => {
  const resampler = make(width, height, targetWidth, targetHeight, filter)
  resampler.push(data)
  const out = new Uint8Array(targetHeight * targetWidth * 3)
  resampler.rows((row, y) => out.set(row, y * targetWidth * 3))
  return out
}
