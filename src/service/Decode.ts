/**
 * From the bytes of an answer to values: JSON, then a schema. Each failure names the field it happened at and quotes
 * at most 200 characters of what came.
 */
import { Effect, Schema, SchemaIssue } from "effect"
import type { Answer } from "./Exchange.ts"
import * as JsonBytes from "./JsonBytes.ts"
import * as Message from "./Message.ts"
import { nothing } from "./Hiding.ts"
import { excerpt, ResponseNotDecodable } from "./WireError.ts"
import { type CodeNotLoaded, lazily } from "./CodeNotLoaded.ts"

const decoder = new TextDecoder()
const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** More than an error shows, so that a secret is known before it is cut. */
const quotedBytes = 2000

/** What is wrong with an answer, at a field or in the whole. */
export const notDecodable = (
  answer: Answer,
  path: string,
  detail: string,
  excerpted?: string
): ResponseNotDecodable => {
  const { hide = nothing, requestId, service, status } = answer
  return new ResponseNotDecodable({
    service,
    requestId,
    status,
    path: hide(path),
    detail: excerpt(hide(detail)),
    excerpt: excerpt(hide(excerpted ?? decoder.decode(answer.body.subarray(0, quotedBytes))))
  })
}

/** The answer as text. */
export const text = ({ body, headers }: Answer): string => JsonBytes.textOf(body, headers["content-type"])

/** What files begin with that come in place of JSON, and what they are called. */
const signatures: ReadonlyArray<readonly [start: ReadonlyArray<number>, kind: string]> = [
  [[0xff, 0xd8, 0xff], "a JPEG, in which class ids do not survive: have it send PNG"],
  [[0x89, 0x50, 0x4e, 0x47], "a PNG"],
  [[0x47, 0x49, 0x46, 0x38], "a GIF: have it send PNG"],
  [[0x52, 0x49, 0x46, 0x46], "a WebP: have it send PNG"],
  [[0x49, 0x49, 0x2a, 0x00], "a TIFF: have it send PNG"],
  [[0x4d, 0x4d, 0x00, 0x2a], "a TIFF: have it send PNG"],
  [[0x42, 0x4d], "a BMP: have it send PNG"],
  [[0x25, 0x50, 0x44, 0x46], "a PDF"],
  [[0x50, 0x4b, 0x03, 0x04], "a zip file"],
  [[0x1f, 0x8b], "gzip that no header names"],
  [[0x93, 0x4e, 0x55, 0x4d], "a NumPy file"]
]

/** What bytes are by how they begin; `undefined` where that is not known. */
export const kindOf = (bytes: Uint8Array): string | undefined =>
  signatures.find(([start]) => start.every((byte, index) => bytes[index] === byte))?.[1]

/** Whether bytes have what no text has. */
const isBinary = (bytes: Uint8Array): boolean =>
  bytes.subarray(0, 400).some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27)) &&
  !((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(" ")

/** Bytes that are parsed at once. */
const small = 128 * 1024

/** Loaded with the first answer that is large. */
const slices = lazily(() => import("./JsonSlices.ts"))

/** Why an answer is no JSON, as what it is instead. */
const noJson = (answer: Answer, cause: unknown): ResponseNotDecodable => {
  const { body } = answer
  const said = `it is no JSON (${answer.headers["content-type"] ?? "no content type"})`
  const kind = isBinary(body) ? kindOf(body) : undefined
  if (kind !== undefined) return notDecodable(answer, "", `${said}, but ${kind}`, "")
  if (isBinary(body)) return notDecodable(answer, "", `${said}, and no text`, hex(body))
  const page = Message.titleOf(text({ ...answer, body: body.subarray(0, small) }))
  if (page !== undefined) return notDecodable(answer, "", `${said}, but a page of HTML`, page)
  // Without what the runtime quotes of it: that is cut as it comes, also within a key.
  const why = cause instanceof Error ? cause.message : ""
  const where = / at position \d+(?: \(line \d+ column \d+\))?/.exec(why)?.[0]
  const ends = / (?:end of JSON input|unterminated string)/i.test(why) ? ": it is cut off" : ""
  const over = /\b(?:is nested deeper|has (?:an object of )?more than) .*/.exec(why)?.[0]
  if (over !== undefined) return notDecodable(answer, "", `it ${over}`)
  return notDecodable(
    answer,
    "",
    `${said}${where === undefined ? ends : `,${where.replace(" at", " broken at")}`}`
  )
}

/** The answer as JSON, whatever its content type says: services label it as they like. */
export const json = (answer: Answer): Effect.Effect<unknown, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.suspend(() => {
    const { body, headers } = answer
    const type = headers["content-type"]
    if (body.length === 0) return Effect.fail(notDecodable(answer, "", "it is empty"))
    return parsed(body, type, (cause) => noJson(answer, cause))
  })

const parsed = <E>(
  body: Uint8Array,
  type: string | undefined,
  broken: (cause: unknown) => E
): Effect.Effect<unknown, E | CodeNotLoaded> =>
  body.length > small
    ? Effect.flatMap(slices, ({ parse }) => Effect.mapError(parse(body, type), broken))
    : Effect.try({ try: () => JsonBytes.parse(body, type), catch: broken })

/** JSON that stands in a text; fails with `undefined` where it is none. */
export const inText = (text: string): Effect.Effect<unknown, CodeNotLoaded | undefined> =>
  Effect.suspend(() => parsed(new TextEncoder().encode(text), undefined, () => undefined))

/** A reader of answers: their JSON (parsed here unless it is given) as the schema's type. */
export const schema = <S extends Schema.ConstraintDecoder<unknown>>(
  codec: S
): ((answer: Answer, parsed?: unknown) => Effect.Effect<S["Type"], ResponseNotDecodable | CodeNotLoaded>) => {
  const decode = Schema.decodeUnknownEffect(codec)
  return (answer, parsed) =>
    Effect.flatMap(parsed === undefined ? json(answer) : Effect.succeed(parsed), (value) =>
      Effect.mapError(decode(value), (error) => {
        const { detail, path } = problemOf(error)
        return notDecodable(answer, path.join("."), detail, quote(value, path))
      })
    )
}

/** The first thing that a schema has found wrong, and where. */
export const problemOf = (
  error: Schema.SchemaError
): { readonly path: ReadonlyArray<string>; readonly detail: string } => {
  const issue = formatIssue(error.issue).issues[0]
  return {
    path: (issue?.path ?? []).map((key) => String(typeof key === "object" ? key.key : key)),
    detail: issue?.message ?? error.message
  }
}

/**
 * A value as JSON, as far as an error shows it: a mask of megabytes need not be printed to be cut off, and what is nested a
 * hundred thousand deep is read without recursion, but printed with it.
 */
export const quoted = (value: unknown): string => {
  let text = ""
  const isFull = () => text.length > quotedBytes
  const print = (each: unknown, depth: number): void => {
    if (typeof each !== "object" || each === null) {
      text += JSON.stringify(typeof each === "string" ? each.slice(0, quotedBytes) : each) ?? "undefined"
      return
    }
    if (depth === 64) {
      text += "…"
      return
    }
    const isList = Array.isArray(each)
    const keys = isList ? each.keys() : Object.keys(each)
    let before = isList ? "[" : "{"
    for (const key of keys) {
      if (isFull()) return
      text += isList ? before : `${before}${JSON.stringify(key)}:`
      before = ","
      print(Reflect.get(each, key), depth + 1)
    }
    text += `${before === "," ? "" : before}${isList ? "]" : "}"}`
  }
  print(value, 0)
  return text.slice(0, quotedBytes)
}

/** The value at a path, as text for an error. */
const quote = (value: unknown, path: ReadonlyArray<string>): string => {
  let at: unknown = value
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) break
    at = Reflect.get(at, key)
  }
  return quoted(at)
}
