/**
 * Classes hidden in an image (faces, plates, people), so that nothing of them can be restored: all that is left of a
 * region is the mean colour of a few large blocks, which a blur only runs into each other. A blur over a fixed radius, or
 * blocks of a fixed size, keep so much of a large face that it can be guessed or calculated back.
 *
 * ```ts
 * import { LabelMap } from "effect-segformer/mask"
 * import { Hide } from "effect-segformer/render"
 *
 * const image = { width: 4, height: 1, channels: 1 as const, data: Uint8Array.of(9, 0, 90, 200) }
 * const map = LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.of(0, 1, 1, 0) })
 * Hide.paint(image, map, { ids: [1], style: "pixelate", cells: 1, grow: 0 }).data // => Uint8Array.of(9, 45, 45, 200)
 * ```
 */
import type { Raster } from "../image/ImageCodec.ts"
import * as Components from "../mask/Components.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Morphology from "../mask/Morphology.ts"
import type { Box } from "../mask/Region.ts"
import * as Regions from "../mask/Regions.ts"
import * as Steps from "../mask/Steps.ts"
import * as ErrorKind from "../ErrorKind.ts"

export interface HideOptions {
  /** The classes that are hidden. */
  readonly ids: Iterable<number>
  /** Blocks that run into each other, or as they are. "blur" by default. */
  readonly style?: "blur" | "pixelate" | undefined
  /** Blocks along the longer side of a region: all that is left of it. 4 by default. */
  readonly cells?: number | undefined
  /** How far around a region is hidden as well, in pixels: masks end a little early. 1 % of the image's shorter side by default. */
  readonly grow?: number | undefined
}

/** The image, at its size and with its channels. A label map of another size is resized, by nearest neighbour. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Steps.paused(steps)

/** The same, step by step. */
export function* steps(
  image: Raster,
  labelMap: LabelMap.LabelMap,
  options: HideOptions
): Steps.Steps<Raster> {
  ErrorKind.oneOf("Hide", "style", options.style, ["blur", "pixelate"])
  const { channels, height, width } = image
  const map = LabelMap.resize(labelMap, width, height)
  const ids = new Set(options.ids)
  const grow = Math.max(0, Math.round(options.grow ?? Math.max(2, Math.min(width, height) / 100)))
  const cells = Math.max(1, Math.round(options.cells ?? 4))
  const inside = new Uint8Array(width * height)
  for (let i = 0; i < inside.length; i++) inside[i] = ids.has(map.data[i]!) ? 1 : 0
  yield
  const mask =
    grow === 0
      ? { width, height, data: inside }
      : Morphology.dilate({ width, height, data: inside }, { radius: grow })
  yield
  const data = Uint8Array.from(image.data)
  const parts = yield* Components.steps(mask, { exclude: [0] })
  const labels = yield* Components.labelSteps(parts)
  const extents = yield* Regions.extentSteps(parts, { classes: [] })
  for (const [part, { box }] of extents.entries()) {
    const region: Region = { box, id: part + 1, labels, width }
    const blocks = blocksOf(image, region, Math.max(box.width, box.height) / cells)
    yield
    cover(data, channels, region, blocks, options.style ?? "blur")
    yield
  }
  return { width, height, channels, data }
}

/** Where a region lies: the pixels of its box that have its number. */
interface Region {
  readonly box: Box
  readonly id: number
  readonly labels: LabelMap.LabelData
  readonly width: number
}

/** Blocks of a region's box, of which only the means are known: `[rows, columns, channels]`; a block without a pixel has the mean of all. */
interface Blocks {
  readonly side: number
  readonly columns: number
  readonly rows: number
  readonly means: Float64Array
}

const blocksOf = ({ channels, data }: Raster, { box, id, labels, width }: Region, side: number): Blocks => {
  const columns = Math.max(1, Math.ceil(box.width / side - 1e-9))
  const rows = Math.max(1, Math.ceil(box.height / side - 1e-9))
  const sums = new Float64Array(columns * rows * channels)
  const counts = new Float64Array(columns * rows)
  const all = new Float64Array(channels)
  let count = 0
  for (let y = 0; y < box.height; y++) {
    const row = Math.min(rows - 1, Math.floor(y / side)) * columns
    for (let x = 0; x < box.width; x++) {
      const i = (box.y + y) * width + box.x + x
      if (labels[i] !== id) continue
      const block = row + Math.min(columns - 1, Math.floor(x / side))
      counts[block]!++
      count++
      for (let c = 0; c < channels; c++) {
        sums[block * channels + c]! += data[i * channels + c]!
        all[c]! += data[i * channels + c]!
      }
    }
  }
  const means = sums.map((sum, at) => {
    const own = counts[Math.floor(at / channels)]!
    return own === 0 ? all[at % channels]! / count : sum / own
  })
  return { side, columns, rows, means }
}

const cover = (
  data: Uint8Array,
  channels: number,
  { box, id, labels, width }: Region,
  { columns, means, rows, side }: Blocks,
  style: "blur" | "pixelate"
): void => {
  const at = (row: number, column: number, c: number) => means[(row * columns + column) * channels + c]!
  for (let y = 0; y < box.height; y++) {
    // Between the centres of blocks.
    const v = Math.max(0, Math.min(rows - 1, (y + 0.5) / side - 0.5))
    const top = Math.floor(v)
    const bottom = Math.min(rows - 1, top + 1)
    for (let x = 0; x < box.width; x++) {
      const i = (box.y + y) * width + box.x + x
      if (labels[i] !== id) continue
      const u = Math.max(0, Math.min(columns - 1, (x + 0.5) / side - 0.5))
      const left = Math.floor(u)
      const right = Math.min(columns - 1, left + 1)
      for (let c = 0; c < channels; c++) {
        data[i * channels + c] =
          style === "pixelate"
            ? at(Math.min(rows - 1, Math.floor(y / side)), Math.min(columns - 1, Math.floor(x / side)), c) +
              0.5
            : (1 - (v - top)) * ((1 - (u - left)) * at(top, left, c) + (u - left) * at(top, right, c)) +
              (v - top) * ((1 - (u - left)) * at(bottom, left, c) + (u - left) * at(bottom, right, c)) +
              0.5
      }
    }
  }
}
