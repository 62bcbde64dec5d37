/**
 * Segments one file with the service that the environment names, and prints the regions it finds.
 *
 *     SEGFORMER_SERVICE_URL=http://localhost:8080 npm run example docs/examples/segment-file.ts panel.png
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerConfig, SegFormerHttp } from "effect-segformer/http"

const program = Effect.gen(function* () {
  const segmentation = yield* segment(ImageSource.file(process.argv[2] ?? "panel.png"))
  for (const { area, box, className } of yield* segmentation.regions) {
    yield* Console.log(`${className}: ${area} pixels at ${box.x}, ${box.y}`)
  }
  yield* Console.log(`after ${segmentation.cost.attempts} attempt(s)`)
})

const platform = Layer.merge(NodeHttpClient.layerUndici, NodeFileSystem.layer)

program.pipe(
  Effect.provide(SegFormerHttp.layerConfig(SegFormerConfig.config)),
  Effect.provide(platform),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
