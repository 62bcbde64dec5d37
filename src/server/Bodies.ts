/** The bytes of a body that is no form, under limits: counted as they come, and a body that dawdles is cut off. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Duration, Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { bad, Refusal } from "./Refusal.ts"
import type { ServerLimits } from "./ServerLimits.ts"
import * as Uploads from "./Uploads.ts"

export type BodyLimits = Pick<ServerLimits, "bodyTimeout" | "maxBytes">

/** Whether the body says that it is JSON. */
export const isJson = (request: HttpServerRequest.HttpServerRequest): boolean =>
  /^application\/(?:[\w.-]+\+)?json\b/i.test(request.headers["content-type"] ?? "")

/** Whether the body says that it is a form with files. */
export const isForm = (request: HttpServerRequest.HttpServerRequest): boolean =>
  /^multipart\/form-data\b/i.test(request.headers["content-type"] ?? "")

/** Whether the caller wants a picture rather than JSON. */
export const wantsPng = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const accept = request.headers["accept"] ?? ""
  return /\bimage\/(?:png|\*)/i.test(accept) && !/json/i.test(accept)
}

const tooLarge = (limit: number) =>
  new Refusal({
    status: 413,
    detail: `The request is larger than ${limit} bytes, the most this service takes`
  })

/**
 * The whole body. What says its length is written once, where it stays. It is read from Node's own stream: a body is a
 * few pieces, and most of what an effect for each of them would cost.
 */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  limits: BodyLimits
): Effect.Effect<Uint8Array, Refusal> =>
  Effect.suspend(() => {
    const { bodyTimeout, maxBytes } = limits
    const encoding = request.headers["content-encoding"] ?? "identity"
    if (encoding !== "identity") {
      const detail = `Send the body as it is, not in the encoding "${encoding}"`
      return Effect.fail(new Refusal({ status: 415, detail }))
    }
    const announced = Uploads.bodyBytes(request, 64 * 1024)
    if (announced > maxBytes) return Effect.fail(tooLarge(maxBytes))
    return Effect.callback<Uint8Array, Refusal>((resume) => {
      const source = NodeHttpServerRequest.toIncomingMessage(request)
      // Not cleared: what is not written over is not given out.
      let body: Uint8Array = Buffer.allocUnsafeSlow(Math.max(0, announced))
      let length = 0
      const take = (chunk: Uint8Array) => {
        const needed = length + chunk.length
        if (needed > maxBytes) return end(Effect.fail(tooLarge(maxBytes)))
        if (needed > body.length) {
          const larger = Buffer.allocUnsafeSlow(Math.min(maxBytes, Math.max(needed, body.length * 2)))
          larger.set(body.subarray(0, length))
          body = larger
        }
        body.set(chunk, length)
        length = needed
      }
      const whole = () => end(Effect.succeed(body.subarray(0, length)))
      const broken = () => end(Effect.fail(bad("The body did not arrive whole")))
      const timer = setTimeout(
        () => end(Effect.fail(Uploads.tooSlow(bodyTimeout))),
        Duration.toMillis(bodyTimeout)
      )
      const leave = () => {
        clearTimeout(timer)
        source.off("data", take).off("end", whole).off("error", broken).off("close", broken)
      }
      const end = (result: Effect.Effect<Uint8Array, Refusal>) => {
        leave()
        // What is still to come is not taken in; Node drops it, or the connection with it.
        source.pause()
        resume(result)
      }
      if (source.destroyed && !source.readableEnded) return broken()
      if (/^100-continue$/i.test(request.headers["expect"] ?? "")) {
        NodeHttpServerRequest.toServerResponse(request).writeContinue()
      }
      source.on("data", take).on("end", whole).on("error", broken).on("close", broken)
      return Effect.sync(leave)
    })
  })
