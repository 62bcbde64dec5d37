/**
 * The thread of a session's process in which the model runs. A run holds its thread up from start to end, so that it
 * has one of its own: the other one prepares the next picture meanwhile, and notices at once when the parent is gone.
 */
import { parentPort } from "node:worker_threads"
import * as Graph from "../session/Graph.ts"
import type { Output } from "../session/Output.ts"
import type { Unusable } from "./Frames.ts"
import * as Platform from "./Platform.ts"

export type ToRunner =
  | { readonly type: "load"; readonly model: string | Uint8Array; readonly threads: number }
  /** `data` holds `[1, 3, height, width]`. */
  | { readonly type: "run"; readonly data: Float32Array; readonly width: number; readonly height: number }

export type FromRunner =
  /** With the sizes that the model is bound to, where it is. */
  | { readonly type: "loaded"; readonly height: number | undefined; readonly width: number | undefined }
  | Unusable
  /** `input` is the storage of what was run, to be used again. */
  | ({ readonly type: "output"; readonly input: Float32Array } & Output)
  | { readonly type: "failed"; readonly detail: string }

let loaded: Graph.Graph | undefined

const load = async (model: string | Uint8Array, threads: number): Promise<FromRunner> => {
  let runtime: typeof import("onnxruntime-common")
  try {
    runtime = (await import("onnxruntime-node")).default
  } catch (cause) {
    return Platform.notLoadable(cause)
  }
  const options = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Errors come as exceptions; warnings of the optimizer are not for the user's terminal.
    logSeverityLevel: 3,
    // Threads that wait by spinning win a few percent on a machine of their own, and lose half on a shared one.
    extra: { session: { intra_op: { allow_spinning: "0" } } }
  } as const
  const create = () =>
    typeof model === "string"
      ? runtime.InferenceSession.create(model, options)
      : runtime.InferenceSession.create(model, options)
  try {
    const session = await create().catch((cause: unknown) => {
      const what = typeof model === "string" ? model : "it"
      throw new Error(`ONNX Runtime does not load ${what} (${Graph.reasonOf(cause)})`)
    })
    loaded = Graph.make(session, runtime.Tensor)
    return { type: "loaded", height: loaded.height, width: loaded.width }
  } catch (cause) {
    return { type: "unusable", reason: "model", detail: Graph.reasonOf(cause) }
  }
}

const post = (answer: FromRunner, transfer: Array<ArrayBuffer> = []) =>
  parentPort?.postMessage(answer, transfer)

const run = async (input: Float32Array, width: number, height: number): Promise<void> => {
  if (loaded === undefined) return post({ type: "failed", detail: "the model is not loaded" })
  try {
    const { dispose, ...output } = await loaded.run(input, width, height)
    const transfer = input.buffer instanceof ArrayBuffer ? [input.buffer] : []
    post({ type: "output", input, ...output }, transfer)
    // Posting has copied it.
    dispose()
  } catch (cause) {
    post({ type: "failed", detail: Graph.reasonOf(cause) })
  }
}

parentPort?.on("message", (message: ToRunner) => {
  if (message.type === "load") void load(message.model, message.threads).then((answer) => post(answer))
  else void run(message.data, message.width, message.height)
})
