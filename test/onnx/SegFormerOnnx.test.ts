import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource, LabelMap, segment, Transport } from "effect-segformer"
import { LabelPng } from "effect-segformer/mask"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import type * as reference from "./reference.ts"
import * as support from "./support.ts"

const embedded = SegFormerOnnx.layer({ threads: 1 }).pipe(Layer.provideMerge(SharpCodec.layer))

const heldOut = fileURLToPath(new URL("../fixtures/heldout/", import.meta.url))

/** The others are in the slow tests. */
const sizes: ReadonlyArray<readonly [width: number, height: number]> = [
  [1, 1],
  [7, 3],
  [1, 200],
  [31, 33],
  [127, 129],
  [333, 77],
  [511, 513],
  [512, 512],
  [801, 599]
]

layer(embedded, { excludeTestServices: true })("the embedded model", (it) => {
  it.effect(
    `gives the label map of the plain reference, pixel for pixel, on ${sizes.length} pictures of odd sizes`,
    () =>
      Effect.gen(function* () {
        const seen = yield* support.agrees(sizes)
        // Maps of nothing but background would agree without saying much.
        assert.isAtLeast(seen.size, 4)
      })
  )

  it.effect("repeats the evaluation on held-out pictures: mIoU of at least 0.80", () =>
    Effect.gen(function* () {
      const expected: { readonly classes: ReadonlyArray<string>; readonly miou: number } = JSON.parse(
        readFileSync(`${heldOut}expected.json`, "utf8")
      )
      const n = expected.classes.length
      const confusion = new Float64Array(n * n)
      const names = readdirSync(heldOut).filter((name) => name.endsWith(".jpg"))
      assert.isAtLeast(names.length, 20)
      for (const name of names) {
        const segmentation = yield* segment(ImageSource.file(heldOut + name))
        const found = yield* segmentation.labelMap
        const truth = yield* Effect.fromResult(
          LabelPng.decode(readFileSync(heldOut + name.replace(".jpg", ".labels.png")))
        )
        assert.deepStrictEqual([found.width, found.height], [truth.width, truth.height])
        for (let i = 0; i < truth.data.length; i++) confusion[truth.data[i]! * n + found.data[i]!]!++
      }
      const miou =
        expected.classes.reduce((sum, _, k) => {
          const hit = confusion[k * n + k]!
          let all = -hit
          for (let j = 0; j < n; j++) all += confusion[k * n + j]! + confusion[j * n + k]!
          return sum + hit / all
        }, 0) / n
      assert.isAtLeast(miou, 0.8)
      // JPEG decoders differ in a last bit here and there; the recipe's own figure is this close.
      assert.closeTo(miou, expected.miou, 0.002)
      const transport = yield* Transport
      const { classes } = yield* transport.describe
      assert.deepStrictEqual(
        classes.map(({ name }) => name),
        expected.classes
      )
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("says how sure it is of each class that it finds, and how long it took", () =>
    Effect.gen(function* () {
      const segmentation = yield* segment(yield* support.source(support.panel(300, 200, 3)))
      assert.isAbove(segmentation.scores.size, 0)
      for (const score of segmentation.scores.values()) {
        assert.isAbove(score, 1 / 6)
        assert.isAtMost(score, 1)
      }
      assert.isDefined(segmentation.cost.serviceTime)
      assert.isUndefined(segmentation.confidence)
      const transport = yield* Transport
      assert.strictEqual(transport.name, "bundled")
      assert.deepStrictEqual(yield* transport.health, { healthy: true, detail: "1 of 1 sessions ready" })
    })
  )
})

/** The ids of a picture whose quarters are red, green, blue and white. */
const quarters = (side: number) => {
  const picture = support.plain(side, side, 255, 0, 0)
  const half = side / 2
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const colour =
        y < half ? (x < half ? [255, 0, 0] : [0, 255, 0]) : x < half ? [0, 0, 255] : [255, 255, 255]
      picture.data.set(colour, (y * side + x) * 3)
    }
  const ids = Uint8Array.from({ length: side * side }, (_, i) => {
    const x = i % side
    const y = Math.floor(i / side)
    return y < half ? (x < half ? 1 : 2) : x < half ? 3 : 5
  })
  return { picture, ids }
}

const segmentWith = <R>(options: SegFormerOnnx.SegFormerOnnxOptions<R>, picture: reference.Rgb) =>
  Effect.gen(function* () {
    const segmentation = yield* segment(yield* support.source(picture))
    return { segmentation, labelMap: yield* segmentation.labelMap }
  }).pipe(
    Effect.provide(SegFormerOnnx.layer({ threads: 1, ...options }).pipe(Layer.provide(SharpCodec.layer)))
  )

describe("SegFormerOnnx beside @huggingface/transformers", () => {
  /** Pixels with the same label as its maps, made by fixtures/transformersjs.ts, have. */
  const agreement = (preprocessing: SegFormerOnnx.SegFormerOnnxOptions["preprocessing"]) =>
    Effect.gen(function* () {
      let same = 0
      let all = 0
      for (const name of ["000", "004", "008", "012", "016"]) {
        const segmentation = yield* segment(ImageSource.file(`${heldOut}${name}.jpg`))
        const found = yield* segmentation.labelMap
        const theirs = yield* Effect.fromResult(
          LabelPng.decode(readFileSync(support.fixture(`transformersjs-${name}.png`)))
        )
        assert.deepStrictEqual([found.width, found.height], [theirs.width, theirs.height])
        all += theirs.data.length
        theirs.data.forEach((id, i) => (same += found.data[i] === id ? 1 : 0))
      }
      return same / all
    }).pipe(
      Effect.provide([
        SegFormerOnnx.layer({ threads: 1, preprocessing }).pipe(Layer.provide(SharpCodec.layer)),
        NodeFileSystem.layer
      ])
    )

  it.live(
    "agrees on 99.9 % of the pixels where both resize as libvips does, and on fewer where we resize as Pillow",
    () =>
      Effect.gen(function* () {
        assert.isAtLeast(yield* agreement({ filter: "libvips-bilinear" }), 0.999)
        const asPillow = yield* agreement(undefined)
        assert.isAtLeast(asPillow, 0.995)
        assert.isBelow(asPillow, 0.999)
      })
  )
})

describe("SegFormerOnnx with models of others", () => {
  it.live("runs a folder, its quantized variant and a bare file alike", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder({
        "model.onnx": "blocks.onnx",
        "model_quantized.onnx": "blocks_quantized.onnx"
      })
      const { ids, picture } = quarters(32)
      const model = ModelSource.folder(path)
      const plain = yield* segmentWith({ model }, picture)
      assert.deepStrictEqual(plain.labelMap.data, ids)
      assert.deepStrictEqual(
        plain.segmentation.classes.map(({ name }) => name),
        ["black", "red", "green", "blue", "yellow", "white"]
      )
      assert.deepStrictEqual(
        (yield* segmentWith({ model, variant: "quantized" }, picture)).labelMap.data,
        ids
      )
      const file = ModelSource.folder(`${path}/onnx/model.onnx`)
      const bare = yield* segmentWith({ model: file }, picture)
      assert.deepStrictEqual(bare.labelMap.data, ids)
      assert.strictEqual(bare.segmentation.classes.length, 6)
    }).pipe(Effect.scoped)
  )

  for (const name of ["map_int64", "map_int32", "map_uint8"]) {
    it.live(`takes a class map as the output (${name}), and brings it to the image's size`, () =>
      Effect.gen(function* () {
        const path = yield* support.modelFolder({ "model.onnx": `${name}.onnx` })
        const model = ModelSource.folder(path)
        const same = quarters(32)
        assert.deepStrictEqual((yield* segmentWith({ model }, same.picture)).labelMap.data, same.ids)
        const larger = quarters(64)
        const { labelMap, segmentation } = yield* segmentWith({ model, confidence: true }, larger.picture)
        assert.deepStrictEqual(labelMap, { width: 64, height: 64, data: larger.ids })
        // A decided map says nothing of how sure the model is.
        assert.strictEqual(segmentation.scores.size, 0)
        assert.isUndefined(segmentation.confidence)
      }).pipe(Effect.scoped)
    )
  }

  it.live("heeds both forms of size, a missing one, do_resize, do_rescale and do_normalize", () =>
    Effect.gen(function* () {
      const { ids, picture } = quarters(32)
      const { do_rescale: _, rescale_factor: __, ...older } = support.preprocessor
      const forms: ReadonlyArray<Record<string, unknown>> = [
        { ...older, size: 32 },
        { ...older, size: { height: 32, width: 32 }, resample: 0 },
        { ...support.preprocessor, do_resize: false, size: 8 },
        // The fixture's classes are corners of a cube from -1 to 1.
        { ...support.preprocessor, do_rescale: false, image_mean: 127.5, image_std: 127.5 }
      ]
      for (const preprocessor of forms) {
        const path = yield* support.modelFolder({ "model.onnx": "blocks.onnx" }, { preprocessor })
        const { labelMap } = yield* segmentWith({ model: ModelSource.folder(path) }, picture)
        assert.deepStrictEqual(labelMap.data, ids, JSON.stringify(preprocessor))
      }
      // Without a mean, black and red are corners no more: what is not white is judged by its largest channel.
      const unnormalized = { ...support.preprocessor, do_normalize: false, rescale_factor: 1 / 64 }
      const other = yield* support.modelFolder(
        { "model.onnx": "blocks.onnx" },
        { preprocessor: unnormalized }
      )
      const shifted = yield* segmentWith({ model: ModelSource.folder(other) }, picture)
      const at = (x: number, y: number) => LabelMap.at(shifted.labelMap, x, y)
      assert.deepStrictEqual([at(4, 4), at(28, 4), at(4, 28), at(28, 28)], [1, 2, 3, 5])
      assert.notDeepEqual(shifted.labelMap.data, ids)
      const { size: ___, ...sizeless } = support.preprocessor
      const path = yield* support.modelFolder({ "model.onnx": "blocks.onnx" }, { preprocessor: sizeless })
      const large = quarters(512)
      const { labelMap } = yield* segmentWith({ model: ModelSource.folder(path) }, large.picture)
      assert.deepStrictEqual(labelMap.data, large.ids)
    }).pipe(Effect.scoped)
  )

  it.live("keeps the holes of an id2label, and lets options replace what the files say", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model.onnx": "blocks.onnx" },
        { config: { id2label: { 5: "white", 1: "LABEL_1", 3: "blue" } } }
      )
      const { picture } = quarters(32)
      const model = ModelSource.folder(path)
      const { labelMap, segmentation } = yield* segmentWith({ model }, picture)
      assert.deepStrictEqual(segmentation.classes, [
        { id: 1, name: "LABEL_1" },
        { id: 3, name: "blue" },
        { id: 5, name: "white" }
      ])
      assert.deepStrictEqual([...LabelMap.histogram(labelMap).keys()], [1, 2, 3, 5])
      const replaced = yield* segmentWith(
        { model, classes: [{ id: 2, name: "grass" }], preprocessing: { size: { width: 4, height: 4 } } },
        picture
      )
      assert.deepStrictEqual(replaced.segmentation.classes, [{ id: 2, name: "grass" }])
      assert.deepStrictEqual([...LabelMap.histogram(replaced.labelMap).keys()].length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("gives the confidence of each pixel on request", () =>
    Effect.gen(function* () {
      const { picture } = quarters(32)
      const path = yield* support.modelFolder({ "model.onnx": "blocks.onnx" })
      const { segmentation } = yield* segmentWith(
        { model: ModelSource.folder(path), confidence: true },
        picture
      )
      const { confidence } = segmentation
      assert.strictEqual(confidence?.data.length, 32 * 32)
      // Scores of red at (1, -1, -1): 3 for itself, -1 for its neighbours, -5 and -9 for those across.
      const logits = [-1, 3, -5, -5, -1, -5]
      const sum = logits.reduce((total, logit) => total + Math.exp(logit - 3), 0)
      assert.closeTo(confidence?.data[0] ?? 0, 1 / sum, 1e-6)
      assert.closeTo(segmentation.scores.get(1) ?? 0, 1 / sum, 1e-6)
    }).pipe(Effect.scoped)
  )
})
