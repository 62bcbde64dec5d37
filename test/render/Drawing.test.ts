import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { LabelMap, Palette } from "effect-segformer/mask"
import { CutOut, Difference, Heat, Labels, Outlines } from "effect-segformer/render"
import { fromDigits, labelMaps } from "../mask/support.ts"
import { turnsDuring } from "./support.ts"

const image = (width: number, height: number, channels: 1 | 3 | 4 = 3, value = 100) => ({
  width,
  height,
  channels,
  data: new Uint8Array(width * height * channels).fill(value)
})

const at = (raster: { readonly width: number; readonly data: Uint8Array }, x: number, y: number) =>
  Array.from(raster.data.subarray((y * raster.width + x) * 3, (y * raster.width + x) * 3 + 3))

const boxMap = (
  width: number,
  height: number,
  id: number,
  [left, top, right, bottom]: readonly [number, number, number, number]
): LabelMap.LabelMap => {
  const data = new Uint8Array(width * height)
  for (let y = top; y < bottom; y++) data.fill(id, y * width + left, y * width + right)
  return { width, height, data }
}

const palette = Palette.surface

describe("Outlines", () => {
  const map = boxMap(60, 40, 5, [20, 10, 40, 30])
  const picture = Outlines.paint(image(60, 40), map, { palette, thickness: 3 })

  it("draw lines in the colour of the class along its edges", () => {
    for (const [x, y] of [
      [20, 20],
      [39, 20],
      [30, 10],
      [30, 29]
    ] as const) {
      assert.deepStrictEqual(at(picture, x, y), [...Palette.colorOf(palette, 5)])
    }
  })

  it("leave the inside and what is far away as they are", () => {
    assert.deepStrictEqual(at(picture, 30, 20), [100, 100, 100])
    assert.deepStrictEqual(at(picture, 5, 5), [100, 100, 100])
  })

  it("have a dark rim", () => {
    assert.isBelow(at(picture, 17, 20)[0]!, 100)
  })

  it("do not follow the border of the image", () => {
    const whole = boxMap(60, 40, 5, [0, 0, 60, 40])
    const plain = Outlines.paint(image(60, 40), whole, { palette })
    assert.isTrue(Buffer.from(plain.data).equals(image(60, 40).data))
  })

  it("change nothing but what lies near an edge, whatever the map", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 24, classes: 4 }), (map) => {
        const options = { palette, thickness: 1, tolerance: 0 }
        const drawn = Outlines.paint(image(map.width, map.height), map, options)
        for (let y = 0; y < map.height; y++) {
          for (let x = 0; x < map.width; x++) {
            let near = false
            for (let v = y - 3; v <= y + 3; v++) {
              for (let u = x - 3; u <= x + 3; u++) {
                const id = LabelMap.at(map, u, v)
                if (id !== undefined && id !== LabelMap.at(map, x, y)) near = true
              }
            }
            if (!near) assert.deepStrictEqual(at(drawn, x, y), [100, 100, 100])
          }
        }
      }),
      { numRuns: 60 }
    )
  })
})

describe("CutOut", () => {
  it("keeps the pixels of its classes and makes the others transparent, with nothing under them", () => {
    fc.assert(
      fc.property(labelMaps({ classes: 4 }), fc.constantFrom(1, 3, 4), (map, channels) => {
        const source = image(map.width, map.height, channels as 1 | 3 | 4, 200)
        const cut = CutOut.paint(source, map, { ids: [1, 3], feather: 0 })
        for (let i = 0; i < map.data.length; i++) {
          const stays = map.data[i] === 1 || map.data[i] === 3
          const pixel = Array.from(cut.data.subarray(i * 4, i * 4 + 4))
          const alpha = channels === 4 ? 200 : 255
          assert.deepStrictEqual(pixel, stays ? [200, 200, 200, alpha] : [0, 0, 0, 0])
        }
      })
    )
  })

  it("softens edges as a plain mean does", () => {
    fc.assert(
      fc.property(labelMaps({ classes: 2 }), fc.integer({ min: 1, max: 3 }), (map, radius) => {
        const { height, width } = map
        const cut = CutOut.paint(image(width, height), map, { ids: [1], feather: radius })
        const mean = (values: (x: number, y: number) => number | undefined, horizontal: boolean) =>
          Array.from({ length: width * height }, (_, i) => {
            const found: Array<number> = []
            for (let d = -radius; d <= radius; d++) {
              const x = (i % width) + (horizontal ? d : 0)
              const y = Math.floor(i / width) + (horizontal ? 0 : d)
              const value = x < 0 || x >= width || y < 0 || y >= height ? undefined : values(x, y)
              if (value !== undefined) found.push(value)
            }
            return Math.floor(found.reduce((sum, value) => sum + value, 0) / found.length + 0.5)
          })
        const rows = mean((x, y) => (LabelMap.at(map, x, y) === 1 ? 255 : 0), true)
        const both = mean((x, y) => rows[y * width + x], false)
        assert.deepStrictEqual(Array.from(cut.data.filter((_, i) => i % 4 === 3)), both)
      })
    )
  })

  it("cuts to a box, and one that reaches outside to what is there", () => {
    const map = boxMap(10, 8, 5, [4, 2, 9, 7])
    const cut = CutOut.paint(image(10, 8), map, { ids: [5], box: { x: 6, y: 4, width: 20, height: 20 } })
    assert.deepStrictEqual([cut.width, cut.height, cut.channels], [4, 4, 4])
  })
})

describe("Labels", () => {
  it("stand above the highest point of their region, with its name and colour", () => {
    const map = boxMap(300, 200, 3, [100, 100, 200, 150])
    const [tag, ...others] = Labels.place(map, { palette, size: 10 })
    assert.strictEqual(others.length, 0)
    assert.strictEqual(tag?.text, "stain")
    assert.deepStrictEqual(tag?.color, Palette.colorOf(palette, 3))
    assert.closeTo((tag?.box.x ?? 0) + (tag?.box.width ?? 0) / 2, 150, 2)
    assert.isAtMost((tag?.box.y ?? 0) + (tag?.box.height ?? 0), 100)
  })

  it("lie within the picture and do not cover each other, whatever the map", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 200, classes: 6 }), (map) => {
        const wide = LabelMap.resize(map, map.width * 2 + 80, map.height * 2 + 40)
        const tags = Labels.place(wide, { palette, minArea: 1, size: 8 })
        for (const [i, { box }] of tags.entries()) {
          assert.isTrue(box.x >= 0 && box.y >= 0, "outside")
          assert.isTrue(
            box.x + box.width <= wide.width + 1 && box.y + box.height <= wide.height + 1,
            "outside"
          )
          for (const { box: other } of tags.slice(i + 1)) {
            const apart =
              box.x + box.width <= other.x ||
              other.x + other.width <= box.x ||
              box.y + box.height <= other.y ||
              other.y + other.height <= box.y
            assert.isTrue(apart, "overlap")
          }
        }
      }),
      { numRuns: 50 }
    )
  })

  it("say what they are told, or nothing; and no more than the limit", () => {
    const map = fromDigits(["11000022", "11000022", "00000000", "33000044"])
    const large = LabelMap.resize(map, 800, 400)
    const text = (region: Labels.Tagged) => (region.classId === 1 ? undefined : `${region.area} px`)
    assert.deepStrictEqual(
      Labels.place(large, { palette, text }).map((tag) => tag.text),
      ["40000 px", "20000 px", "20000 px"]
    )
    assert.strictEqual(Labels.place(large, { palette, limit: 2 }).length, 2)
  })

  it("are painted in the colour of the class", () => {
    const map = boxMap(300, 200, 3, [100, 100, 200, 150])
    const picture = Labels.paint(image(300, 200), map, { palette, size: 10 })
    const [tag] = Labels.place(map, { palette, size: 10 })
    const { x, y } = tag?.box ?? { x: 0, y: 0 }
    assert.deepStrictEqual(at(picture, Math.round(x + 4), Math.round(y + 4)), [
      ...Palette.colorOf(palette, 3)
    ])
  })
})

describe("Heat", () => {
  const light = (value: number) => {
    const [red, green, blue] = Heat.color(value)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }

  it("gets lighter with every step, so that it reads in grey too", () => {
    for (let i = 1; i <= 64; i++) assert.isAbove(light(i / 64), light((i - 1) / 64))
  })

  it("paints values by the range, and what lies outside as its ends", () => {
    const confidence = { width: 4, height: 1, data: Float32Array.of(0, 0.5, 0.75, 1) }
    const picture = Heat.paint(confidence, { range: [0.5, 1] })
    assert.deepStrictEqual(at(picture, 0, 0), [...Heat.color(0)])
    assert.deepStrictEqual(at(picture, 1, 0), [...Heat.color(0)])
    assert.deepStrictEqual(at(picture, 2, 0), [...Heat.color(128 / 255)])
    assert.deepStrictEqual(at(picture, 3, 0), [...Heat.color(1)])
    assert.deepStrictEqual(at(Heat.paint(confidence, { range: [1, 0.5] }), 0, 0), [...Heat.color(1)])
  })

  it("lets the image through, at the image's size", () => {
    const confidence = { width: 1, height: 1, data: Float32Array.of(1) }
    const picture = Heat.paint(confidence, { image: image(6, 4), opacity: 0 })
    assert.deepStrictEqual(at(picture, 5, 3), [100, 100, 100])
  })

  it("has a scale beneath, from one end to the other", () => {
    const picture = Heat.paint({ width: 300, height: 40, data: new Float32Array(12_000) })
    const whole = Heat.beneath(picture, { title: "sure", range: [0, 1] })
    assert.strictEqual(whole.width, 300)
    assert.isTrue(Buffer.from(whole.data.subarray(0, picture.data.length)).equals(picture.data))
    const row = Math.floor((whole.height + 40) / 2)
    const colors = new Set(Array.from({ length: 300 }, (_, x) => at(whole, x, row).join()))
    assert.isTrue(colors.has(Heat.color(0).join()))
  })
})

describe("Difference", () => {
  it("counts who says what as a plain loop does", () => {
    const pairs = fc.tuple(labelMaps({ classes: 4 }), fc.integer()).map(([map, seed]) => {
      const data = map.data.map((id, i) => (((i * 7919 + seed) >>> 3) % 3 === 0 ? (id + 1) % 4 : id))
      return [map, { ...map, data }] as const
    })
    fc.assert(
      fc.property(pairs, ([first, second]) => {
        const { counts, disagreements, kinds } = Difference.compare(first, second, { palette })
        const expected = { neither: 0, both: 0, first: 0, second: 0, other: 0 }
        const against = new Map<string, number>()
        for (let i = 0; i < first.data.length; i++) {
          const a = first.data[i]!
          const b = second.data[i]!
          const kind =
            a === 0 && b === 0
              ? "neither"
              : a === b
                ? "both"
                : b === 0
                  ? "first"
                  : a === 0
                    ? "second"
                    : "other"
          expected[kind]++
          if (a !== b) against.set(`${a} ${b}`, (against.get(`${a} ${b}`) ?? 0) + 1)
        }
        assert.deepStrictEqual(counts, expected)
        assert.deepStrictEqual(
          new Map(disagreements.map((pair) => [`${pair.first} ${pair.second}`, pair.pixels])),
          against
        )
        assert.strictEqual(LabelMap.histogram(kinds).get(Difference.BOTH) ?? 0, expected.both)
      })
    )
  })

  it("does not count what either ignores", () => {
    const first = { ...fromDigits(["1929"]), ignoreIndex: 9 }
    const second = { ...fromDigits(["1128"]), ignoreIndex: 8 }
    const { counts } = Difference.compare(first, second, { palette })
    assert.deepStrictEqual(counts, { neither: 0, both: 2, first: 0, second: 0, other: 0 })
  })

  it("paints each kind in its colour, and explains them beneath", () => {
    const first = LabelMap.resize(fromDigits(["0125"]), 400, 100)
    const second = LabelMap.resize(fromDigits(["0102"]), 400, 100)
    const picture = Difference.paint(image(400, 100), first, second, {
      palette,
      names: ["model", "truth"],
      legend: true
    })
    assert.isAbove(picture.height, 100)
    const [red, green, blue] = at(picture, 50, 50)
    assert.isTrue(red === green && green === blue)
    assert.isAbove(at(picture, 150, 50)[1]!, at(picture, 150, 50)[0]!)
    assert.isAbove(at(picture, 250, 50)[0]!, at(picture, 250, 50)[2]!)
    const { disagreements } = Difference.compare(first, second, { palette })
    assert.deepStrictEqual(disagreements, [
      { first: 2, second: 0, pixels: 10_000 },
      { first: 5, second: 2, pixels: 10_000 }
    ])
  })

  it.live("lets others on the event loop have their turn", () =>
    Effect.gen(function* () {
      const data = new Uint8Array(1000 * 700).map((_, i) => (i >> 6) % 6)
      const map = { width: 1000, height: 700, data }
      const [turns] = yield* turnsDuring(
        Difference.draw(image(1000, 700, 1), map, { ...map, data: data.toReversed() }, { palette })
      )
      assert.isAbove(turns, 3)
    })
  )
})
