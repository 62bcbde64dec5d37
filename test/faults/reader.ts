/** One reader of the memory rows, in a process of its own: does what it is told, and says what it took. */
import Undici from "@effect/platform-node/Undici"
import { Effect, Exit, Layer, Logger, Metric, Stream } from "effect"
import { FetchHttpClient, HttpBody } from "effect/http"
import { ImageSource, type SegmentationError, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Policy, PolicyRunner } from "effect-segformer/policy"
import { Exchange } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import type { Told } from "./memory.ts"
import { peakMemory } from "../support/PeakMemory.ts"

const [act, baseUrl = ""] = process.argv.slice(2)
const limits = { maxBodyBytes: 16 * 1024 * 1024, maxDecodedBytes: 16 * 1024 * 1024 }
const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })

const segmented = segment(image).pipe(
  Effect.provide(SegFormerHttp.layer({ baseUrl, limits, policy: { retry: false } })),
  Effect.as(0)
)

/** An attempt of the standard policy, for the exchange by itself. */
const attempted = <E extends SegmentationError>(
  run: (
    exchange: Exchange.Exchange,
    attempt: Parameters<Exchange.Exchange["send"]>[1]
  ) => Effect.Effect<number, E>
) =>
  Effect.gen(function* () {
    const exchange = yield* Exchange.make({ baseUrl })
    const runner = yield* PolicyRunner.make({
      service: baseUrl,
      policy: Policy.make({ attemptTimeout: "1 minute" })
    })
    return (yield* runner.run((attempt) => run(exchange, attempt))).value
  }).pipe(Effect.scoped)

const chunk = new Uint8Array(64 * 1024)
const uploadBytes = 2_000_000_000

const downloaded = attempted((exchange, attempt) =>
  Stream.runFold(
    exchange.stream({ method: "GET", path: "/large", lendsChunks: true }, attempt),
    () => 0,
    (seen, piece) => seen + piece.length
  )
)

/** What Node and its client take by themselves, where nobody frees the chunks before the collector does. */
const alone = Effect.promise(async () => {
  const { body } = await Undici.request(`${baseUrl}/large`)
  let seen = 0
  for await (const piece of body) seen += piece.length
  await Undici.getGlobalDispatcher().destroy()
  return seen
})
const uploaded = attempted((exchange, attempt) => {
  const whole = Math.floor(uploadBytes / chunk.length)
  const body = Stream.range(1, whole).pipe(
    Stream.map(() => chunk),
    Stream.concat(Stream.succeed(chunk.subarray(0, uploadBytes - whole * chunk.length)))
  )
  const call = {
    method: "POST",
    path: "/large",
    body: HttpBody.stream(body, "application/octet-stream", uploadBytes)
  } as const
  return Effect.as(exchange.send(call, attempt), uploadBytes)
})

const acts = {
  segment: segmented,
  "segment over fetch": segmented,
  download: downloaded,
  upload: uploaded,
  "undici alone": alone
}
const client = act === "segment over fetch" ? FetchHttpClient.layer : NodeHttp.layer()
const chosen = act !== undefined && Object.hasOwn(acts, act) ? acts[act as keyof typeof acts] : segmented

let fibers = 0
const counting: Metric.FiberRuntimeMetricsService = {
  recordFiberStart: () => void fibers++,
  recordFiberEnd: () => void fibers--
}

// Modules and code are loaded by a call that goes well, so that they are not counted.
await Effect.runPromise(
  segment(image).pipe(
    Effect.provide(SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction)).pipe(Layer.merge(client)))
  )
)
globalThis.gc?.()
const timersBefore = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length
const start = process.memoryUsage().rss
const peakBefore = peakMemory()
let sampled = start
const sampler = setInterval(() => (sampled = Math.max(sampled, process.memoryUsage().rss)), 2)

const started = performance.now()
const exit = await Effect.runPromiseExit(
  chosen.pipe(
    Effect.provide(client),
    Effect.provide(Logger.layer([])),
    Effect.provideService(Metric.FiberRuntimeMetrics, counting)
  )
)
const millis = performance.now() - started
clearInterval(sampler)
// The system knows the true peak; where it lies before the start, what was sampled is all there is.
const peak = peakMemory()
const error = Exit.findErrorOption(exit)
await new Promise((resolve) => setTimeout(resolve, 50))
const told: Told = {
  tag: Exit.isSuccess(exit) ? "success" : error._tag === "Some" ? error.value._tag : String(exit),
  millis,
  memory: Math.max(0, (peak > peakBefore ? peak : Math.max(sampled, process.memoryUsage().rss)) - start),
  bytes: Exit.isSuccess(exit) ? exit.value : 0,
  fibers,
  timers: Math.max(
    0,
    process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length - timersBefore
  )
}
process.send?.(told)
