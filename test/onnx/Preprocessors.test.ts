/** Settings as they are published, against what `transformers` makes of pictures by them (fixtures/preprocessors.py). */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Preprocessing from "../../src/image/Preprocessing.ts"
import * as PreprocessorConfig from "../../src/onnx/PreprocessorConfig.ts"
import found from "./fixtures/preprocessors.json" with { type: "json" }

/** The rule by which fixtures/preprocessors.py fills its pictures. */
const picture = (width: number, height: number): Uint8Array =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + (i >> 8) * 31 + (i >> 4)) & 255)

const read = (settings: unknown) =>
  PreprocessorConfig.toPreprocessing(Schema.decodeUnknownSync(PreprocessorConfig.Settings)(settings))

const refusalOf = (settings: unknown): string =>
  Result.match(read(settings), { onFailure: (detail) => detail, onSuccess: () => "obeyed" })

describe("a preprocessor", () => {
  for (const { height, settings, sha256, shape, width } of found) {
    it(`${JSON.stringify(settings)} makes of ${width} x ${height} what transformers makes of it`, () => {
      const input = Preprocessing.make(Result.getOrThrow(read(settings)), width, height)
      input.push(picture(width, height))
      const tensor = input.finish()
      assert.deepStrictEqual([3, tensor.height, tensor.width], shape)
      const hash = createHash("sha256").update(new Uint8Array(tensor.data.buffer)).digest("hex")
      assert.strictEqual(hash, sha256)
    })
  }

  it("is the same whether it is the fast one, that of Pillow, or called as it was of old", () => {
    const size = { height: 64, width: 64 }
    const first = read({ image_processor_type: "DPTImageProcessor", size })
    for (const type of ["DPTImageProcessorFast", "DPTImageProcessorPil"]) {
      assert.deepStrictEqual(read({ image_processor_type: type, size }), first)
    }
    assert.deepStrictEqual(read({ feature_extractor_type: "DPTFeatureExtractor", size }), first)
  })

  it("within the settings of a processor of several inputs is read, and refused, as it is alone", () => {
    const own = { image_processor_type: "SegformerImageProcessor", size: { height: 64, width: 96 } }
    assert.deepStrictEqual(read({ image_processor: own, processor_class: "OneFormerProcessor" }), read(own))
    assert.include(refusalOf({ image_processor: { ...own, do_rotate: true } }), "do_rotate")
    assert.include(refusalOf({ image_processor: { size: "large" } }), `["size"]`)
  })

  it("takes what is of an offset from what is scaled", () => {
    const { offset, scale } = Result.getOrThrow(
      read({ offset: true, rescale_factor: 1 / 127.5, do_normalize: false })
    )
    assert.deepStrictEqual([scale, offset], [1 / 127.5, 1])
  })

  it("that has the paper's test pipeline fits into 2,048 x 512, upright or lying", () => {
    const rule = Result.getOrThrow(read({ size: { height: 512, width: 2048 }, keep_aspect_ratio: true }))
    const sizeOf = (width: number, height: number) => {
      const input = Preprocessing.make(rule, width, height)
      input.push(new Uint8Array(width * height * 3))
      const tensor = input.finish()
      return [tensor.width, tensor.height]
    }
    assert.deepStrictEqual(sizeOf(1024, 512), [1024, 512])
    assert.deepStrictEqual(sizeOf(683, 512), [683, 512])
    assert.deepStrictEqual(sizeOf(333, 500), [512, 769])
    assert.deepStrictEqual(sizeOf(2000, 200), [2048, 205])
  })

  it.each([
    ["do_rotate", { do_rotate: true }],
    ["do_equalize", { do_equalize: true }],
    ["gamma", { gamma: 2.2 }],
    ["patch_size", { patch_size: 14 }],
    ["interpolation", { interpolation: "area" }],
    ["size_divisor", { size_divisor: 32 }],
    ["ensure_multiple_of", { ensure_multiple_of: 14 }],
    ["crop_pct", { size: { shortest_edge: 224 }, crop_pct: 0.9 }],
    ["crop_size", { do_center_crop: true }],
    ["size", { size: {} }],
    ["size", { size: { max_height: 64, max_width: 64 } }],
    ["keep_ratio", { size: { height: 64, width: 64, keep_ratio: 1 } }],
    ["image_std", { image_std: [-1, 1, 1] }],
    ["image_mean", { image_mean: [0.5] }],
    ["max_size", { size: 40, max_size: 60 }],
    ["do_pad", { image_processor_type: "BeitImageProcessor", do_pad: true, pad_size: 64 }],
    ["do_center_crop", { image_processor_type: "GLPNImageProcessor", do_center_crop: true, crop_size: 8 }],
    ["OtherImageProcessor", { image_processor_type: "OtherImageProcessor", size: 512 }]
  ] as const)("that has %s, which it cannot do, is refused by that name", (name, settings) => {
    assert.include(refusalOf(settings), name)
  })

  it.each([0, -1, Number.NaN, Infinity])("cannot scale by %d", (rescale_factor) => {
    assert.throws(() => read({ rescale_factor }), /rescale_factor/)
  })

  it.each([
    { do_rotate: false, gamma: null, do_reduce_labels: true, processor_class: "X", do_convert_rgb: true },
    { size_divisor: null, do_pad: null, crop_pct: null, image_mean: null, ignore_index: 255 },
    {
      image_processor_type: "OtherImageProcessor",
      size: 512,
      resample: 2,
      image_mean: [0, 0, 0],
      image_std: [1, 1, 1]
    }
  ])("that has settings which change nothing is obeyed: %j", (settings) => {
    assert.strictEqual(refusalOf(settings), "obeyed")
  })

  it("says where a picture lies in what it makes of it", () => {
    const placeOf = (settings: unknown, width: number, height: number) => {
      const input = Preprocessing.make(Result.getOrThrow(read(settings)), width, height)
      input.push(new Uint8Array(width * height * 3))
      return input.finish().place
    }
    assert.strictEqual(placeOf({ size: 64 }, 10, 10), undefined)
    assert.deepStrictEqual(placeOf({ do_resize: false, do_center_crop: true, crop_size: 8 }, 11, 5), {
      left: -1,
      top: 2,
      width: 11,
      height: 5
    })
    assert.deepStrictEqual(
      placeOf({ do_resize: false, do_pad: true, pad_size: { height: 20, width: 30 } }, 11, 5),
      { left: 0, top: 0, width: 11, height: 5 }
    )
  })

  it("does not make gigabytes of a strip", () => {
    const settings = Result.getOrThrow(read({ size: { shortest_edge: 512 } }))
    assert.throws(() => Preprocessing.make(settings, 1, 100_000), /64 megapixels/)
  })
})
