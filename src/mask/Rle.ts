/**
 * COCO's run-length encoding, as `pycocotools` writes it: column by column, runs outside and inside the mask in
 * turn, the first one outside (0 long where the first pixel is inside).
 *
 * Compressed, each count from the third on is the difference to the one two before; a number is cut into groups
 * of 5 bits, lowest first, a sixth bit set while more follow, and 48 added to make text.
 *
 * ```ts
 * import { BinaryMask, Rle } from "effect-segformer/mask"
 *
 * const mask = BinaryMask.fromRows(["....", ".##.", ".##.", "...."])
 * Rle.toCoco(Rle.fromMask(mask), { compressed: false }) // => { size: [4, 4], counts: [5, 2, 2, 2, 5] }
 * Rle.toCoco(Rle.fromMask(mask)) // => { size: [4, 4], counts: "52203" }
 * ```
 */
import { Result } from "effect"
import { type BinaryMask, empty } from "./BinaryMask.ts"
import type { LabelData, LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable, pixels } from "./MaskError.ts"
import type { Box } from "./Region.ts"
import * as Steps from "./Steps.ts"

/** A mask of `width` x `height` pixels as lengths of runs, which sum up to its pixels. */
export interface Rle {
  readonly width: number
  readonly height: number
  readonly counts: Uint32Array
}

/** The same as COCO's JSON has it: `size` is `[height, width]`. */
export interface CocoRle {
  readonly size: readonly [height: number, width: number]
  readonly counts: string | ReadonlyArray<number>
}

/** The runs of a mask. */
export const fromMask = (mask: BinaryMask): Rle =>
  fromLabelMap(mask).get(1) ?? {
    width: mask.width,
    height: mask.height,
    counts: Uint32Array.of(mask.width * mask.height)
  }

/** The runs of every class of a label map, by class id in ascending order; without the ignored id. */
export const fromLabelMap = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap | BinaryMask): Steps.Steps<Map<number, Rle>> {
  const { data, height, width } = map
  const { columns, ids, rows } = yield* verticalChanges(data, width, height)
  const pause = Steps.rowsPerStep(height)
  const open = new Map<number, { readonly counts: Array<number>; end: number }>()
  for (let x = 0; x < width; x++) {
    if (x % pause === pause - 1) yield
    const last = columns[x + 1]!
    for (let i = columns[x]!; i < last; i++) {
      const y = rows[i]!
      const id = ids[i]!
      const start = x * height + y
      const end = x * height + (i + 1 < last ? rows[i + 1]! : height)
      let runs = open.get(id)
      if (runs === undefined) open.set(id, (runs = { counts: [], end: 0 }))
      const { counts } = runs
      // A run at the foot of a column goes on at the head of the next.
      if (start === runs.end && counts.length > 0) counts[counts.length - 1]! += end - start
      else counts.push(start - runs.end, end - start)
      runs.end = end
    }
  }
  if ("ignoreIndex" in map && map.ignoreIndex !== undefined) open.delete(map.ignoreIndex)
  const size = width * height
  return new Map(
    [...open]
      .sort((a, b) => a[0] - b[0])
      .map(([id, { counts, end }]) => {
        if (end < size) counts.push(size - end)
        return [id, { width, height, counts: Uint32Array.from(counts) }]
      })
  )
}

/** The mask of runs. Throws `MaskNotDecodable` for a size that no mask has. */
export const toMask = (self: Rle): BinaryMask => {
  const mask = empty(self.width, self.height)
  paint(self, mask.data, 1)
  return mask
}

/** Gives the pixels of the mask an id, in place; `data` holds `[height, width]` ids. */
export const paint = (self: Rle, data: LabelData, id: number): void => {
  const { counts, height, width } = self
  let x = 0
  let y = 0
  for (let i = 0; i < counts.length; i++) {
    let left = counts[i]!
    if (i % 2 === 0) {
      x += Math.floor((y + left) / height)
      y = (y + left) % height
      continue
    }
    while (left > 0) {
      const end = Math.min(height, y + left)
      for (let row = y; row < end; row++) data[row * width + x] = id
      left -= end - y
      y = end
      if (y === height) {
        y = 0
        x++
      }
    }
  }
}

/** Pixels in the mask. */
export const area = ({ counts }: Pick<Rle, "counts">): number => {
  let sum = 0
  for (let i = 1; i < counts.length; i += 2) sum += counts[i]!
  return sum
}

/** The smallest box that holds the mask; `undefined` where it is empty. */
export const box = (self: Rle): Box | undefined => {
  const { counts, height, width } = self
  let left = width
  let right = 0
  let top = height
  let bottom = 0
  let start = 0
  for (let i = 0; i < counts.length; i++) {
    const end = start + counts[i]!
    if (i % 2 === 1 && end > start) {
      const first = Math.floor(start / height)
      const last = Math.floor((end - 1) / height)
      left = Math.min(left, first)
      right = Math.max(right, last + 1)
      // A run over a column's end covers the head of the next one, and all between.
      top = first < last ? 0 : Math.min(top, start % height)
      bottom = first < last ? height : Math.max(bottom, ((end - 1) % height) + 1)
    }
    start = end
  }
  return right === 0 ? undefined : { x: left, y: top, width: right - left, height: bottom - top }
}

/** As COCO's JSON has it, compressed unless said otherwise. */
export const toCoco = (self: Rle, options: { readonly compressed?: boolean } = {}): CocoRle => ({
  size: [self.height, self.width],
  counts: options.compressed === false ? Array.from(self.counts) : compress(self.counts)
})

/** From COCO's JSON, compressed or not. Fails where the counts are no numbers or do not sum up to the size. */
export const fromCoco = (
  rle: CocoRle,
  name = "segmentation.counts"
): Result.Result<Rle, MaskNotDecodable> => {
  const [height, width] = rle.size
  const counts = typeof rle.counts === "string" ? decompress(rle.counts) : rle.counts
  if (typeof counts === "string") return fail(name, counts)
  return Result.map(checked(name, counts, width, height), (counts) => ({ width, height, counts }))
}

/** Runs of so many pixels. Fails where they are no whole numbers, or do not sum up to them. @internal */
export const checked = (
  name: string,
  counts: ArrayLike<number>,
  width: number,
  height: number
): Result.Result<Uint32Array, MaskNotDecodable> =>
  Result.flatMap(pixels(name, width, height), (size) => {
    let sum = 0
    const out = new Uint32Array(counts.length)
    for (let i = 0; i < counts.length; i++) {
      const count = counts[i]!
      if (!Number.isInteger(count) || count < 0) return fail(name, `its run ${i} is ${count}`)
      out[i] = count
      sum += count
    }
    return sum === size
      ? Result.succeed(out)
      : fail(name, `its runs sum up to ${sum}, and ${width} x ${height} pixels to ${size}`)
  })

const latin = new TextDecoder("latin1")

/** Counts as text. */
export const compress = (counts: ArrayLike<number>): string => {
  // Seven groups of five bits hold any difference of two counts.
  let codes = new Uint8Array(1024)
  let size = 0
  for (let i = 0; i < counts.length; i++) {
    if (size + 7 > codes.length) codes = new Uint8Array(codes.buffer.transfer(codes.length * 2))
    let value = i > 2 ? counts[i]! - counts[i - 2]! : counts[i]!
    let more = true
    while (more) {
      const group = value & 0x1f
      value = value > 0x7fffffff || value < -0x80000000 ? Math.floor(value / 32) : value >> 5
      // The fifth bit is the sign of what is left.
      more = (group & 0x10) === 0 ? value !== 0 : value !== -1
      codes[size++] = (more ? group | 0x20 : group) + 48
    }
  }
  return latin.decode(codes.subarray(0, size))
}

/** Counts from text; or what is wrong with it. */
const decompress = (text: string): Uint32Array | string => {
  const counts = new Uint32Array(text.length)
  let size = 0
  let at = 0
  while (at < text.length) {
    let value = 0
    let weight = 1
    let code: number
    do {
      if (at === text.length) return "it ends within a number"
      code = text.charCodeAt(at) - 48
      if (code < 0 || code > 63) return `it has the character ${JSON.stringify(text[at])} at ${at}`
      if (weight > 0x40000000) return `the number at ${at} is too long`
      value += (code & 0x1f) * weight
      at++
      weight *= 32
    } while ((code & 0x20) !== 0)
    if ((code & 0x10) !== 0) value -= weight
    if (size > 2) value += counts[size - 2]!
    if (value < 0 || value > 0xffffffff) return `count ${size} is ${value}`
    counts[size++] = value
  }
  return counts.subarray(0, size)
}

/**
 * Where ids change down the columns: column `x` has a run starting at each of `rows[columns[x]]` to `rows[columns[x + 1]]`
 * (exclusive), the first at row 0, and `ids` of the same place.
 */
interface Changes {
  readonly columns: Uint32Array
  readonly ids: Uint32Array
  readonly rows: Uint32Array
}

/** Rows are compared, and ids read, as they lie in memory. */
function* verticalChanges(data: LabelData, width: number, height: number): Steps.Steps<Changes> {
  const pause = Steps.rowsPerStep(width)
  let capacity = Math.max(4096, width * 4)
  let xs = new Uint32Array(capacity)
  let ys = new Uint32Array(capacity)
  let found = new Uint32Array(capacity)
  let size = 0
  const counts = new Uint32Array(width + 1).fill(1)
  const words =
    data instanceof Uint8Array && width % 4 === 0 && data.byteOffset % 4 === 0
      ? new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)
      : undefined
  for (let y = 1; y < height; y++) {
    if (y % pause === pause - 1) yield
    if (size + width > capacity) {
      capacity *= 2
      xs = new Uint32Array(xs.buffer.transfer(capacity * 4))
      ys = new Uint32Array(ys.buffer.transfer(capacity * 4))
      found = new Uint32Array(found.buffer.transfer(capacity * 4))
    }
    const row = y * width
    for (let x = 0; x < width; x++) {
      if (words !== undefined && x % 4 === 0) {
        const stride = width >> 2
        let word = (row + x) >> 2
        const end = (row + width) >> 2
        while (word < end && words[word] === words[word - stride]) word++
        x = (word << 2) - row
        if (x === width) break
      }
      if (data[row + x] !== data[row + x - width]) {
        xs[size] = x
        found[size] = data[row + x]!
        ys[size++] = y
        counts[x]!++
      }
    }
  }
  const columns = new Uint32Array(width + 1)
  for (let x = 0; x < width; x++) columns[x + 1] = columns[x]! + counts[x]!
  const rows = new Uint32Array(columns[width]!)
  const ids = new Uint32Array(columns[width]!)
  const next = columns.slice()
  for (let x = 0; x < width; x++) ids[next[x]!++] = data[x]!
  for (let i = 0; i < size; i++) {
    if (i % Steps.pixelsPerStep === Steps.pixelsPerStep - 1) yield
    const at = next[xs[i]!]!++
    rows[at] = ys[i]!
    ids[at] = found[i]!
  }
  return { columns, ids, rows }
}
