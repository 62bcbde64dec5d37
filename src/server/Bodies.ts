/** The bytes of a body that is no form, under limits: counted as they come, and a body that dawdles is cut off. */
import { Duration, Effect, Stream } from "effect"
import type { HttpServerRequest } from "effect/http"
import { bad, Refusal } from "./Refusal.ts"
import * as Uploads from "./Uploads.ts"

export interface BodyOptions {
  readonly maxBytes: number
  /** In milliseconds. */
  readonly timeout: number
}

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

/** The whole body. What says its length is written once, where it stays. */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  options: BodyOptions
): Effect.Effect<Uint8Array, Refusal> =>
  Effect.suspend(() => {
    const { maxBytes } = options
    const encoding = request.headers["content-encoding"] ?? "identity"
    if (encoding !== "identity") {
      const detail = `Send the body as it is, not in the encoding "${encoding}"`
      return Effect.fail(new Refusal({ status: 415, detail }))
    }
    const announced = Uploads.bodyBytes(request, 64 * 1024)
    if (announced > maxBytes) return Effect.fail(tooLarge(maxBytes))
    let body = new Uint8Array(Math.max(0, announced))
    let length = 0
    const take = (chunk: Uint8Array) => {
      const needed = length + chunk.length
      if (needed > maxBytes) return Effect.fail(tooLarge(maxBytes))
      if (needed > body.length) {
        const larger = new Uint8Array(Math.min(maxBytes, Math.max(needed, body.length * 2)))
        larger.set(body.subarray(0, length))
        body = larger
      }
      body.set(chunk, length)
      length = needed
      return Effect.void
    }
    return request.stream.pipe(
      Stream.mapError(() => bad("The body did not arrive whole")),
      Stream.runForEach(take),
      Effect.timeoutOrElse({
        duration: Duration.millis(options.timeout),
        orElse: () => Effect.fail(Uploads.tooSlow(options.timeout))
      }),
      Effect.map(() => body.subarray(0, length))
    )
  })
