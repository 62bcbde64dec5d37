/** ONNX Runtime as a binary of this machine, in processes of its own: `onnxruntime-node`. */
import { availableParallelism } from "node:os"
import { Effect, Layer } from "effect"
import { OnnxRuntime } from "../OnnxRuntime.ts"
import type { SessionSettings } from "./Provider.ts"
import * as SessionProcess from "./SessionProcess.ts"

/** The runtime, of sessions that are made so. */
export const make = (settings: SessionSettings = {}): OnnxRuntime["Service"] => {
  let reason: string | undefined
  const told = (why: string | undefined) => {
    reason = why
  }
  return {
    package: "onnxruntime-node",
    threads: availableParallelism(),
    start: (load, events) => SessionProcess.start(load, events, { settings, told }),
    choice: Effect.sync(() => reason)
  }
}

/** The runtime, as it is by default. */
export const runtime: OnnxRuntime["Service"] = make()

/** The runtime as a layer, for `OnnxTransport`. */
export const layer: Layer.Layer<OnnxRuntime> = Layer.succeed(OnnxRuntime, runtime)
