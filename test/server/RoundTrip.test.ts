/** The client against the server, over a socket: what comes out is what the segmenter behind the server found. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, Result } from "effect"
import { ImageSource, LabelMap, type Region, type Segmentation, segment, Transport } from "effect-segformer"
import { Inspection, InspectionService, SegFormerHttp } from "effect-segformer/http"
import { ImageCodec } from "effect-segformer/image"
import { Palette } from "effect-segformer/mask"
import { Colors } from "effect-segformer/render"
import { InspectionDialect, SegFormerServer } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import * as Warm from "../support/Warm.ts"
import { serve } from "./support.ts"

/** What the protocol carries of regions, in an order that does not depend on it. */
const comparable = (regions: ReadonlyArray<Region>) =>
  regions
    .filter((region) => region.className !== "background")
    .map(
      ({
        area,
        aspectRatio,
        box,
        centroid,
        circularity,
        classId,
        className,
        majorAxis,
        minorAxis,
        perimeter
      }) => ({
        area,
        aspectRatio,
        box,
        centroid,
        circularity,
        classId,
        className,
        majorAxis,
        minorAxis,
        perimeter
      })
    )
    .sort((a, b) => a.classId - b.classId || a.box.y - b.box.y || a.box.x - b.box.x || a.area - b.area)

const client = (url: string, palette: Palette.Palette) =>
  SegFormerHttp.layer({
    baseUrl: url,
    protocol: Inspection.make({ palette }),
    policy: { retry: false }
  }).pipe(Layer.provide(NodeHttpClient.layerUndici))

const assertSame = Effect.fnUntraced(function* (ours: Segmentation, theirs: Segmentation, what: string) {
  assert.deepStrictEqual([theirs.width, theirs.height], [ours.width, ours.height], what)
  const [a, b] = [yield* ours.labelMap, yield* theirs.labelMap]
  assert.isTrue(LabelMap.equals(a, b), `label maps of ${what}`)
  assert.deepStrictEqual(comparable(yield* theirs.regions), comparable(yield* ours.regions), what)
})

/** A picture with something of everything in it, as PNG or JPEG. */
const picture = (width: number, height: number, format: "png" | "jpeg") =>
  Effect.gen(function* () {
    const codec = yield* ImageCodec
    const data = new Uint8Array(width * height * 3)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const blob = Math.sin(x / 9) * Math.cos(y / 13) > 0.8 ? 90 : 0
        const line = Math.abs(((x + y * 2) % 97) - 48) < 2 ? 80 : 0
        data.fill(90 + ((x * 7 + y * 3) % 11) + blob + line, (y * width + x) * 3, (y * width + x) * 3 + 3)
      }
    }
    return yield* codec.encode({ width, height, channels: 3, data }, format)
  })

const sizes: ReadonlyArray<readonly [number, number]> = [
  [1, 1],
  [7, 3],
  [1, 50],
  [50, 1],
  [3, 7],
  [31, 33],
  [48, 32],
  [64, 64],
  [65, 63],
  [97, 101],
  [127, 255],
  [128, 128],
  [200, 100],
  [255, 256],
  [333, 77],
  [511, 513],
  [640, 480],
  [601, 799],
  [1023, 5]
]

describe("SegFormerHttp against SegFormerServer", () => {
  it.live("gives the label maps and regions of the embedded model, on pictures of odd sizes", () =>
    Effect.gen(function* () {
      const embedded = yield* Transport
      const server = yield* SegFormerServer.make({
        port: 0,
        dialects: [InspectionDialect.make({ pictures: ["mask"] })]
      })
      const { classes } = yield* embedded.describe
      const http = yield* Layer.build(client(server.url, Colors.paletteOf(classes)))
      for (const [index, [width, height]] of sizes.entries()) {
        const format = index % 3 === 2 ? "jpeg" : "png"
        const bytes = yield* picture(width, height, format)
        const source = ImageSource.bytes(bytes, { name: `${width}x${height}.${format}` })
        const ours = yield* segment(source)
        const theirs = yield* Effect.provideContext(segment(source), http)
        yield* assertSame(ours, theirs, source.name)
      }
    }).pipe(
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provide(Warm.model)
    )
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

  it.live("has no label map without a palette, but regions and pictures", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const found = yield* segment(ImageSource.bytes(Fixtures.image)).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: url })),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.strictEqual((yield* Effect.flip(found.labelMap))._tag, "NoLabelMap")
      assert.deepStrictEqual(
        (yield* found.regions).map((region) => region.className),
        ["1_particle", "2_scratch"]
      )
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
