/**
 * JSON requests with images in them, read in slices: long strings (base64) and long arrays of bytes (pixels) are taken
 * out of the text first, so that what the parser sees at once is short, however large the request.
 */
import { Effect, Schema } from "effect"
import { randomHex } from "../randomHex.ts"
import * as Steps from "../mask/Steps.ts"
import * as Base64 from "../service/Base64.ts"
import * as JsonBytes from "../service/JsonBytes.ts"
import * as JsonSlices from "../service/JsonSlices.ts"
import { bad, type Refusal } from "./Refusal.ts"

/** A long string, as its bytes in the text: escapes and all. */
export class LongText {
  readonly raw: Buffer
  constructor(raw: Buffer) {
    this.raw = raw
  }
}

/** A long array of whole numbers from 0 to 255, flat or nested. */
export class LongNumbers {
  readonly data: Uint8Array
  constructor(data: Uint8Array) {
    this.data = data
  }
}

/** Strings and arrays of so many bytes of text are taken out. */
const long = 1024

/** Text that may be left: more than a request has besides its images, where it has no list of other things. */
const usualRest = 128 * 1024

export interface ParseOptions {
  /** Bytes of text that may be left besides what is long. 128 KiB by default. */
  readonly maxRest?: number | undefined
}

/** Bytes of text between two pauses. */
const stride = 1 << 16

/** Bytes of base64 that so many bytes of a file become. */
export const base64Bytes = (bytes: number): number => Math.ceil(bytes / 3) * 4

/** A text without its byte order mark, which .NET and PowerShell write before it. */
const withoutMark = (text: Buffer): Buffer =>
  text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf ? text.subarray(3) : text

/** Whether a body that does not say what it is begins as an object of JSON does: no image file does. */
export const isObject = (bytes: Uint8Array): boolean =>
  /^(?:\u00ef\u00bb\u00bf)?\s*\{/.test(Buffer.from(bytes.subarray(0, 100)).toString("latin1"))

const [quote, comma, open, close, backslash] = [0x22, 0x2c, 0x5b, 0x5d, 0x5c]
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Where the string that starts after `from` ends; -1 where it does not. */
function* endOfString(text: Buffer, from: number): Steps.Steps<number> {
  let at = from
  for (let n = 0; ; n++) {
    at = text.indexOf(quote, at)
    if (at === -1) return -1
    let slashes = 0
    while (at - slashes > from && text[at - slashes - 1] === backslash) slashes++
    if (slashes % 2 === 0) return at
    at++
    if (n % 1024 === 1023) yield
  }
}

/** The array of bytes that starts at `from`, or where it turned out to be something else. */
function* numbers(
  text: Buffer,
  from: number
): Steps.Steps<{ readonly end: number; readonly data: Uint8Array | undefined }> {
  // Small: each of a million empty lists has one.
  let data = new Uint8Array(16)
  let length = 0
  let depth = 0
  /** An element, or the array that is one, has just ended. */
  let after = false
  let value = -1
  for (let at = from; at < text.length; at++) {
    if (at % stride === 0) yield
    const byte = text[at]!
    if (byte >= 0x30 && byte <= 0x39) {
      if (value === -1 && after) return { end: at, data: undefined }
      value = (value === -1 ? 0 : value * 10) + byte - 0x30
      if (value > 255) return { end: at, data: undefined }
      after = true
      continue
    }
    if (value !== -1) {
      if (length === data.length) {
        const larger = new Uint8Array(length * 2)
        larger.set(data)
        data = larger
      }
      data[length++] = value
      value = -1
    }
    if (byte === comma && after) after = false
    else if (byte === open && !after) depth++
    else if (byte === close && after) {
      depth--
      if (depth === 0) return { end: at, data: data.subarray(0, length) }
    } else if (!isSpace(byte)) return { end: at, data: undefined }
  }
  return { end: text.length, data: undefined }
}

type Taken = LongText | LongNumbers

/** The text with what is long replaced by texts that name it, or what is wrong. */
function* take(
  text: Buffer,
  name: string,
  maxRest: number
): Steps.Steps<{ rest: Buffer; taken: Array<Taken> } | string> {
  const pieces: Array<Buffer> = []
  const taken: Array<Taken> = []
  let rest = 0
  /** Start of what is not yet in a piece. */
  let from = 0
  /** Before this no array of bytes begins. */
  let mixed = 0
  const keep = (to: number) => {
    pieces.push(text.subarray(from, to))
    rest += to - from
  }
  const replace = (start: number, end: number, by: Taken) => {
    keep(start)
    pieces.push(Buffer.from(`"${name}${taken.length}"`))
    rest += name.length
    taken.push(by)
    from = end + 1
  }
  let pause = stride
  for (let at = 0; at < text.length; at++) {
    if (at >= pause) {
      yield
      pause = at + stride
    }
    if (at - from + rest > maxRest) {
      return `It has more than ${maxRest} bytes besides images in base64 and pixels from 0 to 255`
    }
    const byte = text[at]!
    if (byte === quote) {
      const end = yield* endOfString(text, at + 1)
      if (end === -1) return "It is cut off within a string"
      if (end - at > long) replace(at, end, new LongText(text.subarray(at + 1, end)))
      at = end
    } else if (byte === open && at >= mixed) {
      const { data, end } = yield* numbers(text, at)
      if (data === undefined) mixed = end
      else {
        if (end - at > long) replace(at, end, new LongNumbers(data))
        at = end
      }
    }
  }
  keep(text.length)
  return { rest: Buffer.concat(pieces), taken }
}

/** Levels of nesting: no request has as many. */
const maxDepth = 500

/** The value, or what is wrong. */
function* read(text: Buffer, maxRest: number): Steps.Steps<{ readonly value: unknown } | string> {
  // Nobody can guess it, so no string of a request is mistaken for it.
  const name = `${randomHex(16)}-`
  const found = yield* take(text, name, maxRest)
  if (typeof found === "string") return `The body is no JSON that can be read. ${found}`
  const parsePiece = (piece: string): unknown =>
    JsonBytes.putBack(JSON.parse(piece), name, (index) => found.taken[Number(index)])
  try {
    return { value: yield* JsonSlices.steps(found.rest, { maxDepth, parsePiece }) }
  } catch (cause) {
    const over = /^It .*/.exec(cause instanceof Error ? cause.message : "")?.[0]
    return over === undefined ? "The body is no JSON" : `The body is no JSON that can be read. ${over}`
  }
}

/** The value, in which {@link LongText} and {@link LongNumbers} stand for what was long. No name of a field may be. */
export const parse = (
  bytes: Uint8Array,
  { maxRest = usualRest }: ParseOptions = {}
): Effect.Effect<unknown, Refusal> => {
  const text = withoutMark(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return Effect.flatMap(
    Steps.run(() => read(text, maxRest)),
    (found) => (typeof found === "string" ? Effect.fail(bad(found)) : Effect.succeed(found.value))
  )
}

/** What a body is by a schema; `usage` says how to write one that is. */
export const decodeWith =
  <A>(
    decode: (value: unknown) => Effect.Effect<A, Schema.SchemaError>,
    usage: string,
    options?: ParseOptions
  ) =>
  (bytes: Uint8Array): Effect.Effect<A, Refusal> =>
    Effect.flatMap(parse(bytes, options), (value) => Effect.mapError(decode(value), () => bad(usage)))

/** Characters of base64 that are decoded at once. */
const slice = 1 << 18

/** What letters stand for behind a backslash that may be in base64: a slash, and blanks, which go. */
const escapes: Readonly<Record<string, string>> = { "/": "/", n: "", r: "", t: "", f: "" }

/** What one escape says of base64, and its length: .NET writes `+` as `\\u002B`. */
const escapeAt = (raw: Buffer, at: number): readonly [said: string | undefined, length: number] => {
  const letter = String.fromCharCode(raw[at + 1] ?? 0)
  if (letter !== "u") return [Object.hasOwn(escapes, letter) ? escapes[letter] : undefined, 2]
  const digits = raw.toString("latin1", at + 2, at + 6)
  const code = /^[\da-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : 0x80
  return [code < 0x80 ? String.fromCharCode(code).trim() : undefined, 6]
}

/** Without what JSON may escape in base64. */
function* unescaped(raw: Buffer): Steps.Steps<Buffer | undefined> {
  const first = raw.indexOf(backslash)
  if (first === -1) return raw
  const out = Buffer.allocUnsafe(raw.length)
  let length = raw.copy(out, 0, 0, first)
  for (let at = first; at < raw.length; at++) {
    if (at % stride === 0) yield
    const byte = raw[at]!
    if (byte !== backslash) out[length++] = byte
    else {
      const [said, skipped] = escapeAt(raw, at)
      if (said === undefined) return undefined
      length += out.write(said, length, "latin1")
      at += skipped - 1
    }
  }
  return out.subarray(0, length)
}

function* decode(raw: Buffer): Steps.Steps<Uint8Array | undefined> {
  const plain = yield* unescaped(raw)
  if (plain === undefined) return undefined
  const text = plain.subarray(Base64.prefixLength(plain.toString("latin1", 0, 300)))
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 3)
  let length = 0
  for (let at = 0; at < text.length; at += slice) {
    const end = Math.min(text.length, at + slice)
    const part = Base64.decode(text.toString("latin1", at, end))
    // Padding within the text, or characters to skip, would move everything after them.
    if (part === undefined || (end < text.length && part.length !== (slice / 4) * 3)) return undefined
    bytes.set(part, length)
    length += part.length
    yield
  }
  return bytes.subarray(0, length)
}

/** A string of a request, however long. The parser has not seen a long one: it may hold what no string of JSON does. */
export const textOf = (value: string | LongText): Effect.Effect<string, Refusal> =>
  typeof value === "string"
    ? Effect.succeed(value)
    : Effect.mapError(decodeText(`"${value.raw.toString()}"`), () => bad("The body is no JSON"))

const decodeText = Schema.decodeEffect(Schema.fromJsonString(Schema.String))

/** The bytes of a file that is a string of a request. `what` names the string. */
export const fileOf = (value: string | LongText, what: string): Effect.Effect<Uint8Array, Refusal> =>
  Effect.flatMap(
    typeof value === "string"
      ? Effect.sync(() => Base64.decode(value.slice(Base64.prefixLength(value))))
      : Steps.run(() => decode(value.raw)),
    (bytes) =>
      bytes === undefined ? Effect.fail(bad(`${what} is no base64 of an image file`)) : Effect.succeed(bytes)
  )
