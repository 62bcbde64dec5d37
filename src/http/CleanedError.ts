/** Errors without our secrets: loaded with the first one of a service that has any. */
import { Schema } from "effect"
import type { SegmentationError } from "../SegmentationError.ts"
import type { Hide } from "../service/Hiding.ts"

/** Fields of errors that are ours: where we called, and for what. */
const own = new Set(["_tag", "service", "source", "transport", "model"])

const isAsWell = (made: unknown, error: SegmentationError): made is SegmentationError =>
  made instanceof error.constructor

/**
 * Errors are made without our secrets (`Secrets`). A protocol that somebody else wrote may make its own of what it read:
 * they are made again where a secret is in them, stack trace included.
 */
export const cleaned = (error: SegmentationError, hide: Hide): SegmentationError => {
  const fields: ReadonlyArray<[string, unknown]> = Object.entries(error)
  const clean = fields.map(([name, value]): [string, unknown] =>
    typeof value !== "string" || own.has(name) ? [name, value] : [name, hide(value)]
  )
  if (clean.every(([, value], index) => value === fields[index]?.[1])) return error
  // One that is no class of a schema is not ours, and nobody knows how it is made.
  if (!Schema.isSchema(error.constructor)) return error
  const made: unknown = Reflect.construct(error.constructor, [Object.fromEntries(clean)])
  return isAsWell(made, error) ? made : error
}
