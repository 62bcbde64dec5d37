/** The model that stands beside this module, as `segformer page` of this version wrote it, and the codec for its pictures. */
import { Effect, Layer } from "effect"
import { ImageCodec } from "../../../image/ImageCodec.ts"
import type { Model } from "../../../onnx/Model.ts"
import * as SegFormerWeb from "../../../onnx/web/SegFormerWeb.ts"
import { ModelNotLoadable } from "../../../SegmentationError.ts"
import type { Transport } from "../../../Transport.ts"
import * as ModelFiles from "../ModelFiles.ts"
import * as Codec from "./Codec.ts"
import * as Packed from "./Packed.ts"
import { messageOf } from "../../../SystemError.ts"

/** `model.json`, as `segformer page` of this version wrote it. */
const isDescribed = (value: unknown): value is ModelFiles.Described =>
  typeof value === "object" &&
  value !== null &&
  "classes" in value &&
  "preprocessing" in value &&
  "outside" in value

const described = async (): Promise<ModelFiles.Described> => {
  const response = await fetch(new URL("model.json", import.meta.url))
  const value: unknown = response.ok ? await response.json() : undefined
  if (!isDescribed(value)) throw new Error(`model.json does not come: ${response.status}`)
  return value
}

const model = async (): Promise<Model> => {
  const [{ outside, ...about }, bytes] = await Promise.all([described(), Packed.load("model.onnx.zst")])
  const beside = outside.map(async (name, at) => [name, await Packed.load(ModelFiles.weights(at))] as const)
  return { ...about, file: "model.onnx", bytes, outside: Object.fromEntries(await Promise.all(beside)) }
}

const script = (name: string) => () => new Worker(new URL(`${name}.js`, import.meta.url), { type: "module" })

/** The codec. */
export const layerCodec: Layer.Layer<ImageCodec> = Layer.effect(
  ImageCodec,
  Codec.make(script("DecodingWorker"))
)

const load = Effect.tryPromise({
  try: () => Promise.all([model(), Packed.load("ort.wasm.zst")]),
  catch: (cause) =>
    new ModelNotLoadable({
      model: "model",
      detail: messageOf(cause)
    })
})

/** The model. */
export const layer: Layer.Layer<Transport, SegFormerWeb.LoadError, ImageCodec> = Layer.unwrap(
  Effect.map(load, ([model, wasm]) =>
    SegFormerWeb.layer({
      model: { name: model.name, open: () => Effect.succeed(model) },
      confidence: true,
      worker: script("SessionWorker"),
      assets: { wasm: URL.createObjectURL(new Blob([wasm], { type: "application/wasm" })) }
    })
  )
)
