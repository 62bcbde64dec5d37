/** What can be said of how a model runs on this machine. */

/** An execution provider of ONNX Runtime, by the name of what it is for. */
export const providers = ["cpu", "cuda", "tensorrt", "directml", "coreml", "webgpu", "auto"] as const
export type Provider = (typeof providers)[number]

export const graphOptimizations = ["disabled", "basic", "extended", "all"] as const

/** How a session is made. */
export interface SessionSettings {
  readonly provider?: Provider | undefined
  /** How much ONNX Runtime rewrites the graph: `"all"` by default. */
  readonly graphOptimization?: (typeof graphOptimizations)[number] | undefined
  /** Keep memory for the next picture, which is faster and holds the most that any picture took. Yes by default. */
  readonly memoryArena?: boolean | undefined
  /** A file that the rewritten graph is written to, to be loaded in its place the next time. */
  readonly optimizedModel?: string | undefined
}
