/**
 * The statuses that a request is refused with, each with its word for programs. All others are the answers of nobody
 * here: what the contract of `/v1` declares and what dialects answer is chosen from these.
 */
import { Schema } from "effect"

export const RefusalStatus = Schema.Literals([
  400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504, 507
])
export type RefusalStatus = typeof RefusalStatus.Type

/** What went wrong in one word, where no error says it better. */
export const words: Readonly<Record<RefusalStatus, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  408: "RequestTimeout",
  409: "Conflict",
  413: "PayloadTooLarge",
  415: "UnsupportedMediaType",
  422: "NotProcessable",
  429: "TooManyRequests",
  500: "InternalError",
  502: "BadGateway",
  503: "ServiceUnavailable",
  504: "TimedOut",
  507: "InsufficientStorage"
}

/** What any route may answer: asked with another method, failed by a bug of ours, asked while the server stops. */
export const ofAnyRoute = [405, 500, 503] as const satisfies ReadonlyArray<RefusalStatus>

/** What the token may be refused with, by us or by whoever is asked about it. */
export const ofTokens = [401, 403, 429, 503] as const satisfies ReadonlyArray<RefusalStatus>
