/** Two pictures next to each other, made smaller where they are large: for a person to look at. */
import type { Raster } from "../image/ImageCodec.ts"
import * as Steps from "../mask/Steps.ts"

export interface SideBySideOptions {
  /** Longest side of each picture in pixels. 1,200 by default. Larger ones are averaged down by a whole factor. */
  readonly maxSide?: number | undefined
  /** Between the pictures, in pixels, white. 8 by default. */
  readonly gap?: number | undefined
}

/** Both pictures must be equally large. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Steps.paused(steps)

/** The same, step by step. */
export function* steps(left: Raster, right: Raster, options: SideBySideOptions = {}): Steps.Steps<Raster> {
  const factor = Math.max(1, Math.ceil(Math.max(left.width, left.height) / (options.maxSide ?? 1200)))
  const gap = options.gap ?? 8
  const width = Math.max(1, Math.floor(left.width / factor))
  const height = Math.max(1, Math.floor(left.height / factor))
  const total = width * 2 + gap
  const data = new Uint8Array(total * height * 3).fill(255)
  const rows = Steps.rowsPerStep(left.width * factor)
  for (let from = 0; from < height; from += rows) {
    const to = Math.min(height, from + rows)
    shrinkInto(left, factor, from, to, data, total, 0, width)
    shrinkInto(right, factor, from, to, data, total, width + gap, width)
    yield
  }
  return { width: total, height, channels: 3, data }
}

/** Rows `from` to `to` of a picture made smaller, written at column `left` of a picture of `stride` columns. */
const shrinkInto = (
  source: Raster,
  factor: number,
  from: number,
  to: number,
  data: Uint8Array,
  stride: number,
  left: number,
  width: number
): void => {
  const { channels } = source
  const count = factor * factor
  for (let y = from; y < to; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const offset = channels === 1 ? 0 : channel
        let sum = 0
        for (let dy = 0; dy < factor; dy++) {
          const row = Math.min(source.height - 1, y * factor + dy) * source.width
          for (let dx = 0; dx < factor; dx++) {
            sum += source.data[(row + Math.min(source.width - 1, x * factor + dx)) * channels + offset]!
          }
        }
        data[(y * stride + left + x) * 3 + channel] = sum / count + 0.5
      }
    }
  }
}
