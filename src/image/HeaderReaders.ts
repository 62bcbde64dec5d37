/**
 * Where the first bytes of each kind of file say how large its image is, and how it is turned. One reader a container;
 * which bytes are of which kind says `ImageFormat`.
 */

/** `NeedMore`: the size lies further on, and `bytes` from the start are needed to see it. */
export type Found =
  | { readonly _tag: "Sized"; readonly width: number; readonly height: number; readonly orientation: number }
  | { readonly _tag: "NeedMore"; readonly bytes: number }
  | { readonly _tag: "Unknown" }

/** Bytes as characters, each one its code. */
export type Ascii = (at: number, length: number) => string

/** Reads at least 12 bytes that begin as those of its kind do. */
export type Reader = (view: DataView, ascii: Ascii) => Found

const unknown: Found = { _tag: "Unknown" }
const needMore = (bytes: number): Found => ({ _tag: "NeedMore", bytes })
const sized = (width: number, height: number, orientation = 1): Found =>
  width > 0 && height > 0 ? { _tag: "Sized", width, height, orientation } : unknown

/** EXIF is looked for in the chunks before the pixels, where libvips looks too. */
export const png: Reader = (view, ascii) => {
  if (view.byteLength < 41) return needMore(41)
  if (ascii(12, 4) !== "IHDR") return unknown
  const size = [view.getUint32(16), view.getUint32(20)] as const
  for (let at = 33; at + 8 <= view.byteLength;) {
    const type = ascii(at + 4, 4)
    const end = at + 12 + view.getUint32(at)
    if (type === "IDAT" || type === "IEND") return sized(...size)
    if (type === "eXIf") {
      return end > view.byteLength && end - at < MOST_EXIF
        ? needMore(end)
        : sized(...size, exifOrientation(view, at + 8, end - 4))
    }
    // Nobody puts so much before the pixels: not worth asking for.
    if (end > MOST_BEFORE_PIXELS) return sized(...size)
    at = end
    if (at + 8 > view.byteLength) return needMore(at + 8)
  }
  return sized(...size)
}

/** A JPEG's EXIF cannot be longer either. */
const MOST_EXIF = 64 * 1024
const MOST_BEFORE_PIXELS = 16 * 1024 * 1024

/** Sizes of the headers that there are: a text that starts with "BM" is no image. */
const bmpHeaders: ReadonlySet<number> = new Set([12, 16, 40, 52, 56, 64, 108, 124])

export const bmp: Reader = (view) => {
  if (view.byteLength < 26 || !bmpHeaders.has(view.getUint32(14, true))) return unknown
  const old = view.getUint32(14, true) === 12
  return old
    ? sized(view.getUint16(18, true), view.getUint16(20, true))
    : sized(view.getInt32(18, true), Math.abs(view.getInt32(22, true)))
}

export const jpeg: Reader = (view, ascii) => {
  let orientation = 1
  let at = 2
  while (at + 4 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return unknown
    const marker = view.getUint8(at + 1)
    // Fill bytes, and markers without a length.
    if (marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += marker === 0xff ? 1 : 2
      continue
    }
    if (marker === 0xd9 || marker === 0xda) return unknown
    const length = view.getUint16(at + 2)
    // Start of frame: any of the sixteen but the three that are tables.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      if (at + 9 > view.byteLength) return needMore(at + 9)
      return sized(view.getUint16(at + 7), view.getUint16(at + 5), orientation)
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

export const gif: Reader = (view) => sized(view.getUint16(6, true), view.getUint16(8, true))

export const tiff: Reader = (view) => {
  const little = view.getUint8(0) === 0x49
  const at = view.getUint32(4, little)
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
    : sized(width, height, orientation >= 1 && orientation <= 8 ? orientation : 1)
}

export const webp: Reader = (view, ascii) => {
  if (view.byteLength < 30) return needMore(30)
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
  switch (ascii(12, 4)) {
    case "VP8 ":
      return sized(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff)
    case "VP8L": {
      const bits = view.getUint32(21, true)
      return sized((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1)
    }
    case "VP8X": {
      const size = [uint24(24) + 1, uint24(27) + 1] as const
      // The fourth flag says that there is EXIF. It stands behind the pixels.
      if ((view.getUint8(20) & 0x08) === 0) return sized(...size)
      const end = 8 + view.getUint32(4, true)
      let at = 30
      while (at + 8 <= end) {
        if (at + 8 > view.byteLength) return needMore(at + 8)
        const length = view.getUint32(at + 4, true)
        if (ascii(at, 4) === "EXIF") {
          const stop = at + 8 + Math.min(length, MOST_EXIF)
          if (stop > view.byteLength) return needMore(stop)
          const start = ascii(at + 8, 6) === "Exif\0\0" ? at + 14 : at + 8
          return sized(...size, exifOrientation(view, start, stop))
        }
        at += 8 + length + (length & 1)
      }
      return sized(...size)
    }
    default:
      return unknown
  }
}

/** AVIF and HEIF: the largest `ispe` (image spatial extents) property in the `meta` box. */
export const isoMedia: Reader = (view, ascii) => {
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
  return width === 0 ? unknown : sized(width, height)
}
