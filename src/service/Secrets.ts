/**
 * Takes our secrets out of what other sides say: some repeat the key that they refuse, each in the spelling of its
 * framework. Only text on its way into an error, an id, a span or a log line is cleaned; data is never touched.
 *
 * A secret is found as it is, as JSON, HTML, URLs and source code escape it (once, twice, or one within the other), with
 * line breaks in it, as hexadecimal, within base64, as a list of its bytes or characters, and cut off at either end.
 */
import { Redacted } from "effect"
import * as Base64 from "./Base64.ts"
import { type Hide, isSecretName, longest, nothing } from "./Hiding.ts"

export { both, type Hide, isSecretName, nothing, ofQuery } from "./Hiding.ts"

const mark = "<redacted>"

/** Text as it might have been before it was escaped, and where in the original each of its characters is. */
interface Reading {
  readonly text: string
  readonly from: ReadonlyArray<number>
  readonly to: ReadonlyArray<number>
}

/** What HTML calls characters: each name with its character behind it. */
const named: ReadonlyMap<string, string> = new Map([
  ["nbsp", " "],
  ...(
    `amp& lt< gt> quot" apos' sol/ bsol\\ plus+ equals= colon: semi; comma, period. commat@ lowbar_ ` +
    `UnderBar_ hyphen- dash- excl! quest? num# dollar$ percnt% ast* lpar( rpar) lsqb[ lbrack[ rsqb] ` +
    `rbrack] lcub{ lbrace{ rcub} rbrace} verbar| vert| grave\` Hat^`
  )
    .split(" ")
    .map((entry) => [entry.slice(0, -1), entry.slice(-1)] as const)
])

const codePoint = (digits: string, radix: number): string | undefined => {
  const code = Number.parseInt(digits, radix)
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined
}

const utf8 = (escaped: string): string | undefined => {
  try {
    return decodeURIComponent(escaped)
  } catch {
    return undefined
  }
}

const ofBytes = (bytes: ReadonlyArray<string> | null, radix: number): string =>
  String.fromCharCode(...(bytes ?? []).map((byte) => Number.parseInt(byte, radix)))

/** One character in quotes, with its index before it where there is one. */
const letter = String.raw`(?:["']?\d{1,4}["']?\s*:\s*)?(?:"[^"\\]"|'[^'\\]')`

/** What undoes one kind of escaping: what it matches, and what that stands for. */
type Unescape = readonly [pattern: RegExp, read: (match: RegExpExecArray) => string | undefined]

const unescapes: ReadonlyArray<Unescape> = [
  // JSON, JavaScript, Python, C: `\/`, `\u002b`, `\u{2b}`, `\x2b`, `\053`; its old `escape`: `%u002b`.
  [
    /(?:\\|%(?=u))(?:u([\da-f]{4})|u\{([\da-f]{1,6})\}|x([\da-f]{2})|([0-7]{3})|([^\da-zA-Z\r\n]))/gi,
    ([, four, braced, two, octal, plain]) =>
      plain ?? (octal === undefined ? codePoint(four ?? braced ?? two ?? "", 16) : codePoint(octal, 8))
  ],
  // HTML and XML.
  [
    /&(?:#x([\da-f]{1,6})|#(\d{1,7})|([a-z]{2,8}));?/gi,
    ([, hex, decimal, name]) =>
      hex !== undefined
        ? codePoint(hex, 16)
        : decimal !== undefined
          ? codePoint(decimal, 10)
          : named.get(name ?? "")
  ],
  // URLs and forms.
  [/(?:%[\da-f]{2})+|\+/gi, ([escaped]) => (escaped === "+" ? " " : utf8(escaped))],
  // MIME's quoted-printable.
  [/=([\da-f]{2})/gi, ([, hex]) => codePoint(hex ?? "", 16)],
  // Lines that were folded, text of two bytes a character, colours of a terminal.
  [/(?:\p{Cc}\[[\d;]*m|[\s\p{Cc}\p{Cf}])+/gu, () => ""],
  // Bytes as Node's Buffer and lists of Python have them: `[115, 107]`; as debuggers do: `73:6b`, `0x73, 0x6b`.
  [/\d{1,3}(?:\s*,\s*\d{1,3}){3,}/g, ([list]) => ofBytes(list.match(/\d+/g), 10)],
  [
    /(?:0x)?[\da-f]{2}(?:(?:\s*[:,-]\s*|\s+)(?:0x)?[\da-f]{2}){3,}/gi,
    ([list]) => ofBytes(list.replaceAll(/0x/gi, "").match(/[\da-f]{2}/gi), 16)
  ],
  // A string that was spread: `["s", "k"]`, `{"0": "s", "1": "k"}`.
  [
    new RegExp(String.raw`${letter}(?:\s*,\s*${letter}){3,}`, "g"),
    ([list]) => Array.from(list.matchAll(new RegExp(letter, "g")), ([each]) => each.at(-2)).join("")
  ]
]

const undo = ({ from, text, to }: Reading, [pattern, read]: Unescape): Reading | undefined => {
  let plain = ""
  const begins: Array<number> = []
  const ends: Array<number> = []
  let taken = 0
  const copy = (until: number) => {
    for (; taken < until; taken++) {
      plain += text[taken]
      begins.push(from[taken]!)
      ends.push(to[taken]!)
    }
  }
  let found = false
  for (const match of text.matchAll(pattern)) {
    const value = read(match)
    if (value === undefined) continue
    found = true
    copy(match.index)
    taken = match.index + match[0].length
    for (let i = 0; i < value.length; i++) {
      begins.push(from[match.index]!)
      ends.push(to[taken - 1]!)
    }
    plain += value
  }
  if (!found) return undefined
  copy(text.length)
  return { text: plain, from: begins, to: ends }
}

/** The text as it is, and as it reads with one or two layers of escaping taken off. */
const readingsOf = (text: string): ReadonlyArray<Reading> => {
  const from = Array.from({ length: text.length }, (_, index) => index)
  const raw = { text, from, to: from.map((index) => index + 1) }
  const once = unescapes.flatMap((unescape) => undo(raw, unescape) ?? [])
  const twice = once.flatMap((reading) => unescapes.flatMap((unescape) => undo(reading, unescape) ?? []))
  // HTML in JSON in a string of JSON.
  const thrice = twice.flatMap((reading) =>
    unescapes.slice(0, 3).flatMap((unescape) => undo(reading, unescape) ?? [])
  )
  return [raw, ...once, ...twice, ...thrice]
}

/** Case is not looked at. Only letters of ASCII change, so that indices stay. */
const folded = (text: string) => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

interface Needle {
  readonly text: string
  /** Characters of its start that are enough to know it by, where the rest was cut off. */
  readonly enough: number
}

const needle = (text: string): Needle => ({
  text: folded(text),
  enough: text.length < 12 ? text.length : Math.max(8, Math.ceil(text.length / 3))
})

const encoder = new TextEncoder()

/** What of the base64 of any text with this in it is this alone: it may begin at any of three places. */
const base64Of = (secret: string): ReadonlyArray<string> => {
  const bytes = encoder.encode(secret)
  return [0, 1, 2].flatMap((shift) => {
    const padded = new Uint8Array(shift + bytes.length)
    padded.set(bytes, shift)
    const whole = Base64.encode(padded).replace(/=+$/, "")
    const core = whole.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
    return core.length < 8 ? [] : [core, core.replaceAll("+", "-").replaceAll("/", "_")]
  })
}

const hexOf = (secret: string) =>
  Array.from(encoder.encode(secret), (byte) => byte.toString(16).padStart(2, "0")).join("")

const needlesOf = (secret: string): ReadonlyArray<Needle> =>
  [secret, ...(secret.length < 6 ? [] : [...base64Of(secret), hexOf(secret)])].map(needle)

const isWord = (character: string | undefined) => character !== undefined && /[\da-z]/.test(character)

/** Shorter secrets are hidden only where they stand as a word: every text has any three letters in it. */
const shortest = 4

/** Where a secret is, whole or cut off. */
const placesOf = (
  { enough, text: wanted }: Needle,
  text: string
): ReadonlyArray<readonly [number, number]> => {
  const places: Array<readonly [number, number]> = []
  const start = wanted.slice(0, enough)
  for (let at = text.indexOf(start); at >= 0; at = text.indexOf(start, at + 1)) {
    let end = at + enough
    while (end - at < wanted.length && text[end] === wanted[end - at]) end++
    const isPart = wanted.length < shortest && (isWord(text[at - 1]) || isWord(text[end]))
    if (!isPart) places.push([at, end])
  }
  // What comes before may be cut off as well.
  if (enough < wanted.length) {
    const tail = wanted.slice(-enough)
    for (let at = text.indexOf(tail); at >= 0; at = text.indexOf(tail, at + 1)) {
      let from = at
      while (
        from > 0 &&
        at - from < wanted.length - enough &&
        text[from - 1] === wanted.at(from - 1 - at - enough)
      )
        from--
      // What a secret has before its own word, as "Bearer ", is none of it.
      while (/\s/.test(text[from]!)) from++
      places.push([from, at + enough])
    }
  }
  // The text itself may end within it.
  for (let length = Math.min(enough - 1, text.length); length >= shortest; length--) {
    if (wanted.length >= 8 && text.endsWith(wanted.slice(0, length))) {
      places.push([text.length - length, text.length])
      break
    }
  }
  return places
}

const cleaned = (given: string, needles: ReadonlyArray<Needle>): string => {
  const text = given.length > longest ? given.slice(0, longest) : given
  const places: Array<readonly [number, number]> = []
  for (const { from, text: plain, to } of readingsOf(text)) {
    const low = folded(plain)
    for (const each of needles) {
      for (const [start, end] of placesOf(each, low)) places.push([from[start]!, to[end - 1]!])
    }
  }
  if (places.length === 0) return text
  let clean = ""
  let at = 0
  for (const [start, end] of places.sort(([a], [b]) => a - b)) {
    if (start >= at) clean += text.slice(at, start) + mark
    at = Math.max(at, end)
  }
  return clean + text.slice(at)
}

/** What takes these secrets out of a text. */
export const make = (secrets: Iterable<string>): Hide => {
  const needles = [...new Set(secrets)].filter((secret) => secret.trim() !== "").flatMap(needlesOf)
  if (needles.length === 0) return nothing
  // What is hidden already is not looked at again.
  return (text) =>
    text
      .split(mark)
      .map((part) => (part === "" ? part : cleaned(part, needles)))
      .join(mark)
}

/** What is secret in the value of a header: after its scheme, or what its base64 says. */
const ofHeader = (name: string, value: string): ReadonlyArray<string> => {
  if (/cookie/i.test(name)) {
    return value
      .split(";")
      .flatMap((pair) => pair.split("=").slice(1).join("=").trim())
      .filter(({ length }) => length >= shortest)
  }
  const scheme = /^([\w-]+)\s+(\S.*)$/.exec(value)
  const bare = scheme?.[2] ?? value
  const decoded = scheme?.[1]?.toLowerCase() === "basic" ? Base64.decode(bare) : undefined
  if (decoded === undefined) return [value, bare]
  const pair = new TextDecoder().decode(decoded)
  return [value, bare, pair, pair.slice(pair.indexOf(":") + 1)]
}

/** The secrets of headers: those that are redacted, and those that have the name of one. */
export const ofHeaders = (
  headers: Readonly<Record<string, string | Redacted.Redacted>>
): ReadonlyArray<string> =>
  Object.entries(headers).flatMap(([name, value]) =>
    Redacted.isRedacted(value)
      ? ofHeader(name, Redacted.value(value))
      : isSecretName(name)
        ? ofHeader(name, value)
        : []
  )
