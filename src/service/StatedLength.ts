/** Bodies that say their length, for clients that would send a stream in chunks without one. Loaded with the first such body. */
import { Bytes, Effect, Stream } from "effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"

/** Bytes of a body that is collected to be sent with its length: an image of the largest size that is read by default. */
const maxCollected = 128 * 1024 * 1024

/**
 * A stream of known length, in memory: for clients that would send it in chunks without a length. One that is larger than
 * 128 MiB, or whose length is not known, stays a stream.
 */
const collected = (body: HttpBody.HttpBody): Effect.Effect<HttpBody.HttpBody, unknown> => {
  if (body._tag !== "Stream" || body.contentLength === undefined || body.contentLength > maxCollected)
    return Effect.succeed(body)
  return Effect.map(Stream.runCollect(body.stream), (chunks) =>
    HttpBody.uint8Array(Bytes.concat(chunks), body.contentType)
  )
}

/**
 * A request whose body says its length: `fetch` sends a stream in chunks without one, which some services refuse, and by which their
 * limits do not apply.
 */
export const withLength = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.HttpClientError> =>
  Effect.mapBoth(collected(request.body), {
    onSuccess: (body) => (body === request.body ? request : HttpClientRequest.setBody(request, body)),
    onFailure: (cause) =>
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.EncodeError({ request, cause, description: "The body cannot be read" })
      })
  })
