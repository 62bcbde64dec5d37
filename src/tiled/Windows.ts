/**
 * Where the windows on a picture stand: `crop` pixels a side, one every `stride` pixels, the last of a row or column
 * shifted inside. A picture smaller than `crop` has one window as large as it is.
 *
 * ```ts
 * import { Windows } from "effect-segformer/tiled"
 *
 * const windows = Windows.make({ width: 1200, height: 500 }, { crop: 512, stride: 384 })
 * windows.columns // => [0, 384, 688]
 * windows.rows // => [0]
 * ```
 */

export interface WindowOptions {
  /** Pixels a side: what the model sees at once. 512 by default, to which most SegFormers resize. */
  readonly crop?: number | undefined
  /** Pixels from one window to the next. Three quarters of `crop` by default. */
  readonly stride?: number | undefined
}

/** Windows on a picture, in pixels. */
export interface Windows {
  /** Of the picture. */
  readonly width: number
  /** Of the picture. */
  readonly height: number
  readonly crop: { readonly width: number; readonly height: number }
  /** What neighbouring windows share at least; 0 along an axis is possible. */
  readonly overlap: number
  /** Left edges, ascending. */
  readonly columns: ReadonlyArray<number>
  /** Upper edges, ascending. */
  readonly rows: ReadonlyArray<number>
  /**
   * Rows that are done together, column by column, each with the first one's index and one past the last one's. They are
   * single rows, except that one which is shifted inside goes with the one before: the two may share nearly
   * everything, which is cheap to keep for a few columns and not for all.
   */
  readonly groups: ReadonlyArray<Group>
}

/** Rows of windows `first` to `end` (exclusive). */
export interface Group {
  readonly first: number
  readonly end: number
}

/** Throws `RangeError` unless `1 <= stride <= crop`, both whole numbers. */
export const make = (
  picture: { readonly width: number; readonly height: number },
  options: WindowOptions = {}
): Windows => {
  const crop = options.crop ?? 512
  const stride = options.stride ?? Math.max(1, Math.floor((crop * 3) / 4))
  for (const [name, value, most] of [
    ["crop", crop, Number.MAX_SAFE_INTEGER],
    ["stride", stride, crop]
  ] as const) {
    if (Number.isInteger(value) && value >= 1 && value <= most) continue
    const range = name === "crop" ? "of at least 1" : `from 1 to \`crop\` (${crop})`
    throw new RangeError(`Windows: \`${name}\` must be a whole number ${range}, but is ${value}`)
  }
  const rows = starts(picture.height, crop, stride)
  const last = rows.length - 1
  const isShifted = last > 0 && rows[last]! - rows[last - 1]! < stride
  const groups = rows.map((_, first) => ({ first, end: first + 1 }))
  if (isShifted) groups.splice(last - 1, 2, { first: last - 1, end: last + 1 })
  return {
    width: picture.width,
    height: picture.height,
    crop: { width: Math.min(crop, picture.width), height: Math.min(crop, picture.height) },
    overlap: crop - stride,
    columns: starts(picture.width, crop, stride),
    rows,
    groups
  }
}

/** One of them. */
export interface Window {
  readonly group: Group
  readonly row: number
  readonly column: number
}

/** All of them, in the order in which they are done. */
export function* each({ columns, groups }: Windows): Generator<Window> {
  for (const group of groups) {
    for (let column = 0; column < columns.length; column++) {
      for (let row = group.first; row < group.end; row++) yield { group, row, column }
    }
  }
}

const starts = (size: number, crop: number, stride: number): ReadonlyArray<number> => {
  const count = Math.floor(Math.max(size - crop + stride - 1, 0) / stride) + 1
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(i * stride, size - crop)))
}

/**
 * Where one window ends and the next begins when each pixel belongs to one alone: midway through each overlap, with 0
 * and `size` around them. A pixel as far from both centres belongs to the later window.
 */
export const cuts = (starts: ReadonlyArray<number>, crop: number, size: number): ReadonlyArray<number> => [
  0,
  ...starts.slice(1).map((start, i) => Math.ceil((start + starts[i]! + crop) / 2)),
  size
]
