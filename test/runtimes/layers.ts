/** The layers that take the place of each other. Each is loaded when it is asked for: no runtime has all of them. */
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import type { Transport } from "effect-segformer"
import { PureCodec } from "effect-segformer/image"

export type Segmenter = Layer.Layer<Transport, unknown>

/** The binary, and pictures decoded by sharp. */
const native = async (): Promise<Segmenter> => {
  const { SegFormerOnnx } = await import("effect-segformer/onnx")
  const { SharpCodec } = await import("effect-segformer/sharp")
  return SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer))
}

/** WebAssembly, and pictures decoded by plain code. */
const wasm = async (): Promise<Segmenter> => {
  const { SegFormerWeb } = await import("effect-segformer/onnx/web")
  return SegFormerWeb.layer({ threads: 1 }).pipe(Layer.provide(PureCodec.layer()))
}

/** A service, which is the web handler over WebAssembly in the same process. */
const handler = async (): Promise<Segmenter> => {
  const { SegFormerHttp, SegFormer } = await import("effect-segformer/http")
  const { WebHandler } = await import("effect-segformer/server")
  const needs = Layer.mergeAll(await wasm(), PureCodec.layer(), NodeFileSystem.layer)
  const options = { allowAnyone: true, prefix: "/segment", jobs: false } as const
  return Layer.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => WebHandler.toWebHandler(needs, options)),
        ({ dispose }) => Effect.promise(dispose)
      ),
      ({ handler }) =>
        SegFormerHttp.layer({ baseUrl: "http://localhost/segment", protocol: SegFormer.make() }).pipe(
          Layer.provide(FetchHttpClient.layer),
          Layer.provide(
            Layer.succeed(FetchHttpClient.Fetch)((input, init) => handler(new Request(input, init)))
          )
        )
    )
  )
}

export const layers = { native, wasm, handler } as const
