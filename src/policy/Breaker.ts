/**
 * The circuit breaker of `effect/persistence`, with its errors in this library's terms and its time monotonic.
 *
 * The store is taken from the context where there is one (`CircuitBreaker.layerStoreRedis` lets processes share a
 * circuit), and is in memory otherwise.
 */
import { Cause, Context, Effect, Exit, Layer, type Scope } from "effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { withMonotonicClock } from "./MonotonicClock.ts"
import type { BreakerPolicy } from "./Policy.ts"
import { CircuitOpen } from "./PolicyError.ts"

/** Runs an attempt if the circuit lets it, and learns from how it ended. */
export interface Breaker {
  readonly protect: <A, E, R>(
    self: Effect.Effect<A, E, R>,
    counts: (error: E) => boolean,
    previous: string | undefined
  ) => Effect.Effect<A, E | CircuitOpen, R>
}

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

const monotonicStore = (store: Store): Store => ({
  admit: (key) => withMonotonicClock(store.admit(key)),
  record: (options) => withMonotonicClock(store.record(options)),
  state: (key) => withMonotonicClock(store.state(key))
})

/** `key` names the circuit: the origin of the service, so that all its routes share one. */
export const make = Effect.fnUntraced(function* (
  key: string,
  policy: BreakerPolicy
): Effect.fn.Return<Breaker, never, Scope.Scope> {
  const given = yield* Effect.serviceOption(CircuitBreaker.CircuitBreakerStore)
  const store =
    given._tag === "Some"
      ? given.value
      : Context.get(yield* Layer.build(CircuitBreaker.layerStoreMemory()), CircuitBreaker.CircuitBreakerStore)
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(policy.failures),
    openDuration: policy.openFor
  }).pipe(Effect.provideService(CircuitBreaker.CircuitBreakerStore, monotonicStore(store)))

  return {
    protect: <A, E, R>(
      self: Effect.Effect<A, E, R>,
      counts: (error: E) => boolean,
      previous: string | undefined
    ) => {
      const classify = (exit: Exit.Exit<A, E>): CircuitBreaker.Outcome => {
        if (Exit.isSuccess(exit)) return CircuitBreaker.success
        const error = Cause.findErrorOption(exit.cause)
        // A refused request says nothing about the health of the service; a defect is ours.
        return error._tag === "Some" && counts(error.value)
          ? CircuitBreaker.failure()
          : CircuitBreaker.ignored
      }
      return Effect.mapError(breaker.execute(self, { key, classify }), (error): E | CircuitOpen =>
        error instanceof CircuitBreaker.CircuitBreakerError
          ? new CircuitOpen({
              service: key,
              retryAfter: error.reason._tag === "CircuitOpen" ? error.reason.retryAfter : undefined,
              failure: previous
            })
          : error
      )
    }
  }
})
