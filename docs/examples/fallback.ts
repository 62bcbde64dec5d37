/**
 * Asks a second service where the first is not available, and only then.
 *
 *     npm run example docs/examples/fallback.ts panel.png http://first:8080 http://second:8080
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"

const [, , path = "panel.png", first = "http://localhost:8080", second = "http://localhost:8081"] =
  process.argv
const image = ImageSource.file(path)

// The first is tried twice, half a second apart: there is another to ask.
const primary = SegFormerHttp.layer({ baseUrl: first, policy: { retry: { times: 1, delay: "500 millis" } } })
const secondary = SegFormerHttp.layer({ baseUrl: second })

const program = segment(image).pipe(
  Effect.provide(primary),
  Effect.catchTag("ServiceUnavailable", (error) =>
    Console.log(error.message).pipe(Effect.andThen(segment(image)), Effect.provide(secondary))
  )
)

program.pipe(
  Effect.flatMap((segmentation) => segmentation.regions),
  Effect.flatMap((regions) => Console.log(`${regions.length} region(s)`)),
  Effect.provide(Layer.merge(NodeHttpClient.layerUndici, NodeFileSystem.layer)),
  NodeRuntime.runMain
)
