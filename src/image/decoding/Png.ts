/** PNG as a person sees it: with depths, palettes, transparency and colour profiles brought to 8-bit sRGB. */
import { Result } from "effect"
import { inflate } from "../../mask/Inflate.ts"
import * as PngFile from "../../mask/PngFile.ts"
import * as Stretch from "../Stretch.ts"
import { chunkOf, unreadPng } from "./Coding.ts"
import { broken, type Decode, unsupported } from "./Decoding.ts"
import * as IccProfile from "./IccProfile.ts"
import type { Pixels } from "./Pixels.ts"

/** No profile of a display or camera is near it; what is longer may be a bomb. */
const maxProfile = 4 * 1024 * 1024

const profileOf = (bytes: Uint8Array): Uint8Array | undefined => {
  const chunk = chunkOf(bytes, "iCCP")
  const name = chunk?.indexOf(0) ?? -1
  if (chunk === undefined || name < 0) return undefined
  const space = new Uint8Array(maxProfile)
  const profile = space.subarray(0, inflate(chunk.subarray(name + 2), space) ?? 0)
  // As libpng has it: a profile that cannot be read is none.
  if (profile.length < 4) return undefined
  const length = new DataView(profile.buffer, profile.byteOffset).getUint32(0)
  return length === profile.length ? profile : undefined
}

/** What the file holds, read at once unless it was before. */
export const decode = (
  { bytes, channels, height, stretch, width }: Decode,
  read = PngFile.read(bytes, "it", width * height)
): Pixels => {
  if (Result.isFailure(read)) {
    const { detail } = read.failure
    throw /not supported/.test(detail) ? unsupported(detail) : broken(detail)
  }
  const unread = unreadPng(bytes)
  if (unread !== undefined) throw unsupported(unread)
  const picture = read.success
  const size = { width: picture.width, height: picture.height }
  if (picture.depth === 16 && stretch !== undefined) {
    // Every colour but alpha, as it stands in the file.
    const colours = picture.channels < 3 ? 1 : 3
    const count = size.width * size.height
    const samples = new Float32Array(count * colours)
    for (let i = 0; i < count; i++)
      for (let c = 0; c < colours; c++) samples[i * colours + c] = picture.data[i * picture.channels + c]!
    const scaled = Stretch.apply(samples, ...Stretch.limitsOf(stretch, samples))
    return { ...size, channels, data: Stretch.withChannels(scaled, count, channels) }
  }
  const pixels = toPixels(picture, chunkOf(bytes, "tRNS"))
  const profile = profileOf(bytes)
  const convert =
    profile === undefined ? undefined : IccProfile.conversion(profile, pixels.channels < 3 ? "GRAY" : "RGB ")
  if (typeof convert === "object") throw unsupported(convert.unread)
  convert?.(pixels.data, pixels.channels)
  return pixels
}

const toPixels = (picture: PngFile.Picture, transparency: Uint8Array | undefined): Pixels => {
  const { colorType, data, depth, height, palette, paletteAlpha, width } = picture
  const count = width * height
  if (palette !== undefined) {
    const out = new Uint8Array(count * 4)
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      const index = data[i]!
      // An index beyond the palette is black, as viewers have it.
      const [red, green, blue] = palette[index] ?? [0, 0, 0]
      out[at] = red
      out[at + 1] = green
      out[at + 2] = blue
      out[at + 3] = paletteAlpha?.[index] ?? 255
    }
    return { width, height, channels: 4, data: out }
  }
  const scaled = toBytes(data, depth)
  switch (colorType) {
    case "grey-alpha":
      return { width, height, channels: 2, data: scaled }
    case "rgb-alpha":
      return { width, height, channels: 4, data: scaled }
    default:
      return colorType === "grey" || colorType === "rgb"
        ? keyed(
            { width, height, channels: colorType === "grey" ? 1 : 3, data: scaled },
            picture,
            transparency
          )
        : { width, height, channels: 1, data: scaled }
  }
}

/** One colour of the file may stand for transparent. */
const keyed = (pixels: Pixels, picture: PngFile.Picture, key: Uint8Array | undefined): Pixels => {
  const { channels, data, height, width } = pixels
  if (key === undefined || key.length < channels * 2) return pixels
  const { data: samples, depth } = picture
  // Of its 16 bits those count that a sample has.
  const wanted = Array.from(
    { length: channels },
    (_, c) => (key[c * 2]! * 256 + key[c * 2 + 1]!) & (2 ** depth - 1)
  )
  const out = new Uint8Array(width * height * (channels + 1))
  for (let at = 0, to = 0; at < data.length; at += channels) {
    let same = true
    for (let c = 0; c < channels; c++) {
      out[to++] = data[at + c]!
      if (samples[at + c] !== wanted[c]) same = false
    }
    out[to++] = same ? 0 : 255
  }
  return { width, height, channels: channels === 1 ? 2 : 4, data: out }
}

const toBytes = (data: PngFile.Picture["data"], depth: number): Uint8Array => {
  if (depth === 8 && data instanceof Uint8Array) return data
  const out = new Uint8Array(data.length)
  if (depth === 16) for (let i = 0; i < out.length; i++) out[i] = data[i]! >> 8
  else {
    const step = 255 / (2 ** depth - 1)
    for (let i = 0; i < out.length; i++) out[i] = data[i]! * step
  }
  return out
}
