/**
 * The thread of a session's process in which the model runs. A run holds its thread up from start to end, so that it
 * has one of its own: the other one prepares the next picture meanwhile, and notices at once when the parent is gone.
 */
import { isMarkedAsUntransferable, parentPort } from "node:worker_threads"
import type { InferenceSession } from "onnxruntime-common"
import * as Graph from "../session/Graph.ts"
import type { Expected, Output } from "../session/Output.ts"
import { inWords } from "../WeightFiles.ts"
import type { Unusable } from "./Frames.ts"
import * as Platform from "./Platform.ts"
import type { SessionSettings } from "./Provider.ts"
import * as Providers from "./Providers.ts"
import { lineOf } from "../../SystemError.ts"

export type ToRunner =
  | {
      readonly type: "load"
      readonly model: string | Uint8Array
      readonly threads: number
      readonly expected: Expected
      readonly settings: SessionSettings
    }
  /** `data` holds `[1, 3, height, width]`. */
  | { readonly type: "run"; readonly data: Float32Array; readonly width: number; readonly height: number }

export type FromRunner =
  /** With the sizes that the model is bound to, where it is. */
  | {
      readonly type: "loaded"
      readonly height: number | undefined
      readonly width: number | undefined
      /** What it runs by and why, where there was something to choose. */
      readonly reason: string | undefined
    }
  | Unusable
  /** `input` is the storage of what was run, to be used again. */
  | ({ readonly type: "output"; readonly input: Float32Array } & Output)
  | { readonly type: "failed"; readonly detail: string }

let loaded: Graph.Graph | undefined

const load = async ({
  expected,
  model,
  settings,
  threads
}: Extract<ToRunner, { type: "load" }>): Promise<FromRunner> => {
  let runtime: typeof import("onnxruntime-node")
  // The binary does not know this kind of array, and takes halves as 16-bit integers where there is none. This thread is its own.
  Reflect.deleteProperty(globalThis, "Float16Array")
  try {
    runtime = (await import("onnxruntime-node")).default
  } catch (cause) {
    return Platform.notLoadable(cause)
  }
  const create = (backend: string): Promise<InferenceSession> => {
    const options = Providers.optionsOf(settings, threads, backend)
    const made =
      typeof model === "string"
        ? runtime.InferenceSession.create(model, options)
        : runtime.InferenceSession.create(model, options)
    if (backend !== "cpu") return made
    return made.catch((cause: unknown) => {
      const what = typeof model === "string" ? model : "it"
      throw new Error(`ONNX Runtime does not load ${what}: ${inWords(lineOf(cause, 4000))}`)
    })
  }
  try {
    const { graph, reason } = await Providers.choose(settings.provider ?? "cpu", {
      create,
      graphOf: (session) => Graph.make(session, runtime.Tensor, expected),
      supported: runtime.listSupportedBackends(),
      machine: `${process.platform} ${process.arch}`,
      now: () => performance.now()
    })
    loaded = graph
    return { type: "loaded", height: loaded.height, width: loaded.width, reason }
  } catch (cause) {
    return { type: "unusable", reason: "model", detail: lineOf(cause) }
  }
}

const post = (answer: FromRunner, transfer: Array<ArrayBuffer> = []) =>
  parentPort?.postMessage(answer, transfer)

/** The storage of an array that is all of it. One that is the runtime's own must be copied, and says so. */
const movable = (data: Output["data"]): Array<ArrayBuffer> => {
  if (!ArrayBuffer.isView(data) || !(data.buffer instanceof ArrayBuffer)) return []
  const { buffer, byteLength } = data
  return buffer.byteLength === byteLength && !isMarkedAsUntransferable(buffer) ? [buffer] : []
}

const run = async (input: Float32Array, width: number, height: number): Promise<void> => {
  if (loaded === undefined) return post({ type: "failed", detail: "the model is not loaded" })
  try {
    const { dispose, ...output } = await loaded.run(input, width, height)
    // Moved and not copied, which took 10 ms for the logits of 150 classes.
    post({ type: "output", input, ...output }, [...movable(input), ...movable(output.data)])
    dispose()
  } catch (cause) {
    post({ type: "failed", detail: lineOf(cause) })
  }
}

parentPort?.on("message", (message: ToRunner) => {
  if (message.type === "load") void load(message).then((answer) => post(answer))
  else void run(message.data, message.width, message.height)
})
