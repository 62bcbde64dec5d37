import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Duration, Effect, Fiber, type FileSystem, Logger, Stream } from "effect"
import type { HttpClient } from "effect/http"
import {
  ConnectionFailed,
  type ImageLimits,
  ImageSource,
  LabelMap,
  segment,
  segmentAll,
  type SegmentOptions,
  type Segmentation,
  type SegmentationError,
  type SegmentedItem,
  Transport,
  withSegmentOptions
} from "effect-segformer"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { TestClock } from "effect/testing"
import { encode } from "fast-png"

const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const refused = new ConnectionFailed({ service: "test", phase: "sending", sent: "no", detail: "" })
const quiet = Effect.provide(Logger.layer([]))
const ok = SegFormerTest.succeed(Fixtures.prediction)

describe("segment", () => {
  it.effect("gives a label map, its regions, and what it took", () =>
    Effect.gen(function* () {
      const segmentation = yield* segment(image)
      const labelMap = yield* segmentation.labelMap
      assert.isTrue(LabelMap.equals(labelMap, Fixtures.labelMap))
      const regions = yield* segmentation.regions
      assert.deepStrictEqual(
        regions.map(({ className }) => className),
        ["background", "scratch", "particle"]
      )
      assert.strictEqual(segmentation.cost.attempts, 1)
      assert.strictEqual(segmentation.source, "panel.png")
    }).pipe(Effect.provide(SegFormerTest.script([ok])))
  )

  it.effect("retries by the policy of the transport, and says how many attempts and how long it took", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(segment(image))
      yield* TestClock.adjust("10 seconds")
      const { cost } = yield* Fiber.join(fiber)
      assert.strictEqual(cost.attempts, 3)
      assert.strictEqual(Duration.toSeconds(cost.duration), 3)
      const calls = yield* (yield* SegFormerTest.Recorded).calls
      assert.deepStrictEqual(
        calls.map(({ at, attempt }) => [attempt, at]),
        [
          [1, 0],
          [2, 1000],
          [3, 3000]
        ]
      )
      assert.strictEqual(new Set(calls.map((call) => call.idempotencyKey)).size, 1)
    }).pipe(
      Effect.provide(
        SegFormerTest.script([SegFormerTest.failWith(refused), SegFormerTest.failWith(refused), ok])
      ),
      quiet
    )
  )

  it.effect("an attempt that never ends is given up after 30 s", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(segment(image, { policy: { retry: false } }))
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag, "TimedOut")
    }).pipe(Effect.provide(SegFormerTest.script([SegFormerTest.never])))
  )

  it.effect("repeats a prediction that is not wanted", () =>
    Effect.gen(function* () {
      const empty = { ...Fixtures.prediction, labelMap: LabelMap.filled(48, 32, 0) }
      const script = SegFormerTest.script([SegFormerTest.succeed(empty), ok])
      const isEmpty = (map: LabelMap.LabelMap) => LabelMap.histogram(map).size === 1
      const fiber = yield* Effect.forkChild(
        segment(image, {
          retryResult: (prediction) => prediction._tag === "Labels" && isEmpty(prediction.labelMap)
        }).pipe(Effect.provide(script))
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).cost.attempts, 2)
    }).pipe(quiet)
  )

  it.effect("checks the image before the transport is asked", () =>
    Effect.gen(function* () {
      const tooLarge = yield* Effect.flip(segment(image, { limits: { maxPixels: 100 } }))
      assert.strictEqual(tooLarge._tag, "ImageTooLarge")
      assert.deepStrictEqual(yield* (yield* SegFormerTest.Recorded).calls, [])
    }).pipe(Effect.provide(SegFormerTest.script([])))
  )

  it.effect("takes an image that is opened already, and reads it no second time", () =>
    Effect.gen(function* () {
      const opened = yield* image.open({ maxPixels: 48 * 32 })
      const { width } = yield* segment(opened, { limits: { maxPixels: 100 } })
      assert.strictEqual(width, opened.width)
      const [call] = yield* (yield* SegFormerTest.Recorded).calls
      assert.strictEqual(call?.image, opened)
    }).pipe(Effect.provide(SegFormerTest.script([SegFormerTest.succeed(Fixtures.prediction)])))
  )

  it.effect("turns logits into the labels of the largest class at the image's size", () =>
    Effect.gen(function* () {
      const { labelMap } = yield* segment(image)
      const map = yield* labelMap
      assert.deepStrictEqual([map.width, map.height], [48, 32])
      assert.strictEqual(LabelMap.at(map, 0, 0), 0)
      assert.strictEqual(LabelMap.at(map, 47, 31), 1)
    }).pipe(
      Effect.provide(
        SegFormerTest.layer(() =>
          Effect.succeed({
            _tag: "Logits",
            classes: Fixtures.classes,
            logits: { classes: 2, height: 1, width: 2, data: Float32Array.of(1, 0, 0, 1) }
          })
        )
      )
    )
  )

  it.effect("logits of a large picture, which are resized in bands, have labels down to the last row", () =>
    Effect.gen(function* () {
      const png = encode({ width: 400, height: 300, channels: 1, depth: 8, data: new Uint8Array(400 * 300) })
      const { labelMap } = yield* segment(ImageSource.bytes(png))
      const map = yield* labelMap
      assert.deepStrictEqual([...LabelMap.histogram(map)], [[1, 400 * 300]])
    }).pipe(
      Effect.provide(
        SegFormerTest.layer(() =>
          Effect.succeed({
            _tag: "Logits",
            classes: Fixtures.classes,
            logits: { classes: 2, height: 1, width: 1, data: Float32Array.of(0, 1) }
          })
        )
      )
    )
  )

  it.effect("probabilities in place of logits are as sure as they say", () =>
    Effect.gen(function* () {
      const of = (data: Float32Array) =>
        Effect.flatMap(segment(image), ({ uncertainty }) => uncertainty).pipe(
          Effect.provide(
            SegFormerTest.layer(() =>
              Effect.succeed({
                _tag: "Logits",
                classes: Fixtures.classes,
                logits: { classes: 2, height: 1, width: 2, data }
              })
            )
          )
        )
      const logits = yield* of(Float32Array.of(0, Math.log(9), 0, 0))
      const shares = yield* of(Float32Array.of(0.5, 0.9, 0.5, 0.1))
      assert.closeTo(shares?.entropy ?? 0, logits?.entropy ?? 1, 1e-5)
      assert.isBelow(shares?.entropy ?? 1, 0.75)
    })
  )

  it.effect("a label map of another size is resized, or refused when asked", () =>
    Effect.gen(function* () {
      const resized = yield* (yield* segment(image)).labelMap
      assert.deepStrictEqual([resized.width, resized.height], [48, 32])
      const error = yield* Effect.flip(segment(image, { otherSize: "refuse" }))
      assert.strictEqual(error._tag, "MaskNotDecodable")
      assert.match(error.message, /24 x 16 pixels, but the image 48 x 32/)
    }).pipe(
      Effect.provide(
        SegFormerTest.layer(() =>
          Effect.succeed({ ...Fixtures.prediction, labelMap: LabelMap.filled(24, 16, 1) })
        )
      )
    )
  )

  it.effect("a map of another shape is said to be stretched, once, unless somebody knows", () =>
    Effect.gen(function* () {
      const png = encode({ width: 96, height: 54, channels: 1, depth: 8, data: new Uint8Array(96 * 54) })
      const wide = ImageSource.bytes(png)
      /** What is said of maps of a size, of several images. */
      const said = Effect.fnUntraced(function* (
        prediction: Pick<typeof Fixtures.prediction, "labelMap" | "input">,
        options?: SegmentOptions
      ) {
        const warnings: Array<string> = []
        yield* Effect.forEach([wide, wide], (source) => segment(source, options)).pipe(
          Effect.provide([
            SegFormerTest.layer(() => Effect.succeed({ ...Fixtures.prediction, ...prediction })),
            Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))])
          ])
        )
        return warnings
      })
      const of = (width: number, height: number) => ({ labelMap: LabelMap.filled(width, height, 1) })
      for (const [width, height] of [
        [64, 64],
        [640, 640],
        [128, 48],
        [48, 36],
        [1, 1]
      ] as const) {
        const found = yield* said(of(width, height))
        assert.strictEqual(found.length, 1, `${width} x ${height}`)
        assert.include(
          found[0],
          `a map of ${width} x ${height} pixels was stretched over an image of 96 x 54`
        )
      }
      // Those of its shape, but for what models round to; those that are brought to the model's; and where it is known to be right.
      for (const [width, height] of [
        [96, 54],
        [48, 27],
        [192, 108],
        [47, 27],
        [128, 72],
        [128, 80]
      ] as const)
        assert.deepStrictEqual(yield* said(of(width, height)), [], `${width} x ${height}`)
      assert.deepStrictEqual(yield* said({ ...of(64, 64), input: { width: 256, height: 256 } }), [])
      assert.deepStrictEqual(yield* said(of(64, 64), { otherSize: "resize" }), [])
    })
  )

  it.effect("a map of a service that left EXIF orientation aside is turned as the image is", () =>
    Effect.gen(function* () {
      // Stored 3 x 2, with the ids of its stored pixels; each orientation says where they belong.
      const stored = { width: 3, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6) }
      const expected = {
        5: [1, 4, 2, 5, 3, 6],
        6: [4, 1, 5, 2, 6, 3],
        7: [6, 3, 5, 2, 4, 1],
        8: [3, 6, 2, 5, 1, 4]
      }
      for (const [orientation, data] of Object.entries(expected)) {
        const turned: ImageSource.ImageSource = {
          name: "turned",
          open: () =>
            Effect.map(image.open(), (opened) => ({
              ...opened,
              width: 2,
              height: 3,
              orientation: Number(orientation)
            }))
        }
        const fake = SegFormerTest.layer(() => Effect.succeed({ ...Fixtures.prediction, labelMap: stored }))
        const map = yield* segment(turned).pipe(
          Effect.flatMap((segmentation) => segmentation.labelMap),
          Effect.provide(fake)
        )
        assert.deepStrictEqual([map.width, map.height, ...map.data], [2, 3, ...data])
      }
    })
  )

  it.effect("a map that contradicts its own size, or logits that are no numbers, are a typed failure", () =>
    Effect.gen(function* () {
      const broken = { ...Fixtures.prediction, labelMap: { width: 5, height: 5, data: new Uint8Array(3) } }
      const noNumbers = {
        _tag: "Logits",
        classes: [],
        logits: { classes: 1, height: 1, width: 1, data: Float32Array.of(Number.NaN) }
      } as const
      for (const prediction of [broken, noNumbers]) {
        const error = yield* Effect.flip(segment(image)).pipe(
          Effect.provide(SegFormerTest.layer(() => Effect.succeed(prediction)))
        )
        assert.strictEqual(error._tag, "MaskNotDecodable")
      }
    })
  )

  it.effect("rendered pictures determine no label map: asking for it is a typed failure", () =>
    Effect.gen(function* () {
      const segmentation = yield* segment(image)
      const error = yield* Effect.flip(segmentation.labelMap)
      assert.strictEqual(error._tag, "NoLabelMap")
      assert.strictEqual((yield* Effect.flip(segmentation.regions))._tag, "NoLabelMap")
    }).pipe(
      Effect.provide(
        SegFormerTest.layer(() => Effect.succeed({ _tag: "Rendered", width: 48, height: 32, classes: [] }))
      )
    )
  )
})

describe("types", () => {
  it("a source's needs and every failure stand in the type of segment", () => {
    expectTypeOf(segment(image)).toEqualTypeOf<Effect.Effect<Segmentation, SegmentationError, Transport>>()
    expectTypeOf(segment(ImageSource.file("a.png"))).toEqualTypeOf<
      Effect.Effect<Segmentation, SegmentationError, Transport | FileSystem.FileSystem>
    >()
    expectTypeOf(segment(ImageSource.url("http://a/b.png"))).toEqualTypeOf<
      Effect.Effect<Segmentation, SegmentationError, Transport | HttpClient.HttpClient>
    >()
    expectTypeOf(segmentAll(Stream.make(image))).toEqualTypeOf<
      Stream.Stream<SegmentedItem, never, Transport>
    >()
    expectTypeOf(segmentAll(Stream.make(image), { stopOnFailure: true })).toEqualTypeOf<
      Stream.Stream<Segmentation, SegmentationError, Transport>
    >()
  })
})

describe("options that plain JavaScript gets wrong", () => {
  const fake = Effect.provide(SegFormerTest.script([ok]))
  const defectOf = <A>(call: () => Effect.Effect<A, unknown>) =>
    Effect.suspend(call).pipe(
      Effect.as(undefined),
      Effect.catchDefect((defect) => Effect.succeed(defect))
    )
  const limitsOf = (limits: Readonly<Record<string, unknown>>): Partial<ImageLimits> => {
    const made: Partial<ImageLimits> = {}
    for (const [name, value] of Object.entries(limits)) Reflect.set(made, name, value)
    return made
  }

  it.effect("limits that are no numbers are a mistake of the program, and not no limit", () =>
    Effect.gen(function* () {
      for (const [limits, said] of [
        [{ maxPixels: Number.NaN }, "ImageLimits: `maxPixels` must be a number of at least 0, but is NaN"],
        [{ maxBytes: -1 }, "ImageLimits: `maxBytes` must be a number of at least 0, but is -1"],
        [{ maxBytes: "1" }, 'ImageLimits: `maxBytes` must be a number of at least 0, but is "1"']
      ] as const) {
        const defect = yield* defectOf(() => fake(segment(image, { limits: limitsOf(limits) })))
        assert.instanceOf(defect, RangeError)
        assert.strictEqual(defect.message, said)
      }
    })
  )

  it.effect("a limit that is not said is as by default, also around one that is", () =>
    Effect.gen(function* () {
      const open = ImageSource.bytes(Fixtures.image).open(limitsOf({ maxPixels: undefined }))
      assert.strictEqual((yield* open).width, 48)
      const call = segment(image, { limits: limitsOf({ maxPixels: undefined }) }).pipe(
        withSegmentOptions({ limits: { maxPixels: 10 } }),
        fake
      )
      assert.strictEqual((yield* Effect.flip(call))._tag, "ImageTooLarge")
      const bomb = Uint8Array.from(Fixtures.image)
      // 48 x 32 becomes 65,584 x 65,568.
      bomb[17] = 1
      bomb[21] = 1
      const error = yield* Effect.flip(ImageSource.bytes(bomb).open(limitsOf({ maxPixels: undefined })))
      assert.strictEqual(error._tag, "ImageTooLarge")
    })
  )

  it.effect("a picture beyond the largest mask is a typed failure where its limits allow it", () =>
    Effect.gen(function* () {
      const huge = { ...(yield* image.open()), width: 30_000, height: 20_000 }
      const error = yield* Effect.flip(fake(segment(huge, { otherSize: "resize" })))
      assert.strictEqual(error._tag, "MaskNotDecodable")
      assert.match(error.message, /30000 x 20000 pixels are more than the 536870912 of the largest mask/)
    })
  )

  it("a path or bytes in the place of a source say what it takes", () => {
    for (const wrong of ["panel.png", Fixtures.image, new URL("file:///panel.png")])
      assert.throws(
        () => Reflect.apply(segment, undefined, [wrong]),
        /segment takes an ImageSource, such as ImageSource\.file/
      )
  })
})
