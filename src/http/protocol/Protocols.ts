/**
 * The protocols by the name that configuration calls them by. A new protocol is its module and a line here.
 */
import { Effect, type Redacted } from "effect"
import { CurrentImageCodec, ImageCodec } from "../../image/ImageCodec.ts"
import * as BentoML from "./BentoML.ts"
import * as Cog from "./Cog.ts"
import * as Custom from "./Custom.ts"
import * as HuggingFace from "./HuggingFace.ts"
import * as Inspection from "./Inspection.ts"
import * as OpenInference from "./OpenInference.ts"
import type { Protocol } from "./Protocol.ts"
import * as Replicate from "./Replicate.ts"
import * as Roboflow from "./Roboflow.ts"
import * as TfServing from "./TfServing.ts"
import * as TorchServe from "./TorchServe.ts"

/** What the environment says besides the address. */
export interface Settings {
  /** `SEGFORMER_MODEL`. */
  readonly model?: string | undefined
  readonly apiKey?: Redacted.Redacted | undefined
}

/** What a protocol lacks to be made. */
export interface Lack {
  /** The variable of the environment that it is about. */
  readonly variable: string
  readonly detail: string
}

/** Makes a protocol from what the environment says, or says what is missing. */
export type Make = (settings: Settings) => Effect.Effect<Protocol, Lack>

const withModel =
  (make: (model: string, settings: Settings) => Effect.Effect<Protocol, Lack>): Make =>
  (settings) =>
    settings.model === undefined
      ? Effect.fail({
          variable: "SEGFORMER_MODEL",
          detail: "is not set, and this protocol asks for a model by name"
        })
      : make(settings.model, settings)

const withCodec = (self: Effect.Effect<Protocol, never, ImageCodec>): Effect.Effect<Protocol, Lack> =>
  Effect.flatMap(CurrentImageCodec, (codec) =>
    codec !== undefined
      ? Effect.provideService(self, ImageCodec, codec)
      : Effect.fail({
          variable: "SEGFORMER_PROTOCOL",
          detail:
            "names a protocol that sends pixels, and there is no `ImageCodec`. Provide `SharpCodec.layer`"
        })
  )

/** Every protocol by its name. */
export const byName: Readonly<Record<string, Make>> = {
  inspection: () => Effect.succeed(Inspection.protocol),
  huggingface: ({ model }) => Effect.succeed(HuggingFace.make({ model })),
  openinference: withModel((model) => withCodec(OpenInference.make({ model }))),
  roboflow: withModel((modelId, { apiKey }) => Effect.succeed(Roboflow.make({ modelId, apiKey }))),
  tfserving: withModel((model) => Effect.succeed(TfServing.make({ model }))),
  torchserve: withModel((model) => Effect.succeed(TorchServe.make({ model }))),
  bentoml: () => Effect.succeed(BentoML.protocol),
  replicate: withModel((version) => Effect.succeed(Replicate.make({ version }))),
  cog: ({ model }) => Effect.succeed(Cog.make({ model })),
  custom: ({ model }) => Effect.succeed(Custom.make({ model }))
}

/** The names, for those who list them. */
export const names: ReadonlyArray<string> = Object.keys(byName)
