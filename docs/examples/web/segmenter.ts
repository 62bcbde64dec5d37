/**
 * A segmenter as a web handler, for the files beside it: each mounts it under `/api/segformer` of another framework. The model in
 * the box runs in WebAssembly, so that nothing here has a binary of its own.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { Layer, Redacted } from "effect"
import { PureCodec } from "effect-segformer/image"
import { SegFormerWeb } from "effect-segformer/onnx/web"
import { SegFormerServer } from "effect-segformer/server"

const codec = PureCodec.layer()
const model = SegFormerWeb.layer({ threads: 1 }).pipe(Layer.provide(codec))
const token = process.env["SEGFORMER_TOKEN"]

export const { dispose, handler } = SegFormerServer.toWebHandler(
  Layer.mergeAll(model, codec, NodeFileSystem.layer),
  {
    prefix: "/api/segformer",
    // Whoever has the token may come; without one whoever the framework lets through.
    ...(token === undefined ? { allowAnyone: true } : { tokens: [Redacted.make(token)] }),
    // A function may be frozen once its answer is out: what goes on behind it belongs to a server.
    jobs: false
  }
)
