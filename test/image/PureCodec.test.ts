/** What code of any runtime makes of a picture, beside libvips: the same pixels, or a refusal that says why. */
import { Worker as Thread } from "node:worker_threads"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { type DecodeOptions, ImageCodec, PureCodec, type Raster } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { eventually } from "../support/Eventually.ts"
import { encode as encodePng } from "fast-png"
import sharp, { type Sharp } from "sharp"

/** Every colour there is much of, and noise. */
const colours = (width: number, height: number, channels: 1 | 3 | 4 = 3): Uint8Array => {
  let state = 7
  return Uint8Array.from({ length: width * height * channels }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return i % 5 === 0 ? state >>> 24 : (i * 7 + (i >> 6)) & 255
  })
}

const picture = (channels: 1 | 3 | 4 = 3): Sharp =>
  sharp(colours(61, 43, channels), { raw: { width: 61, height: 43, channels } })

const bytesOf = (self: Sharp) => Effect.promise(async () => new Uint8Array(await self.toBuffer()))

const decodeBy = (codec: ImageCodec["Service"], bytes: Uint8Array, options?: DecodeOptions) =>
  Effect.flatMap(ImageSource.bytes(bytes, { name: "picture" }).open(), (opened) =>
    codec.decode(opened, options)
  )

/** The largest difference of any sample. */
const furthest = (one: Raster, other: Raster): number => {
  assert.deepStrictEqual(
    [one.width, one.height, one.channels, one.data.length],
    [other.width, other.height, other.channels, other.data.length]
  )
  return one.data.reduce((most, value, i) => Math.max(most, Math.abs(value - other.data[i]!)), 0)
}

/** Both codecs on the same bytes. */
const both = (bytes: Uint8Array, options?: DecodeOptions) =>
  Effect.gen(function* () {
    const pure = yield* ImageCodec
    const native = yield* Effect.provide(Effect.service(ImageCodec), SharpCodec.layer)
    return furthest(yield* decodeBy(pure, bytes, options), yield* decodeBy(native, bytes, options))
  })

layer(PureCodec.layer(), { excludeTestServices: true })("PureCodec", (it) => {
  const pngs: ReadonlyArray<readonly [string, () => Sharp]> = [
    ["RGB", () => picture().png()],
    ["RGBA, whose transparent pixels keep their colours", () => picture(4).png()],
    ["grey", () => picture(1).toColourspace("b-w").png()],
    ["a palette", () => picture().png({ palette: true, colours: 200 })],
    ["a palette with transparency", () => picture(4).png({ palette: true, colours: 60 })],
    ["a palette of 4 bits", () => picture().png({ palette: true, colours: 12 })],
    ["a palette of 1 bit", () => picture().png({ palette: true, colours: 2 })],
    ["16 bits", () => picture().toColourspace("rgb16").png()],
    ["16 bits with alpha", () => picture(4).toColourspace("rgb16").png()],
    ["16 bits of grey", () => picture(1).toColourspace("grey16").png()],
    ["interlaced", () => picture().png({ progressive: true })]
  ]
  for (const [name, make] of pngs) {
    for (const channels of [3, 4] as const) {
      it.effect(`has sharp's pixels of a PNG of ${name}, in ${channels} channels`, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* both(yield* bytesOf(make()), { channels }), 0)
        })
      )
    }
  }

  for (const depth of [1, 2, 4] as const) {
    it.effect(`has sharp's pixels of a grey PNG of ${depth} bits`, () =>
      Effect.gen(function* () {
        const data = colours(8, 9, 1).slice(0, depth * 9)
        const png = encodePng({ width: 8, height: 9, channels: 1, depth, data })
        assert.strictEqual(yield* both(png), 0)
      })
    )
  }

  it.effect("stretches 16 bits as sharp's does", () =>
    Effect.gen(function* () {
      const data = Uint16Array.from({ length: 60 * 40 }, (_, i) => (i * 37) % 4096)
      const png = encodePng({ width: 60, height: 40, channels: 1, depth: 16, data })
      assert.strictEqual(yield* both(png, { stretch: { black: 100, white: 3000, unit: "number" } }), 0)
      assert.strictEqual(yield* both(png, { stretch: { black: 2, white: 98, unit: "percentile" } }), 0)
    })
  )

  const jpegs: ReadonlyArray<readonly [string, () => Sharp]> = [
    ["4:2:0", () => picture().jpeg({ quality: 80 })],
    ["4:4:4", () => picture().jpeg({ quality: 95, chromaSubsampling: "4:4:4" })],
    ["progressive", () => picture().jpeg({ progressive: true })],
    ["grey", () => picture(1).toColourspace("b-w").jpeg()]
  ]
  for (const [name, make] of jpegs) {
    it.effect(`has sharp's pixels of a JPEG, ${name}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* both(yield* bytesOf(make())), 0)
        assert.strictEqual(yield* both(yield* bytesOf(make()), { channels: 4 }), 0)
      })
    )
  }

  it.effect("turns pictures as each of the eight orientations says", () =>
    Effect.gen(function* () {
      for (let orientation = 1; orientation <= 8; orientation++) {
        for (const file of [picture().jpeg({ quality: 90 }), picture(4).png()]) {
          const bytes = yield* bytesOf(file.withMetadata({ orientation }))
          assert.strictEqual(yield* both(bytes), 0, `orientation ${orientation}`)
        }
      }
    })
  )

  it.effect("brings colour profiles to sRGB, within two steps of sharp", () =>
    Effect.gen(function* () {
      for (const profile of ["p3", "srgb"]) {
        for (const file of [picture().jpeg({ chromaSubsampling: "4:4:4" }), picture().png()]) {
          const bytes = yield* bytesOf(file.withIccProfile(profile))
          assert.isAtMost(yield* both(bytes), 2, profile)
        }
      }
    })
  )

  const refusals: ReadonlyArray<readonly [string, () => Sharp, RegExp]> = [
    ["CMYK", () => picture().toColourspace("cmyk").jpeg(), /CMYK/],
    ["WebP", () => picture().webp(), /PureCodec reads PNG, JPEG and BMP, and no WebP/],
    ["GIF", () => picture().gif(), /no GIF/],
    ["TIFF", () => picture().tiff(), /no TIFF/],
    ["AVIF", () => picture().avif({ effort: 0 }), /no AVIF/]
  ]
  for (const [name, make, words] of refusals) {
    it.effect(`refuses ${name}, and says so`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(decodeBy(yield* ImageCodec, yield* bytesOf(make())))
        assert.strictEqual(error._tag, "UnsupportedImage")
        assert.match(error.message, words)
      })
    )
  }

  it.effect("says of cut pictures that they are, and does the next one", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      for (const file of [picture().jpeg(), picture().png()]) {
        const whole = yield* bytesOf(file)
        const source = yield* ImageSource.bytes(whole, { name: "picture" }).open()
        const cut = { ...source, bytes: Effect.succeed(whole.subarray(0, whole.length * 0.6)) }
        assert.strictEqual((yield* Effect.flip(codec.decode(cut)))._tag, "NotAnImage")
        assert.strictEqual((yield* codec.decode(source)).data.length, 61 * 43 * 3)
      }
    })
  )

  it.effect("is not taken in by the thumbnail of a cut JPEG, which ends where the picture does not", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const thumbnail = yield* bytesOf(picture().resize(16, 12).jpeg())
      const whole = yield* bytesOf(picture().jpeg())
      const head = Uint8Array.of(
        0xff,
        0xd8,
        0xff,
        0xe1,
        (thumbnail.length + 2) >> 8,
        (thumbnail.length + 2) & 255
      )
      const file = new Uint8Array([...head, ...thumbnail, ...whole.subarray(2)])
      const source = yield* ImageSource.bytes(file, { name: "picture" }).open()
      assert.strictEqual((yield* codec.decode(source)).width, 61)
      const cut = { ...source, bytes: Effect.succeed(file.subarray(0, file.length * 0.8)) }
      assert.strictEqual((yield* Effect.flip(codec.decode(cut)))._tag, "NotAnImage")
    })
  )

  it.effect("gives the pixels to the caller, and again to the next", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const source = yield* ImageSource.bytes(yield* bytesOf(picture().png()), { name: "picture" }).open()
      const first = yield* codec.decode(source)
      const before = first.data.slice()
      first.data.fill(0)
      assert.deepStrictEqual((yield* codec.decode(source)).data, before)
    })
  )

  it.effect("writes PNG as it was, and JPEG that others read", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const raster: Raster = { width: 61, height: 43, channels: 3, data: colours(61, 43) }
      const png = yield* codec.encode(raster, "png")
      assert.strictEqual(furthest(yield* decodeBy(codec, png), raster), 0)
      const jpeg = yield* codec.encode(raster, "jpeg", { quality: 100 })
      const { format, height, width } = yield* Effect.promise(() => sharp(jpeg).metadata())
      assert.deepStrictEqual([format, width, height], ["jpeg", 61, 43])
      assert.match((yield* Effect.flip(codec.encode(raster, "webp"))).message, /no WebP/)
    })
  )

  it.effect("holds a decoder to the pixels that the header says", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const source = yield* ImageSource.bytes(yield* bytesOf(picture().jpeg()), { name: "picture" }).open()
      const error = yield* Effect.flip(codec.decode({ ...source, width: 60 }))
      assert.match(error.message, /its header says 60 x 43 pixels, but its decoder finds 61 x 43/)
      const limit = yield* Effect.flip(codec.decode(source, { maxPixels: 100 }))
      assert.strictEqual(limit._tag, "ImageTooLarge")
    })
  )
})

describe("PureCodec", () => {
  it.live("does the next picture after one that was interrupted", () =>
    Effect.gen(function* () {
      const codec = yield* PureCodec.make()
      const size = { width: 2000, height: 2000, channels: 3 } as const
      const large = yield* bytesOf(sharp(colours(2000, 2000), { raw: size }).png({ compressionLevel: 0 }))
      const source = yield* ImageSource.bytes(large, { name: "large" }).open()
      const small = yield* ImageSource.bytes(yield* bytesOf(picture().png()), { name: "small" }).open()
      yield* codec.decode(small)
      yield* Effect.timeoutOption(codec.decode(source), "20 millis")
      assert.strictEqual((yield* codec.decode(small)).data.length, 61 * 43 * 3)
    }).pipe(Effect.scoped)
  )

  it.live("says so where there are no workers that can be started", () =>
    Effect.gen(function* () {
      const codec = yield* PureCodec.make({
        worker: () => {
          throw new Error("a policy of the page forbids it")
        }
      })
      const source = yield* ImageSource.bytes(yield* bytesOf(picture().png()), { name: "small" }).open()
      const error = yield* Effect.flip(codec.decode(source))
      assert.strictEqual(error._tag, "CodeNotLoaded")
      assert.match(error.message, /a policy of the page forbids it/)
    }).pipe(Effect.scoped)
  )

  it.live(
    "takes threads of Node, and ends one of another script, for which it does not blame the picture",
    () =>
      Effect.gen(function* () {
        const own = new URL("../../src/image/decoding/worker.ts", import.meta.url)
        const source = yield* ImageSource.bytes(yield* bytesOf(picture().png()), { name: "small" }).open()
        const other = new Thread(`require("worker_threads").parentPort.postMessage("?")`, { eval: true })
        const threads = [other, new Thread(own)]
        const codec = yield* PureCodec.make({ worker: () => threads.shift() ?? other })
        const error = yield* Effect.flip(codec.decode(source))
        assert.strictEqual(error._tag, "CodeNotLoaded")
        assert.match(
          error.message,
          /the worker effect-segformer\/image\/worker.*: it runs another script.* effect-segformer\/image\/worker/
        )
        yield* eventually(() => other.threadId === -1, "the thread to end")
        assert.strictEqual((yield* codec.decode(source)).data.length, 61 * 43 * 3)
      }).pipe(Effect.scoped)
  )
})
