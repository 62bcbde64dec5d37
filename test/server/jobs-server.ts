/** A server with jobs in a process of its own, to be killed: `PORT FOLDER`. Each image takes a moment. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { appendFileSync } from "node:fs"
import { Effect, Layer, References } from "effect"
import { Transport } from "effect-segformer"
import { SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"

const [port, folder] = process.argv.slice(2)
const segmenter = Transport.layer({
  name: "slow",
  predict: ({ image }) =>
    Effect.as(
      Effect.tap(Effect.sleep("60 millis"), () =>
        Effect.sync(() => appendFileSync(`${folder}.done`, `${image.name}\n`))
      ),
      Fixtures.prediction
    ),
  describe: Effect.succeed({ name: "slow", classes: Fixtures.classes })
})
const server = SegFormerServer.layer({ port: Number(port), jobs: { folder: String(folder) } }).pipe(
  Layer.tap(() => Effect.sync(() => process.send?.("up"))),
  Layer.provide([segmenter, SharpCodec.layer, NodeFileSystem.layer])
)
await Effect.runPromise(Effect.provideService(Layer.launch(server), References.MinimumLogLevel, "None"))
