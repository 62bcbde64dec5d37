/** Moving pixels about: what label maps, binary masks and confidence maps have in common. */
import type { Box } from "./Region.ts"

/** One value a pixel, row-major. */
export interface Grid<Data> {
  readonly width: number
  readonly height: number
  readonly data: Data
}

/** A clockwise turn, in degrees. */
export type Turn = 90 | 180 | 270

type Values = Uint8Array | Uint16Array | Uint32Array | Float32Array

/** The part of `box` that lies inside a grid; `undefined` where none does. */
export const clip = (grid: Grid<unknown>, box: Box): Box | undefined => {
  const x = Math.max(0, Math.floor(box.x))
  const y = Math.max(0, Math.floor(box.y))
  const right = Math.min(grid.width, Math.ceil(box.x + box.width))
  const bottom = Math.min(grid.height, Math.ceil(box.y + box.height))
  return right > x && bottom > y ? { x, y, width: right - x, height: bottom - y } : undefined
}

/** Copies the pixels of `box`, which must lie inside, to `out`. */
export const crop = (from: Grid<Values>, box: Box, out: Values): void => {
  for (let y = 0; y < box.height; y++) {
    const start = (box.y + y) * from.width + box.x
    out.set(from.data.subarray(start, start + box.width), y * box.width)
  }
}

/** Left becomes right. */
export const flipX = (from: Grid<Values>, out: Values): void => {
  const { data, height, width } = from
  for (let y = 0; y < height; y++) {
    const row = y * width
    for (let x = 0; x < width; x++) out[row + x] = data[row + width - 1 - x]!
  }
}

/** Top becomes bottom. */
export const flipY = (from: Grid<Values>, out: Values): void => {
  const { data, height, width } = from
  for (let y = 0; y < height; y++) {
    out.set(data.subarray((height - 1 - y) * width, (height - y) * width), y * width)
  }
}

/** Turned clockwise; by 90 or 270 degrees width and height change places. */
export const rotate = (from: Grid<Values>, turn: Turn, out: Values): void => {
  const { data, height, width } = from
  const last = data.length - 1
  if (turn === 180) {
    for (let i = 0; i <= last; i++) out[i] = data[last - i]!
    return
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = turn === 90 ? x * height + height - 1 - y : (width - 1 - x) * height + y
      out[at] = data[y * width + x]!
    }
  }
}

/** Every pixel takes the value of the source pixel under its centre. */
export const resize = (from: Grid<Values>, width: number, height: number, out: Values): void => {
  const { data } = from
  const columns = new Uint32Array(width)
  for (let x = 0; x < width; x++)
    columns[x] = Math.min(from.width - 1, Math.floor(((x + 0.5) * from.width) / width))
  for (let y = 0; y < height; y++) {
    const row = Math.min(from.height - 1, Math.floor(((y + 0.5) * from.height) / height)) * from.width
    for (let x = 0; x < width; x++) out[y * width + x] = data[row + columns[x]!]!
  }
}
