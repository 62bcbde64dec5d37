/**
 * Pixels row by row: their storage, and moving them about, which label maps, binary masks and confidence maps have in common. No
 * Effect here: the ONNX transport uses it in its session's process.
 */
import type { Box } from "./Region.ts"

/** One value a pixel, row-major. */
export interface Grid<Data> {
  readonly width: number
  readonly height: number
  readonly data: Data
}

/** Storage of class ids. */
export type LabelData = Uint8Array | Uint16Array | Uint32Array

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

/**
 * Gives the memory of an array back at once; whoever still looks at it finds it empty. The collector comes by how much has
 * been taken since it last came, and walks the whole heap then: with pixels left to it, after every ten pictures or so.
 */
export const release = ({ buffer, byteLength }: ArrayBufferView): void => {
  // A part of something larger is not this one's to give back.
  if (!(buffer instanceof ArrayBuffer) || byteLength === 0 || buffer.byteLength !== byteLength) return
  // Older browsers leave it to the collector.
  if ("transfer" in buffer) buffer.transfer(0)
}

/** A clockwise turn, in degrees. */
export type Turn = 90 | 180 | 270

type Values = Uint8Array | Uint16Array | Uint32Array | Float32Array

/** Makes a grid of the same kind with room for other pixels, as large unless told otherwise. */
export type Empty<Self> = (like: Self, width?: number, height?: number) => Self

/** Whether two grids have the same size and the same values, whatever their storage. */
export const equals = (self: Grid<Values>, that: Grid<Values>): boolean => {
  if (self.width !== that.width || self.height !== that.height) return false
  const a = self.data
  const b = that.data
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false
  }
  return true
}

/** The part inside `box`; `undefined` where there is none. */
export const crop = <Self extends Grid<Values>>(
  from: Self,
  box: Box,
  empty: Empty<Self>
): Self | undefined => {
  const x = Math.max(0, Math.floor(box.x))
  const y = Math.max(0, Math.floor(box.y))
  const width = Math.min(from.width, Math.ceil(box.x + box.width)) - x
  const height = Math.min(from.height, Math.ceil(box.y + box.height)) - y
  if (!(width > 0 && height > 0)) return undefined
  const out = empty(from, width, height)
  for (let row = 0; row < height; row++) {
    const start = (y + row) * from.width + x
    out.data.set(from.data.subarray(start, start + width), row * width)
  }
  return out
}

/** Left becomes right. */
export const flipX = <Self extends Grid<Values>>(from: Self, empty: Empty<Self>): Self => {
  const { data, height, width } = from
  const out = empty(from)
  const to: Values = out.data
  for (let y = 0; y < height; y++) {
    const row = y * width
    for (let x = 0; x < width; x++) to[row + x] = data[row + width - 1 - x]!
  }
  return out
}

/** Top becomes bottom. */
export const flipY = <Self extends Grid<Values>>(from: Self, empty: Empty<Self>): Self => {
  const { data, height, width } = from
  const out = empty(from)
  for (let y = 0; y < height; y++) {
    out.data.set(data.subarray((height - 1 - y) * width, (height - y) * width), y * width)
  }
  return out
}

/** Turned clockwise; by 90 or 270 degrees width and height change places. */
export const rotate = <Self extends Grid<Values>>(from: Self, turn: Turn, empty: Empty<Self>): Self => {
  const { data, height, width } = from
  const out = turn === 180 ? empty(from) : empty(from, height, width)
  const to: Values = out.data
  const last = data.length - 1
  if (turn === 180) {
    for (let i = 0; i <= last; i++) to[i] = data[last - i]!
    return out
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = turn === 90 ? x * height + height - 1 - y : (width - 1 - x) * height + y
      to[at] = data[y * width + x]!
    }
  }
  return out
}

/** Every pixel takes the value of the source pixel under its centre; the grid itself where it has that size. */
export const resize = <Self extends Grid<Values>>(
  from: Self,
  width: number,
  height: number,
  empty: Empty<Self>
): Self => {
  if (width === from.width && height === from.height) return from
  const { data } = from
  const out = empty(from, width, height)
  const to: Values = out.data
  const columns = new Uint32Array(width)
  for (let x = 0; x < width; x++)
    columns[x] = Math.min(from.width - 1, Math.floor(((x + 0.5) * from.width) / width))
  for (let y = 0; y < height; y++) {
    const row = Math.min(from.height - 1, Math.floor(((y + 0.5) * from.height) / height)) * from.width
    for (let x = 0; x < width; x++) to[y * width + x] = data[row + columns[x]!]!
  }
  return out
}
