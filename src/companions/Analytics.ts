/**
 * The analytics service: who did what. `report` costs its caller nothing: events wait in a bounded queue, and are sent
 * in the background. Where the queue is full or the service does not take them they are dropped, and counted. When the
 * program ends, what waits is sent for up to 5 seconds. Who wants to know whether an event arrived waits for it:
 * `report(event, { wait: true })` gives `true` where the service took it, `false` where not, and fails neither way.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Analytics, AnalyticsClient } from "effect-segformer/companions"
 *
 * const seen: Array<string> = []
 * const service = AnalyticsClient.fake({
 *   analytics: { record: ({ payload }) => Effect.sync(() => void seen.push(payload.action)) }
 * })
 * const program = Effect.gen(function* () {
 *   const analytics = yield* Analytics
 *   yield* analytics.report({ user_id: "ada", action: "segment", resource_type: "image", resource_id: "panel.png" })
 * })
 * await Effect.runPromise(Effect.provide(program, Layer.provide(Analytics.layerClient(), service)))
 * seen // => ["segment"]
 * ```
 */
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Metric,
  Option,
  Queue,
  Schema,
  type Scope
} from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { accepted, Id, open } from "./Schemas.ts"
import * as Telemetry from "../TelemetryNames.ts"

const fields = {
  user_id: Id,
  /** Such as `segment`. */
  action: Schema.String,
  /** Such as `image`. */
  resource_type: Schema.String,
  resource_id: Id
}

/** What is sent: an event, and when it was, as ISO 8601 has it. */
export const RecordedEvent = open({ ...fields, timestamp: Schema.String })

/** What somebody did, and whatever else the service keeps of it, such as `metadata`. */
export const AnalyticsEvent = open({ ...fields, timestamp: Schema.optionalKey(Schema.String) })
export type AnalyticsEvent = typeof AnalyticsEvent.Type

const { guarded, invalid } = errorsOf("analytics")

export class AnalyticsApi extends HttpApi.make("analytics").add(
  HttpApiGroup.make("analytics", { topLevel: true }).add(
    HttpApiEndpoint.post("record", "/events", {
      payload: RecordedEvent,
      success: accepted,
      error: [...guarded, invalid]
    })
  )
) {}

/** The service's calls as they are. `ANALYTICS_SERVICE_URL` says where it is. */
export class AnalyticsClient extends ServiceClient.Service<AnalyticsClient>()(
  "effect-segformer/companions/AnalyticsClient",
  AnalyticsApi,
  {
    service: "analytics",
    policy: { deadline: "5 seconds", attemptTimeout: "5 seconds", retry: { times: 2 } }
  }
) {}

export interface AnalyticsOptions {
  /** Events that may wait. One more is dropped. 1,000 by default. */
  readonly capacity?: number | undefined
  /** Events sent at once. 4 by default. */
  readonly concurrency?: number | undefined
  /** How long what waits is sent once the program ends. 5 seconds by default. */
  readonly drain?: Duration.Input | undefined
  /** Whether `report` waits for the service unless it is told otherwise. Off by default. */
  readonly wait?: boolean | undefined
}

export interface ReportOptions {
  /** Waits until the service has taken the event, or has not. */
  readonly wait?: boolean | undefined
}

/** An event, and who waits to hear of it. */
interface Waiting {
  readonly event: typeof RecordedEvent.Type
  readonly sent: Deferred.Deferred<boolean>
}

/** What became of the events. */
export interface AnalyticsCounts {
  readonly sent: number
  /** Lost: the queue was full, the service did not take them, or the program ended. */
  readonly dropped: number
  /** In the queue or on their way. */
  readonly waiting: number
}

const droppedCounter = Telemetry.servers.counter("segformer.analytics.dropped")

const make = Effect.fnUntraced(function* (
  options: AnalyticsOptions
): Effect.fn.Return<Analytics["Service"], never, AnalyticsClient | Scope.Scope> {
  const { capacity = 1000, concurrency = 4 } = options
  const drain = Duration.fromInputUnsafe(options.drain ?? "5 seconds")
  const client = yield* AnalyticsClient
  const queue = yield* Queue.dropping<Waiting, Cause.Done>(capacity)
  let sent = 0
  let dropped = 0
  let waiting = 0
  let isFailing = false

  const drop = (count: number) =>
    Effect.suspend(() => {
      dropped += count
      return Metric.update(droppedCounter, count)
    })

  const send = (next: Waiting) =>
    Effect.matchCauseEffect(client.record({ payload: next.event }), {
      onSuccess: () =>
        Effect.suspend(() => {
          waiting--
          sent++
          isFailing = false
          return Deferred.succeed(next.sent, true)
        }),
      onFailure: (cause) =>
        Effect.suspend(() => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
          waiting--
          // One line for an outage, not one for each event.
          const log = isFailing ? Effect.logDebug : Effect.logWarning
          isFailing = true
          return Effect.andThen(drop(1), log("An event of analytics was dropped", cause))
        })
    }).pipe(
      // Whoever waits is told, whatever became of it: a program that ends is no reason to wait for ever.
      Effect.ensuring(Deferred.succeed(next.sent, false))
    )

  const work = Effect.ignore(Effect.forever(Effect.flatMap(Queue.take(queue), send)))
  const workers = yield* Effect.forkScoped(
    Effect.replicateEffect(work, concurrency, { concurrency, discard: true })
  )
  // Runs before the workers are interrupted: what comes last in a scope ends first.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Queue.end(queue)
      const done = yield* Fiber.await(workers).pipe(Effect.interruptible, Effect.timeoutOption(drain))
      if (Option.isSome(done) || waiting === 0) return
      yield* Effect.logWarning(
        `${waiting} events of analytics were not sent within ${Duration.format(drain)}, and are lost`
      )
      yield* drop(waiting)
    })
  )

  return Analytics.of({
    report: (event, { wait = options.wait ?? false } = {}) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const next: Waiting = {
          event: { timestamp: new Date(now).toISOString(), ...event },
          sent: Deferred.makeUnsafe()
        }
        if (!Queue.offerUnsafe(queue, next)) return Effect.as(drop(1), false)
        waiting++
        return wait ? Deferred.await(next.sent) : Effect.succeed(true)
      }),
    counts: Effect.sync(() => ({ sent, dropped, waiting }))
  })
})

/** What users did, for those who look at it later. */
export class Analytics extends Context.Service<
  Analytics,
  {
    /**
     * Never fails, and never waits unless that is asked for. Gives whether the event has a place in the queue or, where
     * it waits, whether the service took it. Its time is now, unless the event has one.
     */
    readonly report: (event: AnalyticsEvent, options?: ReportOptions) => Effect.Effect<boolean>
    readonly counts: Effect.Effect<AnalyticsCounts>
  }
>()("effect-segformer/companions/Analytics") {
  static readonly layerClient = (
    options: AnalyticsOptions = {}
  ): Layer.Layer<Analytics, never, AnalyticsClient> => Layer.effect(Analytics, make(options))
  /** To the service that the registry names. */
  static readonly layer = (options?: AnalyticsOptions) =>
    Layer.provide(Analytics.layerClient(options), AnalyticsClient.layer)
}
