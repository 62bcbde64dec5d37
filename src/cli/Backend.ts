/**
 * Who segments: the model in the package, another model, or a service. What that takes (onnxruntime, sharp, undici) is
 * loaded when a command needs it, and not for `--help`.
 */
import { createHash } from "node:crypto"
import { createReadStream, existsSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { pipeline } from "node:stream/promises"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Context, Effect, Layer, type Scope } from "effect"
import {
  HttpClient,
  type HttpClientError,
  type HttpClientRequest,
  type HttpClientResponse
} from "effect/http"
import type { ServiceSettings } from "../http/ServiceSettings.ts"
import type { ImageCodec } from "../image/ImageCodec.ts"
import * as AddressGuard from "../service/AddressGuard.ts"
import type { DependencyMissing } from "../image/ImageError.ts"
import type { HubNeeds } from "../onnx/native/ModelSource.ts"
import type { Provider } from "../onnx/native/Provider.ts"
import * as WeightFiles from "../onnx/WeightFiles.ts"
import type { SegFormerWebOptions } from "../onnx/web/SegFormerWeb.ts"
import type { Transport } from "../Transport.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import type { RemoteOptions, WayOptions } from "./Remote.ts"

export interface BackendOptions extends RemoteOptions {
  /** A folder, an `.onnx` file, or an id of the Hub. */
  readonly model?: string | undefined
  readonly sessions?: number | undefined
  /** Which of the model's files, such as `fp16`. */
  readonly variant?: string | undefined
  /** Of a model that gives one number a pixel. */
  readonly threshold?: number | undefined
  /** Of a model with several outputs: the one to read. */
  readonly modelOutput?: string | undefined
  /** By what it runs. */
  readonly provider?: Provider | undefined
  /** Run it in WebAssembly, whatever else there is. */
  readonly webAssembly?: boolean | undefined
  /** How sure a model is of each pixel, which takes it longer. */
  readonly confidence?: boolean | undefined
  /** How unsure a model is of each image as a whole: results are ranked by it. */
  readonly uncertainty?: boolean | undefined
}

const unavailable = ExitCode.by(ExitCode.unavailable)

type Made = Effect.Effect<Transport["Service"], ExitCode.Ended, Scope.Scope | ImageCodec>

const remote = ExitCode.loaded(() => import("./Remote.ts"))

/** The transport, ready: a model is loaded, a service has said that it is well. */
export const make = (options: BackendOptions): Made =>
  Flags.isRemote(options) || options.settings !== undefined
    ? Effect.flatMap(remote, (Remote) => Remote.make(options))
    : makeModel(options)

/** What a settings file, a palette and the environment say of the service; `undefined` where that is nothing. */
export const settingsOf = (
  options: BackendOptions
): Effect.Effect<ServiceSettings | undefined, ExitCode.Ended> =>
  options.service === undefined && options.palette === undefined && options.settings === undefined
    ? Effect.succeed(undefined)
    : Effect.flatMap(remote, (Remote) => Remote.settingsOf(options))

/** What results of a service depend on: a run that is gone on with must not have others. */
export const fingerprint = (settings: ServiceSettings | undefined): Readonly<Record<string, string>> =>
  settings === undefined
    ? {}
    : { "service settings": createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16) }

/**
 * The digest of a model's file on this machine, where there is one, as a name says nothing of the weights behind it; and
 * how it is read.
 */
export const modelFingerprint = ({
  model,
  modelOutput,
  threshold,
  variant
}: Pick<BackendOptions, "model" | "variant" | "threshold" | "modelOutput">): Effect.Effect<
  Readonly<Record<string, string>>
> =>
  Effect.promise(async () => {
    const read = {
      ...(variant === undefined ? {} : { variant }),
      ...(threshold === undefined ? {} : { threshold: String(threshold) }),
      ...(modelOutput === undefined ? {} : { output: modelOutput })
    }
    if (model === undefined) return read
    const files = WeightFiles.named(variant ?? "model")
    const file = [model, ...files.flatMap((name) => [join(model, name), join(model, basename(name))])].find(
      (path) => existsSync(path) && statSync(path).isFile()
    )
    if (file === undefined) return read
    const hash = createHash("sha256")
    await pipeline(createReadStream(file), hash)
    return { ...read, "model file": hash.digest("hex").slice(0, 16) }
  })

const makeModel = Effect.fnUntraced(function* (
  options: BackendOptions
): Effect.fn.Return<Transport["Service"], ExitCode.Ended, Scope.Scope | ImageCodec> {
  const { ModelSource, SegFormerOnnx } = yield* ExitCode.loaded(() => import("../onnx/index.ts"))
  const {
    confidence,
    model: name,
    modelOutput,
    provider,
    sessions,
    threshold,
    uncertainty,
    variant
  } = options
  const isId = name !== undefined && /^\w[\w.-]*\/\w[\w.-]*(?<!\.onnx)$/.test(name) && !existsSync(name)
  const model = name === undefined ? undefined : isId ? ModelSource.hub(name) : ModelSource.folder(name)
  const own = { model, sessions, confidence, uncertainty, variant, threshold, output: modelOutput, provider }
  const made =
    options.webAssembly === true
      ? webAssembly(own)
      : SegFormerOnnx.make(own).pipe(
          Effect.catchTag("DependencyMissing", (missing) =>
            isOfRuntime(missing) && (provider === undefined || provider === "cpu" || provider === "auto")
              ? inPlaceOf(own, missing)
              : Effect.fail(missing)
          )
        )
  return yield* made.pipe(
    Effect.mapError(unavailable),
    Effect.provide([layerHttpClient(options), NodeFileSystem.layer])
  )
})

const webAssembly = (options: SegFormerWebOptions<HubNeeds>) =>
  Effect.flatMap(
    ExitCode.loaded(() => import("../onnx/web/index.ts")),
    ({ SegFormerWeb }) => SegFormerWeb.make(options)
  )

const isOfRuntime = ({ packages }: DependencyMissing): boolean =>
  packages.some((name) => name.startsWith("onnxruntime-"))

/** Where there is no binary, for this machine or at all, and what runs without one is installed; else what is missing. */
const inPlaceOf = Effect.fnUntraced(function* (
  options: SegFormerWebOptions<HubNeeds>,
  missing: DependencyMissing
) {
  const made = yield* webAssembly(options).pipe(
    Effect.catchTag("DependencyMissing", () => Effect.fail(missing))
  )
  yield* Effect.logWarning(
    `The model runs in WebAssembly, slower than a binary would: ${missing.detail.replace(/; .*/, "")}`
  )
  return made
})

/** Decoding and encoding, by sharp. */
export const layerCodec: Layer.Layer<ImageCodec> = Layer.unwrap(
  Effect.map(
    Effect.orDie(ExitCode.loaded(() => import("../image/SharpCodec.ts"))),
    (SharpCodec) => SharpCodec.layer
  )
)

/**
 * For images on the web, and what else is asked for: by the same way as a service. It is loaded with the first request,
 * unless the way there is given and must be looked at.
 */
export const layerHttpClient = (way: WayOptions): Layer.Layer<HttpClient.HttpClient, ExitCode.Ended> =>
  way.proxy === undefined && way.ca === undefined
    ? Layer.effect(HttpClient.HttpClient, onDemand)
    : Layer.unwrap(Effect.map(remote, (Remote) => Remote.client(way)))

const onDemand = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const loaded = yield* Effect.cached(
    Effect.flatMap(remote, (Remote) => Layer.buildWithScope(Remote.client({}), scope))
  )
  return HttpClient.makeWith(
    (
      prepared: Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.HttpClientError>
    ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
      Effect.flatMap(prepared, (request) =>
        Effect.flatMap(
          Effect.mapError(loaded, ({ message }) => AddressGuard.refused(request, message)),
          (context) => Context.get(context, HttpClient.HttpClient).execute(request)
        )
      ),
    Effect.succeed<HttpClientRequest.HttpClientRequest>
  )
})
