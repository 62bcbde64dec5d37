/**
 * What an Open Inference Protocol service says: the model's metadata, and the answer of an inference as a prediction,
 * from JSON or from the binary tensors that follow it.
 */
import { Effect, Schema } from "effect"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import * as MaskDecoding from "../MaskDecoding.ts"
import * as Tensor from "../Tensor.ts"
import * as Errors from "./Errors.ts"

const TensorJson = Schema.Struct({
  name: Schema.String,
  datatype: Schema.String,
  shape: Schema.Array(Schema.Int)
})
/** A tensor of the model: a size of -1 is any. */
export type TensorInfo = typeof TensorJson.Type

const MetadataJson = Schema.Struct({
  name: Schema.String,
  inputs: Schema.Array(TensorJson),
  outputs: Schema.Array(TensorJson)
})
const decodeMetadata = Decode.schema(MetadataJson)

/** The model's metadata, and the answer it came in. */
export type Metadata = typeof MetadataJson.Type & { readonly answer: Answer }

export const metadata = (answer: Answer): Effect.Effect<Metadata, ResponseNotDecodable> =>
  Effect.map(decodeMetadata(answer), (json) => ({ ...json, answer }))

/** Whether the answer of `GET /v2` names the extension. */
export const hasBinary = (answer: Answer): boolean => {
  const json = Errors.jsonOf(answer)
  const extensions = Errors.isRecord(json) ? json["extensions"] : undefined
  return Array.isArray(extensions) && extensions.includes("binary_tensor_data")
}

const choose = (
  { answer }: Metadata,
  field: "inputs" | "outputs",
  tensors: ReadonlyArray<TensorInfo>,
  name: string | undefined,
  usual: ReadonlyArray<string>
): Effect.Effect<TensorInfo, ResponseNotDecodable> => {
  const found =
    name === undefined
      ? (usual.flatMap((each) => tensors.find((tensor) => tensor.name === each) ?? [])[0] ??
        (tensors.length === 1 ? tensors[0] : undefined))
      : tensors.find((tensor) => tensor.name === name)
  if (found !== undefined) return Effect.succeed(found)
  const names = tensors.map((tensor) => tensor.name).join(", ") || "none"
  const option = field.slice(0, -1)
  const detail =
    name === undefined
      ? `the model has ${names}. Say with \`${option}\` which one it is`
      : `the model has ${names}, and no "${name}"`
  return Effect.fail(Decode.notDecodable(answer, field, detail, ""))
}

/** The input that takes the image. */
export const inputOf = (
  model: Metadata,
  name: string | undefined
): Effect.Effect<TensorInfo, ResponseNotDecodable> =>
  Effect.flatMap(
    choose(model, "inputs", model.inputs, name, ["pixel_values", "input", "images"]),
    (input) => {
      const known = input.datatype === "FP32" || input.datatype === "FP16" || input.datatype === "UINT8"
      const isImage = input.shape.length === 4 || input.shape.length === 3
      return known && isImage
        ? Effect.succeed(input)
        : Effect.fail(
            Decode.notDecodable(
              model.answer,
              `inputs.${model.inputs.indexOf(input)}`,
              `"${input.name}" is ${input.datatype} of [${input.shape.join(", ")}], where an image is FP32, FP16 or UINT8 of [batch, 3, height, width]`,
              ""
            )
          )
    }
  )

/** The output that holds logits or a class map. */
export const outputOf = (
  model: Metadata,
  name: string | undefined
): Effect.Effect<string, ResponseNotDecodable> =>
  Effect.map(
    choose(model, "outputs", model.outputs, name, ["logits", "label_map", "segmentation", "output"]),
    (tensor) => tensor.name
  )

const OutputJson = Schema.Struct({
  ...TensorJson.fields,
  parameters: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ binary_data_size: Schema.optionalKey(Schema.Int) }))
  ),
  data: Schema.optionalKey(Schema.Unknown)
})

const decodeInfer = Decode.schema(
  Schema.Struct({
    id: Schema.optionalKey(Schema.String),
    outputs: Schema.NonEmptyArray(OutputJson)
  })
)

type Output = typeof OutputJson.Type

const lengthHeader = "inference-header-content-length"

export interface InferOptions extends Pick<MaskDecoding.MaskOptions, "classes" | "ignoreIndex"> {
  readonly output?: string | undefined
  readonly channels?: "first" | "last" | undefined
}

/** The bytes of an output's tensor within the body. */
interface Span {
  readonly from: number
  readonly length: number
}

/**
 * The predictions in the answer of an inference with so many images. Binary tensors are read where they lie, and the
 * predictions of one answer share its bytes.
 */
export const decode = (
  answer: Answer,
  options: InferOptions,
  count = 1
): Effect.Effect<ReadonlyArray<Prediction>, ServiceError> =>
  Effect.gen(function* () {
    const stated = answer.headers[lengthHeader]
    const start = stated === undefined ? answer.body.length : Number(stated)
    if (!Number.isInteger(start) || start < 0 || start > answer.body.length) {
      const detail = `it is "${stated}", and the body ${answer.body.length} bytes long`
      return yield* Effect.fail(Decode.notDecodable(answer, lengthHeader, detail, ""))
    }
    const head = { ...answer, body: answer.body.subarray(0, start) }
    const json = yield* Decode.json(head)
    if (Errors.isRecord(json) && typeof json["error"] === "string") {
      return yield* Errors.reported(answer, json["error"])
    }
    const { id, outputs } = yield* decodeInfer(head, json)
    const spans = new Map<Output, Span>()
    let from = start
    for (const output of outputs) {
      const length = output.parameters?.binary_data_size
      if (length === undefined) continue
      spans.set(output, { from, length })
      from += length
    }
    if (from !== answer.body.length) {
      const detail = `its binary tensors should be ${from - start} bytes, but ${answer.body.length - start} follow`
      return yield* Effect.fail(Decode.notDecodable(answer, "outputs", detail, ""))
    }
    const output =
      options.output === undefined ? outputs[0] : outputs.find(({ name }) => name === options.output)
    if (output === undefined) {
      const detail = `there is no "${options.output}", only ${outputs.map(({ name }) => name).join(", ")}`
      return yield* Effect.fail(Decode.notDecodable(answer, "outputs", detail, ""))
    }
    const path = `outputs.${outputs.indexOf(output)}`
    const requestId = id === undefined || id === "" ? answer.requestId : id
    return yield* toPredictions({ ...answer, requestId }, path, output, spans.get(output), options, count)
  })

const toPredictions = (
  answer: Answer,
  path: string,
  output: Output,
  span: Span | undefined,
  options: InferOptions,
  count: number
): Effect.Effect<ReadonlyArray<Prediction>, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const refuse = (field: string, detail: string) =>
      Effect.fail(Decode.notDecodable(answer, `${path}.${field}`, detail, ""))
    const { datatype, shape } = output
    const said = `[${shape.join(", ")}]`
    if (!Tensor.isDatatype(datatype)) {
      return yield* refuse("datatype", `${datatype} is none that is known here`)
    }
    if (count > 1 && shape[0] !== count) {
      return yield* refuse("shape", `${said} is no batch of the ${count} images that were sent`)
    }
    const one = count > 1 ? [1, ...shape.slice(1)] : shape
    const size = Tensor.sizeOf(shape)
    const meaning = Tensor.meaningOf(datatype, one, options.channels ?? "first")
    if (size === undefined || meaning === undefined) {
      return yield* refuse("shape", `${datatype} of ${said} is neither logits nor one class map`)
    }
    const expected = Tensor.bytesOf(datatype, size)
    if (span !== undefined && span.length !== expected) {
      const detail = `it is ${span.length}, where ${datatype} of ${said} needs ${expected}`
      return yield* refuse("parameters.binary_data_size", detail)
    }
    const blame = (detail: string) => Decode.notDecodable(answer, `${path}.data`, detail, "")
    const classes = options.classes ?? []
    const common = { classes, requestId: answer.requestId }
    const each = size / count
    const images = Array.from({ length: count }, (_, index) => index * each)
    if (meaning._tag === "Logits") {
      const { height, width } = meaning
      const last = classes.at(-1)?.id ?? -1
      if (meaning.classes <= last) {
        const detail = `${said} has ${meaning.classes} classes, where the model has an id ${last}`
        return yield* refuse("shape", detail)
      }
      const data = yield* Effect.mapError(
        span === undefined
          ? Tensor.scoresFromJson(output.data, size)
          : Effect.fromResult(Tensor.scoresFromBytes(datatype, answer.body, span.from, span.length)),
        blame
      )
      return images.map((from): Prediction => {
        const scores = data.subarray(from, from + each)
        const planes =
          options.channels === "last"
            ? MaskDecoding.channelsFirst(scores, height * width, meaning.classes)
            : scores
        return {
          ...common,
          _tag: "Logits",
          logits: { data: planes, classes: meaning.classes, height, width }
        }
      })
    }
    const ids = yield* Effect.mapError(
      span === undefined
        ? Tensor.idsFromJson(output.data, size)
        : Effect.fromResult(Tensor.idsFromBytes(datatype, answer.body, span.from, span.length)),
      blame
    )
    const { height, width } = meaning
    return yield* Effect.forEach(images, (from) => {
      const map = { width, height, data: MaskDecoding.narrow(ids.subarray(from, from + each)) }
      return Effect.map(
        MaskDecoding.withClasses(answer, `${path}.data`, map, options),
        (labelMap): Prediction => ({ ...common, _tag: "Labels", labelMap })
      )
    })
  })
