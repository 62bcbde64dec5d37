/** The server's figures, for `/metrics` and OTLP: requests by route and status, images, the queue, the cache. */
import { type Context, Effect, Metric, Schedule, type Scope } from "effect"
import { PrometheusMetrics } from "effect/observability"
import type { Admission } from "./Admission.ts"
import type { ResultCache } from "./ResultCache.ts"
import * as Telemetry from "../TelemetryNames.ts"

const { own, standard } = Telemetry
const durations = Telemetry.servers.histogram("http.server.request.duration")
const images = Telemetry.servers.counter("segformer.server.images")
const present = Telemetry.servers.gauge("segformer.server.requests.active")
const arriving = Telemetry.servers.gauge("segformer.server.requests.arriving")
const working = Telemetry.servers.gauge("segformer.server.images.active")
const held = Telemetry.servers.gauge("segformer.server.bodies")
const cacheBytes = Telemetry.servers.gauge("segformer.cache.size")

/** Counts a request that was answered, and its time. */
export type Measure = (method: string, route: string, status: number, seconds: number) => Effect.Effect<void>

/** Other words are the client's to invent, and each would be a series. */
const methods = new Set(["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"])

/** For one server, which keeps its meters by what they measure: making one costs more than a small request. */
export const makeMeasure = (): Measure => {
  const meters = new Map<string, Metric.Histogram<number>>()
  return (method, route, status, seconds) => {
    const key = `${method} ${route} ${status}`
    let found = meters.get(key)
    if (found === undefined) {
      found = Metric.withAttributes(durations, {
        [standard.method]: methods.has(method) ? method : "_OTHER",
        [standard.route]: route,
        [standard.scheme]: "http",
        [standard.status]: String(status),
        ...(status >= 500 ? { [standard.errorType]: String(status) } : {})
      })
      meters.set(key, found)
    }
    const meter = found
    return Effect.contextWith((context: Context.Context<never>) => {
      meter.updateUnsafe(seconds, context)
      return Effect.void
    })
  }
}

/** Counts the images of one model. */
export const countImages = (model: string): ((outcome: "segmented" | "failed") => Effect.Effect<void>) => {
  const meters = {
    segmented: Metric.withAttributes(images, { [own.model]: model, [own.outcome]: "segmented" }),
    failed: Metric.withAttributes(images, { [own.model]: model, [own.outcome]: "failed" })
  }
  return (outcome) => Metric.update(meters[outcome], 1)
}

/** What a server is doing now. */
export interface State {
  readonly admission: Admission
  readonly cache: ResultCache | undefined
}

/** Sets the gauges to what they are now. */
const refresh = Effect.fnUntraced(function* ({ admission, cache }: State): Effect.fn.Return<void> {
  const now = admission.state()
  yield* Metric.update(present, now.present)
  yield* Metric.update(arriving, now.arriving)
  yield* Metric.update(working, now.working)
  yield* Metric.update(held, now.heldBytes)
  if (cache !== undefined) yield* Metric.update(cacheBytes, cache.state().bytes)
})

/** Keeps the gauges true for exporters, which do not ask. */
export const kept = (state: State): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.forkScoped(Effect.repeat(refresh(state), Schedule.spaced("5 seconds"))))

/** All figures of this process in Prometheus' text format, those of the server as they are now. */
export const text = (state: State): Effect.Effect<string> =>
  Effect.andThen(refresh(state), PrometheusMetrics.format({ metricNameMapper: Telemetry.prometheusName }))
