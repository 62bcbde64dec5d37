/**
 * A worker in a process of its own. Its service is a wait: what is measured is what runners and database can do. Told
 * "stop" by its parent, it says how much processor time it used.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger, Redacted, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { Transport } from "../../../src/index.ts"
import { Sink } from "../../../src/batch/index.ts"
import { ClusterEngine, ClusterWorker } from "../../../src/batch/cluster.ts"
import { predict } from "../../batch/clusterImages.ts"

const Options = Schema.fromJsonString(
  Schema.Struct({
    database: Schema.String,
    port: Schema.Int,
    /** Of the service, in milliseconds. */
    latency: Schema.Finite,
    concurrency: Schema.Int
  })
)
export type Options = typeof Options.Type

export const nothing = Sink.make({
  name: "nothing",
  write: () => Effect.void,
  repeat: () => Effect.succeed(undefined)
})

const main = Effect.gen(function* () {
  const { concurrency, database, latency, port } = yield* Schema.decodeUnknownEffect(Options)(process.argv[2])
  const worker = ClusterWorker.layer({
    concurrency,
    work: () => Effect.map(Transport, (transport) => ({ transport, sinks: [nothing] }))
  })
  const engine = ClusterEngine.layerRunner({
    database: Redacted.make(database),
    host: "127.0.0.1",
    listen: "127.0.0.1",
    port
  })
  const service = Transport.layer({
    name: "a wait",
    predict: ({ image }) => (latency === 0 ? predict(image) : Effect.delay(predict(image), latency))
  })
  const start = process.cpuUsage()
  process.on("message", () => {
    const { system, user } = process.cpuUsage(start)
    process.send?.((system + user) / 1000)
  })
  process.on("disconnect", () => process.exit(0))
  yield* Layer.launch(
    worker.pipe(
      Layer.provide([engine, service]),
      Layer.provide([NodeServices.layer, FetchHttpClient.layer, Logger.layer([])])
    )
  )
})

if (process.argv[2] !== undefined && process.send !== undefined) NodeRuntime.runMain(main)
