/**
 * Names at the regions of a picture: small tags in the colours of the classes, each above the highest point of its
 * region, or where else there is room. The largest regions come first; tags do not cover each other.
 *
 * ```ts
 * import { LabelMap, Palette } from "effect-segformer/mask"
 * import { Labels } from "effect-segformer/render"
 *
 * const map = LabelMap.makeUnsafe({ width: 60, height: 40, data: new Uint8Array(2400).fill(5, 1220, 1300) })
 * const [tag] = Labels.place(map, { palette: Palette.surface })
 * tag?.text // => "pit"
 * ```
 */
import { Effect } from "effect"
import type { Raster } from "../image/ImageCodec.ts"
import { type ClassTable, nameOf, type Rgb } from "../mask/ClassTable.ts"
import * as Components from "../mask/Components.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import type { Box } from "../mask/Region.ts"
import * as Background from "./Background.ts"
import * as Ink from "./Ink.ts"
import * as Paint from "./Paint.ts"
import * as Steps from "../mask/Steps.ts"
import * as Typeface from "./Typeface.ts"

/** A region that may get a tag. */
export interface Tagged {
  readonly classId: number
  readonly className: string
  /** In pixels. */
  readonly area: number
}

export interface LabelsOptions {
  /** Classes without a colour get one of their own. */
  readonly palette: ClassTable
  /** What a tag says; no tag where it is undefined. The name of the class by default. */
  readonly text?: ((region: Tagged) => string | undefined) | undefined
  /** Regions of fewer pixels get no tag. 0.02 % of the image by default. */
  readonly minArea?: number | undefined
  /** Tags at most. 40 by default. */
  readonly limit?: number | undefined
  /** Height of a capital letter in pixels. By default it grows with the image: 10 at 640 pixels. */
  readonly size?: number | undefined
  /** Ids without tags. Those whose name says background, by default. */
  readonly hidden?: Iterable<number> | undefined
  /** The letters. Our own by default; `draw` asks `TextRenderer` for others. */
  readonly typeface?: Typeface.Typeface | undefined
}

/** A tag and where it is, in pixels. */
export interface Tag {
  readonly text: string
  readonly color: Rgb
  readonly box: Box
  /** Height of a capital letter. */
  readonly size: number
}

/** The picture with tags; a label map of another size is resized, by nearest neighbour. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. Finding the regions is one piece: 50 ms for 12 megapixels. */
export const draw = Effect.fnUntraced(function* (
  picture: Raster,
  labelMap: LabelMap.LabelMap,
  options: LabelsOptions
): Effect.fn.Return<Raster> {
  const map = LabelMap.resize(labelMap, picture.width, picture.height)
  const texts = candidates(map, options).map(({ text }) => text)
  const typeface = options.typeface ?? (yield* Typeface.prepare(texts, sizeOf(map, options)))
  return yield* Steps.run(() => steps(picture, map, { ...options, typeface }))
})

/** The same, step by step. */
export function* steps(
  picture: Raster,
  labelMap: LabelMap.LabelMap,
  options: LabelsOptions
): Steps.Steps<Raster> {
  const { height, width } = picture
  const data = Paint.copy(picture)
  yield
  const tags = place(LabelMap.resize(labelMap, width, height), options)
  yield
  const ink = Ink.make(width, height)
  for (const { box, color, size, text } of tags) {
    const radius = size * 0.4
    Ink.box(ink, box.x - 1, box.y - 1, box.width + 2, box.height + 2, radius + 1)
    Ink.flow(ink, data, Paint.dark, 0.5)
    Ink.box(ink, box.x, box.y, box.width, box.height, radius)
    Ink.flow(ink, data, color)
    const { typeface = Typeface.strokes } = options
    typeface.write(ink, text, box.x + size * 0.55, box.y + size * 1.5, size, box.width - size * 1.1 + 0.01)
    Ink.flow(ink, data, Paint.textOn(color))
    yield
  }
  return { width, height, channels: 3, data }
}

const sizeOf = (map: Pick<LabelMap.LabelMap, "width" | "height">, options: LabelsOptions): number =>
  options.size ?? Paint.sizeFor(map) * 0.95

/** Regions that may have a tag, the largest first, and what it would say. */
const candidates = (map: LabelMap.LabelMap, options: LabelsOptions) => {
  const { height, width } = map
  const hidden = new Set(options.hidden ?? Background.idsOf(options.palette))
  const parts = Components.make(map, { exclude: hidden })
  const areas = Components.areas(parts)
  const least = options.minArea ?? Math.max(4, width * height * 0.0002)
  const ends = endsOf(parts)
  return Array.from(areas.keys())
    .filter((c) => areas[c]! >= least)
    .sort((a, b) => areas[b]! - areas[a]!)
    .slice(0, options.limit ?? 40)
    .flatMap((c) => {
      const classId = parts.classIds[c]!
      const className = nameOf(options.palette, classId)
      const region = { classId, className, area: areas[c]! }
      const text = options.text === undefined ? className : options.text(region)
      const high: Spot = [ends.topX[c]!, ends.topY[c]!]
      const low: Spot = [ends.bottomX[c]!, ends.bottomY[c]!]
      return text === undefined || text === "" ? [] : [{ classId, text, high, low }]
    })
}

/** Where the tags of a label map's regions are. */
export const place = (map: LabelMap.LabelMap, options: LabelsOptions): ReadonlyArray<Tag> => {
  const { height, width } = map
  const size = sizeOf(map, options)
  const { typeface = Typeface.strokes } = options
  const hidden = new Set(options.hidden ?? Background.idsOf(options.palette))
  const tags: Array<Tag> = []
  for (const { classId, high, low, text } of candidates(map, options)) {
    const tagWidth = Math.min(width - 4, typeface.measure(text, size) + size * 1.1)
    const tagHeight = size * 2
    const gap = size * 0.5
    const boxes = [
      [high[0] - tagWidth / 2, high[1] - tagHeight - gap],
      [low[0] - tagWidth / 2, low[1] + gap],
      [high[0] + gap * 2, high[1] - tagHeight / 2],
      [high[0] - tagWidth - gap * 2, high[1] - tagHeight / 2],
      [low[0] + gap * 2, low[1] - tagHeight / 2],
      [low[0] - tagWidth - gap * 2, low[1] - tagHeight / 2],
      [(high[0] + low[0] - tagWidth) / 2, (high[1] + low[1] - tagHeight) / 2]
    ].map(([x = 0, y = 0]) => ({
      x: Math.round(Math.max(2, Math.min(width - tagWidth - 2, x))),
      y: Math.round(Math.max(2, Math.min(height - tagHeight - 2, y))),
      width: tagWidth,
      height: tagHeight
    }))
    // The first place costs nothing but what it covers; later ones are worth it where less is covered.
    let best: Box | undefined
    let least = Infinity
    for (const [rank, box] of boxes.entries()) {
      if (tags.some((tag) => overlap(tag.box, box) > 0)) continue
      const cost = covered(map, box, classId, hidden) + rank * 0.04
      if (cost < least) {
        least = cost
        best = box
      }
    }
    if (best !== undefined) {
      tags.push({ text, color: Palette.colorOf(options.palette, classId), box: best, size })
    }
  }
  return tags
}

type Spot = readonly [x: number, y: number]

/** The middle of each component's first and last row. */
const endsOf = (parts: Components.Components) => {
  const { component, count, ends, height, rows, starts } = parts
  const topX = new Float64Array(count)
  const topY = new Float64Array(count).fill(-1)
  const bottomX = new Float64Array(count)
  const bottomY = new Float64Array(count)
  for (let y = 0; y < height; y++) {
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      const c = component[i]!
      if (c < 0) continue
      const middle = (starts[i]! + ends[i]!) / 2
      if (topY[c] === -1) {
        topY[c] = y
        topX[c] = middle
      }
      bottomX[c] = middle
      bottomY[c] = y + 1
    }
  }
  return { topX, topY, bottomX, bottomY }
}

const overlap = (a: Box, b: Box): number =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y))

/** The share of a box in which other things would be covered; its own region counts half. */
const covered = (map: LabelMap.LabelMap, box: Box, classId: number, hidden: ReadonlySet<number>): number => {
  let sum = 0
  let count = 0
  for (let y = box.y; y < box.y + box.height; y += 3) {
    for (let x = box.x; x < box.x + box.width; x += 3) {
      const id = map.data[Math.floor(y) * map.width + Math.floor(x)]
      count++
      if (id !== undefined && !hidden.has(id)) sum += id === classId ? 0.5 : 1
    }
  }
  return count === 0 ? 0 : sum / count
}
