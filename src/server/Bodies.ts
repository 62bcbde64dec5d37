/** The bytes of a body that is no form, under limits: counted as they come, and a body that dawdles is cut off. */
import { Duration, Effect, Exit, Scope } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Arrival } from "./Admission.ts"
import type { Segmented, Served, Upload } from "./Dialect.ts"
import * as Encodings from "./Encodings.ts"
import * as Face from "./Face.ts"
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

/**
 * The whole body of a request with images, of at most so many bytes, and with it a place among those that are worked on,
 * until the scope ends. What announces more than can ever be taken is not asked to come back later.
 */
export const take = (
  served: Pick<Served, "enter" | "limits">,
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number,
  overhead = Uploads.overhead
): Effect.Effect<Uint8Array, Refusal, Scope.Scope> =>
  Effect.gen(function* () {
    const announced = Uploads.bodyBytes(request, 0)
    if (announced > maxBytes + overhead) return yield* Uploads.tooLarge(maxBytes)
    const face = yield* Face.Current
    // What a body held that is refused is free before its answer is out.
    const held = yield* Scope.fork(yield* Effect.scope)
    return yield* Effect.gen(function* () {
      const arrival = yield* Scope.provide(
        served.enter(announced, () => face.cut(request)),
        held
      )
      const body = yield* read(request, { ...served.limits, maxBytes: maxBytes + overhead }, arrival)
      yield* arrival.place
      return body
    }).pipe(Effect.onError((cause) => Scope.close(held, Exit.failCause(cause))))
  })

/** The same of a body of JSON. One that says it is a form or text is what a page of a stranger can make a browser send. */
export const takeJson = (
  served: Pick<Served, "enter" | "limits">,
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number
): Effect.Effect<Uint8Array, Refusal, Scope.Scope> =>
  Effect.andThen(checkJson(request), take(served, request, maxBytes))

/** Fails where a body says that it is something that browsers send for any page, unasked. */
export const checkJson = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, Refusal> => {
  const type = request.headers["content-type"] ?? ""
  return /^\s*(?:text\/plain|multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type)
    ? Effect.fail(
        new Refusal({
          status: 415,
          detail: "Send JSON as JSON: with the header Content-Type: application/json"
        })
      )
    : Effect.void
}

/** The files of a form's parts with any of these names, in order: at least one. */
export const takeFiles = (
  served: Pick<Served, "enter" | "limits">,
  request: HttpServerRequest.HttpServerRequest,
  names: ReadonlyArray<string>,
  limits: Uploads.UploadLimits = served.limits
) =>
  Uploads.checkForm(request, names).pipe(
    Effect.andThen(take(served, request, limits.maxRequestBytes)),
    Effect.flatMap((body) => Uploads.files(request, body, names, limits))
  )

/** The image of a request: the whole body, or the one file of a form with one of these names. */
export const takeImage = (
  served: Pick<Served, "enter" | "limits">,
  request: HttpServerRequest.HttpServerRequest,
  names: string | ReadonlyArray<string>,
  isForm: boolean
): Effect.Effect<Upload, Refusal, Scope.Scope> => {
  const { maxBytes } = served.limits
  return isForm
    ? Effect.map(
        takeFiles(served, request, typeof names === "string" ? [names] : names, {
          maxBytes,
          maxImages: 1,
          maxRequestBytes: maxBytes
        }),
        ([file]) => file
      )
    : Effect.map(take(served, request, maxBytes, 0), (bytes) => ({ name: "image", bytes }))
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

/** What a body is read under. */
type BodyLimits = Pick<ServerLimits, "bodyGrace" | "bodyTimeout" | "maxBytes" | "minBodyRate">

/** Memory that a body is given before any of it has come: an announcement alone costs no more. */
const firstBytes = 256 * 1024

/**
 * The whole body, without its encodings. Where it has begun to come, what says its length is written once, where it stays.
 */
export const read = (
  request: HttpServerRequest.HttpServerRequest,
  { bodyGrace, bodyTimeout, maxBytes, minBodyRate }: BodyLimits,
  arrival?: Arrival
): Effect.Effect<Uint8Array, Refusal> =>
  Effect.flatMap(Face.Current, (face) => {
    const encodings = Encodings.of(request)
    const refused = Encodings.refusal(encodings)
    if (refused !== undefined) return Effect.fail(refused)
    const announced = Uploads.bodyBytes(request, 64 * 1024)
    if (announced > maxBytes) return Effect.fail(Uploads.tooLarge(maxBytes))
    const received = Effect.callback<Uint8Array, Refusal>((resume) => {
      const started = performance.now()
      // Not cleared: what is not written over is not given out.
      let body: Uint8Array = Buffer.allocUnsafeSlow(Math.max(0, Math.min(announced, firstBytes)))
      let length = 0
      let ended = false
      const take = (chunk: Uint8Array) => {
        const needed = length + chunk.length
        if (needed > maxBytes) return end(Effect.fail(Uploads.tooLarge(maxBytes)))
        const refused = arrival?.count(chunk.length)
        if (refused !== undefined) return end(Effect.fail(refused))
        if (needed > body.length) {
          const wanted = Math.max(needed, Math.min(announced, maxBytes), body.length * 2)
          const larger = Buffer.allocUnsafeSlow(Math.min(maxBytes, wanted))
          larger.set(body.subarray(0, length))
          body = larger
        }
        body.set(chunk, length)
        length = needed
      }
      const broken = () => end(Effect.fail(bad("The body did not arrive whole")))
      // Of a `Request` the platform may end a body whose client is gone.
      const whole = () =>
        length < announced && /^\d+$/.test(request.headers["content-length"] ?? "")
          ? broken()
          : end(Effect.succeed(body.subarray(0, length)))
      // Where it throws, nothing is left that would call on it.
      const stop = face.read(request, { take, whole, broken })
      const timer = setTimeout(
        () => end(Effect.fail(Uploads.tooSlow(bodyTimeout))),
        Duration.toMillis(bodyTimeout)
      )
      const grace = Duration.toMillis(bodyGrace)
      const pulse = setInterval(() => {
        const seconds = (performance.now() - started - grace) / 1000
        if (length < seconds * minBodyRate) end(Effect.fail(Uploads.tooMeagre(minBodyRate)))
      }, 500)
      const leave = () => {
        ended = true
        clearTimeout(timer)
        clearInterval(pulse)
        stop()
      }
      const end = (result: Effect.Effect<Uint8Array, Refusal>) => {
        if (ended) return
        leave()
        resume(result)
      }
      if (arrival !== undefined) arrival.onCut = (refusal) => end(Effect.fail(refusal))
      return Effect.sync(leave)
    })
    return Effect.flatMap(received, (body) => Encodings.take(body, encodings, maxBytes, arrival))
  })
