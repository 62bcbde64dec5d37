/**
 * By what a model runs on this machine: the processor, or an accelerator that the package has support for. One that is asked
 * for by name is used or refused; `auto` takes the first that gives the same labels as the processor and is faster, and says
 * why. No Effect here: a session starts sooner without it.
 */
import type { InferenceSession } from "onnxruntime-common"
import * as Graph from "../session/Graph.ts"
import * as SelfCheck from "../session/SelfCheck.ts"
import { inWords } from "../WeightFiles.ts"
import type { Provider, SessionSettings } from "./Provider.ts"
import { lineOf } from "../../SystemError.ts"

/** As `onnxruntime-node` calls it. */
const backendOf: Readonly<Record<Exclude<Provider, "auto">, string>> = {
  cpu: "cpu",
  cuda: "cuda",
  tensorrt: "tensorrt",
  directml: "dml",
  coreml: "coreml",
  webgpu: "webgpu"
}

/** What `auto` tries, most likely to pay first. WebGPU of a desktop needs drivers that few servers have, and is asked for by name. */
const tried: ReadonlyArray<Exclude<Provider, "auto" | "cpu">> = ["cuda", "coreml", "directml"]

/** What the binary is made with. */
export interface Supported {
  readonly name: string
}

export interface Making {
  /** Makes a session by this provider of the binary. */
  readonly create: (backend: string) => Promise<InferenceSession>
  readonly graphOf: (session: InferenceSession) => Graph.Graph
  readonly supported: ReadonlyArray<Supported>
  /** What the machine is called in errors. */
  readonly machine: string
  readonly now: () => number
}

export interface Chosen {
  readonly graph: Graph.Graph
  /** What it runs by and why, where there was something to choose. */
  readonly reason: string | undefined
}

/** Loading a model onto an accelerator compiles it, which takes TensorRT minutes. */
const patience = { load: 300_000, runs: 60_000 }

/** Throws where the provider that was asked for cannot be had, or the model not be loaded. */
export const choose = async (provider: Provider, making: Making): Promise<Chosen> => {
  const { create, graphOf, machine, supported } = making
  const has = (name: Exclude<Provider, "auto">) => supported.some((each) => each.name === backendOf[name])
  const load = async (name: Exclude<Provider, "auto">): Promise<Graph.Graph> =>
    graphOf(await create(backendOf[name]))
  if (provider === "cpu") return { graph: await load("cpu"), reason: undefined }
  if (provider !== "auto") {
    if (!has(provider)) {
      const there = supported.map(({ name }) => (name === "dml" ? "directml" : name)).join(", ")
      throw new Error(
        `onnxruntime-node for ${machine} does not hold the execution provider ${provider}. It holds ${there}; \`auto\` takes what there is`
      )
    }
    const asked = () =>
      load(provider).catch((cause: unknown) => {
        throw new Error(
          `the execution provider ${provider} cannot be used here (${inWords(lineOf(cause))}). ${hintOf(provider)}`
        )
      })
    // Drivers of WebGPU are known to give wrong labels without a word.
    return provider === "webgpu"
      ? compared(provider, asked, making)
      : { graph: await asked(), reason: provider }
  }
  const failed: Array<string> = []
  for (const name of tried.filter(has)) {
    const { graph, isCandidate, reason } = await SelfCheck.choose(contest(name, () => load(name), making))
    if (isCandidate) return { graph, reason }
    await graph.release().catch(() => {})
    failed.push(reason)
  }
  const none = `the processor: onnxruntime-node for ${machine} holds no accelerator`
  return { graph: await load("cpu"), reason: failed.length === 0 ? none : failed.join("; ") }
}

const contest = (
  name: Exclude<Provider, "auto">,
  candidate: () => Promise<Graph.Graph>,
  { create, graphOf, now }: Making
): SelfCheck.Contest => ({
  names: { reference: "the processor", candidate: name },
  reference: async () => graphOf(await create("cpu")),
  candidate,
  patience,
  now
})

const compared = async (
  name: Exclude<Provider, "auto">,
  candidate: () => Promise<Graph.Graph>,
  making: Making
): Promise<Chosen> => {
  const { graph, reason } = await SelfCheck.choose(contest(name, candidate, making))
  return { graph, reason }
}

const hintOf = (provider: Provider): string => {
  switch (provider) {
    case "cuda":
    case "tensorrt":
      return "It needs NVIDIA's driver, CUDA 12 and cuDNN 9, and the libraries that the install script of onnxruntime-node fetches: install it without ONNXRUNTIME_NODE_INSTALL=skip"
    case "webgpu":
      return "It needs a graphics driver: Vulkan, Metal or Direct3D 12"
    default:
      return "`auto` takes what there is"
  }
}

/** What is passed to ONNX Runtime. */
export const optionsOf = (
  { graphOptimization = "all", memoryArena = true, optimizedModel }: SessionSettings,
  threads: number,
  backend: string
): InferenceSession.SessionOptions => ({
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  executionProviders: backend === "cpu" ? ["cpu"] : [backend, "cpu"],
  graphOptimizationLevel: graphOptimization,
  enableCpuMemArena: memoryArena,
  ...(optimizedModel === undefined ? {} : { optimizedModelFilePath: optimizedModel }),
  // Errors come as exceptions; warnings of the optimizer are not for the user's terminal.
  logSeverityLevel: 3,
  // Threads that wait by spinning win a few percent on a machine of their own, and lose half on a shared one.
  extra: { session: { intra_op: { allow_spinning: "0" } } }
})
