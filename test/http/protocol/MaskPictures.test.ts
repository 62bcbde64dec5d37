/** Masks in answers that are pictures: ids, colours, one class. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ClassTable, LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import { encode } from "fast-png"
import fc from "fast-check"
import { base64, decode, grey, ids, labelsOf, refused } from "./maskAnswers.ts"

/** A PNG whose header promises so many pixels and whose data is nothing. */
const promising = (width: number, height: number): Uint8Array => {
  const png = Uint8Array.from(grey(1, 1, [0]))
  const view = new DataView(png.buffer)
  view.setUint32(16, width)
  view.setUint32(20, height)
  return png
}

const maps = fc
  .record({ width: fc.integer({ min: 1, max: 19 }), height: fc.integer({ min: 1, max: 7 }) })
  .chain(({ height, width }) =>
    fc.record({
      depth: fc.constantFrom(1, 2, 4, 8, 16),
      map: fc
        .array(fc.nat(65_535), { minLength: width * height, maxLength: width * height })
        .map((values) => ({ width, height, values }))
    })
  )
  .map(({ depth, map: { height, values, width } }) => ({
    depth: depth as 1 | 2 | 4 | 8 | 16,
    map: { width, height, data: Uint16Array.from(values, (value) => value % 2 ** depth) }
  }))

describe("masks in answers, as pictures", () => {
  it.effect("keeps the ids of a PNG of 1 to 16 bits, as a body, base64 or data URL", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(maps, async ({ depth, map }) => {
          const png = Result.getOrThrow(LabelPng.encode(map, { depth }))
          const expected = Array.from(map.data)
          const found = await Effect.runPromise(
            Effect.all([
              ids(decode(png, { binary: false })),
              ids(decode({ mask: base64(png) }, { binary: false })),
              ids(decode({ data: { segmap: `data:image/png;base64,${base64(png)}` } }, { binary: false }))
            ])
          )
          for (const each of found) assert.deepStrictEqual(each, expected)
        }),
        { numRuns: 50 }
      )
    )
  )

  it.effect("takes a palette PNG by its indices, or by its colours where it is told to", () =>
    Effect.gen(function* () {
      const palette = Palette.surface.slice(0, 3)
      // Index 0 is the colour of class 2, index 1 that of class 0.
      const colors = [palette[2]!.color, palette[0]!.color].map((color) => [...color])
      const png = encode({
        width: 2,
        height: 1,
        channels: 1,
        depth: 8,
        palette: colors,
        data: Uint8Array.of(0, 1)
      })
      assert.deepStrictEqual(yield* ids(decode(png, { palette })), [0, 1])
      assert.deepStrictEqual(yield* ids(decode(png, { palette, byColor: true })), [2, 0])
    })
  )

  it.effect("takes a coloured PNG by the palette given, and says which pixel has no class", () =>
    Effect.gen(function* () {
      const palette = Palette.surface.slice(0, 3)
      const rgb = (...colors: ReadonlyArray<ClassTable.Rgb>) =>
        encode({
          width: colors.length,
          height: 1,
          channels: 3,
          depth: 8,
          data: Uint8Array.from(colors.flat())
        })
      const [background, particle, scratch] = palette.map(({ color }) => color)
      const png = rgb(scratch!, background!, particle!)
      assert.deepStrictEqual(yield* ids(decode(png, { palette })), [2, 0, 1])
      const stray = rgb(scratch!, [1, 2, 3])
      assert.include(yield* refused(decode(stray, { palette })), "pixel (1, 0) has colour #010203")
      assert.deepStrictEqual(yield* ids(decode(stray, { palette, unknownColor: 0 })), [2, 0])
      assert.include(yield* refused(decode(png)), "no palette")
    })
  )

  it.effect("takes the palette that the answer itself lists", () =>
    Effect.gen(function* () {
      const data = Uint8Array.of(255, 0, 0, 0, 0, 255)
      const mask = base64(encode({ width: 2, height: 1, channels: 3, depth: 8, data }))
      const classes = [
        { name: "sky", color: "#0000ff" },
        { name: "road", color: [255, 0, 0] }
      ]
      const prediction = yield* decode({ mask, overlay: null, classes })
      assert.deepStrictEqual(Array.from(labelsOf(prediction).data), [1, 0])
      assert.deepStrictEqual(
        prediction.classes.map(({ name }) => name),
        ["sky", "road"]
      )
    })
  )

  it.effect("takes numbers of things for no mask of one, alone or in a list", () =>
    Effect.gen(function* () {
      for (const values of [
        [1, 2, 2],
        [3, 1, 2],
        [0, 1, 2],
        [0, 1, 255]
      ]) {
        const png = grey(3, 1, values)
        const told = /its values are .*leave open where the mask begins.*`threshold`/
        assert.match(yield* refused(decode(png, { binary: true })), told)
        const list = [{ label: "pet", mask: base64(png) }]
        assert.match(yield* refused(decode(list)), told)
        const expected = values.map((value) => (value >= 2 ? 1 : 0))
        assert.deepStrictEqual(yield* ids(decode(png, { binary: { threshold: 2 } })), expected)
        // Of which nobody says that they are a mask, they are ids.
        assert.deepStrictEqual(yield* ids(decode(png)), values)
      }
    })
  )

  it.effect(
    "takes a weak mask beside a soft one of a list for one without its thing, wherever it stands",
    () =>
      Effect.gen(function* () {
        const row = (...values: ReadonlyArray<number>) =>
          base64(
            grey(
              6,
              1,
              Array.from({ length: 6 }, (_, i) => values[i % values.length]!)
            )
          )
        const ofTwo = (road: string, tree: string) => [
          { label: "road", mask: road },
          { label: "tree", mask: tree }
        ]
        for (const soft of [row(3, 250), row(3, 99, 250), row(0, 60, 200)]) {
          const expected = yield* ids(decode([{ label: "road", mask: soft }]))
          const other = expected.map((id) => (id === 255 ? 255 : 1))
          assert.isTrue(expected.includes(0) && expected.includes(255))
          for (const weak of [
            row(3),
            row(1),
            row(0, 1, 2, 3, 4, 5),
            row(0, 40, 90),
            row(20, 127),
            row(10, 60, 120),
            row(0, 7),
            row(1, 2)
          ]) {
            assert.deepStrictEqual(yield* ids(decode(ofTwo(soft, weak))), expected)
            assert.deepStrictEqual(yield* ids(decode(ofTwo(weak, soft))), other)
          }
        }
        // A matte of many shades, then a drawing of 0 and one other.
        const shades = base64(
          grey(
            20,
            1,
            Array.from({ length: 20 }, (_, i) => i * 13)
          )
        )
        const drawn = base64(
          grey(
            20,
            1,
            Array.from({ length: 20 }, (_, i) => (i < 5 ? 180 : 0))
          )
        )
        assert.deepStrictEqual(
          yield* ids(decode(ofTwo(shades, drawn))),
          Array.from({ length: 20 }, (_, i) => (i >= 10 ? 0 : i < 5 ? 1 : 255))
        )
      })
  )

  it.effect("refuses numbers of things in a list of which no mask is soft", () =>
    Effect.gen(function* () {
      const hard = base64(grey(3, 1, [0, 255, 255]))
      for (const values of [
        [1, 2, 2],
        [3, 1, 2],
        [0, 1, 2],
        [0, 1, 255],
        [3, 3, 3],
        [0, 40, 90]
      ]) {
        const open = { label: "pet", mask: base64(grey(3, 1, values)) }
        for (const list of [
          [open, { label: "road", mask: hard }],
          [{ label: "road", mask: hard }, open]
        ])
          assert.match(yield* refused(decode(list)), /leave open where the mask begins/)
      }
      // Drawings of 0 and one other, each of its own.
      const list = [
        { label: "a", mask: base64(grey(3, 1, [0, 100, 0])) },
        { label: "b", mask: base64(grey(3, 1, [0, 0, 50])) },
        { label: "c", mask: base64(grey(3, 1, [40, 40, 40])) }
      ]
      assert.deepStrictEqual(yield* ids(decode(list)), [255, 0, 1])
    })
  )

  it.effect("reads masks of one class: 0/1, 0/255, inverted, by threshold", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ids(decode(grey(3, 1, [0, 1, 1]), { binary: true })), [0, 1, 1])
      assert.deepStrictEqual(yield* ids(decode(grey(3, 1, [0, 255, 0]), { binary: true })), [0, 1, 0])
      assert.deepStrictEqual(
        yield* ids(decode(grey(3, 1, [0, 255, 0]), { binary: { inverted: true, classId: 4 } })),
        [4, 0, 4]
      )
      assert.deepStrictEqual(
        yield* ids(decode(grey(3, 1, [100, 255, 128]), { binary: { threshold: 128 } })),
        [0, 1, 1]
      )
    })
  )

  it.effect("refuses a PNG of more pixels than allowed by its header alone", () =>
    Effect.gen(function* () {
      const before = process.memoryUsage().arrayBuffers
      assert.include(yield* refused(decode(promising(30_000, 40_000))), "30000 x 40000 pixels are more than")
      assert.include(
        yield* refused(decode([{ label: "a", mask: base64(promising(3000, 3000)) }])),
        "3000 x 3000 pixels are more than"
      )
      // The smaller has 9 MB, and nothing else runs meanwhile.
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 4_000_000)
      assert.include(yield* refused(decode(grey(2, 1, [0, 1]), { maxPixels: 1 })), "more than the 1 allowed")
    })
  )

  it.effect("an id of no class is refused, unless it is the ignored one", () =>
    Effect.gen(function* () {
      const classes = ClassTable.fromNames(["a", "b"])
      assert.include(
        yield* refused(decode(grey(2, 1, [0, 5]), { classes })),
        "1 pixels have the id 5, which is none of the model's 2 classes"
      )
      const found = labelsOf(yield* decode(grey(3, 1, [0, 1, 255]), { classes }))
      assert.deepStrictEqual(
        LabelMap.histogram(found),
        new Map([
          [0, 1],
          [1, 1]
        ])
      )
      const other = labelsOf(yield* decode(grey(2, 1, [1, 9]), { classes, ignoreIndex: 9 }))
      assert.strictEqual(other.ignoreIndex, 9)
    })
  )
})
