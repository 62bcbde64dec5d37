/**
 * The analytics service: who did what. `report` costs its caller nothing: events wait in a bounded queue, and are sent
 * in the background. Where the queue is full or the service does not take them they are dropped, and counted. When the
 * program ends, what waits is sent for up to 5 seconds.
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
import { accepted, Id } from "./Schemas.ts"

const fields = {
  user_id: Id,
  /** Such as `segment`. */
  action: Schema.String,
  /** Such as `image`. */
  resource_type: Schema.String,
  resource_id: Id
}

/** What is sent: an event, and when it was, as ISO 8601 has it. */
export const RecordedEvent = Schema.Struct({ ...fields, timestamp: Schema.String })

/** What somebody did. */
export const AnalyticsEvent = Schema.Struct({ ...fields, timestamp: Schema.optionalKey(Schema.String) })
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
}

/** What became of the events. */
export interface AnalyticsCounts {
  readonly sent: number
  /** Lost: the queue was full, the service did not take them, or the program ended. */
  readonly dropped: number
  /** In the queue or on their way. */
  readonly waiting: number
}

const droppedCounter = Metric.counter("segformer_analytics_dropped", {
  description: "Events that analytics lost",
  incremental: true
})

const make = Effect.fnUntraced(function* (
  options: AnalyticsOptions
): Effect.fn.Return<Analytics["Service"], never, AnalyticsClient | Scope.Scope> {
  const { capacity = 1000, concurrency = 4 } = options
  const drain = Duration.fromInputUnsafe(options.drain ?? "5 seconds")
  const client = yield* AnalyticsClient
  const queue = yield* Queue.dropping<typeof RecordedEvent.Type, Cause.Done>(capacity)
  let sent = 0
  let dropped = 0
  let waiting = 0
  let isFailing = false

  const drop = (count: number) =>
    Effect.suspend(() => {
      dropped += count
      return Metric.update(droppedCounter, count)
    })

  const send = (event: typeof RecordedEvent.Type) =>
    Effect.matchCauseEffect(client.record({ payload: event }), {
      onSuccess: () =>
        Effect.sync(() => {
          waiting--
          sent++
          isFailing = false
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
    })

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
    report: (event) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const recorded = { timestamp: new Date(now).toISOString(), ...event }
        if (!Queue.offerUnsafe(queue, recorded)) return drop(1)
        waiting++
        return Effect.void
      }),
    counts: Effect.sync(() => ({ sent, dropped, waiting }))
  })
})

/** What users did, for those who look at it later. */
export class Analytics extends Context.Service<
  Analytics,
  {
    /** Never waits and never fails. Its time is now, unless the event has one. */
    readonly report: (event: AnalyticsEvent) => Effect.Effect<void>
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
