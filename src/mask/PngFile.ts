/**
 * PNG files as their samples, read with care: this module decides what reaches `PngRows`, which unpacks it.
 *
 * Only the chunks that hold the picture are looked at, so that no other one (a compressed colour profile) can
 * cost anything, and compressed data longer than the picture could need is refused, which bounds what unpacking
 * it may take.
 */
import { Bytes, Result } from "effect"
import type { Rgb } from "./ClassTable.ts"
import { fail, failing, type MaskNotDecodable } from "./MaskError.ts"
import * as PngRows from "./PngRows.ts"
import { signature } from "./PngWriting.ts"
import * as Steps from "./Steps.ts"

/** What the header says. */
export interface Header {
  readonly width: number
  readonly height: number
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly depth: number
  readonly colorType: "grey" | "rgb" | "indexed" | "grey-alpha" | "rgb-alpha"
  readonly channels: number
  readonly interlaced: boolean
}

/** Samples: `data` holds `[height, width, channels]`, one sample each whatever the depth, as stored. */
export interface Picture extends Header {
  readonly data: Uint8Array | Uint16Array
  /** Colours of an indexed picture. */
  readonly palette?: ReadonlyArray<Rgb> | undefined
  /** How opaque each colour of an indexed picture is, 0 to 255; undefined where the file does not say. */
  readonly paletteAlpha?: ReadonlyArray<number> | undefined
  /** The file says how opaque more colours are than it has, or than there are so far: some readers pass over that, and some do not. */
  readonly isAlphaUnclear?: boolean | undefined
}

/** 100 million. */
const MAX_PIXELS = 100_000_000

type ColorType = Pick<Header, "colorType" | "channels"> & { readonly depths: ReadonlyArray<number> }

const COLOR_TYPES: Readonly<Record<number, ColorType>> = {
  0: { colorType: "grey", channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { colorType: "rgb", channels: 3, depths: [8, 16] },
  3: { colorType: "indexed", channels: 1, depths: [1, 2, 4, 8] },
  4: { colorType: "grey-alpha", channels: 2, depths: [8, 16] },
  6: { colorType: "rgb-alpha", channels: 4, depths: [8, 16] }
}

/** The header of a PNG, from its first 33 bytes. */
const readHeader = (bytes: Uint8Array, name: string): Result.Result<Header, MaskNotDecodable> => {
  const fail = failing(name)
  if (signature.some((byte, i) => bytes[i] !== byte)) return fail("it is not a PNG")
  if (bytes.length < 33) return fail(`it ends after ${bytes.length} bytes, within its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== IHDR) return fail("its first chunk is not a header")
  const width = view.getUint32(16)
  const height = view.getUint32(20)
  const depth = bytes[24]!
  const type = COLOR_TYPES[bytes[25]!]
  if (width === 0 || height === 0 || width > 0x7fffffff || height > 0x7fffffff) {
    return fail(`its header says ${width} x ${height} pixels`)
  }
  if (type === undefined || !type.depths.includes(depth)) {
    return fail(`its header says colour type ${bytes[25]} with ${depth} bits`)
  }
  const { channels, colorType } = type
  return Result.succeed({ width, height, depth, colorType, channels, interlaced: bytes[28] !== 0 })
}

/** The samples of a PNG of at most `maxPixels` pixels. */
export const read = (
  bytes: Uint8Array,
  name: string,
  maxPixels?: number
): Result.Result<Picture, MaskNotDecodable> =>
  Result.flatMap(prepare(bytes, name, maxPixels), (file) =>
    Result.flatMap(Steps.runSync(partsOf(file)), (parts) =>
      Steps.runSync(pictureOf(file, parts, PngRows.inflated(parts.packed, PngRows.sizeOf(file.header))))
    )
  )

/** A file whose header was read. */
export interface File {
  readonly name: string
  readonly header: Header
  readonly chunks: ReadonlyArray<Uint8Array>
}

/** Its header is read, and its chunks are told apart. */
export const prepare = (
  bytes: Uint8Array,
  name: string,
  maxPixels = MAX_PIXELS
): Result.Result<File, MaskNotDecodable> =>
  Result.flatMap(readHeader(bytes, name), (header) => {
    const { channels, depth, height, width } = header
    if (width * height > maxPixels) {
      return fail(name, `${width} x ${height} pixels are more than the ${maxPixels} allowed`)
    }
    if (header.interlaced && depth < 8)
      return fail(name, `it is interlaced with ${depth} bits, which is not supported`)
    const raw = (Math.ceil((width * channels * depth) / 8) + 1) * height
    // Deflate grows data it cannot compress by 5 bytes a block; the rest is room for odd encoders.
    const chunks = essentialChunks(bytes, raw + Math.ceil(raw / 64) + 65_536, header.colorType === "indexed")
    return typeof chunks === "string" ? fail(name, chunks) : Result.succeed({ name, header, chunks })
  })

/** A picture of its parts, once its data is inflated; it is undefined where that cannot be done. */
export function* pictureOf(
  { header, name }: File,
  { alpha, colors, isAlphaUnclear }: Parts,
  space: Uint8Array | undefined
): Steps.Steps<Result.Result<Picture, MaskNotDecodable>> {
  const { depth, height, width } = header
  if (space === undefined) return fail(name, "it is broken (its data is not packed as it should be)")
  const samples = yield* PngRows.unfiltered(space, header)
  if (typeof samples === "string") return fail(name, samples)
  if (header.colorType === "indexed" && colors === undefined)
    return fail(name, "it is indexed, but has no palette")
  const ids = Array.from({ length: (colors?.length ?? 0) / 3 }, (_, id) => id)
  return Result.succeed({
    ...header,
    data: depth < 8 ? yield* unpack(samples, width, height, depth) : samples,
    palette: colors && ids.map((id): Rgb => [colors[id * 3]!, colors[id * 3 + 1]!, colors[id * 3 + 2]!]),
    // Colours that the file does not say it of are opaque.
    ...(alpha === undefined ? {} : { paletteAlpha: ids.map((id) => alpha[id] ?? 255) }),
    ...(isAlphaUnclear && alpha === undefined ? { isAlphaUnclear } : {})
  })
}

const IHDR = 0x49484452
const PLTE = 0x504c5445
const IDAT = 0x49444154
const TRNS = 0x74524e53
const IEND = 0x49454e44

/** The chunks that hold the picture, each with its length, name and checksum; or what is wrong with the file. */
const essentialChunks = (
  bytes: Uint8Array,
  maxCompressed: number,
  isIndexed: boolean
): ReadonlyArray<Uint8Array> | string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: Array<Uint8Array> = []
  let compressed = 0
  let at = 8
  for (;;) {
    if (at + 12 > bytes.length) return `it ends after ${bytes.length} bytes, before its last chunk`
    const length = view.getUint32(at)
    const type = view.getUint32(at + 4)
    const end = at + 12 + length
    if (end > bytes.length) return `it ends after ${bytes.length} bytes, within a chunk of ${length}`
    if (type === IHDR && at !== 8) return "it has two headers"
    if (type === IDAT) compressed += length
    // An empty chunk takes its time, too.
    if (compressed + parts.length > maxCompressed) return "it has more data than its pixels can need"
    // Colours beside a picture of colours are a hint for screens of few.
    const isColor = (type === PLTE || type === TRNS) && isIndexed
    if (type === IHDR || isColor || type === IDAT || type === IEND) parts.push(bytes.subarray(at, end))
    at = end
    if (type === IEND) break
  }
  if (compressed === 0) return "it has no data"
  return parts
}

/** What the chunks hold. */
export interface Parts {
  readonly packed: Uint8Array
  readonly colors: Uint8Array | undefined
  readonly alpha: Uint8Array | undefined
  readonly isAlphaUnclear: boolean
}

/** What is in the chunks, once they are whole and of the one kind that there is. */
export function* partsOf({ chunks, name }: File): Steps.Steps<Result.Result<Parts, MaskNotDecodable>> {
  const broken = (detail: string) => fail(name, `it is broken (${detail})`)
  const data: Array<Uint8Array> = []
  let colors: Uint8Array | undefined
  let alpha: Uint8Array | undefined
  let isAlphaUnclear = false
  for (const [i, chunk] of chunks.entries()) {
    if (i % Steps.itemsPerStep === Steps.itemsPerStep - 1) yield
    const type = new DataView(chunk.buffer, chunk.byteOffset).getUint32(4)
    if (!(yield* PngRows.wholeSteps(chunk)))
      return broken(`CRC mismatch in its chunk ${String.fromCharCode(...chunk.subarray(4, 8))}`)
    const body = chunk.subarray(8, chunk.length - 4)
    if (type === IDAT) data.push(body)
    else if (type === IHDR) {
      const [packing, filters, interlacing = 0] = body.subarray(10)
      if (packing !== 0 || filters !== 0 || interlacing > 1)
        return broken("it is packed, filtered or interlaced in no way that there is")
    } else if (type === PLTE) {
      if (body.length % 3 !== 0) return broken(`${body.length} bytes of colours are not three each`)
      // Of two palettes the last one counts.
      colors = body
      alpha = undefined
    } else if (type === TRNS) {
      // libpng passes over it, and so do browsers; Pillow takes what there are colours for.
      if (body.length > (colors?.length ?? 0) / 3) isAlphaUnclear = true
      else alpha ??= body
    }
  }
  const packed = data.length === 1 ? data[0]! : Bytes.concat(data)
  return Result.succeed({ packed, colors, alpha, isAlphaUnclear })
}

/** One sample a byte, from rows of packed bits. */
function* unpack(
  packed: Uint8Array | Uint16Array,
  width: number,
  height: number,
  depth: number
): Steps.Steps<Uint8Array> {
  const out = new Uint8Array(width * height)
  const stride = Math.ceil((width * depth) / 8)
  const mask = (1 << depth) - 1
  const pause = Steps.rowsPerStep(width)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    for (let x = 0; x < width; x++) {
      const bit = x * depth
      out[y * width + x] = (packed[y * stride + (bit >> 3)]! >> (8 - depth - (bit & 7))) & mask
    }
  }
  return out
}

/** One channel alone, the first by default. */
export const channel = (picture: Picture, index = 0): Uint8Array | Uint16Array => {
  const { channels, data, height, width } = picture
  if (channels === 1) return data
  const out = data instanceof Uint16Array ? new Uint16Array(width * height) : new Uint8Array(width * height)
  for (let i = 0; i < out.length; i++) out[i] = data[i * channels + index]!
  return out
}

/** Whether red, green and blue are the same throughout. */
export const isGrey = ({ channels, data, palette }: Picture): boolean => {
  const greys = palette?.map(([red, green, blue]) => red === green && red === blue)
  if (greys !== undefined) return data.every((index) => greys[index] !== false)
  if (channels < 3) return true
  for (let i = 0; i < data.length; i += channels) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false
  }
  return true
}

/** How opaque each pixel is, as the picture has it; `undefined` where it has no alpha, and all of it is. */
export const opacity = (picture: Picture): Uint8Array | Uint16Array | undefined => {
  const { channels, data, paletteAlpha } = picture
  if (paletteAlpha !== undefined) return data.map((index) => paletteAlpha[index] ?? 255)
  return channels === 2 || channels === 4 ? channel(picture, channels - 1) : undefined
}

const varies = (values: Uint8Array | Uint16Array): boolean => values.some((value) => value !== values[0])

/** Whether alpha, where it is unclear, cannot be what `brightness` would give. */
export const isBrightnessClear = (picture: Picture, values: Uint8Array | Uint16Array): boolean =>
  picture.isAlphaUnclear !== true || (varies(values) && isGrey(picture))

/**
 * How bright each pixel is, for pictures that show one mask: the brightest of its colours; or its alpha, where the
 * colours are the same throughout and alpha is not, and where something of many colours is cut out.
 */
export const brightness = (picture: Picture): Uint8Array | Uint16Array => {
  const { channels, data, palette } = picture
  const bright = palette?.map((color) => Math.max(...color))
  const out = bright ? data.map((index) => bright[index] ?? 0) : channel(picture)
  const colors = channels < 3 ? 1 : 3
  for (let c = 1; c < colors; c++) {
    for (let i = 0; i < out.length; i++) out[i] = Math.max(out[i]!, data[i * channels + c]!)
  }
  const alpha = opacity(picture)
  if (alpha === undefined || !varies(alpha)) return out
  return !varies(out) || (alpha.includes(0) && !isGrey(picture)) ? alpha : out
}
