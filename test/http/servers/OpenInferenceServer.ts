/**
 * A Triton-like server of the Open Inference Protocol v2: JSON and, where it is told to, binary tensors. The model
 * takes 48 x 32 pixels, normalised, and compares them with what `sharp` decodes from the image.
 */
import type { ServerResponse } from "node:http"
import { Effect } from "effect"
import sharp from "sharp"
import type { SeenRequest } from "../../support/TestServer.ts"
import * as Model from "./Model.ts"

export type Datatype = "FP32" | "FP16" | "INT32" | "INT64" | "UINT8"

/** Halves by hand for numbers that have few digits: no rounding, no subnormals. */
const toHalf = (value: number): number => {
  if (value === 0 || Number.isNaN(value)) return value === 0 ? 0 : 0x7e00
  const exponent = Math.floor(Math.log2(Math.abs(value)))
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024)
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction
}

/** Little-endian, row-major. */
export const bytesOf = (datatype: Datatype, values: ArrayLike<number>): Buffer => {
  const size = { FP32: 4, FP16: 2, INT32: 4, INT64: 8, UINT8: 1 }[datatype]
  const out = Buffer.alloc(values.length * size)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (datatype === "FP32") out.writeFloatLE(value, i * 4)
    else if (datatype === "FP16") out.writeUInt16LE(toHalf(value), i * 2)
    else if (datatype === "INT32") out.writeInt32LE(value, i * 4)
    else if (datatype === "INT64") out.writeBigInt64LE(BigInt(value), i * 8)
    else out.writeUInt8(value, i)
  }
  return out
}

export interface Options {
  readonly binary?: boolean
  readonly datatype?: Datatype
  /** Whether logits or a class map come out. */
  readonly output?: "logits" | "labels"
  /** Takes several images at once, and finds class 2 throughout in those that it does not know. */
  readonly batches?: boolean
  /** Has binary tensors, does not announce them, and refuses JSON: as KServe does with halves. */
  readonly unannounced?: boolean
  /** Refuses every image with these words. */
  readonly refusal?: string
  /** Makes the tensor begin at an address that its elements cannot be read at. */
  readonly unaligned?: boolean
  /** Of the output, in the metadata. */
  readonly parameters?: unknown
}

export interface Output {
  readonly name: string
  readonly datatype: string
  readonly shape: ReadonlyArray<number>
  readonly values: ArrayLike<number>
}

export const outputOf = (options: Options, map = Model.labels): Output => {
  const isLogits = options.output !== "labels"
  return {
    name: isLogits ? "logits" : "label_map",
    datatype: options.datatype ?? (isLogits ? "FP32" : "INT64"),
    shape: isLogits ? [1, 3, Model.logits.height, Model.logits.width] : [1, map.height, map.width],
    values: isLogits ? Model.logits.data : map.data
  }
}

/** An answer in JSON or in binary, as the request asks. */
export const send = (response: ServerResponse, output: Output, options: Options) => {
  const { datatype, name, shape, values } = output
  const common = { model_name: "segformer", model_version: "1" }
  if (options.binary !== true) {
    return Model.sendJson(response, {
      ...common,
      outputs: [{ name, datatype, shape, data: Array.from(values) }]
    })
  }
  const data = bytesOf(datatype as Datatype, values)
  const outputs = [{ name, datatype, shape, parameters: { binary_data_size: data.length } }]
  let json = JSON.stringify({ ...common, outputs })
  while (json.length % 8 !== (options.unaligned === true ? 3 : 0)) json += " "
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "inference-header-content-length": json.length,
    "content-length": json.length + data.length
  })
  response.end(Buffer.concat([Buffer.from(json), data]))
}

/** The image's pixels as the model wants them: `[3, 32, 48]`. */
const expected = async (): Promise<Float32Array> => {
  const { data } = await sharp(Model.image).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const mean = [0.485, 0.456, 0.406]
  const std = [0.229, 0.224, 0.225]
  const plane = Model.width * Model.height
  return Float32Array.from({ length: 3 * plane }, (_, i) => {
    const channel = Math.floor(i / plane)
    return (data[(i % plane) * 3 + channel]! / 255 - mean[channel]!) / std[channel]!
  })
}

interface Received {
  readonly images: number
  readonly data: ArrayLike<number>
}

const tensorOf = ({ body, headers }: SeenRequest): Received => {
  const length = headers["inference-header-content-length"]
  const start = length === undefined ? body.length : Number(length)
  const [input] = Model.jsonOf(body.subarray(0, start))["inputs"]
  const [images, ...shape] = input.shape
  if (input.name !== "pixel_values" || input.datatype !== "FP32") throw new Error("unexpected input")
  if (shape.join(" ") !== `3 ${Model.height} ${Model.width}`) throw new Error(`unexpected shape ${shape}`)
  if (length === undefined) return { images, data: input.data }
  const bytes = body.subarray(start)
  if (bytes.length !== input.parameters.binary_data_size) throw new Error("unexpected size")
  const data = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))
  return { images, data }
}

/** Whether each image of a batch is the one that the model knows. */
const recognize = ({ data, images }: Received, pixels: Float32Array): Array<boolean> => {
  if (data.length !== images * pixels.length) throw new Error(`unexpected length ${data.length}`)
  return Array.from({ length: images }, (_, image) =>
    pixels.every((value, i) => Math.abs(value - data[image * pixels.length + i]!) < 1e-5)
  )
}

/** The output for a batch: what is known gives the model's result, anything else class 2 throughout. */
const batchOf = (output: Output, known: ReadonlyArray<boolean>): Output => {
  const plane = output.values.length / (output.name === "logits" ? 3 : 1)
  const other = Array.from(output.values, (_, i) => (output.name === "logits" ? Math.floor(i / plane) : 2))
  const values = known.flatMap((each) => (each ? Array.from(output.values) : other))
  return { ...output, shape: [known.length, ...output.shape.slice(1)], values }
}

export const make = (options: Options = {}) =>
  Effect.gen(function* () {
    const pixels = yield* Effect.promise(expected)
    const output = outputOf(options)
    return yield* Model.serve({
      isPredict: ({ method }) => method === "POST",
      predict: (request, response) => {
        if (request.path !== "/v2/models/segformer/infer") {
          return Model.sendJson(response, { error: "Request for unknown model" }, 400)
        }
        if (options.refusal !== undefined) return Model.sendJson(response, { error: options.refusal }, 400)
        if (options.unannounced === true && !("inference-header-content-length" in request.headers)) {
          const error =
            "Sending FP16 data via JSON is not supported. Please use the binary data format for input pixel_values"
          return Model.sendJson(response, { error }, 400)
        }
        try {
          const known = recognize(tensorOf(request), pixels)
          if (options.batches === true) return send(response, batchOf(output, known), options)
          if (known.length !== 1 || known[0] !== true) throw new Error("the pixels differ")
          return send(response, output, options)
        } catch (cause) {
          return Model.sendJson(response, { error: String(cause) }, 400)
        }
      },
      other: ({ path }, response, state) => {
        if (path === "/v2") {
          const extensions =
            options.binary === true && options.unannounced !== true
              ? ["classification", "binary_tensor_data"]
              : []
          return Model.sendJson(response, { name: "triton", version: "2.50.0", extensions })
        }
        if (path === "/v2/models/segformer") {
          return Model.sendJson(response, {
            name: "segformer",
            versions: ["1"],
            platform: "onnxruntime_onnx",
            inputs: [{ name: "pixel_values", datatype: "FP32", shape: [-1, 3, Model.height, Model.width] }],
            outputs: [
              {
                name: output.name,
                datatype: output.datatype,
                shape: output.shape.map(() => -1),
                parameters: options.parameters
              }
            ]
          })
        }
        // Triton answers these with an empty body.
        const known = path === "/v2/models/segformer/ready" || path === "/v2/health/ready"
        return void response.writeHead(known && state.ready ? 200 : 400).end()
      }
    })
  })
