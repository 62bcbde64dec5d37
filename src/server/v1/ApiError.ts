/**
 * How this API says no: a status, and `{ error: { tag, message, requestId } }`. Clients made from the contract get an
 * `ApiError` in their error channel.
 */
import { Schema, SchemaTransformation } from "effect"
import { HttpApiMiddleware, HttpApiSchema, HttpApiSecurity } from "effect/http-api"
import { ImageError } from "../../image/ImageError.ts"
import { ofAnyRoute, ofTokens, RefusalStatus } from "../RefusalStatus.ts"

/** Tags of what is wrong with an image. */
const ofImages: ReadonlySet<string> = new Set(ImageError.members.map(({ identifier }) => identifier))

/** A request that was not answered as asked. */
export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  status: RefusalStatus,
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
  /** The same request, made again later, may go well. */
  get isTransient(): boolean {
    return this.isRetryable
  }
  /** What has to be mended: the image, what its caller sends otherwise, or the service. */
  get concerns(): "image" | "service" | "caller" {
    const isOfImage = ofImages.has(this.tag) || this.status === 413 || this.status === 415
    return isOfImage ? "image" : this.isRetryable ? "service" : "caller"
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

const bodyOf = (status: RefusalStatus) =>
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

/** One schema a status, whoever declares it. */
const bodies = new Map(RefusalStatus.literals.map((status) => [status, bodyOf(status)]))

/** The refusals of these statuses. */
const withStatus = (statuses: ReadonlyArray<RefusalStatus>): ReadonlyArray<ReturnType<typeof bodyOf>> =>
  statuses.flatMap((status) => bodies.get(status) ?? [])

/** What a route may answer instead: what every route may, and these. The `Authorization` middleware adds its own. */
export const refusals = (...statuses: ReadonlyArray<RefusalStatus>) =>
  withStatus([...new Set([...ofAnyRoute, ...statuses])].toSorted((a, b) => a - b))

/** Says in the contract that a token is asked for, as bearer's or as password, and how one is refused. It is looked at before any route. */
export class Authorization extends HttpApiMiddleware.Service<Authorization>()(
  "effect-segformer/server/v1/Authorization",
  { security: { bearer: HttpApiSecurity.bearer, basic: HttpApiSecurity.basic }, error: withStatus(ofTokens) }
) {}
