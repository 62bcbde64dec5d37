/**
 * The worker of a session that runs the model. A run holds its thread up from start to end: what stands around it happens in
 * another (`worker.ts`).
 */
import type { Env, InferenceSessionFactory, TensorConstructor } from "onnxruntime-common"
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import * as Graph from "../session/Graph.ts"
import type { Output } from "../session/Output.ts"
import { inTurn } from "../session/Pipeline.ts"
import * as SelfCheck from "../session/SelfCheck.ts"
import * as WeightFiles from "../WeightFiles.ts"
import type { Backend, FromModel, FromWorker, Load, Run, ToModel } from "./Wire.ts"
import { lineOf } from "../../SystemError.ts"

interface Runtime {
  readonly env: Env
  readonly InferenceSession: InferenceSessionFactory
  readonly Tensor: TensorConstructor
}

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

const create = async (
  runtime: Runtime,
  backend: Backend,
  { assets, expected, threads, weights }: Load
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

/**
 * Why a runtime does nothing right any more: its memory has run out, or it stopped in the middle. `undefined` where only this
 * one picture failed.
 */
export const brokenBy = (cause: unknown): string | undefined => {
  // A number is the address of an error of C++ that nobody caught.
  const isNumber = typeof cause === "number"
  const isMemory = isNumber || cause instanceof RangeError || /out of memory|bad_alloc/i.test(lineOf(cause))
  if (!isMemory && !(cause instanceof WebAssembly.RuntimeError) && !/Aborted\(/.test(lineOf(cause)))
    return undefined
  const words = isNumber ? `error ${cause}` : lineOf(cause)
  return isMemory ? `${words}: the picture may need more memory than WebAssembly can have, 4 GiB` : words
}

/** Why a model was not loaded: it is no model, or the runtime's own files were not found. */
export const notLoaded = (what: string, cause: unknown): string =>
  /no available backend found/.test(lineOf(cause))
    ? `the files of ONNX Runtime cannot be loaded (${lineOf(cause)}). Give \`assets\`, the address of the folder with ort-wasm-simd-threaded.mjs and ort-wasm-simd-threaded.wasm`
    : `ONNX Runtime does not load ${what}: ${typeof cause === "number" ? `error ${cause}` : WeightFiles.inWords(lineOf(cause, 4000))}`

/** In milliseconds: there are 27 MB to be fetched, and shaders to be compiled. */
const patience = { load: 60_000, runs: 20_000 }

interface Loaded {
  readonly graph: Graph.Graph
  readonly isOnGpu: boolean
  readonly reason: string | undefined
}

const load = async (message: Load): Promise<Loaded | Extract<FromWorker, { type: "unusable" }>> => {
  let runtime: Runtime
  try {
    runtime = await importRuntime("wasm")
  } catch (cause) {
    const reason = lineOf(cause)
    const native = "onnxruntime-node"
    const also =
      isNode && process.versions["bun"] === undefined && Graph.isInstalled(native)
        ? `; ${native} is installed, and runs the same model: SegFormerOnnx.layer of effect-segformer/onnx`
        : ""
    return { type: "unusable", reason: "runtime", detail: `${reason}${also}` }
  }
  const reference = () =>
    create(runtime, "wasm", message).catch((cause: unknown) => {
      const { weights } = message
      throw new Error(notLoaded(weights._tag === "File" ? weights.path : "it", cause))
    })
  try {
    if (message.backend === "wasm") return { graph: await reference(), isOnGpu: false, reason: undefined }
    const { graph, isCandidate, reason } = await SelfCheck.choose({
      names: { reference: "WebAssembly", candidate: "WebGPU" },
      reference,
      candidate: () => onGpu(message),
      patience,
      now: () => performance.now()
    })
    return { graph, isOnGpu: isCandidate, reason }
  } catch (cause) {
    return { type: "unusable", reason: "model", detail: lineOf(cause) }
  }
}

/** Memory of its own, all of it: what is the runtime's it goes on using, and it would be shared and not copied. */
const own = (data: Output["data"]): Output["data"] => {
  if (!ArrayBuffer.isView(data)) return data
  const isOwn = data.buffer instanceof ArrayBuffer && data.buffer.byteLength === data.byteLength
  return isOwn ? data : data.slice()
}

const buffersOf = (data: Output["data"]): ReadonlyArray<ArrayBuffer> =>
  ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? [data.buffer] : []

/** Done when messages that came before are taken: they wait while a run holds the thread up. */
const heard = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    BackgroundWorker.over(port1, () => {
      port1.close()
      resolve()
    })
    port2.postMessage(undefined)
  })

/** Runs what is asked for by the port, and gives what else tells it. */
export const answering = (
  port: MessagePort,
  run: (asked: Run) => Promise<Output>
): ((told: FromModel) => void) => {
  const turns = inTurn(run, (free) => free.then(heard))
  const tell = (told: FromModel) => send(told, told.type === "output" ? buffersOf(told.data) : [])
  const send = BackgroundWorker.over<ToModel>(port, (asked) => {
    if (asked.type === "cancel") return turns.cancel(asked.number)
    void turns
      .run(asked, asked.number, () => tell({ type: "begun" }))
      .then((output) => tell({ type: "output", ...output }))
      .catch((cause: unknown) => tell({ type: "failed", detail: lineOf(cause) }))
  })
  return tell
}

/** Loads a model and runs it for who has the other end of the port; `post` tells whoever started it what it cannot tell there. */
export const serve = async (message: Load, port: MessagePort, post: BackgroundWorker.Post): Promise<void> => {
  const tell = (told: FromWorker) => post(told)
  const found = await load(message)
  if ("type" in found) return tell(found)
  const { graph, isOnGpu, reason } = found
  let hasRun = false
  const run = async ({ data, height, width }: Run): Promise<Output> => {
    try {
      const { dispose, ...output } = await graph.run(data, width, height)
      hasRun = true
      const given = { ...output, data: own(output.data) }
      dispose()
      // Its input is not handed back: that costs this thread more than new storage costs the other one.
      return given
    } catch (cause) {
      // A GPU that is gone does nothing right any more, whatever it says. What never ran is no model that can be used.
      const broken = brokenBy(cause) ?? (isOnGpu ? lineOf(cause) : undefined)
      if (!hasRun || broken === undefined) throw cause
      tell({ type: "broken", detail: broken })
      // Nothing has its turn any more: what came ahead is another session's.
      return new Promise(() => {})
    }
  }
  answering(port, run)({ type: "loaded", height: graph.height, width: graph.width, reason })
}
