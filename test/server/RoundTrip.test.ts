/** The client against the server, over a socket: what comes out is what the segmenter behind the server found. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ImageSource, LabelMap, segment } from "effect-segformer"
import { InspectionService, SegFormerHttp } from "effect-segformer/http"
import { Palette } from "effect-segformer/mask"
import { Colors } from "effect-segformer/render"
import { Fixtures } from "effect-segformer/testing"
import { client, comesBack } from "./roundTrip.ts"
import { serve } from "./support.ts"

const sizes: ReadonlyArray<readonly [number, number]> = [
  [1, 1],
  [7, 3],
  [50, 1],
  [48, 32],
  [65, 63],
  [97, 101],
  [200, 100],
  [333, 77],
  [511, 513],
  [640, 480],
  [1023, 5]
]

describe("SegFormerHttp against SegFormerServer", () => {
  it.live("gives the label maps and regions of the embedded model, on pictures of odd sizes", () =>
    comesBack(sizes)
  )

  it.live("gives any label map back, whatever its classes", () =>
    Effect.gen(function* () {
      for (const classes of [Palette.surface, Palette.ade20k, Palette.cocoStuff]) {
        const data = Uint8Array.from(
          { length: Fixtures.width * Fixtures.height },
          (_, i) => classes[(i * i) % classes.length]!.id
        )
        const labelMap = { width: Fixtures.width, height: Fixtures.height, data }
        const { url } = yield* serve(() => Effect.succeed({ _tag: "Labels", classes, labelMap }))
        const theirs = yield* Effect.provide(
          segment(ImageSource.bytes(Fixtures.image)),
          client(url, Colors.paletteOf(classes))
        )
        assert.isTrue(LabelMap.equals(yield* theirs.labelMap, labelMap))
        assert.deepStrictEqual(Object.keys(theirs.pictures).sort(), ["combined", "mask", "overlay"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("fails where the mask has a colour that the palette lacks", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const error = yield* segment(ImageSource.bytes(Fixtures.image)).pipe(
        Effect.provide(client(url, Palette.surface.slice(0, 2))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.match(error.message, /mask_image.*no class of the palette/)
    }).pipe(Effect.scoped)
  )

  it.live(
    "has the label map without a palette too, as the answer says its colours, and the names of the classes",
    () =>
      Effect.gen(function* () {
        const { url } = yield* serve()
        const found = yield* segment(ImageSource.bytes(Fixtures.image)).pipe(
          Effect.provide(SegFormerHttp.layer({ baseUrl: url })),
          Effect.provide(NodeHttpClient.layerUndici)
        )
        assert.isTrue(LabelMap.equals(yield* found.labelMap, Fixtures.labelMap))
        assert.deepStrictEqual(
          (yield* found.regions).map((region) => region.className),
          ["background", "scratch", "particle"]
        )
        assert.deepStrictEqual(Object.keys(found.pictures).sort(), ["combined", "mask", "overlay"])
      }).pipe(Effect.scoped)
  )

  it.live("tells the client its classes and colours, and its other routes", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const service = yield* InspectionService.make({ baseUrl: url })
      assert.isTrue((yield* service.health).healthy)
      assert.strictEqual(yield* service.switchModel("segformer"), "segformer")
      assert.strictEqual((yield* Effect.flip(service.switchModel("oneformer")))._tag, "RequestRejected")
      const batch = yield* service.uploadBatch([
        ImageSource.bytes(Fixtures.image, { name: "a.png" }),
        ImageSource.bytes(Fixtures.image, { name: "b.png" })
      ])
      assert.deepStrictEqual([batch.processed, batch.failed], [2, 0])
      assert.isTrue(batch.items.every((item) => Result.isSuccess(item.result)))
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici))
  )
})
