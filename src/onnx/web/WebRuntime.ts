/**
 * ONNX Runtime in WebAssembly, in workers of its own: `onnxruntime-web`, wherever there is WebAssembly. A page's main thread
 * is never in it, and workers can be ended at any time.
 */
import { Config, Effect, Layer } from "effect"
import type { MakeWorker } from "../../BackgroundWorker.ts"
import * as ErrorKind from "../../ErrorKind.ts"
import { OnnxRuntime } from "../OnnxRuntime.ts"
import { type Assets, type Backend, backends } from "./Wire.ts"
import * as WorkerSession from "./WorkerSession.ts"
import * as Wrapped from "../../policy/Wrapped.ts"

export interface WebRuntimeOptions {
  /**
   * `"wasm"` by default. `"webgpu"` is tried on a known input first, beside WebAssembly, and taken only where its labels are the
   * same and it is faster; otherwise WebAssembly runs the model. Which it is and why is logged, and stands in the transport's
   * `health`.
   */
  readonly backend?: Backend | undefined
  /**
   * Where `ort-wasm-simd-threaded.mjs` and `.wasm` of `onnxruntime-web` are, where they are not beside the bundle: the address
   * of a folder, or of each.
   */
  readonly assets?: Assets | undefined
  /**
   * Makes a worker out of the module `effect-segformer/onnx/web/worker`, each time another: a session has two. It may be one of
   * `node:worker_threads`. Bundlers that know `new Worker(new URL(…, import.meta.url))` need none.
   */
  readonly worker?: MakeWorker | undefined
}

/** Threads share memory, which a page may only do where it is isolated from others (COOP and COEP). */
export const sharesMemory = (): boolean =>
  typeof SharedArrayBuffer === "function" && (globalThis.crossOriginIsolated ?? true)

const threads = (): number =>
  sharesMemory() ? Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1) : 1

/** The runtime. */
export const make = (options: WebRuntimeOptions = {}): Effect.Effect<OnnxRuntime["Service"]> =>
  Effect.sync(() => {
    ErrorKind.oneOf("SegFormerWeb", "backend", options.backend, backends)
    let reason: string | undefined
    const told = (why: string | undefined) => {
      reason = why
    }
    return {
      package: "onnxruntime-web",
      threads: threads(),
      start: (load, events) => WorkerSession.start(options, load, events, told),
      choice: Effect.sync(() => reason)
    }
  })

/** A layer of {@link make}. */
export const layer = (options?: WebRuntimeOptions): Layer.Layer<OnnxRuntime> =>
  Layer.effect(OnnxRuntime, make(options))

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<WebRuntimeOptions>
): Layer.Layer<OnnxRuntime, Config.ConfigError> =>
  Layer.effect(OnnxRuntime, Effect.flatMap(Wrapped.unwrap<WebRuntimeOptions>(config), make))
