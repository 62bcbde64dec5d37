/**
 * What the numbers that a model gives mean: logits of each class, class ids where an exporter has put the decision into the
 * model, or one score a pixel. It is held against the classes that the model's settings name, when it is loaded and at each
 * picture; what cannot be told is refused and not guessed. No Effect here: a session starts sooner without it.
 */
import type { Tensor } from "onnxruntime-common"
import * as Halves from "../../image/Halves.ts"
import type { Logits } from "../../mask/Logits.ts"
import { allocate, type LabelData } from "../../mask/Grid.ts"
import type { Expected } from "./Session.ts"

/** A tensor. */
export interface Output {
  readonly data: Tensor.DataType
  readonly dims: ReadonlyArray<number>
  /** Such as `float32`. */
  readonly kind: string
  /** Whether the classes come last, by what the model says of its output; `undefined` where that leaves it open. */
  readonly isLast?: boolean | undefined
  /** Whether it takes pictures with the channels last. */
  readonly takesLast?: boolean | undefined
}

export type Found =
  | { readonly _tag: "Logits"; readonly logits: Logits }
  | {
      readonly _tag: "Ids"
      readonly width: number
      readonly height: number
      readonly data: LabelData
      /** The id of what has no class, where there is such a thing. */
      readonly ignoreIndex?: number | undefined
    }
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
  if (shape.includes(0)) {
    throw new Error(
      `it gives ${kind} of [${dims.join(", ")}], in which there is nothing, for what it was given`
    )
  }
  const [a, b, c] = shape
  // Planes have the shape of what was given; a list of positions has none.
  const mayBeList = dims.length === 3 && a === 1 && classes > 1 && (b === classes || c === classes)
  if (mayBeList && input !== undefined && misfit(b, c, input) >= slack) throw unclear(output)
  const layout = layoutOf(shape, output, expected, input)
  if (layout === undefined) {
    throw new Error(
      classes > 0
        ? `it gives ${kind} of [${dims.join(", ")}], and its config.json names ${classes} ${classes === 1 ? "class" : "classes"}: no side of it is ${classes}. Name the classes that it has (\`classes\`, or id2label in its config.json)`
        : `its output is ${kind} of [${dims.join(", ")}], and neither [1, classes, height, width] nor [1, height, width, classes] fits what it was given. Name its classes (\`classes\`, or id2label in its config.json)`
    )
  }
  const [channels, height, width] = layout === "planes" ? [a, b, c] : [c, a, b]
  if (channels === 1) return oneChannel(output, isFloat, height, width, expected)
  const data = isFloat ? floats(output) : numbers(output)
  const logits = {
    data: layout === "planes" ? data : toPlanes(data, a * b, c),
    classes: channels,
    height,
    width
  }
  refuseLost(logits)
  return { _tag: "Logits", logits }
}

/** Positions at which no class has a number, or any but minus infinity: whichever were taken for theirs would be a guess. */
const refuseLost = ({ classes, data, height, width }: Logits): void => {
  const size = height * width
  let lost = 0
  for (let at = 0; at < size; at++) {
    let k = 0
    while (k < classes && !(data[k * size + at]! > -Infinity)) k++
    if (k === classes) lost++
  }
  if (lost === 0) return
  throw new Error(
    lost === size
      ? "every logit is NaN or minus infinity"
      : `the logits of ${lost} of ${size} positions are NaN or minus infinity`
  )
}

/** Without the batch; a plane alone has one channel. */
const shapeOf = (
  dims: ReadonlyArray<number>,
  classes: number
): readonly [number, number, number] | undefined => {
  const [a = 0, b = 0, c = 0, d = 0] = dims
  if (dims.length === 4 && a === 1) return [b, c, d]
  const isKnown = a === 1 || (classes > 1 && (a === classes || c === classes))
  return dims.length === 3 && isKnown ? [a, b, c] : undefined
}

/** How far a plane's shape may be from that of the input: its sides are rounded after a division by 4 to 32. */
const slack = 0.25

const misfit = (height: number, width: number, input: Sides): number =>
  Math.abs(Math.log((height * input.width) / (width * input.height)))

/** Whether a plane's sides are those of the input, divided by one number and both rounded down, or both up. */
const isDivided = (height: number, width: number, input: Sides): boolean =>
  [0, -1].some((rounded) => {
    // Between which divisors a side comes out as it is.
    const least = Math.max(input.height / (height + 1 + rounded), input.width / (width + 1 + rounded))
    const most = Math.min(input.height / (height + rounded), input.width / (width + rounded))
    return least < most
  })

type Layout = "planes" | "pixels"

/**
 * Where the classes are: first or last. Where the numbers leave both open, it is as the model says, or else as the sides of
 * what it was given, or else first, as by far the most have them; a model that takes pictures with the channels last is
 * left open.
 */
const layoutOf = (
  [a, b, c]: readonly [number, number, number],
  { dims, isLast, takesLast = false }: Output,
  { classes, more = false }: Expected,
  input: Sides | undefined
): Layout | undefined => {
  if (dims.length === 3 && a === 1) return "planes"
  const can = (layout: Layout): boolean => {
    const channels = layout === "planes" ? a : c
    // What has one column for each class is no plane of one channel.
    if (channels === 1) return layout === "planes" || a !== classes || (input !== undefined && b > 1)
    if (classes > 1 && channels === classes) return true
    const isOpen = classes === 0 || (more && channels >= classes)
    if (!isOpen || input === undefined) return isOpen && layout === "planes"
    return (layout === "planes" ? misfit(b, c, input) : misfit(a, b, input)) < slack
  }
  const [planes, pixels] = [can("planes"), can("pixels")]
  if (!planes || !pixels) return planes ? "planes" : pixels ? "pixels" : undefined
  if (isLast !== undefined) return isLast ? "pixels" : "planes"
  if (input !== undefined) {
    const first = isDivided(b, c, input)
    if (first !== isDivided(a, b, input)) return first ? "planes" : "pixels"
  }
  if (!takesLast || a * b * c === 1) return "planes"
  throw new Error(
    `its output is [${dims.join(", ")}], which may have its classes first or last. Name the sides of its output when it is exported, or export it for pictures of another size`
  )
}

const oneChannel = (
  output: Output,
  isFloat: boolean,
  height: number,
  width: number,
  { classes, more = false, threshold }: Expected
): Found => {
  if (threshold !== undefined) {
    const data = isFloat ? floats(output) : numbers(output)
    const lost = data.filter(Number.isNaN).length
    if (lost > 0) throw new Error(`the scores of ${lost} of ${data.length} positions are NaN`)
    return { _tag: "Scores", scores: { data, classes: 1, height, width }, threshold }
  }
  const refuse = (value: number, of: number): never => {
    throw new Error(
      `it gives one number a pixel, such as ${value}, which is ${of === 1 ? "no id of several classes" : "no class id"}: give the \`threshold\` above which a pixel is of class 1, such as 0 for logits and 0.5 for probabilities`
    )
  }
  // Most data sets have 255 for what has no class; of two classes it is the one of a mask of 0 and 255.
  const hasVoid = classes > 2 && classes <= none
  let voids = 0
  const found = (data: LabelData): Found => ({
    _tag: "Ids",
    width,
    height,
    data,
    ...(voids > 0 ? { ignoreIndex: none } : {})
  })
  if (!isFloat) {
    if (output.kind === "bool" && classes > 2) {
      throw new Error(
        `it gives true or false for each pixel, and its config.json names ${classes} classes: name the two that it tells apart (\`classes\`, or id2label in its config.json)`
      )
    }
    const data = toIds(output)
    if (classes > 0 && !more) {
      for (let i = 0; i < data.length; i++) {
        if (data[i]! < classes) continue
        if (hasVoid && data[i] === none) voids++
        else refuse(data[i]!, classes)
      }
    }
    return found(data)
  }
  const data = floats(output)
  const largest = classes === 0 ? 2 ** 24 : classes - 1
  let most = 0
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (hasVoid && value === none) voids++
    else if (!(value >= 0 && value <= largest && Number.isInteger(value)) || classes === 1)
      refuse(value, classes)
    if (value > most) most = value
  }
  const ids = allocate(most, data.length)
  ids.set(data)
  return found(ids)
}

/** The id of what has no class in most data sets. */
const none = 255

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

const listOf = ({ data }: Output) => {
  if (typeof data === "string" || !("length" in data)) throw new Error("its output must be numbers")
  return data
}

/** Integers as they are: logits of a model whose output is quantized, or scores. */
const numbers = (output: Output): Float32Array => {
  const data = listOf(output)
  const out = new Float32Array(data.length)
  for (let i = 0; i < out.length; i++) out[i] = Number(data[i])
  return out
}

const toIds = (output: Output): LabelData => {
  const data = listOf(output)
  if (data instanceof Uint8Array) return data
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
