/** How `/v1` says no: `{ error: { tag, message, requestId } }`. */
import { Effect } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Refusals from "../Refusal.ts"
import { RequestId } from "../RequestId.ts"
import type { ErrorBody } from "./ApiError.ts"

/** The answer. */
export const refuse = (
  refusal: Refusals.Refusal,
  requestId?: string
): HttpServerResponse.HttpServerResponse => {
  const error = { tag: Refusals.tagOf(refusal), message: refusal.detail }
  const body: ErrorBody = { error: requestId === undefined ? error : { ...error, requestId } }
  return Refusals.answer(refusal, body)
}

/** A handler that refuses in this form. What only the log may know goes there. */
export const answered = <R>(
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, Refusals.Refusal, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(handler, (refusal) =>
    Effect.map(Effect.andThen(Refusals.noted(refusal), RequestId), (requestId) => refuse(refusal, requestId))
  )

/** Fails for a parameter that a route has not: passed over, it would be answered with something else than was asked for. */
export const checkQuery = ({ url }: HttpServerRequest.HttpServerRequest, ...known: ReadonlyArray<string>) => {
  const query = new URLSearchParams(/\?(.*)/s.exec(url)?.[1])
  const unknown = [...query.keys()].find((name) => !known.includes(name))
  const detail = `This takes ${known.join(" and ") || "no parameter"}, and not "${unknown?.slice(0, 100)}". Accept says in which form the answer comes`
  return unknown === undefined ? Effect.void : Effect.fail(Refusals.bad(detail))
}
