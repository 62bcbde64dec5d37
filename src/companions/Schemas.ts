/**
 * What the contracts of companion services have in common: ids, pages, and the answers of services that agree on the
 * call and not on the status.
 */
import { Schema, SchemaTransformation } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** A number or a text, as the service numbers its things. */
export const Id = Schema.Union([Schema.Int, Schema.NonEmptyString])
export type Id = typeof Id.Type

/**
 * An object of a service: these fields as they are described, and every other as it came. A service may say more than its
 * contract, and what it says is its caller's.
 */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) => {
  const other = Schema.String.check(
    Schema.makeFilter((key: string) => !Object.hasOwn(fields, key) && key !== "__proto__")
  )
  return Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(other, Schema.Unknown)])
}

/** What may be left out, or be `null`, as services write it. */
export const maybe = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

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

/** It is gone, or will be: 204, 200 or 202. */
export const removed = [HttpApiSchema.NoContent, nothing(200), nothing(202)] as const

/** It is taken, at once or later: whatever a service says so with. */
export const accepted = [nothing(202), nothing(200), nothing(201), HttpApiSchema.NoContent] as const

/** A part of a long list. */
export const Page = {
  /** How many to leave out. 0 by default. */
  skip: Schema.optionalKey(Schema.Int),
  /** How many at most. 100 by default. */
  limit: Schema.optionalKey(Schema.Int)
}
