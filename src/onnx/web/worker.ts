/**
 * The worker of a session in WebAssembly: turns pictures into label maps, one after the other. It is a module of its own,
 * which `WebRuntime` starts and a bundler finds by its address.
 */
import type { Env, InferenceSessionFactory, TensorConstructor } from "onnxruntime-common"
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { Scratch } from "../../image/Resample.ts"
import * as Graph from "../session/Graph.ts"
import { type Expected, type Given, logitsOf, type Output, read } from "../session/Output.ts"
import * as SelfCheck from "../session/SelfCheck.ts"
import type { Outcome, Picture } from "../session/Session.ts"
import * as WeightFiles from "../WeightFiles.ts"
import * as WebFailure from "./WebFailure.ts"
import type { Backend, FromWorker, ToWorker } from "./Wire.ts"

interface Runtime {
  readonly env: Env
  readonly InferenceSession: InferenceSessionFactory
  readonly Tensor: TensorConstructor
}

type Load = NonNullable<ToWorker["load"]>

/** Node, or what stands for it: the runtime has files for it that are read and not fetched. */
const isNode = typeof process === "object" && typeof process.versions?.node === "string"

const importRuntime = async (backend: Backend): Promise<Runtime> => {
  if (!isNode) return backend === "webgpu" ? import("onnxruntime-web/webgpu") : import("onnxruntime-web/wasm")
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
let onWebGpu = false
let preprocessing = Preprocessing.defaults
let expected: Expected = { classes: 0 }

/** Pictures come one after the other, so that they can share it. */
const scratch: Scratch = { bytes: new Uint8Array() }
let spare: Float32Array | undefined

const create = async (
  runtime: Runtime,
  backend: Backend,
  { assets, threads, weights }: Load
): Promise<Graph.Graph> => {
  const { wasm } = runtime.env
  wasm.numThreads = threads
  if (assets !== undefined) wasm.wasmPaths = typeof assets === "string" ? assets : definedOf(assets)
  const bytes = weights._tag === "Bytes" ? weights.bytes : await contents(weights.path)
  const files =
    weights._tag === "Bytes"
      ? Object.entries(weights.outside ?? {}).map(([path, data]) => ({ path, data }))
      : await Promise.all(
          WeightFiles.outside(bytes).map(async (path) => ({
            path,
            data: await contents(weights.path.replace(/[^/\\]*$/, () => path))
          }))
        )
  const session = await runtime.InferenceSession.create(bytes, {
    ...(files.length === 0 ? {} : { externalData: files }),
    executionProviders: [backend],
    executionMode: "sequential",
    // Errors come as exceptions; warnings of the optimizer are not for the user's console.
    logSeverityLevel: 3
  })
  return Graph.make(session, runtime.Tensor, expected)
}

/** A GPU that can be had; throws where there is none, which is found out before anything large is fetched. */
const onGpu = async (message: Load): Promise<Graph.Graph> => {
  const gpu: unknown = "gpu" in navigator ? navigator.gpu : undefined
  if (!hasAdapters(gpu)) throw new Error("there is none here")
  if ((await gpu.requestAdapter()) === null) throw new Error("there is no GPU for it")
  // Addresses of single files are those of the other build.
  const assets = typeof message.assets === "string" ? message.assets : undefined
  return create(await importRuntime("webgpu"), "webgpu", { ...message, assets })
}

const hasAdapters = (gpu: unknown): gpu is { readonly requestAdapter: () => Promise<unknown> } =>
  typeof gpu === "object" && gpu !== null && "requestAdapter" in gpu

const definedOf = ({ mjs, wasm }: Exclude<NonNullable<Load["assets"]>, string>) => ({
  ...(mjs === undefined ? {} : { mjs }),
  ...(wasm === undefined ? {} : { wasm })
})

/** In milliseconds: there are 27 MB to be fetched, and shaders to be compiled. */
const patience = { load: 60_000, runs: 20_000 }

const load = async (message: Load): Promise<FromWorker> => {
  let runtime: Runtime
  try {
    runtime = await importRuntime("wasm")
  } catch (cause) {
    return { type: "unusable", reason: "runtime", detail: Graph.reasonOf(cause) }
  }
  try {
    expected = message.expected
    const reference = () =>
      create(runtime, "wasm", message).catch((cause: unknown) => {
        const { weights } = message
        throw new Error(WebFailure.notLoaded(weights._tag === "File" ? weights.path : "it", cause))
      })
    const chosen =
      message.backend === "webgpu"
        ? await SelfCheck.choose({
            names: { reference: "WebAssembly", candidate: "WebGPU" },
            reference,
            candidate: () => onGpu(message),
            patience,
            now: () => performance.now()
          })
        : { graph: await reference(), isCandidate: false, reason: undefined }
    const { isCandidate, reason } = chosen
    graph = chosen.graph
    preprocessing = Graph.settle(message.preprocessing, graph)
    onWebGpu = isCandidate
    const loaded = graph
    await Graph.tried(loaded, preprocessing, async (width, height) => {
      const { dispose, ...output } = await loaded.run(new Float32Array(3 * width * height), width, height)
      read(output, { width: 2, height: 2, confidence: false }, expected, { width, height })
      dispose()
    })
    return { type: "ready", backend: isCandidate ? "webgpu" : "wasm", reason }
  } catch (cause) {
    return { type: "unusable", reason: "model", detail: Graph.reasonOf(cause) }
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
    return outcomeOf(output, picture, input, started)
  } finally {
    dispose()
  }
}

const outcomeOf = (output: Output, picture: Picture, given: Given, started: number): Outcome => {
  const { height, width } = picture
  const logits = picture.logits === true ? logitsOf(output, expected, given) : undefined
  if (logits !== undefined) {
    // What the model gave is in its own memory.
    const own = { ...logits, data: logits.data.slice() }
    return { _tag: "Logits", logits: own, milliseconds: performance.now() - started }
  }
  const { confidence, labels, scores, uncertainty } = read(output, picture, expected, given)
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

const answer = async (message: ToWorker): Promise<readonly [FromWorker, ReadonlyArray<ArrayBuffer>?]> => {
  if (message.load !== undefined) return [await load(message.load)]
  try {
    if (graph === undefined || message.picture === undefined) throw new Error("the model is not loaded")
    const outcome = await predict(graph, message.picture)
    return [{ type: "done", outcome }, buffersOf(outcome)]
  } catch (cause) {
    // A GPU that is gone does nothing right any more, whatever it says.
    const broken = WebFailure.brokenBy(cause) ?? (onWebGpu ? Graph.reasonOf(cause) : undefined)
    return [
      broken === undefined
        ? { type: "failed", detail: Graph.reasonOf(cause) }
        : { type: "broken", detail: broken }
    ]
  }
}

BackgroundWorker.serve<ToWorker>((message, post) => {
  void answer(message).then(([told, transfer]) => post(told satisfies FromWorker, transfer))
})
