/** One id for each request: the caller's `X-Request-Id` where it sends a sane one, so that both logs have the same. */
import { Context } from "effect"
import type { HttpServerRequest } from "effect/http"
import { randomHex } from "../randomHex.ts"

/** The id of the request that a fiber answers. */
export const RequestId = Context.Reference<string>("effect-segformer/server/RequestId", {
  defaultValue: () => randomHex(16)
})

/** The caller's id, or a new one. */
export const of = (request: HttpServerRequest.HttpServerRequest): string => {
  const given = request.headers["x-request-id"]
  return given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : randomHex(16)
}
