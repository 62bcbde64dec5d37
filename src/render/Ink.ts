/**
 * Smooth lines on pixels: how much of each pixel lines cover is gathered first and coloured once, so that lines that
 * cross or touch do not show where.
 */
import type { Rgb } from "../mask/ClassTable.ts"

/** `coverage` holds `[height, width]` bytes, 255 where a pixel is covered; all of them lie within the box. */
export interface Ink {
  readonly width: number
  readonly height: number
  readonly coverage: Uint8Array
  left: number
  top: number
  right: number
  bottom: number
}

export const make = (width: number, height: number): Ink => ({
  width,
  height,
  coverage: new Uint8Array(width * height),
  left: width,
  top: height,
  right: 0,
  bottom: 0
})

/** A line with round ends; coordinates in pixels from the top left corner, as those of polygons. */
export const line = (
  ink: Ink,
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
  thickness: number
): void => {
  const { coverage, height, width } = ink
  const reach = thickness / 2 + 0.5
  const dx = x1 - x0
  const dy = y1 - y0
  const squared = dx * dx + dy * dy
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach))
  const bottom = Math.min(height, Math.ceil(Math.max(y0, y1) + reach))
  for (let y = top; y < bottom; y++) {
    const cy = y + 0.5
    // The part of the line near this row, and as far again to either side.
    let from = Math.min(x0, x1)
    let to = Math.max(x0, x1)
    if (Math.abs(dy) > 1e-9) {
      const a = Math.max(0, Math.min(1, (cy - reach - y0) / dy))
      const b = Math.max(0, Math.min(1, (cy + reach - y0) / dy))
      from = Math.min(x0 + a * dx, x0 + b * dx)
      to = Math.max(x0 + a * dx, x0 + b * dx)
    }
    const left = Math.max(0, Math.floor(from - reach))
    const right = Math.min(width, Math.ceil(to + reach))
    for (let x = left; x < right; x++) {
      const px = x + 0.5 - x0
      const py = cy - y0
      const along = squared === 0 ? 0 : Math.max(0, Math.min(1, (px * dx + py * dy) / squared))
      const distance = Math.hypot(px - along * dx, py - along * dy)
      const covered = Math.min(1, reach - distance) * 255
      const at = y * width + x
      if (covered > coverage[at]!) coverage[at] = covered
    }
    if (left < right) {
      ink.left = Math.min(ink.left, left)
      ink.right = Math.max(ink.right, right)
      ink.top = Math.min(ink.top, y)
      ink.bottom = Math.max(ink.bottom, y + 1)
    }
  }
}

/** Lines from vertex to vertex, and back to the first one. */
export const ring = (
  ink: Ink,
  points: ReadonlyArray<readonly [number, number]>,
  thickness: number,
  keep: (x: number, y: number, u: number, v: number) => boolean = () => true
): void => {
  for (const [i, from] of points.entries()) {
    const to = points[(i + 1) % points.length]!
    if (keep(from[0], from[1], to[0], to[1])) line(ink, from, to, thickness)
  }
}

/** A filled box with round corners. */
export const box = (
  ink: Ink,
  x: number,
  y: number,
  width: number,
  height: number,
  radius: number = 0
): void => {
  const centerX = x + width / 2
  const centerY = y + height / 2
  const bottom = Math.min(ink.height, Math.ceil(y + height))
  const right = Math.min(ink.width, Math.ceil(x + width))
  for (let row = Math.max(0, Math.floor(y)); row < bottom; row++) {
    for (let column = Math.max(0, Math.floor(x)); column < right; column++) {
      const dx = Math.abs(column + 0.5 - centerX) - width / 2 + radius
      const dy = Math.abs(row + 0.5 - centerY) - height / 2 + radius
      const distance = Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius
      const covered = Math.max(0, Math.min(1, 0.5 - distance)) * 255
      const at = row * ink.width + column
      if (covered > ink.coverage[at]!) ink.coverage[at] = covered
    }
  }
  ink.left = Math.max(0, Math.min(ink.left, Math.floor(x)))
  ink.top = Math.max(0, Math.min(ink.top, Math.floor(y)))
  ink.right = Math.min(ink.width, Math.max(ink.right, right))
  ink.bottom = Math.min(ink.height, Math.max(ink.bottom, bottom))
}

/** Where ink lies in a picture that is larger. */
export interface Offset {
  readonly left: number
  readonly top: number
  /** Pixels in a row of the picture. */
  readonly stride: number
}

/** Colours `[height, width, 3]` bytes where there is ink, and takes the ink away. */
export const flow = (
  ink: Ink,
  data: Uint8Array,
  [red, green, blue]: Rgb,
  opacity = 1,
  { left, stride, top }: Offset = { left: 0, top: 0, stride: ink.width }
): void => {
  const { coverage, width } = ink
  for (let y = ink.top; y < ink.bottom; y++) {
    for (let i = y * width + ink.left; i < y * width + ink.right; i++) {
      if (coverage[i] === 0) continue
      const share = (coverage[i]! / 255) * opacity
      const at = ((y + top) * stride + left + i - y * width) * 3
      data[at] = data[at]! + (red - data[at]!) * share + 0.5
      data[at + 1] = data[at + 1]! + (green - data[at + 1]!) * share + 0.5
      data[at + 2] = data[at + 2]! + (blue - data[at + 2]!) * share + 0.5
      coverage[i] = 0
    }
  }
  ink.left = width
  ink.top = ink.height
  ink.right = 0
  ink.bottom = 0
}
