/**
 * The circuit breaker of `effect/persistence`, with its errors in this library's terms and its time monotonic.
 *
 * The store is taken from the context where there is one (`PolicyStores` lets transports and processes share a circuit),
 * and is in memory otherwise.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Metric, type Scope, Stream } from "effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { withMonotonicClock } from "./MonotonicClock.ts"
import type { BreakerPolicy } from "./Policy.ts"
import { CircuitOpen } from "./PolicyError.ts"
import * as PolicyStores from "./PolicyStores.ts"

/** What a circuit lets through: everything, nothing for so long, or one probe. */
export type CircuitState =
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Open"; readonly retryAfter: Duration.Duration }
  | { readonly _tag: "HalfOpen" }

/** One change of a circuit. */
export interface CircuitChange {
  /** The origin of the service, by which the circuit is keyed. */
  readonly key: string
  readonly from: CircuitState["_tag"]
  readonly to: CircuitState["_tag"]
  /** How long a circuit that has opened stays open. */
  readonly retryAfter?: Duration.Duration | undefined
}

/** The circuit of a service, to be looked at. */
export interface Circuit {
  /** Closed where the policy has no breaker, and where a shared store does not answer. */
  readonly state: Effect.Effect<CircuitState>
  /**
   * Each change from now on that this runner made, and of a circuit that is shared no other; it ends with the runner. A
   * reader that falls far behind misses the oldest.
   */
  readonly changes: Stream.Stream<CircuitChange>
}

/** The circuit of a service without a breaker. */
export const closed: Circuit = { state: Effect.succeed({ _tag: "Closed" }), changes: Stream.empty }

/** Runs an attempt if the circuit lets it, and learns from how it ended. */
export interface Breaker {
  readonly circuit: Circuit
  readonly protect: <A, E, R>(
    self: Effect.Effect<A, E, R>,
    counts: (error: E) => boolean,
    previous: string | undefined
  ) => Effect.Effect<A, E | CircuitOpen, R>
}

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

const changesTotal = Metric.counter("segformer_circuit_changes", {
  description: "Changes of circuits, by service and by the states they left and entered",
  incremental: true
})
const stateGauge = Metric.gauge("segformer_circuit_state", {
  description: "State of a circuit as this process last saw it: 0 closed, 1 half open, 2 open"
})
const levels = { Closed: 0, HalfOpen: 1, Open: 2 } as const

/** The store with monotonic time, and every change it makes told to `changed` before the caller goes on. */
const observed = (
  store: Store,
  changed: (change: CircuitBreaker.Transition | undefined) => Effect.Effect<void>
): Store => ({
  admit: (key) => Effect.tap(withMonotonicClock(store.admit(key)), ({ transition }) => changed(transition)),
  record: (options) => Effect.tap(withMonotonicClock(store.record(options)), changed),
  state: (key) => withMonotonicClock(store.state(key))
})

const toState = (state: CircuitBreaker.State): CircuitState =>
  state._tag === "Open" ? { _tag: "Open", retryAfter: state.retryAfter } : { _tag: state._tag }

const toChange = (transition: CircuitBreaker.Transition): CircuitChange => ({
  key: transition.key,
  from: transition.from,
  to: transition.to,
  retryAfter: "retryAfter" in transition ? transition.retryAfter : undefined
})

/** `key` names the circuit: the origin of the service, so that all its routes share one. */
export const make = Effect.fnUntraced(function* (
  key: string,
  policy: BreakerPolicy
): Effect.fn.Return<Breaker, never, Scope.Scope> {
  const shared = yield* PolicyStores.Stores
  const store =
    shared !== undefined
      ? shared.circuits
      : Context.get(yield* Layer.build(CircuitBreaker.layerStoreMemory()), CircuitBreaker.CircuitBreakerStore)
  const gauge = Metric.withAttributes(stateGauge, { service: key })
  const changed = (change: CircuitBreaker.Transition | undefined) => {
    if (change === undefined) return Effect.void
    const { from, to } = change
    return Effect.andThen(
      Metric.update(gauge, levels[to]),
      Metric.update(Metric.withAttributes(changesTotal, { service: key, from, to }), 1)
    )
  }
  const breaker = yield* CircuitBreaker.make({
    tripPolicy:
      policy.rate === undefined
        ? CircuitBreaker.consecutive(policy.failures)
        : CircuitBreaker.rate(policy.rate),
    openDuration: policy.openFor
  }).pipe(Effect.provideService(CircuitBreaker.CircuitBreakerStore, observed(store, changed)))
  const slowAfter =
    policy.slowAfter === undefined ? undefined : BigInt(Math.ceil(Duration.toMillis(policy.slowAfter) * 1e6))

  return {
    circuit: {
      state: Effect.match(breaker.state(key), {
        onSuccess: toState,
        onFailure: (): CircuitState => ({ _tag: "Closed" })
      }),
      changes: breaker.transitions.pipe(
        Stream.filter((transition) => transition.key === key),
        Stream.map(toChange)
      )
    },
    protect: <A, E, R>(
      self: Effect.Effect<A, E, R>,
      counts: (error: E) => boolean,
      previous: string | undefined
    ) =>
      Clock.clockWith((clock) => {
        let started = 0n
        const timed =
          slowAfter === undefined
            ? self
            : Effect.suspend(() => {
                started = clock.monotonicTimeNanosUnsafe()
                return self
              })
        const classify = (exit: Exit.Exit<A, E>): CircuitBreaker.Outcome => {
          if (Exit.isSuccess(exit)) {
            return slowAfter !== undefined && clock.monotonicTimeNanosUnsafe() - started > slowAfter
              ? CircuitBreaker.failure()
              : CircuitBreaker.success
          }
          const error = Cause.findErrorOption(exit.cause)
          // A refused request says nothing about the health of the service; a defect is ours.
          return error._tag === "Some" && counts(error.value)
            ? CircuitBreaker.failure()
            : CircuitBreaker.ignored
        }
        return Effect.mapError(breaker.execute(timed, { key, classify }), (error): E | CircuitOpen =>
          error instanceof CircuitBreaker.CircuitBreakerError
            ? new CircuitOpen({
                service: key,
                retryAfter: error.reason._tag === "CircuitOpen" ? error.reason.retryAfter : undefined,
                failure: previous
              })
            : error
        )
      })
  }
})
