/**
 * Where the first bytes of each kind of file say how large its image is, and how it is turned: those of PNG and JPEG are in
 * `CommonHeaders`, those of larger containers in modules of their own. Which bytes are of which kind says `ImageFormat`. They walk a file as its usual decoder does, and where one would have
 * to guess they refuse it: what a reader says of the size is what is decoded.
 */
import {
  type Found,
  MOST_PARTS,
  needMore,
  type Reader,
  refused,
  sized,
  tooManyParts,
  unknown
} from "./HeaderFound.ts"
import { MOST_EXIF } from "./CommonHeaders.ts"
import * as ExifOrientation from "./ExifOrientation.ts"

/** Sizes of the headers that there are: a text that starts with "BM" is no image. */
const bmpHeaders: ReadonlySet<number> = new Set([12, 16, 40, 52, 56, 64, 108, 124])

export const bmp: Reader = (view) => {
  if (view.byteLength < 26 || !bmpHeaders.has(view.getUint32(14, true))) return unknown
  const old = view.getUint32(14, true) === 12
  return old
    ? sized(view.getUint16(18, true), view.getUint16(20, true))
    : sized(view.getInt32(18, true), Math.abs(view.getInt32(22, true)))
}

type Own = NonNullable<Extract<Found, { readonly _tag: "Sized" }>["own"]>

/** One that has frames behind that which is asked for, where there is anything to be left out. */
const moving = (found: Found, own: Own): Found =>
  found._tag === "Sized" && own.length > 0 ? { ...found, hasMore: true, own } : found

/** Pieces of data as writers make them are longer: of shorter ones there may be millions, so that they count as parts. */
const SHORT = 64

/**
 * A screen, and its first frame, which may be larger: the picture then is as large as both. One behind the frame that is
 * asked for makes it move.
 */
export const gif: Reader = (view, _, page) => {
  if (view.byteLength < 13) return needMore(13)
  let width = view.getUint16(6, true)
  let height = view.getUint16(8, true)
  // A table of colours, where the screen or a frame has one, then blocks.
  const tableOf = (flags: number) => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1))
  const table = tableOf(view.getUint8(10))
  let at = 13 + table
  const frames: Array<number> = []
  const further = view.byteLength + 64 * 1024
  const found = (more?: number): Found => {
    const size = sized(width, height, 1, more)
    return size._tag === "Sized" ? { ...size, frames } : size
  }
  const lacking = () => (frames.length > 0 ? found(further) : needMore(further))
  for (let parts = 0; at < view.byteLength;) {
    const block = view.getUint8(at)
    if (block === 0x3b) return frames.length > 0 ? found() : refused("it holds no frame", { isBroken: true })
    if (block === 0x2c) {
      if (frames.length === page) return moving(found(), [[0, at]])
      if (at + 10 > view.byteLength) return lacking()
      const own = tableOf(view.getUint8(at + 9))
      if (frames.length === 0) {
        if (table + own === 0) return refused("it has no table of its colours", { isBroken: true })
        width = Math.max(width, view.getUint16(at + 1, true) + view.getUint16(at + 5, true))
        height = Math.max(height, view.getUint16(at + 3, true) + view.getUint16(at + 7, true))
      }
      frames.push(at)
      at += 11 + own
    } else if (block === 0x21) at += 2
    else {
      if (++parts > MOST_PARTS) return tooManyParts
      at++
      continue
    }
    // Pieces, each with its length before it, to an empty one. Those of the picture are what they are.
    const isPicture = block === 0x2c && frames.length === page
    for (let length = -1; length !== 0; at += 1 + length) {
      if (at >= view.byteLength) return lacking()
      length = view.getUint8(at)
      if (!isPicture && length < SHORT && ++parts > MOST_PARTS) return tooManyParts
    }
  }
  return lacking()
}

export const webp: Reader = (view, ascii, page) => {
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
      // EXIF stands behind the pixels, and frames one after the other.
      const hasExif = (view.getUint8(20) & 0x08) !== 0
      const most = (view.getUint8(20) & 0x02) === 0 ? 0 : page + 1
      const end = 8 + view.getUint32(4, true)
      let frames = 0
      // Up to the frame behind the one that is asked for.
      const own: Array<Own[number]> = []
      for (let at = 30, parts = 0; at + 8 <= end; parts++) {
        if (parts > MOST_PARTS) return tooManyParts
        if (!hasExif && frames >= most) break
        if (at + 8 > view.byteLength) return hasExif ? needMore(at + 8) : sized(...size, 1, at + 8)
        const type = ascii(at, 4)
        const length = view.getUint32(at + 4, true)
        if (type === "ANMF" && frames++ === page) own.push([0, at])
        if (type === "EXIF") {
          const stop = at + 8 + Math.min(length, MOST_EXIF)
          if (stop > view.byteLength) return needMore(stop)
          const start = ascii(at + 8, 6) === "Exif\0\0" ? at + 14 : at + 8
          if (own.length > 0) own.push([at, at + 8 + length + (length & 1)])
          return moving(sized(...size, ExifOrientation.read(view, start, stop)), own)
        }
        at += 8 + length + (length & 1)
      }
      return moving(sized(...size), own)
    }
    default:
      return unknown
  }
}
