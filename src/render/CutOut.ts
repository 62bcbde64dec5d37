/**
 * What belongs to some classes, cut out of the image: everything else is transparent. Edges are softened over a pixel or
 * two, so that the cut-out looks right on any ground.
 *
 * ```ts
 * import { LabelMap } from "effect-segformer/mask"
 * import { CutOut } from "effect-segformer/render"
 *
 * const image = { width: 2, height: 1, channels: 1 as const, data: Uint8Array.of(10, 200) }
 * const map = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint8Array.of(0, 5) })
 * CutOut.paint(image, map, { ids: [5], feather: 0 }).data // => Uint8Array.of(0, 0, 0, 0, 200, 200, 200, 255)
 * ```
 */
import type { Raster } from "../image/ImageCodec.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import type { Box } from "../mask/Region.ts"
import * as Steps from "../mask/Steps.ts"

export interface CutOutOptions {
  /** The classes that stay. */
  readonly ids: Iterable<number>
  /** Only what lies in this box, whose size the result then has. */
  readonly box?: Box | undefined
  /** How far edges are softened to either side, in pixels; 0 for none. 1 by default. */
  readonly feather?: number | undefined
}

/** `[height, width, 4]`, not premultiplied. A label map of another size is resized, by nearest neighbour. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Steps.paused(steps)

/** The same, step by step. */
export function* steps(
  image: Raster,
  labelMap: LabelMap.LabelMap,
  options: CutOutOptions
): Steps.Steps<Raster> {
  const { channels } = image
  const map = LabelMap.resize(labelMap, image.width, image.height)
  const ids = new Set(options.ids)
  const box = options.box ?? { x: 0, y: 0, width: image.width, height: image.height }
  const left = Math.max(0, Math.min(image.width - 1, Math.floor(box.x)))
  const top = Math.max(0, Math.min(image.height - 1, Math.floor(box.y)))
  const width = Math.max(1, Math.min(image.width, Math.ceil(box.x + box.width)) - left)
  const height = Math.max(1, Math.min(image.height, Math.ceil(box.y + box.height)) - top)
  const radius = Math.max(0, Math.round(options.feather ?? 1))
  const rows = Steps.rowsPerStep(width)

  let alpha = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    const row = (top + y) * image.width + left
    let lastId = -1
    let value = 0
    for (let x = 0; x < width; x++) {
      const id = map.data[row + x]!
      if (id !== lastId) {
        lastId = id
        value = ids.has(id) && id !== map.ignoreIndex ? 255 : 0
      }
      alpha[y * width + x] = value
    }
    if (y % rows === 0) yield
  }
  if (radius > 0) {
    alpha = blurred(alpha, width, height, radius, 1, width)
    yield
    alpha = blurred(alpha, height, width, radius, width, 1)
    yield
  }
  const data = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // What is cut away is gone: its colours are not kept under the transparency.
      if (alpha[y * width + x] === 0) continue
      const at = ((top + y) * image.width + left + x) * channels
      const out = (y * width + x) * 4
      data[out] = image.data[at]!
      data[out + 1] = image.data[channels === 1 ? at : at + 1]!
      data[out + 2] = image.data[channels === 1 ? at : at + 2]!
      const own = channels === 4 ? image.data[at + 3]! : 255
      data[out + 3] = (alpha[y * width + x]! * own) / 255
    }
    if (y % rows === 0) yield
  }
  return { width, height, channels: 4, data }
}

/** The mean over `2 radius + 1` values along lines; at their ends, over those there are. */
const blurred = (
  values: Uint8Array,
  length: number,
  lines: number,
  radius: number,
  step: number,
  stride: number
): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(values.length)
  for (let line = 0; line < lines; line++) {
    const from = line * stride
    let sum = 0
    let count = 0
    for (let i = -radius; i < length; i++) {
      if (i + radius < length) {
        sum += values[from + (i + radius) * step]!
        count++
      }
      if (i - radius > 0) {
        sum -= values[from + (i - radius - 1) * step]!
        count--
      }
      if (i >= 0) out[from + i * step] = sum / count + 0.5
    }
  }
  return out
}
