/**
 * What companion services refuse with, declared once and used by every contract: tagged errors for 401, 403, 404, 409,
 * 422 and 503.
 *
 * On the wire it is a status and `{"error": "<sentence>"}`, with an `error_code` where there is one. Read is what services
 * write in the field: `error`, `message` or `detail`, a sentence or FastAPI's list of problems; `error_code`, `errorCode` or `code`. What a contract does not declare is a `ServiceError`.
 *
 * ```ts
 * import { ResourceNotFound } from "effect-segformer/companions"
 *
 * const error = new ResourceNotFound({ service: "project", detail: "There is no project 7" })
 * error.message // => "project does not have it (404): There is no project 7"
 * error.isRetryable // => false
 * ```
 */
import { DateTime, Duration, Schema, SchemaTransformation } from "effect"
import { HttpApiSchema } from "effect/http-api"
import * as ErrorKind from "../ErrorKind.ts"
import { said, wait } from "../ErrorKind.ts"
import * as RetryAfter from "../policy/RetryAfter.ts"
import { codeIn, messageIn } from "../service/Message.ts"
import { excerpt } from "../service/ServiceError.ts"

const fields = {
  /** As the registry calls it. */
  service: Schema.String,
  /** What the service said of it, at most 200 characters. */
  detail: Schema.String,
  /** The service's own code (`error_code`, `errorCode`, `code`), at most 200 characters. */
  code: Schema.optional(Schema.String)
}

const refusal = (status: number) =>
  ErrorKind.make({ status, concerns: "caller", isRetryable: false, isTransient: false })

/** 401: the service does not know who asks. */
export class Unauthenticated extends refusal(401)<Unauthenticated>()("Unauthenticated", fields) {
  override get message(): string {
    return `${this.service} does not know who asks (401)${said(this.detail)}. Check its API key or token`
  }
}

/** 403: the service knows who asks, and they may not. */
export class Forbidden extends refusal(403)<Forbidden>()("Forbidden", fields) {
  override get message(): string {
    return `${this.service} does not allow it (403)${said(this.detail)}`
  }
}

/** 404: the service has nothing of this id or name. */
export class ResourceNotFound extends refusal(404)<ResourceNotFound>()("ResourceNotFound", fields) {
  override get message(): string {
    return `${this.service} does not have it (404)${said(this.detail)}`
  }
}

/** 409: it contradicts what the service has: it exists already, or was changed meanwhile. */
export class ResourceConflict extends refusal(409)<ResourceConflict>()("ResourceConflict", fields) {
  override get message(): string {
    return `It contradicts what ${this.service} has (409)${said(this.detail)}`
  }
}

/** 422: the service understands the request, and a value in it is wrong. */
export class InputInvalid extends refusal(422)<InputInvalid>()("InputInvalid", fields) {
  override get message(): string {
    return `${this.service} refuses a value (422)${said(this.detail)}`
  }
}

/** 503: the service cannot answer for now. */
export class CompanionUnavailable extends ErrorKind.make({
  status: 503,
  concerns: "service",
  isRetryable: true,
  isTransient: true
})<CompanionUnavailable>()("CompanionUnavailable", {
  ...fields,
  retryAfter: Schema.optional(Schema.DurationFromMillis)
}) {
  override get message(): string {
    return `${this.service} is not available (503)${said(this.detail)}${wait(this)}`
  }
}

export const CompanionError = Schema.Union([
  Unauthenticated,
  Forbidden,
  ResourceNotFound,
  ResourceConflict,
  InputInvalid,
  CompanionUnavailable
])
/** Everything that a companion service's contract says it refuses with. */
export type CompanionError =
  | Unauthenticated
  | Forbidden
  | ResourceNotFound
  | ResourceConflict
  | InputInvalid
  | CompanionUnavailable

const text = Schema.optionalKey(Schema.Json)

/** What services write, whatever they call it. */
const Body = Schema.Struct({
  error: text,
  message: text,
  detail: text,
  errors: text,
  error_code: text,
  errorCode: text,
  code: text
})
type Body = typeof Body.Type

/** Where there are several, `error` is often no more than the name of the status. */
const sentences = ["message", "error", "detail", "errors", "msg", "description", "title"]

/** What a body says: a sentence, and a code of the service's own where it has one. */
const told = (body: Body) => {
  const code = codeIn(body)
  return {
    detail: excerpt(messageIn(body, sentences) ?? ""),
    ...(code === undefined ? {} : { code: excerpt(code) })
  }
}

/** The same, as this library writes it. */
const written = ({ code, detail }: Told): Body => ({
  error: detail,
  ...(code === undefined ? {} : { error_code: code })
})

interface Told {
  readonly detail: string
  readonly code?: string | undefined
}

interface ErrorClass<E> {
  new (fields: { readonly service: string } & Told): E
}

/** An error as it stands on the wire: what services write, whatever they call it. */
export interface Declared<S extends Schema.Constraint> extends Schema.decodeTo<
  Schema.toType<S>,
  typeof Body
> {}

const declare = <S extends Schema.Top & ErrorClass<S["Type"]> & { readonly Type: Told }>(
  self: S,
  status: number,
  service: string
): Declared<S> =>
  Body.pipe(
    Schema.decodeTo(
      Schema.toType(self),
      SchemaTransformation.transform({
        decode: (body): S["Type"] => new self({ service, ...told(body) }),
        encode: written
      })
    ),
    HttpApiSchema.status(status)
  )

/** The same, with what a service says of when to come back. */
const declareUnavailable = (service: string) =>
  CompanionUnavailable.pipe(
    HttpApiSchema.encodeToWithHeaders(
      {
        body: Body.pipe(HttpApiSchema.status(503)),
        // A time is compared with that of whoever names it.
        headers: { "retry-after": Schema.optionalKey(Schema.String), date: Schema.optionalKey(Schema.String) }
      },
      {
        decode: ({ body, headers }) => {
          // A schema has no clock.
          const retryAfter = RetryAfter.fromHeaders(headers, DateTime.nowUnsafe().epochMilliseconds)
          return new CompanionUnavailable({ service, ...told(body), retryAfter })
        },
        encode: ({ code, detail, retryAfter }) => ({
          body: written({ code, detail }),
          headers:
            retryAfter === undefined
              ? {}
              : { "retry-after": String(Math.ceil(Duration.toSeconds(retryAfter))) }
        })
      }
    )
  )

/** What the contract of a service declares its endpoints to fail with. */
export const errorsOf = (service: string) => {
  const unauthenticated = declare(Unauthenticated, 401, service)
  const forbidden = declare(Forbidden, 403, service)
  const unavailable = declareUnavailable(service)
  const notFound = declare(ResourceNotFound, 404, service)
  const conflict = declare(ResourceConflict, 409, service)
  const invalid = declare(InputInvalid, 422, service)
  const guarded = [unauthenticated, forbidden, unavailable] as const
  return {
    unauthenticated,
    forbidden,
    notFound,
    conflict,
    invalid,
    unavailable,
    /** Those of every call. */
    guarded,
    /** Those of a call about something that may not be there. */
    found: [...guarded, notFound] as const,
    /** Those of making something. */
    made: [...guarded, conflict, invalid] as const,
    /** Those of changing something, or of making it beneath another thing. */
    changed: [...guarded, notFound, conflict, invalid] as const,
    /** Those of removing something that others may need. */
    gone: [...guarded, notFound, conflict] as const
  }
}
