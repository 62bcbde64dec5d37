/** The forms in which models are published, by the binary and by WebAssembly alike: read right, or refused by what is wrong. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { segment, Transport } from "effect-segformer"
import type { ImageCodec } from "effect-segformer/image"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SegFormerWeb } from "effect-segformer/onnx/web"
import { SharpCodec } from "effect-segformer/sharp"
import { folder } from "../support/Folder.ts"
import * as support from "./support.ts"

type Options = Omit<SegFormerOnnx.SegFormerOnnxOptions, "model"> & { readonly model: ModelSource.ModelSource }

const runtimes: ReadonlyArray<
  readonly [
    string,
    (
      options: Options
    ) => Effect.Effect<Transport["Service"], SegFormerOnnx.LoadError, ImageCodec | Scope.Scope>
  ]
> = [
  ["the binary", (options) => SegFormerOnnx.make(options)],
  ["WebAssembly", (options) => SegFormerWeb.make(options)]
]

/** Left half red, right half blue: ids 1 and 3. */
const halves = (width: number, height: number) => {
  const picture = support.plain(width, height, 255, 0, 0)
  for (let y = 0; y < height; y++)
    for (let x = width / 2; x < width; x++) picture.data.set([0, 0, 255], (y * width + x) * 3)
  return picture
}
const idsOf = (width: number, height: number, [left, right]: readonly [number, number] = [1, 3]) =>
  Uint8Array.from({ length: width * height }, (_, i) => (i % width < width / 2 ? left : right))

const size = (width: number, height: number) => ({ ...support.preprocessor, size: { width, height } })

describe.each(runtimes)("a model in %s", (_, make) => {
  const load = (path: string, options: Partial<Options> = {}) =>
    make({ threads: 1, ...options, model: ModelSource.folder(path) })

  const labelsOf = (path: string, options?: Partial<Options>, [width, height] = [64, 32]) =>
    Effect.gen(function* () {
      const transport = yield* load(path, options)
      const segmentation = yield* segment(yield* support.source(halves(width!, height!))).pipe(
        Effect.provide(Layer.succeed(Transport, transport))
      )
      return yield* segmentation.labelMap
    }).pipe(Effect.provide(SharpCodec.layer))

  const whyNot = (path: string, options?: Partial<Options>) =>
    Effect.map(Effect.flip(load(path, options)), ({ message }) => message).pipe(
      Effect.provide(SharpCodec.layer),
      Effect.scoped
    )

  it.live.each([
    ["of float16 in and out", "form_half.onnx", size(64, 32), {}],
    ["bound to one size, which its preprocessor makes", "form_fixed.onnx", size(48, 32), {}],
    ["bound to four pictures at once", "form_batch.onnx", size(32, 32), {}],
    ["with the channels last, in and out", "form_last.onnx", size(64, 32), {}],
    ["of class ids as floats", "form_float_ids.onnx", size(64, 32), {}],
    [
      "with the channels last at the output, as many as rows and columns",
      "form_last_out.onnx",
      size(24, 24),
      {}
    ],
    ["of class ids, in as many columns as there are classes", "form_ids.onnx", size(24, 32), {}],
    ["of logits in whole numbers", "form_int8.onnx", size(64, 32), {}],
    ["bound to one size within, which its preprocessor makes", "form_inside.onnx", size(48, 32), {}],
    ["of several outputs, of which one has the classes", "form_several.onnx", size(64, 32), {}],
    ["of several outputs, one of them named", "form_several.onnx", size(64, 32), { output: "head" }]
  ] as const)("%s is read", ([, file, preprocessor, options]) =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder({ "model.onnx": file }, { preprocessor })
      const map = yield* labelsOf(path, options)
      assert.deepStrictEqual(map.data, idsOf(64, 32))
    }).pipe(Effect.scoped)
  )

  it.live("of one channel is cut at the threshold that is given, and refused without one", () =>
    Effect.gen(function* () {
      const config = { id2label: { 0: "background", 1: "red" } }
      const path = yield* support.modelFolder(
        { "model.onnx": "form_binary.onnx" },
        { config, preprocessor: size(64, 32) }
      )
      assert.include(yield* whyNot(path), "`threshold`")
      const { data } = yield* labelsOf(path, { threshold: 0 })
      // Where the halves meet, a logit of 3 and one of -5 leave the border a pixel off.
      const clear = (ids: ArrayLike<number>) =>
        Array.from(ids).filter((_, i) => Math.abs((i % 64) - 31.5) > 4)
      assert.deepStrictEqual(clear(data), clear(idsOf(64, 32, [1, 0])))
    }).pipe(Effect.scoped)
  )

  it.live("of a mask of 0 and 255 is cut at the threshold that is given, and refused without one", () =>
    Effect.gen(function* () {
      const config = { id2label: { 0: "background", 1: "red" } }
      const path = yield* support.modelFolder(
        { "model.onnx": "form_mask.onnx" },
        { config, preprocessor: size(64, 32) }
      )
      const failed = yield* Effect.flip(labelsOf(path))
      assert.include(failed.message, "such as 255, which is no class id: give the `threshold`")
      assert.deepStrictEqual((yield* labelsOf(path, { threshold: 127 })).data, idsOf(64, 32, [1, 0]))
    }).pipe(Effect.scoped)
  )

  it.live("fails on a picture for which it gives no number somewhere, and on no other", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model.onnx": "form_nan.onnx" },
        { preprocessor: size(64, 32) }
      )
      const transport = yield* load(path)
      const labels = (red: number, blue: number) =>
        Effect.flatMap(support.source(support.plain(64, 32, red, 0, blue)), (source) => segment(source)).pipe(
          Effect.flatMap(({ labelMap }) => labelMap),
          Effect.provide(Layer.succeed(Transport, transport))
        )
      const failed = yield* Effect.flip(labels(255, 0))
      assert.include(failed.message, "every logit is NaN")
      const half = yield* Effect.flip(
        Effect.flatMap(support.source(halves(64, 32)), (source) => segment(source)).pipe(
          Effect.provide(Layer.succeed(Transport, transport))
        )
      )
      assert.include(half.message, "the logits of 64 of 128 positions are NaN")
      assert.deepStrictEqual((yield* labels(0, 255)).data, idsOf(64, 32, [3, 3]))
    }).pipe(Effect.provide(SharpCodec.layer), Effect.scoped)
  )

  it.live("whose names have one for 255, which is no channel, is read", () =>
    Effect.gen(function* () {
      const id2label = { ...support.config.id2label, 255: "void" }
      const path = yield* support.modelFolder(
        { "model.onnx": "blocks.onnx" },
        { config: { id2label }, preprocessor: size(64, 32) }
      )
      assert.deepStrictEqual((yield* labelsOf(path)).data, idsOf(64, 32))
    }).pipe(Effect.scoped)
  )

  it.live("that is bound to a size and has no preprocessor's word for one gets pictures of that size", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder({ "model.onnx": "form_fixed.onnx" })
      rmSync(join(path, "preprocessor_config.json"))
      const transport = yield* make({
        threads: 1,
        model: ModelSource.folder(join(path, "onnx", "model.onnx"))
      }).pipe(Effect.provide(SharpCodec.layer))
      const segmentation = yield* segment(yield* support.source(halves(64, 32))).pipe(
        Effect.provide(Layer.succeed(Transport, transport))
      )
      assert.deepStrictEqual((yield* segmentation.labelMap).data, idsOf(64, 32))
    }).pipe(Effect.scoped)
  )

  it.live("that cannot be meant is refused when it is loaded, in words", () =>
    Effect.gen(function* () {
      const refused = (
        file: string,
        settings: Parameters<typeof support.modelFolder>[1],
        options?: Partial<Options>
      ) =>
        Effect.flatMap(support.modelFolder({ "model.onnx": file }, settings), (path) => whyNot(path, options))
      assert.include(
        yield* refused("form_fixed.onnx", { preprocessor: size(512, 512) }),
        "48 x 32 alone, and its preprocessor_config.json makes them 512 x 512"
      )
      assert.include(
        yield* refused("form_fixed.onnx", {
          preprocessor: { ...support.preprocessor, size: { shortest_edge: 32 } }
        }),
        "of many sizes"
      )
      const names = Object.fromEntries(Array.from({ length: 150 }, (_, id) => [id, `name ${id}`]))
      const ade = { config: { id2label: names } }
      assert.include(yield* refused("blocks.onnx", ade), "names 150 classes")
      assert.include(yield* refused("form_last.onnx", ade), "names 150 classes")
      assert.include(yield* refused("form_several.onnx", ade), "2 outputs (auxiliary: float32")
      assert.include(yield* refused("form_several.onnx", {}, { output: "logits" }), "no output logits")
      assert.include(yield* refused("classifier.onnx", {}), "its output must be logits")
    }).pipe(Effect.scoped)
  )

  it.live("that has its weights in a file beside it is loaded with it, and says which is missing", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model.onnx": "form_outside.onnx" },
        { preprocessor: size(64, 32) }
      )
      assert.include(yield* whyNot(path), "form_outside.onnx_data, which must lie beside it")
      const weights = readFileSync(support.fixture("form_outside.onnx_data"))
      for (const [other, says] of [
        ["", "form_outside.onnx_data, which is empty"],
        ["<!DOCTYPE html><title>Sign in</title>".padEnd(4096), "is a page in HTML"],
        ["version https://git-lfs.github.com/spec/v1\noid sha256:aa\n".padEnd(4096), "git lfs pull"],
        [weights.subarray(0, weights.length / 2), "its weights is cut off"]
      ] as const) {
        writeFileSync(join(path, "onnx", "form_outside.onnx_data"), other)
        assert.include(yield* whyNot(path), says)
      }
      copyFileSync(support.fixture("form_outside.onnx_data"), join(path, "onnx", "form_outside.onnx_data"))
      assert.deepStrictEqual((yield* labelsOf(path)).data, idsOf(64, 32))
    }).pipe(Effect.scoped)
  )

  it.live(
    "that has its weights in a folder beside it, by a long name in any letters, is loaded with it",
    () =>
      Effect.gen(function* () {
        const path = yield* support.modelFolder(
          { "model.onnx": "form_outside_below.onnx" },
          { preprocessor: size(64, 32) }
        )
        const name = `für B0 (1) ${"n".repeat(140)}.bin`
        assert.include(yield* whyNot(path), `weights/${name}, which must lie beside it`)
        const folder = join(path, "onnx", "weights")
        mkdirSync(folder)
        copyFileSync(support.fixture("form_outside.onnx_data"), join(folder, name))
        assert.deepStrictEqual((yield* labelsOf(path)).data, idsOf(64, 32))
      }).pipe(Effect.scoped)
  )

  it.live(
    "that lies in a cache whose files are links to others by their digests is loaded with its weights",
    () =>
      Effect.gen(function* () {
        const blobs = yield* support.modelFolder(
          { aa: "form_outside.onnx", bb: "form_outside.onnx_data" },
          { preprocessor: size(64, 32) }
        )
        const path = yield* folder()
        mkdirSync(join(path, "onnx"))
        for (const name of ["config.json", "preprocessor_config.json"])
          symlinkSync(join(blobs, name), join(path, name))
        symlinkSync(join(blobs, "onnx", "aa"), join(path, "onnx", "model.onnx"))
        symlinkSync(join(blobs, "onnx", "bb"), join(path, "onnx", "form_outside.onnx_data"))
        assert.deepStrictEqual((yield* labelsOf(path)).data, idsOf(64, 32))
      }).pipe(Effect.scoped)
  )

  it.live("goes by the names that people have for precisions, and says which there are", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model_quantized.onnx": "blocks_quantized.onnx", "model_fp16.onnx": "form_half.onnx" },
        { preprocessor: size(64, 32) }
      )
      for (const variant of ["q8", "int8", "quantized", "fp16"]) {
        assert.deepStrictEqual((yield* labelsOf(path, { variant })).data, idsOf(64, 32), variant)
      }
      const why = yield* whyNot(path, { variant: "q4" })
      assert.include(why, "onnx/model_q4.onnx")
      assert.include(why, "quantized")
      assert.include(yield* whyNot(path), "There is: fp16, quantized")
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["nothing", "", "is empty"],
    ["a placeholder of Git", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"],
    ["a page", "<!DOCTYPE html><p>Sign in", "page in HTML"],
    ["a zip file", "PK\u0003\u0004data", "PyTorch"],
    ["other bytes", "\u0000\u0001\u0002 what is this", "damaged, or no ONNX file"]
  ] as const)("whose file is %s is refused by what that is", ([, content, says]) =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder({})
      mkdirSync(join(path, "onnx"), { recursive: true })
      writeFileSync(join(path, "onnx", "model.onnx"), content)
      const why = yield* whyNot(path)
      assert.include(why, says)
      assert.notMatch(why, /::|\.cc|Protobuf/)
    }).pipe(Effect.scoped)
  )

  it.live("whose pictures are cropped gives no class to what it has not seen; padding leaves no trace", () =>
    Effect.gen(function* () {
      const crop = { do_resize: false, do_center_crop: true, crop_size: { height: 16, width: 32 } }
      const cropped = yield* support.modelFolder(
        { "model.onnx": "blocks.onnx" },
        { preprocessor: { ...support.preprocessor, ...crop } }
      )
      const map = yield* labelsOf(cropped)
      assert.strictEqual(map.ignoreIndex, 255)
      const seen = (x: number, y: number) => x >= 16 && x < 48 && y >= 8 && y < 24
      const expected = Uint8Array.from({ length: 64 * 32 }, (_, i) =>
        seen(i % 64, Math.floor(i / 64)) ? (i % 64 < 32 ? 1 : 3) : 255
      )
      assert.deepStrictEqual(map.data, expected)
      const pad = { do_resize: false, do_pad: true, pad_size: { height: 64, width: 96 } }
      const padded = yield* support.modelFolder(
        { "model.onnx": "blocks.onnx" },
        { preprocessor: { ...support.preprocessor, ...pad } }
      )
      const whole = yield* labelsOf(padded)
      assert.deepStrictEqual([whole.data, whole.ignoreIndex], [idsOf(64, 32), undefined])
    }).pipe(Effect.scoped)
  )

  it.live("that sees a strip as gigabytes fails on that picture alone", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model.onnx": "blocks.onnx" },
        { preprocessor: { ...support.preprocessor, size: { shortest_edge: 512 } } }
      )
      const transport = yield* load(path)
      const whole = (width: number, height: number) =>
        Effect.flatMap(support.source(support.plain(width, height, 255, 0, 0)), (source) =>
          segment(source)
        ).pipe(Effect.provide(Layer.succeed(Transport, transport)), Effect.result)
      const strip = yield* whole(20_000, 1)
      assert.isTrue(strip._tag === "Failure" && strip.failure.message.includes("64 megapixels"))
      assert.strictEqual((yield* whole(8, 8))._tag, "Success")
    }).pipe(Effect.provide(SharpCodec.layer), Effect.scoped)
  )
})
