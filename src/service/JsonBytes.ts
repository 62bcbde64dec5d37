/**
 * JSON from bytes whose bulk is a few long strings, as base64 pictures are: each is cut out of the bytes by itself, so
 * that the whole is never one string beside them. On Node that takes a third of the time of decoding and parsing an
 * answer with three pictures, most of which goes into memory for the large string.
 *
 * What is no JSON fails as `JSON.parse` of the text does, with its message.
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

/** Stands for the long strings in the rest. Unguessable, so that no answer can ask for one. */
const placeholder = `${randomHex(8)}:`

/** The value that the bytes are, as `JSON.parse` gives it. Throws what `JSON.parse` throws. */
export const parse = (bytes: Uint8Array): unknown => {
  const cut = bytes.length < 2 * long || buffers === undefined ? undefined : cutOut(bytes, buffers)
  if (cut !== undefined) {
    try {
      return putBack(JSON.parse(cut.rest), cut.strings)
    } catch {
      // The message of the failure should be about the text that came.
    }
  }
  return JSON.parse(decoder.decode(bytes))
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
    rest += `${text.toString("utf8", taken, open + 1)}${placeholder}${strings.length}`
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

/** The value with its long strings where their placeholders stand. */
const putBack = (value: unknown, strings: ReadonlyArray<string>): unknown => {
  const whole = { value }
  // Not by recursion: an answer may be nested deeper than the stack.
  const open: Array<object> = [whole]
  const visit = (parent: object, key: string | number, child: unknown) => {
    if (typeof child === "object" && child !== null) open.push(child)
    else if (typeof child === "string" && child.startsWith(placeholder)) {
      const string = strings[Number(child.slice(placeholder.length))]
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
