/**
 * A label map: one class id per pixel, row-major, the top left pixel first.
 *
 * Ids are held in 8, 16 or 32 bits, whichever the data came in. An `ignoreIndex` marks pixels that belong to no
 * class (255 in most data sets).
 *
 * ```ts
 * import { LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 1, 1) })
 * LabelMap.at(map, 2, 0) // => 1
 * LabelMap.histogram(map) // => new Map([[0, 1], [1, 2]])
 * ```
 */
import { Result } from "effect"
import { dual } from "effect/Function"
import * as Grid from "./Grid.ts"
import { allocate, type LabelData, sameStorage } from "./Grid.ts"
import { largestId, type MaskNotDecodable, pixels, sized } from "./MaskError.ts"
import type { Box } from "./Region.ts"

export { allocate, type LabelData, sameStorage }

/** `data` holds `[height, width]` class ids, row-major. */
export interface LabelMap {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  readonly data: LabelData
  /** The id of pixels that belong to no class. */
  readonly ignoreIndex?: number | undefined
}

/** A label map, once its sizes are checked against its data. */
export const make = (options: LabelMap): Result.Result<LabelMap, MaskNotDecodable> =>
  sized("label map", "ids", options)

/** Like {@link make}, for sizes known to be right: throws `MaskNotDecodable` where they are not. */
export const makeUnsafe = (options: LabelMap): LabelMap => Result.getOrThrow(make(options))

/** A map of one id throughout. Throws `MaskNotDecodable` for a size or an id that no map has. */
export const filled = (width: number, height: number, id: number): LabelMap =>
  Result.getOrThrow(canvas(width, height, [], id))

/**
 * The id for pixels of no class, which none of `taken` has: 255 as most data sets have it; where a class is called so,
 * the first id above all of them, or, where the largest is taken too, the lowest that is free. @internal
 */
export const freeId = (taken: Iterable<number>): number => {
  const ids = new Set(taken)
  if (!ids.has(255)) return 255
  let most = 0
  for (const id of ids) if (id > most) most = id
  if (most < 0xffffffff) return most + 1
  let lowest = 0
  while (ids.has(lowest)) lowest++
  return lowest
}

/** A map that these ids can be painted on: of `gap` throughout, or of a free id, which is then the ignored one. @internal */
export const canvas = (
  width: number,
  height: number,
  ids: Iterable<number>,
  gap?: number
): Result.Result<LabelMap, MaskNotDecodable> => {
  const taken = [...ids]
  const ground = gap ?? freeId(taken)
  const size = pixels("label map", width, height)
  if (Result.isFailure(size)) return Result.fail(size.failure)
  return Result.map(largestId("label map", [ground, ...taken]), (most) => {
    const data = allocate(most, size.success).fill(ground)
    return gap === undefined ? { width, height, data, ignoreIndex: ground } : { width, height, data }
  })
}

const empty: Grid.Empty<LabelMap> = (like, width = like.width, height = like.height) => ({
  ...like,
  width,
  height,
  data: sameStorage(like.data, width * height)
})

/** The id at column `x`, row `y`; `undefined` outside the map. */
export const at: {
  (x: number, y: number): (self: LabelMap) => number | undefined
  (self: LabelMap, x: number, y: number): number | undefined
} = dual(3, (self: LabelMap, x: number, y: number): number | undefined =>
  x >= 0 && y >= 0 && x < self.width && y < self.height ? self.data[y * self.width + x] : undefined
)

/** Pixels per id, ascending by id. The ignored id is not counted. */
export const histogram = (self: LabelMap): Map<number, number> => {
  const { data } = self
  const counts = new Map<number, number>()
  if (data instanceof Uint32Array) {
    for (let i = 0; i < data.length; i++) counts.set(data[i]!, (counts.get(data[i]!) ?? 0) + 1)
  } else {
    const bins = new Uint32Array(data instanceof Uint8Array ? 0x100 : 0x10000)
    const words = data instanceof Uint8Array && data.byteOffset % 4 === 0 ? data.length >> 2 : 0
    if (words > 0) countWords(new Uint32Array(data.buffer, data.byteOffset, words), bins)
    for (let i = words << 2; i < data.length; i++) bins[data[i]!]!++
    for (let id = 0; id < bins.length; id++) if (bins[id]! > 0) counts.set(id, bins[id]!)
  }
  if (self.ignoreIndex !== undefined) counts.delete(self.ignoreIndex)
  return new Map([...counts].sort((a, b) => a[0] - b[0]))
}

/** Neighbours mostly agree: equal words of four pixels are counted, and only their ends touch the table. */
const countWords = (words: Uint32Array, bins: Uint32Array): void => {
  const { length } = words
  let i = 0
  while (i < length) {
    const word = words[i]!
    const start = i
    do i++
    while (i < length && words[i] === word)
    const count = i - start
    bins[word & 0xff]! += count
    bins[(word >>> 8) & 0xff]! += count
    bins[(word >>> 16) & 0xff]! += count
    bins[word >>> 24]! += count
  }
}

/** Whether two maps have the same size and the same id at every pixel, whatever their storage. */
export const equals: {
  (that: LabelMap): (self: LabelMap) => boolean
  (self: LabelMap, that: LabelMap): boolean
} = dual(2, Grid.equals)

/**
 * The map at another size, by nearest neighbour: pixel `(x, y)` takes the source pixel under its centre, as
 * Pillow's `NEAREST` does but where a centre lies between two, of which this takes the later one, and Pillow the one that its
 * sums round to. OpenCV's `INTER_NEAREST_EXACT` takes the one before where a centre lies between two: of 8
 * columns made 4 it has 0, 2, 4, 6, and this 1, 3, 5, 7. Throws `MaskNotDecodable` for a size that no map has.
 */
export const resize: {
  (width: number, height: number): (self: LabelMap) => LabelMap
  (self: LabelMap, width: number, height: number): LabelMap
} = dual(3, (self: LabelMap, width: number, height: number): LabelMap => {
  Result.getOrThrow(pixels("label map", width, height))
  return Grid.resize(self, width, height, empty)
})

/** The part inside `box`; `undefined` where none of the map is. */
export const crop: {
  (box: Box): (self: LabelMap) => LabelMap | undefined
  (self: LabelMap, box: Box): LabelMap | undefined
} = dual(2, (self: LabelMap, box: Box): LabelMap | undefined => Grid.crop(self, box, empty))

/** Left becomes right. */
export const flipX = (self: LabelMap): LabelMap => Grid.flipX(self, empty)

/** Top becomes bottom. */
export const flipY = (self: LabelMap): LabelMap => Grid.flipY(self, empty)

/** Turned clockwise by so many degrees. */
export const rotate: {
  (turn: Grid.Turn): (self: LabelMap) => LabelMap
  (self: LabelMap, turn: Grid.Turn): LabelMap
} = dual(2, (self: LabelMap, turn: Grid.Turn): LabelMap => Grid.rotate(self, turn, empty))

/**
 * Ids replaced by others; ids that `ids` lacks stay. Several ids with one replacement merge. The ignored pixels
 * stay ignored. Throws `MaskNotDecodable` where a replacement is no id.
 */
export const remap: {
  (ids: ReadonlyMap<number, number>): (self: LabelMap) => LabelMap
  (self: LabelMap, ids: ReadonlyMap<number, number>): LabelMap
} = dual(2, (self: LabelMap, ids: ReadonlyMap<number, number>): LabelMap => {
  const source = self.data
  const replaced = new Map(ids)
  if (self.ignoreIndex !== undefined) replaced.delete(self.ignoreIndex)
  const maxId = Result.getOrThrow(largestId("label map", replaced.values()))
  const width = Math.max(
    maxId,
    source instanceof Uint8Array ? 0xff : source instanceof Uint16Array ? 0xffff : 0xffffffff
  )
  const data = allocate(width, source.length)
  if (source instanceof Uint32Array) {
    for (let i = 0; i < data.length; i++) data[i] = replaced.get(source[i]!) ?? source[i]!
  } else {
    const table = Uint32Array.from({ length: source instanceof Uint8Array ? 0x100 : 0x10000 }, (_, id) => id)
    for (const [from, to] of replaced) if (from in table) table[from] = to
    for (let i = 0; i < data.length; i++) data[i] = table[source[i]!]!
  }
  return { ...self, data }
})

/** Classes merged into one: every id of `ids` becomes `into`. */
export const merge: {
  (ids: Iterable<number>, into: number): (self: LabelMap) => LabelMap
  (self: LabelMap, ids: Iterable<number>, into: number): LabelMap
} = dual(3, (self: LabelMap, ids: Iterable<number>, into: number): LabelMap =>
  remap(self, new Map(Array.from(ids, (id) => [id, into])))
)
