/**
 * Gradio apps: the file is uploaded, an endpoint is called with it, and its result waited for in a stream of events.
 *
 * The app's own description (`GET /gradio_api/info`, or `/info` of version 4) says which endpoint takes an image, where among
 * the inputs it stands, and what the others are by default; it is asked for once. A result is a picture, JSON, or the sections
 * of an `AnnotatedImage`, whose labels become classes.
 *
 * ```ts
 * import { Gradio } from "effect-segformer/http"
 *
 * Gradio.make({ endpoint: "segment", inputs: { threshold: 0.5 }, mask: { at: "1" } }).name // => "gradio"
 * ```
 */
import { Effect, Schema, Semaphore } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import type { MaskNotDecodable } from "../../mask/MaskError.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer, Exchange } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as ClassesIn from "../ClassesIn.ts"
import * as JobProtocol from "../JobProtocol.ts"
import { classesOf } from "../MaskDecoding.ts"
import * as Errors from "./Errors.ts"
import * as GradioApp from "./GradioApp.ts"
import * as GradioResult from "./GradioResult.ts"
import type { Protocol } from "./Protocol.ts"
import * as ProtocolBody from "./ProtocolBody.ts"

export interface GradioOptions extends JobProtocol.OutputOptions {
  /** The `api_name` of the endpoint. The only one that takes an image, unless given. */
  readonly endpoint?: string | undefined
  /** The name or label of the input that takes the image. The endpoint's only image, unless given. */
  readonly input?: string | undefined
  /** Other inputs, by name or label. Those that have a default need not be given. */
  readonly inputs?: Readonly<Record<string, unknown>> | undefined
  /** For `describe`: the app does not say. */
  readonly model?: string | undefined
}

const decodeUploaded = Decode.schema(Schema.NonEmptyArray(Schema.String))
const decodeQueued = Decode.schema(Schema.Struct({ event_id: Schema.String }))

/** The protocol for an endpoint of an app. */
export const make = (options: GradioOptions = {}): Protocol => {
  ClassesIn.check("gradio", options)
  const lock = Semaphore.makeUnsafe(1)
  const known = new WeakMap<Exchange, GradioApp.App>()

  const discover = (exchange: Exchange, attempt: Attempt): Effect.Effect<GradioApp.App, ServiceError> =>
    // Callers that come together ask once.
    lock.withPermit(
      Effect.gen(function* () {
        const before = known.get(exchange)
        if (before !== undefined) return before
        const app = yield* GradioApp.ask(exchange, attempt)
        known.set(exchange, app)
        return app
      })
    )

  const predict = Effect.fnUntraced(function* (
    exchange: Exchange,
    image: Image,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const app = yield* discover(exchange, attempt)
    return yield* predictBy(app, exchange, image, attempt).pipe(
      // The app may have been replaced by another one: its description is asked for again.
      Effect.tapErrorTag(["NotFound", "ReportedFailure", "ResponseNotDecodable"], () =>
        Effect.sync(() => known.delete(exchange))
      )
    )
  })

  const predictBy = Effect.fnUntraced(function* (
    app: GradioApp.App,
    exchange: Exchange,
    image: Image,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, ServiceError | MaskNotDecodable | SegmentationError> {
    const endpoint = yield* GradioApp.endpointOf(app, options)
    const inputs = yield* GradioApp.inputsOf(app, endpoint, options)
    const form = yield* ProtocolBody.form("files", image)
    const uploaded = yield* exchange.send(
      { method: "POST", path: `${app.prefix}/upload`, body: form },
      attempt
    )
    const [path] = yield* decodeUploaded(yield* Errors.ok(uploaded))
    const file = {
      path,
      meta: { _type: GradioResult.fileType },
      orig_name: image.name,
      mime_type: image.mediaType
    }
    const call = `${app.prefix}/call/${encodeURIComponent(endpoint.name)}`
    const queued = yield* exchange.send(
      { method: "POST", path: call, body: ProtocolBody.json({ data: inputs(file) }) },
      attempt
    )
    const { event_id: event } = yield* decodeQueued(
      yield* Errors.ok(queued, (answer) =>
        answer.status === 404
          ? { detail: "it has endpoints and no route to call them by, as apps of an older Gradio. Update it" }
          : Errors.read(answer)
      )
    )
    const answer = yield* Effect.flatMap(
      exchange.send(
        { method: "GET", path: `${call}/${encodeURIComponent(event)}`, accept: "text/event-stream" },
        attempt
      ),
      (answer) => Errors.ok(answer)
    )
    return yield* resultOf(answer, app, exchange, image, attempt)
  })

  const resultOf = Effect.fnUntraced(function* (
    answer: Answer,
    { prefix }: GradioApp.App,
    exchange: Exchange,
    image: Image,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, ServiceError | MaskNotDecodable> {
    const value = GradioResult.withAddresses(
      yield* GradioResult.completed(answer),
      `${exchange.service}${prefix}`
    )
    const isPainted = options.pictures !== undefined && options.mask === undefined
    const at = isPainted ? undefined : (options.mask?.at ?? (yield* GradioResult.placeOf(answer, value)))
    const sections = at === undefined ? undefined : GradioResult.sectionsAt(value, at)
    if (sections !== undefined) {
      return yield* GradioResult.fromSections(answer, sections, image, options, (address) =>
        Effect.flatMap(
          exchange.fetch(address, attempt, { accept: "image/png", hosts: options.hosts }),
          (file) => Errors.ok(file, (answer) => ({ ...Errors.read(answer), file: true }))
        )
      )
    }
    const output = { answer, value, took: undefined }
    const placed = at === undefined ? options : { ...options, mask: { ...options.mask, at } }
    const files = yield* JobProtocol.fetchFiles(exchange, output, placed, attempt)
    attempt.phase = "decoding"
    return yield* JobProtocol.readOutput(files, image, placed)
  })

  return {
    name: "gradio",
    // The stream ends when the result is there, which on a busy app is after everybody else's.
    policy: { attemptTimeout: "10 minutes" },
    predict,
    readError: Errors.read,
    health: Errors.healthByStatus("/config"),
    describe: { name: options.model ?? options.endpoint ?? "unknown", classes: classesOf(options) }
  }
}

/** The only endpoint that takes an image. */
export const protocol: Protocol = make()
