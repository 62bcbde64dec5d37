/**
 * Tensors as the Open Inference Protocol sends them: typed arrays from little-endian bytes, without a copy where the
 * bytes allow it, and from JSON. Values become class ids or scores, whichever is asked for.
 */
import { Effect, Result } from "effect"
import * as Halves from "../image/Halves.ts"
import * as Steps from "../mask/Steps.ts"
import * as NestedArray from "./NestedArray.ts"

/** Bytes of a datatype's elements, by its name in the protocol. */
const elements = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8
} as const

export type Datatype = keyof typeof elements

export const isDatatype = (name: string): name is Datatype => Object.hasOwn(elements, name)

/** What other libraries call them. */
const otherNames: Readonly<Record<string, Datatype | "BYTES">> = {
  STRING: "BYTES",
  BYTE: "UINT8",
  SHORT: "INT16",
  INT: "INT32",
  LONG: "INT64",
  HALF: "FP16",
  FLOAT: "FP32",
  DOUBLE: "FP64",
  BFLOAT16: "BF16"
}

/** The name in the protocol of a datatype that NumPy, PyTorch or Triton's configuration may have named. */
export const datatypeOf = (name: string): string => {
  const bare = name.toUpperCase().replace(/^(?:TORCH\.|NP\.|NUMPY\.|TYPE_|TENSOR\()|\)$/g, "")
  return otherNames[bare] ?? bare.replace(/^FLOAT(?=\d)/, "FP")
}

/** Elements of a shape; `undefined` where it is none. */
export const sizeOf = (shape: ReadonlyArray<number>): number | undefined => {
  let size = 1
  for (const each of shape) {
    if (!Number.isInteger(each) || each < 1) return undefined
    size *= each
  }
  return Number.isSafeInteger(size) ? size : undefined
}

export const bytesOf = (datatype: Datatype, size: number): number => elements[datatype] * size

/**
 * The bytes at an address that their element type can be read at. What lies elsewhere is moved, within its own buffer
 * and by less than an element: logits of 10 MB are not held twice for it.
 */
const aligned = (buffer: Uint8Array, from: number, length: number, bytes: number): Uint8Array => {
  const off = (buffer.byteOffset + from) % bytes
  if (off === 0) return buffer.subarray(from, from + length)
  if (from < off) return buffer.slice(from, from + length)
  buffer.copyWithin(from - off, from, from + length)
  return buffer.subarray(from - off, from - off + length)
}

/** The elements of a binary tensor of texts, each of which has its length before it, in four bytes; `undefined` where it is cut off. */
export const elementsIn = (bytes: Uint8Array): ReadonlyArray<Uint8Array> | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const elements: Array<Uint8Array> = []
  for (let from = 0; from < bytes.length;) {
    const to = from + 4 > bytes.length ? Infinity : from + 4 + view.getUint32(from, true)
    if (to > bytes.length) return undefined
    elements.push(bytes.subarray(from + 4, to))
    from = to
  }
  return elements
}

const nan = (at: number) => Result.fail(`value ${at} is NaN`)

/** Scores from bytes that are as many as the datatype and the shape need. The bytes are not to be used afterwards. */
export function* scoreSteps(
  datatype: Datatype,
  buffer: Uint8Array,
  from: number,
  length: number
): Steps.Steps<Result.Result<Float32Array, string>> {
  const bytes = elements[datatype]
  const data = aligned(buffer, from, length, bytes)
  const size = length / bytes
  const values =
    datatype === "FP32"
      ? new Float32Array(data.buffer, data.byteOffset, size)
      : datatype === "FP64"
        ? Float32Array.from(new Float64Array(data.buffer, data.byteOffset, size))
        : datatype === "FP16"
          ? fromHalves(new Uint16Array(data.buffer, data.byteOffset, size))
          : datatype === "BF16"
            ? fromBrains(new Uint16Array(data.buffer, data.byteOffset, size))
            : undefined
  if (values === undefined) return Result.fail(`scores of datatype ${datatype} are not supported`)
  yield
  for (let i = 0; i < values.length; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    if (Number.isNaN(values[i])) return nan(i)
  }
  return Result.succeed(values)
}

/** Halves as 32-bit numbers. */
export const fromHalves = (bits: Uint16Array): Float32Array => {
  const table = Halves.table()
  const out = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!
  return out
}

/** bfloat16 as 32-bit numbers: their upper half. */
const fromBrains = (bits: Uint16Array): Float32Array => {
  const words = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
  return new Float32Array(words.buffer)
}

const notAnId = (value: number, at: number) => Result.fail(`value ${at} is ${value}, and no class id`)

function* narrowed(values: ArrayLike<number>): Steps.Steps<Result.Result<Uint32Array, string>> {
  const out = new Uint32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    const value = values[i]!
    if (!(value >= 0 && value <= 0xffffffff && Number.isInteger(value))) return notAnId(value, i)
    out[i] = value
  }
  return Result.succeed(out)
}

/** Class ids from bytes, whatever the datatype: some models give them as floats. */
export function* idSteps(
  datatype: Datatype,
  buffer: Uint8Array,
  from: number,
  length: number
): Steps.Steps<Result.Result<Uint32Array, string>> {
  const bytes = elements[datatype]
  const data = aligned(buffer, from, length, bytes)
  const { buffer: memory, byteOffset: start } = data
  const size = length / bytes
  switch (datatype) {
    case "BOOL":
    case "UINT8":
      return yield* narrowed(data)
    case "INT8":
      return yield* narrowed(new Int8Array(memory, start, size))
    case "UINT16":
      return yield* narrowed(new Uint16Array(memory, start, size))
    case "INT16":
      return yield* narrowed(new Int16Array(memory, start, size))
    case "UINT32":
      return Result.succeed(new Uint32Array(memory, start, size))
    case "INT32":
      return yield* narrowed(new Int32Array(memory, start, size))
    case "INT64":
    case "UINT64": {
      // Two words each, the lower first: an id has nothing in the upper one.
      const words = new Uint32Array(memory, start, size * 2)
      const out = new Uint32Array(size)
      for (let i = 0; i < size; i++) {
        if (i % Steps.pixelsPerStep === 0) yield
        if (words[2 * i + 1] !== 0) return notAnId((words[2 * i + 1]! | 0) * 2 ** 32 + words[2 * i]!, i)
        out[i] = words[2 * i]!
      }
      return Result.succeed(out)
    }
    case "FP16":
    case "BF16":
    case "FP32":
    case "FP64": {
      const scores = yield* scoreSteps(datatype, buffer, from, length)
      return Result.isFailure(scores) ? Result.fail(scores.failure) : yield* narrowed(scores.success)
    }
  }
}

/** What is wrong with the values of a tensor in JSON, which is flat or nested as its shape is. */
const wrong = (flaw: NestedArray.Flaw): string =>
  flaw.path.length === 0 ? flaw.detail : `at ${flaw.path.join(".")} ${flaw.detail}`

const sized = <A extends Float32Array | Uint32Array>(
  self: Effect.Effect<NestedArray.Flat<A>, NestedArray.Flaw>,
  size: number
): Effect.Effect<A, string> =>
  Effect.flatMap(Effect.mapError(self, wrong), ({ data }) =>
    data.length === size
      ? Effect.succeed(data)
      : Effect.fail(`it has ${data.length} values, where its shape needs ${size}`)
  )

export const scoresFromJson = (value: unknown, size: number): Effect.Effect<Float32Array, string> =>
  sized(NestedArray.scores(value), size)

/** Whether its values are numbers with a point in them, such as scores. */
export const isFloat = (datatype: Datatype): boolean => datatype.startsWith("FP") || datatype === "BF16"

export const idsFromJson = (value: unknown, size: number): Effect.Effect<Uint32Array, string> =>
  sized(NestedArray.ids(value), size)
