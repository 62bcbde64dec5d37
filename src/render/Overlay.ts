/**
 * The image with its classes painted over it: a translucent fill through which light and shade of the image show, a
 * crisp outline inside each region's border, and a thin shade around it, so that it stands out on light and dark
 * ground alike. Classes that are background stay as they are.
 *
 * ```ts
 * import { Palette } from "effect-segformer/mask"
 * import { Overlay } from "effect-segformer/render"
 *
 * const image = { width: 2, height: 1, channels: 3 as const, data: Uint8Array.of(10, 10, 10, 200, 200, 200) }
 * const map = { width: 2, height: 1, data: Uint8Array.of(0, 5) }
 * const picture = Overlay.paint(image, map, { palette: Palette.surface, outline: 0, shade: 0, opacity: 1 })
 * picture.data // => Uint8Array.of(10, 10, 10, 213, 94, 0)
 * ```
 */
import type { Raster } from "../image/ImageCodec.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Background from "./Background.ts"
import * as Steps from "../mask/Steps.ts"

export interface OverlayOptions {
  /** Classes without a colour get one of their own. */
  readonly palette: ClassTable
  /** Of the fill, 0 to 1. 0.5 by default. */
  readonly opacity?: number | undefined
  /** Width of the outline in pixels; 0 for none. By default it grows with the image: 2 at 600 pixels, 4 at 1,200. */
  readonly outline?: number | undefined
  /** Width of the shade around regions in pixels; 0 for none. Half the outline by default, at least 1. */
  readonly shade?: number | undefined
  /** Ids that are not painted. Those whose name says background, by default. The ignored id never is. */
  readonly hidden?: Iterable<number> | undefined
}

const OUTLINE = 1
const SHADE = 2

/** How much of the outline's colour shows, and how dark the shade is. */
const outlineOpacity = 0.95
const shadeOpacity = 0.4

/** `[height, width, 3]` at the image's size. A label map of another size is resized, by nearest neighbour. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Steps.paused(steps)

/** The same, step by step. */
export function* steps(
  image: Raster,
  labelMap: LabelMap.LabelMap,
  options: OverlayOptions
): Steps.Steps<Raster> {
  const { channels, height, width } = image
  const map = LabelMap.resize(labelMap, width, height)
  const ids = map.data
  const hidden = new Set(options.hidden ?? Background.idsOf(options.palette))
  if (map.ignoreIndex !== undefined) hidden.add(map.ignoreIndex)
  const outline = options.outline ?? Math.max(1, Math.min(8, Math.round(Math.min(width, height) / 300)))
  const shade = options.shade ?? Math.max(1, Math.round(outline / 2))

  const marks = new Uint8Array(outline > 0 || shade > 0 ? ids.length : 0)
  if (marks.length > 0) yield* markBorders(map, hidden, outline, shade, marks)

  const fill = clamp(options.opacity ?? 0.5)
  const source = image.data
  const data = new Uint8Array(width * height * 3)
  const second = channels === 1 ? 0 : 1
  const third = channels === 1 ? 0 : 2
  const rows = Steps.rowsPerStep(width)
  let lastId = -1
  let isHidden = false
  let red = 0
  let green = 0
  let blue = 0
  for (let from = 0; from < height; from += rows) {
    const end = Math.min(height, from + rows) * width
    for (let i = from * width; i < end; i++) {
      const id = ids[i]!
      if (id !== lastId) {
        lastId = id
        isHidden = hidden.has(id)
        ;[red, green, blue] = Palette.colorOf(options.palette, id)
      }
      const mark = marks.length > 0 ? marks[i]! : 0
      const at = i * channels
      const out = i * 3
      if (isHidden) {
        const light = mark === SHADE ? 1 - shadeOpacity : 1
        data[out] = source[at]! * light
        data[out + 1] = source[at + second]! * light
        data[out + 2] = source[at + third]! * light
      } else {
        const opacity = mark === OUTLINE ? outlineOpacity : fill
        // Over the grey of the image, not its colour: a red thread must not make a blue class purple.
        const grey = 0.299 * source[at]! + 0.587 * source[at + second]! + 0.114 * source[at + third]!
        data[out] = grey + (red - grey) * opacity + 0.5
        data[out + 1] = grey + (green - grey) * opacity + 0.5
        data[out + 2] = grey + (blue - grey) * opacity + 0.5
      }
    }
    yield
  }
  return { width, height, channels: 3, data }
}

/**
 * Marks what belongs to outlines (within regions) and shades (on background beside them): around each pixel whose
 * right or lower neighbour is of another class, and around that neighbour, a disc.
 */
function* markBorders(
  map: LabelMap.LabelMap,
  hidden: ReadonlySet<number>,
  outline: number,
  shade: number,
  marks: Uint8Array
): Steps.Steps<void> {
  const { data: ids, height, width } = map
  const line = disc(outline)
  const rim = disc(shade)
  const rows = Steps.rowsPerStep(width)

  const mark = (i: number) => {
    const id = ids[i]!
    const isHidden = hidden.has(id)
    const spans = isHidden ? rim : line
    if (spans.length === 0) return
    const value = isHidden ? SHADE : OUTLINE
    const radius = (spans.length - 1) / 2
    const y = Math.floor(i / width)
    const x = i - y * width
    for (let dy = Math.max(-radius, -y); dy <= radius && y + dy < height; dy++) {
      const reach = spans[dy + radius]!
      const row = (y + dy) * width
      const to = Math.min(width - 1, x + reach)
      for (let at = Math.max(0, x - reach); at <= to; at++) {
        if (ids[row + at] === id) marks[row + at] = value
      }
    }
  }
  for (let from = 0; from < height; from += rows) {
    const to = Math.min(height, from + rows)
    for (let y = from; y < to; y++) {
      const row = y * width
      for (let x = 0; x < width; x++) {
        const i = row + x
        const id = ids[i]!
        const right = x + 1 < width && ids[i + 1] !== id
        const below = y + 1 < height && ids[i + width] !== id
        if (!right && !below) continue
        const isHidden = hidden.has(id)
        const touchesRight = right && !(isHidden && hidden.has(ids[i + 1]!))
        const touchesBelow = below && !(isHidden && hidden.has(ids[i + width]!))
        if (touchesRight) mark(i + 1)
        if (touchesBelow) mark(i + width)
        if (touchesRight || touchesBelow) mark(i)
      }
    }
    yield
  }
}

/** How far a disc reaches left and right of its centre, row by row; empty where its width is 0. */
const disc = (width: number): Int32Array => {
  if (!(width > 0)) return new Int32Array(0)
  const radius = Math.ceil(width) - 1
  return Int32Array.from({ length: radius * 2 + 1 }, (_, row) =>
    Math.floor(Math.sqrt((radius + 0.4) ** 2 - (row - radius) ** 2))
  )
}

const clamp = (value: number): number => Math.max(0, Math.min(1, value))
