/**
 * `ImageCodec` wherever there is JavaScript and WebAssembly, in a worker: PNG, BMP, and JPEG by MozJPEG
 * (`@jsquash/jpeg`, an optional peer). Pixels are those of `SharpCodec`; a colour profile is brought to sRGB within two
 * steps of 255 of what that gives, or three where the black of a profile is not 0. It refuses what it cannot read rightly:
 * other formats, CMYK, profiles of printers.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageCodec, ImageSource, PureCodec } from "effect-segformer/image"
 * import { Fixtures } from "effect-segformer/testing"
 *
 * const program = Effect.gen(function* () {
 *   const codec = yield* ImageCodec
 *   const raster = yield* codec.decode(yield* ImageSource.bytes(Fixtures.image).open())
 *   return [raster.width, raster.height, raster.channels, raster.data.length]
 * })
 * await Effect.runPromise(Effect.provide(program, PureCodec.layer())) // => [48, 32, 3, 4608]
 * ```
 */
import { Config, Effect, Layer, type Scope } from "effect"
import * as DecodingWorker from "./decoding/DecodingWorker.ts"
import { ImageCodec } from "./ImageCodec.ts"
import * as Wrapped from "../policy/Wrapped.ts"

export type PureCodecOptions = DecodingWorker.WorkerCodecOptions

/** The codec. Its worker ends with the scope. */
export const make = (
  options: PureCodecOptions = {}
): Effect.Effect<ImageCodec["Service"], never, Scope.Scope> => DecodingWorker.make("pure", options)

/** A layer of {@link make}. */
export const layer = (options?: PureCodecOptions): Layer.Layer<ImageCodec> =>
  Layer.unwrap(Effect.map(make(options), ImageCodec.layer))

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<PureCodecOptions>
): Layer.Layer<ImageCodec, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Effect.flatMap(Wrapped.unwrap<PureCodecOptions>(config), make), ImageCodec.layer))
