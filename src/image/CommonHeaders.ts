/**
 * Where the first bytes of PNG and JPEG say how large the image is, and how it is turned: what nearly every image is, so
 * that the readers of other kinds need not be there for it. They walk a file as its usual decoder does.
 */
import { MOST_PARTS, needMore, type Reader, refused, sized, tooManyParts } from "./HeaderFound.ts"
import * as ExifOrientation from "./ExifOrientation.ts"

/** EXIF, and whether it moves, is looked for in the chunks before the pixels, where libvips looks too. */
const png: Reader = (view, ascii) => {
  if (view.byteLength < 41) return needMore(41)
  if (ascii(12, 4) === "CgBI")
    return refused(
      "it is a PNG in Apple's own way (CgBI), which other programs cannot read. Convert it with pngcrush -revert-iphone-optimizations"
    )
  if (ascii(12, 4) !== "IHDR")
    return refused("it is a PNG that does not begin with its header", { isBroken: true })
  let orientation: number | undefined
  let moves = false
  // Nobody puts so much before the pixels: not worth asking for.
  for (let at = 33, parts = 0; at <= MOST_BEFORE_PIXELS; parts++) {
    if (parts > MOST_PARTS) return tooManyParts
    if (at + 8 > view.byteLength) return needMore(at + 8)
    const type = ascii(at + 4, 4)
    const end = at + 12 + view.getUint32(at)
    if (type === "IDAT" || type === "IEND") break
    if (type === "eXIf") {
      if (end > view.byteLength && end - at < MOST_EXIF) return needMore(end)
      orientation ??= ExifOrientation.read(view, at + 8, end - 4)
    }
    if (type === "acTL") {
      if (at + 12 > view.byteLength) return needMore(at + 12)
      moves = view.getUint32(at + 8) > 1
    }
    at = end
  }
  return sized(view.getUint32(16), view.getUint32(20), orientation, moves)
}

/** A JPEG's EXIF cannot be longer either. */
export const MOST_EXIF = 64 * 1024
const MOST_BEFORE_PIXELS = 16 * 1024 * 1024

/** A frame that is no picture of eight bits by Huffman codes: where the decoder fails on one, this is why. */
const kindOf = (marker: number): string | undefined =>
  marker === 0xc3 || marker === 0xcb
    ? "lossless JPEG"
    : marker >= 0xc5 && marker <= 0xc7
      ? "differential JPEG"
      : marker === 0xf7
        ? "JPEG-LS"
        : undefined

/**
 * Where the code of the next marker of a JPEG that has a length stands, with that length in what is there. As libjpeg has it,
 * whatever stands before a marker is read over. `undefined` where there is none.
 */
export const nextMarker = (view: DataView, from: number): number | undefined => {
  for (let at = from; ; at++) {
    while (at < view.byteLength && view.getUint8(at) !== 0xff) at++
    while (at < view.byteLength && view.getUint8(at) === 0xff) at++
    if (at + 3 > view.byteLength) return undefined
    const code = view.getUint8(at)
    // Not a byte of data that looks like a marker, nor one of those without a length.
    if (code !== 0 && code !== 0x01 && (code < 0xd0 || code > 0xd7)) return at
  }
}

/** Whether a marker begins a frame: any of the sixteen but the three that are tables. */
export const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

/**
 * As libjpeg walks: what comes before the pixels counts, EXIF behind the frame's size too. The first EXIF is the one that
 * counts, whatever it says.
 */
const jpeg: Reader = (view, ascii) => {
  let orientation: number | undefined
  let hasExif = false
  let size: readonly [width: number, height: number] | undefined
  let at = 2
  for (let parts = 0; ; parts++) {
    if (parts > MOST_PARTS) return tooManyParts
    const code = nextMarker(view, at)
    if (code === undefined) return needMore(Math.max(at, view.byteLength) + 64 * 1024)
    const marker = view.getUint8(code)
    at = code + 1
    if (marker === 0xd8) return refused("it begins twice", { isBroken: true })
    if (marker === 0xd9) return refused("it ends before its pixels begin", { isBroken: true })
    if (marker === 0xda) {
      return size === undefined
        ? refused("its pixels begin before its size is told", { isBroken: true })
        : sized(...size, orientation)
    }
    const length = view.getUint16(at)
    if (length < 2) return refused("a segment of it has no length", { isBroken: true })
    const kind = kindOf(marker)
    if (kind !== undefined) return refused(`it is a ${kind}, which is not read here. Convert it to PNG`)
    if (isFrame(marker)) {
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
      if (!hasExif) orientation = ExifOrientation.read(view, at + 8, at + length)
      hasExif = true
    }
    at += length
  }
}

export const readers = { png, jpeg } as const
