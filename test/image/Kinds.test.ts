/** What users' files really are: kinds that no encoder of the other tests writes, each as it is seen or told by name. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageCodec, Stretch } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import sharp, { type TiffOptions } from "sharp"
import * as files from "./files.ts"
import * as Profiles from "./profiles.ts"
import { decode, decodeLarge, grey } from "./reading.ts"
import * as samples from "./samples.ts"

/** A TIFF with other numbers in its directory: the only one of an entry, or the tenth of many. */
const changed = (file: Buffer, ...numbers: ReadonlyArray<readonly [tag: number, value: number]>): Buffer => {
  const out = Buffer.from(file)
  const start = file.readUInt32LE(4)
  for (let at = start + 2; at < start + 2 + 12 * file.readUInt16LE(start); at += 12) {
    const number = numbers.find(([tag]) => tag === file.readUInt16LE(at))
    if (number === undefined) continue
    const size = file.readUInt16LE(at + 2) === 3 ? 2 : 4
    const place = file.readUInt32LE(at + 4) === 1 ? at + 8 : file.readUInt32LE(at + 8) + 9 * size
    out.writeUIntLE(number[1], place, size)
  }
  return out
}

const floats = (...values: ReadonlyArray<number>) => Buffer.from(Float32Array.from(values).buffer)

layer(Layer.mergeAll(SharpCodec.layer, NodeFileSystem.layer), { excludeTestServices: true })(
  "images",
  (it) => {
    const heights = files.tiff(files.page(4, 1, 32, floats(0, 1000, 4000, Number.NaN), { format: 3 }))

    it.effect("numbers that are no colours are refused with what scales them, and never black or white", () =>
      Effect.gen(function* () {
        const kinds = {
          floats: heights,
          int16: files.tiff(files.page(2, 1, 16, Uint8Array.of(0, 128, 255, 127), { format: 2 })),
          uint32: files.tiff(files.page(1, 1, 32, Uint8Array.of(1, 2, 3, 4))),
          int8: files.tiff(files.page(2, 1, 8, Uint8Array.of(128, 127), { format: 2 })),
          int32: files.tiff(files.page(1, 1, 32, Uint8Array.of(1, 2, 3, 4), { format: 2 })),
          "floats of colour": files.tiff(files.page(1, 1, 32, floats(1, 2, 3), { format: 3, samples: 3 }))
        }
        for (const [name, bytes] of Object.entries(kinds)) {
          for (const read of [decode(bytes), decodeLarge(bytes)]) {
            const error = yield* Effect.flip(read)
            assert.strictEqual(error._tag, "UnsupportedImage", name)
            assert.match(error.message, /numbers, and no colours.*`stretch`/, name)
          }
        }
        const inks = files.tiff(
          files.page(1, 1, 16, Uint8Array.of(0, 1, 0, 2, 0, 3, 0, 4), { samples: 4, extra: [[262, 3, 5]] })
        )
        const half = files.tiff(files.page(2, 1, 16, Uint8Array.of(0, 0x3c, 0, 0x40), { format: 3 }))
        const stretch = Stretch.parse("0,1")
        for (const read of [decode(half, { stretch }), decodeLarge(half, { stretch })])
          assert.match((yield* Effect.flip(read)).message, /16-bit floats/)
        for (const read of [decode(inks, { stretch }), decodeLarge(inks, { stretch })])
          assert.match((yield* Effect.flip(read)).message, /inks, of which a stretch makes no colours/)
      })
    )

    it.effect("a stretch says which numbers are black and white, the same in parts as in whole", () =>
      Effect.gen(function* () {
        const wide = Profiles.display(Profiles.power(3), Profiles.widePrimaries)
        const cases: ReadonlyArray<readonly [string, Uint8Array, Array<number>]> = [
          ["0,4000", heights, [0, 64, 255, 0]],
          ["1000,2000", heights, [0, 0, 255, 0]],
          ["4000,0", heights, [255, 191, 0, 0]],
          ["0%,100%", heights, [0, 64, 255, 0]],
          [
            "-5,5",
            files.tiff(files.page(3, 1, 16, Uint8Array.of(0xfb, 0xff, 0, 0, 5, 0), { format: 2 })),
            [0, 128, 255]
          ],
          [
            "0,400",
            files.tiff(files.page(1, 1, 16, Uint8Array.of(100, 0, 200, 0, 44, 1), { format: 2, samples: 3 })),
            [64]
          ],
          [
            "-200,200",
            files.tiff(files.page(1, 1, 32, floats(-100, 0, 100), { format: 3, samples: 3 })),
            [64]
          ],
          // A profile is of colours, and these are numbers.
          [
            "-200,200",
            files.tiff(
              files.page(1, 1, 32, floats(-100, 0, 100), {
                format: 3,
                samples: 3,
                extra: [[34_675, 1, [...wide]]]
              })
            ),
            [64]
          ],
          [
            "-128,127",
            files.tiff(files.page(3, 1, 8, Uint8Array.of(128, 0, 127), { format: 2 })),
            [0, 128, 255]
          ],
          [
            "-1000,3000",
            files.tiff(
              files.page(3, 1, 32, Buffer.from(Int32Array.of(-1000, 1000, 3000).buffer), { format: 2 })
            ),
            [0, 128, 255]
          ],
          [
            "0,4095",
            files.tiff(files.page(3, 1, 16, Uint8Array.of(0, 0, 0xff, 7, 0xff, 0x0f))),
            [0, 127, 255]
          ],
          // Of 8 bits nothing is changed.
          ["0,10", files.tiff(files.page(3, 1, 8, Uint8Array.of(0, 100, 200))), [0, 100, 200]]
        ]
        for (const [text, bytes, expected] of cases) {
          const stretch = Stretch.parse(text)
          assert.deepStrictEqual(grey((yield* decode(bytes, { stretch })).data), expected, text)
          assert.deepStrictEqual(
            grey((yield* decodeLarge(bytes, { stretch })).data),
            expected,
            `${text} in parts`
          )
          const view = ImageSource.view(ImageSource.bytes(bytes, { name: "a.tif" }), { stretch })
          const image = yield* view.open()
          const sent = yield* decode(yield* image.bytes)
          assert.deepStrictEqual(grey(sent.data), expected, `${text} as it is sent`)
        }
        for (const text of ["", "1", "1,1", "a,b", "1%,2", "0%,101%", "1,2,3", "Infinity,1"])
          assert.isUndefined(Stretch.parse(text), text)
        for (const text of ["0,4095", "2%,98%", "-1.5,1e+21"]) {
          assert.strictEqual(Stretch.format(Stretch.parse(text)!), text)
        }
      })
    )

    it.effect("16 bits are scaled as they are; a page is taken by its number", () =>
      Effect.gen(function* () {
        const deep = files.tiff(files.page(3, 1, 16, Uint8Array.of(0, 0, 0, 128, 255, 255)))
        assert.deepStrictEqual(grey((yield* decode(deep)).data), [0, 128, 255])
        const pages = files.tiff(
          files.page(1, 1, 8, Uint8Array.of(10)),
          files.page(2, 1, 8, Uint8Array.of(20, 21)),
          files.page(3, 1, 8, Uint8Array.of(30, 31, 32), { extra: [[274, 3, 6]] })
        )
        const source = ImageSource.bytes(pages, { name: "pages.tif" })
        const codec = yield* ImageCodec
        const first = yield* source.open()
        assert.deepStrictEqual([first.width, first.hasMore], [1, true])
        for (const [page, size, values] of [
          [1, [1, 1], [10]],
          [2, [2, 1], [20, 21]],
          [3, [1, 3], [30, 31, 32]]
        ] as const) {
          const image = yield* ImageSource.view(source, { page }).open()
          assert.deepStrictEqual([image.width, image.height], [...size])
          assert.deepStrictEqual(grey((yield* codec.decode(image)).data), [...values])
          assert.deepStrictEqual(grey((yield* decodeLarge(pages, { page })).data), [...values])
        }
        const beyond = yield* Effect.flip(ImageSource.view(source, { page: 4 }).open())
        assert.match(beyond.message, /it has 3 pages, and page 4 was asked for/)
        const single = ImageSource.bytes(yield* Effect.promise(() => samples.png()))
        assert.match(
          (yield* Effect.flip(ImageSource.view(single, { page: 2 }).open())).message,
          /has one page/
        )
      })
    )

    it.effect("what a TIFF is that cannot be read, is said by name", () =>
      Effect.gen(function* () {
        const eight = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
        const kinds: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
          [files.tiff(files.page(2, 1, 12, eight)), /12 bits a sample/],
          [files.tiff(files.page(1, 1, 64, eight, { format: 3 })), /64 bits a sample/],
          [files.tiff(files.page(1, 1, 8, eight, { samples: 8 })), /8 samples a pixel/],
          [files.tiff(files.page(2, 1, 8, eight, { samples: 4 })), /4 bands/],
          [files.tiff(files.page(1, 1, 8, eight, { samples: 3, extra: [[262, 3, 8]] })), /L\*a\*b\*/],
          [files.tiff(files.page(8, 1, 8, eight, { extra: [[259, 3, 34_925]] })), /LZMA/],
          [files.tiff(files.page(8, 1, 8, eight, { extra: [[259, 3, 34_933]] })), /compression is PNG/],
          [
            files.tiff(files.page(8, 1, 8, eight, { extra: [[262, 3, 32_803]] })),
            /a camera's colour filters/
          ],
          [files.tiff(files.page(8, 1, 8, eight, { extra: [[262, 3, 4]] })), /mask of what is transparent/],
          [files.tiff(files.page(2, 1, 8, eight, { samples: 3, extra: [[262, 3, 6]] })), /are YCbCr/],
          [files.tiff(files.page(8, 1, 8, eight, { extra: [[259, 3, 6]] })), /old-style JPEG/],
          [files.tiff(files.page(8, 1, 8, eight, { extra: [[259, 3, 34_712]] })), /JPEG 2000/],
          [
            files.tiff(files.page(8, 1, 8, eight, { extra: [[0xc612, 1, [1, 4, 0, 0]]] })),
            /camera's raw file/
          ]
        ]
        for (const [bytes, says] of kinds) {
          for (const read of [decode(bytes), decodeLarge(bytes)]) {
            const error = yield* Effect.flip(read)
            assert.strictEqual(error._tag, "UnsupportedImage", says.source)
            assert.match(error.message, says)
          }
        }
      })
    )

    it.effect("a TIFF whose tiles are not all there is refused, and not black", () =>
      Effect.gen(function* () {
        const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251)
        const tiled = (options: TiffOptions) =>
          Effect.promise(async () => {
            const raw = { width: 64, height: 64, channels: 3 } as const
            const file = sharp(noise, { raw }).tiff({ tile: true, tileWidth: 16, tileHeight: 16, ...options })
            return Buffer.from((await file.toUint8Array()).data)
          })
        for (const compression of ["none", "deflate", "lzw", "jpeg"] as const) {
          const whole = yield* tiled({ compression, quality: 100 })
          yield* decode(whole)
          const beyond = changed(whole, [324, whole.length - 8])
          const missing = changed(whole, [324, 0], [325, 0])
          // libvips keeps what libtiff says of all threads in one place: which of it comes is not sure.
          for (const bytes of [beyond, missing])
            for (const read of [decode(bytes), decodeLarge(bytes)])
              assert.match(
                (yield* Effect.flip(read)).message,
                /parts are not in the file, because it is sparse|broken or cut off/,
                compression
              )
        }
        // What libtiff only warns of costs nothing: a directory that is not in order.
        const plain = yield* tiled({ compression: "none" })
        const start = plain.readUInt32LE(4) + 2
        const [first, second] = [plain.subarray(start, start + 12), plain.subarray(start + 12, start + 24)]
        const unsorted = Buffer.concat([plain.subarray(0, start), second, first, plain.subarray(start + 24)])
        for (const read of [decode(unsorted), decodeLarge(unsorted)])
          assert.deepStrictEqual((yield* read).data, noise)
        const wide = changed(plain, [322, 1024], [323, 1024])
        for (const read of [decode(wide), decodeLarge(wide)])
          assert.match((yield* Effect.flip(read)).message, /tiles that are far larger than its picture/)
      })
    )

    it.effect("a TIFF of a palette that it lacks is broken, and not grey", () =>
      Effect.gen(function* () {
        const bytes = files.tiff(files.page(3, 1, 8, Uint8Array.of(0, 1, 2), { extra: [[262, 3, 3]] }))
        for (const read of [decode(bytes), decodeLarge(bytes)])
          assert.match((yield* Effect.flip(read)).message, /a palette, which it does not have/)
      })
    )

    it.effect("JPEGs are read as libjpeg reads them: bytes between segments, EXIF behind the frame", () =>
      Effect.gen(function* () {
        const plain = yield* Effect.promise(() =>
          sharp(new Uint8Array(8 * 6 * 3).fill(90), { raw: { width: 8, height: 6, channels: 3 } })
            .jpeg()
            .toBuffer()
        )
        const frame = files.markerAt(plain, 0xc0)
        const scan = files.markerAt(plain, 0xda)
        const fake = Buffer.from([0xff, 0xc0, 0, 17, 8, 0, 4, 0, 4, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
        const cases: Readonly<Record<string, readonly [Uint8Array, number, number]>> = {
          "stray bytes": [files.insert(plain, frame, Buffer.from("stray \0 bytes")), 8, 6],
          "stray bytes that look like a marker of data": [
            files.insert(plain, frame, Uint8Array.of(1, 0xff, 0, 2)),
            8,
            6
          ],
          "fill bytes": [files.insert(plain, frame, Uint8Array.of(0xff, 0xff, 0xff)), 8, 6],
          "a frame within another segment": [
            files.insert(plain, 2, Buffer.concat([Uint8Array.of(0xff, 0xe5, 0, fake.length + 2), fake])),
            8,
            6
          ],
          "EXIF behind the frame": [files.insert(plain, scan, files.exif(6)), 6, 8],
          "EXIF before it": [files.insert(plain, 2, files.exif(8)), 6, 8],
          "EXIF twice": [files.insert(plain, 2, Buffer.concat([files.exif(6), files.exif(1)])), 6, 8]
        }
        for (const [name, [bytes, width, height]] of Object.entries(cases)) {
          const own = yield* decode(bytes)
          assert.deepStrictEqual([own.width, own.height], [width, height], name)
          const large = yield* decodeLarge(bytes)
          assert.deepStrictEqual([large.width, large.height], [width, height], name)
          assert.isTrue(Buffer.from(own.data).equals(large.data), name)
        }
        const twice = yield* Effect.flip(decode(files.insert(plain, frame, fake)))
        assert.match(twice.message, /its size is told twice/)
        const deep = Buffer.from(plain)
        deep[frame + 4] = 12
        assert.match((yield* Effect.flip(decode(deep))).message, /12 bits a sample/)
      })
    )

    it.effect("a JPEG that asks to be gone over without end is refused, in parts as in whole", () =>
      Effect.gen(function* () {
        const plain = yield* Effect.promise(() =>
          sharp(new Uint8Array(64 * 64 * 3).fill(90), { raw: { width: 64, height: 64, channels: 3 } })
            .jpeg({ progressive: true })
            .toBuffer()
        )
        assert.strictEqual((yield* decodeLarge(plain)).width, 64)
        const last = plain.subarray(plain.lastIndexOf(Uint8Array.of(0xff, 0xda)), -2)
        const many = files.insert(
          plain,
          plain.length - 2,
          Buffer.concat(Array.from({ length: 900 }, () => last))
        )
        for (const read of [decode(many), decodeLarge(many)])
          assert.strictEqual((yield* Effect.flip(read))._tag, "NotAnImage")
      })
    )

    it.effect("AVIF is turned, mirrored and cropped as its properties ask, in their order", () =>
      Effect.gen(function* () {
        // A dark square of 16 x 16 in the upper left corner.
        const data = new Uint8Array(64 * 48 * 3).fill(220)
        for (let y = 0; y < 16; y++) data.fill(20, y * 64 * 3, (y * 64 + 16) * 3)
        const raster = { data, width: 64, height: 48 }
        const { clap, imir, irot } = files
        const cases: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, number, number, string]> = [
          ["as it is", [], 64, 48, "left top"],
          ["a quarter to the left", [irot(1)], 48, 64, "left bottom"],
          ["half a turn", [irot(2)], 64, 48, "right bottom"],
          ["a quarter to the right", [irot(3)], 48, 64, "right top"],
          ["top to bottom", [imir(0)], 64, 48, "left bottom"],
          ["left to right", [imir(1)], 64, 48, "right top"],
          ["turned, then mirrored", [irot(1), imir(1)], 48, 64, "right bottom"],
          ["turned, then upside down", [irot(3), imir(0)], 48, 64, "right bottom"],
          ["cropped", [clap(32, 24)], 32, 24, "none"],
          ["cropped and turned", [clap(64, 24), irot(1)], 24, 64, "left bottom"]
        ]
        for (const [name, properties, width, height, corner] of cases) {
          const bytes = yield* Effect.promise(() => files.avif(raster, ...properties))
          const found = yield* decode(bytes)
          assert.deepStrictEqual([found.width, found.height], [width, height], name)
          const dark = [
            ["left top", 2, 2],
            ["right top", width - 3, 2],
            ["left bottom", 2, height - 3],
            ["right bottom", width - 3, height - 3]
          ] as const
          const where = dark.find(([, x, y]) => found.data[(y * width + x) * 3]! < 100)?.[0] ?? "none"
          assert.strictEqual(where, corner, name)
          const large = yield* decodeLarge(bytes)
          assert.isTrue(Buffer.from(found.data).equals(large.data), name)
          const opened = yield* ImageSource.bytes(bytes).open()
          assert.deepStrictEqual([opened.width, opened.height], [width, height], name)
        }
        const wide = yield* Effect.promise(() => files.avif(raster, clap(200, 10)))
        assert.match((yield* Effect.flip(decode(wide))).message, /cropped to more than it has/)
      })
    )
  }
)
