/**
 * A SegFormer in ONNX format, run in WebAssembly: in a browser, in Bun, Deno and functions, and on machines for which ONNX
 * Runtime has no binary. The same `Transport` as `SegFormerOnnx` of `effect-segformer/onnx`, with the same results; of a
 * program only the layer changes.
 *
 * The model runs in a worker, so that the main thread stays free and an interrupted call returns at once; the workers end
 * with the scope. Pictures are decoded by `CanvasCodec` (browsers), `PureCodec` (anywhere) or `SharpCodec` (Node).
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { PureCodec } from "effect-segformer/image"
 * import { SegFormerWeb } from "effect-segformer/onnx/web"
 * import { Fixtures } from "effect-segformer/testing"
 *
 * const program = Effect.map(segment(ImageSource.bytes(Fixtures.image)), (found) => [found.width, found.height])
 * const anywhere = SegFormerWeb.layer().pipe(Layer.provide(PureCodec.layer()))
 * await Effect.runPromise(Effect.provide(program, anywhere)) // => [48, 32]
 * ```
 */
import { Config, Effect, Layer, type Scope } from "effect"
import type { ImageCodec } from "../../image/ImageCodec.ts"
import type { SpanName } from "../../TelemetryNames.ts"
import { Transport } from "../../Transport.ts"
import type { ModelSource } from "../Model.ts"
import { OnnxRuntime } from "../OnnxRuntime.ts"
import * as OnnxTransport from "../OnnxTransport.ts"
import * as WebModel from "./WebModel.ts"
import * as WebRuntime from "./WebRuntime.ts"
import * as Wrapped from "../../policy/Wrapped.ts"

export interface SegFormerWebOptions<R = never>
  extends OnnxTransport.OnnxTransportOptions, WebRuntime.WebRuntimeOptions {
  /** `WebModel.bundled` by default. */
  readonly model?: ModelSource<R> | undefined
}

export type { LoadError } from "../OnnxTransport.ts"

/** A transport whose sessions are loaded and warm. They end with the scope. */
export const make = Effect.fn("SegFormerWeb.make" satisfies SpanName)(
  <R = never>(
    options: SegFormerWebOptions<R> = {}
  ): Effect.Effect<Transport["Service"], OnnxTransport.LoadError, ImageCodec | R | Scope.Scope> =>
    Effect.andThen(
      // The runtime takes one then, and says so where nobody looks.
      (options.threads ?? 1) > 1 && !WebRuntime.sharesMemory()
        ? Effect.logWarning(
            `SegFormerWeb: one thread is used and not ${options.threads}, since this page is not isolated from others: it takes the headers ` +
              "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp"
          )
        : Effect.void,
      Effect.provideServiceEffect(
        OnnxTransport.make<R>("SegFormerWeb", options.model ?? WebModel.bundled, options),
        OnnxRuntime,
        WebRuntime.make(options)
      )
    )
)

/** A layer of {@link make}. The model is loaded when the layer is built, so that a broken one is found then. */
export const layer = <R = never>(
  options?: SegFormerWebOptions<R>
): Layer.Layer<Transport, OnnxTransport.LoadError, ImageCodec | R> => Layer.effect(Transport, make(options))

/** The same, with its options from configuration: a `Config` for each, such as `{ threads: Config.Int("THREADS") }`. */
export const layerConfig = <R = never>(
  config: Wrapped.Wrap<SegFormerWebOptions<R>>
): Layer.Layer<Transport, OnnxTransport.LoadError | Config.ConfigError, ImageCodec | R> =>
  Layer.effect(
    Transport,
    Effect.flatMap(Wrapped.unwrap<SegFormerWebOptions<R>>(config), (options) => make(options))
  )
