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
import { MaskNotDecodable } from "./MaskError.ts"

/** Storage of class ids. */
export type LabelData = Uint8Array | Uint16Array | Uint32Array

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
export const make = (options: LabelMap): Result.Result<LabelMap, MaskNotDecodable> => {
  const { width, height, data } = options
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    return Result.fail(
      new MaskNotDecodable({
        mask: "label map",
        detail: `its size must be positive integers, but is ${width} x ${height}`
      })
    )
  }
  if (data.length !== width * height) {
    return Result.fail(
      new MaskNotDecodable({
        mask: "label map",
        detail: `${width} x ${height} pixels need ${width * height} ids, but there are ${data.length}`
      })
    )
  }
  return Result.succeed(options)
}

/** Like {@link make}, for sizes known to be right: throws `MaskNotDecodable` where they are not. */
export const makeUnsafe = (options: LabelMap): LabelMap => Result.getOrThrow(make(options))

/** The narrowest storage that holds ids up to `maxId`. */
export const allocate = (maxId: number, length: number): LabelData =>
  maxId <= 0xff ? new Uint8Array(length) : maxId <= 0xffff ? new Uint16Array(length) : new Uint32Array(length)

/** Empty storage as wide as another. */
export const sameStorage = (data: LabelData, length: number): LabelData =>
  data instanceof Uint8Array
    ? new Uint8Array(length)
    : data instanceof Uint16Array
      ? new Uint16Array(length)
      : new Uint32Array(length)

/** A map of one id throughout. */
export const filled = (width: number, height: number, id: number): LabelMap => ({
  width,
  height,
  data: allocate(id, width * height).fill(id)
})

/** The id at column `x`, row `y`; `undefined` outside the map. */
export const at = (self: LabelMap, x: number, y: number): number | undefined =>
  x >= 0 && y >= 0 && x < self.width && y < self.height ? self.data[y * self.width + x] : undefined

/** Pixels per id, ascending by id. The ignored id is not counted. */
export const histogram = (self: LabelMap): Map<number, number> => {
  const { data } = self
  const counts = new Map<number, number>()
  if (data instanceof Uint8Array || data instanceof Uint16Array) {
    const bins = new Uint32Array(data instanceof Uint8Array ? 0x100 : 0x10000)
    for (let i = 0; i < data.length; i++) bins[data[i]!]!++
    for (let id = 0; id < bins.length; id++) {
      if (bins[id]! > 0) counts.set(id, bins[id]!)
    }
  } else {
    for (let i = 0; i < data.length; i++) counts.set(data[i]!, (counts.get(data[i]!) ?? 0) + 1)
  }
  if (self.ignoreIndex !== undefined) counts.delete(self.ignoreIndex)
  return new Map([...counts].sort((a, b) => a[0] - b[0]))
}

/** Whether two maps have the same size and the same id at every pixel, whatever their storage. */
export const equals = (self: LabelMap, that: LabelMap): boolean => {
  if (self.width !== that.width || self.height !== that.height) return false
  const a = self.data
  const b = that.data
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false
  }
  return true
}

/**
 * The map at another size, by nearest neighbour: pixel `(x, y)` takes the source pixel under its centre, as
 * OpenCV's `INTER_NEAREST_EXACT` and Pillow's `NEAREST` do.
 */
export const resize = (self: LabelMap, width: number, height: number): LabelMap => {
  if (width === self.width && height === self.height) return self
  const source = self.data
  const data = sameStorage(source, width * height)
  const columns = new Uint32Array(width)
  for (let x = 0; x < width; x++)
    columns[x] = Math.min(self.width - 1, Math.floor(((x + 0.5) * self.width) / width))
  for (let y = 0; y < height; y++) {
    const row = Math.min(self.height - 1, Math.floor(((y + 0.5) * self.height) / height)) * self.width
    const out = y * width
    for (let x = 0; x < width; x++) data[out + x] = source[row + columns[x]!]!
  }
  return { ...self, width, height, data }
}
