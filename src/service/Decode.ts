/**
 * From the bytes of an answer to values: JSON, then a schema. Each failure names the field it happened at and quotes
 * at most 200 characters of what came.
 */
import { Effect, Schema, SchemaIssue } from "effect"
import type { Answer } from "./Exchange.ts"
import * as JsonBytes from "./JsonBytes.ts"
import { nothing } from "./Secrets.ts"
import { excerpt, ResponseNotDecodable } from "./ServiceError.ts"

const decoder = new TextDecoder()
const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** More than an error shows, so that a secret is known before it is cut. */
const quotedBytes = 2000

/** What is wrong with an answer, at a field or in the whole. */
export const notDecodable = (
  answer: Answer,
  path: string,
  detail: string,
  quoted?: string
): ResponseNotDecodable => {
  const { hide = nothing, requestId, service, status } = answer
  return new ResponseNotDecodable({
    service,
    requestId,
    status,
    path: hide(path),
    detail: excerpt(hide(detail)),
    excerpt: excerpt(hide(quoted ?? decoder.decode(answer.body.subarray(0, quotedBytes))))
  })
}

/** The answer as text. */
export const text = (answer: Answer): string => decoder.decode(answer.body)

/** The answer as JSON, whatever its content type says: services label it as they like. */
export const json = (answer: Answer): Effect.Effect<unknown, ResponseNotDecodable> =>
  Effect.suspend(() => {
    if (answer.body.length === 0) return Effect.fail(notDecodable(answer, "", "it is empty"))
    try {
      return Effect.succeed<unknown>(JsonBytes.parse(answer.body))
    } catch (cause) {
      const type = answer.headers["content-type"] ?? "no content type"
      const why = cause instanceof Error ? cause.message : String(cause)
      return Effect.fail(notDecodable(answer, "", `it is no JSON (${type}): ${why}`))
    }
  })

/** A reader of answers: their JSON (parsed here unless it is given) as the schema's type. */
export const schema = <S extends Schema.ConstraintDecoder<unknown>>(
  codec: S
): ((answer: Answer, parsed?: unknown) => Effect.Effect<S["Type"], ResponseNotDecodable>) => {
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

/** The value at a path, as text for an error; `undefined` where it cannot be printed. */
const quote = (value: unknown, path: ReadonlyArray<string>): string | undefined => {
  let at: unknown = value
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) break
    at = Reflect.get(at, key)
  }
  // Only the start is wanted: a mask of megabytes need not be printed to be cut off.
  if (typeof at === "string") return JSON.stringify(at.slice(0, 400))
  try {
    return JSON.stringify(at) ?? "undefined"
  } catch {
    // What is nested a hundred thousand deep is read without recursion, but printed with it.
    return undefined
  }
}
