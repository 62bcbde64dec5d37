/** The server's figures, for `/metrics` and OTLP: requests by route and status, images, the queue, the cache. */
import { type Context, Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import type { Admission } from "./Admission.ts"
import type { ResultCache } from "./ResultCache.ts"

const requests = Metric.counter("segformer_http_requests_total", {
  description: "Requests answered, by method, route and status",
  incremental: true
})
const durations = Metric.histogram("segformer_http_request_duration_seconds", {
  description: "From a request's headers to its answer's, by route",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
})
const images = Metric.counter("segformer_server_images_total", {
  description: "Images worked on, by model and outcome",
  incremental: true
})
const present = Metric.gauge("segformer_server_requests_present", {
  description: "Requests with images, those that wait or are waited for included"
})
const arriving = Metric.gauge("segformer_server_requests_arriving", {
  description: "Requests with images whose bodies are waited for"
})
const working = Metric.gauge("segformer_server_images_in_work", { description: "Images worked on now" })
const held = Metric.gauge("segformer_server_held_bytes", { description: "Bytes of bodies held" })
const cacheBytes = Metric.gauge("segformer_cache_bytes", { description: "Bytes of results kept" })
interface Meters {
  readonly count: Metric.Counter<number>
  readonly time: Metric.Histogram<number>
}

/** Counts a request that was answered. */
export type Measure = (method: string, route: string, status: number, seconds: number) => Effect.Effect<void>

/** For one server, which keeps its meters by what they measure: making one costs more than a small request. */
export const makeMeasure = (): Measure => {
  const meters = new Map<string, Meters>()
  return (method, route, status, seconds) => {
    const key = `${method} ${route} ${status}`
    let found = meters.get(key)
    if (found === undefined) {
      found = {
        count: Metric.withAttributes(requests, { method, route, status: String(status) }),
        time: Metric.withAttributes(durations, { method, route })
      }
      meters.set(key, found)
    }
    const { count, time } = found
    return Effect.contextWith((context: Context.Context<never>) => {
      count.updateUnsafe(1, context)
      time.updateUnsafe(seconds, context)
      return Effect.void
    })
  }
}

/** Counts the images of one model. */
export const countImages = (model: string): ((outcome: "segmented" | "failed") => Effect.Effect<void>) => {
  const meters = {
    segmented: Metric.withAttributes(images, { model, outcome: "segmented" }),
    failed: Metric.withAttributes(images, { model, outcome: "failed" })
  }
  return (outcome) => Metric.update(meters[outcome], 1)
}

/** What a server is doing now. */
export interface State {
  readonly admission: Admission
  readonly cache: ResultCache | undefined
}

/** All figures of this process in Prometheus' text format, those of the server as they are now. */
export const text = Effect.fnUntraced(function* ({ admission, cache }: State): Effect.fn.Return<string> {
  const now = admission.state()
  yield* Metric.update(present, now.present)
  yield* Metric.update(arriving, now.arriving)
  yield* Metric.update(working, now.working)
  yield* Metric.update(held, now.heldBytes)
  if (cache !== undefined) yield* Metric.update(cacheBytes, cache.state().bytes)
  return yield* PrometheusMetrics.format()
})
