/**
 * `ImageCodec` by the browser: `createImageBitmap` and a canvas, in a worker. It decodes what the browser does (JPEG, WebP,
 * GIF, AVIF and, in Safari, TIFF and HEIC), oriented and in sRGB; PNG and BMP are read by code of our own, since a canvas
 * cuts 16 bits and loses colours beneath transparency.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CanvasCodec } from "effect-segformer/image"
 * import { SegFormerWeb } from "effect-segformer/onnx/web"
 *
 * export const model = SegFormerWeb.layer().pipe(Layer.provide(CanvasCodec.layer()))
 * ```
 */
import { Config, Effect, Layer, type Scope } from "effect"
import * as DecodingWorker from "./decoding/DecodingWorker.ts"
import { ImageCodec } from "./ImageCodec.ts"
import * as Wrapped from "../policy/Wrapped.ts"

export type CanvasCodecOptions = DecodingWorker.WorkerCodecOptions

/** The codec. Its worker ends with the scope. */
export const make = (
  options: CanvasCodecOptions = {}
): Effect.Effect<ImageCodec["Service"], never, Scope.Scope> => DecodingWorker.make("canvas", options)

/** A layer of {@link make}. */
export const layer = (options?: CanvasCodecOptions): Layer.Layer<ImageCodec> =>
  Layer.unwrap(Effect.map(make(options), ImageCodec.layer))

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<CanvasCodecOptions>
): Layer.Layer<ImageCodec, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Effect.flatMap(Wrapped.unwrap<CanvasCodecOptions>(config), make), ImageCodec.layer))
