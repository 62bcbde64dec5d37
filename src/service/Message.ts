/** What failed requests say, in the shapes that services use for it. */
import { Predicate } from "effect"
import * as JsonBytes from "./JsonBytes.ts"

/** A value that is an object, so that its fields can be asked for. */
export const isRecord = Predicate.isReadonlyObject

/** What an answer holds. */
export interface Body {
  readonly body: Uint8Array
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** The JSON of an answer, or nothing. */
export const jsonOf = ({ body, headers }: Body): unknown => {
  try {
    return JsonBytes.parse(body, headers["content-type"])
  } catch {
    // An error page of a proxy, say: its start serves as detail.
    return undefined
  }
}

const usual = [
  "error",
  "message",
  "detail",
  "msg",
  "description",
  "title",
  "errorMessage",
  "error_message",
  "error_description",
  "errorMsg",
  "error_msg",
  "reason",
  "exception",
  "Message"
]

/** The words of a status, which Spring, NestJS and Fastify put where others say what is wrong. */
const reason =
  /^(?:bad request|unauthorized|forbidden|not found|method not allowed|not acceptable|request timeout|conflict|gone|(?:payload|content) too large|unsupported media type|unprocessable (?:entity|content)|too many requests|internal server error|bad gateway|service unavailable|gateway timeout)$/i

/** What `errors` say of each field: `{ image: ["required"] }` of ASP.NET, Laravel and Rails, or a list of messages. */
const errorsIn = (errors: unknown, fields: ReadonlyArray<string>, depth: number): string | undefined => {
  if (!isRecord(errors)) return Array.isArray(errors) ? messageIn(errors, fields, depth + 1) : undefined
  const said = Object.entries(errors).flatMap(([name, value]) => {
    const message = messageIn(value, fields, depth + 1)
    return message === undefined ? [] : `${name}: ${message}`
  })
  return said.length === 0 ? undefined : said.join("; ")
}

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
  const found = fields.flatMap((field) => {
    const said = messageIn(Reflect.get(value, field), fields, depth + 1)
    return said === undefined || said === "" ? [] : { field, said }
  })
  const first = found.find(({ said }) => !reason.test(said)) ?? found[0]
  // A title is of all problems of its kind.
  const title = first?.field === "title" ? `${first.said.replace(/[.:]$/, "")}: ` : ""
  const each =
    first === undefined || title !== "" ? errorsIn(Reflect.get(value, "errors"), fields, depth) : undefined
  const said = each === undefined ? first?.said : title + each
  return said !== undefined && Array.isArray(loc) ? `${loc.join(".")}: ${said}` : said
}

/**
 * The text of a page: entities as what they stand for, tags and comments gone. What does not end takes the rest with it, as
 * in browsers: a page that opens thousands of comments is looked through once.
 */
const plain = (html: string): string =>
  html
    .replaceAll(/<!--[\s\S]*?(?:-->|$)|<(script|style)\b[\s\S]*?(?:<\/\1\s*>|$)|<[^<>]*>/gi, " ")
    .replaceAll(
      /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/gi,
      (_, decimal: string | undefined, hex: string | undefined, name: string | undefined) =>
        name === undefined
          ? characterOf(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
          : (entities[name.toLowerCase()] ?? " ")
    )
    .replaceAll(/\s+/g, " ")
    .trim()

/** Of a code point that text may have. */
const characterOf = (code: number): string =>
  code < 0x20 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? " " : String.fromCodePoint(code)

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

/** What comes before the first tag of a page. A comment ends at its first end, so that there is one way to read it. */
const opening =
  /^\s*(?:(?:<!--(?:(?!-->)[\s\S])*-->|<\?xml\b[^<>]*>)\s*)*<(!doctype(?=\s+html)|html|head|body|title|h1|p|div|center|pre)\b/i

/** The first tag of a page of HTML, such as `html` or `!doctype`. `undefined` where a text is no page. */
export const firstTagOf = (text: string): string | undefined =>
  opening.exec(text.slice(0, 4000))?.[1]?.toLowerCase()

/** What stands in the first element of a name. */
const elementOf = (page: string, tag: string): string => {
  const open = new RegExp(`<${tag}\\b[^<>]*>`, "i").exec(page)
  if (open === null) return ""
  const within = page.slice(open.index + open[0].length)
  const end = within.search(new RegExp(`</${tag}\\b`, "i"))
  return end < 0 ? "" : plain(within.slice(0, end))
}

/** What a page of HTML says: its title, else its first heading, else its text. `undefined` where it is no page. */
export const titleOf = (text: string): string | undefined => {
  if (firstTagOf(text) === undefined) return undefined
  const page = text.slice(0, head)
  for (const tag of ["title", "h1", "h2"]) {
    const found = elementOf(page, tag)
    if (found !== "") return found
  }
  return plain(page)
}

/** What an error's body says where no protocol knows its shape: a page by its title. */
export const textOf = (answer: Body): string => {
  const text = JsonBytes.textOf(answer.body, answer.headers["content-type"])
  return titleOf(text) ?? text
}

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
