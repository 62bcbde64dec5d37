/**
 * A model that ONNX Runtime has loaded, whichever runtime it is: what it takes and gives, and a run of it. No Effect here:
 * a session starts sooner without it.
 */
import type { InferenceSession, TensorConstructor } from "onnxruntime-common"
import * as Halves from "../../image/Halves.ts"
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { Output } from "./Meaning.ts"
import type { Expected } from "./Session.ts"

export interface Graph {
  /** The sizes that the model is bound to, where it is. */
  readonly height: number | undefined
  readonly width: number | undefined
  /** `input` holds `[1, 3, height, width]`. What it gives is good until it is disposed of. */
  readonly run: (
    input: Float32Array,
    width: number,
    height: number
  ) => Promise<Output & { readonly dispose: () => void }>
  /** Lets go of the model. */
  readonly release: () => Promise<void>
}

/** Whether a package lies where this one finds it: to say what would run a model where its usual runtime is missing. */
export const isInstalled = (name: string): boolean => {
  try {
    return import.meta.resolve(name) !== ""
  } catch {
    return false
  }
}

/** A side without a name is -1, of which WebAssembly makes 2^32 - 1. */
const fixed = (side: number | string | undefined): number | undefined =>
  typeof side === "number" && side > 0 && side < 2 ** 31 ? side : undefined

type ValueMetadata = InferenceSession.ValueMetadata

const describe = (values: ReadonlyArray<ValueMetadata>): string =>
  values
    .map((each) => (each.isTensor ? `${each.name}: ${each.type} [${each.shape.join(", ")}]` : each.name))
    .join("; ")

/** The tensor that takes pictures. Throws where none does, or where the model wants more than a picture. */
const inputOf = (inputs: ReadonlyArray<ValueMetadata>) => {
  const input = inputs.find(({ name }) => name === "pixel_values") ?? inputs[0]
  const isRead = input?.isTensor === true && (input.type === "float32" || input.type === "float16")
  if (inputs.length !== 1 || !isRead || (input.shape.length !== 4 && input.shape.length !== 0)) {
    throw new Error(
      `it must take one float32 tensor (or float16), [batch, 3, height, width] or [batch, height, width, 3], but takes (${describe(inputs)})`
    )
  }
  const [batch, second, third, last] = input.shape
  const isLast = fixed(last) === 3 && fixed(second) !== 3
  const channels = fixed(isLast ? last : second)
  if (channels !== undefined && channels !== 3) {
    throw new Error(`it takes pictures of ${channels} channels, and only 3 (RGB) are supported`)
  }
  return {
    name: input.name,
    type: input.type === "float16" ? ("float16" as const) : ("float32" as const),
    batch: fixed(batch) ?? 1,
    /** Whether the three numbers of a pixel lie together. */
    isLast,
    height: fixed(isLast ? second : third),
    width: fixed(isLast ? third : last)
  }
}

/** The output that holds the classes. Throws where it cannot be told which of several does. */
const outputOf = (outputs: ReadonlyArray<ValueMetadata>, { classes, output }: Expected): string => {
  const called = (name: string) => outputs.find((each) => each.name === name)?.name
  if (output !== undefined) {
    const found = called(output)
    if (found === undefined) throw new Error(`it has no output ${output}, but (${describe(outputs)})`)
    return found
  }
  const [first] = outputs
  if (first === undefined) throw new Error("it has no output")
  if (outputs.length === 1) return first.name
  const logits = called("logits")
  if (logits !== undefined) return logits
  const fitting = outputs.filter(
    (each) => each.isTensor && each.shape.length === 4 && [each.shape[1], each.shape[3]].includes(classes)
  )
  const [only] = fitting
  if (fitting.length === 1 && only !== undefined) return only.name
  throw new Error(
    `it has ${outputs.length} outputs (${describe(outputs)}), and none is called logits. Say which one to read (\`output\`)`
  )
}

/**
 * Whether the classes come last in an output: where the model takes pictures of any size, the one side of it that is bound
 * is theirs.
 */
const isLast = (
  output: ValueMetadata | undefined,
  { height, width }: Pick<Graph, "height" | "width">
): boolean | undefined => {
  if (output?.isTensor !== true || output.shape.length !== 4) return undefined
  if (height !== undefined || width !== undefined) return undefined
  const [first, middle, last] = output.shape.slice(1).map(fixed)
  if (middle !== undefined) return undefined
  return (first === undefined) === (last === undefined) ? undefined : first === undefined
}

const toPixels = (planes: Float32Array): Float32Array => {
  const size = planes.length / 3
  const out = new Float32Array(planes.length)
  for (let i = 0, to = 0; i < size; i++, to += 3) {
    out[to] = planes[i]!
    out[to + 1] = planes[size + i]!
    out[to + 2] = planes[size * 2 + i]!
  }
  return out
}

/** Throws where it is no model that takes pictures, or where it cannot be told which output to read. */
export const make = (
  session: InferenceSession,
  Tensor: TensorConstructor,
  expected: Expected = { classes: 0 }
): Graph => {
  const input = inputOf(session.inputMetadata)
  const output = outputOf(session.outputMetadata, expected)
  const said = {
    isLast: isLast(
      session.outputMetadata.find(({ name }) => name === output),
      input
    ),
    takesLast: input.isLast
  }
  return {
    height: input.height,
    width: input.width,
    run: async (planes, width, height) => {
      const pixels = input.isLast ? toPixels(planes) : planes
      // A model bound to several pictures gets one, and nothing in the place of the others.
      const { batch } = input
      const whole = batch === 1 ? pixels : new Float32Array(pixels.length * batch)
      if (batch > 1) whole.set(pixels)
      const shape = input.isLast ? [batch, height, width, 3] : [batch, 3, height, width]
      const tensor =
        input.type === "float16"
          ? new Tensor("float16", Halves.toHalves(whole), shape)
          : new Tensor("float32", whole, shape)
      const result = (await session.run({ [input.name]: tensor }, [output]))[output]
      if (result === undefined) throw new Error(`it gave no ${output}`)
      const data = await result.getData()
      const first = batch > 1 && result.dims[0] === batch && ArrayBuffer.isView(data)
      return {
        ...said,
        data: first ? data.slice(0, data.length / batch) : data,
        dims: first ? [1, ...result.dims.slice(1)] : result.dims,
        kind: result.type,
        // Waiting for the collector would let them pile up.
        dispose: () => result.dispose()
      }
    },
    release: () => session.release()
  }
}

/**
 * What `run` gives for a picture of the least size that a model may take: small where its sides are free, as that finds out
 * what it gives and the first picture finds the session warm. Sides that are free by name alone have their numbers in the
 * graph: where a small picture fails, one as its preprocessor makes them is tried.
 */
export const tried = async <A>(
  { height, width }: Pick<Graph, "height" | "width">,
  preprocessing: Preprocessing.Preprocessing,
  run: (width: number, height: number) => Promise<A>
): Promise<A> => {
  const small = { width: width ?? 64, height: height ?? 64 }
  const made = Preprocessing.fixedSize(preprocessing)
  const once = run(small.width, small.height)
  if (made === undefined || (made.width === small.width && made.height === small.height)) return once
  return once.catch(() => run(made.width, made.height))
}

/**
 * The settings by which a model's pictures are made, once it is known what it is bound to. Throws where it could not take
 * what they make: that would be the failure of each picture.
 */
export const settle = (
  preprocessing: Preprocessing.Preprocessing,
  { height, width }: Pick<Graph, "height" | "width">
): Preprocessing.Preprocessing => {
  const { size } = preprocessing
  if (size !== undefined && "ofModel" in size) {
    const { ofModel } = size
    return settle(
      { ...preprocessing, size: { width: width ?? ofModel.width, height: height ?? ofModel.height } },
      { height, width }
    )
  }
  if (height === undefined && width === undefined) return preprocessing
  const made = Preprocessing.fixedSize(preprocessing)
  const bound = `${width ?? "any"} x ${height ?? "any"}`
  if (made === undefined) {
    throw new Error(
      `it takes pictures of ${bound} alone, and its preprocessor_config.json makes them of many sizes. Give \`preprocessing\` with that \`size\``
    )
  }
  if ((width ?? made.width) !== made.width || (height ?? made.height) !== made.height) {
    throw new Error(
      `it takes pictures of ${bound} alone, and its preprocessor_config.json makes them ${made.width} x ${made.height}. Give \`preprocessing\` with that \`size\`, or a model exported for ${made.width} x ${made.height}`
    )
  }
  return preprocessing
}
