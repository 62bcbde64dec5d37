import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import * as support from "./support.ts"

const whyNot = (path: string, variant = "model") =>
  Effect.map(Effect.flip(ModelSource.folder(path).open(variant)), (error) => {
    assert.strictEqual(error._tag, "ModelNotLoadable")
    return error.message
  })

const model = { "model.onnx": "blocks.onnx" }

describe("a model folder", () => {
  it.effect("that lacks something says which file", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(model)
      const missing = join(path, "at/all")
      assert.include(yield* whyNot(missing), `there is nothing at ${missing}`)
      assert.include(yield* whyNot(path, "quantized"), "onnx/model_quantized.onnx")
      assert.include(yield* whyNot(join(path, "config.json")), "neither a folder nor an .onnx file")
      rmSync(join(path, "preprocessor_config.json"))
      assert.include(yield* whyNot(path), "has no preprocessor_config.json")
      rmSync(join(path, "config.json"))
      assert.include(yield* whyNot(path), "has no config.json")
    }).pipe(Effect.scoped)
  )

  it.effect("with settings that cannot be followed says which", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [preprocessor: Record<string, unknown>, says: string]> = [
        [{ size: {} }, "`size`"],
        [{ size_divisor: 32 }, "size_divisor"],
        [{ size: 0 }, "size"],
        [{ size: { height: 1e9, width: 1e9 } }, "size"],
        [{ image_mean: [0.5, 0.5] }, "`image_mean`"],
        [{ image_std: 0 }, "`image_std`"],
        [{ resample: 9 }, "resample"],
        [{ do_center_crop: true }, "`crop_size`"],
        [
          { do_center_crop: true, crop_size: 8, image_processor_type: "SegformerImageProcessor" },
          "do_center_crop"
        ],
        [{ do_equalize: true }, "do_equalize"],
        [{ do_normalize: "yes" }, "do_normalize"]
      ]
      for (const [changes, says] of cases) {
        const preprocessor = { ...support.preprocessor, ...changes }
        const path = yield* support.modelFolder(model, { preprocessor })
        assert.include(yield* whyNot(path), says)
      }
      const grey = yield* support.modelFolder(model, { config: { num_channels: 1 } })
      assert.include(yield* whyNot(grey), "images of 1 channels")
      const path = yield* support.modelFolder(model)
      writeFileSync(join(path, "config.json"), "{")
      assert.include(yield* whyNot(path), "config.json is no JSON")
    }).pipe(Effect.scoped)
  )

  it.effect("with settings as Python writes them is read", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(model)
      const opened = (config: string) => {
        writeFileSync(join(path, "config.json"), config)
        return Effect.map(ModelSource.folder(path).open("model"), ({ classes }) =>
          classes.map(({ name }) => name).join()
        )
      }
      assert.strictEqual(yield* opened(`\uFEFF{"id2label":{"0":"a"}}`), "a")
      assert.strictEqual(
        yield* opened(
          `{"rate":-Infinity,"std":[NaN, Infinity],"id2label":{"0":"NaN","1":"a \\"Infinity\\""}}`
        ),
        `NaN,a "Infinity"`
      )
      assert.strictEqual(yield* opened(`{"id2label":{"0":0,"1":1},"num_channels":null}`), "0,1")
      assert.strictEqual(yield* opened(`{"id2label":null}`), "")
      assert.strictEqual(yield* opened(`{"label2id":{"b":1,"a":"0"}}`), "a,b")
      assert.strictEqual(yield* opened(`{"num_labels":3}`), "LABEL_0,LABEL_1,LABEL_2")
      assert.strictEqual(yield* opened(`{"id2label":{"0":"a"},"label2id":{"b":0},"num_labels":2}`), "a")
      assert.strictEqual(yield* opened(`{"id2label":{},"label2id":{},"num_labels":2}`), "LABEL_0,LABEL_1")
      assert.strictEqual(yield* opened(`{"id2label":{"-1":"void","00":"a"}}`), "a")
      // Names by what is no id would be no names at all, and held against nothing.
      for (const [names, says] of [
        [{ a: 0 }, `names "0" by "a", which is no class id`],
        [{ LABEL_0: "a" }, `names "a" by "LABEL_0"`],
        [{ "0.0": "a" }, `names "a" by "0.0"`],
        [{ 1: "b", "01": "a" }, "two names for the class 1"]
      ] as const) {
        writeFileSync(join(path, "config.json"), JSON.stringify({ id2label: names }))
        assert.include(yield* whyNot(path), says)
      }
      writeFileSync(join(path, "config.json"), `{"id2label":["a"]}`)
      assert.include(yield* whyNot(path), `at ["id2label"]`)
      writeFileSync(join(path, "config.json"), `{"num_channels":NaN, no}`)
      assert.include(yield* whyNot(path), "config.json is no JSON")
    }).pipe(Effect.scoped)
  )

  it.live("with a broken model file is an error when the layer is built", () =>
    Effect.gen(function* () {
      const load = (path: string) =>
        Effect.flip(Effect.scoped(SegFormerOnnx.make({ model: ModelSource.folder(path) }))).pipe(
          Effect.provide(SharpCodec.layer)
        )
      const path = yield* support.modelFolder(model)
      const file = join(path, "onnx", "model.onnx")
      truncateSync(file, 200)
      assert.include((yield* load(path)).message, "ONNX Runtime does not load")
      writeFileSync(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
      assert.strictEqual((yield* load(path))._tag, "ModelNotLoadable")
      rmSync(file)
      mkdirSync(file)
      assert.strictEqual((yield* load(path))._tag, "ModelNotLoadable")
    }).pipe(Effect.scoped)
  )

  it.effect("is told from an id of the Hub by whether it is there", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(model)
      assert.strictEqual(ModelSource.parse(`${path}/onnx/model.onnx`).name, "model.onnx")
      assert.strictEqual(ModelSource.parse("owner/model@main").name, "owner/model")
      assert.strictEqual(ModelSource.parse("./missing/folder/of/mine").name, "mine")
    }).pipe(Effect.scoped)
  )
})
