/** Overlays and COCO of a service that gives no label map: what there is of it, and a word of what there is not. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { type Prediction, Transport } from "effect-segformer"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import { folder } from "../support/Folder.ts"
import { filesIn, picture } from "./support.ts"

const region = {
  classId: 2,
  className: "scratch",
  box: { x: 3, y: 1, width: 4, height: 2 },
  area: 7,
  centroid: { x: 5, y: 2 },
  perimeter: 9,
  majorAxis: 4,
  minorAxis: 2,
  circularity: 1,
  aspectRatio: 2
}
const common = {
  _tag: "Rendered",
  width: 12,
  height: 8,
  classes: [
    { id: 0, name: "background" },
    { id: 2, name: "scratch" }
  ]
} as const
const overlay = Fixtures.image

/** By the name of the image. */
const predictions: Readonly<Record<string, Prediction>> = {
  "both.png": { ...common, regions: [region, { ...region, classId: 0 }], pictures: { overlay } },
  // Another of the same content.
  "twin.png": { ...common, regions: [region, { ...region, classId: 0 }], pictures: { overlay } },
  "regions.png": { ...common, regions: [region], pictures: {} },
  "found-nothing.png": { ...common, regions: [], pictures: {} },
  "overlay.png": { ...common, pictures: { overlay } },
  "mask.png": { ...common, pictures: { mask: overlay } },
  "labels.png": Fixtures.prediction
}
const keys = Object.keys(predictions)

const service = Transport.layer({
  name: "painter",
  predict: ({ image }) =>
    Effect.succeed(predictions[image.name] ?? { ...common, regions: undefined, pictures: {} })
})

describe("sinks of a service that gives no label map", () => {
  it.live("write what there is, count images as done, and say once what there is not", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const log = Logger.make(({ message }) => void said.push(String(message)))
      const files = Object.fromEntries(
        keys.map((key, at) => [key, key === "labels.png" ? Fixtures.image : picture(at)])
      )
      const source = yield* folder({ ...files, "twin.png": picture(0), "z-none.png": picture(99) })
      const out = yield* folder()
      const options = {
        source: BatchSource.folder(source),
        sinks: [
          Sinks.overlays({ folder: out }),
          Sinks.coco({ path: join(out, "coco.json") }),
          Sinks.results({ folder: out })
        ],
        folder: join(out, ".segformer")
      }
      const layers = Layer.mergeAll(service, NodeFileSystem.layer, SharpCodec.layer, Logger.layer([log]))
      const summary = yield* Effect.provide(Batch.run(options), layers)
      // What gives nothing at all is the failure that it was.
      assert.deepInclude(summary, { done: keys.length, failed: 1 })
      assert.deepStrictEqual([...summary.failures], [["NoLabelMap", 1]])
      assert.deepStrictEqual(
        filesIn(out).filter((name) => name.includes(".overlay.")),
        ["both.png.overlay.png", "labels.png.overlay.jpg", "overlay.png.overlay.png", "twin.png.overlay.png"]
      )
      assert.deepStrictEqual(readFileSync(join(out, "twin.png.overlay.png")), Buffer.from(overlay))
      assert.deepStrictEqual(said.sort(), [
        "2 done without a place in coco.json: the service gave pictures alone",
        "3 done without an overlay: the service gave neither a label map nor one of its own"
      ])

      const coco = JSON.parse(readFileSync(join(out, "coco.json"), "utf8"))
      // An image without annotations is one on which there is nothing: those of which nothing is known are not there.
      assert.deepStrictEqual(coco.images.map(({ file_name }: { file_name: string }) => file_name).sort(), [
        "both.png",
        "found-nothing.png",
        "labels.png",
        "regions.png",
        "twin.png"
      ])
      const ids = new Map<string, number>(
        coco.images.map(({ file_name, id }: { file_name: string; id: number }) => [file_name, id])
      )
      const of = (key: string) =>
        coco.annotations.filter(({ image_id }: { image_id: number }) => image_id === ids.get(key))
      for (const key of ["both.png", "regions.png", "twin.png"]) {
        const [annotation, ...others] = of(key)
        assert.deepStrictEqual(others, [])
        assert.deepInclude(annotation, {
          category_id: 2,
          segmentation: [],
          area: 7,
          bbox: [3, 1, 4, 2],
          iscrowd: 0
        })
      }
      assert.deepStrictEqual(of("found-nothing.png"), [])
      assert.isAbove(of("labels.png").length, 0)
      assert.deepInclude(coco.categories, { id: 2, name: "scratch" })
    })
  )
})
