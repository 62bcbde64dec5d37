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
  // `Buffer` takes both alphabets in one text.
  return text.includes("-") || text.includes("_") ? -1 : Math.floor((length * 3) / 4)
}

/** The alphabet of base64 in place of that for URLs, where a text is wholly in the latter. */
const standard = (text: string): string =>
  (text.includes("-") || text.includes("_")) && !text.includes("+") && !text.includes("/")
    ? text.replaceAll("-", "+").replaceAll("_", "/")
    : text

/** Characters of `data:image/png;base64,` at the start of a text; none where it begins otherwise. */
export const prefixLength = (text: string): number =>
  /^\s*data:[^,]*;\s*base64\s*,\s*/i.exec(text.slice(0, 300))?.[0].length ?? 0

/** The bytes, or `undefined` where the text is no base64, in either alphabet. Line breaks are allowed, as MIME has them. */
export const decode = (given: string): Uint8Array | undefined => {
  const text = standard(given)
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
    const binary = atob(text)
    const bytes = new Uint8Array(binary.length)
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
    return bytes
  } catch {
    return undefined
  }
}

const alphabet = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
const latin = new TextDecoder("latin1")

/** The same by hand, where the runtime has nothing for bytes. @internal */
const encodeByHand = (bytes: Uint8Array): string => {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  let at = 0
  for (let i = 0; i < bytes.length; i += 3) {
    // Past the end there are zeros, whose signs become padding.
    const three = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    out[at++] = alphabet[three >> 18]!
    out[at++] = alphabet[(three >> 12) & 63]!
    out[at++] = alphabet[(three >> 6) & 63]!
    out[at++] = alphabet[three & 63]!
  }
  const padding = (3 - (bytes.length % 3)) % 3
  if (padding > 0) out.fill(61, out.length - padding)
  return latin.decode(out)
}

/** The bytes as base64. */
export const encode = (bytes: Uint8Array): string =>
  nodeBuffer === undefined
    ? encodeByHand(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
