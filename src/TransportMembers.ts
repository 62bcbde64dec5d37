/** The transports behind a transport, or behind a comparison: built once, asked one by one. */
import { Context, Effect, Layer, Result } from "effect"
import type { Attempt } from "./policy/Attempt.ts"
import { nestedIn } from "./policy/NestedAttempt.ts"
import type { PolicyError } from "./policy/PolicyError.ts"
import type { Prediction } from "./Prediction.ts"
import type { SegmentationError } from "./SegmentationError.ts"
import type { ServiceError } from "./service/ServiceError.ts"
import { type Health, type ModelDescription, type PredictRequest, Transport } from "./Transport.ts"

/** A layer of a transport, whatever it needs and however it fails. */
export type AnyLayer = Layer.Layer<Transport, unknown, unknown>

/** At least one, each of its own kind. */
export type AnyLayers = readonly [AnyLayer, ...ReadonlyArray<AnyLayer>]

/** The layers of a list, or the one that is given alone. */
export type Each<L> = L extends ReadonlyArray<infer M extends AnyLayer> ? M : L extends AnyLayer ? L : never

/** At least one. */
export type Members = readonly [Transport["Service"], ...ReadonlyArray<Transport["Service"]>]

/** Builds each layer in the scope. */
export const build = (
  layers: readonly [AnyLayer, ...ReadonlyArray<AnyLayer>]
): Effect.Effect<Members, unknown, unknown> =>
  Effect.forEach(layers, (layer) =>
    Effect.map(Layer.build(layer), (context) => Context.get(context, Transport))
  )

/** A prediction by one of them, under its own policy, as part of an attempt. */
export const predict = (
  member: Transport["Service"],
  request: PredictRequest,
  whole: Attempt
): Effect.Effect<Prediction, SegmentationError> =>
  Effect.map(
    // Another may be asked meanwhile: a circuit that is open costs nothing.
    member.runner.run((attempt) => member.predict(request, nestedIn(attempt, whole)), {
      waitsForCircuit: false
    }),
    ({ value }) => value
  )

/**
 * Whether another may do better. What is no image is none anywhere: asking another would only take longer. But another may
 * take a type or a size that this one does not.
 */
export const mayDoBetter = (error: SegmentationError): boolean =>
  error.concerns !== "image" ||
  error._tag === "UnsupportedImage" ||
  error._tag === "ImageTooLarge" ||
  error._tag === "RequestRejected"

/** Well if one of them is. */
export const health = (members: Members): Effect.Effect<Health> =>
  Effect.map(
    Effect.forEach(
      members,
      (member) => Effect.map(Effect.result(member.health), (result) => [member, result] as const),
      {
        concurrency: "unbounded"
      }
    ),
    (asked) => ({
      healthy: asked.some(([, result]) => Result.isSuccess(result) && result.success.healthy),
      detail: asked
        .map(
          ([{ name }, result]) =>
            `${name}: ${Result.isSuccess(result) ? result.success.detail : result.failure.message}`
        )
        .join("; ")
    })
  )

/** The model of the first that says. */
export const describe = (members: Members): Effect.Effect<ModelDescription, ServiceError | PolicyError> =>
  Effect.firstSuccessOf(members.map((member) => member.describe))
