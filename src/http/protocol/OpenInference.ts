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
import { Effect, Semaphore } from "effect"
import { HttpBody } from "effect/http"
import { ImageCodec } from "../../image/ImageCodec.ts"
import type { Image } from "../../image/ImageSource.ts"
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { ClassTable } from "../../mask/ClassTable.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import type { Answer, Call, Exchange } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as PixelValues from "../PixelValues.ts"
import * as Tensor from "../Tensor.ts"
import * as Errors from "./Errors.ts"
import * as InferAnswer from "./InferAnswer.ts"
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
}

const readError = (answer: Answer): ErrorBody => {
  const { detail } = Errors.read(answer)
  return { detail, loading: /not ready|still loading|no available versions/i.test(detail ?? "") }
}

/** What is known of a service once it was asked. */
interface Known {
  readonly model: InferAnswer.Metadata
  readonly binary: boolean
}

/** The size that the model wants, and where the channels are in it. */
const layoutOf = (shape: ReadonlyArray<number>, preprocessing: Preprocessing.Preprocessing) => {
  const inner = shape.slice(-3)
  const last = inner[2] === 3 && inner[0] !== 3
  const [height = -1, width = -1] = last ? inner : inner.slice(1)
  const size = height > 0 && width > 0 ? { width, height } : preprocessing.size
  return { last, preprocessing: { ...preprocessing, size }, batch: shape.length !== 3 }
}

const encoder = new TextEncoder()

/** Numbers of a tensor in JSON that are written before others get a turn. */
const slice = 32_768

/** JSON with a tensor in it, written piece by piece. */
const jsonBody = Effect.fnUntraced(function* (before: string, data: ArrayLike<number>, after: string) {
  const pieces = [encoder.encode(before)]
  for (let at = 0; at < data.length; at += slice) {
    const part = Array.prototype.slice.call(data, at, at + slice).join(",")
    pieces.push(encoder.encode(at === 0 ? part : `,${part}`))
    yield* Effect.yieldNow
  }
  pieces.push(encoder.encode(after))
  const body = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    body.set(piece, at)
    at += piece.length
  }
  return HttpBody.uint8Array(body, "application/json")
})

/** The tensor as the model's datatype has it, or nothing where that is none for pictures. */
const toDatatype = (datatype: string, values: Float32Array) => {
  if (datatype === "FP32") return values
  if (datatype === "FP16") return Tensor.toHalves(values)
  if (datatype === "UINT8") return Uint8Array.from(values)
  return undefined
}

/** The protocol for one model. */
export const make = Effect.fnUntraced(function* (
  options: OpenInferenceOptions
): Effect.fn.Return<Protocol, never, ImageCodec> {
  const codec = yield* ImageCodec
  const version = options.version === undefined ? "" : `/versions/${encodeURIComponent(options.version)}`
  const path = `/v2/models/${encodeURIComponent(options.model)}${version}`
  const lock = Semaphore.makeUnsafe(1)
  const known = new WeakMap<Exchange, Known>()

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
      Effect.suspend((): Effect.Effect<Known, ServiceError> => {
        const before = known.get(exchange)
        if (before !== undefined) return Effect.succeed(before)
        return Effect.gen(function* () {
          const model = yield* Effect.flatMap(ask(exchange, path, attempt), InferAnswer.metadata)
          const binary = options.binary ?? (yield* asksBinary(exchange, attempt))
          const found = { model, binary }
          known.set(exchange, found)
          return found
        })
      })
    )

  const request = Effect.fnUntraced(function* (
    image: Image,
    input: InferAnswer.TensorInfo,
    output: string | undefined,
    binary: boolean,
    id: string
  ): Effect.fn.Return<Call, SegmentationError> {
    const config = { ...Preprocessing.defaults, ...options.preprocessing }
    const isBytes = input.datatype === "UINT8"
    const layout = layoutOf(
      input.shape,
      // A model that takes bytes normalises them itself.
      isBytes ? { ...config, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } : config
    )
    const pixels = yield* PixelValues.make(codec, image, layout.preprocessing)
    const { height, width } = pixels
    const values = layout.last ? PixelValues.channelsLast(pixels) : pixels.data
    const plane = layout.last ? [height, width, 3] : [3, height, width]
    const tensor = {
      name: input.name,
      shape: layout.batch ? [1, ...plane] : plane,
      datatype: input.datatype
    }
    const data = toDatatype(input.datatype, values) ?? values
    const outputs =
      output === undefined
        ? {}
        : { outputs: [binary ? { name: output, parameters: { binary_data: true } } : { name: output }] }
    const call = { method: "POST", path: `${path}/infer` } as const
    if (!binary) {
      const fields = JSON.stringify({ id, ...outputs }).slice(1, -1)
      const head = JSON.stringify(tensor).slice(0, -1)
      // Halves have no notation in JSON: they are numbers like others.
      const numbers = input.datatype === "FP16" ? values : data
      return { ...call, body: yield* jsonBody(`{${fields},"inputs":[${head},"data":[`, numbers, "]}]}") }
    }
    const parameters = { binary_data_size: data.byteLength }
    const json = JSON.stringify({
      id,
      inputs: [{ ...tensor, parameters }],
      ...(output === undefined ? { parameters: { binary_data_output: true } } : outputs)
    })
    // Spaces up to a multiple of 8, so that the server can read the tensor where it lies.
    const head = encoder.encode(json.padEnd(Math.ceil(json.length / 8) * 8))
    const body = new Uint8Array(head.length + data.byteLength)
    body.set(head)
    body.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), head.length)
    return {
      ...call,
      accept: "*/*",
      headers: { "inference-header-content-length": String(head.length) },
      body: HttpBody.uint8Array(body, "application/octet-stream")
    }
  })

  const unasked: InferAnswer.TensorInfo = {
    name: options.input ?? "pixel_values",
    datatype: "FP32",
    shape: [-1, 3, -1, -1]
  }

  const decode = (answer: Answer, output: string | undefined): Effect.Effect<Prediction, ServiceError> =>
    InferAnswer.decode(answer, { ...options, output })

  const predict = Effect.fnUntraced(function* (
    exchange: Exchange,
    image: Image,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const { binary, model } = yield* discover(exchange, attempt)
    const input = yield* InferAnswer.inputOf(model, options.input)
    const output = yield* InferAnswer.outputOf(model, options.output)
    const call = yield* request(image, input, output, binary, attempt.callId)
    const forget = Effect.sync(() => known.delete(exchange))
    return yield* Effect.flatMap(exchange.send(call, attempt), (answer) =>
      Effect.flatMap(Errors.ok(answer, readError), (answer) => decode(answer, output))
    ).pipe(
      // The model may have been replaced by another one: what is known of it is asked again.
      Effect.tapErrorTag(["RequestRejected", "NotFound", "ResponseNotDecodable"], () => forget)
    )
  })

  return {
    name: "openinference",
    encode: (image) => request(image, unasked, options.output, options.binary === true, options.model),
    decode: (answer) => decode(answer, options.output),
    readError,
    predict,
    health: Errors.healthByStatus(`${path}/ready`),
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
