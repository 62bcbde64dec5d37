/** Random histories against plain models, on a test clock. */
import { Effect, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

/** Runs one history on a test clock of its own; a failed assertion rejects, and fast-check shrinks the history. */
export const onTestClock = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(
    effect.pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.provide(Logger.layer([])))
  )

export const check = <T>(history: fc.Arbitrary<T>, property: (history: T) => Promise<void>, numRuns = 200) =>
  fc.assert(fc.asyncProperty(history, property), { numRuns })
