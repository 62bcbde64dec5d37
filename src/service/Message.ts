/** What failed requests say, in the shapes that services use for it. */
import { Duration } from "effect"
import * as JsonBytes from "./JsonBytes.ts"

/** A value that is an object, so that its fields can be asked for. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The JSON of an answer, or nothing. */
export const jsonOf = ({ body }: { readonly body: Uint8Array }): unknown => {
  try {
    return JsonBytes.parse(body)
  } catch {
    // An error page of a proxy, say: its start serves as detail.
    return undefined
  }
}

const usual = ["error", "message", "detail", "msg", "description", "title"]

/** The message in what an error's JSON holds: a string, or the first of these fields, but not at any depth. */
export const messageIn = (
  value: unknown,
  fields: ReadonlyArray<string> = usual,
  depth = 0
): string | undefined => {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null || depth > 4) return undefined
  if (Array.isArray(value)) {
    const said = value.flatMap((each) => messageIn(each, fields, depth + 1) ?? [])
    return said.length === 0 ? undefined : said.join("; ")
  }
  // FastAPI: `{loc: ["body", "name"], msg: "Field required"}`.
  const loc: unknown = Reflect.get(value, "loc")
  for (const field of fields) {
    const said = messageIn(Reflect.get(value, field), fields, depth + 1)
    if (said !== undefined && said !== "") return Array.isArray(loc) ? `${loc.join(".")}: ${said}` : said
  }
  return undefined
}

/** The text of a page: entities as what they stand for, tags and comments gone. */
const plain = (html: string): string =>
  html
    .replaceAll(/<!--[\s\S]*?-->|<(script|style|head)\b[\s\S]*?<\/\1\s*>|<[^>]*>/gi, " ")
    .replaceAll(/&(?:#(\d{1,6})|(amp|lt|gt|quot|apos|nbsp));/g, (_, code: string | undefined, name: string) =>
      code === undefined ? (entities[name] ?? " ") : String.fromCodePoint(Math.min(0x10ffff, Number(code)))
    )
    .replaceAll(/\s+/g, " ")
    .trim()

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " "
}

/** Bytes of a page in which its title stands. */
const head = 64 * 1024

/** What a page of HTML says: its title, else its first heading, else its text. `undefined` where it is no page. */
export const titleOf = (text: string): string | undefined => {
  if (
    !/^\s*((<!--[\s\S]*?-->|<\?xml\b[^>]*>)\s*)*<(!doctype\s+html|html|head|body|title|h1|p|div|center|pre)\b/i.test(
      text.slice(0, 4000)
    )
  )
    return undefined
  const page = text.slice(0, head)
  for (const tag of ["title", "h1", "h2"]) {
    const found = plain(new RegExp(`<${tag}\\b[^>]*>([\\s\\S]*?)</${tag}\\s*>`, "i").exec(page)?.[1] ?? "")
    if (found !== "") return found
  }
  return plain(page)
}

/** What an error's body says where no protocol knows its shape: a page by its title. */
export const textOf = (answer: { readonly body: Uint8Array }): string => {
  const text = JsonBytes.textOf(answer.body)
  return titleOf(text) ?? text
}

const waitFields: ReadonlyArray<readonly [name: RegExp, milliseconds: number]> = [
  [/^retry_?after_?(ms|millis|milliseconds)$/i, 1],
  [/^retry_?(after|delay|in)(_?(s|secs?|seconds))?$/i, 1000]
]

/** The wait that an error's body asks for, as `Retry-After` would: `retry_after: 9`, also within another object. */
export const waitIn = (value: unknown, depth = 0): Duration.Duration | undefined => {
  if (typeof value !== "object" || value === null || depth > 4) return undefined
  for (const [name, given] of Object.entries(value)) {
    const unit = waitFields.find(([pattern]) => pattern.test(name.replaceAll("-", "_")))?.[1]
    const number =
      typeof given === "number"
        ? given
        : typeof given === "string" && /^\s*\d+(\.\d+)?\s*s?\s*$/.test(given)
          ? Number.parseFloat(given)
          : NaN
    if (unit !== undefined && Number.isFinite(number) && number >= 0)
      return Duration.millis(Math.ceil(Math.min(number * unit, longest)))
  }
  for (const given of Object.values(value)) {
    const found = waitIn(given, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** A year, in milliseconds: more is "never", and would overflow timers. */
const longest = 365 * 24 * 3600 * 1000

const codes = ["error_code", "errorCode", "code"]

/** The service's own code in what an error's JSON holds, such as `NOT_FOUND`: beside its message, or one level below. */
export const codeIn = (value: unknown): string | undefined => {
  const [first] = Array.isArray(value) ? value : [value]
  if (!isRecord(first)) return undefined
  const { detail, error, errors } = first
  for (const place of [first, error, detail, Array.isArray(errors) ? errors[0] : errors]) {
    if (!isRecord(place)) continue
    for (const name of codes) {
      const code = place[name]
      if ((typeof code === "string" && code !== "") || typeof code === "number") return String(code)
    }
  }
  return undefined
}
