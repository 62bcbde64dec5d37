import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { type DecodeOptions, ImageCodec, type Raster } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import sharp, { type Sharp } from "sharp"

/** 5 x 4 with a red top left corner on blue: every one of the eight orientations looks different. */
const corner = (): Raster => {
  const data = new Uint8Array(5 * 4 * 3)
  for (let at = 0; at < data.length; at += 3) data.set([0, 0, 255], at)
  data.set([255, 0, 0], 0)
  data.set([255, 0, 0], 3)
  return { width: 5, height: 4, channels: 3, data }
}

const image = ({ channels, data, height, width }: Raster) => sharp(data, { raw: { width, height, channels } })

const decode = (bytes: Uint8Array, options?: DecodeOptions) =>
  Effect.flatMap(ImageCodec, (codec) =>
    Effect.flatMap(ImageSource.bytes(bytes, { name: "picture" }).open(), (opened) =>
      codec.decode(opened, options)
    )
  )

const encoded = (self: Sharp) => Effect.promise(async () => (await self.toUint8Array()).data)

const at = (raster: Raster, x: number, y: number): Array<number> => {
  const start = (y * raster.width + x) * raster.channels
  return [...raster.data.subarray(start, start + raster.channels)]
}

const near = (
  actual: ReadonlyArray<number>,
  expected: ReadonlyArray<number>,
  tolerance: number,
  what = ""
) => {
  assert.strictEqual(actual.length, expected.length, what)
  actual.forEach((value, i) => assert.closeTo(value, expected[i]!, tolerance, `${what} ${actual.join(",")}`))
}

layer(SharpCodec.layer, { excludeTestServices: true })("SharpCodec", (it) => {
  it.effect("gives the pixels of lossless formats as they are", () =>
    Effect.gen(function* () {
      const original = corner()
      const files = {
        png: image(original).png(),
        palette: image(original).png({ palette: true }),
        webp: image(original).webp({ lossless: true }),
        tiff: image(original).tiff({ compression: "lzw" }),
        gif: image(original).gif()
      }
      for (const [name, file] of Object.entries(files)) {
        const raster = yield* decode(yield* encoded(file))
        assert.deepStrictEqual([raster.width, raster.height, raster.channels], [5, 4, 3], name)
        assert.deepStrictEqual([...raster.data], [...original.data], name)
      }
    })
  )

  it.effect("decodes JPEG and AVIF to nearly the pixels that went in", () =>
    Effect.gen(function* () {
      const grey = {
        width: 33,
        height: 17,
        channels: 3,
        data: new Uint8Array(33 * 17 * 3).fill(137)
      } as const
      for (const file of [image(grey).jpeg({ quality: 95 }), image(grey).avif({ quality: 90 })]) {
        const raster = yield* decode(yield* encoded(file))
        near(at(raster, 20, 9), [137, 137, 137], 2)
      }
    })
  )

  it.effect("turns and mirrors as each of the eight EXIF orientations asks", () =>
    Effect.gen(function* () {
      const { data } = corner()
      const big = { width: 80, height: 64, channels: 3, data: new Uint8Array(80 * 64 * 3) } as const
      for (let y = 0; y < 64; y++)
        for (let x = 0; x < 80; x++) {
          const from = (Math.floor(y / 16) * 5 + Math.floor(x / 16)) * 3
          big.data.set(data.subarray(from, from + 3), (y * 80 + x) * 3)
        }
      // Where the two red squares of the top row end up, as seen: left and top of their box, in squares.
      const seen: Readonly<Record<number, readonly [x: number, y: number]>> = {
        1: [1, 0],
        2: [3, 0],
        3: [3, 3],
        4: [1, 3],
        5: [0, 1],
        6: [3, 1],
        7: [3, 3],
        8: [0, 3]
      }
      for (let orientation = 1; orientation <= 8; orientation++) {
        const bytes = yield* encoded(image(big).withMetadata({ orientation }).jpeg({ quality: 100 }))
        const raster = yield* decode(bytes)
        assert.deepStrictEqual([raster.width, raster.height], orientation < 5 ? [80, 64] : [64, 80])
        const [x, y] = seen[orientation]!
        const pixel = at(raster, x * 16 + 8, y * 16 + 8)
        assert.isAbove(pixel[0]!, 150, `orientation ${orientation}: ${pixel.join(",")}`)
      }
    })
  )

  it.effect("scales 16 bits to 8, makes RGB of grey, and drops transparency without blending it", () =>
    Effect.gen(function* () {
      const deep = yield* encoded(
        sharp(Uint16Array.from([0, 257, 32_896, 65_535]), { raw: { width: 4, height: 1, channels: 1 } })
          .toColourspace("grey16")
          .png()
      )
      const raster = yield* decode(deep)
      assert.strictEqual(raster.channels, 3)
      near([...raster.data], [0, 0, 0, 1, 1, 1, 128, 128, 128, 255, 255, 255], 1)

      const clear = {
        width: 2,
        height: 1,
        channels: 4,
        data: Uint8Array.of(10, 200, 30, 0, 40, 50, 60, 128)
      } as const
      const bytes = yield* encoded(image(clear).png())
      assert.deepStrictEqual([...(yield* decode(bytes)).data], [10, 200, 30, 40, 50, 60])
      const kept = yield* decode(bytes, { channels: 4 })
      assert.deepStrictEqual([kept.channels, ...kept.data], [4, 10, 200, 30, 0, 40, 50, 60, 128])
      const opaque = yield* decode(Fixtures.image, { channels: 4 })
      assert.strictEqual(opaque.data[3], 255)
    })
  )

  it.effect("brings CMYK and colour profiles to sRGB", () =>
    Effect.gen(function* () {
      const red = { width: 16, height: 16, channels: 3, data: new Uint8Array(768) } as const
      for (let i = 0; i < 768; i += 3) red.data.set([180, 120, 100], i)
      const cmyk = yield* encoded(image(red).toColourspace("cmyk").jpeg({ quality: 100 }))
      near(at(yield* decode(cmyk), 8, 8), [180, 120, 100], 8, "CMYK")
      // The numbers of a Display P3 file are not those of sRGB: what is shown must be.
      const p3 = yield* encoded(image(red).withIccProfile("p3").png())
      const stored = yield* Effect.promise(() => sharp(p3, { ignoreIcc: true }).raw().toUint8Array())
      assert.isAbove(Math.abs(stored.data[0]! - 180), 5)
      near(at(yield* decode(p3), 8, 8), [180, 120, 100], 2, "P3")
    })
  )

  it.effect("takes the first frame of an animation", () =>
    Effect.gen(function* () {
      const frames = new Uint8Array(4 * 8 * 3)
      frames.fill(255, 4 * 4 * 3)
      const bytes = yield* encoded(
        sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } }).gif({ delay: [50, 50] })
      )
      assert.isAbove((yield* Effect.promise(() => sharp(bytes).metadata())).pages ?? 0, 1)
      const raster = yield* decode(bytes)
      assert.deepStrictEqual([raster.width, raster.height, raster.data[0]], [4, 4, 0])
    })
  )

  it.effect("refuses broken, too large and unsupported files with an error that says so", () =>
    Effect.gen(function* () {
      const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24)
      const jpeg = yield* encoded(image({ width: 64, height: 64, channels: 3, data: noise }).jpeg())
      const cut = yield* Effect.flip(decode(jpeg.subarray(0, jpeg.length / 2)))
      assert.strictEqual(cut._tag, "NotAnImage")
      const header = Fixtures.image.slice()
      header.fill(0, 60, 200)
      assert.strictEqual((yield* Effect.flip(decode(header)))._tag, "NotAnImage")

      const large = yield* Effect.flip(decode(Fixtures.image, { maxPixels: 1000 }))
      assert.strictEqual(large._tag, "ImageTooLarge")

      const bmp = new Uint8Array(70)
      bmp.set([0x42, 0x4d, 70])
      new DataView(bmp.buffer).setUint32(14, 40, true)
      new DataView(bmp.buffer).setInt32(18, 2, true)
      new DataView(bmp.buffer).setInt32(22, 2, true)
      const unsupported = yield* Effect.flip(decode(bmp))
      assert.strictEqual(unsupported._tag, "UnsupportedImage")
      assert.include(unsupported.message, "Convert it to PNG")
    })
  )

  it.effect("encodes PNG, JPEG and WebP, and refuses pixels that do not match their size", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const original = corner()
      const png = yield* codec.encode(original, "png")
      assert.deepStrictEqual([...(yield* decode(png)).data], [...original.data])
      for (const format of ["jpeg", "webp"] as const) {
        const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24)
        const raster = { width: 64, height: 64, channels: 3, data: noise } as const
        const coarse = yield* codec.encode(raster, format, { quality: 10 })
        const fine = yield* codec.encode(raster, format, { quality: 95 })
        assert.isBelow(coarse.length * 2, fine.length)
        assert.strictEqual((yield* decode(fine)).width, 64)
      }
      const grey = yield* codec.encode(
        { width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 255) },
        "png"
      )
      assert.deepStrictEqual([...(yield* decode(grey)).data], [0, 0, 0, 255, 255, 255])
      const wrong = yield* Effect.flip(codec.encode({ ...original, width: 6 }, "png"))
      assert.include(wrong.message, "there are 60")
    })
  )
})

describe("SharpCodec without sharp", () => {
  it.effect("says what is missing, and how to install it", () =>
    Effect.gen(function* () {
      const codec = yield* SharpCodec.make(() => Promise.reject(new Error("Cannot find package 'sharp'")))
      const opened = yield* ImageSource.bytes(Fixtures.image).open()
      const error = yield* Effect.flip(codec.decode(opened))
      assert.strictEqual(error._tag, "DependencyMissing")
      assert.include(error.message, "npm install sharp")
    })
  )
})
