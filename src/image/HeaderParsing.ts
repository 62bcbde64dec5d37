/** What the first bytes of a file say of the image in it, by the reader of its kind. */
import type { Ascii, Found, Reader } from "./HeaderFound.ts"
import * as ImageFormat from "./ImageFormat.ts"

export interface ImageHeader extends Omit<Extract<Found, { readonly _tag: "Sized" }>, "_tag"> {
  readonly _tag: "Known"
  readonly format: ImageFormat.ImageFormat
}

/**
 * `NeedMore`: the size lies further on, and `bytes` from the start are needed to see it. `Refused`: an image of this type
 * that is broken, contradicts itself, or is of a kind that nothing here decodes.
 */
export type Parsed =
  | ImageHeader
  | Exclude<Found, { readonly _tag: "Sized" | "Refused" }>
  | (Extract<Found, { readonly _tag: "Refused" }> & { readonly format: ImageFormat.ImageFormat })

export const unknown: Parsed = { _tag: "Unknown" }

const asciiOf =
  (bytes: Uint8Array): Ascii =>
  (at, length) =>
    String.fromCharCode(...bytes.subarray(at, at + length))

/** The type of a file that begins so; `undefined` where it is none that is read here. */
export const formatOf = (bytes: Uint8Array): ImageFormat.ImageFormat | undefined => {
  const ascii = asciiOf(bytes)
  return bytes.length < 12
    ? undefined
    : ImageFormat.names.find((name) => ImageFormat.table[name].begins(ascii))
}

/** The header of an image of a type, as its reader finds it. */
export const readAs = (
  format: ImageFormat.ImageFormat,
  read: Reader,
  bytes: Uint8Array,
  page: number
): Parsed => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = read(view, asciiOf(bytes), page)
  if (found._tag === "Sized") return { ...found, _tag: "Known", format }
  return found._tag === "Refused" ? { ...found, format } : found
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
