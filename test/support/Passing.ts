/** Waits that a policy asks for, without waiting: time passes by itself on the test clock, some twenty times as fast. */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

/** A turn of the event loop and more, of real time: what is asked over a socket of this process moves on. */
const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

/**
 * Runs what waits for retries and time-outs to its end, in an `it.effect`. With each turn of the event loop time moves on
 * by `step`, in milliseconds: by 0 for as long as a time-out must not come yet. Not for what another process does, whose
 * time is not this one.
 */
export const passing = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  step: () => number = () => 25
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(work)
    while (fiber.pollUnsafe() === undefined) {
      yield* turn
      yield* TestClock.adjust(step())
    }
    return yield* Fiber.join(fiber)
  })
