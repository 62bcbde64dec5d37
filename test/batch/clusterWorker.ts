/** A worker of its own process, with a segmenter whose answer follows from the bytes of the image alone. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Redacted, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { Transport } from "effect-segformer"
import { Sinks } from "effect-segformer/batch"
import { ClusterEngine, ClusterWorker } from "effect-segformer/cluster"
import { predict } from "./clusterImages.ts"

const Options = Schema.fromJsonString(
  Schema.Struct({
    database: Schema.String,
    port: Schema.Int,
    /** Where results go, by the name of the run. */
    out: Schema.String,
    /** Of the segmenter, in milliseconds. */
    delay: Schema.Finite,
    concurrency: Schema.Int,
    takeover: Schema.Finite
  })
)
export type Options = (typeof Options)["Type"]

const main = Effect.gen(function* () {
  const options = yield* Schema.decodeUnknownEffect(Options)(process.argv[2])
  const worker = ClusterWorker.layer({
    concurrency: options.concurrency,
    work: (run) =>
      Effect.map(Transport, (transport) => {
        const folder = `${options.out}/${run.id}`
        return {
          transport,
          sinks: [Sinks.labels({ folder }), Sinks.coco({ path: `${folder}/coco.json` })]
        }
      })
  })
  const engine = ClusterEngine.layerRunner({
    database: Redacted.make(options.database),
    host: "127.0.0.1",
    listen: "127.0.0.1",
    port: options.port,
    takeover: options.takeover
  })
  const segmenter = Transport.layer({
    name: "by bytes",
    predict: ({ image }) => Effect.delay(predict(image), options.delay)
  })
  yield* Layer.launch(
    worker.pipe(
      Layer.provide([engine, segmenter]),
      Layer.provide([NodeServices.layer, FetchHttpClient.layer])
    )
  )
})

NodeRuntime.runMain(main)
