/**
 * The seam: who does the work. A transport makes one attempt at a prediction and classifies its failure; it never
 * retries. `SegFormerHttp` calls a service, `SegFormerOnnx` runs a model in this process, `SegFormerTest` fakes
 * either; a transport of your own needs only `predict`.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Transport } from "effect-segformer"
 *
 * const allBackground = Transport.layer({
 *   name: "all background",
 *   predict: ({ image }) =>
 *     Effect.succeed({
 *       _tag: "Labels",
 *       classes: [{ id: 0, name: "background" }],
 *       labelMap: { width: image.width, height: image.height, data: new Uint8Array(image.width * image.height) }
 *     })
 * })
 * Layer.isLayer(allBackground) // => true
 * ```
 */
import { Context, Effect, Layer, type Scope } from "effect"
import type { Image } from "./image/ImageSource.ts"
import type { ClassTable } from "./mask/ClassTable.ts"
import type { Attempt } from "./policy/Attempt.ts"
import * as Policy from "./policy/Policy.ts"
import type { PolicyError } from "./policy/PolicyError.ts"
import * as PolicyRunner from "./policy/PolicyRunner.ts"
import type { Prediction } from "./Prediction.ts"
import type { SizeRule } from "./Fitting.ts"
import { fits } from "./Fits.ts"
import type { SegmentationError } from "./SegmentationError.ts"
import type { ServiceError } from "./service/ServiceError.ts"

export interface PredictRequest {
  readonly image: Image
  /** `"logits"`: give those and no label map, where there is a choice; they are to be averaged with others. */
  readonly prefer?: "logits" | undefined
  /** What to do with a map of another size than the image. */
  readonly otherSize?: SizeRule | undefined
}

/** What is known of the model behind a transport. */
export interface ModelDescription {
  readonly name: string
  /** Empty where the other side does not say. */
  readonly classes: ClassTable
}

/** Whether a transport can predict now. */
export interface Health {
  readonly healthy: boolean
  /** Such as "ready", or what is missing. */
  readonly detail: string
}

/** What a transport consists of. */
export interface TransportOptions extends Pick<Transport["Service"], "name" | "predict"> {
  /** What the circuit breaker is keyed by: the origin of a service. The name by default. */
  readonly key?: string | undefined
  /** Unknown model and no classes, unless given. */
  readonly describe?: Effect.Effect<ModelDescription, ServiceError | PolicyError> | undefined
  /** Always healthy, unless given. */
  readonly health?: Effect.Effect<Health, ServiceError | PolicyError> | undefined
  /** The policy that suits it. `Policy.local` by default: one attempt, without limits. */
  readonly policy?: Policy.Policy | undefined
}

/** Who does the work. */
export class Transport extends Context.Service<
  Transport,
  {
    /** For errors, logs and metrics: the address of a service without query, or the name of a model. */
    readonly name: string
    /** One attempt. It sets `attempt.phase` as it goes, so that a time-out can say where it was. */
    readonly predict: (
      request: PredictRequest,
      attempt: Attempt
    ) => Effect.Effect<Prediction, SegmentationError>
    readonly describe: Effect.Effect<ModelDescription, ServiceError | PolicyError>
    readonly health: Effect.Effect<Health, ServiceError | PolicyError>
    /** Runs attempts under the transport's policy. All its callers share queue, budget and circuit. */
    readonly runner: PolicyRunner.PolicyRunner
  }
>()("effect-segformer/Transport") {
  /**
   * A transport with the state of its policy, which ends with the scope. An attempt that gives a map whose size contradicts the
   * image's has failed: whoever stands before it (a cache, a fallback, a circuit, metrics) learns of it.
   */
  static readonly make = (
    options: TransportOptions
  ): Effect.Effect<Transport["Service"], never, Scope.Scope> =>
    Effect.map(
      PolicyRunner.make({ service: options.name, key: options.key, policy: options.policy ?? Policy.local }),
      (runner) =>
        Transport.of({
          name: options.name,
          predict: (request, attempt) =>
            Effect.tap(options.predict(request, attempt), (prediction) =>
              fits(request.image, prediction, options.name, request.otherSize)
            ),
          describe: options.describe ?? Effect.succeed({ name: "unknown", classes: [] }),
          health: options.health ?? Effect.succeed({ healthy: true, detail: "ready" }),
          runner
        })
    )

  /** A layer of one's own transport. */
  static readonly layer = (options: TransportOptions): Layer.Layer<Transport> =>
    Layer.effect(Transport, Transport.make(options))
}
