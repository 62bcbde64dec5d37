/** This library's own clients against the dialects, over a socket: the label map is the one found in process. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { ImageSource, LabelMap, segment, Transport } from "effect-segformer"
import {
  BentoML,
  Cog,
  HuggingFace,
  OpenInference,
  type Protocol,
  Replicate,
  Roboflow,
  SegFormerHttp,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { ImageCodec } from "effect-segformer/image"
import type { ClassTable } from "effect-segformer/mask"
import { Dialects, SegFormerServer } from "effect-segformer/server"
import * as Warm from "../support/Warm.ts"
import { picture } from "./roundTrip.ts"

const sizes: ReadonlyArray<readonly [number, number]> = [
  [1, 1],
  [3, 7],
  [200, 100],
  [301, 299]
]

const model = "segformer"

/** Each client as it is asked for an image of a size: some have to be told the classes, or not to resize. */
const clients: Readonly<
  Record<
    string,
    (
      classes: ClassTable.ClassTable,
      size: { width: number; height: number }
    ) => Effect.Effect<Protocol, never, ImageCodec>
  >
> = {
  "huggingface, the file": (classes) => Effect.succeed(HuggingFace.make({ classes })),
  "huggingface, JSON": (classes) =>
    Effect.succeed(
      HuggingFace.make({ classes, path: `/models/${model}`, parameters: { subtask: "semantic" } })
    ),
  "openinference, the file": () => OpenInference.make({ model }),
  "openinference, the file in JSON": () => OpenInference.make({ model, binary: false }),
  "openinference, the file with others": () => OpenInference.make({ model, batch: { size: 4 } }),
  "openinference, pixels": (classes, size) =>
    OpenInference.make({ model, input: "input", classes, preprocessing: { size } }),
  "openinference, pixels in JSON": (classes, size) =>
    OpenInference.make({ model, input: "input", classes, binary: false, preprocessing: { size } }),
  roboflow: () => Effect.succeed(Roboflow.make({ modelId: `${model}/3` })),
  tfserving: (classes) => Effect.succeed(TfServing.make({ model, classes })),
  "tfserving, PNG": (classes) =>
    Effect.succeed(TfServing.make({ model, classes, signature: "png", input: "image", version: 1 })),
  torchserve: () => Effect.succeed(TorchServe.make({ model })),
  "torchserve, a form": () => Effect.succeed(TorchServe.make({ model, body: "form" })),
  bentoml: () => Effect.succeed(BentoML.protocol),
  cog: (classes) => Effect.succeed(Cog.make({ classes })),
  replicate: (classes) =>
    Effect.succeed(Replicate.make({ version: model, classes, job: { interval: "20 millis" } })),
  "replicate, held": (classes) =>
    Effect.succeed(Replicate.make({ version: model, classes, wait: "30 seconds" }))
}

const namesIn = (classes: ClassTable.ClassTable) => classes.map(({ id, name }) => `${id} ${name}`)

describe("SegFormerHttp against each dialect", () => {
  it.live("gives the label map of the embedded model", () =>
    Effect.gen(function* () {
      const embedded = yield* Transport
      const { classes } = yield* embedded.describe
      const dialects = yield* Dialects.load(Dialects.names)
      const server = yield* SegFormerServer.make({ port: 0, page: false, dialects })
      for (const [width, height] of sizes) {
        const bytes = yield* picture(width, height, "png")
        const source = ImageSource.bytes(bytes, { name: `${width}x${height}.png` })
        const ours = yield* (yield* segment(source)).labelMap
        if (width > 100) assert.isAbove(LabelMap.histogram(ours).size, 1, "a map worth comparing")
        for (const [name, make] of Object.entries(clients)) {
          const protocol = yield* make(classes, { width, height })
          const client = SegFormerHttp.layer({ baseUrl: server.url, protocol, policy: { retry: false } })
          const found = yield* segment(source).pipe(
            Effect.provide(Layer.provide(client, NodeHttpClient.layerUndici))
          )
          const theirs = yield* found.labelMap
          assert.isTrue(LabelMap.equals(ours, theirs), `${name}, ${source.name}`)
          if (name.startsWith("openinference"))
            assert.deepStrictEqual(namesIn(found.classes), namesIn(classes), name)
        }
      }
    }).pipe(
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provide([Warm.model, NodeFileSystem.layer])
    )
  )
})
