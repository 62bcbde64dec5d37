/**
 * Who segments: the model in the package, another model, or a service. What that takes (onnxruntime, sharp, undici) is
 * loaded when a command needs it, and not for `--help`.
 */
import { existsSync } from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Context, type Duration, Effect, Layer, type Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { ImageCodec } from "../image/ImageCodec.ts"
import * as Palette from "../mask/Palette.ts"
import { Transport } from "../Transport.ts"
import * as ExitCode from "./ExitCode.ts"

export interface BackendOptions {
  /** A service instead of a model. */
  readonly url?: string | undefined
  /** A folder, an `.onnx` file, or an id of the Hub. */
  readonly model?: string | undefined
  /** Colours of a service's masks, by name. */
  readonly palette?: PaletteName | undefined
  readonly sessions?: number | undefined
  /** How sure a model is of each pixel, which takes it longer. */
  readonly confidence?: boolean | undefined
  /** For one attempt at a service. */
  readonly timeout?: Duration.Duration | undefined
  /** Attempts at a service under way at once, instead of what the environment says. */
  readonly atOnce?: number | undefined
}

export const palettes = {
  surface: Palette.surface,
  ade20k: Palette.ade20k,
  cityscapes: Palette.cityscapes,
  voc: Palette.pascalVoc
} as const
export type PaletteName = keyof typeof palettes

const unavailable = ExitCode.by(ExitCode.unavailable)
const unusable = ExitCode.by(ExitCode.usage)

type Made = Effect.Effect<Transport["Service"], ExitCode.Ended, Scope.Scope | ImageCodec>

/** The transport, ready: a model is loaded, a service has said that it is well. */
export const make = (options: BackendOptions): Made =>
  options.url === undefined ? makeModel(options) : makeService(options.url, options)

const makeModel = Effect.fnUntraced(function* (
  options: BackendOptions
): Effect.fn.Return<Transport["Service"], ExitCode.Ended, Scope.Scope | ImageCodec> {
  const { ModelSource, SegFormerOnnx } = yield* Effect.promise(() => import("../onnx/index.ts"))
  const { confidence, model: name, sessions } = options
  const isId = name !== undefined && /^\w[\w.-]*\/\w[\w.-]*(?<!\.onnx)$/.test(name) && !existsSync(name)
  const model = name === undefined ? undefined : isId ? ModelSource.hub(name) : ModelSource.folder(name)
  return yield* SegFormerOnnx.make({ model, sessions, confidence }).pipe(
    Effect.provide([FetchHttpClient.layer, NodeFileSystem.layer]),
    Effect.mapError(unavailable)
  )
})

/** By the protocol and the policy of the environment (docs/configuration.md). */
const makeService = Effect.fnUntraced(function* (
  url: string,
  options: BackendOptions
): Effect.fn.Return<Transport["Service"], ExitCode.Ended, Scope.Scope | ImageCodec> {
  const [{ Inspection, SegFormerConfig, SegFormerHttp }, NodeHttp] = yield* Effect.promise(() =>
    Promise.all([import("../http/index.ts"), import("../service/NodeHttp.ts")])
  )
  const client = yield* Effect.mapError(Layer.build(NodeHttp.layerConfig(NodeHttp.config)), unusable)
  const { protocol = "inspection" } = yield* Effect.mapError(
    SegFormerConfig.loadFor({ baseUrl: url }),
    unusable
  )
  const paints = protocol === "inspection"
  if (options.palette !== undefined && !paints)
    return yield* ExitCode.wrong(
      "--palette is for services that paint their masks, and SEGFORMER_PROTOCOL names another protocol: leave it out"
    )
  const connect = (palette: Palette.Palette | undefined) =>
    Layer.build(
      SegFormerHttp.layerConfig(
        SegFormerConfig.configWith({
          baseUrl: url,
          policy: {
            ...(options.timeout === undefined ? {} : { attemptTimeout: options.timeout }),
            ...(options.atOnce === undefined ? {} : { concurrency: options.atOnce })
          },
          ...(paints ? { protocol: Inspection.make({ palette }) } : {})
        })
      )
    ).pipe(
      Effect.map((context) => Context.get(context, Transport)),
      Effect.provideContext(client),
      Effect.mapError(unusable)
    )
  const given = options.palette === undefined ? undefined : palettes[options.palette]
  const transport = yield* connect(given)
  const health = yield* Effect.result(transport.health)
  if (health._tag === "Failure") {
    // A service that is up and has no such route may still segment.
    const { failure } = health
    if (failure._tag !== "NotFound" && failure._tag !== "ResponseNotDecodable")
      return yield* unavailable(failure)
  } else if (!health.success.healthy) {
    const message = `${url} is up, but cannot segment: ${health.success.detail}`
    return yield* unavailable({ message })
  }
  if (given !== undefined || !paints) return transport
  // `segformer serve` says in which colours it paints its masks.
  const { classes } = yield* Effect.orElseSucceed(transport.describe, () => ({ classes: [] }))
  const painted = classes.flatMap((info) =>
    info.color === undefined ? [] : [{ ...info, color: info.color }]
  )
  return painted.length > 0 && painted.length === classes.length ? yield* connect(painted) : transport
})

/** Decoding and encoding, by sharp. */
export const layerCodec: Layer.Layer<ImageCodec> = Layer.unwrap(
  Effect.map(
    Effect.promise(() => import("../image/SharpCodec.ts")),
    (SharpCodec) => SharpCodec.layer
  )
)

/** For images on the web. */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient> = FetchHttpClient.layer
