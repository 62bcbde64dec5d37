/**
 * Circuits, rate limits and retry budgets of a host, shared by all that call it. By default each transport has its own;
 * with `layerMemory` the transports of a process share them, with `layerRedis` processes share circuits and rate limits
 * through Redis: what opens a circuit in one opens it in all, one of them probes, and a limit holds for all together.
 *
 * Redis is never what a call fails of. Where it does not answer in time, each process goes on with a circuit and a limit
 * of its own, the log says so once, and Redis is asked again after a while. Only a Redis that is not there when the
 * program starts is an error: an address that is wrong should be found then. `disableOfflineQueue` keeps commands of an
 * outage from being run when it is over.
 *
 * ```ts
 * import * as NodeRedis from "@effect/platform-node/NodeRedis"
 * import { Layer } from "effect"
 * import { SegFormerHttp } from "effect-segformer/http"
 * import { PolicyStores } from "effect-segformer/policy"
 * import { NodeHttp } from "effect-segformer/service/node"
 *
 * const redis = NodeRedis.layer({ url: "redis://127.0.0.1:6379", disableOfflineQueue: true })
 * const shared = PolicyStores.layerRedis().pipe(Layer.provide(redis))
 * const service = SegFormerHttp.layer({ baseUrl: "http://127.0.0.1:8080" }).pipe(
 *   Layer.provide([NodeHttp.layer(), shared])
 * )
 * ```
 */
import { Clock, Config, Context, Duration, Effect, Layer, Predicate, type Scope } from "effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Redis } from "effect/persistence/Redis"
import { millisOf, withMonotonicClock } from "./MonotonicClock.ts"
import * as RetryBudget from "./RetryBudget.ts"
import * as Wrapped from "./Wrapped.ts"

export interface RedisOptions {
  /** Before each key. `effect-segformer:` by default. */
  readonly prefix?: string | undefined
  /** A question to Redis that takes longer has failed. 250 milliseconds by default. */
  readonly timeout?: Duration.Input | undefined
  /** How long a Redis that has failed is left alone. 5 seconds by default. */
  readonly askAgainAfter?: Duration.Input | undefined
}

/** Where circuits, rate limits and retry budgets are kept. */
export interface Shared {
  readonly circuits: CircuitBreaker.CircuitBreakerStore["Service"]
  readonly limits: RateLimiter.RateLimiterStore["Service"]
  readonly budgets: RetryBudget.RetryBudgets
}

/** What transports share. Without it, which is the default, each has its own. */
export const Stores = Context.Reference<Shared | undefined>("effect-segformer/policy/PolicyStores", {
  defaultValue: () => undefined
})

/** All in this process. */
export const makeMemory: Effect.Effect<Shared, never, Scope.Scope> = Effect.suspend(() =>
  Effect.map(
    Layer.build(Layer.merge(CircuitBreaker.layerStoreMemory(), RateLimiter.layerStoreMemory)),
    (stores) => ({
      circuits: Context.get(stores, CircuitBreaker.CircuitBreakerStore),
      limits: monotonic(Context.get(stores, RateLimiter.RateLimiterStore)),
      budgets: RetryBudget.makeShared()
    })
  )
)

/** A layer of {@link makeMemory}. */
export const layerMemory: Layer.Layer<never> = Layer.effect(Stores, makeMemory)

/** Circuits and rate limits in Redis, retry budgets in this process. */
export const makeRedis = Effect.fnUntraced(function* (
  options?: RedisOptions
): Effect.fn.Return<Shared, never, Redis | Scope.Scope> {
  const prefix = options?.prefix ?? "effect-segformer:"
  const shared = yield* Layer.build(
    Layer.merge(
      CircuitBreaker.layerStoreRedis({ prefix: `${prefix}circuit:` }),
      RateLimiter.layerStoreRedis({ prefix: `${prefix}rate:` })
    )
  )
  const own = yield* makeMemory
  const ask = asking(options)
  return {
    circuits: circuits(Context.get(shared, CircuitBreaker.CircuitBreakerStore), own.circuits, ask),
    limits: limits(Context.get(shared, RateLimiter.RateLimiterStore), own.limits, ask),
    budgets: own.budgets
  }
})

/** A layer of {@link makeRedis}. */
export const layerRedis = (options?: RedisOptions): Layer.Layer<never, never, Redis> =>
  Layer.effect(Stores, makeRedis(options))

/** The same, with its options from configuration. */
export const layerRedisConfig = (
  config: Wrapped.Wrap<RedisOptions>
): Layer.Layer<never, Config.ConfigError, Redis> =>
  Layer.effect(Stores, Effect.flatMap(Wrapped.unwrap<RedisOptions>(config), makeRedis))

/** Asks Redis, or what stands in for it while it does not answer. */
type Ask = <A, E extends StoreError, R>(
  shared: Effect.Effect<A, E, R>,
  own: Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R>

type StoreError = CircuitBreaker.CircuitBreakerError | RateLimiter.RateLimiterError

/** An open circuit is an answer; this is none. */
const isSilence = ({ reason }: StoreError): boolean =>
  reason._tag === "CircuitBreakerStoreError" || reason._tag === "RateLimitStoreError"

const asking = (options: RedisOptions | undefined): Ask => {
  const timeout = Duration.fromInputUnsafe(options?.timeout ?? "250 millis")
  const pause = Duration.toMillis(Duration.fromInputUnsafe(options?.askAgainAfter ?? "5 seconds"))
  let isAway = false
  let askAgainAt = 0

  const left = (why: string) =>
    Effect.suspend(() => {
      if (isAway) return Effect.void
      isAway = true
      return Effect.logWarning(
        `Redis does not answer (${why}): until it does, this process keeps circuits and rate limits of its own`
      )
    })
  const returned = Effect.suspend(() => {
    if (!isAway) return Effect.void
    isAway = false
    return Effect.logInfo("Redis answers again: circuits and rate limits are shared")
  })

  return (shared, own) =>
    Clock.clockWith((clock) => {
      const now = millisOf(clock)
      if (isAway && now < askAgainAt) return own
      // One of many callers finds out; the others need not wait with it.
      if (isAway) askAgainAt = now + pause
      const instead = (why: string) => {
        askAgainAt = now + pause
        return Effect.andThen(left(why), own)
      }
      const silence = (why: string) => ({ _tag: "Silence", why }) as const
      const asked = Effect.matchEffect(shared, {
        onSuccess: (value) => Effect.as(returned, { _tag: "Answer", value } as const),
        onFailure: (error) =>
          isSilence(error)
            ? Effect.succeed(silence(reasonOf(error.reason)))
            : Effect.andThen(returned, Effect.fail(error))
      })
      const late = silence(`not within ${Duration.format(timeout)}`)
      return asked.pipe(
        // What is no Redis, or a proxy before one, may answer what no script gives.
        Effect.catchDefect((defect) => Effect.succeed(silence(reasonOf(defect)))),
        Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.succeed(late) }),
        Effect.flatMap((answer) =>
          answer._tag === "Answer" ? Effect.succeed(answer.value) : instead(answer.why)
        )
      )
    })
}

/** What Redis says itself, beneath what its clients make of it, such as "READONLY You can't write against a read only replica". */
const reasonOf = (thrown: unknown): string => {
  let said = "what came is none of its answers"
  for (let at = thrown, depth = 0; depth < 6 && Predicate.isReadonlyObject(at); depth++) {
    if (typeof at["message"] === "string" && at["message"] !== "") said = at["message"]
    at = at["cause"]
  }
  return said
}

type Circuits = CircuitBreaker.CircuitBreakerStore["Service"]

/** Admissions of the own store are told from those of Redis, whose generations are never negative, by their sign. */
const marked = (generation: number): number => -1 - generation

const circuits = (shared: Circuits, own: Circuits, ask: Ask): Circuits => ({
  admit: (key): Effect.Effect<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError, Scope.Scope> =>
    ask(
      shared.admit(key),
      Effect.map(own.admit(key), (admission) => ({
        ...admission,
        generation: marked(admission.generation)
      }))
    ),
  record: (options) =>
    options.generation < 0
      ? own.record({ ...options, generation: marked(options.generation) })
      : // An outcome that Redis cannot be told is lost: the own store knows nothing of that call.
        ask(shared.record(options), Effect.succeed(undefined)),
  state: (key) => ask(shared.state(key), own.state(key))
})

type Limits = RateLimiter.RateLimiterStore["Service"]

const limits = (shared: Limits, own: Limits, ask: Ask): Limits => ({
  fixedWindow: (options) => ask(shared.fixedWindow(options), own.fixedWindow(options)),
  tokenBucket: (options) => ask(shared.tokenBucket(options), own.tokenBucket(options)),
  adaptiveConsume: (options) => ask(shared.adaptiveConsume(options), own.adaptiveConsume(options)),
  adaptiveFeedback: (options) => ask(shared.adaptiveFeedback(options), own.adaptiveFeedback(options))
})

/** A memory store that no change of the time of day moves. */
const monotonic = (store: Limits): Limits => ({
  fixedWindow: (options) => withMonotonicClock(store.fixedWindow(options)),
  tokenBucket: (options) => withMonotonicClock(store.tokenBucket(options)),
  adaptiveConsume: (options) => withMonotonicClock(store.adaptiveConsume(options)),
  adaptiveFeedback: (options) => withMonotonicClock(store.adaptiveFeedback(options))
})
