/** Overlays, COCO, tables and rankings of a service that gives no label map: what there is of it, and a word of what there is not. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type FileSystem, Layer, Logger } from "effect"
import { type Prediction, Transport } from "effect-segformer"
import { Batch, BatchSource, type Sink, Sinks } from "effect-segformer/batch"
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
const ground = { ...region, classId: 0, className: "background" }
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
  "both.png": { ...common, regions: [region, ground], pictures: { overlay } },
  // Another of the same content.
  "twin.png": { ...common, regions: [region, ground], pictures: { overlay } },
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

  const run = (
    sinks: (out: string) => ReadonlyArray<Sink.Sink<FileSystem.FileSystem>>,
    names: ReadonlyArray<string>
  ) =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const log = Logger.make(({ message }) => void said.push(String(message)))
      const source = yield* folder(
        Object.fromEntries(
          names.map((name, at) => [name, name === "labels.png" ? Fixtures.image : picture(at)])
        )
      )
      const out = yield* folder()
      const layers = Layer.mergeAll(service, NodeFileSystem.layer, SharpCodec.layer, Logger.layer([log]))
      const summary = yield* Effect.provide(
        Batch.run({ source: BatchSource.folder(source), sinks: sinks(out), folder: join(out, ".segformer") }),
        layers
      )
      const lines = (name: string) => readFileSync(join(out, name), "utf8").split("\r\n")
      return { said: said.sort(), summary, lines }
    })

  it.live("make tables of the regions that are reported, and mark images of which nothing is known", () =>
    Effect.gen(function* () {
      const { lines, said, summary } = yield* run(
        (out) => [
          Sinks.csv({ path: join(out, "classes.csv") }),
          { ...Sinks.csv({ path: join(out, "regions.csv"), regions: true }), name: "regions" }
        ],
        ["both.png", "regions.png", "found-nothing.png", "overlay.png", "labels.png", "z-none.png"]
      )
      assert.deepInclude(summary, { done: 5, failed: 1 })
      assert.deepStrictEqual([...summary.failures], [["NoLabelMap", 1]])
      const classes = lines("classes.csv")
      assert.includeMembers(classes, [
        "both.png,2,scratch,7,0.07291666666666667",
        "both.png,0,background,7,0.07291666666666667",
        "regions.png,2,scratch,7,0.07291666666666667",
        "found-nothing.png,,,0,0",
        "overlay.png,,,,"
      ])
      assert.isAbove(classes.filter((line) => /^labels\.png,\d+,\w+,\d+,/.test(line)).length, 0)
      const regions = lines("regions.csv")
      assert.lengthOf(
        regions.filter((line) => /^(both|regions)\.png,2,scratch,7,3,1,4,2,/.test(line)),
        2
      )
      assert.match(
        regions.find((line) => line.startsWith("overlay.png"))!,
        /^overlay\.png,+$/
      )
      assert.isUndefined(regions.find((line) => line.startsWith("found-nothing.png")))
      assert.deepStrictEqual(said, [
        "1 done without numbers in classes.csv: the service gave pictures alone",
        "1 done without numbers in regions.csv: the service gave pictures alone",
        "3 done without a label map, so that classes.csv has the areas of the regions that the service reported"
      ])
    })
  )

  it.live("rank last what nothing is known to rank it by", () =>
    Effect.gen(function* () {
      const names = ["both.png", "overlay.png", "labels.png", "z-none.png"]
      for (const by of ["distance", "entropy"] as const) {
        const { lines, said, summary } = yield* run(
          (out) => [Sinks.ranking({ path: join(out, "ranking.csv"), by })],
          names
        )
        assert.deepInclude(summary, { done: 3, failed: 1 })
        const [heading, ...rows] = lines("ranking.csv")
        assert.strictEqual(heading, "image,entropy,margin,unsure,disagreement,distance")
        assert.sameMembers(rows, ["both.png,,,,,", "overlay.png,,,,,", "labels.png,,,,,0", ""])
        if (by === "distance") assert.strictEqual(rows[0], "labels.png,,,,,0")
        assert.deepStrictEqual(said, [
          by === "distance"
            ? "2 done without a rank in ranking.csv, and last in it: there is no label map to tell it by"
            : "3 done without a rank in ranking.csv, and last in it: there are no logits to tell it by"
        ])
      }
    })
  )
})
