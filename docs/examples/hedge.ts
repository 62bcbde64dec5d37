/**
 * Two services, of which the second is asked only where the first takes longer than usual: whichever answers first is
 * heard, and the other request is cancelled.
 *
 *     npm run example docs/examples/hedge.ts panel.png http://first:8080 http://second:8080
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { ImageSource, segment, Transports } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"

const [, , path = "panel.png", first = "http://localhost:8080", second = "http://localhost:8081"] =
  process.argv

const service = Transports.hedge(
  [SegFormerHttp.layer({ baseUrl: first }), SegFormerHttp.layer({ baseUrl: second })],
  // What 95 % of the calls stay below: the load grows by 5 %, and slow calls get a second chance.
  { after: "300 millis" }
)

const program = Effect.gen(function* () {
  const segmentation = yield* segment(ImageSource.file(path))
  yield* Console.log(`${(yield* segmentation.regions).length} region(s)`)
})

program.pipe(
  Effect.provide(service),
  Effect.provide(Layer.merge(NodeHttpClient.layerUndici, NodeFileSystem.layer)),
  NodeRuntime.runMain
)
