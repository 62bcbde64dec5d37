/**
 * A second request after a delay: a transport that asks another one (or the same again) when the first takes longer
 * than usual, gives whichever answer comes first, and cancels the rest.
 *
 * It trades load for tail latency, so the load is bounded: hedges are at most a share of the calls, like retries. A
 * failure of one starts the next at once.
 */
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Result, type Scope } from "effect"
import type { Attempt } from "./policy/Attempt.ts"
import { omitUndefined } from "./policy/OmitUndefined.ts"
import * as Policy from "./policy/Policy.ts"
import * as Range from "./policy/Range.ts"
import * as RetryBudget from "./policy/RetryBudget.ts"
import type { Prediction } from "./Prediction.ts"
import type { SegmentationError } from "./SegmentationError.ts"
import { type PredictRequest, Transport } from "./Transport.ts"
import * as Members from "./TransportMembers.ts"

export interface HedgeOptions {
  /** How long an answer may take before another is asked: what 95 % of the calls stay below is a good start. */
  readonly after: Duration.Input
  /** Requests to one service at most, where only one is given. 2 by default. */
  readonly times?: number | undefined
  /** How much load hedges may add: 10 % of the calls over ten seconds, and 1 a second, by default. `false`: any. */
  readonly budget?: Policy.PolicyOptions["retryBudget"]
}

const count: Range.Range = { least: 1, whole: true }

/** A transport that hedges between these, in order. Throws `RangeError` for `times` or a `budget` out of range. */
export const make = Effect.fnUntraced(function* (
  members: Members.Members,
  options: HedgeOptions
): Effect.fn.Return<Transport["Service"], never, Scope.Scope> {
  const after = Duration.fromInputUnsafe(options.after)
  const { times = 2 } = options
  if (!Range.isWithin(count, times))
    throw new RangeError(
      `Transports.hedge: \`times\` must be ${Range.words(count)}, but is ${Range.shown(times)}`
    )
  const only = members.length === 1
  const asked: Members.Members = only
    ? [members[0], ...Array.from({ length: times - 1 }, () => members[0])]
    : members
  // Held to the ranges of a policy.
  const { retryBudget } = Policy.make({
    retryBudget: options.budget !== false && {
      ratio: 0.1,
      perSecond: 1,
      ...omitUndefined(options.budget ?? {})
    }
  })
  const budget = retryBudget && RetryBudget.make(retryBudget)
  const scope = yield* Effect.scope

  const hedged = (request: PredictRequest, attempt: Attempt): Effect.Effect<Prediction, SegmentationError> =>
    Effect.gen(function* () {
      const settled = yield* Deferred.make<Prediction, SegmentationError>()
      const failed = asked.map(() => Deferred.makeUnsafe<void>())
      let failures = 0

      /** When the one at this place begins: at its time, if the load allows, or when the one before it has failed. */
      const turn = (index: number): Effect.Effect<unknown> => {
        if (index === 0) return Effect.void
        const before = Deferred.await(failed[index - 1]!)
        const inTime = Effect.andThen(
          Effect.sleep(Duration.times(after, index)),
          Effect.flatMap(budget?.tryRetry ?? Effect.succeed(true), (allowed) =>
            allowed ? Effect.void : Effect.never
          )
        )
        return Effect.raceFirst(before, inTime)
      }
      const run = (member: Transport["Service"], index: number) =>
        Effect.gen(function* () {
          yield* turn(index)
          const exit = yield* Effect.exit(Members.predict(member, request, attempt))
          const error = Exit.isFailure(exit) ? Result.getOrUndefined(Exit.findError(exit)) : undefined
          failures++
          // The image's own fault, or a mistake of the program: no other has a better answer.
          const isFinal = error === undefined || !Members.mayDoBetter(error)
          if (isFinal || failures === asked.length) yield* Deferred.done(settled, exit)
          yield* Deferred.succeed(failed[index]!, undefined)
        })
      // Fibers of the transport's scope: who has an answer does not wait until the others have let go.
      const fibers = yield* Effect.forEach(asked, (member, index) => Effect.forkIn(run(member, index), scope))
      return yield* Effect.onExit(Deferred.await(settled), (exit) =>
        Exit.isSuccess(exit)
          ? Effect.sync(() => {
              for (const fiber of fibers) fiber.interruptUnsafe()
            })
          : Fiber.interruptAll(fibers)
      )
    })

  const predict: typeof hedged =
    budget === undefined ? hedged : (request, attempt) => budget.count(hedged(request, attempt))
  return yield* Transport.make({
    name: only ? members[0].name : members.map(({ name }) => name).join(", hedged by "),
    predict,
    health: Members.health(members),
    describe: Members.describe(members)
  })
})

/** A layer of it, from one layer or several. Their state (circuits, queues, sessions) lives as long as the layer. */
export function layer<const L extends Members.AnyLayer | Members.AnyLayers>(
  layers: L,
  options: HedgeOptions
): Layer.Layer<Transport, Layer.Error<Members.Each<L>>, Layer.Services<Members.Each<L>>>
export function layer(
  layers: Members.AnyLayer | readonly [Members.AnyLayer, ...ReadonlyArray<Members.AnyLayer>],
  options: HedgeOptions
): Members.AnyLayer {
  return Layer.effect(
    Transport,
    Effect.flatMap(Members.build(isOne(layers) ? [layers] : layers), (members) => make(members, options))
  )
}

const isOne = (layers: Members.AnyLayer | ReadonlyArray<Members.AnyLayer>): layers is Members.AnyLayer =>
  Layer.isLayer(layers)
