/** Calls of one run over many images, which go to a transport no faster together than its service grants them. */
import { Duration, Effect } from "effect"
import type { CallPolicyOptions } from "./policy/Policy.ts"
import * as Throttle from "./policy/Throttle.ts"
import type { Segmentation } from "./Segmentation.ts"
import type { SegmentationError } from "./SegmentationError.ts"
import { Transport } from "./Transport.ts"
import { millis } from "./policy/MonotonicClock.ts"

/** As long as others get through, who is refused asks again; this long after the last that did. */
const patience = Duration.toMillis("1 minute")

/** What the options of a call say of making it again. */
export interface RepeatOptions {
  readonly policy?: CallPolicyOptions | undefined
  readonly retryWhen?: ((error: SegmentationError) => boolean) | undefined
}

export interface Throttled {
  readonly transport: Transport["Service"]
  /** Makes a call again that was refused because there were too many, while the service grants others. */
  readonly whileOthersAreGranted: <R>(
    call: Effect.Effect<Segmentation, SegmentationError, R>,
    options?: RepeatOptions | undefined
  ) => Effect.Effect<Segmentation, SegmentationError, R>
}

/** Whoever is refused together does not come back together. */
const jittered = (policy: CallPolicyOptions | undefined): CallPolicyOptions =>
  policy?.retry === false ? policy : { ...policy, retry: { jitter: true, ...policy?.retry } }

/** The transport of the context, with a throttle that all calls of a run share. */
export const make: Effect.Effect<Throttled, never, Transport> = Effect.gen(function* () {
  const transport = yield* Transport
  const { runner } = transport
  const throttle = yield* Throttle.make(runner.policy.retry.maxRetryAfter)
  /** Who is alone has no others to wait for: its own attempts are all there are. */
  let calls = 0

  /** A call that may be made once, or has a deadline, or may have cost something, is not made again. */
  const mayRepeat = (error: SegmentationError, { policy, retryWhen }: RepeatOptions): boolean => {
    const retry = policy?.retry === false ? 0 : (policy?.retry?.times ?? runner.policy.retry.times)
    const deadline = policy?.deadline ?? runner.policy.deadline ?? false
    const isFree = "wasRefused" in error && error.wasRefused
    const asked = "retryAfter" in error ? error.retryAfter : undefined
    return (
      Throttle.isRefusal(error) &&
      retry > 0 &&
      deadline === false &&
      (isFree || (policy?.resend ?? runner.policy.resend) === "always") &&
      retryWhen?.(error) !== false &&
      (asked === undefined || !Duration.isGreaterThan(asked, runner.policy.retry.maxRetryAfter))
    )
  }

  return {
    transport: {
      ...transport,
      runner: {
        ...runner,
        run: (attempt, options) =>
          runner.run((current) => throttle.watch(attempt(current)), {
            ...options,
            turn: throttle.turn,
            policy: runner.policy.retry.times === 0 ? options?.policy : jittered(options?.policy)
          })
      }
    },
    whileOthersAreGranted: (call, options = {}) => {
      const again: typeof call = Effect.catch(call, (error) =>
        Effect.flatMap(millis, (now) =>
          calls > 1 && mayRepeat(error, options) && now - throttle.grantedAt() < patience
            ? again
            : Effect.fail(error)
        )
      )
      return Effect.suspend(() => {
        calls++
        return again
      })
    }
  }
})
