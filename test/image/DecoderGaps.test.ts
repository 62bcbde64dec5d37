/** What decoders would do wrongly without a word, or for far too long: mended before it reaches them, or refused. */
import { pathToFileURL } from "node:url"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import sharp from "sharp"
import * as SharpInput from "../../src/image/SharpInput.ts"
import { isLost } from "../../src/image/decoding/Coding.ts"
import { Problem } from "../../src/image/decoding/Decoding.ts"
import * as Jpeg from "../../src/image/decoding/Jpeg.ts"
import * as Png from "../../src/image/decoding/Png.ts"
import { apart, asked, furthest, refusal } from "./decoded.ts"
import { folder } from "../support/Folder.ts"
import * as files from "./files.ts"
import { chunk, png } from "./pngs.ts"
import { decode, decodeLarge } from "./reading.ts"
import * as samples from "./samples.ts"

const of = (making: Promise<Buffer>) => Effect.promise(() => making)
const latin = (text: string) => Buffer.from(text, "latin1")

const open = (bytes: Uint8Array) => ImageSource.bytes(bytes).open()

/** A file with a part of it many times more, in that part's place. */
const repeated = (bytes: Buffer, from: number, to: number, times: number): Buffer =>
  Buffer.concat([
    bytes.subarray(0, to),
    ...Array.from({ length: times }, () => bytes.subarray(from, to)),
    bytes.subarray(to)
  ])

/** Where the frames of a WebP begin, and where the last of them ends. */
const framesOf = (webp: Buffer): ReadonlyArray<number> => {
  const places: Array<number> = []
  for (let at = 30; at < webp.length; at += 8 + webp.readUInt32LE(at + 4)) {
    if (webp.toString("latin1", at, at + 4) === "ANMF") places.push(at, at + 8 + webp.readUInt32LE(at + 4))
  }
  return places
}

/** A WebP of many frames, all of them the last one of this. */
const webpOfMany = (webp: Buffer, times: number): Buffer => {
  const [from = 0, to = 0] = framesOf(webp).slice(-2)
  const many = repeated(webp, from, to, times)
  many.writeUInt32LE(many.length - 8, 4)
  return many
}

const pureJpeg = (bytes: Uint8Array) =>
  Effect.tryPromise({
    try: () => Jpeg.decode(bytes),
    catch: (problem) => (problem instanceof Problem ? problem : new Problem("broken", String(problem)))
  })

const ours = { page: 1, source: "picture" }

describe("a file of very many frames", () => {
  it.effect("is given to its decoder as far as the frame that is asked for, and shows the same", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const gif = yield* of(samples.gifOf(3))
      const webp = yield* of(samples.webpOf(3))
      const turned = yield* of(samples.webpOf(3, 6))
      const gifs = Buffer.concat([
        gif.subarray(0, -1),
        ...Array.from({ length: 50_000 }, () => latin(",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0")),
        latin(";")
      ])
      for (const [many, few] of [
        [gifs, gif],
        [webpOfMany(webp, 20_000), webp],
        [webpOfMany(turned, 5000), turned]
      ] as const) {
        const length = many.readUInt32LE(4)
        const image = yield* open(many)
        assert.strictEqual(image.hasMore, true)
        assert.isBelow((yield* SharpInput.upToPage(ours, many)).length, few.length)
        assert.deepStrictEqual(yield* codec.decode(image), yield* decode(few))
        const second = (bytes: Uint8Array) =>
          Effect.flatMap(ImageSource.view(ImageSource.bytes(bytes), { page: 2 }).open(), (page) =>
            codec.decode(page)
          )
        assert.deepStrictEqual(yield* second(many), yield* second(few))
        // Nothing of the caller's own bytes is changed.
        assert.strictEqual(many.readUInt32LE(4), length)
      }
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("is given without pages behind the one that is asked for, where it is a TIFF of very many", () =>
    Effect.gen(function* () {
      const pages = (count: number) =>
        files.tiff(...Array.from({ length: count }, (_, i) => files.page(1, 1, 8, Uint8Array.of(i & 255))))
      const many = pages(300)
      const before = Uint8Array.from(many)
      const codec = yield* ImageCodec
      for (const page of [1, 2, 200, 300]) {
        const given = yield* SharpInput.upToPage({ page, source: "picture" }, many)
        const { pages } = yield* Effect.promise(() => sharp(given, { page: page - 1 }).metadata())
        assert.strictEqual(pages ?? 1, page > 200 ? 300 : page)
        const image = yield* ImageSource.view(ImageSource.bytes(many), { page }).open()
        assert.strictEqual((yield* codec.decode(image)).data[0], (page - 1) & 255)
      }
      assert.deepStrictEqual(Uint8Array.from(many), before)
      // Few cost nothing, so that no copy is made.
      const few = pages(3)
      assert.strictEqual(yield* SharpInput.upToPage(ours, few), few)
      assert.strictEqual((yield* open(many)).hasMore, true)
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.effect("whose parts or pages nobody would write is refused before it is walked over", () =>
    Effect.gen(function* () {
      const gif = yield* of(samples.gifOf(1))
      const start = 13 + 3 * 2 ** ((gif[10]! & 7) + 1)
      const before = (more: Uint8Array) => Effect.flip(open(files.insert(gif, start, more)))
      const pieces = Buffer.concat([latin("!\xfe"), Buffer.alloc(80_000, latin("\x01a")), Buffer.alloc(1)])
      for (const more of [Buffer.alloc(40_000), Buffer.alloc(120_000, latin("!\xfe\0")), pieces])
        assert.match((yield* before(more)).message, /more than 32768 parts/)
      const comment = Buffer.concat([
        latin("!\xfe"),
        Buffer.alloc(256_000, latin("\xff".padEnd(256, "a"))),
        Buffer.alloc(1)
      ])
      assert.strictEqual((yield* open(files.insert(gif, start, comment))).format, "gif")
      // The picture's own data are what they are, in however small pieces.
      const small = files.insert(gif, gif.length - 2, Buffer.alloc(80_000, latin("\x01a")))
      assert.strictEqual((yield* open(small)).format, "gif")

      // Directories of one entry, each leading to the next.
      const count = 70_000
      const pages = Buffer.alloc(8 + count * 18)
      pages.write("II*\0\x08", "latin1")
      for (let i = 0, at = 8; i < count; i++, at += 18) {
        pages.writeUInt16LE(1, at)
        pages.writeUInt16LE(0x0100 + (i === 0 ? 1 : 0), at + 2)
        pages.writeUInt16LE(3, at + 4)
        pages.writeUInt32LE(1, at + 6)
        pages.writeUInt32LE(1, at + 10)
        pages.writeUInt32LE(i === count - 1 ? 0 : at + 18, at + 14)
      }
      assert.match((yield* Effect.flip(open(pages))).message, /more than 65536 pages/)
      assert.notMatch((yield* Effect.flip(open(pages.subarray(0, 8 + 18)))).message, /65536/)
    })
  )
})

layer(Layer.mergeAll(SharpCodec.layer, NodeFileSystem.layer), { excludeTestServices: true })(
  "a picture",
  (it) => {
    it.effect(
      "has all pixels of a GIF, though nothing says that they have ended; without some it is broken",
      () =>
        Effect.gen(function* () {
          // Two colours; four codes of three bits: anew (4), 0 and 1, and the end (5), which may be missing.
          const gif = (width: number, ...frames: ReadonlyArray<readonly number[]>) =>
            Buffer.concat([
              Buffer.from([...latin("GIF89a"), width, 0, 1, 0, 0x80, 0, 0, 10, 20, 30, 250, 240, 230]),
              ...frames.map((codes) => {
                const packed = codes.reduce((all, code, i) => all + code * 8 ** i, 0)
                const data = Array.from(
                  { length: Math.ceil((codes.length * 3) / 8) },
                  (_, i) => (packed >> (8 * i)) & 255
                )
                return Buffer.from([0x2c, 0, 0, 0, 0, width, 0, 1, 0, 0, 2, data.length, ...data, 0])
              }),
              latin(";")
            ])
          const [dark, light] = [
            [10, 20, 30],
            [250, 240, 230]
          ] as const
          const read = (bytes: Uint8Array) =>
            Effect.map(Effect.all([decode(bytes), decodeLarge(bytes)]), ([whole, parts]) => {
              assert.deepStrictEqual(parts.data, whole.data)
              return Array.from(whole.data)
            })
          assert.deepStrictEqual(yield* read(gif(1, [4, 1, 5])), [...light])
          assert.deepStrictEqual(yield* read(gif(1, [4, 1])), [...light])
          assert.deepStrictEqual(yield* read(gif(2, [1, 1])), [...light, ...light])
          assert.deepStrictEqual(yield* read(gif(2, [4, 0, 1])), [...dark, ...light])
          // A code may stand for what it is about to add: 6 is two of the pixel before.
          assert.deepStrictEqual(yield* read(gif(3, [4, 1, 6])), [...light, ...light, ...light])
          for (const bytes of [gif(2, [4, 1]), gif(2, [4, 1, 5]), gif(9, [4, 1, 6])]) {
            assert.match((yield* Effect.flip(decode(bytes))).message, /a frame has \d of its \d pixels/)
            assert.match((yield* Effect.flip(decodeLarge(bytes))).message, /a frame has \d of its \d pixels/)
          }
          // What stands behind the frame that is asked for is not looked at.
          const moving = gif(2, [4, 0, 1], [4, 1])
          assert.deepStrictEqual(yield* read(moving), [...dark, ...light])
          const second = ImageSource.view(ImageSource.bytes(moving), { page: 2 })
          const failed = yield* Effect.flip(
            Effect.flatMap(ImageCodec, (codec) =>
              Effect.flatMap(second.open(), (image) => codec.decode(image))
            )
          )
          assert.include(failed.message, "a frame has 1 of its 2 pixels")
        })
    )

    it.effect("of AVIF has colours by BT.601, where it says that they are by no matrix it knows", () =>
      Effect.gen(function* () {
        const pixels = (colour: ReadonlyArray<number>) =>
          Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => colour[i % 3]!)
        // Its planes are green, blue and red as they are, so that another matrix makes other colours of them.
        const plain = yield* of(files.avif({ width: 16, height: 16, data: pixels([150, 100, 120]) }))
        const by = pixels([100 + 1.402 * 22, 100 + 0.344 * 8 - 0.714 * 22, 100 - 1.772 * 8])
        for (const [primaries, curve] of [
          [2, 2],
          [1, 13]
        ] as const) {
          const bytes = Buffer.from(plain)
          const numbers = bytes.indexOf("nclx", 0, "latin1") + 4
          ;[primaries, curve, 2].forEach((number, i) => bytes.writeUInt16BE(number, numbers + 2 * i))
          const before = Buffer.from(bytes)
          assert.isAtMost(furthest((yield* decode(bytes)).data, by), 2)
          assert.isAtMost(furthest((yield* decodeLarge(bytes)).data, by), 2)
          assert.deepStrictEqual(bytes, before)
        }
      })
    )

    it.effect("is HEIC to tiles as well, wherever its size is told", () =>
      Effect.gen(function* () {
        const heic = latin("\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\x02\0\0free")
        const bytes = Buffer.concat([heic, Buffer.alloc(0x2_0000)])
        assert.match((yield* Effect.flip(decodeLarge(bytes))).message, /no decoder for HEIC.*Convert it/)
      })
    )

    it.effect("is judged by what is said of it, however many are decoded at once", () =>
      Effect.gen(function* () {
        const data = Uint8Array.from({ length: 160 * 120 * 3 }, (_, i) => (i * 7919) % 251)
        const plain = yield* of(
          sharp(data, { raw: { width: 160, height: 120, channels: 3 } })
            .jpeg()
            .toBuffer()
        )
        const lost = Buffer.from(plain)
        lost.set([0xff, 0xd9], Math.floor(plain.length / 2))
        const filled = files.insert(plain, plain.length - 2, Buffer.alloc(30))
        const tags = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, at) => (at % 3 === 0 ? lost : filled)),
          (bytes) =>
            Effect.match(decode(bytes), { onFailure: ({ _tag }) => _tag, onSuccess: () => "whole" as const }),
          { concurrency: 8 }
        )
        assert.deepStrictEqual(
          tags,
          tags.map((_, at) => (at % 3 === 0 ? "NotAnImage" : "whole"))
        )
        assert.isTrue(isLost("Corrupt JPEG data: found marker 0xd9 instead of RST1"))
        // Of a number that is wrong nothing is lost.
        assert.isFalse(isLost("Corrupt JPEG data: found marker 0xd6 instead of RST2"))
      })
    )

    it.effect("of which a part is lost is broken, and what only fills a JPEG up is no matter", () =>
      Effect.gen(function* () {
        const data = Uint8Array.from({ length: 160 * 120 * 3 }, (_, i) => (i * 7919) % 251)
        const of160 = sharp(data, { raw: { width: 160, height: 120, channels: 3 } })
        for (const progressive of [false, true]) {
          const plain = yield* of(of160.clone().jpeg({ progressive }).toBuffer())
          const whole = yield* decode(plain)
          for (const share of [0.4, 0.6, 0.8]) {
            const lost = Buffer.from(plain)
            lost.set([0xff, 0xd9], Math.floor(plain.length * share))
            for (const read of [decode(lost), decodeLarge(lost)]) {
              const error = yield* Effect.flip(read)
              assert.strictEqual(error._tag, "NotAnImage")
              assert.match(error.message, /premature end/)
            }
            const problem = yield* Effect.flip(pureJpeg(lost))
            assert.match(problem.message, /a part of it is lost \(Corrupt JPEG data: premature end/)
          }
          const filled = files.insert(plain, plain.length - 2, Buffer.alloc(30))
          for (const read of [decode(filled), decodeLarge(filled)])
            assert.strictEqual(furthest((yield* read).data, whole.data), 0)
          assert.strictEqual(yield* apart(filled, yield* pureJpeg(filled)), 0)
        }
      })
    )

    it.effect("whose colours are not those of sRGB, or multiplied, is refused by what they are", () =>
      Effect.gen(function* () {
        const raster = { width: 16, height: 16, data: new Uint8Array(16 * 16 * 3).fill(90) }
        const plain = yield* of(files.avif(raster))
        const coded = (primaries: number, curve: number) => {
          const bytes = Buffer.from(plain)
          const numbers = bytes.indexOf("nclx", 0, "latin1") + 4
          bytes.writeUInt16BE(primaries, numbers)
          bytes.writeUInt16BE(curve, numbers + 2)
          return bytes
        }
        const rows = Uint8Array.from({ length: 12 }, (_, i) => i * 20)
        const pngOf = (...colours: ReadonlyArray<number>) =>
          png({
            width: 2,
            height: 2,
            colorType: 2,
            rows,
            chunks: [chunk("cICP", Uint8Array.from([...colours, 0, 1]))]
          })
        for (const [primaries, curve, what] of [
          [9, 16, /high dynamic range \(PQ\)/],
          [9, 18, /high dynamic range \(HLG\)/],
          [12, 13, /not those of sRGB \(primaries 12, curve 13/],
          [1, 8, /not those of sRGB/]
        ] as const) {
          const avif = coded(primaries, curve)
          const png = pngOf(primaries, curve)
          for (const read of [decode(avif), decodeLarge(avif), decode(png), decodeLarge(png)]) {
            const error = yield* Effect.flip(read)
            assert.strictEqual(error._tag, "UnsupportedImage")
            assert.match(error.message, what)
          }
          assert.match(refusal(() => Png.decode(asked(png, 2, 2))).message, what)
          // Who sends the file, and decodes nothing, may send it.
          assert.strictEqual((yield* open(avif)).format, "avif")
        }
        for (const [primaries, curve] of [
          [1, 13],
          [1, 1],
          [2, 2],
          [6, 6]
        ] as const) {
          assert.isAtMost(furthest((yield* decode(coded(primaries, curve))).data, raster.data), 2)
          assert.deepStrictEqual(Array.from((yield* decode(pngOf(primaries, curve))).data), Array.from(rows))
        }
        const clear = yield* of(
          sharp(new Uint8Array(64 * 64 * 4).fill(100), { raw: { width: 64, height: 64, channels: 4 } })
            .avif()
            .toBuffer()
        )
        const auxl = clear.indexOf("auxl", 0, "latin1")
        const [alpha, picture] = [clear.readUInt16BE(auxl + 4), clear.readUInt16BE(auxl + 8)]
        assert.strictEqual((yield* decode(clear)).width, 64)
        clear.write("prem", auxl, "latin1")
        clear.writeUInt16BE(picture, auxl + 4)
        clear.writeUInt16BE(alpha, auxl + 8)
        assert.match((yield* Effect.flip(decode(clear))).message, /multiplied by its transparency/)
      })
    )

    it.effect("has the transparent colour of the bits that its samples have, and colours of its own", () =>
      Effect.gen(function* () {
        const key = chunk("tRNS", Uint8Array.of(1, 255, 1, 0, 1, 0))
        const rows = Uint8Array.of(255, 0, 0, 254, 0, 0)
        const keyed = png({ width: 2, height: 1, colorType: 2, rows, chunks: [key] })
        const expected = [255, 0, 0, 0, 254, 0, 0, 255]
        assert.deepStrictEqual(Array.from((yield* decode(keyed, { channels: 4 })).data), expected)
        assert.strictEqual(yield* apart(keyed, Png.decode(asked(keyed, 2, 1))), 0)
        const bare = yield* of(samples.gifOf(1))
        const table = 3 * 2 ** ((bare[10]! & 7) + 1)
        const without = Buffer.concat([bare.subarray(0, 13), bare.subarray(13 + table)])
        without[10] = 0
        assert.match((yield* Effect.flip(open(without))).message, /no table of its colours/)
        const bands = files.tiff(
          files.page(1, 1, 8, Uint8Array.of(1, 2, 3, 4, 5), {
            samples: 5,
            extra: [
              [262, 3, 2],
              [338, 3, [0, 0]]
            ]
          })
        )
        assert.deepStrictEqual(Array.from((yield* decode(bands)).data), [1, 2, 3])
      })
    )

    it.effect(
      "in a bitmap of two bits, or of OS/2's short header, is read; of others it is said what they are",
      () =>
        Effect.gen(function* () {
          const colours = Buffer.of(0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0)
          const bitmap = (header: Buffer, pixels: Uint8Array, palette: Uint8Array = colours) => {
            const start = Buffer.alloc(14)
            start.write("BM", "latin1")
            start.writeUInt32LE(14 + header.length + palette.length, 10)
            return Buffer.concat([start, header, palette, pixels])
          }
          const headerOf = (size: 16 | 40, depth: number, compression = 0) => {
            const header = Buffer.alloc(size)
            header.writeUInt32LE(size, 0)
            header.writeInt32LE(4, 4)
            header.writeInt32LE(1, 8)
            header.writeUInt16LE(1, 12)
            header.writeUInt16LE(depth, 14)
            if (size === 40) header.writeUInt32LE(compression, 16)
            return header
          }
          const four = [0, 0, 0, 0, 0, 255, 0, 255, 0, 255, 0, 0]
          const pixels = Uint8Array.of(0b00_01_10_11, 0, 0, 0)
          const small = bitmap(headerOf(40, 2), pixels)
          const short = bitmap(
            headerOf(16, 4),
            Uint8Array.of(0x01, 0x23, 0, 0),
            Buffer.concat([colours, Buffer.alloc(48)])
          )
          for (const read of [decode(small), decodeLarge(small), decode(short)])
            assert.deepStrictEqual(Array.from((yield* read).data), four)
          const wrapped = bitmap(headerOf(40, 0, 5), pixels, Buffer.alloc(0))
          assert.match((yield* Effect.flip(decode(wrapped))).message, /compressed \(PNG\)/)
        })
    )

    it.effect("in a file is found by its address, and one on the web is not looked for on the disk", () =>
      Effect.gen(function* () {
        const bytes = yield* of(samples.png())
        const path = join(yield* folder({ "a b#1.png": bytes }), "a b#1.png")
        const image = yield* ImageSource.file(pathToFileURL(path).href).open()
        assert.deepStrictEqual([image.name, image.source], ["a b#1.png", path])
        assert.strictEqual((yield* Stream.runCollect(image.stream)).length, 1)
        for (const address of ["https://example.com/a.png", "data:image/png;base64,QUJD"]) {
          const error = yield* Effect.flip(ImageSource.file(address).open())
          assert.match(error.message, /it is an address, and no file/)
        }
        for (const none of ["C:\\pictures\\a.png", "file:///no/such.png", "file:///%ff.png"])
          assert.strictEqual((yield* Effect.flip(ImageSource.file(none).open()))._tag, "ImageNotFound")
        for (const [address, name] of [
          ["data:image/png;base64,QUJD/RA==", "image"],
          ["http://h/images/cat.jpg?size=1", "cat.jpg"],
          ["/images/cat.jpg", "cat.jpg"],
          ["blob:http://h/0f3a", "0f3a"],
          ["http://", "image"]
        ] as const)
          assert.strictEqual(ImageSource.url(address).name, name)
      })
    )
  }
)
