/**
 * A SegFormer in ONNX format, run on this machine: a `Transport` over the model in this package, a folder, or one of
 * the Hub.
 *
 * The model runs in processes of its own, so that this one's event loop stays free, an interrupted call returns at
 * once, and a model that takes all memory ends its process and not the program. Results are those of
 * `SegformerImageProcessor` around the model: Pillow's resize, and label maps from logits at the image's size.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { SegFormerOnnx } from "effect-segformer/onnx"
 * import { SharpCodec } from "effect-segformer/sharp"
 * import { Fixtures } from "effect-segformer/testing"
 *
 * const program = Effect.map(segment(ImageSource.bytes(Fixtures.image)), (found) => [found.width, found.height])
 * const embedded = SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer))
 * await Effect.runPromise(Effect.provide(program, embedded)) // => [48, 32]
 * ```
 */
import { Config, Effect, Layer, Option, type Scope } from "effect"
import type { ImageCodec } from "../../image/ImageCodec.ts"
import * as ErrorKind from "../../ErrorKind.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import type { SpanName } from "../../TelemetryNames.ts"
import { Transport } from "../../Transport.ts"
import type { ModelSource } from "../Model.ts"
import { OnnxRuntime } from "../OnnxRuntime.ts"
import * as OnnxTransport from "../OnnxTransport.ts"
import { bundled } from "./ModelSource.ts"
import * as NativeRuntime from "./NativeRuntime.ts"
import { graphOptimizations, type Provider, providers, type SessionSettings } from "./Provider.ts"
import * as Wrapped from "../../policy/Wrapped.ts"

export interface SegFormerOnnxOptions<R = never> extends OnnxTransport.OnnxTransportOptions {
  /** `ModelSource.bundled` by default. */
  readonly model?: ModelSource<R> | undefined
  /**
   * By what the model runs: `"cpu"`, `"cuda"`, `"tensorrt"`, `"directml"`, `"coreml"`, `"webgpu"`. One that the package does not hold
   * for this platform, or that cannot be used, is a failure. `"auto"` takes the first accelerator whose labels are those of the
   * processor and that is faster, and says once which it is and why. By default `SEGFORMER_PROVIDER`, or else `"cpu"`.
   */
  readonly provider?: Provider | undefined
  /** How much ONNX Runtime rewrites the graph: `"disabled"`, `"basic"`, `"extended"`, or `"all"`, the default. */
  readonly graphOptimization?: SessionSettings["graphOptimization"]
  /** `false` gives memory back after each picture, and takes longer. */
  readonly memoryArena?: boolean | undefined
  /** A file that the rewritten graph is written to. It is a model for this machine, and loads sooner. */
  readonly optimizedModel?: string | undefined
}

/** Where no option says by what a model runs. */
const providerOf = (model: string): Effect.Effect<Provider | undefined, ModelNotLoadable> =>
  Config.option(Config.Literals(providers, "SEGFORMER_PROVIDER")).pipe(
    Effect.map(Option.getOrUndefined),
    Effect.mapError(
      () =>
        new ModelNotLoadable({ model, detail: `SEGFORMER_PROVIDER must be one of ${providers.join(", ")}` })
    )
  )

export type { LoadError } from "../OnnxTransport.ts"

/** A transport whose sessions are loaded and warm. They end with the scope. */
export const make = Effect.fn("SegFormerOnnx.make" satisfies SpanName)(<R = never>(
  options: SegFormerOnnxOptions<R> = {}
): Effect.Effect<Transport["Service"], OnnxTransport.LoadError, ImageCodec | R | Scope.Scope> => {
  const { graphOptimization, memoryArena, model = bundled, optimizedModel } = options
  ErrorKind.oneOf("SegFormerOnnx", "provider", options.provider, providers)
  ErrorKind.oneOf("SegFormerOnnx", "graphOptimization", graphOptimization, graphOptimizations)
  const provider = options.provider === undefined ? providerOf(model.name) : Effect.succeed(options.provider)
  return Effect.flatMap(provider, (provider) =>
    Effect.provideService(
      OnnxTransport.make<R>("SegFormerOnnx", model, options),
      OnnxRuntime,
      NativeRuntime.make({ provider, graphOptimization, memoryArena, optimizedModel })
    )
  )
})

/** A layer of {@link make}. The model is loaded when the layer is built, so that a broken one is found then. */
export const layer = <R = never>(
  options?: SegFormerOnnxOptions<R>
): Layer.Layer<Transport, OnnxTransport.LoadError, ImageCodec | R> => Layer.effect(Transport, make(options))

/** The same, with its options from configuration: a `Config` for each, such as `{ threads: Config.Int("THREADS") }`. */
export const layerConfig = <R = never>(
  config: Wrapped.Wrap<SegFormerOnnxOptions<R>>
): Layer.Layer<Transport, OnnxTransport.LoadError | Config.ConfigError, ImageCodec | R> =>
  Layer.effect(
    Transport,
    Effect.flatMap(Wrapped.unwrap<SegFormerOnnxOptions<R>>(config), (options) => make(options))
  )
