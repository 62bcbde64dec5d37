/** What goes wrong with the body of an answer, as an error. */
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { type Hide, nothing } from "./Hiding.ts"
import { ConnectionFailed, excerpt, ResponseNotDecodable } from "./WireError.ts"

/** Who is asked, for the errors. */
export interface Origin {
  readonly service: string
  readonly requestId: string | undefined
  /** Takes our secrets out of what the service says. */
  readonly hide?: Hide | undefined
}

export const placeOf = ({ requestId, service }: Origin) => ({ service, requestId })

/** Data that is not of the encodings that a header names. */
export const brokenData = ({ headers }: HttpClientResponse.HttpClientResponse, cause: unknown): string => {
  const encoding = headers["content-encoding"] ?? ""
  const named = encoding.includes(",") ? `"${encoding}"` : encoding.trim()
  return `its ${named} data is broken or cut off (${describe(cause)})`
}

/** What cannot be read of an answer because of its content encoding. */
export const undecodable = (
  response: HttpClientResponse.HttpClientResponse,
  origin: Origin,
  detail: string
) =>
  new ResponseNotDecodable({
    ...placeOf(origin),
    status: response.status,
    path: "",
    detail: excerpt((origin.hide ?? nothing)(detail)),
    excerpt: ""
  })

/** Codes of decompressors: what `fetch` takes off itself breaks its stream like a connection does. */
const ofDecompressors = /^(?:Z_|ERR__ERROR_|ERR_BROTLI|ERR_ZSTD|ZSTD_)/

/** The error of a body that breaks off. */
export const broken =
  (response: HttpClientResponse.HttpClientResponse, origin: Origin) =>
  (error: { readonly cause?: unknown }): ConnectionFailed | ResponseNotDecodable => {
    const code = codeOf(error.cause)
    if (code !== undefined && ofDecompressors.test(code))
      return undecodable(response, origin, brokenData(response, error.cause))
    const detail = describe(error.cause)
    return new ConnectionFailed({ ...placeOf(origin), code, phase: "receiving", sent: "maybe", detail })
  }

/**
 * The innermost error with a system code, else the innermost of all: HTTP clients wrap what happened in errors of
 * their own, which say no more than "fetch failed".
 */
const innermost = (cause: unknown): unknown => {
  let found = cause
  let hasCode = false
  for (let at = cause, depth = 0; depth < 6 && at instanceof Error; depth++) {
    if ("code" in at && typeof at.code === "string") {
      found = at
      hasCode = true
    } else if (!hasCode) found = at
    at = at.cause
  }
  return found
}

/** The system's code of a failure, such as ECONNREFUSED. */
export const codeOf = (cause: unknown): string | undefined => {
  const error = innermost(cause)
  if (!(error instanceof Error)) return undefined
  if ("code" in error && typeof error.code === "string") return error.code
  // Undici's parser has a code for some of what is no HTTP, and for some a name alone. What ends too soon is HTTP.
  return error.name === "HTTPParserError" && !/EOF/.test(error.message) ? "HPE_INVALID" : undefined
}

/** A failure in words, for an error message. */
export const describe = (cause: unknown): string => {
  const error = innermost(cause)
  // An AggregateError (every address of a name refused) has no message of its own.
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join("; ")
  }
  return error instanceof Error ? error.message : String(error ?? "no cause given")
}

/** Codes of connections that were never made. */
export const unreachable: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT"
])
