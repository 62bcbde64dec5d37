/**
 * JSON from bytes whose bulk is a few long strings, as base64 pictures are: each is cut out of the bytes by itself, so
 * that the whole is never one string beside them. On Node that takes a third of the time of decoding and parsing an
 * answer with three pictures, most of which goes into memory for the large string.
 *
 * It is lenient where programs are that write JSON: a byte order mark, NaN and Infinity as Python and C++ write them. Those
 * become the numbers that they say, for whoever wants the value to judge.
 */
import { randomHex } from "../randomHex.ts"

interface NodeBuffer extends Uint8Array {
  readonly toString: (encoding?: "utf8", start?: number, end?: number) => string
  readonly subarray: (start?: number, end?: number) => NodeBuffer
}

interface NodeBuffers {
  readonly from: (buffer: ArrayBufferLike, offset: number, length: number) => NodeBuffer
}

const buffers = (globalThis as { readonly Buffer?: NodeBuffers | undefined }).Buffer
const decoder = new TextDecoder()

/** Strings at least so long are cut out, in bytes. */
const long = 8 * 1024

/** Strings that are looked at: where there are more, they are short, and one by one costs more than it saves. */
const mostStrings = 2000

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

/**
 * Stands for the long strings in the rest. Unguessable, so that no answer can ask for one. Drawn with the first answer: workers
 * such as Cloudflare's draw nothing while their modules are loaded.
 */
const placeholderOf = () => (drawn ??= `${randomHex(8)}:`)
let drawn: string | undefined

/**
 * The value that the bytes are, of an answer with that `Content-Type`. Throws what `JSON.parse` throws.
 */
export const parse = (bytes: Uint8Array, type?: string): unknown => {
  const cut =
    bytes.length < 2 * long || buffers === undefined || charsetOf(type) !== undefined
      ? undefined
      : cutOut(bytes, buffers)
  if (cut !== undefined) {
    try {
      return putBack(parseText(cut.rest), cut.strings)
    } catch {
      // The message of the failure should be about the text that came.
    }
  }
  return parseText(textOf(bytes, type))
}

/** The charset that a `Content-Type` names, where it is another than UTF-8. */
const charsetOf = (type: string | undefined): string | undefined => {
  const named = /;\s*charset\s*=\s*["']?([\w.:-]+)/i.exec(type ?? "")?.[1]?.toLowerCase()
  return named === undefined || /^(?:utf-?8|us-ascii)$/.test(named) ? undefined : named
}

/** The text in a charset; `undefined` where that is none, or the text is none of it. */
const decoded = (bytes: Uint8Array, charset: string): string | undefined => {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * The text of bytes: UTF-8, or UTF-16 where they begin with its mark. Another charset that a `Content-Type` names is that of what
 * is no UTF-8: servers name their default one for JSON that is UTF-8 all the same.
 */
export const textOf = (bytes: Uint8Array, type?: string): string => {
  const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
  if (isWide) return new TextDecoder(bytes[0] === 0xff ? "utf-16le" : "utf-16be").decode(bytes)
  const charset = charsetOf(type)
  const named =
    charset === undefined
      ? undefined
      : charset.startsWith("utf-16")
        ? decoded(bytes, charset)
        : (decoded(bytes, "utf-8") ?? decoded(bytes, charset))
  return named ?? decoder.decode(bytes)
}

/** `JSON.parse`, and what of JSON numbers has no notation. */
export const parseText = (given: string): unknown => {
  const text = given.startsWith("\ufeff") ? given.slice(1) : given
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/nan|inf/i.test(text)) throw error
    let hasNaN = false
    const quoted = outsideStrings(text, (between) =>
      between.replaceAll(/[+-]?\b(?:NaN|Infinity|inf)(?:\(\w*\))?(?![\w])/gi, (token) => {
        if (/inf/i.test(token)) return token.startsWith("-") ? "-1e999" : "1e999"
        hasNaN = true
        return `"${placeholderOf()}NaN"`
      })
    )
    let value: unknown
    try {
      value = JSON.parse(quoted)
    } catch {
      throw error
    }
    return hasNaN ? putBack(value, [], Number.NaN) : value
  }
}

/** What stands between strings, changed; what they say is never touched. One pass, however they are escaped or cut off. */
const outsideStrings = (text: string, change: (between: string) => string): string => {
  let changed = ""
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('"', at)
    changed += change(text.slice(at, open < 0 ? text.length : open))
    if (open < 0) break
    let close = text.indexOf('"', open + 1)
    while (close > 0 && isOdd(backslashesBefore(text, close))) close = text.indexOf('"', close + 1)
    at = close < 0 ? text.length : close + 1
    changed += text.slice(open, at)
  }
  return changed
}

const isOdd = (count: number): boolean => count % 2 === 1

const backslashesBefore = (text: string, at: number): number => {
  let before = at
  while (text.charCodeAt(before - 1) === backslash) before--
  return at - before
}

interface Cut {
  /** The text, with a placeholder for each long string. */
  readonly rest: string
  readonly strings: ReadonlyArray<string>
}

/** `undefined` where nothing is to be gained. */
const cutOut = (bytes: Uint8Array, { from }: NodeBuffers): Cut | undefined => {
  const text = from(bytes.buffer, bytes.byteOffset, bytes.length)
  const strings: Array<string> = []
  let rest = ""
  let taken = 0
  let at = 0
  for (let seen = 0; seen < mostStrings; seen++) {
    const open = text.indexOf(quote, at)
    if (open < 0) {
      return strings.length === 0 ? undefined : { rest: rest + text.toString("utf8", taken), strings }
    }
    let close = text.indexOf(quote, open + 1)
    while (close > 0 && isEscaped(text, close) && seen++ < mostStrings) close = text.indexOf(quote, close + 1)
    if (close < 0) return undefined
    at = close + 1
    if (close - open < long || isKey(text, at) || text.subarray(open, close).includes(backslash)) continue
    rest += `${text.toString("utf8", taken, open + 1)}${placeholderOf()}${strings.length}`
    strings.push(text.toString("utf8", open + 1, close))
    taken = close
  }
  return undefined
}

/** Whether an odd number of backslashes stands before. */
const isEscaped = (text: Uint8Array, at: number): boolean => {
  let before = at
  while (text[before - 1] === backslash) before--
  return (at - before) % 2 === 1
}

const isKey = (text: Uint8Array, after: number): boolean => {
  let at = after
  while (at < text.length && text[at]! <= 0x20) at++
  return text[at] === colon
}

/** The value with its long strings where their placeholders stand, or with one other value there. */
const putBack = (value: unknown, strings: ReadonlyArray<string>, instead?: number): unknown => {
  const whole = { value }
  const placeholder = placeholderOf()
  // Not by recursion: an answer may be nested deeper than the stack.
  const open: Array<object> = [whole]
  const visit = (parent: object, key: string | number, child: unknown) => {
    if (typeof child === "object" && child !== null) open.push(child)
    else if (typeof child === "string" && child.startsWith(placeholder)) {
      const index = child.slice(placeholder.length)
      if (instead === undefined && index === "NaN") return
      const string = instead ?? strings[Number(index)]
      // Defined, not assigned: `__proto__` is a name like any other here.
      Object.defineProperty(parent, key, {
        value: string,
        writable: true,
        enumerable: true,
        configurable: true
      })
    }
  }
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    // Arrays may be of millions of numbers, whose keys nobody wants as strings.
    if (Array.isArray(at)) for (let index = 0; index < at.length; index++) visit(at, index, at[index])
    else for (const [key, child] of Object.entries(at)) visit(at, key, child)
  }
  return whole.value
}
