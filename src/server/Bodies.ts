/** The bytes of a body that is no form, under limits: counted as they come, and a body that dawdles is cut off. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Duration, Effect, type Scope } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Segmented, Served, Upload } from "./Dialect.ts"
import { bad, Refusal, tooMany } from "./Refusal.ts"
import type { ServerLimits } from "./ServerLimits.ts"
import * as Uploads from "./Uploads.ts"

/** Whether the body says that it is JSON. */
export const isJson = (request: HttpServerRequest.HttpServerRequest): boolean =>
  /^application\/(?:[\w.-]+\+)?json\b/i.test(request.headers["content-type"] ?? "")

/** Whether the caller wants a picture rather than JSON. */
export const wantsPng = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const accept = request.headers["accept"] ?? ""
  return /\bimage\/(?:png|\*)/i.test(accept) && !/json/i.test(accept)
}

/** Takes a place for the request, then its whole body: a file, or text, of at most so many bytes. */
export const take = (
  served: Pick<Served, "enter" | "limits">,
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number
): Effect.Effect<Uint8Array, Refusal, Scope.Scope> =>
  Effect.andThen(
    Uploads.enter(served, request, maxBytes),
    read(request, { maxBytes: maxBytes + Uploads.overhead, bodyTimeout: served.limits.bodyTimeout })
  )

/** Takes a place for the request, then its image: the whole body, or the file of a form with this name. */
export const takeImage = (
  served: Served,
  request: HttpServerRequest.HttpServerRequest,
  name: string,
  isForm: boolean
): Effect.Effect<Upload, Refusal, Scope.Scope> => {
  const { limits } = served
  return isForm
    ? Effect.andThen(
        Uploads.enter(served, request, limits.maxBytes),
        Uploads.readOne(request, [name], limits)
      )
    : Effect.map(take(served, request, limits.maxBytes), (bytes) => ({ name: "image", bytes }))
}

/** Segments all images of a body, as many at once as the server works on. */
export const segmentAll = <Image, A>(
  served: Served,
  images: ReadonlyArray<Image>,
  fileOf: (image: Image) => Effect.Effect<Uint8Array, Refusal>,
  use: (segmented: Segmented) => Effect.Effect<A, Refusal>
): Effect.Effect<ReadonlyArray<A>, Refusal> =>
  images.length > served.limits.maxImages
    ? Effect.fail(tooMany(served.limits.maxImages))
    : Effect.forEach(
        images,
        (image) => Effect.flatMap(fileOf(image), (bytes) => served.segment({ name: "image", bytes }, use)),
        { concurrency: served.concurrency }
      )

/**
 * The whole body. What says its length is written once, where it stays. It is read from Node's own stream: a body is a
 * few pieces, and most of what an effect for each of them would cost.
 */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  { bodyTimeout, maxBytes }: Pick<ServerLimits, "bodyTimeout" | "maxBytes">
): Effect.Effect<Uint8Array, Refusal> =>
  Effect.suspend(() => {
    const encoding = request.headers["content-encoding"] ?? "identity"
    if (encoding !== "identity") {
      const detail = `Send the body as it is, not in the encoding "${encoding}"`
      return Effect.fail(new Refusal({ status: 415, detail }))
    }
    const announced = Uploads.bodyBytes(request, 64 * 1024)
    if (announced > maxBytes) return Effect.fail(Uploads.tooLarge(maxBytes))
    return Effect.callback<Uint8Array, Refusal>((resume) => {
      const source = NodeHttpServerRequest.toIncomingMessage(request)
      // Not cleared: what is not written over is not given out.
      let body: Uint8Array = Buffer.allocUnsafeSlow(Math.max(0, announced))
      let length = 0
      const take = (chunk: Uint8Array) => {
        const needed = length + chunk.length
        if (needed > maxBytes) return end(Effect.fail(Uploads.tooLarge(maxBytes)))
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
