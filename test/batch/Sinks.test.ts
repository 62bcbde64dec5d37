import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { ImageSource, Transport } from "effect-segformer"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { ImageCodec } from "effect-segformer/image"
import { Coco, Csv } from "effect-segformer/mask"
import { Colors, Overlay } from "effect-segformer/render"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import * as FastCheck from "fast-check"
import * as OutFolder from "../../src/batch/OutFolder.ts"
import { folder } from "../support/Folder.ts"
import { classes, filesIn, labelsOf, picture, segmenter } from "./support.ts"

describe("sinks", () => {
  it.live("COCO and tables say of all images what they say of each", () =>
    Effect.gen(function* () {
      const files = { "x/1.png": picture(1, 20, 11), "x/2.png": picture(2, 5, 9), "3.png": picture(3) }
      const sizes = { "x/1.png": [20, 11], "x/2.png": [5, 9], "3.png": [12, 8] } as const
      const source = yield* folder(files)
      const out = yield* folder()
      yield* Batch.run({
        source: BatchSource.folder(source),
        sinks: [
          Sinks.coco({ path: join(out, "coco.json"), minArea: 2 }),
          Sinks.csv({ path: join(out, "areas.csv") })
        ],
        folder: join(out, ".segformer")
      }).pipe(Effect.provide(segmenter()), Effect.provide(NodeFileSystem.layer))
      const dataset = Result.getOrThrow(Coco.parse(readFileSync(join(out, "coco.json"), "utf8")))
      const rows = readFileSync(join(out, "areas.csv"), "utf8")
      assert.deepStrictEqual(dataset.categories, [
        { id: 1, name: "scratch" },
        { id: 2, name: "pit" }
      ])
      for (const name of ["x/1.png", "x/2.png", "3.png"] as const) {
        const [width, height] = sizes[name]
        const map = { width, height, data: labelsOf(files[name], width, height) }
        const image = dataset.images.find(({ file_name }) => file_name === name)!
        assert.deepStrictEqual([image.width, image.height], [width, height])
        const own = dataset.annotations.filter(({ image_id }) => image_id === image.id)
        const expected = Coco.annotations(map, { imageId: image.id, exclude: [0], minArea: 2 })
        const withoutId = (annotation: Coco.Annotation) => ({ ...annotation, id: 0 })
        assert.deepStrictEqual(own.map(withoutId), expected.map(withoutId))
        const [, ...lines] = Csv.areas(map, classes).trimEnd().split("\r\n")
        for (const line of lines) assert.include(rows, `\r\n${name},${line}\r\n`)
      }
    })
  )

  it.live("overlays are pictures of the image's size, and the report shows thumbnails", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a & b.png": Fixtures.image, "c.png": Fixtures.image })
      const out = yield* folder()
      const stub = Transport.layer({ name: "stub", predict: () => Effect.succeed(Fixtures.prediction) })
      const { files } = yield* Batch.run({
        source: BatchSource.folder(source),
        sinks: [Sinks.labels({ folder: out }), Sinks.overlays({ folder: out })],
        folder: join(out, ".segformer"),
        report: join(out, "report.html")
      }).pipe(Effect.provide(stub), Effect.provide(Layer.merge(NodeFileSystem.layer, SharpCodec.layer)))
      assert.deepStrictEqual(files, [join(out, "report.html")])
      const names = ["a & b.png", "c.png"].flatMap((name) => [`${name}.labels.png`, `${name}.overlay.jpg`])
      assert.deepStrictEqual(filesIn(out), [...names, "report.html"].sort())
      const overlay = readFileSync(join(out, "c.png.overlay.jpg"))
      assert.deepStrictEqual([...overlay.subarray(0, 3)], [0xff, 0xd8, 0xff])
      const html = readFileSync(join(out, "report.html"), "utf8")
      assert.match(
        html,
        /<img src="data:image\/jpeg;base64,[^"]+" width="48" height="32" alt="(a &amp; b|c)\.png"/
      )
      assert.include(html, "The slowest")
      assert.include(html, "of them equal to others")
      // In the colours of the label PNG, which are those of the overlay.
      const named = Fixtures.prediction.classes
      const thumbnail = yield* Effect.gen(function* () {
        const codec = yield* ImageCodec
        const photo = yield* codec.decode(yield* ImageSource.bytes(Fixtures.image).open())
        const map = yield* Sinks.labels({ folder: out }).labelMap!("c.png")
        const palette = Colors.paletteOf(named)
        assert.deepStrictEqual(
          map.palette?.slice(0, named.length).map(({ color }) => color),
          palette.map(({ color }) => color)
        )
        const { height, width, data } = map
        const drawn = yield* Overlay.draw(photo, { height, width, data }, { palette, hidden: [0] })
        return yield* codec.encode(drawn, "jpeg", { quality: 80 })
      }).pipe(Effect.provide(Layer.merge(NodeFileSystem.layer, SharpCodec.layer)))
      assert.include(html, Buffer.from(thumbnail).toString("base64"))
    })
  )

  it("paths of results are safe, within their folder, and one for each key", () => {
    const keys = [
      "a.png",
      "../a.png",
      "/a.png",
      "a//b",
      "a/b",
      "https://h/a.png?x=1",
      "C:\\a",
      ".a",
      "a.",
      "%2E",
      "é✓"
    ]
    assert.deepStrictEqual(keys.map(OutFolder.pathOf), [
      "a.png",
      "%2E%2E/a.png",
      "%/a.png",
      "a/%/b",
      "a/b",
      "https%3A/%/h/a.png%3Fx=1",
      "C%3A%5Ca",
      "%2Ea",
      "a%2E",
      "%252E",
      "é✓"
    ])
    const part = FastCheck.string({ unit: FastCheck.constantFrom(..."ab./\\%:? é\u0000") })
    FastCheck.assert(
      FastCheck.property(part, part, (a, b) => {
        const path = OutFolder.pathOf(a)
        assert.isFalse(path.split("/").some((name) => name === "" || /^\.|[\\:?\0]/.test(name)))
        assert.strictEqual(path === OutFolder.pathOf(b), a === b)
        assert.strictEqual(OutFolder.keyOf(path), a)
      })
    )
    const long = "x".repeat(400)
    assert.isBelow(OutFolder.pathOf(long).length, 200)
    assert.notStrictEqual(OutFolder.pathOf(long), OutFolder.pathOf(`${long}y`))
  })
})
