import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionServer from "./servers/InspectionServer.ts"

const platform = Layer.merge(NodeHttpClient.layerUndici, NodeFileSystem.layer)

describe("SegFormerHttp with the inspection protocol", () => {
  it.live("turns an image into regions and pictures", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const segmentation = yield* segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" })).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: server.url }))
      )
      const regions = yield* segmentation.regions
      assert.deepStrictEqual(
        regions.map((region) => [region.classId, region.className, region.area]),
        [[1, "1_PI_Particle", 24]]
      )
      assert.strictEqual(segmentation.width, 48)
      assert.strictEqual(segmentation.pictures.overlay?.[0], 0x89)
      const noLabelMap = yield* Effect.flip(segmentation.labelMap)
      assert.strictEqual(noLabelMap._tag, "NoLabelMap")
      const [upload] = server.uploads
      assert.deepStrictEqual([upload?.part, upload?.type], ["image", "image/png"])
      assert.match(upload?.name ?? "", /^panel-[0-9a-f]{16}\.png$/)
      assert.deepStrictEqual(upload?.bytes, Fixtures.image)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
