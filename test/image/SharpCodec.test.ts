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

/** What Pillow writes for 5 x 3 pixels of (50 x, 100 y, 255 - 20 x): 24 bits, 32 bits, and 1 bit of its dithered grey. */
const byPillow = {
  24: "Qk1mAAAAAAAAADYAAAAoAAAABQAAAAMAAAABABgAAAAAADAAAADEDgAAxA4AAAAAAAAAAAAA/8gA68gy18hkw8iWr8jIAP9kAOtkMtdkZMNklq9kyAD/AADrADLXAGTDAJavAMgA",
  32: "Qk1yAAAAAAAAADYAAAAoAAAABQAAAAMAAAABACAAAAAAADwAAADEDgAAxA4AAAAAAAAAAAAA/8gA/+vIMv/XyGT/w8iW/6/IyP//ZAD/62Qy/9dkZP/DZJb/r2TI//8AAP/rADL/1wBk/8MAlv+vAMj/",
  1: "Qk1KAAAAAAAAAD4AAAAoAAAABQAAAAMAAAABAAEAAAAAAAwAAADEDgAAxA4AAAIAAAACAAAAAAAAAP////+4AAAAWAAAAAAAAAA="
} as const

/** A bitmap by its description: rows as they lie in the file, padded. */
const bitmap = (
  header: {
    readonly depth: number
    readonly compression?: number
    readonly colours?: number
    readonly masks?: ReadonlyArray<number>
    readonly palette?: ReadonlyArray<number>
  },
  width: number,
  height: number,
  rows: Uint8Array
): Uint8Array => {
  const { colours = 0, compression = 0, depth, masks = [], palette = [] } = header
  const start = 54 + masks.length * 4 + Math.max(palette.length, colours) * 4
  const bytes = new Uint8Array(start + rows.length)
  const view = new DataView(bytes.buffer)
  bytes.set([0x42, 0x4d])
  view.setUint32(2, bytes.length, true)
  view.setUint32(10, start, true)
  view.setUint32(14, 40, true)
  view.setInt32(18, width, true)
  view.setInt32(22, height, true)
  view.setUint16(26, 1, true)
  view.setUint16(28, depth, true)
  view.setUint32(30, compression, true)
  view.setUint32(46, colours, true)
  ;[...masks, ...palette].forEach((value, i) => view.setUint32(54 + i * 4, value, true))
  bytes.set(rows, start)
  return bytes
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
        const turned = image(big).withMetadata({ orientation })
        for (const file of [
          turned.clone().jpeg({ quality: 100 }),
          turned.clone().png(),
          turned.clone().webp()
        ]) {
          const raster = yield* decode(yield* encoded(file))
          assert.deepStrictEqual([raster.width, raster.height], orientation < 5 ? [80, 64] : [64, 80])
          const [x, y] = seen[orientation]!
          const pixel = at(raster, x * 16 + 8, y * 16 + 8)
          assert.isAbove(pixel[0]!, 150, `orientation ${orientation}: ${pixel.join(",")}`)
        }
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

  it.effect("reads bitmaps of every depth, in either order of rows", () =>
    Effect.gen(function* () {
      const expected = Array.from({ length: 15 }, (_, i) => [
        50 * (i % 5),
        100 * Math.floor(i / 5),
        255 - 20 * (i % 5)
      ]).flat()
      for (const depth of [24, 32] as const) {
        const raster = yield* decode(Buffer.from(byPillow[depth], "base64"))
        assert.deepStrictEqual(
          [raster.width, raster.height, ...raster.data],
          [5, 3, ...expected],
          `${depth} bits`
        )
      }
      const one = yield* decode(Buffer.from(byPillow[1], "base64"))
      const grey = Array.from({ length: 15 }, (_, i) => one.data[i * 3])
      assert.deepStrictEqual(grey, [0, 0, 0, 0, 0, 0, 255, 0, 255, 255, 255, 0, 255, 255, 255])

      const palette = [0x0000ff, 0x00ff00, 0xff8000]
      const nibbles = bitmap(
        { depth: 4, palette, colours: 3 },
        3,
        -2,
        Uint8Array.of(0x01, 0x20, 0, 0, 0x2f, 0, 0, 0)
      )
      const indexed = [0, 0, 255, 0, 255, 0, 255, 128, 0, 255, 128, 0, 0, 0, 0, 0, 0, 255]
      assert.deepStrictEqual([...(yield* decode(nibbles)).data], indexed)
      const bytes = bitmap({ depth: 8, palette, colours: 3 }, 3, 1, Uint8Array.of(0, 1, 2, 0))
      assert.deepStrictEqual([...(yield* decode(bytes)).data], indexed.slice(0, 9))

      // 5 bits each, by default; 5, 6 and 5 by masks; 10 bits each by masks.
      const sixteen = (rows: Uint16Array, masks?: ReadonlyArray<number>) =>
        bitmap(
          masks === undefined ? { depth: 16 } : { depth: 16, compression: 3, masks },
          2,
          1,
          new Uint8Array(rows.buffer)
        )
      const plain = yield* decode(sixteen(Uint16Array.of(0x7c00, 0x03ff)))
      assert.deepStrictEqual([...plain.data], [255, 0, 0, 0, 255, 255])
      const masked = yield* decode(sixteen(Uint16Array.of(0xf800, 0x07ff), [0xf800, 0x7e0, 0x1f]))
      assert.deepStrictEqual([...masked.data], [255, 0, 0, 0, 255, 255])
      const deep = bitmap(
        { depth: 32, compression: 3, masks: [0x3ff00000, 0xffc00, 0x3ff] },
        1,
        1,
        new Uint8Array(Uint32Array.of(((1023 << 20) | (512 << 10)) >>> 0).buffer)
      )
      assert.deepStrictEqual([...(yield* decode(deep)).data], [255, 128, 0])
      assert.deepStrictEqual([...(yield* decode(deep, { channels: 4 })).data], [255, 128, 0, 255])
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

      // What an image was opened under holds: nobody has to say it again.
      const huge = { ...(yield* ImageSource.bytes(Fixtures.image).open()), width: 20_000, height: 20_000 }
      assert.notStrictEqual(
        (yield* Effect.flip(Effect.flatMap(ImageCodec, (codec) => codec.decode(huge))))._tag,
        "ImageTooLarge"
      )

      const rle = bitmap({ depth: 8, compression: 1, colours: 256 }, 4, 1, new Uint8Array(4))
      const unsupported = yield* Effect.flip(decode(rle))
      assert.strictEqual(unsupported._tag, "UnsupportedImage")
      assert.include(unsupported.message, "Convert it to PNG")
      const whole = bitmap({ depth: 24 }, 2, 2, new Uint8Array(16))
      assert.strictEqual((yield* Effect.flip(decode(whole.subarray(0, 60))))._tag, "NotAnImage")
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
