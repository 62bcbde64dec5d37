/**
 * What the contracts of companion services have in common: ids, pages, and the answers of services that agree on the
 * call and not on the status.
 */
import { Schema, SchemaTransformation } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** A number or a text, as the service numbers its things. */
export const Id = Schema.Union([Schema.Int, Schema.NonEmptyString])
export type Id = typeof Id.Type

/** What was made: 201, or 200 where the service is not strict. */
export const created = <S extends Schema.Top>(schema: S) =>
  [schema.pipe(HttpApiSchema.status(201)), schema] as const

/** An answer whose status says it all, whatever stands in its body. */
const nothing = (status: number) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Void,
      SchemaTransformation.transform({ decode: (): void => {}, encode: () => "" })
    ),
    HttpApiSchema.asText(),
    HttpApiSchema.status(status)
  )

/** It is gone: 204, or 200. */
export const removed = [HttpApiSchema.NoContent, nothing(200)] as const

/** It is taken, and done later: 202, or 200. */
export const accepted = [nothing(202), nothing(200)] as const

/** A part of a long list. */
export const Page = {
  /** How many to leave out. 0 by default. */
  skip: Schema.optionalKey(Schema.Int),
  /** How many at most. 100 by default. */
  limit: Schema.optionalKey(Schema.Int)
}
