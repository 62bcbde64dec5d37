/**
 * What the first bytes of a file say of the image in it: its type, size and orientation, without decoding a pixel.
 *
 * PNG, JPEG, WebP (these with EXIF orientation), GIF, BMP, TIFF and AVIF or HEIF.
 *
 * ```ts
 * import { ImageHeader } from "effect-segformer/image"
 *
 * ImageHeader.parse(new TextEncoder().encode("no image, but a text")) // => { _tag: "Unknown" }
 * ```
 */

export type ImageFormat = "png" | "jpeg" | "webp" | "gif" | "bmp" | "tiff" | "avif" | "heif"

export interface ImageHeader {
  readonly _tag: "Known"
  readonly format: ImageFormat
  /** In pixels, as stored: before any orientation is applied. */
  readonly width: number
  /** In pixels, as stored. */
  readonly height: number
  /** EXIF orientation, 1 to 8; 1 where the file says nothing. From 5 on, width and height are to be exchanged. */
  readonly orientation: number
}

/** `NeedMore`: the size lies further on, and `bytes` from the start are needed to see it. */
export type Parsed =
  | ImageHeader
  | { readonly _tag: "NeedMore"; readonly bytes: number }
  | { readonly _tag: "Unknown" }

export const mediaTypes: Readonly<Record<ImageFormat, string>> = {
  png: "image/png",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  bmp: "image/bmp",
  tiff: "image/tiff",
  avif: "image/avif",
  heif: "image/heif"
}

/** File name endings, the usual one first. */
export const extensions: Readonly<Record<ImageFormat, ReadonlyArray<string>>> = {
  png: ["png"],
  jpeg: ["jpg", "jpeg"],
  webp: ["webp"],
  gif: ["gif"],
  bmp: ["bmp"],
  tiff: ["tif", "tiff"],
  avif: ["avif"],
  heif: ["heic", "heif"]
}

const unknown: Parsed = { _tag: "Unknown" }
const needMore = (bytes: number): Parsed => ({ _tag: "NeedMore", bytes })
const known = (format: ImageFormat, width: number, height: number, orientation = 1): Parsed =>
  width > 0 && height > 0 ? { _tag: "Known", format, width, height, orientation } : unknown

/** The header of an image whose first bytes these are. */
export const parse = (bytes: Uint8Array): Parsed => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ascii = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length))
  if (bytes.length < 12) return unknown
  if (view.getUint32(0) === 0x89504e47 && view.getUint32(4) === 0x0d0a1a0a) return png(view, ascii)
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return jpeg(view, ascii)
  if (ascii(0, 4) === "RIFF" && ascii(8, 4) === "WEBP") return webp(view, ascii)
  if (ascii(0, 6) === "GIF87a" || ascii(0, 6) === "GIF89a")
    return known("gif", view.getUint16(6, true), view.getUint16(8, true))
  if (ascii(0, 2) === "BM" && bytes.length >= 26) return bmp(view)
  if (ascii(0, 4) === "II*\0" || ascii(0, 4) === "MM\0*") return tiff(view, 0, ascii(0, 2) === "II")
  if (ascii(4, 4) === "ftyp") return isoMedia(view, ascii)
  return unknown
}

type Ascii = (at: number, length: number) => string

/** EXIF is looked for in the chunks before the pixels, where libvips looks too. */
const png = (view: DataView, ascii: Ascii): Parsed => {
  if (view.byteLength < 41) return needMore(41)
  if (ascii(12, 4) !== "IHDR") return unknown
  const size = [view.getUint32(16), view.getUint32(20)] as const
  for (let at = 33; at + 8 <= view.byteLength;) {
    const type = ascii(at + 4, 4)
    const end = at + 12 + view.getUint32(at)
    if (type === "IDAT" || type === "IEND") return known("png", ...size)
    if (type === "eXIf") {
      return end > view.byteLength && end - at < MOST_EXIF
        ? needMore(end)
        : known("png", ...size, exifOrientation(view, at + 8, end - 4))
    }
    // Nobody puts so much before the pixels: not worth asking for.
    if (end > MOST_BEFORE_PIXELS) return known("png", ...size)
    at = end
    if (at + 8 > view.byteLength) return needMore(at + 8)
  }
  return known("png", ...size)
}

/** A JPEG's EXIF cannot be longer either. */
const MOST_EXIF = 64 * 1024
const MOST_BEFORE_PIXELS = 16 * 1024 * 1024

/** Sizes of the headers that there are: a text that starts with "BM" is no image. */
const bmpHeaders: ReadonlySet<number> = new Set([12, 16, 40, 52, 56, 64, 108, 124])

const bmp = (view: DataView): Parsed => {
  if (!bmpHeaders.has(view.getUint32(14, true))) return unknown
  const old = view.getUint32(14, true) === 12
  return old
    ? known("bmp", view.getUint16(18, true), view.getUint16(20, true))
    : known("bmp", view.getInt32(18, true), Math.abs(view.getInt32(22, true)))
}

const jpeg = (view: DataView, ascii: Ascii): Parsed => {
  let orientation = 1
  let at = 2
  while (at + 4 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return unknown
    const marker = view.getUint8(at + 1)
    // Fill bytes, and markers without a length.
    if (marker === 0xff) {
      at += 1
      continue
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2
      continue
    }
    if (marker === 0xd9 || marker === 0xda) return unknown
    const length = view.getUint16(at + 2)
    // Start of frame: any of the sixteen but the three that are tables.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      if (at + 9 > view.byteLength) return needMore(at + 9)
      return known("jpeg", view.getUint16(at + 7), view.getUint16(at + 5), orientation)
    }
    if (marker === 0xe1 && at + 10 <= view.byteLength && ascii(at + 4, 6) === "Exif\0\0") {
      orientation = exifOrientation(view, at + 10, at + 2 + length) ?? orientation
    }
    at += 2 + length
  }
  return needMore(at + 64 * 1024)
}

/** Orientation from the TIFF block of an EXIF segment, where it is one and within what was read. */
const exifOrientation = (view: DataView, start: number, end: number): number | undefined => {
  if (Math.min(end, view.byteLength) - start < 8) return undefined
  const block = new DataView(view.buffer, view.byteOffset + start, Math.min(end, view.byteLength) - start)
  const little = block.getUint16(0) === 0x4949
  const value = ifdValues(block, block.getUint32(4, little), little)?.get(0x0112)
  return value !== undefined && value >= 1 && value <= 8 ? value : undefined
}

/** First values of the short and long entries of a TIFF directory; `undefined` where it lies beyond the bytes. */
const ifdValues = (view: DataView, at: number, little: boolean): Map<number, number> | undefined => {
  if (at + 2 > view.byteLength) return undefined
  const count = view.getUint16(at, little)
  if (at + 2 + count * 12 > view.byteLength) return undefined
  const values = new Map<number, number>()
  for (let entry = at + 2, i = 0; i < count; i++, entry += 12) {
    const type = view.getUint16(entry + 2, little)
    if (type === 3) values.set(view.getUint16(entry, little), view.getUint16(entry + 8, little))
    else if (type === 4) values.set(view.getUint16(entry, little), view.getUint32(entry + 8, little))
  }
  return values
}

const tiff = (view: DataView, start: number, little: boolean): Parsed => {
  const at = start + view.getUint32(4, little)
  const values = ifdValues(view, at, little)
  if (values === undefined) {
    const count = at + 2 <= view.byteLength ? view.getUint16(at, little) : 64
    return needMore(at + 2 + count * 12)
  }
  const width = values.get(0x0100)
  const height = values.get(0x0101)
  const orientation = values.get(0x0112) ?? 1
  return width === undefined || height === undefined
    ? unknown
    : known("tiff", width, height, orientation >= 1 && orientation <= 8 ? orientation : 1)
}

const webp = (view: DataView, ascii: Ascii): Parsed => {
  if (view.byteLength < 30) return needMore(30)
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
  switch (ascii(12, 4)) {
    case "VP8 ":
      return known("webp", view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff)
    case "VP8L": {
      const bits = view.getUint32(21, true)
      return known("webp", (bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1)
    }
    case "VP8X": {
      const size = [uint24(24) + 1, uint24(27) + 1] as const
      // The fourth flag says that there is EXIF. It stands behind the pixels.
      if ((view.getUint8(20) & 0x08) === 0) return known("webp", ...size)
      const end = 8 + view.getUint32(4, true)
      let at = 30
      while (at + 8 <= end) {
        if (at + 8 > view.byteLength) return needMore(at + 8)
        const length = view.getUint32(at + 4, true)
        if (ascii(at, 4) === "EXIF") {
          const stop = at + 8 + Math.min(length, MOST_EXIF)
          if (stop > view.byteLength) return needMore(stop)
          const start = ascii(at + 8, 6) === "Exif\0\0" ? at + 14 : at + 8
          return known("webp", ...size, exifOrientation(view, start, stop))
        }
        at += 8 + length + (length & 1)
      }
      return known("webp", ...size)
    }
    default:
      return unknown
  }
}

/** AVIF and HEIF: the largest `ispe` (image spatial extents) property in the `meta` box. */
const isoMedia = (view: DataView, ascii: Ascii): Parsed => {
  const brands = ascii(8, Math.max(0, Math.min(view.getUint32(0), view.byteLength, 64) - 8))
  const format = /avi[fs]/.test(brands) ? "avif" : /hei[cxmsf]|hev[cx]|mif1/.test(brands) ? "heif" : undefined
  if (format === undefined) return unknown
  let width = 0
  let height = 0
  const containers = new Map([
    ["meta", 12],
    ["iprp", 8],
    ["ipco", 8]
  ])
  const walk = (from: number, to: number, depth: number): number | undefined => {
    for (let at = from; at + 8 <= to;) {
      const size = view.getUint32(at)
      const type = ascii(at + 4, 4)
      if (size < 8) return undefined
      const header = containers.get(type)
      // Three levels lead to the sizes; a file that nests further only wants to exhaust the stack.
      if (header !== undefined && depth < 3) {
        if (at + size > view.byteLength) return at + size
        const more = walk(at + header, at + size, depth + 1)
        if (more !== undefined) return more
      } else if (type === "ispe" && at + 20 <= view.byteLength) {
        if (view.getUint32(at + 12) * view.getUint32(at + 16) > width * height) {
          width = view.getUint32(at + 12)
          height = view.getUint32(at + 16)
        }
      } else if (type === "mdat" && width === 0) {
        return at + size + 64 * 1024
      }
      at += size
    }
    return undefined
  }
  const more = walk(0, view.byteLength, 0)
  if (more !== undefined) return needMore(more)
  return width === 0 ? unknown : known(format, width, height)
}

/**
 * Whether a PNG ends where it should: its chunks lead to `IEND`, and that lies within the bytes. A file that was cut
 * off has a header like any other, so this is worth the few jumps.
 */
export const isWholePng = (bytes: Uint8Array): boolean => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) === 0x49454e44) return true
  }
  return false
}
