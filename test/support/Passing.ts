/** Waits that a policy asks for, without waiting: time passes by itself on the test clock, some twenty times as fast. */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { eventually } from "./Eventually.ts"

/** A turn of the event loop and more, of real time: what is asked over a socket of this process moves on. */
const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

/**
 * Runs what waits for retries and time-outs, to its end; in an `it.effect`. Time stands still until `from` holds, for a
 * time-out that must not come before what it is about. Not for what another process does, whose time is not this one.
 */
export const passing = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  from: () => boolean = () => true
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(work)
    yield* eventually(() => from() || fiber.pollUnsafe() !== undefined, "time to pass")
    while (fiber.pollUnsafe() === undefined) {
      yield* turn
      yield* TestClock.adjust("25 millis")
    }
    return yield* Fiber.join(fiber)
  })
