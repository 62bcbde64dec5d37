/**
 * What the numbers that a model gives mean: logits of each class, class ids where an exporter has put the decision into the
 * model, or one score a pixel. It is held against the classes that the model's settings name, when it is loaded and at each
 * picture; what cannot be told is refused and not guessed. No Effect here: a session starts sooner without it.
 */
import type { Tensor } from "onnxruntime-common"
import * as Halves from "../../image/Halves.ts"
import { isNaNThroughout } from "../../mask/LogitCells.ts"
import type { Logits } from "../../mask/Logits.ts"
import { allocate, type LabelData } from "../../mask/LabelStorage.ts"
import type { Expected } from "./Session.ts"

/** A tensor. */
export interface Output {
  readonly data: Tensor.DataType
  readonly dims: ReadonlyArray<number>
  /** Such as `float32`. */
  readonly kind: string
}

export type Found =
  | { readonly _tag: "Logits"; readonly logits: Logits }
  | { readonly _tag: "Ids"; readonly width: number; readonly height: number; readonly data: LabelData }
  | { readonly _tag: "Scores"; readonly scores: Logits; readonly threshold: number }

/** The sides of what the model was given. */
interface Sides {
  readonly width: number
  readonly height: number
}

/** Throws where it is none of these, or not of the classes that there are. `input` tells planes from channels. */
export const of = (output: Output, expected: Expected = { classes: 0 }, input?: Sides): Found => {
  const { dims, kind } = output
  const isFloat = /^b?float/.test(kind)
  if (!isFloat && !/^(u?int|bool)/.test(kind)) throw unclear(output)
  const { classes } = expected
  const shape = shapeOf(dims, classes)
  if (shape === undefined) throw unclear(output)
  const [a, b, c] = shape
  const isPlane = a === 1 && !(c > 1 && c === classes)
  const single = isPlane ? [b, c] : c === 1 && isLast(shape, classes, input) ? [a, b] : undefined
  if (single !== undefined) {
    const [height, width] = single
    return isFloat
      ? oneChannel(floats(output), height!, width!, expected)
      : { _tag: "Ids", width: width!, height: height!, data: toIds(output.data) }
  }
  const layout = layoutOf(shape, expected, input)
  if (layout === undefined) {
    throw new Error(
      classes > 0
        ? `it gives ${kind} of [${dims.join(", ")}], and its config.json names ${classes} ${classes === 1 ? "class" : "classes"}: no side of it is ${classes}. Name the classes that it has (\`classes\`)`
        : `its output is ${kind} of [${dims.join(", ")}], and neither [1, classes, height, width] nor [1, height, width, classes] fits what it was given. Name its classes (\`classes\`)`
    )
  }
  const data = isFloat ? floats(output) : Float32Array.from(toIds(output.data))
  if (isNaNThroughout(data)) throw new Error("every logit is NaN")
  const logits =
    layout === "planes"
      ? { data, classes: a, height: b, width: c }
      : { data: toPlanes(data, a * b, c), classes: c, height: a, width: b }
  return { _tag: "Logits", logits }
}

/** Without the batch; a plane alone has one channel. */
const shapeOf = (
  dims: ReadonlyArray<number>,
  classes: number
): readonly [number, number, number] | undefined => {
  const [a, b, c, d] = dims
  switch (dims.length) {
    case 3:
      return a === 1
        ? [1, b!, c!]
        : classes > 1 && (a === classes || c === classes)
          ? [a!, b!, c!]
          : undefined
    case 4:
      return a === 1 ? [b!, c!, d!] : undefined
    default:
      return undefined
  }
}

/** How far a plane's shape may be from that of the input: its sides are rounded after a division by 4 to 32. */
const slack = 0.25

const fits = (height: number, width: number, input: Sides): boolean =>
  Math.abs(Math.log((height * input.width) / (width * input.height))) < slack

/** Whether one number a pixel comes last, and not a column of classes. */
const isLast = (
  [a, b, c]: readonly [number, number, number],
  classes: number,
  input: Sides | undefined
): boolean => a !== classes && (input === undefined || !fits(b, c, input))

const layoutOf = (
  [a, b, c]: readonly [number, number, number],
  { classes, more = false }: Expected,
  input: Sides | undefined
): "planes" | "pixels" | undefined => {
  if (classes > 0 && a === classes) return "planes"
  if (classes > 0 && c === classes) return "pixels"
  if (classes > 0 && !(more && (a > classes || c > classes))) return undefined
  if (input === undefined || fits(b, c, input)) return a >= classes ? "planes" : undefined
  return fits(a, b, input) && c >= classes ? "pixels" : undefined
}

const oneChannel = (data: Float32Array, height: number, width: number, expected: Expected): Found => {
  const { classes, threshold } = expected
  if (threshold !== undefined)
    return { _tag: "Scores", scores: { data, classes: 1, height, width }, threshold }
  const largest = classes === 0 ? 2 ** 24 : classes - 1
  let most = 0
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (!(value >= 0 && value <= largest && Number.isInteger(value)) || classes === 1) {
      throw new Error(
        `it gives one number a pixel, such as ${value}, which is ${classes === 1 ? "no id of several classes" : "no class id"}: give the \`threshold\` above which a pixel is of class 1, such as 0 for logits and 0.5 for probabilities`
      )
    }
    if (value > most) most = value
  }
  const ids = allocate(most, data.length)
  ids.set(data)
  return { _tag: "Ids", width, height, data: ids }
}

const floats = ({ data, kind }: Output): Float32Array => {
  if (kind === "float16") {
    if (data instanceof Uint16Array) return Halves.fromHalves(data)
    // `Float16Array`, where there is one: the same bits.
    if (ArrayBuffer.isView(data) && data.byteLength % 2 === 0) {
      return Halves.fromHalves(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2))
    }
  }
  if (data instanceof Float32Array) return data
  if (data instanceof Float64Array) return Float32Array.from(data)
  throw new Error(`its output is ${kind}, which is not read here`)
}

const toPlanes = (data: Float32Array, pixels: number, classes: number): Float32Array => {
  const out = new Float32Array(data.length)
  for (let k = 0; k < classes; k++) {
    for (let i = 0, at = k, to = k * pixels; i < pixels; i++, at += classes) out[to + i] = data[at]!
  }
  return out
}

const unclear = ({ dims, kind }: Output): Error =>
  new Error(
    `its output must be logits, float32 [1, classes, height, width], or class ids, integers of [1, height, width], but is ${kind} of [${dims.join(", ")}]`
  )

const toIds = (data: Output["data"]): LabelData => {
  if (data instanceof Uint8Array) return data
  if (typeof data === "string" || !("length" in data)) throw new Error("class ids must be numbers")
  let largest = 0
  for (let i = 0; i < data.length; i++) {
    const id = Number(data[i])
    if (id < 0) throw new Error(`it gave the class id ${id}, and ids are not negative`)
    if (id > largest) largest = id
  }
  const ids = allocate(largest, data.length)
  for (let i = 0; i < data.length; i++) ids[i] = Number(data[i])
  return ids
}
