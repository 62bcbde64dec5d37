/**
 * Requests of the Open Inference Protocol: images as tensors of what the model's input wants, one or several in a
 * request, in JSON or as binary tensors behind it.
 */
import { Bytes, Effect } from "effect"
import { HttpBody } from "effect/http"
import * as Halves from "../../image/Halves.ts"
import type { CodecError, ImageCodec } from "../../image/ImageCodec.ts"
import type { ImageError } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import type * as Preprocessing from "../../image/Preprocessing.ts"
import * as Base64 from "../../service/Base64.ts"
import type { Call } from "../../service/Exchange.ts"
import type { Size } from "../../mask/Fit.ts"
import * as PixelValues from "../PixelValues.ts"
import * as Tensor from "../Tensor.ts"
import type { TensorInfo } from "./InferAnswer.ts"
import * as ProtocolBody from "./ProtocolBody.ts"

/** One image as a tensor. */
export interface Prepared {
  readonly name: string
  readonly datatype: string
  /** How large the image is in it. */
  readonly size: Size
  /** Without the batch: `[3, height, width]`, `[height, width, 3]`, or `[]` for a file. */
  readonly shape: ReadonlyArray<number>
  /** Whether the model's input has a dimension for batches. */
  readonly batches: boolean
  readonly data: Float32Array | Uint16Array | Uint8Array
}

/** The size that the model wants, and whether the channels come last in it. */
const layoutOf = (shape: ReadonlyArray<number>) => {
  const inner = shape.slice(-3)
  const last = inner[2] === 3 && inner[0] !== 3
  const [height = -1, width = -1] = last ? inner : inner.slice(1)
  return { last, size: height > 0 && width > 0 ? { width, height } : undefined, batches: shape.length !== 3 }
}

/** A file as an element of texts, for a model that prepares images itself. */
const file = Effect.fnUntraced(function* (
  image: Image,
  { datatype, name }: TensorInfo
): Effect.fn.Return<Prepared, ImageError> {
  const data = yield* ProtocolBody.forBase64(image)
  return {
    name,
    datatype,
    batches: true,
    size: { width: image.width, height: image.height },
    shape: [],
    data
  }
})

/** Decodes, resizes and normalises an image to what the input wants. A size that the model fixes goes first. */
export const prepare = Effect.fnUntraced(function* (
  codec: ImageCodec["Service"],
  image: Image,
  input: TensorInfo,
  preprocessing: Preprocessing.Preprocessing
): Effect.fn.Return<Prepared, CodecError> {
  if (input.datatype === "BYTES") return yield* file(image, input)
  const { batches, last, size } = layoutOf(input.shape)
  const { datatype, name } = input
  // A model that takes bytes normalises them itself.
  const raw = datatype === "UINT8" ? { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } : {}
  const pixels = yield* PixelValues.make(codec, image, {
    ...preprocessing,
    ...raw,
    size: size ?? preprocessing.size
  })
  const { height, width } = pixels
  const values = last ? PixelValues.channelsLast(pixels) : pixels.data
  return {
    name,
    datatype,
    batches,
    size: { width, height },
    shape: last ? [height, width, 3] : [3, height, width],
    data:
      datatype === "FP16" ? Halves.toHalves(values) : datatype === "UINT8" ? Uint8Array.from(values) : values
  }
})

const encoder = new TextEncoder()

/** Numbers of a tensor in JSON that are written before others get a turn. */
const slice = 32_768

/** Tensors one after the other as texts: numbers, and files in base64. Halves have no notation in JSON: they are numbers like others. */
const values = Effect.fnUntraced(function* (tensors: ReadonlyArray<Prepared>) {
  const pieces: Array<Uint8Array> = []
  for (const { data, datatype } of tensors) {
    if (datatype === "BYTES") {
      const text = `"${Base64.encode(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))}"`
      pieces.push(encoder.encode(pieces.length === 0 ? text : `,${text}`))
      continue
    }
    const numbers = data instanceof Uint16Array ? Tensor.fromHalves(data) : data
    for (let at = 0; at < numbers.length; at += slice) {
      const text = numbers.subarray(at, at + slice).join(",")
      pieces.push(encoder.encode(pieces.length === 0 ? text : `,${text}`))
      yield* Effect.yieldNow
    }
  }
  return pieces
})

/** Tensors as bytes. An element of texts has its length before it, in four bytes. */
const bytesOf = (tensors: ReadonlyArray<Prepared>): ReadonlyArray<Uint8Array> =>
  tensors.flatMap(({ data, datatype }) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    if (datatype !== "BYTES") return [bytes]
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes.length, true)
    return [length, bytes]
  })

export interface CallOptions {
  /** Such as `/v2/models/segformer`. */
  readonly path: string
  readonly id: string
  readonly output: string | undefined
  readonly binary: boolean
}

/** The request for images of one shape. */
export const call = Effect.fnUntraced(function* (
  tensors: ReadonlyArray<Prepared>,
  options: CallOptions
): Effect.fn.Return<Call> {
  const { binary, id, output } = options
  const { batches, datatype, name, shape } = tensors[0]!
  const tensor = { name, datatype, shape: batches ? [tensors.length, ...shape] : shape }
  const outputs =
    output === undefined
      ? {}
      : { outputs: [binary ? { name: output, parameters: { binary_data: true } } : { name: output }] }
  const request = { method: "POST", path: `${options.path}/infer` } as const
  if (!binary) {
    const fields = JSON.stringify({ id, ...outputs }).slice(1, -1)
    const open = `{${fields},"inputs":[${JSON.stringify(tensor).slice(0, -1)},"data":[`
    const pieces = yield* values(tensors)
    const body = Bytes.concat([encoder.encode(open), ...pieces, encoder.encode("]}]}")])
    return { ...request, body: HttpBody.uint8Array(body, "application/json") }
  }
  const binaries = bytesOf(tensors)
  const size = binaries.reduce((sum, { length }) => sum + length, 0)
  const json = JSON.stringify({
    id,
    inputs: [{ ...tensor, parameters: { binary_data_size: size } }],
    ...(output === undefined ? { parameters: { binary_data_output: true } } : outputs)
  })
  // Spaces up to a multiple of 8, so that the server can read the tensor where it lies.
  const head = encoder.encode(json)
  const padding = new Uint8Array((8 - (head.length % 8)) % 8).fill(0x20)
  const body = Bytes.concat([head, padding, ...binaries])
  return {
    ...request,
    accept: "*/*",
    headers: { "inference-header-content-length": String(head.length + padding.length) },
    body: HttpBody.uint8Array(body, "application/octet-stream")
  }
})
