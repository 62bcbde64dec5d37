import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decode as decodePng, encode as encodePng } from "fast-png"
import * as fc from "fast-check"
import sharp from "sharp"
import { BinaryMask, ClassTable, LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import { binaryMasks, labelMaps, random } from "./support.ts"

const failureOf = <A, E extends { readonly message: string }>(result: Result.Result<A, E>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")

const depths = [1, 2, 4, 8, 16] as const

describe("LabelPng", () => {
  it("keeps every id through grey and indexed pictures of every depth", () => {
    fc.assert(
      fc.property(
        labelMaps({ classes: 16 }),
        fc.constantFrom(...depths),
        fc.boolean(),
        (map, depth, indexed) => {
          const fitting = { ...map, data: map.data.map((id) => id % 2 ** depth) }
          const palette = indexed && depth < 16 ? Palette.cityscapes : undefined
          const png = Result.getOrThrow(LabelPng.encode(fitting, { depth, palette }))
          const back = Result.getOrThrow(LabelPng.decode(png))
          assert.isTrue(LabelMap.equals(back, fitting))
          assert.strictEqual(decodePng(png).depth, depth)
        }
      )
    )
  })

  it("writes 8 bits, or 16 where an id needs them, and refuses ids that do not fit", () => {
    const small = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint8Array.of(0, 255) })
    const large = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint16Array.of(0, 256) })
    const huge = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint32Array.of(0, 70_000) })
    assert.strictEqual(decodePng(Result.getOrThrow(LabelPng.encode(small))).depth, 8)
    const png = Result.getOrThrow(LabelPng.encode(large))
    assert.deepStrictEqual(Result.getOrThrow(LabelPng.decode(png)).data, Uint16Array.of(0, 256))
    assert.match(failureOf(LabelPng.encode(huge)), /id 70000 does not fit 16 bits/)
    assert.match(failureOf(LabelPng.encode(small, { depth: 4 })), /id 255 does not fit 4 bits/)
    assert.match(failureOf(LabelPng.encode(large, { palette: Palette.ade20k })), /at most 256 colours/)
  })

  it("paints indexed pictures in the palette's colours, as another reader sees them", async () => {
    const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 2, 5) })
    const png = Result.getOrThrow(LabelPng.encode(map, { palette: Palette.surface }))
    const pixels = await sharp(png).removeAlpha().raw().toBuffer()
    assert.deepStrictEqual(
      [...pixels],
      [0, 2, 5].flatMap((id) => [...Palette.colorOf(Palette.surface, id)])
    )
  })

  it("takes classes from colours, with and without alpha, at 8 and 16 bits", () => {
    const map = LabelMap.makeUnsafe({
      width: 19,
      height: 1,
      data: Uint8Array.from({ length: 19 }, (_, i) => i)
    })
    const colors = Palette.toBytes(Palette.cityscapes)
    for (const channels of [3, 4] as const) {
      for (const depth of [8, 16] as const) {
        const samples = Array.from({ length: 19 * channels }, (_, i) => {
          const channel = i % channels
          const value = channel === 3 ? 255 : colors[Math.floor(i / channels) * 3 + channel]!
          return depth === 16 ? value * 257 : value
        })
        const data = depth === 16 ? Uint16Array.from(samples) : Uint8Array.from(samples)
        const png = encodePng({ width: 19, height: 1, channels, depth, data })
        const decoded = Result.getOrThrow(
          LabelPng.decode(png, { palette: Palette.cityscapes, ignoreIndex: 255 })
        )
        assert.isTrue(LabelMap.equals(decoded, map))
        assert.strictEqual(decoded.ignoreIndex, 255)
      }
    }
  })

  it("refuses a coloured picture without a palette, and names a colour the palette lacks", () => {
    const png = encodePng({
      width: 2,
      height: 1,
      channels: 3,
      depth: 8,
      data: Uint8Array.of(128, 64, 128, 1, 2, 3)
    })
    assert.match(failureOf(LabelPng.decode(png)), /no palette/)
    const failure = failureOf(LabelPng.decode(png, { palette: Palette.cityscapes, name: "mask_image" }))
    assert.match(failure, /"mask_image".*pixel \(1, 0\) has colour #010203/)
    const lenient = LabelPng.decode(png, { palette: Palette.cityscapes, unknownColor: 255 })
    assert.deepStrictEqual(Result.getOrThrow(lenient).data, Uint8Array.of(0, 255))
  })

  it("takes an indexed picture by its colours on request", () => {
    const png = encodePng({
      width: 2,
      height: 1,
      channels: 1,
      depth: 8,
      data: Uint8Array.of(0, 1),
      palette: [
        [0, 0, 142],
        [128, 64, 128]
      ]
    })
    assert.deepStrictEqual(
      Result.getOrThrow(LabelPng.decode(png, { palette: Palette.cityscapes })).data,
      Uint8Array.of(0, 1)
    )
    const byColor = LabelPng.decode(png, { palette: Palette.cityscapes, byColor: true })
    assert.deepStrictEqual(Result.getOrThrow(byColor).data, Uint8Array.of(13, 0))
  })

  it("takes an index beyond the palette for no class, be it the first pixel", () => {
    const png = encodePng({
      width: 3,
      height: 1,
      channels: 1,
      depth: 8,
      data: Uint8Array.of(7, 7, 0),
      palette: [[0, 0, 142]]
    })
    const options = { palette: Palette.cityscapes, byColor: true }
    assert.match(failureOf(LabelPng.decode(png, options)), /pixel \(0, 0\) has index 7, which is no class/)
    const lenient = LabelPng.decode(png, { ...options, unknownColor: 255 })
    assert.deepStrictEqual(Result.getOrThrow(lenient).data, Uint8Array.of(255, 255, 13))
  })

  it("reads what another encoder writes: filters, interlace, 16 bits", async () => {
    const next = random(5)
    const data = Buffer.from(Array.from({ length: 31 * 17 }, () => Math.floor(next() * 150)))
    for (const progressive of [false, true]) {
      const png = await sharp(data, { raw: { width: 31, height: 17, channels: 1 } })
        .toColourspace("b-w")
        .png({ progressive, adaptiveFiltering: true })
        .toBuffer()
      assert.deepStrictEqual([...Result.getOrThrow(LabelPng.decode(png)).data], [...data])
    }
  })

  it("checks the pixel limit before it looks at the data", () => {
    const png = Result.getOrThrow(LabelPng.encode(LabelMap.filled(4, 4, 1)))
    assert.match(
      failureOf(LabelPng.decode(png, { maxPixels: 15 })),
      /4 x 4 pixels are more than the 15 allowed/
    )
    // Only a header: no data could be unpacked, and yet the failure is about the size.
    const claimed = png.slice(0, 33)
    new DataView(claimed.buffer).setUint32(16, 1_000_000)
    new DataView(claimed.buffer).setUint32(20, 1_000_000)
    assert.match(failureOf(LabelPng.decode(claimed)), /1000000 x 1000000 pixels are more than/)
  })

  it("refuses data far longer than the picture needs, instead of unpacking it", () => {
    const big = encodePng(
      {
        width: 2000,
        height: 500,
        channels: 1,
        depth: 8,
        data: new Uint8Array(1_000_000).map((_, i) => i * 7919)
      },
      { zlib: { level: 0 } }
    )
    const lying = Uint8Array.from(big)
    new DataView(lying.buffer).setUint32(16, 1)
    new DataView(lying.buffer).setUint32(20, 1)
    assert.match(failureOf(LabelPng.decode(lying)), /more data than its pixels can need/)
  })

  it("fails on every truncation and every flipped byte that matters, and never throws", () => {
    const map = { ...LabelMap.filled(9, 7, 3), data: new Uint8Array(63).map((_, i) => i % 5) }
    const png = Result.getOrThrow(LabelPng.encode(map, { palette: Palette.surface }))
    for (let length = 0; length < png.length; length++) {
      assert.isTrue(Result.isFailure(LabelPng.decode(png.subarray(0, length))), `cut to ${length}`)
    }
    for (let i = 0; i < png.length; i++) {
      const broken = Uint8Array.from(png)
      broken[i] = broken[i]! ^ 0x11
      assert.isTrue(Result.isFailure(LabelPng.decode(broken)), `byte ${i}`)
    }
  })

  it("never throws on arbitrary bytes", () => {
    const start = Result.getOrThrow(LabelPng.encode(LabelMap.filled(3, 3, 1))).subarray(0, 33)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, headed) => {
        const file = headed ? Uint8Array.of(...start, ...bytes) : bytes
        assert.isTrue(Result.isFailure(LabelPng.decode(file)))
        assert.isTrue(Result.isFailure(LabelPng.decodeMask(file)))
      })
    )
  })
})

describe("LabelPng masks", () => {
  it("writes 0 and 255 and reads them back", () => {
    fc.assert(
      fc.property(binaryMasks(), (mask) => {
        const png = LabelPng.encodeMask(mask)
        assert.isTrue(BinaryMask.equals(Result.getOrThrow(LabelPng.decodeMask(png)), mask))
        const inverted = Result.getOrThrow(LabelPng.decodeMask(png, { inverted: true }))
        assert.isTrue(BinaryMask.equals(inverted, BinaryMask.not(mask)))
      })
    )
  })

  const rows = (options: Parameters<typeof encodePng>[0], mask?: LabelPng.MaskOptions) =>
    BinaryMask.toRows(Result.getOrThrow(LabelPng.decodeMask(encodePng(options), mask)))

  it("takes 0/1 masks, a threshold, colours, palettes, and cut-outs", () => {
    const grey = (...data: Array<number>) => ({
      width: data.length,
      height: 1,
      channels: 1,
      depth: 8 as const,
      data: Uint8Array.from(data)
    })
    assert.deepStrictEqual(rows(grey(0, 1, 0)), [".#."])
    assert.deepStrictEqual(rows(grey(0, 127, 128), { threshold: 128 }), ["..#"])
    assert.deepStrictEqual(
      rows({ width: 2, height: 1, channels: 3, depth: 8, data: Uint8Array.of(0, 0, 0, 0, 0, 9) }),
      [".#"]
    )
    assert.deepStrictEqual(
      rows({
        ...grey(0, 1),
        palette: [
          [255, 255, 255],
          [0, 0, 0]
        ]
      }),
      ["#."]
    )
    const cutOut = Uint8Array.of(9, 9, 9, 255, 9, 9, 9, 0)
    assert.deepStrictEqual(rows({ width: 2, height: 1, channels: 4, depth: 8, data: cutOut }), ["#."])
    const opaque = Uint8Array.of(9, 9, 9, 255, 0, 0, 0, 255)
    assert.deepStrictEqual(rows({ width: 2, height: 1, channels: 4, depth: 8, data: opaque }), ["#."])
  })
})

describe("Palette", () => {
  it("gives the colours of Pascal VOC's development kit", () => {
    const colors = [0, 1, 2, 3, 8, 15, 20, 255].map((id) => Palette.toHex(Palette.vocColor(id)))
    assert.deepStrictEqual(colors, [
      "#000000",
      "#800000",
      "#008000",
      "#808000",
      "#400000",
      "#c08080",
      "#004080",
      "#e0e0c0"
    ])
    assert.strictEqual(
      new Set(Array.from({ length: 256 }, (_, id) => String(Palette.vocColor(id)))).size,
      256
    )
  })

  it("has the tables of known data sets with dense ids and distinct names", () => {
    const tables = [
      ["ade20k", Palette.ade20k, 150],
      ["cityscapes", Palette.cityscapes, 19],
      ["pascalVoc", Palette.pascalVoc, 21],
      ["cocoStuff", Palette.cocoStuff, 171],
      ["surface", Palette.surface, 6]
    ] as const
    for (const [name, palette, size] of tables) {
      assert.strictEqual(palette.length, size)
      assert.strictEqual(new Set(palette.map((info) => info.name)).size, size, name)
      assert.isTrue(palette.every((info, id) => info.id === id))
    }
    assert.strictEqual(ClassTable.nameOf(Palette.ade20k, 12), "person")
    assert.deepStrictEqual(Palette.colorOf(Palette.ade20k, 149), [92, 0, 255])
    assert.strictEqual(ClassTable.nameOf(Palette.cocoStuff, 80), "banner")
  })

  it("finds the id of a colour, the lower one where two classes share it", () => {
    assert.strictEqual(Palette.idOf(Palette.ade20k, [140, 140, 140]), 6)
    assert.strictEqual(Palette.idOf(Palette.ade20k, [1, 1, 1]), undefined)
  })

  it("gives well-separated colours, the same ones whatever their number", () => {
    const many = Palette.distinct(60)
    assert.deepStrictEqual(Palette.distinct(9), many.slice(0, 9))
    assert.strictEqual(new Set(many.map(String)).size, 60)
    for (const [i, a] of many.entries()) {
      for (const b of many.slice(0, i)) {
        assert.isAbove(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]), 20)
      }
    }
  })

  it("gives every class a colour, its own where it has one", () => {
    const palette = Palette.fromClasses([
      { id: 3, name: "a" },
      { id: 9, name: "b", color: [1, 2, 3] }
    ])
    assert.deepStrictEqual(
      palette.map(({ color }) => color),
      [
        [230, 159, 0],
        [1, 2, 3]
      ]
    )
    assert.deepStrictEqual([...Palette.toBytes(palette, 10).subarray(27)], [1, 2, 3])
  })

  it("says which classes share a colour, where a picture has it", () => {
    const picture = (...ids: ReadonlyArray<number>) =>
      encodePng({
        width: ids.length,
        height: 1,
        channels: 3,
        data: Uint8Array.from(ids.flatMap((id) => [...Palette.colorOf(Palette.ade20k, id)]))
      })
    const palette = Palette.ade20k
    for (const id of [6, 48]) {
      const refused = LabelPng.decode(picture(2, id), { palette })
      assert.isTrue(Result.isFailure(refused))
      if (Result.isFailure(refused))
        assert.match(
          refused.failure.message,
          /pixel \(1, 0\) has colour #8c8c8c, which road and skyscraper share/
        )
    }
    assert.deepStrictEqual(
      Result.getOrThrow(LabelPng.decode(picture(2, 3), { palette })).data,
      Uint8Array.of(2, 3)
    )
    const lower = LabelPng.decode(picture(2, 48), { palette, lowerOfShared: true })
    assert.deepStrictEqual(Result.getOrThrow(lower).data, Uint8Array.of(2, 6))
    assert.deepStrictEqual(
      Palette.sharedColors(palette).map(({ classes }) => classes.map(({ id }) => id)),
      [[6, 48]]
    )
  })
})

describe("Palette", () => {
  it("reads the colours that it writes, and no others", () => {
    for (const color of [
      [0, 0, 0],
      [230, 159, 0],
      [255, 255, 255]
    ] as const)
      assert.deepStrictEqual(Palette.fromHex(Palette.toHex(color)), color)
    assert.deepStrictEqual(Palette.fromHex(" E69F00\n"), [230, 159, 0])
    for (const text of [
      "",
      "#fff",
      "#e69f0",
      "#e69f000",
      "#e69f0g",
      "red",
      "##e69f00",
      "0xe69f00",
      "#e69f00ff"
    ])
      assert.isUndefined(Palette.fromHex(text), text)
  })

  it("knows its tables by name, and nothing else by any", () => {
    for (const name of Palette.names) assert.isAbove(Palette.byName(name)?.length ?? 0, 1, name)
    assert.strictEqual(Palette.byName("voc"), Palette.pascalVoc)
    for (const name of ["", "Surface", "constructor", "__proto__", "toString"])
      assert.isUndefined(Palette.byName(name), name)
  })
})
