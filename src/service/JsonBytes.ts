/**
 * JSON from the bytes of an answer. Large ones are read in pieces (`JsonSlices`).
 *
 * It is lenient where programs are that write JSON: a byte order mark, NaN and Infinity as Python and C++ write them. Those
 * become the numbers that they say, for whoever wants the value to judge.
 */
import { randomHex } from "../randomHex.ts"

const decoder = new TextDecoder()

const backslash = 0x5c

/** Stands for what is elsewhere in one text: drawn anew for each, so that no answer can ask for it. */
export const placeholderOf = () => `${randomHex(8)}:`

/**
 * The value that the bytes are, of an answer with that `Content-Type`. Throws what `JSON.parse` throws.
 */
export const parse = (bytes: Uint8Array, type?: string): unknown => parseText(textOf(bytes, type))

/** The charset that a `Content-Type` names, where it is another than UTF-8. */
const charsetOf = (type: string | undefined): string | undefined => {
  const named = /;\s*charset\s*=\s*["']?([\w.:-]+)/i.exec(type ?? "")?.[1]?.toLowerCase()
  return named === undefined || /^(?:utf-?8|us-ascii)$/.test(named) ? undefined : named
}

/** A charset that bytes may be in; where it is `fatal`, they are in another if they are none of it. */
interface Charset {
  readonly label: string
  readonly fatal: boolean
}

/**
 * The charsets to try before UTF-8 is read as well as can be: UTF-16 where its mark stands; of another that a `Content-Type` names UTF-8
 * goes before, since servers name their default one for JSON that is UTF-8 all the same.
 */
export const charsetsOf = (bytes: Uint8Array, type?: string): ReadonlyArray<Charset> => {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return [{ label: "utf-16le", fatal: false }]
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return [{ label: "utf-16be", fatal: false }]
  const label = charsetOf(type)
  if (label === undefined) return []
  return (label.startsWith("utf-16") ? [label] : ["utf-8", label]).map((label) => ({ label, fatal: true }))
}

/** The text of bytes. */
export const textOf = (bytes: Uint8Array, type?: string): string => {
  for (const { fatal, label } of charsetsOf(bytes, type)) {
    try {
      return new TextDecoder(label, { fatal }).decode(bytes)
    } catch {
      // There is no such charset, or this is none of it.
    }
  }
  return decoder.decode(bytes)
}

/** `JSON.parse`, and what of JSON numbers has no notation. */
export const parseText = (given: string): unknown => {
  const text = given.startsWith("\ufeff") ? given.slice(1) : given
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/nan|inf/i.test(text)) throw error
    // Another than stands for the long strings in a piece: those are put back by whoever took them out.
    let placeholder: string | undefined
    const quoted = outsideStrings(text, (between) =>
      between.replaceAll(/[+-]?\b(?:NaN|Infinity|inf)(?:\(\w*\))?(?!\w|\s*:)/gi, (token) => {
        if (/inf/i.test(token)) return token.startsWith("-") ? "-1e999" : "1e999"
        placeholder ??= placeholderOf()
        return `"${placeholder}"`
      })
    )
    let value: unknown
    try {
      value = JSON.parse(quoted)
    } catch {
      throw error
    }
    return placeholder === undefined ? value : putBack(value, placeholder, () => Number.NaN)
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

/** The value with what belongs where a string is the placeholder and what `belonging` is told of it. */
export const putBack = (
  value: unknown,
  placeholder: string,
  belonging: (rest: string) => unknown
): unknown => {
  const whole = { value }
  // Not by recursion: an answer may be nested deeper than the stack.
  const open: Array<object> = [whole]
  const visit = (parent: object, key: string | number, child: unknown) => {
    if (typeof child === "object" && child !== null) open.push(child)
    else if (typeof child === "string" && child.startsWith(placeholder)) {
      // Defined, not assigned: `__proto__` is a name like any other here.
      Object.defineProperty(parent, key, {
        value: belonging(child.slice(placeholder.length)),
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
