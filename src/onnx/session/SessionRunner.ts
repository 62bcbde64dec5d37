/**
 * The thread of a session's process in which the model runs. A run holds its thread up from start to end, so that it
 * has one of its own: the other one prepares the next picture meanwhile, and notices at once when the parent is gone.
 */
import { parentPort } from "node:worker_threads"
import type { InferenceSession } from "onnxruntime-common"
import type { Unusable } from "./Frames.ts"
import type { Output } from "./Output.ts"

export type ToRunner =
  | { readonly type: "load"; readonly file: string; readonly threads: number }
  /** `data` holds `[1, 3, height, width]`. */
  | { readonly type: "run"; readonly data: Float32Array; readonly width: number; readonly height: number }

export type FromRunner =
  /** With the sizes that the model is bound to, where it is. */
  | { readonly type: "loaded"; readonly height: number | undefined; readonly width: number | undefined }
  | Unusable
  /** `input` is the storage of what was run, to be used again. */
  | ({ readonly type: "output"; readonly input: Float32Array } & Output)
  | { readonly type: "failed"; readonly detail: string }

interface Loaded {
  readonly runtime: typeof import("onnxruntime-common")
  readonly session: InferenceSession
  readonly input: string
  readonly output: string
}

/** An error in one line. */
export const reasonOf = (cause: unknown): string => {
  const text = cause instanceof Error ? cause.message : String(cause)
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 400)
}

const fixed = (side: number | string | undefined): number | undefined =>
  typeof side === "number" ? side : undefined

let loaded: Loaded | undefined

const load = async (file: string, threads: number): Promise<FromRunner> => {
  const unusable = (detail: string): FromRunner => ({ type: "unusable", reason: "model", detail })
  let runtime: Loaded["runtime"]
  try {
    runtime = (await import("onnxruntime-node")).default
  } catch (cause) {
    return { type: "unusable", reason: "runtime", detail: reasonOf(cause) }
  }
  let session: InferenceSession
  try {
    session = await runtime.InferenceSession.create(file, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // Errors come as exceptions; warnings of the optimizer are not for the user's terminal.
      logSeverityLevel: 3,
      // Threads that wait by spinning win a few percent on a machine of their own, and lose half on a shared one.
      extra: { session: { intra_op: { allow_spinning: "0" } } }
    })
  } catch (cause) {
    return unusable(`ONNX Runtime does not load ${file} (${reasonOf(cause)})`)
  }
  const inputs = session.inputMetadata
  const input = inputs.find(({ name }) => name === "pixel_values") ?? inputs[0]
  if (inputs.length !== 1 || input?.isTensor !== true || input.type !== "float32") {
    const found = inputs.map((each) => `${each.name}${each.isTensor ? `: ${each.type}` : ""}`).join(", ")
    return unusable(`it must take one float32 tensor, [batch, 3, height, width], but takes (${found})`)
  }
  const output = session.outputNames.includes("logits") ? "logits" : session.outputNames[0]
  if (output === undefined) return unusable("it has no output")
  loaded = { runtime, session, input: input.name, output }
  return { type: "loaded", height: fixed(input.shape[2]), width: fixed(input.shape[3]) }
}

const post = (answer: FromRunner, transfer: Array<ArrayBuffer> = []) =>
  parentPort?.postMessage(answer, transfer)

const run = async (input: Float32Array, width: number, height: number): Promise<void> => {
  if (loaded === undefined) return post({ type: "failed", detail: "the model is not loaded" })
  try {
    const { runtime, session } = loaded
    const pixels = new runtime.Tensor("float32", input, [1, 3, height, width])
    const result = (await session.run({ [loaded.input]: pixels }, [loaded.output]))[loaded.output]
    if (result === undefined) return post({ type: "failed", detail: `it gave no ${loaded.output}` })
    const transfer = input.buffer instanceof ArrayBuffer ? [input.buffer] : []
    post({ type: "output", input, data: result.data, dims: result.dims, kind: result.type }, transfer)
    // Posting has copied it; waiting for the collector would let them pile up.
    result.dispose()
  } catch (cause) {
    post({ type: "failed", detail: reasonOf(cause) })
  }
}

parentPort?.on("message", (message: ToRunner) => {
  if (message.type === "load") void load(message.file, message.threads).then((answer) => post(answer))
  else void run(message.data, message.width, message.height)
})
