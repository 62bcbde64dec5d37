/**
 * Refusals of requests whose body is still coming. Their answer goes out at once, and what comes after it is read and dropped
 * for a while: a connection that closes with bytes unread is reset, and a client that reads nothing before it has sent
 * everything would see that in the place of the answer.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Stream } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"

/** How long in all, how long while nothing comes, in milliseconds. */
const longest = 30_000
const silence = 2000

/** Less than this the platform drops itself, and keeps the connection. */
const little = 256 * 1024

/** Bytes that are still to come, as far as the request says: any number where it does not. */
const announced = ({ headers, method }: HttpServerRequest.HttpServerRequest): number => {
  if (headers["transfer-encoding"] !== undefined) return Number.POSITIVE_INFINITY
  return method === "GET" || method === "HEAD" ? 0 : Number(headers["content-length"] ?? 0)
}

/** Reads on and drops what comes, of at most so many bytes. */
const dropped = (request: HttpServerRequest.HttpServerRequest, maxBytes: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const source = NodeHttpServerRequest.toIncomingMessage(request)
    let bytes = 0
    const over = () => {
      clearTimeout(last)
      clearTimeout(pause)
      source.off("data", drop).off("end", over).off("close", over).off("error", over)
      source.pause()
      resume(Effect.void)
    }
    const last = setTimeout(over, longest)
    const pause = setTimeout(over, silence)
    const drop = (chunk: Uint8Array) => {
      bytes += chunk.length
      pause.refresh()
      if (bytes > maxBytes) over()
    }
    if (source.complete || source.destroyed) return over()
    source.on("data", drop).on("end", over).on("close", over).on("error", over)
    source.resume()
    return Effect.sync(over)
  })

/** The answer, with what is still to come read behind it. */
export const refuse = (
  request: HttpServerRequest.HttpServerRequest,
  response: HttpServerResponse.HttpServerResponse,
  maxBytes: number
): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  const { complete } = NodeHttpServerRequest.toIncomingMessage(request)
  // Who came too slowly, or when there was no room, is not waited for any longer.
  const isOver = response.status < 400 || response.status >= 500 || [408, 429].includes(response.status)
  if (maxBytes === 0 || isOver || body._tag !== "Uint8Array" || complete || announced(request) <= little)
    return response
  return HttpServerResponse.stream(
    Stream.concat(Stream.succeed(body.body), Stream.drain(Stream.fromEffect(dropped(request, maxBytes)))),
    {
      status: response.status,
      contentType: body.contentType,
      contentLength: body.contentLength,
      headers: { ...response.headers, connection: "close" }
    }
  )
}
