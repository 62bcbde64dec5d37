/** Words on a picture: smooth strokes at any size, in letters of our own. */
import type { Raster } from "../image/ImageCodec.ts"
import type { Rgb } from "../mask/ClassTable.ts"
import { glyphsOf } from "./Glyphs.ts"
import * as Ink from "./Ink.ts"

/** Between letters, in units of a seventh of a capital's height. */
const spacing = 1.5
/** Strokes are so thick, in the same units. */
const thickness = 0.95

/** Width of a text whose capitals are `size` pixels high, in pixels. */
export const measure = (text: string, size: number): number => {
  const units = glyphsOf(text).reduce((sum, { width }) => sum + width + spacing, 0)
  return ((Math.max(0, units - spacing) + thickness) * size) / 7
}

/** The strokes of a text as ink; `x` is its left edge, `y` its base line, all in pixels. @internal */
export const strokes = (ink: Ink.Ink, text: string, x: number, y: number, size: number): void => {
  const scale = size / 7
  const width = Math.max(1, thickness * scale)
  let pen = x + width / 2
  for (const glyph of glyphsOf(text)) {
    for (const stroke of glyph.strokes) {
      const points = stroke.map(([px, py]) => [pen + px * scale, y - py * scale] as const)
      for (const [i, from] of points.entries()) Ink.line(ink, from, points[i + 1] ?? from, width)
    }
    pen += (glyph.width + spacing) * scale
  }
}

/**
 * Writes a text into a picture of 3 channels, in place. `x` is its left edge, `y` its base line, `size` the height of
 * a capital, all in pixels.
 */
export const write = (
  picture: Raster,
  text: string,
  x: number,
  y: number,
  size: number,
  color: Rgb
): void => {
  // As much of the picture as the words may touch: a picture has many words.
  const above = Math.ceil(size * 1.3) + 1
  const left = Math.max(0, Math.floor(x - size))
  const top = Math.max(0, Math.floor(y - above))
  const right = Math.min(picture.width, Math.ceil(x + measure(text, size) + size))
  const bottom = Math.min(picture.height, Math.ceil(y + size * 0.5) + 1)
  if (right <= left || bottom <= top) return
  const ink = Ink.make(right - left, bottom - top)
  strokes(ink, text, x - left, y - top, size)
  Ink.flow(ink, picture.data, color, 1, { left, top, stride: picture.width })
}
