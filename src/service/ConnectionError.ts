/** From what an HTTP client says of a request that got no answer to an error of this library. */
import type { HttpClientError } from "effect/http"
import * as BodyFailure from "./BodyFailure.ts"
import type { Hide } from "./Hiding.ts"
import type { ServiceError } from "./ServiceError.ts"
import { ConnectionFailed, InvalidUrl } from "./WireError.ts"

/** Codes that say that nobody took the request. */
const neverSent: ReadonlySet<string> = new Set([
  ...BodyFailure.unreachable,
  "ERR_PROXY_AUTHENTICATION",
  "ERR_PROXY_REFUSED",
  "ERR_PROXY_UNREACHABLE"
])

/** OpenSSL says where in its own source it found what it says: `C07C…:error:0A00042E:SSL routines:ssl3_read_bytes:…:../deps/…`. */
const withoutFiles = (text: string): string =>
  /^[\dA-F]+:error:[\dA-F]+:[^:]*:[^:]*:([^:]+):/.exec(text)?.[1] ?? text

/** The error of a request that got no answer. */
export const from = (
  error: HttpClientError.HttpClientError,
  service: string,
  requestId: string | undefined,
  hide: Hide
): ServiceError => {
  const { reason } = error
  if (reason._tag === "InvalidUrlError")
    return new InvalidUrl({ url: service, detail: hide(BodyFailure.describe(reason.cause)) })
  // `fetch` says no more of ports that it never calls, such as those of mail and SSH.
  if (BodyFailure.describe(reason.cause) === "bad port")
    return new InvalidUrl({
      url: service,
      detail: "`fetch` calls no such port. Use another, or another client"
    })
  // A source that breaks while it is sent fails with an error of its own, which the client carries as the cause.
  const code = BodyFailure.codeOf(reason.cause)
  return new ConnectionFailed({
    service,
    requestId,
    code,
    phase: "sending",
    sent: code !== undefined && neverSent.has(code) ? "no" : "maybe",
    detail: hide(
      reason.cause === undefined
        ? (reason.description ?? "")
        : withoutFiles(BodyFailure.describe(reason.cause))
    )
  })
}
