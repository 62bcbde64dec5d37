/**
 * Large JSON in pieces, so that others on the event loop have their turn: the text is cut at commas, at any depth, each piece is
 * closed and parsed by itself, and put where it belongs in what the pieces before it have become. What comes of it is what
 * `JSON.parse` makes of the whole, lenient as `JsonBytes` is.
 *
 * Long strings, as base64 pictures are, never stand in a piece: each is cut out of the bytes by itself.
 */
import { Bytes, Effect } from "effect"
import * as Steps from "../mask/Steps.ts"
import * as JsonBytes from "./JsonBytes.ts"

/** Bytes of a long string with escapes that are read at once. */
const stride = 64 * 1024

/** With more members in one object, or longer without a comma outside of long strings, it is no answer. */
const maxMembers = 100_000
const maxStretch = 1024 * 1024

/** What of JSON is no blank, number or word, by its byte. */
const [quote, comma, colon, backslash, letterU] = [0x22, 0x2c, 0x3a, 0x5c, 0x75]
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]
const isSign = new Uint8Array(256)
for (const sign of [quote, comma, openList, closeList, openObject, closeObject]) isSign[sign] = 1

const isBlank = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

// A mark of byte order within the text is no blank.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

type List = Array<unknown>
type Members = Record<string, unknown>

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Defined, not assigned: `__proto__` is a name like any other here. */
const put = (members: Members, name: string, value: unknown): void => {
  if (name !== "__proto__") members[name] = value
  else Object.defineProperty(members, name, { value, writable: true, enumerable: true, configurable: true })
}

const tooLong = new SyntaxError(`It has more than ${maxStretch} bytes without a comma`)

const broken = (at: number): SyntaxError => new SyntaxError(`Unexpected token in JSON at position ${at}`)

/** Where a string ends, its quote; -1 where it does not. */
function* endOfString(text: Uint8Array, from: number): Steps.Steps<number> {
  let at = text.indexOf(quote, from)
  for (let seen = 1; at >= 0; seen++) {
    let before = at
    while (before > from && text[before - 1] === backslash) before--
    if ((at - before) % 2 === 0) return at
    at = text.indexOf(quote, at + 1)
    if (seen % 4096 === 0) yield
  }
  return -1
}

/** What a long string says: whole where it has no escape, else in pieces that end where none is under way. */
function* stringOf(text: Uint8Array, from: number, to: number): Steps.Steps<string> {
  for (let at = from; at < to; at++) {
    // As it is, no string of JSON holds one.
    if (text[at]! < 0x20) throw broken(at)
    if (at % Steps.pixelsPerStep === 0) yield
  }
  if (text.subarray(from, to).indexOf(backslash) < 0) return decoder.decode(text.subarray(from, to))
  let said = ""
  for (let at = from; at < to;) {
    let end = at
    // Not within a letter, nor within an escape.
    while (end < to && (end < at + stride || (text[end]! & 0xc0) === 0x80))
      end += text[end] === backslash ? (text[end + 1] === letterU ? 6 : 2) : 1
    end = Math.min(end, to)
    try {
      said += textOf(text, [at, end])
    } catch (cause) {
      throw relocated(cause, { isLast: false, length: end - at + 1, start: at - 1 })
    }
    at = end
    yield
  }
  return said
}

/** How finely it is cut, in bytes, and what a piece is. */
export interface Fineness {
  /** Text that is parsed at once: 64 KiB by default. */
  readonly piece?: number | undefined
  /** A string that is cut out by itself: from 8 KiB by default. */
  readonly long?: number | undefined
  /** Levels of nesting: 65,536 by default, as deep as a small answer can be. */
  readonly maxDepth?: number | undefined
  /** What a piece says; throws where it is no JSON. Lenient as answers are by default. */
  readonly parsePiece?: ((text: string) => unknown) | undefined
}

/** The value that bytes are, of an answer with that `Content-Type`; fails with what `JSON.parse` throws. */
export const parse = (bytes: Uint8Array, type?: string): Effect.Effect<unknown, unknown> =>
  Effect.flatMap(
    Steps.run(function* () {
      try {
        yield
        return { value: yield* steps(yield* utf8Of(bytes, type)) }
      } catch (cause) {
        return { cause }
      }
    }),
    (ended): Effect.Effect<unknown, unknown> =>
      "value" in ended ? Effect.succeed(ended.value) : Effect.fail(ended.cause)
  )

/** Bytes in UTF-8, of those in any charset. @internal */
export function* utf8Of(bytes: Uint8Array, type: string | undefined): Steps.Steps<Uint8Array> {
  for (const { fatal, label } of JsonBytes.charsetsOf(bytes, type)) {
    try {
      const charset = new TextDecoder(label, { fatal })
      const pieces: Array<Uint8Array> = []
      for (let at = 0; at <= bytes.length; at += stride) {
        const stream = at + stride <= bytes.length
        pieces.push(new TextEncoder().encode(charset.decode(bytes.subarray(at, at + stride), { stream })))
        yield
      }
      return Bytes.concat(pieces)
    } catch {
      // There is no such charset, or this is none of it.
    }
  }
  return bytes
}

/** The same of UTF-8 bytes, in steps. Positions in what it throws are in bytes. */
export function* steps(
  text: Uint8Array,
  { long = 8 * 1024, maxDepth = 65_536, parsePiece = JsonBytes.parseText, piece = 64 * 1024 }: Fineness = {}
): Steps.Steps<unknown> {
  /** Stands for what is elsewhere. */
  const mark = JsonBytes.placeholderOf()
  const hasMark = text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf
  /** Of the lists and objects that are open where the scan is: which they are, and the name of each in its object. */
  const kinds: Array<number> = []
  const names: Array<readonly [from: number, to: number] | undefined> = []
  /** What those have become that were open where this piece begins. */
  let live: Array<List | Members> = []
  /** How many members each of those has had, where it is an object. */
  let counts: Array<number> = []
  let opened: ReadonlyArray<number> = []
  let root: unknown
  let isFirst = true
  /** How few of them were open at once since. */
  let least = 0
  let from = hasMark ? 3 : 0
  /** The text of this piece before `taken`, and the long strings that stand elsewhere. */
  let rest = ""
  let taken = from
  let strings: Array<string> = []
  let lastString: readonly [from: number, to: number] = [0, 0]

  /** Parses what stands before `at`, and puts it in its place. */
  const cut = (at: number): void => {
    const lowest = Math.max(0, least - 1)
    let start = from
    while (start < at && isBlank(text[start])) start++
    let end = at
    while (end > start && isBlank(text[end - 1])) end--
    // What a comma stands before or behind in vain is nothing where it is parsed by itself.
    const first = text[start]
    if (!isFirst && (start === end || first === closeList || first === closeObject)) throw broken(start)
    const isLast = at === text.length
    const before = text[end - 1]
    if (!isLast && (before === openList || before === openObject || before === colon)) throw broken(at)
    let head = ""
    for (let depth = lowest; depth < opened.length; depth++) {
      const isInner = depth < opened.length - 1
      head += opened[depth] === openList ? "[" : isInner ? `{"${mark}":` : "{"
    }
    let tail = ""
    // Of what is cut off nothing is closed: that it is not whole has to be said.
    if (!isLast)
      for (let depth = kinds.length - 1; depth >= lowest; depth--)
        tail += kinds[depth] === openList ? "]" : "}"
    const whole = head + rest + decoder.decode(text.subarray(taken, at)) + tail
    let parsed: unknown
    try {
      parsed = parsePiece(whole)
    } catch (cause) {
      if (isFirst && isLast && strings.length === 0) throw cause
      throw relocated(cause, {
        isLast,
        length: whole.length - tail.length,
        start: strings.length > 0 ? undefined : from - head.length
      })
    }
    if (strings.length > 0) parsed = JsonBytes.putBack(parsed, mark, (index) => strings[Number(index)])
    if (isFirst) root = parsed
    else join(parsed, lowest)
    if (isLast) return
    // What is open now begins with what stayed open.
    live = live.slice(0, least)
    counts = counts.slice(0, least)
    for (let depth = least; depth < kinds.length; depth++) {
      const name = names[depth]
      const parent = live[depth - 1]
      const found: unknown =
        depth === 0
          ? root
          : Array.isArray(parent)
            ? parent.at(-1)
            : name === undefined
              ? undefined
              : parent?.[textOf(text, name)]
      if (!Array.isArray(found) && !isMembers(found)) throw broken(at)
      live.push(found)
    }
    opened = kinds.slice()
    least = kinds.length
    isFirst = false
    rest = ""
    strings = []
    from = at + 1
    taken = from
  }

  /** Members of a piece are those of what was open: along its first members, each of which stands for what was within. */
  const join = (parsed: unknown, lowest: number): void => {
    let part = parsed
    for (let depth = lowest; depth < opened.length; depth++) {
      const into = live[depth]
      const isInner = depth < opened.length - 1
      let inner: unknown
      if (Array.isArray(into) && Array.isArray(part)) {
        inner = part[0]
        for (let index = isInner ? 1 : 0; index < part.length; index++) into.push(part[index])
      } else if (isMembers(into) && isMembers(part)) {
        inner = part[mark]
        const added = Object.keys(part)
        const count = (counts[depth] ?? 0) + added.length
        if (count > maxMembers) throw new SyntaxError(`It has an object of more than ${maxMembers} members`)
        counts[depth] = count
        for (const name of added) if (name !== mark) put(into, name, part[name])
      } else throw broken(from)
      part = inner
    }
  }

  for (let at = from; at < text.length; at++) {
    if (at - taken + rest.length > maxStretch) throw tooLong
    const byte = text[at]!
    if (isSign[byte] === 0) continue
    if (byte === comma) {
      if (at - from >= piece && kinds.length > 0) {
        cut(at)
        yield
      }
    } else if (byte === quote) {
      const end = yield* endOfString(text, at + 1)
      if (end < 0 && text.length - taken > maxStretch) throw new SyntaxError("Unexpected end of JSON input")
      if (end < 0) break
      lastString = [at + 1, end]
      let next = end + 1
      if (end - at >= long) {
        while (isBlank(text[next])) next++
        if (text[next] !== colon) {
          rest += `${decoder.decode(text.subarray(taken, at + 1))}${mark}${strings.length}`
          strings.push(yield* stringOf(text, at + 1, end))
          taken = end
          yield
        }
      }
      at = end
    } else if (byte === openList || byte === openObject) {
      if (kinds.length === maxDepth) throw new SyntaxError(`It is nested deeper than ${maxDepth} levels`)
      names.push(kinds.at(-1) === openObject ? lastString : undefined)
      kinds.push(byte)
    } else {
      if (kinds.length === 0) throw broken(at)
      kinds.pop()
      names.pop()
      if (kinds.length < least) least = kinds.length
    }
  }
  cut(text.length)
  return root
}

/** What a string says, or a part of one. */
const textOf = (text: Uint8Array, [from, to]: readonly [from: number, to: number]): string =>
  String(JSON.parse(`"${decoder.decode(text.subarray(from, to))}"`))

/** The failure of a piece, where it is in the whole; nowhere where places in the piece are none of the text. */
const relocated = (
  cause: unknown,
  piece: { readonly isLast: boolean; readonly length: number; readonly start: number | undefined }
): unknown => {
  const { isLast, length, start } = piece
  const said = cause instanceof Error ? cause.message : ""
  const found = / at position (\d+)/.exec(said)?.[1]
  const at = found === undefined ? undefined : Number(found)
  // What ends with the last piece is cut off: what ends with another is not.
  const isCutOff =
    / (?:end of JSON input|unterminated string)/i.test(said) || (at !== undefined && at >= length)
  if (isLast && isCutOff) return cause
  return start === undefined || at === undefined
    ? new SyntaxError("Unexpected token in JSON")
    : broken(start + at)
}
