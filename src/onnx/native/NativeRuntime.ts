/** ONNX Runtime as a binary of this machine, in processes of its own: `onnxruntime-node`. */
import { availableParallelism } from "node:os"
import { Layer } from "effect"
import { OnnxRuntime } from "../OnnxRuntime.ts"
import * as SessionProcess from "./SessionProcess.ts"

/** The runtime. */
export const runtime: OnnxRuntime["Service"] = {
  package: "onnxruntime-node",
  threads: availableParallelism(),
  start: SessionProcess.start
}

/** The runtime as a layer, for `OnnxTransport`. */
export const layer: Layer.Layer<OnnxRuntime> = Layer.succeed(OnnxRuntime, runtime)
