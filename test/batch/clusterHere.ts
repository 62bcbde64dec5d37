/** Workers in this process, over a database of their own. */
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger, type Redacted, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { Transport, type Image, type Prediction, type SegmentationError } from "effect-segformer"
import { Item, Sink } from "effect-segformer/batch"
import { ClusterEngine, ClusterRuns, ClusterWorker } from "effect-segformer/cluster"
import { patience } from "../support/Eventually.ts"
import { Postgres } from "../support/Postgres.ts"
import { freePort } from "../support/TestServer.ts"
import { picture } from "./clusterImages.ts"

export const numbered = (count: number, from = 0) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${from + i}.png`, picture(from + i)]))

export const itemsIn = (path: string, names: ReadonlyArray<string>) =>
  Stream.fromIterable(names.map((name) => Item.at(join(path, name), name)))

/** A worker in this process, with a segmenter and sinks of the test. */
export const worker = <R>(options: {
  readonly predict: (image: Image) => Effect.Effect<Prediction, SegmentationError>
  readonly sinks: (run: ClusterWorker.Run) => ReadonlyArray<Sink.Sink<R>>
  readonly concurrency?: number
  readonly model?: string
}) => {
  const segmenter = Transport.layer({
    name: options.model ?? "fake",
    predict: ({ image }) => options.predict(image)
  })
  return ClusterWorker.layer({
    concurrency: options.concurrency ?? 4,
    retry: { times: 2, delay: "200 millis" },
    work: (run) => Effect.map(Transport, (transport) => ({ transport, sinks: options.sinks(run) }))
  }).pipe(Layer.provide(segmenter))
}

/** Runs a test beside workers, over a database of its own unless it gives one. */
export const withWorkers = <A, E, R2, R>(
  workers: Layer.Layer<never, never, R>,
  use: (runs: ClusterRuns.ClusterRuns) => Effect.Effect<A, E, R2>,
  given?: Redacted.Redacted
) =>
  Effect.gen(function* () {
    const database = given ?? (yield* Postgres.database)
    const port = yield* freePort
    const runner = ClusterEngine.layerRunner({
      database,
      host: "127.0.0.1",
      listen: "127.0.0.1",
      port,
      takeover: 15_000 * patience
    })
    return yield* Effect.flatMap(ClusterRuns.make, use).pipe(
      // A runner of its own, also within another one's.
      Effect.provide(Layer.provideMerge(workers, runner), { local: true }),
      Effect.provide([NodeServices.layer, FetchHttpClient.layer, Logger.layer([])])
    )
  })

export const ignore = Sink.make({
  name: "none",
  write: () => Effect.void,
  repeat: () => Effect.succeed(undefined)
})
