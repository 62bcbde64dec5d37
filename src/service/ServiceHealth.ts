/**
 * How a service is, found out in the background: a check at an interval, and one state for all who ask. A service that
 * is up without what it depends on (its model, its VPN) is not healthy.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServiceHealth } from "effect-segformer/service"
 *
 * const program = Effect.gen(function* () {
 *   const health = yield* ServiceHealth.make({
 *     service: "segformer",
 *     check: Effect.succeed({ healthy: true, detail: "ready" }),
 *     dependencies: { vpn: Effect.succeed({ healthy: false, detail: "no route" }) }
 *   })
 *   const state = yield* health.check
 *   return [state.last?.healthy, state.last?.detail]
 * }).pipe(Effect.scoped)
 * await Effect.runPromise(program) // => [false, "vpn: no route"]
 * ```
 */
import {
  Cause,
  Context,
  Deferred,
  Duration,
  Effect,
  Equal,
  Layer,
  Metric,
  Random,
  Record,
  Schema,
  type Scope,
  Semaphore,
  Stream,
  SubscriptionRef
} from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import * as Telemetry from "../TelemetryNames.ts"

/** What one check found. A `Transport`'s `health` gives it as well. */
export interface Report {
  readonly healthy: boolean
  /** Such as "ready", or what is missing. */
  readonly detail: string
}

/** Finds out. A failure is a report as well: not healthy, for its message. */
export type Check = Effect.Effect<Report, { readonly message: string }>

/** What is known of a service. */
export interface HealthState {
  /** `Unknown` until so many checks in a row agree. */
  readonly _tag: "Unknown" | "Healthy" | "Unhealthy"
  /** What the last check found, its dependencies included. */
  readonly last: Report | undefined
  readonly dependencies: Readonly<Record<string, Report>>
}

export interface ServiceHealthOptions {
  /** As errors and metrics call it. */
  readonly service: string
  readonly check: Check
  /** What the service cannot do without, by name. All are checked each time, at once. */
  readonly dependencies?: Readonly<Record<string, Check>> | undefined
  /** From the end of one check to the start of the next. 60 seconds by default. */
  readonly interval?: Duration.Input | undefined
  /** Spreads the interval at random over so much less and so much more: 0.1 by default, for 54 to 66 seconds. */
  readonly jitter?: number | undefined
  /** A check that takes longer says that the service is not healthy. 5 seconds by default. */
  readonly timeout?: Duration.Input | undefined
  /** Good results in a row until it is healthy. 1 by default. */
  readonly healthyAfter?: number | undefined
  /** Bad results in a row until it is unhealthy. 3 by default. */
  readonly unhealthyAfter?: number | undefined
}

/** The time to wait for a healthy service is over. */
export class NotHealthy extends ErrorKind.passing<NotHealthy>()("NotHealthy", {
  service: Schema.String,
  after: Schema.DurationFromMillis,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.service} was not healthy within ${Duration.format(this.after)}: ${this.detail}`
  }
}

const healthyGauge = Telemetry.servers.gauge("segformer.service.health")
const levels = { Unknown: -1, Healthy: 1, Unhealthy: 0 } as const

const unknown: HealthState = { _tag: "Unknown", last: undefined, dependencies: {} }

/** The health of one service, checked in the background. */
export class ServiceHealth extends Context.Service<
  ServiceHealth,
  {
    readonly service: string
    readonly state: Effect.Effect<HealthState>
    /** The state now, and each that differs from the one before; it ends with the scope. */
    readonly changes: Stream.Stream<HealthState>
    /** Checks now; the result counts like any other. */
    readonly check: Effect.Effect<HealthState>
    /** Waits until the service is healthy, and fails where that takes longer. */
    readonly awaitHealthy: (within: Duration.Input) => Effect.Effect<void, NotHealthy>
  }
>()("effect-segformer/service/ServiceHealth") {}

type Health = ServiceHealth["Service"]

/** Starts to check, at once and then at the interval; it stops with the scope. */
export const make = Effect.fnUntraced(function* (
  options: ServiceHealthOptions
): Effect.fn.Return<Health, never, Scope.Scope> {
  const { dependencies = {}, jitter = 0.1, service } = options
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "5 seconds")
  const interval = Duration.fromInputUnsafe(options.interval ?? "60 seconds")
  const healthyAfter = count("healthyAfter", options.healthyAfter ?? 1)
  const unhealthyAfter = count("unhealthyAfter", options.unhealthyAfter ?? 3)
  if (!(jitter >= 0 && jitter < 1)) {
    throw new RangeError(`ServiceHealth: \`jitter\` must be from 0 to below 1, but is ${jitter}`)
  }
  const ref = yield* SubscriptionRef.make<HealthState>(unknown)
  const ended = yield* Deferred.make<void>()
  yield* Effect.addFinalizer(() => Deferred.succeed(ended, undefined))
  const gauge = Metric.withAttributes(healthyGauge, { [Telemetry.own.service]: service })
  yield* Metric.update(gauge, levels.Unknown)
  // One at a time: a check that is asked for waits for the one under way.
  const one = Semaphore.makeUnsafe(1)
  let good = 0
  let bad = 0

  const report = (check: Check): Effect.Effect<Report> =>
    check.pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.succeed({ healthy: false, detail: `no answer within ${Duration.format(timeout)}` })
      }),
      // What a check dies of is no health either, and must not end the checking.
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.succeed({ healthy: false, detail: reasonOf(cause) })
      )
    )

  const learn = (own: Report, reports: Readonly<Record<string, Report>>) =>
    Effect.gen(function* () {
      const missing = Object.entries(reports).filter(([, { healthy }]) => !healthy)
      const healthy = own.healthy && missing.length === 0
      good = healthy ? good + 1 : 0
      bad = healthy ? 0 : bad + 1
      const before = SubscriptionRef.getUnsafe(ref)
      const _tag = good >= healthyAfter ? "Healthy" : bad >= unhealthyAfter ? "Unhealthy" : before._tag
      const detail = [
        ...(own.healthy && missing.length > 0 ? [] : [own.detail]),
        ...missing.map(([name, { detail }]) => `${name}: ${detail}`)
      ].join("; ")
      const state: HealthState = { _tag, last: { healthy, detail }, dependencies: reports }
      yield* Metric.update(gauge, levels[_tag])
      if (!Equal.equals(before, state)) {
        const log = _tag === "Unhealthy" ? Effect.logWarning : Effect.logInfo
        if (before._tag !== _tag) yield* log(`${service} is ${_tag.toLowerCase()}: ${detail}`)
        yield* SubscriptionRef.set(ref, state)
      }
      return state
    })

  const check = one.withPermit(
    Effect.flatMap(
      Effect.all([report(options.check), Effect.all(Record.map(dependencies, report), { concurrency: 8 })], {
        concurrency: 2
      }),
      ([own, reports]) => learn(own, reports)
    )
  )

  const wait = Effect.flatMap(Random.next, (share) =>
    Effect.sleep(Duration.times(interval, 1 + jitter * (2 * share - 1)))
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(check, wait)))

  const changes = SubscriptionRef.changes(ref).pipe(Stream.interruptWhen(Deferred.await(ended)))

  return ServiceHealth.of({
    service,
    state: SubscriptionRef.get(ref),
    changes,
    check,
    awaitHealthy: (within) => {
      const after = Duration.fromInputUnsafe(within)
      const late = Effect.suspend(() => {
        const { last } = SubscriptionRef.getUnsafe(ref)
        const detail = last?.detail ?? "nothing is known of it yet"
        return Effect.fail(new NotHealthy({ service, after, detail }))
      })
      return changes.pipe(
        Stream.filter(({ _tag }) => _tag === "Healthy"),
        Stream.take(1),
        Stream.runCollect,
        // A checker that has ended will never find out.
        Effect.flatMap((found) => (found.length === 0 ? late : Effect.void)),
        Effect.timeoutOrElse({ duration: after, orElse: () => late })
      )
    }
  })
})

/** A layer that checks for as long as it lives. */
export const layer = (options: ServiceHealthOptions): Layer.Layer<ServiceHealth> =>
  Layer.effect(ServiceHealth, make(options))

const count = (name: string, value: number): number => {
  if (Number.isInteger(value) && value >= 1) return value
  throw new RangeError(`ServiceHealth: \`${name}\` must be a whole number of at least 1, but is ${value}`)
}

const reasonOf = (cause: Cause.Cause<{ readonly message: string }>): string => {
  const error = Cause.squash(cause)
  return typeof error === "object" && error !== null && "message" in error
    ? String(error.message)
    : String(error)
}
