/** Masks as indexed pictures whose colours have an alpha: what the same picture in RGBA is. */
import { crc32, deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { encode, type ImageData } from "fast-png"
import sharp from "sharp"
import { BinaryMask, LabelPng } from "effect-segformer/mask"
import * as Png from "../../src/image/decoding/Png.ts"

const rows = (picture: ImageData) =>
  BinaryMask.toRows(Result.getOrThrow(LabelPng.decodeMask(encode(picture))))

const size = { width: 3, height: 1, depth: 8 as const }
const pixels = [0, 1, 0]

/** Two colours with their alpha, and the mask. What is opaque comes last: the encoder writes no 255 before other alphas. */
const cases: ReadonlyArray<readonly [string, ReadonlyArray<number>, ReadonlyArray<number>, string]> = [
  ["white, of which one is seen", [255, 255, 255, 0], [255, 255, 255, 255], ".#."],
  ["one grey, of which one is seen", [9, 9, 9, 0], [9, 9, 9, 200], ".#."],
  ["black, of which one is seen", [0, 0, 0, 0], [0, 0, 0, 255], ".#."],
  ["a cut-out in colours", [200, 10, 10, 0], [10, 90, 10, 255], ".#."],
  ["black and white, all seen", [0, 0, 0, 255], [255, 255, 255, 255], ".#."],
  ["black that is not seen", [0, 0, 0, 0], [255, 255, 255, 255], ".#."],
  ["white that is half seen", [255, 255, 255, 128], [0, 0, 0, 255], "#.#"]
]

describe("a palette with alpha", () => {
  it.each(cases)("is the mask that it is in RGBA: %s", (_, first, second, inside) => {
    const palette = [[...first], [...second]]
    const colors = Uint8Array.from(pixels.flatMap((index) => palette[index]!))
    assert.deepStrictEqual(rows({ ...size, channels: 4, data: colors }), [inside])
    assert.deepStrictEqual(rows({ ...size, channels: 1, data: Uint8Array.from(pixels), palette }), [inside])
  })
})

describe("a palette whose alpha is of more colours than it has, or stands before it", () => {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const named = Buffer.concat([Buffer.from(type), data])
    const out = Buffer.alloc(named.length + 8)
    out.writeUInt32BE(data.length)
    named.copy(out, 4)
    out.writeUInt32BE(crc32(named), named.length + 4)
    return out
  }
  const fileOf = (...chunks: ReadonlyArray<Buffer>) =>
    Buffer.concat([
      Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
      chunk("IHDR", Uint8Array.of(0, 0, 0, 3, 0, 0, 0, 1, 8, 3, 0, 0, 0)),
      ...chunks,
      chunk("IDAT", deflateSync(Uint8Array.of(0, ...pixels))),
      chunk("IEND", new Uint8Array())
    ])
  const alpha = (...values: ReadonlyArray<number>) => chunk("tRNS", Uint8Array.from(values))
  const blackAndWhite = chunk("PLTE", Uint8Array.of(0, 0, 0, 255, 255, 255))
  const white = chunk("PLTE", new Uint8Array(6).fill(255))
  const colours = chunk("PLTE", Uint8Array.of(200, 10, 10, 10, 90, 10))
  const without = (palette: Buffer) =>
    [
      ["longer", fileOf(palette, alpha(0, 255, 255))],
      ["longer than any", fileOf(palette, alpha(...new Uint8Array(300)))],
      ["before", fileOf(alpha(0, 255), palette)]
    ] as const

  it("has its ids, and the colours that sharp has", async () => {
    for (const palette of [blackAndWhite, white, colours])
      for (const [name, file] of without(palette)) {
        assert.deepStrictEqual([...Result.getOrThrow(LabelPng.decode(file)).data], pixels, name)
        const ours = Png.decode({
          type: "decode",
          means: "pure",
          format: "png",
          bytes: file,
          width: 3,
          height: 1,
          orientation: 1,
          page: 0,
          channels: 4,
          stretch: undefined
        })
        assert.deepStrictEqual([...ours.data], [...(await sharp(file).ensureAlpha().raw().toBuffer())], name)
      }
  })

  it("is a mask by its brightness, and refused where alpha could be the mask, of which readers make different things", () => {
    for (const [name, file] of without(blackAndWhite))
      assert.deepStrictEqual(BinaryMask.toRows(Result.getOrThrow(LabelPng.decodeMask(file))), [".#."], name)
    for (const palette of [white, colours])
      for (const [name, file] of without(palette))
        for (const read of [LabelPng.decodeMask(file), LabelPng.decodeAlpha(file)]) {
          assert(Result.isFailure(read), name)
          assert.match(read.failure.detail, /alpha/)
        }
  })

  it("has the alpha of the next chunk that goes with it", () => {
    for (const file of [
      fileOf(white, alpha(255, 0, 0), alpha(0, 255)),
      fileOf(alpha(255, 0), white, alpha(0, 255))
    ])
      assert.deepStrictEqual(BinaryMask.toRows(Result.getOrThrow(LabelPng.decodeMask(file))), [".#."])
  })
})
