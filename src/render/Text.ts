/** Words on a picture: smooth strokes at any size, in letters of our own. */
import type { Raster } from "../image/ImageCodec.ts"
import type { Rgb } from "../mask/ClassTable.ts"
import { glyphOf, type Line } from "./Glyphs.ts"

/** Between letters, in units of a seventh of a capital's height. */
const spacing = 1.5
/** Strokes are so thick, in the same units. */
const thickness = 0.95

/** Width of a text whose capitals are `size` pixels high, in pixels. */
export const measure = (text: string, size: number): number => {
  const units = Array.from(text).reduce((sum, character) => sum + glyphOf(character).width + spacing, 0)
  return ((Math.max(0, units - spacing) + thickness) * size) / 7
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
  const scale = size / 7
  const radius = Math.max(0.5, (thickness * scale) / 2)
  let pen = x + radius
  for (const character of text) {
    const glyph = glyphOf(character)
    for (const stroke of glyph.strokes) drawStroke(picture, stroke, pen, y, scale, radius, color)
    pen += (glyph.width + spacing) * scale
  }
}

/** A line of round ends, blended by how much of each pixel it covers. */
const drawStroke = (
  picture: Raster,
  stroke: Line,
  left: number,
  base: number,
  scale: number,
  radius: number,
  color: Rgb
): void => {
  const points = stroke.map(([px, py]) => [left + px * scale, base - py * scale] as const)
  const reach = radius + 1
  const xs = points.map(([px]) => px)
  const ys = points.map(([, py]) => py)
  const fromX = Math.max(0, Math.floor(Math.min(...xs) - reach))
  const toX = Math.min(picture.width - 1, Math.ceil(Math.max(...xs) + reach))
  const fromY = Math.max(0, Math.floor(Math.min(...ys) - reach))
  const toY = Math.min(picture.height - 1, Math.ceil(Math.max(...ys) + reach))
  for (let y = fromY; y <= toY; y++) {
    for (let x = fromX; x <= toX; x++) {
      let nearest = Infinity
      for (let i = 0; i < points.length; i++) {
        const [ax, ay] = points[i]!
        const [bx, by] = points[Math.min(i + 1, points.length - 1)]!
        nearest = Math.min(nearest, distance(x + 0.5, y + 0.5, ax, ay, bx, by))
      }
      const cover = Math.max(0, Math.min(1, radius - nearest + 0.5))
      if (cover === 0) continue
      const at = (y * picture.width + x) * 3
      for (let channel = 0; channel < 3; channel++) {
        const before = picture.data[at + channel]!
        picture.data[at + channel] = before + (color[channel]! - before) * cover + 0.5
      }
    }
  }
}

const distance = (x: number, y: number, ax: number, ay: number, bx: number, by: number): number => {
  const dx = bx - ax
  const dy = by - ay
  const length = dx * dx + dy * dy
  const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length))
  return Math.hypot(x - ax - dx * along, y - ay - dy * along)
}
