/**
 * Rate limits and circuits that all workers share, in Redis: `limit` attempts a second means that many for all of them
 * together, and a service that is down for one is left alone by the others. Provide it to the layer of the transport;
 * without it, each worker counts for itself.
 *
 * ```ts
 * import { Effect, Layer, Redacted } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { ClusterEngine, SharedLimits } from "effect-segformer/cluster"
 * import { Inspection, SegFormerHttp } from "effect-segformer/http"
 *
 * const service = SegFormerHttp.layer({
 *   baseUrl: "http://inspector.internal:8080",
 *   protocol: Inspection.make(),
 *   policy: { rateLimit: { limit: 50 } }
 * }).pipe(
 *   Layer.provide(FetchHttpClient.layer),
 *   Layer.provide(SharedLimits.layer({ redis: Redacted.make("redis://redis.internal:6379") }))
 * )
 * Layer.isLayer(service) // => true
 * ```
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Layer, Redacted } from "effect"
import { CircuitBreaker, RateLimiter, type Redis } from "effect/persistence"

export interface SharedLimitsOptions {
  /** Such as `redis://user:password@host:6379`. */
  readonly redis: Redacted.Redacted
  /** Before the names of keys, so that several clusters can use one Redis. `segformer:` by default. */
  readonly prefix?: string | undefined
}

/** The stores of rate limits and circuits, in Redis. */
export const layer = (
  options: SharedLimitsOptions
): Layer.Layer<RateLimiter.RateLimiterStore | CircuitBreaker.CircuitBreakerStore, Redis.RedisError> => {
  const prefix = options.prefix ?? "segformer:"
  return Layer.mergeAll(
    RateLimiter.layerStoreRedis({ prefix: `${prefix}limit:` }),
    CircuitBreaker.layerStoreRedis({ prefix: `${prefix}circuit:` })
  ).pipe(
    // A Redis that is gone must not hold calls up: without it they go on, each worker for itself.
    Layer.provide(NodeRedis.layer({ url: Redacted.value(options.redis), disableOfflineQueue: true }))
  )
}
