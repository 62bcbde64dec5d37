/**
 * A binary mask: which pixels belong to one thing. One byte per pixel, 0 or 1, row-major.
 *
 * Bytes, not bits: packed, `and` and `area` of 4,000 x 3,000 pixels take 0.5 ms instead of 8, but making a mask and
 * reading its pixels take 12 ms either way, and label maps, pictures and outlines share these loops as they are.
 *
 * ```ts
 * import { BinaryMask } from "effect-segformer/mask"
 *
 * const mask = BinaryMask.fromRows(["..#", ".##"])
 * BinaryMask.area(mask) // => 3
 * BinaryMask.toRows(BinaryMask.not(mask)) // => ["##.", "#.."]
 * ```
 */
import { Result } from "effect"
import { dual } from "effect/Function"
import * as Grid from "./Grid.ts"
import type { LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable, pixels, sized } from "./MaskError.ts"
import type { Box } from "./Region.ts"

/** `data` holds `[height, width]` bytes, row-major: 1 in the mask, 0 outside. */
export interface BinaryMask {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  readonly data: Uint8Array
}

/** A mask, once its sizes are checked against its data and every byte is 0 or 1. */
export const make = (options: BinaryMask): Result.Result<BinaryMask, MaskNotDecodable> =>
  Result.flatMap(sized("binary mask", "bytes", options), (mask) => {
    const { data } = mask
    for (let i = 0; i < data.length; i++) {
      if (data[i]! > 1) return fail("binary mask", `byte ${i} is ${data[i]}, neither 0 nor 1`)
    }
    return Result.succeed(mask)
  })

/** A mask of no pixels. Throws `MaskNotDecodable` for a size that no mask has. */
export const empty = (width: number, height: number): BinaryMask => ({
  width,
  height,
  data: new Uint8Array(Result.getOrThrow(pixels("binary mask", width, height)))
})

const alike: Grid.Empty<BinaryMask> = (like, width = like.width, height = like.height) => empty(width, height)

/** A mask drawn in text, for tests and examples: `#` is in the mask, everything else outside. */
export const fromRows = (rows: ReadonlyArray<string>): BinaryMask => {
  const height = rows.length
  const width = rows[0]?.length ?? 0
  const data = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data[y * width + x] = rows[y]![x] === "#" ? 1 : 0
  }
  return { width, height, data }
}

/** The inverse of {@link fromRows}: `#` and `.`. */
export const toRows = (self: BinaryMask): ReadonlyArray<string> =>
  Array.from({ length: self.height }, (_, y) =>
    Array.from(self.data.subarray(y * self.width, (y + 1) * self.width), (v) => (v === 0 ? "." : "#")).join(
      ""
    )
  )

/** The pixels of one class. */
export const fromLabelMap = (map: LabelMap, classId: number): BinaryMask => {
  const source = map.data
  const data = new Uint8Array(source.length)
  for (let i = 0; i < source.length; i++) data[i] = source[i] === classId ? 1 : 0
  return { width: map.width, height: map.height, data }
}

/** The label map of a mask: `inside` (1 by default) in it, `outside` (0) elsewhere. Ids up to 255. */
export const toLabelMap = (self: BinaryMask, inside = 1, outside = 0): LabelMap => {
  const data = new Uint8Array(self.data.length)
  for (let i = 0; i < data.length; i++) data[i] = self.data[i] === 0 ? outside : inside
  return { width: self.width, height: self.height, data }
}

/** Whether column `x`, row `y` is in the mask; outside the image nothing is. */
export const has: {
  (x: number, y: number): (self: BinaryMask) => boolean
  (self: BinaryMask, x: number, y: number): boolean
} = dual(
  3,
  (self: BinaryMask, x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < self.width && y < self.height && self.data[y * self.width + x] === 1
)

/** Pixels in the mask. */
export const area = (self: BinaryMask): number => {
  const { data } = self
  let sum = 0
  for (let i = 0; i < data.length; i++) sum += data[i]!
  return sum
}

/** The smallest box that holds the mask; `undefined` where it is empty. */
export const box = (self: BinaryMask): Box | undefined => {
  const { data, height, width } = self
  let left = width
  let right = 0
  let top = -1
  let bottom = 0
  for (let y = 0; y < height; y++) {
    const at = data.indexOf(1, y * width)
    if (at < 0) break
    // Rows without a pixel are skipped, not searched again.
    y = Math.floor(at / width)
    if (top < 0) top = y
    bottom = y + 1
    left = Math.min(left, at - y * width)
    right = Math.max(right, data.lastIndexOf(1, (y + 1) * width - 1) - y * width + 1)
  }
  return top < 0 ? undefined : { x: left, y: top, width: right - left, height: bottom - top }
}

/** Whether two masks have the same size and the same pixels. */
export const equals: {
  (that: BinaryMask): (self: BinaryMask) => boolean
  (self: BinaryMask, that: BinaryMask): boolean
} = dual(2, Grid.equals)

/** Pixels in both. Both masks must be equally large, as for every operation on two. */
export const and: {
  (that: BinaryMask): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, that: BinaryMask): BinaryMask
} = dual(2, (self: BinaryMask, that: BinaryMask): BinaryMask => {
  const data = new Uint8Array(self.data.length)
  for (let i = 0; i < data.length; i++) data[i] = self.data[i]! & that.data[i]!
  return { ...self, data }
})

/** Pixels in either. */
export const or: {
  (that: BinaryMask): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, that: BinaryMask): BinaryMask
} = dual(2, (self: BinaryMask, that: BinaryMask): BinaryMask => {
  const data = new Uint8Array(self.data.length)
  for (let i = 0; i < data.length; i++) data[i] = self.data[i]! | that.data[i]!
  return { ...self, data }
})

/** Pixels in exactly one. */
export const xor: {
  (that: BinaryMask): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, that: BinaryMask): BinaryMask
} = dual(2, (self: BinaryMask, that: BinaryMask): BinaryMask => {
  const data = new Uint8Array(self.data.length)
  for (let i = 0; i < data.length; i++) data[i] = self.data[i]! ^ that.data[i]!
  return { ...self, data }
})

/** Pixels of the first that are not in the second. */
export const without: {
  (that: BinaryMask): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, that: BinaryMask): BinaryMask
} = dual(2, (self: BinaryMask, that: BinaryMask): BinaryMask => {
  const data = new Uint8Array(self.data.length)
  for (let i = 0; i < data.length; i++) data[i] = self.data[i]! & (that.data[i]! ^ 1)
  return { ...self, data }
})

/** Pixels outside the mask. */
export const not = (self: BinaryMask): BinaryMask => {
  const data = new Uint8Array(self.data.length)
  for (let i = 0; i < data.length; i++) data[i] = self.data[i]! ^ 1
  return { ...self, data }
}

/** Pixels in both over pixels in either; 1 where both are empty. */
export const iou: {
  (that: BinaryMask): (self: BinaryMask) => number
  (self: BinaryMask, that: BinaryMask): number
} = dual(2, (self: BinaryMask, that: BinaryMask): number => {
  let both = 0
  let either = 0
  for (let i = 0; i < self.data.length; i++) {
    both += self.data[i]! & that.data[i]!
    either += self.data[i]! | that.data[i]!
  }
  return either === 0 ? 1 : both / either
})

/** The part inside `box`; `undefined` where none of the mask is. */
export const crop: {
  (box: Box): (self: BinaryMask) => BinaryMask | undefined
  (self: BinaryMask, box: Box): BinaryMask | undefined
} = dual(2, (self: BinaryMask, box: Box): BinaryMask | undefined => Grid.crop(self, box, alike))

/** Left becomes right. */
export const flipX = (self: BinaryMask): BinaryMask => Grid.flipX(self, alike)

/** Top becomes bottom. */
export const flipY = (self: BinaryMask): BinaryMask => Grid.flipY(self, alike)

/** Turned clockwise by so many degrees. */
export const rotate: {
  (turn: Grid.Turn): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, turn: Grid.Turn): BinaryMask
} = dual(2, (self: BinaryMask, turn: Grid.Turn): BinaryMask => Grid.rotate(self, turn, alike))

/** The mask at another size, by nearest neighbour as in `LabelMap.resize`, which throws for the same sizes. */
export const resize: {
  (width: number, height: number): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, width: number, height: number): BinaryMask
} = dual(3, (self: BinaryMask, width: number, height: number): BinaryMask => {
  Result.getOrThrow(pixels("binary mask", width, height))
  return Grid.resize(self, width, height, alike)
})
