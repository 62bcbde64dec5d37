/**
 * The circuit breaker of `effect/persistence`, with its errors in this library's terms and its time monotonic.
 *
 * The store is taken from the context where there is one (`PolicyStores` lets transports and processes share a circuit),
 * and is in memory otherwise.
 */
import {
  Cause,
  Clock,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  Metric,
  type Scope,
  Stream
} from "effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { millisOf, withMonotonicClock } from "./MonotonicClock.ts"
import type { BreakerPolicy } from "./Policy.ts"
import { CircuitOpen } from "./PolicyError.ts"
import * as PolicyStores from "./PolicyStores.ts"
import * as Streak from "./Streak.ts"
import { calls, own } from "../TelemetryNames.ts"

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

export interface ProtectOptions {
  /** What the call has met before. */
  readonly previous: string | undefined
  /** How long it waits for the end of a probe of this runner. */
  readonly waits: Duration.Duration
}

/** Runs an attempt if the circuit lets it, and learns from how it ended. */
export interface Breaker {
  readonly circuit: Circuit
  /** The error of a call that is kept from it, or was the probe that failed. */
  readonly open: (options: {
    readonly retryAfter?: Duration.Duration | undefined
    readonly failure: string | undefined
  }) => Effect.Effect<never, CircuitOpen>
  /** What the last change that this runner made has made of it. */
  readonly lastState: () => CircuitState["_tag"]
  readonly protect: <A, E, R>(
    self: Effect.Effect<A, E, R>,
    counts: (error: E) => boolean,
    options: ProtectOptions
  ) => Effect.Effect<A, E | CircuitOpen, R>
}

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

const changesTotal = calls.counter("segformer.circuit.changes")
const stateGauge = calls.gauge("segformer.circuit.state")
const levels = { Closed: 0, HalfOpen: 1, Open: 2 } as const

/** Counts, and never opens: the most that a store takes. */
const counting = CircuitBreaker.consecutive(2 ** 50)

/**
 * The store with monotonic time, and every change it makes told to `changed` before the caller goes on. Until `mayOpen`,
 * failures are counted and nothing else.
 */
const observed = (
  store: Store,
  mayOpen: () => boolean,
  changed: (change: CircuitBreaker.Transition | undefined) => Effect.Effect<void>
): Store => ({
  admit: (key) => Effect.tap(withMonotonicClock(store.admit(key)), ({ transition }) => changed(transition)),
  record: (options) =>
    Effect.tap(
      withMonotonicClock(
        store.record(
          options.tripPolicy._tag === "Rate" || mayOpen() ? options : { ...options, tripPolicy: counting }
        )
      ),
      changed
    ),
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

/**
 * `key` names the circuit: the origin of the service, so that all its routes share one. It opens no sooner than failures
 * have lasted for so many milliseconds, unless it opens by a rate.
 */
export const make = Effect.fnUntraced(function* (
  key: string,
  policy: BreakerPolicy,
  lasting: number
): Effect.fn.Return<Breaker, never, Scope.Scope> {
  const shared = yield* PolicyStores.Stores
  const store =
    shared?.circuits ??
    Context.get(yield* Layer.build(CircuitBreaker.layerStoreMemory()), CircuitBreaker.CircuitBreakerStore)
  const streak = Streak.of(store, key)
  let failedFor = 0
  let state: CircuitState["_tag"] = "Closed"
  /** The probe that is under way. */
  let probe: { readonly generation: number; readonly ended: Deferred.Deferred<void> } | undefined
  const gauge = Metric.withAttributes(stateGauge, { [own.service]: key })
  const changed = (change: CircuitBreaker.Transition | undefined) => {
    if (change === undefined) return Effect.void
    const { from, to } = change
    state = to
    return Effect.andThen(
      Metric.update(gauge, levels[to]),
      Metric.update(
        Metric.withAttributes(changesTotal, { [own.service]: key, [own.from]: from, [own.to]: to }),
        1
      )
    )
  }
  const inTime = observed(store, () => failedFor >= lasting, changed)
  const watching: Store = {
    ...inTime,
    admit: (key) =>
      Effect.tap(inTime.admit(key), ({ generation, probe: isProbe }) =>
        Effect.sync(() => {
          if (isProbe) probe = { generation, ended: Deferred.makeUnsafe() }
        })
      ),
    record: (options) =>
      Effect.ensuring(
        inTime.record(options),
        Effect.sync(() => {
          if (probe?.generation !== options.generation) return
          Deferred.doneUnsafe(probe.ended, Exit.void)
          probe = undefined
        })
      )
  }
  const breaker = yield* CircuitBreaker.make({
    tripPolicy:
      policy.rate === undefined
        ? CircuitBreaker.consecutive(policy.failures)
        : CircuitBreaker.rate(policy.rate),
    openDuration: policy.openFor
  }).pipe(Effect.provideService(CircuitBreaker.CircuitBreakerStore, watching))
  const slowAfter =
    policy.slowAfter === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(policy.slowAfter)

  const open: Breaker["open"] = (options) =>
    Clock.clockWith((clock) => {
      const { since } = streak
      const ago = since === undefined ? 0 : millisOf(clock) - since
      return Effect.fail(
        new CircuitOpen({
          ...options,
          service: key,
          // The time of day may have been set since then.
          since:
            since === undefined
              ? undefined
              : DateTime.makeUnsafe(Math.round(clock.currentTimeMillisUnsafe() - ago))
        })
      )
    })

  return {
    open,
    lastState: () => state,
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
      { previous, waits }: ProtectOptions
    ) =>
      Clock.clockWith((clock) => {
        let began = 0
        const timed = Effect.suspend(() => {
          began = millisOf(clock)
          return self
        })
        const classify = (exit: Exit.Exit<A, E>): CircuitBreaker.Outcome => {
          const ended = millisOf(clock)
          if (Exit.isSuccess(exit) && ended - began <= slowAfter) {
            streak.wentWell()
            return CircuitBreaker.success
          }
          if (Exit.isFailure(exit)) {
            const error = Cause.findErrorOption(exit.cause)
            // A refused request says nothing about the health of the service; a defect is ours.
            if (error._tag === "None" || !counts(error.value)) return CircuitBreaker.ignored
          }
          // Half of the time in one wait at most: it takes three looks to open a circuit.
          failedFor = streak.failed(began, ended, lasting / 2)
          return CircuitBreaker.failure()
        }
        const executed: Effect.Effect<A, E | CircuitBreaker.CircuitBreakerError, R> = breaker.execute(timed, {
          key,
          classify
        })
        // Who meets a probe has its answer in a moment.
        const patient = Effect.catch(executed, (error) => {
          const isProbed =
            error instanceof CircuitBreaker.CircuitBreakerError && error.reason._tag === "CircuitHalfOpen"
          return isProbed && probe !== undefined && Duration.isGreaterThan(waits, Duration.zero)
            ? Effect.andThen(Effect.timeoutOption(Deferred.await(probe.ended), waits), executed)
            : Effect.fail(error)
        })
        return Effect.catch(patient, (error): Effect.Effect<never, E | CircuitOpen> => {
          if (!(error instanceof CircuitBreaker.CircuitBreakerError)) return Effect.fail(error)
          const retryAfter = error.reason._tag === "CircuitOpen" ? error.reason.retryAfter : undefined
          return open({ retryAfter, failure: previous })
        })
      })
  }
})
