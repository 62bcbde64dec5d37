/**
 * What the first bytes of a file say of the image in it: its type, size and orientation, without decoding a pixel.
 *
 * Of each type in `ImageFormat`; EXIF orientation where PNG, JPEG, WebP and TIFF have it.
 *
 * ```ts
 * import { ImageHeader } from "effect-segformer/image"
 *
 * ImageHeader.parse(new TextEncoder().encode("no image, but a text")) // => { _tag: "Unknown" }
 * ```
 */
import * as ImageFormat from "./ImageFormat.ts"

export interface ImageHeader {
  readonly _tag: "Known"
  readonly format: ImageFormat.ImageFormat
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

const unknown: Parsed = { _tag: "Unknown" }

/** The header of an image whose first bytes these are. */
export const parse = (bytes: Uint8Array): Parsed => {
  if (bytes.length < 12) return unknown
  const ascii = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length))
  const format = ImageFormat.names.find((name) => ImageFormat.table[name].begins(ascii))
  if (format === undefined) return unknown
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = ImageFormat.table[format].read(view, ascii)
  return found._tag === "Sized" ? { ...found, _tag: "Known", format } : found
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
