import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { LabelMap, Logits } from "effect-segformer/mask"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { LabelFile, LargeImage, Tiled } from "effect-segformer/tiled"
import sharp from "sharp"
import * as support from "./support.ts"

const sample = "docs/images/sample.jpg"

const common = Layer.merge(SharpCodec.layer, NodeFileSystem.layer)
/** Sees pictures at their own size, so that the untiled result is that of the whole picture. */
const asTheyAre = SegFormerOnnx.layer({ preprocessing: { size: undefined } })

describe("the bundled model", () => {
  layer(Layer.provideMerge(asTheyAre, common), { excludeTestServices: true })((it) => {
    it.effect("gives the logits that its labels come from, where they are preferred", () =>
      Effect.gen(function* () {
        const transport = yield* Transport
        const image = yield* ImageSource.file(sample).open()
        const ask = (prefer: "logits" | undefined) =>
          Effect.map(
            transport.runner.run((attempt) => transport.predict({ image, prefer }, attempt)),
            ({ value }) => value
          )
        const labels = yield* ask(undefined)
        const logits = yield* ask("logits")
        if (labels._tag !== "Labels" || logits._tag !== "Logits") return assert.fail("of another kind")
        assert.deepInclude(logits.logits, { classes: 6, width: 240, height: 160 })
        assert.deepStrictEqual(logits.classes, labels.classes)
        const map = Logits.toLabelMap(logits.logits, image.width, image.height)
        assert.isTrue(LabelMap.equals(map, labels.labelMap))
      })
    )

    it.effect("labels a file in windows as it does the whole of it, but for half a percent", () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        const picture = yield* LargeImage.file(sample, { folder })
        const untiled = yield* support.collect(Tiled.segment(picture, { crop: 960, stride: 960 }), picture)
        const path = join(folder, "labels.tif")
        const share = ({ data }: { readonly data: Uint8Array }) => {
          let others = 0
          for (let i = 0; i < data.length; i++) if (data[i] !== untiled.data[i]) others++
          return others / data.length
        }
        for (const weights of ["even", "distance"] as const) {
          yield* LabelFile.write(path, picture, Tiled.segment(picture, { weights }))
          const data = yield* Effect.promise(() => sharp(path).toColourspace("b-w").raw().toBuffer())
          const tiled = { width: 960, height: 640, data: Uint8Array.from(data) }
          assert.isAbove(LabelMap.histogram(tiled).size, 3)
          assert.isBelow(share(tiled), 0.005)
        }
      }).pipe(Effect.scoped)
    )
  })

  layer(Layer.provideMerge(SegFormerOnnx.layer(), common), { excludeTestServices: true })((it) => {
    it.effect("labels 2,000 x 2,000 pixels far from seams as it does them untiled, all of them", () =>
      Effect.gen(function* () {
        const size = { width: 4_750, height: 2_000 }
        const picture = yield* LargeImage.make({
          source: "drawn",
          ...size,
          read: (box) => Effect.sync(() => support.draw(box, support.waves))
        })
        // A window is as much as is compared, and what its neighbours share with it.
        const tiled = yield* support.collect(
          Tiled.segment(picture, { crop: 2_500, stride: 2_250, weights: "distance" }),
          picture
        )
        const window = { x: 0, y: 0, width: 2_500, height: 2_000 }
        const untiled = yield* Effect.flatMap(
          segment(ImageSource.raster(support.draw(window, support.waves))),
          ({ labelMap }) => labelMap
        )
        let compared = 0
        let others = 0
        for (let y = 0; y < 2_000; y++) {
          for (let x = 0; x < 2_250; x++) {
            compared++
            if (tiled.data[y * size.width + x] !== untiled.data[y * window.width + x]) others++
          }
        }
        assert.deepStrictEqual([compared, others], [4_500_000, 0])
        assert.isAbove(LabelMap.histogram(untiled).size, 1)
      })
    )
  })
})
