/**
 * CVAT's masks: the pixels of a box, row by row, in three forms. Its REST API has run lengths and then the box
 * (`points`), "CVAT for images 1.1" the same as attributes (`rle`, `left`, `top`, `width`, `height`), and functions answer with
 * every pixel and then the box.
 *
 * Runs outside and inside the mask take turns, the first one outside (0 long where the first pixel of the box is inside).
 * The four numbers of a box are its first and its last column and row: the last ones are part of it.
 *
 * ```ts
 * import { Result } from "effect"
 * import { CvatMask } from "effect-segformer/annotation"
 * import { BinaryMask } from "effect-segformer/mask"
 *
 * const mask = BinaryMask.fromRows(["....", ".##.", "..#."])
 * const own = CvatMask.fromMask(mask)!
 * CvatMask.toPoints(own) // => [0, 2, 1, 1, 1, 1, 2, 2]
 * CvatMask.toPixels(own) // => [1, 1, 0, 1, 1, 1, 2, 2]
 * CvatMask.toAttributes(own) // => { rle: "0, 2, 1, 1", left: 1, top: 1, width: 2, height: 2 }
 * const back = CvatMask.toMask(own, { width: 4, height: 3 })
 * BinaryMask.toRows(Result.getOrThrow(back)) // => ["....", ".##.", "..#."]
 * ```
 */
import { Result } from "effect"
import { dual } from "effect/Function"
import { type BinaryMask, empty } from "./BinaryMask.ts"
import type { LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable, pixels } from "./MaskError.ts"
import type { Box } from "./Region.ts"
import * as Rle from "./Rle.ts"
import * as Spans from "./Spans.ts"
import * as Steps from "./Steps.ts"

/** A mask within a box of an image; `counts` sum up to the pixels of the box. */
export interface CvatMask {
  readonly box: Box
  readonly counts: Uint32Array
}

/** The attributes of `<mask>` in "CVAT for images 1.1". */
export interface Attributes {
  /** Run lengths with a comma and a space between. */
  readonly rle: string
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Of an image, in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** The runs of a mask within the smallest box around it; `undefined` where it is empty. */
export const fromMask = (mask: BinaryMask): CvatMask | undefined => ofSpans(Steps.runSync(Spans.ofMask(mask)))

/** The same of spans, each within one row. @internal */
export const ofSpans = (spans: Spans.Spans): CvatMask | undefined => {
  const box = Spans.box(spans)
  if (box === undefined) return undefined
  const { ends, starts, width } = spans
  const counts = new Uint32Array(starts.length * 2 + 1)
  let size = 0
  // Pixels of the box that are counted.
  let at = 0
  for (let i = 0; i < starts.length; i++) {
    const row = Math.floor(starts[i]! / width)
    const start = (row - box.y) * box.width + (starts[i]! - row * width - box.x)
    const length = ends[i]! - starts[i]!
    // A run at the right side of the box goes on at its left.
    if (start === at && size > 0) counts[size - 1] = counts[size - 1]! + length
    else {
      counts[size++] = start - at
      counts[size++] = length
    }
    at = start + length
  }
  const left = box.width * box.height - at
  if (left > 0) counts[size++] = left
  return { box, counts: counts.slice(0, size) }
}

/** The mask of an image of that size. Fails where the box reaches beyond the image. */
export const toMask: {
  (image: Size): (self: CvatMask) => Result.Result<BinaryMask, MaskNotDecodable>
  (self: CvatMask, image: Size): Result.Result<BinaryMask, MaskNotDecodable>
} = dual(2, (self: CvatMask, { height, width }: Size): Result.Result<BinaryMask, MaskNotDecodable> =>
  Result.flatMap(pixels("mask", width, height), () => {
    const mask = empty(width, height)
    return Result.map(paint(self, mask, 1), () => mask)
  })
)

/** Gives the pixels of the mask an id, in place. Fails where the box reaches beyond the image. */
export const paint = (
  { box, counts }: CvatMask,
  onto: LabelMap | BinaryMask,
  id: number
): Result.Result<void, MaskNotDecodable> => {
  if (box.x < 0 || box.y < 0 || box.x + box.width > onto.width || box.y + box.height > onto.height)
    return fail(
      "mask",
      `its box, columns ${box.x} to ${box.x + box.width - 1} and rows ${box.y} to ${box.y + box.height - 1}, reaches beyond ` +
        `the image of ${onto.width} x ${onto.height}`
    )
  let at = 0
  for (let i = 0; i < counts.length; i++) {
    let left = counts[i]!
    if (i % 2 === 0) {
      at += left
      continue
    }
    while (left > 0) {
      const row = Math.floor(at / box.width)
      const column = at - row * box.width
      const length = Math.min(left, box.width - column)
      const first = (box.y + row) * onto.width + box.x + column
      onto.data.fill(id, first, first + length)
      at += length
      left -= length
    }
  }
  return Result.succeed(undefined)
}

/** Pixels in the mask. */
export const area: (self: CvatMask) => number = Rle.area

/** First and last column and row, both part of the box. */
const corners = ({ height, width, x, y }: Box): readonly [number, number, number, number] => [
  x,
  y,
  x + width - 1,
  y + height - 1
]

/** The `points` of a mask in CVAT's REST API: run lengths, then the box. */
export const toPoints = ({ box, counts }: CvatMask): ReadonlyArray<number> => [...counts, ...corners(box)]

/** From the `points` of CVAT's REST API. */
export const fromPoints = (points: ReadonlyArray<number>): Result.Result<CvatMask, MaskNotDecodable> =>
  Result.flatMap(split(points), ({ box, values }) => make(values, box))

/** The `mask` of a function's answer: each pixel of the box as 0 or 1, then the box. */
export const toPixels = ({ box, counts }: CvatMask): ReadonlyArray<number> => {
  const pixels = new Uint8Array(box.width * box.height)
  let at = 0
  for (let i = 0; i < counts.length; i++) {
    const end = at + counts[i]!
    if (i % 2 === 1) pixels.fill(1, at, end)
    at = end
  }
  const out = Array.from(pixels)
  out.push(...corners(box))
  return out
}

/** From the `mask` of a function's answer. Every pixel that is not 0 is inside. */
export const fromPixels = (values: ReadonlyArray<number>): Result.Result<CvatMask, MaskNotDecodable> =>
  Result.flatMap(split(values), ({ box, values }) => {
    if (values.length !== box.width * box.height)
      return fail(
        "mask",
        `it has ${values.length} pixels, and its box of ${box.width} x ${box.height} more or fewer`
      )
    const counts: Array<number> = []
    let inside = false
    let run = 0
    for (const value of values) {
      if ((value !== 0) !== inside) {
        counts.push(run)
        inside = !inside
        run = 0
      }
      run++
    }
    counts.push(run)
    return make(counts, box)
  })

/** The attributes of `<mask>` in "CVAT for images 1.1". */
export const toAttributes = ({ box, counts }: CvatMask): Attributes => ({
  rle: counts.join(", "),
  left: box.x,
  top: box.y,
  width: box.width,
  height: box.height
})

/** From the attributes of `<mask>`. Fails where they are no whole numbers, or the runs do not sum up to the box. */
export const fromAttributes = (attributes: Attributes): Result.Result<CvatMask, MaskNotDecodable> => {
  const { height, left, rle, top, width } = attributes
  const counts =
    rle.trim() === "" ? [] : rle.split(",").map((count) => (count.trim() === "" ? NaN : Number(count)))
  return make(counts, { x: left, y: top, width, height })
}

/** What comes before the box, and the box. */
const split = (
  points: ReadonlyArray<number>
): Result.Result<{ readonly values: ReadonlyArray<number>; readonly box: Box }, MaskNotDecodable> => {
  const [left, top, right, bottom] = points.slice(-4)
  if (
    points.length < 5 ||
    left === undefined ||
    top === undefined ||
    right === undefined ||
    bottom === undefined
  )
    return fail(
      "mask",
      `it has ${points.length} numbers: some for its pixels, and four for its box, are the least`
    )
  const box = { x: left, y: top, width: right - left + 1, height: bottom - top + 1 }
  return Result.succeed({ values: points.slice(0, -4), box })
}

/** A mask, once its runs are held against its box. */
const make = (counts: ReadonlyArray<number>, box: Box): Result.Result<CvatMask, MaskNotDecodable> => {
  if (!Number.isInteger(box.x) || !Number.isInteger(box.y))
    return fail("mask", `its box begins at ${box.x}, ${box.y}, which is no pixel`)
  return Result.map(Rle.checked("mask", counts, box.width, box.height), (counts) => ({ box, counts }))
}
