/**
 * A confidence map in colours from dark violet to yellow, whose steps look equal and which stay in order in grey and for
 * colour-blind readers (Matplotlib's viridis, by Matt Zucker's polynomial): alone, or over the image.
 *
 * ```ts
 * import { Heat } from "effect-segformer/render"
 *
 * const confidence = { width: 2, height: 1, data: Float32Array.of(0, 1) }
 * Heat.color(0) // => [71, 1, 85]
 * Heat.paint(confidence).data.length // => 6
 * ```
 */
import type { Raster } from "../image/ImageCodec.ts"
import type { Rgb } from "../mask/ClassTable.ts"
import * as ConfidenceMap from "../mask/ConfidenceMap.ts"
import * as Paint from "./Paint.ts"
import * as Steps from "../mask/Steps.ts"
import * as Text from "./Text.ts"

/** Coefficients of red, green and blue from the sixth power down. */
const POWERS: ReadonlyArray<readonly [number, number, number]> = [
  [-5.435455855934631, 4.645852612178535, 26.3124352495832],
  [4.776384997670288, -13.74514537774601, -65.35303263337234],
  [6.228269936347081, 14.17993336680509, 56.69055260068105],
  [-4.634230498983486, -5.799100973351585, -19.33244095627987],
  [-0.3308618287255563, 0.214847559468213, 0.09509516302823659],
  [0.1050930431085774, 1.404613529898575, 1.384590162594685],
  [0.2777273272234177, 0.005407344544966578, 0.3340998053353061]
]

/** The colour of a value from 0 to 1. */
export const color = (value: number): Rgb => {
  const t = Math.max(0, Math.min(1, value))
  const channel = (c: 0 | 1 | 2) =>
    Math.round(
      255 *
        Math.max(
          0,
          Math.min(
            1,
            POWERS.reduce((sum, power) => sum * t + power[c], 0)
          )
        )
    )
  return [channel(0), channel(1), channel(2)]
}

const TABLE = new Uint8Array(256 * 3)
for (let i = 0; i < 256; i++) TABLE.set(color(i / 255), i * 3)

export interface HeatOptions {
  /** Shows through, in grey. It may be of another size than the map. */
  readonly image?: Raster | undefined
  /** Of the colours over the image, 0 to 1. 0.75 by default. */
  readonly opacity?: number | undefined
  /** Confidences of the darkest and the brightest colour, 0 and 1 by default; `[1, 0.4]` makes doubt bright. */
  readonly range?: readonly [from: number, to: number] | undefined
}

/** `[height, width, 3]` at the image's size, or the map's where there is none. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Steps.paused(steps)

/** The same, step by step. */
export function* steps(
  confidence: ConfidenceMap.ConfidenceMap,
  options: HeatOptions = {}
): Steps.Steps<Raster> {
  const { image } = options
  const { height, width } = image ?? confidence
  const map = ConfidenceMap.resize(confidence, width, height)
  const [from, to] = options.range ?? [0, 1]
  const opacity = image === undefined ? 1 : Math.max(0, Math.min(1, options.opacity ?? 0.75))
  const data = new Uint8Array(width * height * 3)
  const rows = Steps.rowsPerStep(width)
  for (let y = 0; y < height; y += rows) {
    const end = Math.min(height, y + rows) * width
    for (let i = y * width; i < end; i++) {
      const share = (map.data[i]! - from) / (to - from)
      const index = share > 0 ? Math.min(255, Math.round(share * 255)) * 3 : 0
      const grey = image === undefined ? 0 : Paint.greyOf(image, i * image.channels)
      for (let c = 0; c < 3; c++) data[i * 3 + c] = grey + (TABLE[index + c]! - grey) * opacity + 0.5
    }
    yield
  }
  return { width, height, channels: 3, data }
}

/** The picture with a scale beneath: the colours from one end of the range to the other. */
export const beneath = (
  picture: Raster,
  options: Pick<HeatOptions, "range"> & { readonly title?: string | undefined } = {}
): Raster => {
  const size = Paint.sizeFor(picture)
  const { width } = picture
  const margin = Math.round(size * 1.1)
  const bar = Math.round(size * 1.5)
  const height = margin * 2 + bar
  const data = new Uint8Array(width * height * 3).fill(255)
  const strip: Raster = { width, height, channels: 3, data }
  const [from, to] = (options.range ?? [0, 1]).map((end) => String(Math.round(end * 100) / 100))
  const write = (text: string, x: number) => {
    Text.write(strip, text, x, margin + (bar + size) / 2, size, Paint.dark)
    return Text.measure(text, size)
  }
  let left = margin
  if (options.title !== undefined) left += write(options.title, left) + size
  left += write(from ?? "", left) + size
  const last = to ?? ""
  const end = width - margin - Text.measure(last, size) - size
  write(last, end + size)
  for (let y = margin; y < margin + bar; y++) {
    for (let x = Math.round(left); x < end; x++) {
      const index = Math.min(255, Math.floor(((x - left) / (end - left)) * 256)) * 3
      data.set(TABLE.subarray(index, index + 3), (y * width + x) * 3)
    }
  }
  return Paint.stack(picture, strip)
}
