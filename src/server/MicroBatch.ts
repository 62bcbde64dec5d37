/**
 * Images that arrive together, predicted together: a batch goes when it is full, or a few milliseconds after its first
 * image. That pays where a transport has `predictMany`; any other is left as it is.
 *
 * A caller that leaves before its batch goes is not in it; a batch that all callers have left is interrupted.
 */
import { type Cause, Deferred, type Duration, Effect, Fiber, Metric, Result, type Scope } from "effect"
import type { Attempt } from "../policy/Attempt.ts"
import type { Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { type PredictRequest, Transport } from "../Transport.ts"
import * as Telemetry from "../TelemetryNames.ts"

export interface MicroBatchOptions {
  /** Images in a batch at most. 8 by default. */
  readonly size?: number | undefined
  /** How long the first image of a batch waits for others. 5 milliseconds by default. */
  readonly delay?: Duration.Input | undefined
}

/** Images in a batch at most, unless said otherwise. */
export const defaultSize = 8

interface Member {
  readonly request: PredictRequest
  readonly attempt: Attempt
  readonly done: Deferred.Deferred<Prediction, SegmentationError>
}

interface Batch {
  readonly members: Array<Member>
  /** Callers that still wait. */
  waiting: number
  /** Set once it goes. */
  work: Fiber.Fiber<void> | "going" | undefined
}

const sizes = Telemetry.servers.histogram("segformer.batch.images")

/** The transport, its images gathered into batches until the scope ends. */
export const make = Effect.fnUntraced(function* (
  transport: Transport["Service"],
  { delay = "5 millis", size = defaultSize }: MicroBatchOptions = {}
): Effect.fn.Return<Transport["Service"], never, Scope.Scope> {
  const { predictMany } = transport
  if (predictMany === undefined || size < 2) return transport
  const scope = yield* Effect.scope
  let open: Batch | undefined

  const run = (batch: Batch, first: Member): Effect.Effect<void> =>
    Metric.update(sizes, batch.members.length).pipe(
      Effect.andThen(
        predictMany(
          batch.members.map(({ request }) => request),
          first.attempt
        )
      ),
      Effect.flatMap((results) =>
        results.length === batch.members.length
          ? Effect.forEach(
              batch.members,
              ({ done }, index) => {
                const result = results[index]!
                return Result.isSuccess(result)
                  ? Deferred.succeed(done, result.success)
                  : Deferred.fail(done, result.failure)
              },
              { discard: true }
            )
          : Effect.die(
              new Error(
                `predictMany of ${transport.name} gave ${results.length} results for ${batch.members.length} images`
              )
            )
      ),
      Effect.catchCause((cause: Cause.Cause<SegmentationError>) =>
        Effect.forEach(batch.members, ({ done }) => Deferred.failCause(done, cause), { discard: true })
      )
    )

  const go = (batch: Batch): Effect.Effect<void> =>
    Effect.suspend(() => {
      const [first] = batch.members
      if (batch.work !== undefined) return Effect.void
      batch.work = "going"
      if (open === batch) open = undefined
      if (first === undefined) return Effect.void
      return Effect.map(Effect.forkIn(run(batch, first), scope), (fiber) => {
        batch.work = fiber
      })
    })

  const leave = (batch: Batch, member: Member): Effect.Effect<void> =>
    Effect.suspend(() => {
      batch.waiting--
      if (batch.work === undefined) {
        batch.members.splice(batch.members.indexOf(member), 1)
        return Effect.void
      }
      return batch.waiting === 0 && batch.work !== "going" ? Fiber.interrupt(batch.work) : Effect.void
    })

  const join = (batch: Batch, member: Member): Effect.Effect<void> =>
    Effect.suspend(() => {
      batch.members.push(member)
      batch.waiting++
      if (batch.members.length >= size) return go(batch)
      if (batch.members.length > 1) return Effect.void
      return Effect.asVoid(Effect.forkIn(Effect.andThen(Effect.sleep(delay), go(batch)), scope))
    })

  return Transport.of({
    ...transport,
    predict: (request, attempt) =>
      Effect.suspend(() => {
        const batch = (open ??= { members: [], waiting: 0, work: undefined })
        const member: Member = { request, attempt, done: Deferred.makeUnsafe() }
        return Effect.onInterrupt(Effect.andThen(join(batch, member), Deferred.await(member.done)), () =>
          leave(batch, member)
        )
      })
  })
})
