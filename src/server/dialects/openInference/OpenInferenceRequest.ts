/** What an inference of the Open Inference Protocol asks for: images from a tensor, in JSON or as the bytes after it. */
import { Effect, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Served, Upload } from "../../Dialect.ts"
import * as LargeJson from "../../LargeJson.ts"
import { bad, Refusal, tooMany } from "../../Refusal.ts"

/** The inputs of the model, of which a request gives one. */
export const inputs = {
  /** Files, each as an element. */
  image: { name: "image", datatype: "BYTES", shape: [-1] },
  /** Pixels, sRGB, as `[height, width, 3]` or, several of one size, `[images, height, width, 3]`. */
  input: { name: "input", datatype: "UINT8", shape: [-1, -1, 3] }
} as const

export const output = "labels"

/** The header that says how long the JSON before binary tensors is. */
export const lengthHeader = "inference-header-content-length"

const Parameters = Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
const RequestJson = Schema.Struct({
  id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  parameters: Parameters,
  inputs: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      datatype: Schema.String,
      shape: Schema.Array(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
      parameters: Parameters,
      data: Schema.optionalKey(Schema.Unknown)
    })
  ),
  outputs: Schema.optionalKey(
    Schema.NullOr(Schema.Array(Schema.Struct({ name: Schema.String, parameters: Parameters })))
  )
})
type Input = (typeof RequestJson.Type)["inputs"][number]
const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(RequestJson),
  "The body is no inference request as the protocol has it"
)

export interface OpenInferenceRequest {
  readonly id: string | undefined
  /** Answer with a binary tensor. */
  readonly binary: boolean
  readonly uploads: ReadonlyArray<Upload>
}

/** Parameters of a tensor that ask for another result, or for one in another place. What only says how to work is read over. */
const elsewhere = ["classification", "shared_memory_region"]

const usage = `Give one input: "image" (BYTES, image files) or "input" (UINT8 of [height, width, 3], pixels)`

/** Reads a body. Pixels become PNG files, which is what segmenters take. */
export const read = Effect.fnUntraced(function* (
  served: Served,
  request: HttpServerRequest.HttpServerRequest,
  body: Uint8Array
): Effect.fn.Return<OpenInferenceRequest, Refusal> {
  const stated = request.headers[lengthHeader]
  const start = stated === undefined ? body.length : Number(stated)
  if (!Number.isInteger(start) || start < 0 || start > body.length) {
    return yield* bad(
      `Inference-Header-Content-Length is "${stated}", and the body ${body.length} bytes long`
    )
  }
  const json = yield* Effect.mapError(decodeBody(body.subarray(0, start)), (refusal) =>
    // A client may have kept the header of an earlier request.
    stated === undefined
      ? refusal
      : bad(`${refusal.detail}: its first ${start} bytes, as Inference-Header-Content-Length says`)
  )
  const [input, ...others] = json.inputs
  if (input === undefined || others.length > 0) return yield* bad(usage)
  const unknown = json.outputs?.find(({ name }) => name !== output)
  if (unknown !== undefined) {
    return yield* bad(`The model has no output "${unknown.name.slice(0, 100)}", only "${output}"`)
  }
  const asked = json.outputs?.[0]?.parameters ?? {}
  const other = [input.parameters ?? {}, asked].flatMap((parameters) =>
    elsewhere.filter((name) => parameters[name] !== undefined)
  )[0]
  if (other !== undefined) {
    return yield* bad(
      `Class ids are given in the answer as they are: "${other}" is not done here, leave it out`
    )
  }
  const wanted = asked["binary_data"] ?? json.parameters?.["binary_data_output"]
  const size = input.parameters?.["binary_data_size"]
  const tail = body.subarray(start)
  if ((size ?? 0) !== tail.length) {
    return yield* bad(
      `Binary tensors of ${typeof size === "number" ? size : 0} bytes are announced, and ${tail.length} follow the JSON`
    )
  }
  const binary = size === undefined ? undefined : tail
  const files =
    input.name === inputs.image.name && input.datatype === "BYTES"
      ? yield* filesOf(served, input, binary)
      : input.name === inputs.input.name && input.datatype === "UINT8"
        ? yield* picturesOf(served, input, binary)
        : yield* bad(`${usage}, not "${input.name.slice(0, 100)}" (${input.datatype.slice(0, 20)})`)
  return {
    id: json.id ?? undefined,
    binary: wanted === true,
    uploads: files.map((bytes) => ({ name: "image", bytes }))
  }
})

/** Elements of a BYTES tensor: base64 in JSON, each after its length in a binary tensor. */
const filesOf = Effect.fnUntraced(function* (
  served: Served,
  { data, shape }: Input,
  binary: Uint8Array | undefined
): Effect.fn.Return<ReadonlyArray<Uint8Array>, Refusal> {
  const { maxImages } = served.limits
  const count = shape.reduce((product, size) => product * size, 1)
  if (shape.length === 0) return yield* bad('"image" has no shape')
  if (count > maxImages) return yield* tooMany(maxImages)
  const wrong = bad(`"image" has not the ${count} elements that its shape says`)
  if (binary === undefined) {
    const texts = Array.isArray(data) ? data.flat() : []
    if (texts.length !== count) return yield* wrong
    return yield* Effect.forEach(texts, (text: unknown) =>
      typeof text === "string" || text instanceof LargeJson.LongText
        ? LargeJson.fileOf(text, 'An element of "image"')
        : Effect.fail(bad('In JSON the elements of "image" are image files in base64'))
    )
  }
  const files: Array<Uint8Array> = []
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength)
  let at = 0
  while (at + 4 <= binary.length && files.length < count) {
    const length = view.getUint32(at, true)
    files.push(binary.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return at === binary.length && files.length === count ? files : yield* wrong
})

/** The pictures of a UINT8 tensor, as files. */
const picturesOf = Effect.fnUntraced(function* (
  served: Served,
  { data, shape }: Input,
  binary: Uint8Array | undefined
): Effect.fn.Return<ReadonlyArray<Uint8Array>, Refusal> {
  const { maxImages, maxPixels } = served.limits
  const [width = 0, height = 0] = [shape.at(-2), shape.at(-3)]
  const images = shape.length === 4 ? shape[0]! : 1
  if (shape.length < 3 || shape.length > 4 || shape.at(-1) !== 3) {
    return yield* bad(
      `"input" is [height, width, 3] or [images, height, width, 3], not [${shape.join(", ")}]`
    )
  }
  if (images > maxImages) return yield* tooMany(maxImages)
  if (width * height > maxPixels) {
    const detail = `The image has ${width * height} pixels, and this service takes at most ${maxPixels}`
    return yield* new Refusal({ status: 413, detail })
  }
  const pixels = binary ?? (data instanceof LargeJson.LongNumbers ? data.data : shortPixels(data))
  const length = width * height * 3
  if (pixels === undefined) return yield* bad('"input" holds something else than whole numbers from 0 to 255')
  if (pixels.length !== length * images) {
    return yield* bad(`"input" has ${pixels.length} values, where its shape says ${length * images}`)
  }
  return yield* Effect.forEach(Array.from({ length: images }), (_, index) =>
    Effect.mapError(
      served.codec.encode(
        { width, height, channels: 3, data: pixels.subarray(index * length, (index + 1) * length) },
        "png"
      ),
      ({ message }) => new Refusal({ status: 500, detail: "The image cannot be prepared", internal: message })
    )
  )
})

const shortPixels = (data: unknown): Uint8Array | undefined => {
  if (!Array.isArray(data)) return undefined
  const values: ReadonlyArray<unknown> = data.flat(3)
  const isByte = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255
  return values.every(isByte) ? Uint8Array.from(values) : undefined
}
