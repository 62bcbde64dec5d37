import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { LabelMap, type Logits } from "effect-segformer/mask"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { SegFormerTest } from "effect-segformer/testing"
import { Augmentation, Tiled } from "effect-segformer/tiled"
import sharp from "sharp"
import * as support from "./support.ts"

const size = { width: 48, height: 32 }

const png = Effect.promise(() =>
  sharp(support.draw({ x: 0, y: 0, ...size }, support.waves).data, { raw: { ...size, channels: 3 } })
    .png()
    .toBuffer()
)

/** The logits of one picture, as the layer's transport gives them. */
const predict = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const transport = yield* Transport
  const image = yield* ImageSource.bytes(bytes, { name: "waves.png" }).open()
  const { value } = yield* transport.runner.run((attempt) => transport.predict({ image }, attempt))
  return value._tag === "Logits" ? value.logits : assert.fail("these are no logits")
})

const under = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  options: Augmentation.AugmentationOptions | undefined,
  model: Layer.Layer<Transport>
) =>
  Effect.provide(
    program,
    Augmentation.layer(options).pipe(Layer.provide(model), Layer.provideMerge(SharpCodec.layer))
  )

const model = (pixels: support.Size & { readonly data: Uint8Array }) => support.convolution(pixels, 3, 1)

const mirrored = ({ data, height, width }: Logits.Logits, x: boolean, y: boolean) =>
  data.map((_, i) => {
    const k = Math.floor(i / (width * height))
    const row = Math.floor(i / width) % height
    const column = i % width
    return data[(k * height + (y ? height - 1 - row : row)) * width + (x ? width - 1 - column : column)]!
  })

describe("test-time augmentation", () => {
  it.effect("takes logits of the shape that the model saw, and not of the picture's", () =>
    Effect.gen(function* () {
      const logits = { width: 2, height: 30, classes: 2, data: new Float32Array(120).fill(1, 60) }
      const narrow = Transport.layer({
        name: "narrow",
        predict: () =>
          Effect.succeed({ _tag: "Logits", classes: [], logits, input: { width: 8, height: 120 } })
      })
      const { labelMap } = yield* under(
        Effect.flatMap(png, (bytes) => segment(ImageSource.bytes(bytes, { name: "waves.png" }))),
        undefined,
        narrow
      )
      assert.deepStrictEqual([...LabelMap.histogram(yield* labelMap)], [[1, size.width * size.height]])
    })
  )

  it.effect("averages the logits of mirror images, turned back", () =>
    Effect.gen(function* () {
      const found = yield* under(
        Effect.flatMap(png, predict),
        { flips: ["x", "y", "xy"], concurrency: 2 },
        support.logitsOf(model)
      )
      const at = { x: 0, y: 0, ...size }
      const { waves } = support
      const looks = [
        [false, false],
        [true, false],
        [false, true],
        [true, true]
      ].map(([x, y]) =>
        mirrored(
          model(
            support.draw(at, (column, row) =>
              waves(x ? size.width - 1 - column : column, y ? size.height - 1 - row : row)
            )
          ),
          x!,
          y!
        )
      )
      assert.deepStrictEqual([found.classes, found.height, found.width], [3, 8, 12])
      found.data.forEach((value, i) =>
        assert.closeTo(value, looks.reduce((sum, look) => sum + look[i]!, 0) / 4, 1e-4)
      )
    })
  )

  it.effect("averages what a service gives as probabilities as the logits that they are of", () =>
    Effect.gen(function* () {
      const ended = (pixels: support.Size & { readonly data: Uint8Array }) => support.softmaxOf(model(pixels))
      const options = { flips: ["x", "y"], scales: [1, 0.5] } as const
      const of = (model: Parameters<typeof support.logitsOf>[0]) =>
        under(
          Effect.flatMap(png, (bytes) => segment(ImageSource.bytes(bytes, { name: "waves.png" }))),
          options,
          support.logitsOf(model)
        )
      const [before, after] = [yield* of(model), yield* of(ended)]
      const [sure, too] = [yield* before.uncertainty, yield* after.uncertainty]
      assert.closeTo(too!.entropy, sure!.entropy, 1e-3)
      assert.closeTo(too!.margin, sure!.margin, 1e-3)
      assert.deepStrictEqual(
        [...LabelMap.histogram(yield* after.labelMap)],
        [...LabelMap.histogram(yield* before.labelMap)]
      )
      // Of one answer to all looks the average is that answer.
      const even = yield* of(() => ({ data: Float32Array.of(0.7, 0.3), classes: 2, width: 1, height: 1 }))
      assert.closeTo((yield* even.uncertainty)!.margin, 0.4, 1e-5)
      // Rounding may make one look none of probabilities: then all are averaged as they are.
      const mixed = yield* of(({ width }) => ({
        data: width === size.width ? Float32Array.of(0.7, 0.3) : Float32Array.of(0.7, 0.25),
        classes: 2,
        width: 1,
        height: 1
      }))
      const odds = Math.exp(0.7 - 0.275)
      assert.closeTo((yield* mixed.uncertainty)!.margin, (odds - 1) / (odds + 1), 1e-5)
    })
  )

  it.effect("averages the logits of other sizes, resized to those of the first", () =>
    Effect.gen(function* () {
      const sizes: Array<ReadonlyArray<number>> = []
      const flat = support.logitsOf((pixels) => {
        sizes.push([pixels.width, pixels.height])
        const width = pixels.width / 4
        const height = pixels.height / 4
        return { data: new Float32Array(2 * width * height).fill(pixels.width), classes: 2, width, height }
      })
      const found = yield* under(Effect.flatMap(png, predict), { flips: [], scales: [1, 0.5, 2] }, flat)
      assert.deepStrictEqual(sizes, [
        [48, 32],
        [24, 16],
        [96, 64]
      ])
      assert.deepStrictEqual([found.height, found.width], [8, 12])
      assert.isTrue(found.data.every((value) => value === 56))
    })
  )

  it.effect("leaves what a symmetrical model says as it is", () =>
    Effect.gen(function* () {
      // Sums over cells: the same for mirror images.
      const symmetrical = support.logitsOf((pixels) => support.convolution(pixels, 3, 0))
      const bytes = yield* png
      const plain = yield* Effect.provide(predict(bytes), symmetrical)
      const found = yield* under(predict(bytes), { flips: ["x", "y", "xy"] }, symmetrical)
      found.data.forEach((value, i) => assert.closeTo(value, plain.data[i]!, 1e-5))
    })
  )

  it.live("segments with the bundled model, one picture and windows alike", () =>
    Effect.gen(function* () {
      const sample = ImageSource.file("docs/images/sample.jpg")
      const image = yield* sample.open()
      const picture = {
        source: "sample",
        width: image.width,
        height: image.height,
        window: () => Effect.succeed(image)
      }
      const whole = yield* Effect.flatMap(segment(sample), ({ labelMap }) => labelMap)
      const bands = Tiled.segment(picture, { crop: 960, stride: 960 })
      const tiled = yield* support.collect(bands, picture)
      assert.isTrue(LabelMap.equals(tiled, whole))
    }).pipe(
      Effect.provide(
        Augmentation.layer({ flips: ["x"] }).pipe(
          Layer.provide(SegFormerOnnx.layer()),
          Layer.provideMerge(SharpCodec.layer)
        )
      ),
      Effect.provide(NodeFileSystem.layer)
    )
  )

  it.effect("says so where there are no logits", () =>
    Effect.gen(function* () {
      const labels = SegFormerTest.layer(() =>
        Effect.succeed({
          _tag: "Labels",
          classes: [],
          labelMap: { width: 1, height: 1, data: Uint8Array.of(0) }
        })
      )
      const error = yield* Effect.flip(under(Effect.flatMap(png, predict), undefined, labels))
      assert.strictEqual(error._tag, "InferenceFailed")
      assert.include(
        error.message,
        "failed on waves.png: averaging over flips and scales takes logits, and it gave a label map"
      )
    })
  )

  it.effect("refuses sizes that cannot be", () =>
    Effect.gen(function* () {
      for (const scales of [[], [0], [Number.NaN]]) {
        const exit = yield* Effect.exit(
          Effect.scoped(Layer.build(Augmentation.layer({ scales }))).pipe(
            Effect.provide(Layer.merge(support.logitsOf(model), SharpCodec.layer))
          )
        )
        assert.isTrue(exit._tag === "Failure" && String(exit.cause).includes("must be positive numbers"))
      }
    })
  )
})
