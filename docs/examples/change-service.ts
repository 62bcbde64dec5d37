/**
 * A service that moves: from Hugging Face's protocol to the Open Inference Protocol. The program does not change, its
 * layer does, by one line:
 *
 *     -  const protocol = Effect.succeed(HuggingFace.make({ classes }))
 *     +  const protocol = OpenInference.make({ model: "segformer", classes })
 *
 *     npm run example docs/examples/change-service.ts panel.png http://old:8080 http://new:8000
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { HuggingFace, OpenInference, SegFormerHttp } from "effect-segformer/http"
import { ClassTable, LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"

const [, , path = "panel.png", oldUrl = "http://localhost:8080", newUrl = "http://localhost:8000"] =
  process.argv

const classes = ClassTable.fromNames(["background", "particle", "scratch"])

const before = (baseUrl: string) => {
  const protocol = Effect.succeed(HuggingFace.make({ classes }))
  return Layer.unwrap(Effect.map(protocol, (protocol) => SegFormerHttp.layer({ baseUrl, protocol })))
}

const after = (baseUrl: string) => {
  const protocol = OpenInference.make({ model: "segformer", classes })
  return Layer.unwrap(Effect.map(protocol, (protocol) => SegFormerHttp.layer({ baseUrl, protocol })))
}

const program = Effect.gen(function* () {
  const labelMap = yield* (yield* segment(ImageSource.file(path))).labelMap
  for (const [id, pixels] of LabelMap.histogram(labelMap)) {
    yield* Console.log(`${ClassTable.nameOf(classes, id)}: ${pixels} pixels`)
  }
})

Effect.gen(function* () {
  yield* Console.log("before")
  yield* Effect.provide(program, before(oldUrl))
  yield* Console.log("after")
  yield* Effect.provide(program, after(newUrl))
}).pipe(
  Effect.provide(Layer.mergeAll(NodeHttpClient.layerUndici, NodeFileSystem.layer, SharpCodec.layer)),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
