/**
 * Asks a second service where the first cannot be reached or is not available, and only then.
 *
 *     npm run example docs/examples/fallback.ts panel.png http://first:8080 http://second:8080
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { ImageSource, segment, Transports } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"

const [, , path = "panel.png", first = "http://localhost:8080", second = "http://localhost:8081"] =
  process.argv

// The first is tried twice, half a second apart: there is another to ask.
const primary = SegFormerHttp.layer({ baseUrl: first, policy: { retry: { times: 1, delay: "500 millis" } } })
const secondary = SegFormerHttp.layer({ baseUrl: second })

const program = Effect.gen(function* () {
  const segmentation = yield* segment(ImageSource.file(path))
  const regions = yield* segmentation.regions
  yield* Console.log(`${regions.length} region(s)`)
})

program.pipe(
  Effect.provide(Transports.fallback([primary, secondary])),
  Effect.provide([NodeHttpClient.layerUndici, NodeFileSystem.layer]),
  NodeRuntime.runMain
)
