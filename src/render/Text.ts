/** Words on a picture: smooth strokes at any size, in letters of our own. */
import type { Raster } from "../image/ImageCodec.ts"
import type { Rgb } from "../mask/ClassTable.ts"
import { glyphOf } from "./Glyphs.ts"
import * as Ink from "./Ink.ts"

/** Between letters, in units of a seventh of a capital's height. */
const spacing = 1.5
/** Strokes are so thick, in the same units. */
const thickness = 0.95

/** Width of a text whose capitals are `size` pixels high, in pixels. */
export const measure = (text: string, size: number): number => {
  const units = Array.from(text).reduce((sum, character) => sum + glyphOf(character).width + spacing, 0)
  return ((Math.max(0, units - spacing) + thickness) * size) / 7
}

/** The strokes of a text as ink; `x` is its left edge, `y` its base line, all in pixels. @internal */
export const strokes = (ink: Ink.Ink, text: string, x: number, y: number, size: number): void => {
  const scale = size / 7
  const width = Math.max(1, thickness * scale)
  let pen = x + width / 2
  for (const character of text) {
    const glyph = glyphOf(character)
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
  const ink = Ink.make(picture.width, picture.height)
  strokes(ink, text, x, y, size)
  Ink.flow(ink, picture.data, color)
}
