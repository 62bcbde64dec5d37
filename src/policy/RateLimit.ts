/**
 * The rate limit of `effect/persistence`: a bucket of `burst` tokens that fills evenly, `limit` in each window.
 *
 * The store is taken from the context where there is one (`PolicyStores` lets transports and processes share a limit), and
 * is in memory otherwise, where its time is monotonic. A store that many machines share keeps the wall clock: the
 * monotonic clocks of two machines have nothing to do with each other.
 */
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { withMonotonicClock } from "./MonotonicClock.ts"
import type { RateLimitPolicy } from "./Policy.ts"
import * as PolicyStores from "./PolicyStores.ts"

/** Waits until the next attempt may start. An interrupted wait has used its turn up. */
export type Turn = Effect.Effect<void>

/** `key` names the limit: the origin of the service, so that all its routes share one. */
export const make = Effect.fnUntraced(function* (
  key: string,
  policy: RateLimitPolicy
): Effect.fn.Return<Turn, never, Scope.Scope> {
  const shared = yield* PolicyStores.Stores
  const store =
    shared?.limits ??
    Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)
  const limiter = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store)
  const consume = limiter.consume({
    key,
    algorithm: "token-bucket",
    onExceeded: "delay",
    limit: policy.burst,
    // A token every window / limit, however many the bucket holds.
    window: Duration.times(policy.window, policy.burst / policy.limit)
  })
  const next = shared ? consume : withMonotonicClock(consume)
  return next.pipe(
    Effect.map(({ delay }) => delay),
    // A store that cannot be reached must not stop the calls: they go unlimited, and the log says so.
    Effect.catch((error) =>
      Effect.as(
        Effect.logWarning(`The rate limit of ${key} is not kept for now: ${error.message}`),
        Duration.zero
      )
    ),
    Effect.flatMap((delay) => (Duration.isZero(delay) ? Effect.void : Effect.sleep(delay)))
  )
})
