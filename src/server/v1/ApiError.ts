/**
 * How this API says no: a status, and `{ error: { tag, message, requestId } }`. Clients made from the contract get an
 * `ApiError` in their error channel.
 */
import { Schema, SchemaTransformation } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** A request that was not answered as asked. */
export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  /** As HTTP has it: 400 to 599. */
  status: Schema.Int,
  /** What went wrong, for programs: the tag of a segmentation error where there is one, such as `NotAnImage`. */
  tag: Schema.String,
  /** What went wrong, for people. */
  message: Schema.String,
  /** Found in the server's log, too. */
  requestId: Schema.optionalKey(Schema.String)
}) {
  get isRetryable(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500
  }
}

/** The body of an error. */
export const ErrorBody = Schema.Struct({
  error: Schema.Struct({
    tag: Schema.String,
    message: Schema.String,
    requestId: Schema.optionalKey(Schema.String)
  })
})
export type ErrorBody = typeof ErrorBody.Type

const refused = (status: number) =>
  ErrorBody.pipe(
    Schema.decodeTo(
      Schema.toType(ApiError),
      SchemaTransformation.transform({
        decode: ({ error }) => new ApiError({ status, ...error }),
        encode: ({ message, requestId, tag }) => ({
          error: { tag, message, ...(requestId === undefined ? {} : { requestId }) }
        })
      })
    ),
    HttpApiSchema.status(status)
  )

/** What every route behind a token may answer. */
export const refusals = [
  refused(400),
  refused(401),
  refused(403),
  refused(404),
  refused(406),
  refused(408),
  refused(409),
  refused(413),
  refused(415),
  refused(429),
  refused(500),
  refused(502),
  refused(503),
  refused(504)
] as const
