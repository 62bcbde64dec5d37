import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { ImageCodec, ImageSource, type Raster } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { SharpCodec as unloaded } from "../../src/image/sharp.ts"
import * as Body from "../../src/http/protocol/ProtocolBody.ts"
import sharp from "sharp"

const frame = (channels: 1 | 3 | 4): Raster => ({
  width: 37,
  height: 21,
  channels,
  data: Uint8Array.from({ length: 37 * 21 * channels }, (_, i) => Math.imul(i, 73) >>> 1)
})

const decoded = (image: ImageSource.Image, channels?: 3 | 4) =>
  Effect.flatMap(ImageCodec, (codec) => codec.decode(image, { channels }))

describe("ImageSource.raster", () => {
  it.effect.each([1, 3, 4] as const)("is a picture that was never a file, of %i channels", (channels) =>
    Effect.gen(function* () {
      const raster = frame(channels)
      const image = yield* ImageSource.raster(raster, { name: "camera" }).open()
      assert.deepInclude(image, {
        source: "camera",
        name: "camera.png",
        format: "png",
        mediaType: "image/png",
        width: 37,
        height: 21,
        inMemory: true
      })
      const png = yield* image.bytes
      assert.isAtMost(png.length, image.size)
      assert.deepStrictEqual(Buffer.concat(yield* Stream.runCollect(image.stream)), Buffer.from(png))
      const { height, width } = yield* Effect.promise(() => sharp(png).metadata())
      assert.deepStrictEqual({ height, width }, { height: 21, width: 37 })
      // The same pixels, whether they took the way through a file or not.
      for (const wanted of [3, 4] as const) {
        const direct = yield* decoded(image, wanted)
        const throughFile = yield* decoded(yield* ImageSource.bytes(png).open(), wanted)
        assert.deepStrictEqual(direct, throughFile)
      }
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect.each(["Uint8Array", "Buffer"])(
    "gives pixels that the caller may change, those in a %s stay",
    (kind) =>
      Effect.gen(function* () {
        const given = frame(3)
        const raster = kind === "Buffer" ? { ...given, data: Buffer.from(given.data) } : given
        const before = Uint8Array.from(raster.data)
        const image = yield* ImageSource.raster(raster).open()
        const first = yield* decoded(image)
        first.data.fill(0)
        // A model's transport even gives their memory back.
        structuredClone(first.data, { transfer: [first.data.buffer] })
        assert.deepStrictEqual(Uint8Array.from(raster.data), before)
        assert.deepStrictEqual((yield* decoded(image)).data, before)
      }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("is as large in a request as its PNG, which is made once, and refused by that size", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      let made = 0
      const counting = ImageCodec.of({
        ...codec,
        encode: (...args) => Effect.tap(codec.encode(...args), () => Effect.sync(() => made++))
      })
      const black: Raster = { width: 400, height: 400, channels: 3, data: new Uint8Array(400 * 400 * 3) }
      const image = yield* Effect.provideService(ImageSource.raster(black).open(), ImageCodec, counting)
      const { length } = yield* image.bytes
      assert.isBelow(length, 100_000)
      const { content } = yield* Body.part("image", image, 100_000)
      assert.deepInclude(content, { size: length })
      assert.match(
        typeof content === "object" && "fileName" in content ? String(content.fileName) : "",
        /^image-[\da-f]{16}\.png$/
      )
      const error = yield* Effect.flip(Body.part("image", image, 100))
      assert.deepInclude(error, { _tag: "ImageTooLarge", actual: length, limit: 100 })
      assert.strictEqual(Buffer.from(yield* Body.base64(image), "base64").length, length)
      assert.strictEqual(made, 1)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("is refused where bytes and sides do not agree, or there are too many pixels", () =>
    Effect.gen(function* () {
      const refused = (raster: Raster, maxPixels?: number) =>
        Effect.flip(
          ImageSource.raster(raster, { name: "camera" }).open(maxPixels === undefined ? {} : { maxPixels })
        )
      const short = yield* refused({ ...frame(3), data: new Uint8Array(10) })
      assert.strictEqual(
        short.message,
        "camera is not an image: 37 x 21 x 3 bytes are 2331, but there are 10"
      )
      for (const width of [0, -1, 1.5, Number.NaN]) {
        assert.strictEqual((yield* refused({ ...frame(3), width }))._tag, "NotAnImage")
      }
      assert.strictEqual((yield* refused(frame(3), 100))._tag, "ImageTooLarge")
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("needs an encoder only where a file is wanted, and says how to install one", () =>
    Effect.gen(function* () {
      const image = yield* ImageSource.raster(frame(3)).open()
      assert.strictEqual((yield* image.pixels!).data.length, 37 * 21 * 3)
      const error = yield* Effect.flip(image.bytes)
      assert.strictEqual(error._tag, "ImageNotReadable")
      assert.include(error.message, "npm install sharp")
    }).pipe(
      Effect.provide(
        Layer.effect(
          ImageCodec,
          unloaded.make(() => Promise.reject(new Error("no sharp")))
        )
      )
    )
  )
})
