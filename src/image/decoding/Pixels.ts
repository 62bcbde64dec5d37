/** Pixels from one layout to another: channels, and the eight orientations of EXIF. */
import type { Raster } from "../Raster.ts"

/** Pixels before they are brought to what is asked for. */
export interface Pixels {
  /** In pixels, as they lie in the file. */
  readonly width: number
  /** In pixels, as they lie in the file. */
  readonly height: number
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 2 | 3 | 4
  readonly data: Uint8Array
}

/** The same as RGB, or as RGBA; what has no alpha is opaque, what is not to have any loses it. */
export const withChannels = (from: Pixels, channels: 3 | 4): Uint8Array => {
  if (from.channels === channels) return from.data
  const { channels: step, data } = from
  const out = new Uint8Array(from.width * from.height * channels)
  const [green, blue] = step < 3 ? [0, 0] : [1, 2]
  const alpha = step === 2 ? 1 : step === 4 ? 3 : undefined
  for (let at = 0, to = 0; to < out.length; at += step, to += channels) {
    out[to] = data[at]!
    out[to + 1] = data[at + green]!
    out[to + 2] = data[at + blue]!
    if (channels === 4) out[to + 3] = alpha === undefined ? 255 : data[at + alpha]!
  }
  return out
}

/** As a person sees it. */
export const oriented = (
  data: Uint8Array,
  { height, width }: Pick<Pixels, "width" | "height">,
  channels: 3 | 4,
  orientation: number
): Raster => {
  if (orientation < 2 || orientation > 8) return { width, height, channels, data }
  const isTurned = orientation > 4
  const [outWidth, outHeight] = isTurned ? [height, width] : [width, height]
  // Where the first pixel of the file goes, and how far along one goes with each column and row of it.
  const right = channels
  const down = outWidth * channels
  const fromRight = orientation === 2 || orientation === 3 || orientation === 6 || orientation === 7
  const fromBelow = orientation === 3 || orientation === 4 || orientation === 7 || orientation === 8
  const start = (fromRight ? (outWidth - 1) * right : 0) + (fromBelow ? (outHeight - 1) * down : 0)
  const across = fromRight ? -right : right
  const along = fromBelow ? -down : down
  const [perColumn, perRow] = isTurned ? [along, across] : [across, along]
  const out = new Uint8Array(data.length)
  for (let y = 0, at = 0; y < height; y++) {
    let to = start + y * perRow
    for (let x = 0; x < width; x++, at += channels, to += perColumn) {
      for (let c = 0; c < channels; c++) out[to + c] = data[at + c]!
    }
  }
  return { width: outWidth, height: outHeight, channels, data: out }
}
