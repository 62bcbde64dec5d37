/** What the decoders of any runtime make of files that no encoder here writes, without their worker: beside libvips, or by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import sharp from "sharp"
import * as Canvas from "../../src/image/decoding/Canvas.ts"
import { Problem } from "../../src/image/decoding/Decoding.ts"
import * as Jpeg from "../../src/image/decoding/Jpeg.ts"
import { oriented, type Pixels, withChannels } from "../../src/image/decoding/Pixels.ts"
import * as Png from "../../src/image/decoding/Png.ts"
import { apart, asked, bySharp, cube, furthest, refusal } from "./decoded.ts"
import { insert, markerAt } from "./files.ts"
import { chunk, png } from "./pngs.ts"
import * as Profiles from "./profiles.ts"

describe("a PNG", () => {
  const palette = chunk("PLTE", Buffer.of(10, 20, 30, 40, 50, 60, 70, 80, 90))
  const transparent = (...bytes: ReadonlyArray<number>) => chunk("tRNS", Uint8Array.from(bytes))
  const both = (bytes: Uint8Array, width: number, height: number, expected: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const pixels = Png.decode(asked(bytes, width, height))
      assert.deepStrictEqual([...withChannels(pixels, 4)], expected)
      assert.strictEqual(yield* apart(bytes, pixels), 0)
    })

  it.live("of a palette is as opaque as its colours, where it says so", () =>
    both(
      png({
        width: 3,
        height: 1,
        colorType: 3,
        rows: Uint8Array.of(2, 0, 1),
        chunks: [palette, transparent(0, 128)]
      }),
      3,
      1,
      [70, 80, 90, 255, 10, 20, 30, 0, 40, 50, 60, 128]
    )
  )

  it.live("of RGB or grey has the colour that stands for transparent, of 8 bits and of fewer", () =>
    Effect.gen(function* () {
      const red = [200, 0, 0]
      const rgb = { width: 2, height: 1, colorType: 2, rows: Uint8Array.of(...red, 200, 0, 1) } as const
      const chunks = [transparent(0, 200, 0, 0, 0, 0)]
      yield* both(png({ ...rgb, chunks }), 2, 1, [...red, 0, 200, 0, 1, 255])
      // Shorter than its colour, it says nothing.
      assert.strictEqual(Png.decode(asked(png({ ...rgb, chunks: [transparent(0, 200)] }), 2, 1)).channels, 3)
      const grey = { width: 2, height: 1, colorType: 0 } as const
      const key = [transparent(0, 3)]
      yield* both(png({ ...grey, rows: Uint8Array.of(3, 4), chunks: key }), 2, 1, [3, 3, 3, 0, 4, 4, 4, 255])
      yield* both(
        png({ ...grey, depth: 2, rows: Uint8Array.of(0b11_01_0000), chunks: key }),
        2,
        1,
        [255, 255, 255, 0, 85, 85, 85, 255]
      )
    })
  )

  it("of 16 bits is transparent where all 16 are its colour's", () => {
    const rows = Uint8Array.of(1, 2, 1, 3)
    const file = png({ width: 2, height: 1, depth: 16, colorType: 0, rows, chunks: [transparent(1, 2)] })
    assert.deepStrictEqual([...Png.decode(asked(file, 2, 1)).data], [1, 0, 1, 255])
  })

  it("of 16 bits is stretched between the numbers that are said to be black and white", () => {
    const rows = Uint8Array.of(0, 100, 0, 180, 0, 44, 1, 0, 1, 44, 1, 0)
    const grey = png({ width: 6, height: 1, depth: 16, colorType: 0, rows })
    const stretch = { black: 100, white: 300, unit: "number" } as const
    const found = Png.decode({ ...asked(grey, 6, 1), channels: 3, stretch })
    assert.deepStrictEqual(
      [...found.data].filter((_, i) => i % 3 === 0),
      [0, 102, 0, 199, 255, 199]
    )
    const rgb = png({ width: 2, height: 1, depth: 16, colorType: 2, rows })
    assert.deepStrictEqual(
      [...Png.decode({ ...asked(rgb, 2, 1), channels: 3, stretch }).data],
      [0, 102, 0, 199, 255, 199]
    )
  })

  it("that is no PNG, or one of a kind that is not read, is told from the other", () => {
    const broken = refusal(() => Png.decode(asked(Buffer.from("GIF89a"), 1, 1)))
    assert.deepStrictEqual([broken.kind, broken.message], ["broken", "it is not a PNG"])
    const flipped = png({ width: 8, height: 8, depth: 8, colorType: 0, rows: new Uint8Array(64) })
    flipped[flipped.length - 18]! ^= 1
    assert.match(refusal(() => Png.decode(asked(flipped, 8, 8))).message, /^it is broken \(CRC mismatch/)
    const interlaced = png({ width: 8, height: 1, depth: 1, colorType: 0, rows: Uint8Array.of(170) })
    interlaced[28] = 1
    assert.strictEqual(refusal(() => Png.decode(asked(interlaced, 8, 1))).kind, "unsupported")
  })
})

describe("a JPEG", () => {
  const whole = Effect.promise(async () =>
    sharp(cube, { raw: { width: 27, height: 27, channels: 3 } })
      .jpeg({ quality: 95, chromaSubsampling: "4:4:4" })
      .toBuffer()
  )
  const refused = (bytes: Uint8Array) =>
    Effect.flip(
      Effect.tryPromise({
        try: () => Jpeg.decode(bytes),
        catch: (problem) => {
          if (problem instanceof Problem) return problem
          throw problem
        }
      })
    )

  it.live("has the pixels of libvips, with bytes between its segments, and comes back from its encoder", () =>
    Effect.gen(function* () {
      const bytes = yield* whole
      const pixels = yield* Effect.promise(() => Jpeg.decode(bytes))
      // A file whose third byte is none of a marker is known as no JPEG.
      for (const marker of [0xdb, 0xc0, 0xda]) {
        for (const between of marker === 0xdb
          ? [[0xff, 0xff]]
          : [[0xff, 0xff], [...Buffer.from("stray \0 bytes")], [1, 0xff, 0, 2, 0xff, 0xd0]]) {
          const file = insert(bytes, markerAt(bytes, marker), Uint8Array.from(between))
          const found = yield* Effect.promise(() => Jpeg.decode(file))
          assert.deepStrictEqual(found.data, pixels.data)
          assert.strictEqual(yield* apart(file, found), 0)
        }
      }
      const again = yield* Effect.promise(() => Jpeg.encode({ ...pixels, channels: 4 }, 100))
      assert.isAtMost(furthest((yield* bySharp(again)).data, pixels.data), 40)
    })
  )

  it.live("has its colour profile in one segment or in several, in any order", () =>
    Effect.gen(function* () {
      const bytes = yield* whole
      const profile = Profiles.display(Profiles.power(2.1), Profiles.widePrimaries)
      const ways = [Profiles.app2(profile), Profiles.app2(profile, 3), Profiles.app2(profile, 3).toReversed()]
      const plain = yield* Effect.promise(() => Jpeg.decode(bytes))
      for (const segments of ways) {
        for (const marker of [0xdb, 0xda]) {
          const file = insert(bytes, markerAt(bytes, marker), Buffer.concat(segments))
          const pixels = yield* Effect.promise(() => Jpeg.decode(file))
          assert.isAtLeast(furthest(plain.data, pixels.data), 20)
          assert.isAtMost(yield* apart(file, pixels), 2)
        }
      }
      const [one, two, three] = Profiles.app2(profile, 3)
      const numbered = (number: number) => {
        const segment = Buffer.concat(Profiles.app2(profile))
        segment[16] = number
        return segment
      }
      const odd: Readonly<Record<string, ReadonlyArray<Buffer>>> = {
        "twice, as some programs write it": [...Profiles.app2(profile), ...Profiles.app2(profile)],
        "in eleven parts": Profiles.app2(profile, 11),
        "without its first part": [two!, three!],
        "without one in the middle": [one!, three!],
        "numbered from 0": [numbered(0)],
        "numbered from 2": [numbered(2)],
        "with a part too many": [numbered(0), ...Profiles.app2(profile)]
      }
      for (const [name, segments] of Object.entries(odd)) {
        const file = insert(bytes, markerAt(bytes, 0xdb), Buffer.concat(segments))
        const pixels = yield* Effect.promise(() => Jpeg.decode(file))
        assert.isAtMost(yield* apart(file, pixels), 2, name)
      }
      const printer = Profiles.app2(Profiles.profile({ connection: "Lab ", tags: {} }))
      const unread = yield* refused(insert(bytes, markerAt(bytes, 0xdb), Buffer.concat(printer)))
      assert.deepStrictEqual([unread.kind, /has tables/.test(unread.message)], ["unsupported", true])
    })
  )

  it.live("is refused where it is of a kind that is not read, broken or cut off, each in its own words", () =>
    Effect.gen(function* () {
      const bytes = yield* whole
      const frame = markerAt(bytes, 0xc0)
      const changed = (at: number, value: number) => {
        const out = Buffer.from(bytes)
        out[at] = value
        return out
      }
      const cases: ReadonlyArray<readonly [Problem["kind"], RegExp, Uint8Array]> = [
        ["unsupported", /SOF9/, changed(frame + 1, 0xc9)],
        ["unsupported", /CMYK/, changed(frame + 9, 4)],
        ["broken", /no frame before its pixels/, bytes.subarray(0, frame)],
        ["broken", /no frame before its pixels/, bytes.subarray(0, frame + 30)],
        ["broken", /no frame before its pixels/, changed(frame + 1, 0xe5)],
        ["broken", /ends before its picture/, bytes.subarray(0, bytes.length - 20)],
        ["broken", /cannot be decoded/, changed(frame + 9, 2)]
      ]
      for (const [kind, words, file] of cases) {
        const problem = yield* refused(file)
        assert.match(problem.message, words)
        assert.strictEqual(problem.kind, kind, problem.message)
      }
    })
  )
})

describe("pixels", () => {
  it("are laid out in other channels without a change of what they show", () => {
    const of = (channels: Pixels["channels"], ...data: ReadonlyArray<number>): Pixels => ({
      width: 1,
      height: 1,
      channels,
      data: Uint8Array.from(data)
    })
    assert.deepStrictEqual([...withChannels(of(1, 9), 3)], [9, 9, 9])
    assert.deepStrictEqual([...withChannels(of(1, 9), 4)], [9, 9, 9, 255])
    assert.deepStrictEqual([...withChannels(of(2, 9, 8), 3)], [9, 9, 9])
    assert.deepStrictEqual([...withChannels(of(2, 9, 8), 4)], [9, 9, 9, 8])
    assert.deepStrictEqual([...withChannels(of(3, 1, 2, 3), 4)], [1, 2, 3, 255])
    assert.deepStrictEqual([...withChannels(of(4, 1, 2, 3, 8), 3)], [1, 2, 3])
    assert.deepStrictEqual([...withChannels(of(4, 1, 2, 3, 8), 4)], [1, 2, 3, 8])
  })

  it("of a WebP are without EXIF for a canvas, which may go by it, and else as they were", async () => {
    const raw = { raw: { width: 3, height: 2, channels: 3 } } as const
    for (const lossless of [true, false])
      for (const orientation of [1, 3, 6]) {
        const picture = sharp(Buffer.from(Array.from({ length: 18 }, (_, i) => i * 14)), raw)
        const webp = await picture.webp({ lossless }).withMetadata({ orientation }).toBuffer()
        const bare = Canvas.withoutExif(webp)
        assert.strictEqual((await sharp(webp).metadata()).orientation, orientation)
        assert.isUndefined((await sharp(bare).metadata()).orientation)
        const [before, after] = [await sharp(webp).raw().toBuffer(), await sharp(bare).raw().toBuffer()]
        assert.strictEqual(Buffer.compare(before, after), 0)
      }
  })

  it("are turned as each of the eight orientations of EXIF says, and as they are by any other", () => {
    // A B C / D E F, by the first of three channels.
    const data = Uint8Array.from("ABCDEF", (letter) => letter.charCodeAt(0)).reduce<Array<number>>(
      (all, value) => [...all, value, 0, 255],
      []
    )
    const seen = ["ABC/DEF", "CBA/FED", "FED/CBA", "DEF/ABC", "AD/BE/CF", "DA/EB/FC", "FC/EB/DA", "CF/BE/AD"]
    for (const [orientation, expected] of [...seen.entries()].map(([i, rows]) => [i + 1, rows] as const)) {
      const turned = oriented(Uint8Array.from(data), { width: 3, height: 2 }, 3, orientation)
      const letters = Array.from({ length: 6 }, (_, i) => String.fromCharCode(turned.data[i * 3]!)).join("")
      const width = turned.width
      assert.deepStrictEqual([width, turned.height], orientation > 4 ? [2, 3] : [3, 2])
      assert.strictEqual(letters.match(new RegExp(`.{${width}}`, "g"))?.join("/"), expected)
      assert.isTrue(turned.data.every((value, i) => i % 3 === 0 || value === (i % 3 === 1 ? 0 : 255)))
    }
    for (const odd of [0, 9])
      assert.deepStrictEqual(oriented(Uint8Array.of(1, 2, 3), { width: 1, height: 1 }, 3, odd).width, 1)
  })
})
