/**
 * Where the first bytes of each kind of file say how large its image is, and how it is turned. One reader a container;
 * which bytes are of which kind says `ImageFormat`. They walk a file as its usual decoder does, and where one would have
 * to guess they refuse it: what a reader says of the size is what is decoded.
 */
import { needMore, type Reader, refused, sized, unknown } from "./HeaderFound.ts"
import * as TiffHeader from "./TiffHeader.ts"

/** EXIF is looked for in the chunks before the pixels, where libvips looks too. */
export const png: Reader = (view, ascii) => {
  if (view.byteLength < 41) return needMore(41)
  if (ascii(12, 4) === "CgBI")
    return refused(
      "it is a PNG in Apple's own way (CgBI), which other programs cannot read. Convert it with pngcrush -revert-iphone-optimizations"
    )
  if (ascii(12, 4) !== "IHDR")
    return refused("it is a PNG that does not begin with its header", { isBroken: true })
  const size = [view.getUint32(16), view.getUint32(20)] as const
  for (let at = 33; at + 8 <= view.byteLength;) {
    const type = ascii(at + 4, 4)
    const end = at + 12 + view.getUint32(at)
    if (type === "IDAT" || type === "IEND") return sized(...size)
    if (type === "eXIf") {
      return end > view.byteLength && end - at < MOST_EXIF
        ? needMore(end)
        : sized(...size, TiffHeader.exifOrientation(view, at + 8, end - 4))
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

/** Frames that are no pictures of eight bits by Huffman codes: where the decoder fails on one, this is why. */
const jpegKinds: ReadonlyMap<number, string> = new Map([
  [0xc3, "it is a lossless JPEG"],
  [0xc5, "it is a differential JPEG"],
  [0xc6, "it is a differential JPEG"],
  [0xc7, "it is a differential JPEG"],
  [0xcb, "it is a lossless JPEG"],
  [0xf7, "it is a JPEG-LS"]
])

/**
 * As libjpeg walks: whatever stands between two segments is read over, and what comes before the pixels counts, EXIF
 * behind the frame's size too. The first EXIF that says how the image is turned is the one.
 */
export const jpeg: Reader = (view, ascii) => {
  let orientation: number | undefined
  let size: readonly [width: number, height: number] | undefined
  let at = 2
  for (;;) {
    while (at < view.byteLength && view.getUint8(at) !== 0xff) at++
    while (at < view.byteLength && view.getUint8(at) === 0xff) at++
    if (at + 3 > view.byteLength) return needMore(at + 64 * 1024)
    const marker = view.getUint8(at)
    at++
    // A byte of data that looks like a marker, and markers without a length.
    if (marker === 0 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) continue
    if (marker === 0xd8) return refused("it begins twice", { isBroken: true })
    if (marker === 0xd9) return refused("it ends before its pixels begin", { isBroken: true })
    if (marker === 0xda) {
      return size === undefined
        ? refused("its pixels begin before its size is told", { isBroken: true })
        : sized(...size, orientation)
    }
    const length = view.getUint16(at)
    if (length < 2) return refused("a segment of it has no length", { isBroken: true })
    const kind = jpegKinds.get(marker)
    if (kind !== undefined) return refused(`${kind}, which is not read here. Convert it to PNG`)
    // Start of frame: any of the sixteen but the three that are tables.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      if (at + 7 > view.byteLength) return needMore(at + 7)
      if (size !== undefined) return refused("its size is told twice", { isBroken: true })
      const depth = view.getUint8(at + 2)
      if (depth !== 8)
        return refused(
          `it is a JPEG of ${depth} bits a sample, and only those of 8 are read. Convert it to PNG`
        )
      size = [view.getUint16(at + 5), view.getUint16(at + 3)]
    }
    if (marker === 0xe1 && at + 8 <= view.byteLength && ascii(at + 2, 6) === "Exif\0\0") {
      if (at + length > view.byteLength) return needMore(at + length)
      orientation ??= TiffHeader.exifOrientation(view, at + 8, at + length)
    }
    at += length
  }
}

/** A screen, and its first frame, which may be larger: the picture then is as large as both. */
export const gif: Reader = (view) => {
  const width = view.getUint16(6, true)
  const height = view.getUint16(8, true)
  // A table of colours, where the screen has one, then blocks.
  const tableOf = (flags: number) => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1))
  if (view.byteLength < 13) return needMore(13)
  let at = 13 + tableOf(view.getUint8(10))
  while (at + 10 <= view.byteLength) {
    const block = view.getUint8(at)
    if (block === 0x2c) {
      return sized(
        Math.max(width, view.getUint16(at + 1, true) + view.getUint16(at + 5, true)),
        Math.max(height, view.getUint16(at + 3, true) + view.getUint16(at + 7, true))
      )
    }
    if (block === 0x3b) return refused("it holds no frame", { isBroken: true })
    if (block !== 0x21) {
      at++
      continue
    }
    // An extension: parts, each with its length before it, to an empty one.
    at += 2
    for (let length = -1; length !== 0; at += 1 + length) {
      if (at >= view.byteLength) return needMore(at + 64 * 1024)
      length = view.getUint8(at)
    }
  }
  return needMore(at + 64 * 1024)
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
          return sized(...size, TiffHeader.exifOrientation(view, start, stop))
        }
        at += 8 + length + (length & 1)
      }
      return sized(...size)
    }
    default:
      return unknown
  }
}
