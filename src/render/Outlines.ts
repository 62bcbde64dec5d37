/**
 * The image with the outlines of its regions and nothing else: smooth lines in the colours of the classes, with a thin
 * dark rim so that they stand out on light and dark ground alike. What is inside them stays as it is.
 *
 * ```ts
 * import { LabelMap, Palette } from "effect-segformer/mask"
 * import { Outlines } from "effect-segformer/render"
 *
 * const image = { width: 9, height: 9, channels: 1 as const, data: new Uint8Array(81) }
 * const map = LabelMap.makeUnsafe({ width: 9, height: 9, data: new Uint8Array(81).fill(3, 30, 33) })
 * Outlines.paint(image, map, { palette: Palette.surface }).channels // => 3
 * ```
 */
import type { Raster } from "../image/ImageCodec.ts"
import type { ClassTable, Rgb } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Polygons from "../mask/Polygons.ts"
import * as Background from "./Background.ts"
import * as Ink from "./Ink.ts"
import * as Paint from "./Paint.ts"
import * as Steps from "../mask/Steps.ts"

export interface OutlinesOptions {
  /** Classes without a colour get one of their own. */
  readonly palette: ClassTable
  /** Of the lines, in pixels. By default it grows with the image: 2.2 at 640 pixels. */
  readonly thickness?: number | undefined
  /** How far lines may leave the edges of pixels, in pixels. 1 by default, which takes the stairs away. */
  readonly tolerance?: number | undefined
  /** Ids without outlines. Those whose name says background, by default. The ignored id never has one. */
  readonly hidden?: Iterable<number> | undefined
}

/** `[height, width, 3]` at the image's size. A label map of another size is resized, by nearest neighbour. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. Tracing is one piece: some 100 ms for 12 megapixels. */
export const draw = Steps.paused(steps)

const rim: Rgb = [0, 0, 0]

/** The same, step by step. */
export function* steps(
  image: Raster,
  labelMap: LabelMap.LabelMap,
  options: OutlinesOptions
): Steps.Steps<Raster> {
  const { height, width } = image
  const map = LabelMap.resize(labelMap, width, height)
  const data = Paint.copy(image)
  yield
  const outlines = Polygons.fromLabelMap(map, {
    exclude: options.hidden ?? Background.idsOf(options.palette),
    tolerance: options.tolerance ?? 1
  })
  yield
  const thickness = options.thickness ?? Math.max(1.5, Math.min(8, Math.min(width, height) / 290))
  const ink = Ink.make(width, height)
  // Along the border of the image there is nothing to outline.
  const isInside = (x: number, y: number, u: number, v: number) =>
    !(x === u && (x === 0 || x === width)) && !(y === v && (y === 0 || y === height))
  let drawn = 0
  for (const passes of [true, false]) {
    for (const { classId, polygons } of outlines) {
      for (const { holes, outer } of polygons) {
        for (const ring of [outer, ...holes]) {
          Ink.ring(ink, ring, passes ? thickness + 2 : thickness, isInside)
          drawn += ring.length
        }
      }
      if (passes) Ink.flow(ink, data, rim, 0.45)
      else Ink.flow(ink, data, Palette.colorOf(options.palette, classId))
      if (drawn > 500) {
        drawn = 0
        yield
      }
    }
  }
  return { width, height, channels: 3, data }
}
