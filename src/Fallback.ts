/**
 * The first that answers: a transport that asks others one after the other, each under its own policy.
 *
 * It is an `ExecutionPlan` of Effect's, so its steps show in `ExecutionPlan.CurrentMetadata`. A service whose circuit
 * is open costs nothing: the next is asked at once.
 */
import { Cause, Context, Effect, ExecutionPlan, Layer, type Scope } from "effect"
import type { SegmentationError } from "./SegmentationError.ts"
import { Transport } from "./Transport.ts"
import * as Members from "./TransportMembers.ts"

export interface FallbackOptions {
  /** Whether another is asked after this failure. By default after all but those of what is no image anywhere. */
  readonly when?: ((error: SegmentationError) => boolean) | undefined
}

/** A transport that asks each of these in turn. The last failure is its own. */
export const make = (
  members: Members.Members,
  options: FallbackOptions = {}
): Effect.Effect<Transport["Service"], never, Scope.Scope> => {
  const { when = Members.mayDoBetter } = options
  const step = (member: Transport["Service"]) => ({
    provide: Context.make(Transport, member),
    // Asked of the failure before it.
    while: (error: SegmentationError) => when(error)
  })
  const [first, ...rest] = members
  const plan = ExecutionPlan.make({ provide: Context.make(Transport, first) }, ...rest.map(step))
  return Transport.make({
    name: members.map(({ name }) => name).join(", else "),
    predict: (request, attempt) =>
      Effect.flatMap(Transport, (member) => Members.predict(member, request, attempt)).pipe(
        Effect.withExecutionPlan(plan, {
          onEvent: (event) =>
            event._tag === "AttemptFailure" &&
            event.stepIndex < rest.length &&
            !Cause.hasInterruptsOnly(event.cause)
              ? Effect.logWarning(`${members[event.stepIndex]?.name} did not answer`, event.cause)
              : Effect.void
        })
      ),
    health: Members.health(members),
    describe: Members.describe(members)
  })
}

/** A layer of it, from layers. Their state (circuits, queues, sessions) lives as long as the layer. */
export function layer<const Layers extends readonly [Members.AnyLayer, ...ReadonlyArray<Members.AnyLayer>]>(
  layers: Layers,
  options?: FallbackOptions
): Layer.Layer<Transport, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>
export function layer(
  layers: readonly [Members.AnyLayer, ...ReadonlyArray<Members.AnyLayer>],
  options?: FallbackOptions
): Members.AnyLayer {
  return Layer.effect(
    Transport,
    Effect.flatMap(Members.build(layers), (members) => make(members, options))
  )
}
