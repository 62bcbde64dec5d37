/** A file as far as its decoder needs it. */
import { Effect } from "effect"
import { concat } from "../service/Body.ts"
import { unreadPng } from "./decoding/Coding.ts"
import * as GifFrames from "./GifFrames.ts"
import { type ImageError, UnsupportedImage } from "./ImageError.ts"
import * as ImageHeader from "./ImageHeader.ts"
import * as ImageOpening from "./ImageOpening.ts"
import * as TiffHeader from "./TiffHeader.ts"

/**
 * What a decoder is given of a file: nothing behind the page that is asked for, of one that moves or has very many. It would walk over all
 * there are, those of a WebP or TIFF in a time that grows with the square of their number. Fails where its colours would not be its own,
 * or a part of a GIF is missing.
 */
export const upToPage = Effect.fnUntraced(function* (
  { page, source }: { readonly page: number; readonly source: string },
  bytes: Uint8Array
): Effect.fn.Return<Uint8Array, ImageError> {
  const start = bytes.subarray(0, ImageOpening.startBytes)
  const accepted = ImageOpening.accept(source, ImageHeader.parse(bytes, page), start, anySize)
  const { format, frames, matrixAt, own, unread } = yield* Effect.catchTag(
    accepted,
    "CodeNotLoaded",
    Effect.die
  )
  const detail = format === "png" ? unreadPng(bytes) : unread
  if (detail !== undefined) return yield* new UnsupportedImage({ source, format, detail })
  const parts =
    own === undefined ? bytes : new Uint8Array(concat(own.map(([from, to]) => bytes.subarray(from, to))))
  if (frames !== undefined) return yield* GifFrames.whole(source, parts, frames)
  if (matrixAt !== undefined) {
    // Who reads such pictures takes BT.601; its decoder would not believe the rest of what it says either: whether 0 is black.
    const told = new Uint8Array(bytes)
    told[matrixAt + 1] = BT601
    return told
  }
  if (format === "tiff") return TiffHeader.upToPage(bytes, page)
  if (own !== undefined && format === "webp") new DataView(parts.buffer).setUint32(4, parts.length - 8, true)
  return parts
})

/** A matrix, as H.273 numbers them. */
const BT601 = 6

export { TiffHeader }

const anySize = { maxBytes: Infinity, maxPixels: Infinity }
