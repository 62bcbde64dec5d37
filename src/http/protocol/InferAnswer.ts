/**
 * What an Open Inference Protocol service says: the model's metadata, and the answer of an inference as a prediction,
 * from JSON or from the binary tensors that follow it.
 */
import { Effect, Result } from "effect"
import type { ClassTable } from "../../mask/ClassTable.ts"
import type { Size } from "../../mask/Fit.ts"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import * as ArrayMask from "../ArrayMask.ts"
import * as ClassesIn from "../ClassesIn.ts"
import * as MaskAnswer from "../MaskAnswer.ts"
import type * as MaskDecoding from "../MaskDecoding.ts"
import * as NestedArray from "../NestedArray.ts"
import * as Side from "../Side.ts"
import * as Steps from "../../mask/Steps.ts"
import * as Tensor from "../Tensor.ts"
import * as Errors from "./Errors.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

/** A tensor of the model: a size of -1 is any. */
export interface TensorInfo {
  readonly name: string
  readonly datatype: string
  readonly shape: ReadonlyArray<number>
}

/** The model's metadata, as far as it says any, and the answer it came in. */
export interface Metadata {
  readonly name: string
  readonly inputs: ReadonlyArray<TensorInfo>
  readonly outputs: ReadonlyArray<TensorInfo>
  /** The names that it has for its classes; none where it has none. */
  readonly classes: ClassTable
  /** Whether it takes image files and segments them at their own size, as servers of this library do. */
  readonly takesFiles: boolean
  readonly answer: Answer
}

/** What is known of a model that is not described. */
export const undescribed = (name: string, answer: Answer): Metadata => ({
  name,
  inputs: [],
  outputs: [],
  classes: [],
  takesFiles: false,
  answer
})

/** Whole numbers, of which some services write texts. */
const shapeIn = (value: unknown): ReadonlyArray<number> | undefined => {
  const sizes = Array.isArray(value) ? value.map(Side.toNumber) : undefined
  return sizes?.every((size): size is number => Number.isInteger(size))
    ? sizes.map((size) => size ?? 0)
    : undefined
}

const tensorsIn = (value: unknown): ReadonlyArray<TensorInfo> =>
  (Array.isArray(value) ? value : []).flatMap((each: unknown) =>
    Errors.isRecord(each) && typeof each["name"] === "string"
      ? {
          name: each["name"],
          datatype: typeof each["datatype"] === "string" ? Tensor.datatypeOf(each["datatype"]) : "",
          shape: shapeIn(each["shape"]) ?? []
        }
      : []
  )

/** Values of parameters are texts, numbers and flags: a table is JSON in a text. */
const parametersOf = (value: unknown): unknown => {
  const parameters = Errors.isRecord(value) ? value["parameters"] : undefined
  if (!Errors.isRecord(parameters)) return undefined
  return Object.fromEntries(
    Object.entries(parameters).map(([name, given]) => {
      const parsed = typeof given === "string" ? Result.getOrUndefined(parseText(given)) : undefined
      return [name, Errors.isRecord(parsed) || Array.isArray(parsed) ? parsed : given]
    })
  )
}

const parseText = (text: string) => Result.try((): unknown => JSON.parse(text))

/** The names that the parameters of an output or of the model have for the classes. Such as cannot be read are left out. */
const classesIn = (answer: Answer, json: Readonly<Record<string, unknown>>): Effect.Effect<ClassTable> =>
  Effect.map(
    Effect.forEach([...[json["outputs"]].flat(), json], (each) =>
      Effect.orElseSucceed(ClassesIn.read(answer, "parameters", parametersOf(each)), (): ClassTable => [])
    ),
    (found) => found.find((classes) => classes.length > 0) ?? []
  )

/** What the metadata says. A model that is not described has no tensors here. */
export const metadata = (answer: Answer): Effect.Effect<Metadata, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.flatMap(Decode.json(answer), (json) =>
    Errors.isRecord(json) && typeof json["name"] === "string"
      ? Effect.map(classesIn(answer, json), (classes) => ({
          name: String(json["name"]),
          inputs: tensorsIn(json["inputs"]),
          outputs: tensorsIn(json["outputs"]),
          classes,
          takesFiles: json["platform"] === "effect-segformer",
          answer
        }))
      : Effect.fail(Decode.notDecodable(answer, "name", "it is no description of a model"))
  )

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

/** The input that takes the image. One that is named, of a model that describes none, takes what most do. */
export const inputOf = (
  model: Metadata,
  name: string | undefined
): Effect.Effect<TensorInfo, ResponseNotDecodable> =>
  name !== undefined && model.inputs.length === 0
    ? Effect.succeed({ name, datatype: "FP32", shape: [-1, 3, -1, -1] })
    : Effect.flatMap(
        choose(
          model,
          "inputs",
          model.inputs,
          name,
          model.takesFiles ? ["image"] : ["pixel_values", "input", "images"]
        ),
        (given) => {
          if (model.takesFiles && given.datatype === "BYTES") return Effect.succeed(given)
          // What a description leaves out is as in most models.
          const input = {
            name: given.name,
            datatype: given.datatype === "" ? "FP32" : given.datatype,
            shape: given.shape.length === 0 ? [-1, 3, -1, -1] : given.shape
          }
          const known = input.datatype === "FP32" || input.datatype === "FP16" || input.datatype === "UINT8"
          const isImage = input.shape.length === 4 || input.shape.length === 3
          return known && isImage
            ? Effect.succeed(input)
            : Effect.fail(
                Decode.notDecodable(
                  model.answer,
                  `inputs.${model.inputs.indexOf(given)}`,
                  `"${input.name}" is ${input.datatype} of [${input.shape.join(", ")}], where an image is FP32, FP16 or UINT8 of [batch, 3, height, width]`,
                  ""
                )
              )
        }
      )

/** Outputs that hold them in most models. */
const usualOutputs = ["logits", "label_map", "segmentation", "output"]

/** The output that holds scores or a class map; `undefined` for all, of a model that describes none. */
export const outputOf = (
  model: Metadata,
  name: string | undefined
): Effect.Effect<string | undefined, ResponseNotDecodable> =>
  model.outputs.length === 0
    ? Effect.succeed(name)
    : Effect.map(choose(model, "outputs", model.outputs, name, usualOutputs), (tensor) => tensor.name)

const lengthHeader = "inference-header-content-length"

export interface InferOptions extends Pick<
  MaskDecoding.MaskOptions,
  "classes" | "ignoreIndex" | "transposed"
> {
  readonly output?: string | undefined
  readonly channels?: "first" | "last" | undefined
  readonly as?: "ids" | "logits" | undefined
  /** What the model calls its classes, where no `classes` are given. Names only: they refuse no id. */
  readonly named?: ClassTable | undefined
  /** How one plane is read. `binary` of other protocols, which is another thing here. */
  readonly oneClass?: MaskDecoding.MaskOptions["binary"]
}

/** What was sent: so many images, each as large as `input` for the model. */
export interface Sent {
  readonly count: number
  readonly image: Size
  readonly input: Size
}

/** The bytes of an output's tensor within the body. */
interface Span {
  readonly from: number
  readonly length: number
}

/** An output of an answer. What its protocol demands besides is not needed. */
interface Output extends TensorInfo {
  readonly path: string
  readonly data: unknown
  readonly span: Span | undefined
}

/**
 * The predictions in the answer of an inference. Binary tensors are read where they lie, and the predictions of one answer
 * share its bytes.
 */
export const decode = (
  answer: Answer,
  options: InferOptions,
  sent: Sent
): Effect.Effect<ReadonlyArray<Prediction>, ServiceError> =>
  Effect.gen(function* () {
    const stated = answer.headers[lengthHeader]
    const start = stated === undefined ? answer.body.length : Number(stated)
    if (!Number.isInteger(start) || start < 0 || start > answer.body.length) {
      const detail = `it is "${stated}", and the body ${answer.body.length} bytes long`
      return yield* Decode.notDecodable(answer, lengthHeader, detail, "")
    }
    const head = { ...answer, body: answer.body.subarray(0, start) }
    const json = yield* Decode.json(head)
    if (Errors.isRecord(json) && typeof json["error"] === "string" && json["outputs"] === undefined) {
      return yield* Errors.reported(answer, json["error"])
    }
    const outputs = yield* outputsIn(head, json, start, answer.body.length)
    const wanted = options.output === undefined ? usualOutputs : [options.output]
    const output = wanted.flatMap((each) => outputs.find(({ name }) => name === each) ?? [])[0]
    // One that has no name is the one that was asked for, where it is alone.
    const [only, ...others] = outputs
    const isOnly = others.length === 0 && (options.output === undefined || only?.name === "")
    const found = output ?? (isOnly ? only : undefined)
    if (found === undefined) {
      const names = outputs.map(({ name }) => name).join(", ")
      const detail =
        options.output === undefined
          ? `there are ${names}. Say with \`output\` which one it is`
          : `there is no "${options.output}", only ${names}`
      return yield* Decode.notDecodable(answer, "outputs", detail, "")
    }
    const id = Errors.isRecord(json) ? json["id"] : undefined
    const requestId = (yield* Side.text(answer, "id", id)) ?? answer.requestId
    return yield* toPredictions({ ...answer, requestId }, found, options, sent)
  })

const outputsIn = Effect.fnUntraced(function* (
  answer: Answer,
  json: unknown,
  /** Where the binary tensors begin, and where they end. */
  start: number,
  length: number
): Effect.fn.Return<ReadonlyArray<Output>, ResponseNotDecodable> {
  const given = Errors.isRecord(json) ? json["outputs"] : undefined
  if (!Array.isArray(given) || given.length === 0) {
    return yield* Decode.notDecodable(answer, "outputs", "there are none")
  }
  const outputs: Array<Output> = []
  let from = start
  for (const [index, each] of given.entries()) {
    const path = `outputs.${index}`
    const [tensor] = tensorsIn([Errors.isRecord(each) ? { name: "", ...each } : each])
    if (tensor === undefined || !Errors.isRecord(each)) {
      return yield* Decode.notDecodable(answer, path, "it is no tensor", Decode.quoted(each))
    }
    if (!Tensor.isDatatype(tensor.datatype) && tensor.datatype !== "BYTES") {
      const detail = `${Decode.quoted(each["datatype"])} is none that is known here`
      return yield* Decode.notDecodable(answer, `${path}.datatype`, detail, "")
    }
    const parameters = each["parameters"]
    const size = Errors.isRecord(parameters) ? Side.toId(parameters["binary_data_size"]) : undefined
    outputs.push({
      ...tensor,
      path,
      data: each["data"],
      span: size === undefined ? undefined : { from, length: size }
    })
    from += size ?? 0
  }
  if (from !== length) {
    const detail = `its binary tensors should be ${from - start} bytes, but ${length - start} follow`
    return yield* Decode.notDecodable(answer, "outputs", detail, "")
  }
  return outputs
})

const toPredictions = (
  answer: Answer,
  output: Output,
  options: InferOptions,
  { count, image, input }: Sent
): Effect.Effect<ReadonlyArray<Prediction>, ServiceError> =>
  Effect.gen(function* () {
    const { datatype, path, span } = output
    // Numbers in lists have their shape, where none is given.
    const shape =
      output.shape.length === 0 && span === undefined
        ? (NestedArray.shapeOf(output.data) ?? [])
        : output.shape
    const refuse = (field: string, detail: string) =>
      Effect.fail(Decode.notDecodable(answer, `${path}.${field}`, detail, ""))
    const classes = options.classes ?? options.named ?? []
    const common = { classes, input, requestId: answer.requestId }
    const reading = { ...options, binary: options.oneClass, called: "oneClass" }
    if (!Tensor.isDatatype(datatype)) {
      const files = yield* texts(answer, output)
      if (files.length !== count) {
        return yield* refuse("data", `it has ${files.length} elements, where ${count} images were sent`)
      }
      const { as, channels } = options
      return yield* Effect.forEach(files, (body) =>
        Effect.map(
          MaskAnswer.read({ ...answer, body }, image, { ...reading, mask: { as, channels } }),
          (prediction): Prediction => ({ ...common, ...prediction })
        )
      )
    }
    const said = `[${shape.join(", ")}]`
    if (count > 1 && shape[0] !== count) {
      return yield* refuse("shape", `${said} is no batch of the ${count} images that were sent`)
    }
    const one = count > 1 ? [1, ...shape.slice(1)] : shape
    const size = Tensor.sizeOf(shape)
    if (size === undefined || shape.length === 0) return yield* refuse("shape", `${said} is none of a tensor`)
    const expected = Tensor.bytesOf(datatype, size)
    if (span !== undefined && span.length !== expected) {
      const detail = `it is ${span.length}, where ${datatype} of ${said} needs ${expected}`
      return yield* refuse("parameters.binary_data_size", detail)
    }
    const values: Effect.Effect<Float32Array | Uint32Array, string> =
      span === undefined
        ? Tensor.isFloat(datatype)
          ? Tensor.scoresFromJson(output.data, size)
          : Tensor.idsFromJson(output.data, size)
        : Effect.flatMap(
            Steps.run<Result.Result<Float32Array | Uint32Array, string>>(() =>
              Tensor.isFloat(datatype)
                ? Tensor.scoreSteps(datatype, answer.body, span.from, span.length)
                : Tensor.idSteps(datatype, answer.body, span.from, span.length)
            ),
            Effect.fromResult
          )
    const data = yield* Effect.mapError(values, (detail) =>
      Decode.notDecodable(answer, `${path}.data`, detail, "")
    )
    const each = size / count
    return yield* Effect.forEach(
      Array.from({ length: count }, (_, index) => index * each),
      (from) =>
        Effect.map(
          ArrayMask.read(
            answer,
            `${path}.data`,
            data.subarray(from, from + each),
            one,
            [input, image],
            reading
          ),
          (read): Prediction => ({ ...common, classes: fitting(read, options), ...read })
        )
    )
  })

/** Names of more classes than there are planes are another model's. */
const fitting = (read: ArrayMask.Read, { classes, named = [] }: InferOptions): ClassTable =>
  classes ?? (read._tag === "Logits" && named.some(({ id }) => id >= read.logits.classes) ? [] : named)

const encoder = new TextEncoder()

/** The elements of a tensor of texts, as bytes: files, base64 of such, or JSON. */
const texts = (
  answer: Answer,
  { data, path, span }: Output
): Effect.Effect<ReadonlyArray<Uint8Array>, ResponseNotDecodable> => {
  const bytesOf = (each: unknown) =>
    encoder.encode(typeof each === "string" ? each : JSON.stringify(each ?? null))
  if (span === undefined) return Effect.succeed([data].flat(5).map(bytesOf))
  const elements = Tensor.elementsIn(answer.body.subarray(span.from, span.from + span.length))
  return elements === undefined
    ? Effect.fail(Decode.notDecodable(answer, `${path}.data`, "it ends within an element", ""))
    : Effect.succeed(elements)
}
