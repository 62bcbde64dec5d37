/**
 * Which numbers of an image are black and which are white, for images whose samples are no colours of 8 or 16 bits:
 * heights, temperatures, counts of a detector.
 *
 * ```ts
 * import { Stretch } from "effect-segformer/image"
 *
 * Stretch.parse("0,4095") // => { black: 0, white: 4095, unit: "number" }
 * Stretch.parse("2%,98%") // => { black: 2, white: 98, unit: "percentile" }
 * ```
 */
import * as ErrorKind from "../ErrorKind.ts"

export interface Stretch {
  /** What becomes 0, and all that is less. */
  readonly black: number
  /** What becomes 255, and all that is more. Less than `black` to turn dark into light. */
  readonly white: number
  /** Numbers as they stand in the file, whichever end of them it says is white, or percentiles of them, 0 to 100. */
  readonly unit: "number" | "percentile"
}

/** `MIN,MAX` in the image's own numbers, or `MIN%,MAX%` in percentiles; undefined where it is neither. */
export const parse = (text: string): Stretch | undefined => {
  const found =
    /^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(%?)\s*,\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(%?)\s*$/i.exec(
      text
    )
  if (found === null || found[2] !== found[4]) return undefined
  const black = Number(found[1])
  const white = Number(found[3])
  const unit = found[2] === "%" ? "percentile" : "number"
  const isInside = unit === "number" || (black >= 0 && black <= 100 && white >= 0 && white <= 100)
  return Number.isFinite(black) && Number.isFinite(white) && black !== white && isInside
    ? { black, white, unit }
    : undefined
}

/** The same as `parse` reads it. */
export const format = ({ black, unit, white }: Stretch): string => {
  const sign = unit === "percentile" ? "%" : ""
  return `${black}${sign},${white}${sign}`
}

/** Samples that percentiles are taken of, at most. */
export const most = 1_000_000

/** Black and white as numbers of the image; `samples` are some of it, evenly spread. Numbers that are none do not count. */
export const limitsOf = (
  { black, unit, white }: Stretch,
  samples: Float32Array
): readonly [black: number, white: number] => {
  ErrorKind.oneOf("Stretch", "unit", unit, ["number", "percentile"])
  if (unit === "number") return [black, white]
  const step = Math.max(1, Math.floor(samples.length / most))
  const some = new Float32Array(Math.ceil(samples.length / step))
  let count = 0
  for (let i = 0; i < samples.length; i += step) {
    const value = samples[i]!
    if (Number.isFinite(value)) some[count++] = value
  }
  const sorted = some.subarray(0, count).sort()
  const at = (percentile: number) => sorted[Math.round((percentile / 100) * (count - 1))] ?? 0
  return [at(black), at(white)]
}

/** Samples without what was added to them. */
export const shifted = (samples: Float32Array, offset: number): Float32Array =>
  offset === 0 ? samples : samples.map((value) => value - offset)

/** Samples as bytes, between two numbers. What is no number is black. */
export const apply = (samples: Float32Array, black: number, white: number): Uint8Array => {
  const bytes = new Uint8Array(samples.length)
  // Of a picture of one number nothing is light.
  const scale = black === white ? 0 : 255 / (white - black)
  for (let i = 0; i < samples.length; i++) {
    const value = (samples[i]! - black) * scale
    bytes[i] = value >= 255 ? 255 : value > 0 ? Math.round(value) : 0
  }
  return bytes
}

/** Grey, or colours, as so many channels: opaque where that is more. */
export const withChannels = (bytes: Uint8Array, pixels: number, channels: 3 | 4): Uint8Array => {
  const from = bytes.length / pixels
  if (from === channels) return bytes
  const data = new Uint8Array(pixels * channels).fill(255)
  for (let i = 0, at = 0; i < pixels; i++, at += channels) {
    const start = i * from
    data[at] = bytes[start]!
    data[at + 1] = bytes[from < 3 ? start : start + 1]!
    data[at + 2] = bytes[from < 3 ? start : start + 2]!
  }
  return data
}
