/** What several pictures do with colours and pixels. */
import type { Raster } from "../image/ImageCodec.ts"
import * as Resample from "../image/Resample.ts"
import type { Rgb } from "../mask/ClassTable.ts"
import { linear } from "../mask/Palette.ts"

/** Dark letters, not quite black. */
export const dark: Rgb = [24, 26, 30]
const white: Rgb = [255, 255, 255]

/** How light a colour is, 0 to 1 (WCAG 2's relative luminance). */
const luminance = ([red, green, blue]: Rgb): number =>
  0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)

/** Dark or white, whichever is read better on a colour. */
export const textOn = (color: Rgb): Rgb => {
  const light = luminance(color)
  return 1.05 / (light + 0.05) > (light + 0.05) / (luminance(dark) + 0.05) ? white : dark
}

/** A copy of a picture's colours: `[height, width, 3]`. */
export const copy = (raster: Raster): Uint8Array => {
  const { channels, data, height, width } = raster
  if (channels === 3) return Uint8Array.from(data)
  const out = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) out[i * 3 + c] = data[i * channels + (channels === 1 ? 0 : c)]!
  }
  return out
}

/** How light a pixel is, 0 to 255, by where its first channel is. */
export const greyOf = ({ channels, data }: Pick<Raster, "channels" | "data">, at: number): number =>
  channels === 1 ? data[at]! : 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!

/** The size of a picture whose longer side is at most so long. */
export const within = (size: Pick<Raster, "width" | "height">, maxSide: number) => {
  const factor = Math.min(1, maxSide / Math.max(size.width, size.height))
  return {
    width: Math.max(1, Math.round(size.width * factor)),
    height: Math.max(1, Math.round(size.height * factor))
  }
}

/** A picture at another size, each pixel the mean of those that fall into it. */
export const resize = (raster: Raster, width: number, height: number): Raster => ({
  width,
  height,
  channels: 3,
  data: Resample.resize(copy(raster), raster.width, raster.height, width, height, "box")
})

/** The height of capitals that suits a picture: 11 pixels at 960 × 640. */
export const sizeFor = ({ height, width }: Pick<Raster, "width" | "height">): number =>
  Math.max(8, Math.min(48, Math.round(Math.sqrt(width * height) / 72)))

/** Two pictures of one width, one above the other. */
export const stack = (upper: Raster, lower: Raster): Raster => {
  const first = copy(upper)
  const second = copy(lower)
  const data = new Uint8Array(first.length + second.length)
  data.set(first)
  data.set(second, first.length)
  return { width: upper.width, height: upper.height + lower.height, channels: 3, data }
}
