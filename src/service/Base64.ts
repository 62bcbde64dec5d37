/**
 * Base64 to bytes by what the runtime has built in: Effect's own decoder is written in JavaScript, and many times
 * slower on a megabyte.
 */

interface NativeBase64 {
  readonly fromBase64?: ((text: string) => Uint8Array) | undefined
}

interface NodeBuffer {
  readonly from: (text: string, encoding: "base64") => Uint8Array
}

const native = (Uint8Array as NativeBase64).fromBase64
const nodeBuffer = (globalThis as { readonly Buffer?: NodeBuffer | undefined }).Buffer

/** Bytes that base64 without line breaks stands for; -1 where its length, padding or alphabet is wrong. */
const decodedLength = (text: string): number => {
  let length = text.length
  while (length > 0 && text.charCodeAt(length - 1) === 61) length--
  const padding = text.length - length
  if (length % 4 === 1 || (padding > 0 && (text.length % 4 !== 0 || padding > 2))) return -1
  // `Buffer` takes the alphabet for URLs as well.
  return text.includes("-") || text.includes("_") ? -1 : Math.floor((length * 3) / 4)
}

/** The bytes, or `undefined` where the text is no base64. Line breaks are allowed, as MIME has them. */
export const decode = (text: string): Uint8Array | undefined => {
  try {
    if (native !== undefined) return native(text)
    if (nodeBuffer !== undefined) {
      // `Buffer` skips what is no base64, so the length tells whether anything was skipped.
      const { buffer, byteOffset, length } = nodeBuffer.from(text, "base64")
      // A `Buffer` would be one more view wherever somebody takes a `slice` of it for a copy.
      const bytes = new Uint8Array(buffer, byteOffset, length)
      if (bytes.length === decodedLength(text)) return bytes
      const joined = text.replaceAll(/[\t\n\f\r ]+/g, "")
      return joined.length < text.length && bytes.length === decodedLength(joined) ? bytes : undefined
    }
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** The bytes as base64. */
export const encode = (bytes: Uint8Array): string => {
  if (nodeBuffer !== undefined) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
  }
  let binary = ""
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  }
  return btoa(binary)
}
