/**
 * The worker of a session in WebAssembly: turns pictures into label maps, one after the other. It is a module of its own,
 * which `WebRuntime` starts and a bundler finds by its address.
 */
import type { Env, InferenceSession, InferenceSessionFactory, TensorConstructor } from "onnxruntime-common"
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { Scratch } from "../../image/Resample.ts"
import * as Graph from "../session/Graph.ts"
import { type Output, logitsOf, read } from "../session/Output.ts"
import type { Outcome, Picture, Unusable } from "../session/Session.ts"
import type { FromWorker, ToWorker } from "./Wire.ts"

interface Runtime {
  readonly env: Env
  readonly InferenceSession: InferenceSessionFactory
  readonly Tensor: TensorConstructor
}

type Load = NonNullable<ToWorker["load"]>

/** Node, or what stands for it: the runtime has files for it that are read and not fetched. */
const isNode = typeof process === "object" && typeof process.versions?.node === "string"

const importRuntime = async (): Promise<Runtime> => {
  if (!isNode) return import("onnxruntime-web/wasm")
  // Not by its name: a bundle for browsers would hold this one, too.
  const name = "onnxruntime-web"
  const found: Runtime = await import(/* @vite-ignore */ /* webpackIgnore: true */ name)
  return found
}

/** What a file of this machine holds. */
const contents = async (path: string): Promise<Uint8Array> => {
  const fs = isNode ? process.getBuiltinModule("node:fs/promises") : undefined
  if (fs === undefined) throw new Error(`${path} is a file, and there are none here`)
  return fs.readFile(path)
}

let graph: Graph.Graph | undefined
let preprocessing = Preprocessing.defaults

/** Pictures come one after the other, so that they can share it. */
const scratch: Scratch = { bytes: new Uint8Array() }
let spare: Float32Array | undefined

const create = async (runtime: Runtime, { assets, threads, weights }: Load): Promise<InferenceSession> => {
  const { wasm } = runtime.env
  wasm.numThreads = threads
  if (assets !== undefined) wasm.wasmPaths = typeof assets === "string" ? assets : definedOf(assets)
  const bytes = weights._tag === "Bytes" ? weights.bytes : await contents(weights.path)
  return runtime.InferenceSession.create(bytes, {
    executionProviders: ["wasm"],
    executionMode: "sequential",
    // Errors come as exceptions; warnings of the optimizer are not for the user's console.
    logSeverityLevel: 3
  })
}

const definedOf = ({ mjs, wasm }: Exclude<NonNullable<Load["assets"]>, string>) => ({
  ...(mjs === undefined ? {} : { mjs }),
  ...(wasm === undefined ? {} : { wasm })
})

const load = async (message: Load): Promise<Unusable | undefined> => {
  let runtime: Runtime
  try {
    runtime = await importRuntime()
  } catch (cause) {
    return { reason: "runtime", detail: Graph.reasonOf(cause) }
  }
  try {
    preprocessing = message.preprocessing
    const session = await create(runtime, message).catch((cause: unknown) => {
      const what = message.weights._tag === "File" ? message.weights.path : "it"
      throw new Error(`ONNX Runtime does not load ${what} (${Graph.reasonOf(cause)})`)
    })
    graph = Graph.make(session, runtime.Tensor)
    // A small run now finds out what the model gives, and the first picture finds the session warm.
    const { height = 64, width = 64 } = graph
    const { dispose, ...output } = await graph.run(new Float32Array(3 * width * height), width, height)
    read(output, { width: 2, height: 2, confidence: false })
    dispose()
    return undefined
  } catch (cause) {
    return { reason: "model", detail: Graph.reasonOf(cause) }
  }
}

const predict = async (graph: Graph.Graph, picture: Picture): Promise<Outcome> => {
  const started = performance.now()
  const { data, height, width } = picture
  const steps = Preprocessing.make(preprocessing, width, height, scratch)
  steps.push(data)
  const input = steps.finish(spare)
  spare = input.data
  const { dispose, ...output } = await graph.run(input.data, input.width, input.height)
  try {
    return outcomeOf(output, picture, started)
  } finally {
    dispose()
  }
}

const outcomeOf = (output: Output, picture: Picture, started: number): Outcome => {
  const { height, width } = picture
  const logits = picture.logits === true ? logitsOf(output) : undefined
  if (logits !== undefined) {
    // What the model gave is in its own memory.
    const own = { ...logits, data: logits.data.slice() }
    return { _tag: "Logits", logits: own, milliseconds: performance.now() - started }
  }
  const { confidence, labels, scores, uncertainty } = read(output, picture)
  return {
    _tag: "Labels",
    labelMap: labels.data.buffer === bufferOf(output) ? { ...labels, data: labels.data.slice() } : labels,
    confidence: confidence && { width, height, data: confidence },
    scores: new Map(scores),
    uncertainty,
    milliseconds: performance.now() - started
  }
}

const bufferOf = ({ data }: Output): ArrayBufferLike | undefined =>
  ArrayBuffer.isView(data) ? data.buffer : undefined

/** What is handed over and not copied. */
const buffersOf = (outcome: Outcome): ReadonlyArray<ArrayBuffer> =>
  (outcome._tag === "Logits"
    ? [outcome.logits.data.buffer]
    : [outcome.labelMap.data.buffer, outcome.confidence?.data.buffer]
  ).filter((buffer) => buffer instanceof ArrayBuffer)

/** A runtime whose memory has run out, or that stopped in the middle, does nothing right any more. */
const isBroken = (cause: unknown): boolean =>
  cause instanceof WebAssembly.RuntimeError ||
  cause instanceof RangeError ||
  /Aborted\(/.test(Graph.reasonOf(cause))

const answer = async (message: ToWorker): Promise<readonly [FromWorker, ReadonlyArray<ArrayBuffer>?]> => {
  if (message.load !== undefined) {
    const problem = await load(message.load)
    return [problem === undefined ? { type: "ready" } : { type: "unusable", ...problem }]
  }
  try {
    if (graph === undefined || message.picture === undefined) throw new Error("the model is not loaded")
    const outcome = await predict(graph, message.picture)
    return [{ type: "done", outcome }, buffersOf(outcome)]
  } catch (cause) {
    return [{ type: isBroken(cause) ? "broken" : "failed", detail: Graph.reasonOf(cause) }]
  }
}

BackgroundWorker.serve<ToWorker>((message, post) => {
  void answer(message).then(([told, transfer]) => post(told satisfies FromWorker, transfer))
})
