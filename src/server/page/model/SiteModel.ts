/** The model that stands beside this module, as `segformer page` of this version wrote it, and the codec for its pictures. */
import { Effect, Layer } from "effect"
import { ImageCodec } from "../../../image/ImageCodec.ts"
import type { Model } from "../../../onnx/Model.ts"
import * as SegFormerWeb from "../../../onnx/web/SegFormerWeb.ts"
import { ModelNotLoadable } from "../../../SegmentationError.ts"
import type { Transport } from "../../../Transport.ts"
import * as Codec from "./Codec.ts"
import * as Packed from "./Packed.ts"

type Described = Omit<Model, "bytes" | "file">

/** `model.json`, as `segformer page` of this version wrote it. */
const isDescribed = (value: unknown): value is Described =>
  typeof value === "object" && value !== null && "classes" in value && "preprocessing" in value

const described = async (): Promise<Described> => {
  const response = await fetch(new URL("model.json", import.meta.url))
  const value: unknown = response.ok ? await response.json() : undefined
  if (!isDescribed(value)) throw new Error(`model.json does not come: ${response.status}`)
  return value
}

const script = (name: string) => () => new Worker(new URL(`${name}.js`, import.meta.url), { type: "module" })

/** The codec. */
export const layerCodec: Layer.Layer<ImageCodec> = Layer.effect(
  ImageCodec,
  Codec.make(script("DecodingWorker"))
)

const load = Effect.tryPromise({
  try: () => Promise.all([described(), Packed.load("model.onnx.zst"), Packed.load("ort.wasm.zst")]),
  catch: (cause) =>
    new ModelNotLoadable({
      model: "model",
      detail: cause instanceof Error ? cause.message : String(cause)
    })
})

/** The model. */
export const layer: Layer.Layer<Transport, SegFormerWeb.LoadError, ImageCodec> = Layer.unwrap(
  Effect.map(load, ([about, bytes, wasm]) => {
    const model: Model = { ...about, file: "model.onnx", bytes }
    return SegFormerWeb.layer({
      model: { name: model.name, open: () => Effect.succeed(model) },
      confidence: true,
      worker: script("SessionWorker"),
      assets: { wasm: URL.createObjectURL(new Blob([wasm], { type: "application/wasm" })) }
    })
  })
)
