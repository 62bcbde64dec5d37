/**
 * What the first bytes of a file say of the image in it: its type, size and orientation, without decoding a pixel.
 *
 * Of each type in `ImageFormat`; orientation where PNG, JPEG, WebP and TIFF have it, and as AVIF and HEIC ask for it.
 *
 * ```ts
 * import { ImageHeader } from "effect-segformer/image"
 *
 * ImageHeader.parse(new TextEncoder().encode("no image, but a text")) // => { _tag: "Unknown" }
 * ```
 */
import * as CommonHeaders from "./CommonHeaders.ts"
import type { Reader } from "./HeaderFound.ts"
import * as HeaderParsing from "./HeaderParsing.ts"
import * as HeaderReaders from "./HeaderReaders.ts"
import type { ImageFormat } from "./ImageFormat.ts"
import * as IsoMediaHeader from "./IsoMediaHeader.ts"
import * as TiffHeader from "./TiffHeader.ts"

export { type ImageHeader, isWholePng, type Parsed } from "./HeaderParsing.ts"

const readers: Readonly<Record<ImageFormat, Reader>> = {
  ...CommonHeaders.readers,
  webp: HeaderReaders.webp,
  gif: HeaderReaders.gif,
  bmp: HeaderReaders.bmp,
  tiff: TiffHeader.tiff,
  avif: IsoMediaHeader.isoMedia,
  heif: IsoMediaHeader.isoMedia
}

/** The header of an image whose first bytes these are: that of a page, from 1, where the type has pages. */
export const parse = (bytes: Uint8Array, page = 1): HeaderParsing.Parsed => {
  const format = HeaderParsing.formatOf(bytes)
  return format === undefined
    ? HeaderParsing.unknown
    : HeaderParsing.readAs(format, readers[format], bytes, page)
}
