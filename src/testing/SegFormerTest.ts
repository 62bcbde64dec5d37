/**
 * Fakes at the `Transport` seam, for tests of programs that segment: a function, or a script of outcomes that
 * records what it was asked.
 *
 * Both run under `Policy.standard`, as a service would, so that a test on a `TestClock` sees the same retries and
 * time-outs; `policy` changes that.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const program = Effect.gen(function* () {
 *   yield* segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" }))
 *   const asked = yield* SegFormerTest.Recorded
 *   return (yield* asked.calls).map((call) => call.image.name)
 * })
 * const script = SegFormerTest.script([SegFormerTest.succeed(Fixtures.prediction)])
 * await Effect.runPromise(Effect.provide(program, script)) // => ["panel.png"]
 * ```
 */
import { Clock, Context, type Duration, Effect, Layer } from "effect"
import type { Image } from "../image/ImageSource.ts"
import type { Attempt } from "../policy/Attempt.ts"
import * as Policy from "../policy/Policy.ts"
import type { Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { type PredictRequest, Transport } from "../Transport.ts"

export interface TestOptions {
  /** As errors and metrics call it. `test` by default. */
  readonly name?: string | undefined
  /** Changes to `Policy.standard`. */
  readonly policy?: Policy.PolicyOptions | undefined
}

/** A transport that answers by a function. */
export const layer = (
  predict: (request: PredictRequest, attempt: Attempt) => Effect.Effect<Prediction, SegmentationError>,
  options?: TestOptions
): Layer.Layer<Transport> =>
  Transport.layer({ name: options?.name ?? "test", predict, policy: Policy.make(options?.policy ?? {}) })

/** What happens to one attempt: any effect may stand in a script. */
export type Outcome = Effect.Effect<Prediction, SegmentationError>

export const succeed = (prediction: Prediction): Outcome => Effect.succeed(prediction)
export const failWith = (error: SegmentationError): Outcome => Effect.fail(error)
/** The outcome, after a while. */
export const delay = (duration: Duration.Input, outcome: Outcome): Outcome => Effect.delay(outcome, duration)
/** No outcome at all: the attempt hangs until it is interrupted. */
export const never: Outcome = Effect.never

/** One attempt, as the script saw it. */
export interface RecordedCall {
  readonly image: Image
  /** 1 for the first attempt of its call. */
  readonly attempt: number
  readonly callId: string
  readonly idempotencyKey: string
  /** Milliseconds of the (test) clock. */
  readonly at: number
}

/** What a script was asked, in order. */
export class Recorded extends Context.Service<
  Recorded,
  { readonly calls: Effect.Effect<ReadonlyArray<RecordedCall>> }
>()("effect-segformer/testing/SegFormerTest/Recorded") {}

/**
 * A transport whose attempts end as the script says, one outcome after the other. An attempt beyond its end is a
 * mistake of the test, and dies saying so.
 */
export const script = (
  outcomes: ReadonlyArray<Outcome>,
  options?: TestOptions
): Layer.Layer<Transport | Recorded> =>
  Layer.unwrap(
    Effect.sync(() => {
      const calls: Array<RecordedCall> = []
      const predict = ({ image }: PredictRequest, attempt: Attempt) =>
        Effect.flatMap(Clock.currentTimeMillis, (at) => {
          const outcome = outcomes[calls.length]
          calls.push({
            image,
            attempt: attempt.number,
            callId: attempt.callId,
            idempotencyKey: attempt.idempotencyKey,
            at
          })
          return (
            outcome ??
            Effect.die(
              new Error(`The script has ${outcomes.length} outcomes, but was asked ${calls.length} times`)
            )
          )
        })
      return Layer.merge(
        layer(predict, options),
        Layer.succeed(Recorded, { calls: Effect.sync(() => [...calls]) })
      )
    })
  )
