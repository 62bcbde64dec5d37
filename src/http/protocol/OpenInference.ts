/**
 * The Open Inference Protocol v2, as Triton, KServe and others speak it: the image as a tensor, logits or a class map
 * back, in JSON or (many times faster) as binary tensors.
 *
 * Names, shapes and datatypes come from `GET /v2/models/{m}`, asked once; whether binary tensors are understood from
 * `GET /v2`. Making the protocol needs an `ImageCodec`, as pictures are decoded and resized here.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { OpenInference, SegFormerHttp } from "effect-segformer/http"
 *
 * const triton = Layer.unwrap(
 *   Effect.map(OpenInference.make({ model: "segformer" }), (protocol) =>
 *     SegFormerHttp.layer({ baseUrl: "http://127.0.0.1:8000", protocol })
 *   )
 * )
 * Layer.isLayer(triton) // => true
 * ```
 */
import { Array as Arr, type Duration, Effect, Exit, Request, RequestResolver, Semaphore } from "effect"
import { ImageCodec } from "../../image/ImageCodec.ts"
import type { Image } from "../../image/ImageSource.ts"
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { ClassTable } from "../../mask/ClassTable.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import type { Answer, Exchange } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as Errors from "./Errors.ts"
import * as InferAnswer from "./InferAnswer.ts"
import * as InferRequest from "./InferRequest.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"

export interface OpenInferenceOptions {
  readonly model: string
  /** The server's choice, unless given. */
  readonly version?: string | undefined
  /** The name of the input. The model's only one, unless given. */
  readonly input?: string | undefined
  /** The name of the output. `logits`, or the model's only one, unless given. */
  readonly output?: string | undefined
  /** How logits are laid out: `[classes, height, width]` is `"first"`, the default. */
  readonly channels?: "first" | "last" | undefined
  /** Binary tensors (Triton's extension). Where the server says that it has them, unless given. */
  readonly binary?: boolean | undefined
  /**
   * What `preprocessor_config.json` says: size 512 x 512, and mean and deviation of ImageNet, by default. A model whose
   * input has a fixed size gets that size.
   */
  readonly preprocessing?: Partial<Preprocessing.Preprocessing> | undefined
  /** The model's `id2label`. An id that is none of them is `ResponseNotDecodable`. */
  readonly classes?: ClassTable | undefined
  /** The id of pixels that belong to no class. 255 by default, unless that is a class. */
  readonly ignoreIndex?: number | undefined
  /**
   * Send images that come together in one request: at most `size`, which wait for each other for 5 milliseconds unless
   * told otherwise. For servers that do not batch by themselves, as Triton does. Off by default.
   */
  readonly batch?: { readonly size: number; readonly wait?: Duration.Input | undefined } | undefined
}

const readError = (answer: Answer): ErrorBody => {
  const { detail } = Errors.read(answer)
  return { detail, loading: /not ready|still loading|no available versions/i.test(detail ?? "") }
}

/** What is known of a service once it was asked. */
interface Known {
  /** Differs from service to service, and changes when the service is asked again. */
  readonly id: number
  readonly model: InferAnswer.Metadata
  readonly binary: boolean
}

/** One image on its way, alone or with others. */
interface Infer extends Request.Request<Prediction, SegmentationError> {
  readonly exchange: Exchange
  readonly attempt: Attempt
  readonly known: Known
  readonly tensor: InferRequest.Prepared
}
const Infer = Request.of<Infer>()

/** The protocol for one model. */
export const make = Effect.fnUntraced(function* (
  options: OpenInferenceOptions
): Effect.fn.Return<Protocol, never, ImageCodec> {
  const codec = yield* ImageCodec
  const version = options.version === undefined ? "" : `/versions/${encodeURIComponent(options.version)}`
  const path = `/v2/models/${encodeURIComponent(options.model)}${version}`
  const lock = Semaphore.makeUnsafe(1)
  const known = new WeakMap<Exchange, Known>()
  let asked = 0

  const ask = (exchange: Exchange, path: string, attempt: Attempt) =>
    Effect.flatMap(exchange.send({ method: "GET", path }, attempt), (answer) => Errors.ok(answer, readError))

  /** A server without `GET /v2` has no extensions. */
  const asksBinary = (exchange: Exchange, attempt: Attempt): Effect.Effect<boolean, ServiceError> =>
    Effect.flatMap(exchange.send({ method: "GET", path: "/v2" }, attempt), (answer) =>
      answer.status === 404 || answer.status === 405
        ? Effect.succeed(false)
        : Effect.map(Errors.ok(answer, readError), InferAnswer.hasBinary)
    )

  const discover = (exchange: Exchange, attempt: Attempt): Effect.Effect<Known, ServiceError> =>
    // Callers that come together ask once: who waits finds the answer of the first.
    lock.withPermit(
      Effect.gen(function* () {
        const before = known.get(exchange)
        if (before !== undefined) return before
        const model = yield* Effect.flatMap(ask(exchange, path, attempt), InferAnswer.metadata)
        const binary = options.binary ?? (yield* asksBinary(exchange, attempt))
        const found = { id: ++asked, model, binary }
        known.set(exchange, found)
        return found
      })
    )

  const preprocessing = { ...Preprocessing.defaults, ...options.preprocessing }

  /** One request for images of one shape, and a prediction for each. */
  const infer = Effect.fnUntraced(function* (
    images: Arr.NonEmptyReadonlyArray<Omit<Infer, keyof Request.Request<never>>>
  ): Effect.fn.Return<ReadonlyArray<Prediction>, SegmentationError> {
    const { attempt, exchange, known: knows } = images[0]
    const tensors = images.map(({ tensor }) => tensor)
    const output = yield* InferAnswer.outputOf(knows.model, options.output)
    const { binary } = knows
    const call = yield* InferRequest.call(tensors, { path, id: attempt.callId, output, binary })
    return yield* Effect.flatMap(exchange.send(call, attempt), (answer) =>
      Effect.flatMap(Errors.ok(answer, readError), (answer) =>
        InferAnswer.decode(answer, { ...options, output }, images.length)
      )
    ).pipe(
      // The model may have been replaced by another one: what is known of it is asked again.
      Effect.tapErrorTag(["RequestRejected", "NotFound", "ResponseNotDecodable"], () =>
        Effect.sync(() => known.delete(exchange))
      )
    )
  })

  /** Waits a little for other images of the same shape. Who is interrupted is left out, and the last one ends it. */
  const together = (size: number, wait: Duration.Input) =>
    RequestResolver.makeGrouped<Infer, string>({
      key: ({ request: { known: knows, tensor } }) =>
        `${knows.id} ${tensor.datatype} ${tensor.shape.join(" ")}`,
      resolver: (entries) =>
        Effect.map(Effect.exit(infer(Arr.map(entries, ({ request }) => request))), (exit) => {
          for (const [index, entry] of entries.entries()) {
            entry.completeUnsafe(Exit.map(exit, (predictions) => predictions[index]!))
          }
        })
    }).pipe(RequestResolver.setDelay(wait), RequestResolver.batchN(size))
  const { batch } = options
  const resolver = batch === undefined ? undefined : together(batch.size, batch.wait ?? "5 millis")

  const predict = Effect.fnUntraced(function* (
    exchange: Exchange,
    image: Image,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const knows = yield* discover(exchange, attempt)
    const input = yield* InferAnswer.inputOf(knows.model, options.input)
    // Before an image is decoded for nothing.
    yield* InferAnswer.outputOf(knows.model, options.output)
    const tensor = yield* InferRequest.prepare(codec, image, input, preprocessing)
    const item = { exchange, attempt, known: knows, tensor }
    if (resolver !== undefined && tensor.batches) {
      attempt.phase = "waiting"
      return yield* Effect.request(Infer(item), resolver)
    }
    return (yield* infer([item]))[0]!
  })

  return {
    name: "openinference",
    readError,
    predict,
    entry: { method: "POST", path: `${path}/infer` },
    // The specification has 4xx for "no".
    health: Errors.healthByStatus(`${path}/ready`, [400]),
    describe: {
      call: { method: "GET", path },
      read: (answer) =>
        Effect.map(Effect.flatMap(Errors.ok(answer, readError), InferAnswer.metadata), ({ name }) => ({
          name,
          classes: options.classes ?? []
        }))
    }
  }
})
