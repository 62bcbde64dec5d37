/**
 * The Open Inference Protocol v2, as Triton, KServe and others speak it: the image as a tensor, logits or a class map
 * back, in JSON or (many times faster) as binary tensors.
 *
 * Names, shapes and datatypes come from `GET /v2/models/{m}`, asked once; whether binary tensors are understood from
 * `GET /v2`. Making the protocol needs an `ImageCodec`, as pictures are decoded and resized here; a server of this library
 * is sent the file instead, and answers at the image's own size.
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
import type { Size } from "../../mask/Fit.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import { type Answer, type Exchange, isSuccess } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as ClassesIn from "../ClassesIn.ts"
import type { BinaryOptions } from "../Plane.ts"
import * as Errors from "./Errors.ts"
import * as InferAnswer from "./InferAnswer.ts"
import * as InferRequest from "./InferRequest.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"
import * as ErrorKind from "../../ErrorKind.ts"

export interface OpenInferenceOptions {
  readonly model: string
  /** The server's choice, unless given. */
  readonly version?: string | undefined
  /** The name of the input. The model's only one, unless given. */
  readonly input?: string | undefined
  /** The name of the output. `logits`, or the model's only one, unless given. */
  readonly output?: string | undefined
  /**
   * How scores are laid out: `[classes, height, width]` is `"first"`, `[height, width, classes]` `"last"`. Told by their shape,
   * the classes and the image's aspect, unless given.
   */
  readonly channels?: "first" | "last" | undefined
  /** What the output holds, where its values leave that open. */
  readonly as?: "ids" | "logits" | undefined
  /**
   * An output of one plane shows one class: `true`, or from which value on and which. `false`: its values are class ids. By its
   * values, unless given: probabilities from 0.5 and logits from 0 on are class 1.
   */
  readonly oneClass?: boolean | BinaryOptions | undefined
  /** The output's rows are the image's columns. Off by default. */
  readonly transposed?: boolean | undefined
  /** Binary tensors (Triton's extension). Where the server says that it has them, or asks for them, unless given. */
  readonly binary?: boolean | undefined
  /**
   * What `preprocessor_config.json` says: size 512 x 512, and mean and deviation of ImageNet, by default. A model whose
   * input has a fixed size gets that size.
   */
  readonly preprocessing?: Partial<Omit<Preprocessing.Preprocessing, "crop" | "pad">> | undefined
  /** The model's `id2label`. An id that is none of them is `ResponseNotDecodable`. Names as the model's metadata has them, unless given. */
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

/** No such route, or none for us: what it would say is not needed. */
const isUnanswered = ({ status }: Answer): boolean =>
  (status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429) || status === 501

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
  /** In pixels, before it was prepared. */
  readonly image: Size
}
const Infer = Request.of<Infer>()

/** The protocol for one model. */
export const make = Effect.fnUntraced(function* (
  options: OpenInferenceOptions
): Effect.fn.Return<Protocol, never, ImageCodec> {
  ErrorKind.oneOf("openinference", "channels", options.channels, ["first", "last"])
  ErrorKind.oneOf("openinference", "as", options.as, ["ids", "logits"])
  ClassesIn.check("openinference", options)
  const codec = yield* ImageCodec
  const version = options.version === undefined ? "" : `/versions/${encodeURIComponent(options.version)}`
  const path = `/v2/models/${encodeURIComponent(options.model)}${version}`
  const lock = Semaphore.makeUnsafe(1)
  const known = new WeakMap<Exchange, Known>()
  let asked = 0

  /** A server without `GET /v2`, or one that does not tell us, has no extensions. */
  const asksBinary = (exchange: Exchange, attempt: Attempt): Effect.Effect<boolean, ServiceError> =>
    Effect.flatMap(exchange.send({ method: "GET", path: "/v2" }, attempt), (answer) =>
      isUnanswered(answer)
        ? Effect.succeed(false)
        : Effect.map(Errors.ok(answer, readError), InferAnswer.hasBinary)
    )

  /** What a model is. One whose input is given need not say, nor have a route for it. */
  const describe = (
    exchange: Exchange,
    attempt: Attempt
  ): Effect.Effect<InferAnswer.Metadata, ServiceError> =>
    Effect.flatMap(exchange.send({ method: "GET", path }, attempt), (answer) => {
      const found = Effect.flatMap(Errors.ok(answer, readError), InferAnswer.metadata)
      return options.input === undefined || !(isUnanswered(answer) || isSuccess(answer))
        ? found
        : Effect.orElseSucceed(found, () => InferAnswer.undescribed(options.model, answer))
    })

  const discover = (exchange: Exchange, attempt: Attempt): Effect.Effect<Known, ServiceError> =>
    // Callers that come together ask once: who waits finds the answer of the first.
    lock.withPermit(
      Effect.gen(function* () {
        const before = known.get(exchange)
        if (before !== undefined) return before
        const model = yield* describe(exchange, attempt)
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
    const askedIn = (binary: boolean) =>
      Effect.flatMap(InferRequest.call(tensors, { path, id: attempt.callId, output, binary }), (call) =>
        exchange.send(call, attempt)
      ).pipe(
        Effect.flatMap((answer) => Errors.ok(answer, readError)),
        Effect.flatMap((answer) =>
          InferAnswer.decode(
            answer,
            { ...options, output, named: knows.model.classes },
            { count: images.length, image: images[0].image, input: tensors[0]!.size }
          )
        )
      )
    return yield* askedIn(knows.binary).pipe(
      // KServe has binary tensors and does not announce them, and takes halves in no other way.
      Effect.catchTag("RequestRejected", (refusal) =>
        knows.binary || options.binary === false || !/\bbinary\b/i.test(refusal.detail ?? "")
          ? Effect.fail(refusal)
          : Effect.tap(askedIn(true), () =>
              Effect.sync(() => known.set(exchange, { ...knows, binary: true }))
            )
      ),
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
        [knows.id, tensor.datatype, tensor.size.width, tensor.size.height, ...tensor.shape].join(" "),
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
    const { height, width } = image
    const item = { exchange, attempt, known: knows, tensor, image: { height, width } }
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
        Effect.map(
          Effect.flatMap(Errors.ok(answer, readError), InferAnswer.metadata),
          ({ classes, name }) => ({ name, classes: options.classes ?? classes })
        )
    }
  }
})
