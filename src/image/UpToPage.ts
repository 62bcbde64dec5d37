/** A file as far as its decoder needs it. */
import { Effect } from "effect"
import { concat } from "../service/Body.ts"
import { unreadPng } from "./decoding/Coding.ts"
import { type ImageError, UnsupportedImage } from "./ImageError.ts"
import * as ImageHeader from "./ImageHeader.ts"
import * as ImageOpening from "./ImageOpening.ts"

/**
 * What a decoder is given of a file: of one that moves, nothing behind the page that is asked for. It would walk over all frames
 * there are, those of a WebP in a time that grows with the square of their number. Fails where its colours would not be its own.
 */
export const upToPage = Effect.fnUntraced(function* (
  { page, source }: { readonly page: number; readonly source: string },
  bytes: Uint8Array
): Effect.fn.Return<Uint8Array, ImageError> {
  const start = bytes.subarray(0, ImageOpening.startBytes)
  const accepted = ImageOpening.accept(source, ImageHeader.parse(bytes, page), start, anySize)
  const { format, own, unread } = yield* Effect.catchTag(accepted, "CodeNotLoaded", Effect.die)
  const detail = format === "png" ? unreadPng(bytes) : unread
  if (detail !== undefined) return yield* new UnsupportedImage({ source, format, detail })
  if (own === undefined) return bytes
  const parts = new Uint8Array(concat(own.map(([from, to]) => bytes.subarray(from, to))))
  if (format === "webp") new DataView(parts.buffer).setUint32(4, parts.length - 8, true)
  return parts
})

export * as TiffHeader from "./TiffHeader.ts"

const anySize = { maxBytes: Infinity, maxPixels: Infinity }
