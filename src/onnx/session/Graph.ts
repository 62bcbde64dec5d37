/**
 * A model that ONNX Runtime has loaded, whichever runtime it is: what it takes and gives, and a run of it. No Effect here:
 * a session starts sooner without it.
 */
import type { InferenceSession, TensorConstructor } from "onnxruntime-common"
import type { Output } from "./Output.ts"

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
}

/** An error in one line. */
export const reasonOf = (cause: unknown): string => {
  const text = cause instanceof Error ? cause.message : String(cause)
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 400)
}

const fixed = (side: number | string | undefined): number | undefined =>
  typeof side === "number" ? side : undefined

/** Throws where it is no model that takes pictures. */
export const make = (session: InferenceSession, Tensor: TensorConstructor): Graph => {
  const inputs = session.inputMetadata
  const input = inputs.find(({ name }) => name === "pixel_values") ?? inputs[0]
  if (inputs.length !== 1 || input?.isTensor !== true || input.type !== "float32") {
    const found = inputs.map((each) => `${each.name}${each.isTensor ? `: ${each.type}` : ""}`).join(", ")
    throw new Error(`it must take one float32 tensor, [batch, 3, height, width], but takes (${found})`)
  }
  const output = session.outputNames.includes("logits") ? "logits" : session.outputNames[0]
  if (output === undefined) throw new Error("it has no output")
  return {
    height: fixed(input.shape[2]),
    width: fixed(input.shape[3]),
    run: async (pixels, width, height) => {
      const tensor = new Tensor("float32", pixels, [1, 3, height, width])
      const result = (await session.run({ [input.name]: tensor }, [output]))[output]
      if (result === undefined) throw new Error(`it gave no ${output}`)
      return {
        data: await result.getData(),
        dims: result.dims,
        kind: result.type,
        // Waiting for the collector would let them pile up.
        dispose: () => result.dispose()
      }
    }
  }
}
