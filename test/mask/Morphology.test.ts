import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { BinaryMask, Components, Morphology } from "effect-segformer/mask"
import { binaryMasks, fromDigits, labelMaps, toDigits } from "./support.ts"

type Element = Morphology.Element

const isNear = (dx: number, dy: number, { radius, shape }: Element): boolean =>
  shape === "diamond"
    ? Math.abs(dx) + Math.abs(dy) <= radius
    : shape === "disc"
      ? dx * dx + dy * dy <= radius * radius
      : Math.max(Math.abs(dx), Math.abs(dy)) <= radius

const plainDilate = (mask: BinaryMask.BinaryMask, element: Element): BinaryMask.BinaryMask => {
  const out = BinaryMask.empty(mask.width, mask.height)
  for (let y = 0; y < mask.height; y++) {
    for (let x = 0; x < mask.width; x++) {
      for (let v = 0; v < mask.height; v++) {
        for (let u = 0; u < mask.width; u++) {
          if (BinaryMask.has(mask, u, v) && isNear(u - x, v - y, element)) out.data[y * mask.width + x] = 1
        }
      }
    }
  }
  return out
}

const elements: fc.Arbitrary<Element> = fc.record({
  radius: fc.integer({ min: 0, max: 5 }),
  shape: fc.constantFrom(undefined, "square" as const, "diamond" as const, "disc" as const)
})

const isWithin = (a: BinaryMask.BinaryMask, b: BinaryMask.BinaryMask) =>
  BinaryMask.area(BinaryMask.without(a, b)) === 0

describe("Morphology", () => {
  it("dilates to every pixel near the mask", () => {
    fc.assert(
      fc.property(binaryMasks(), elements, (mask, element) => {
        assert.deepStrictEqual(Morphology.dilate(mask, element), plainDilate(mask, element))
      }),
      { numRuns: 200 }
    )
  })

  it("erodes what has a pixel outside the mask near, but not at the border of the image", () => {
    fc.assert(
      fc.property(binaryMasks(), elements, (mask, element) => {
        const expected = BinaryMask.not(plainDilate(BinaryMask.not(mask), element))
        assert.deepStrictEqual(Morphology.erode(mask, element), expected)
      })
    )
    const full = BinaryMask.fromRows(["##", "##"])
    assert.deepStrictEqual(Morphology.erode(full, { radius: 3 }), full)
  })

  it("opens to less and closes to more, and doing so twice changes nothing", () => {
    fc.assert(
      fc.property(binaryMasks(), elements, (mask, element) => {
        const opened = Morphology.open(mask, element)
        const closed = Morphology.close(mask, element)
        assert.isTrue(isWithin(opened, mask) && isWithin(mask, closed))
        assert.deepStrictEqual(Morphology.open(opened, element), opened)
        assert.deepStrictEqual(Morphology.close(closed, element), closed)
      })
    )
  })

  it("fills what cannot be reached from the border of the image", () => {
    fc.assert(
      fc.property(binaryMasks(), (mask) => {
        const { height, width } = mask
        const outside = new Set<number>()
        const visit = (x: number, y: number): void => {
          if (x < 0 || y < 0 || x >= width || y >= height || BinaryMask.has(mask, x, y)) return
          if (outside.has(y * width + x)) return
          outside.add(y * width + x)
          for (const [dx, dy] of [
            [1, 0],
            [-1, 0],
            [0, 1],
            [0, -1]
          ] as const)
            visit(x + dx, y + dy)
        }
        for (let x = 0; x < width; x++) for (const y of [0, height - 1]) visit(x, y)
        for (let y = 0; y < height; y++) for (const x of [0, width - 1]) visit(x, y)
        const expected = mask.data.map((_, i) => (outside.has(i) ? 0 : 1))
        assert.deepStrictEqual(Morphology.fillHoles(mask).data, expected)
      })
    )
  })

  it("leaves holes above a size, and lets them leak through corners on request", () => {
    const rows = ["#####", "#.#.#", "#.###", "####."]
    const mask = BinaryMask.fromRows(rows)
    assert.deepStrictEqual(BinaryMask.toRows(Morphology.fillHoles(mask, { maxArea: 1 })), [
      "#####",
      "#.###",
      "#.###",
      "####."
    ])
    const leaking = BinaryMask.fromRows(["###", "#.#", "##."])
    assert.deepStrictEqual(Morphology.fillHoles(leaking, { connectivity: 8 }), leaking)
    assert.deepStrictEqual(BinaryMask.toRows(Morphology.fillHoles(leaking)), ["###", "###", "##."])
  })

  it("removes parts smaller than a size", () => {
    fc.assert(
      fc.property(
        binaryMasks(),
        fc.integer({ min: 0, max: 20 }),
        fc.constantFrom(4 as const, 8 as const),
        (mask, minArea, connectivity) => {
          const parts = Components.make(mask, { connectivity, exclude: [0] })
          const labels = Components.toLabels(parts)
          const areas = Components.areas(parts)
          const expected = mask.data.map((v, i) => (v === 1 && areas[labels[i]! - 1]! >= minArea ? 1 : 0))
          assert.deepStrictEqual(Morphology.removeSmall(mask, { minArea, connectivity }).data, expected)
        }
      )
    )
  })

  it("gives small regions to the neighbour with the longest shared border, or to an id", () => {
    const map = fromDigits(["00000", "01220", "00220", "33330"])
    assert.deepStrictEqual(toDigits(Morphology.removeSmallRegions(map, { minArea: 2 })), [
      "00000",
      "00220",
      "00220",
      "33330"
    ])
    const large = Morphology.removeSmallRegions(map, { minArea: 5 })
    assert.deepStrictEqual(toDigits(large), ["00000", "00000", "00000", "00000"])
    const into = Morphology.removeSmallRegions(map, { minArea: 5, into: 9, exclude: [3] })
    assert.deepStrictEqual(toDigits(into), ["00000", "09990", "00990", "33330"])
  })

  it("counts every edge that a small region shares", () => {
    fc.assert(
      fc.property(labelMaps({ classes: 4 }), fc.integer({ min: 2, max: 12 }), (map, minArea) => {
        const { data, height, width } = map
        const parts = Components.make(map)
        const labels = Components.toLabels(parts)
        const areas = Components.areas(parts)
        const cleaned = Morphology.removeSmallRegions(map, { minArea })
        for (let c = 0; c < parts.count; c++) {
          const edges = [0, 0, 0, 0]
          for (let i = 0; i < data.length; i++) {
            if (labels[i] !== c + 1) continue
            const [x, y] = [i % width, Math.floor(i / width)]
            for (const [dx, dy] of [
              [1, 0],
              [-1, 0],
              [0, 1],
              [0, -1]
            ] as const) {
              const [u, v] = [x + dx, y + dy]
              if (u < 0 || v < 0 || u >= width || v >= height) continue
              const id = data[v * width + u]!
              if (id !== data[i]) edges[id]!++
            }
          }
          const most = Math.max(...edges)
          const own = parts.classIds[c]!
          const expected = areas[c]! >= minArea || most === 0 ? own : edges.indexOf(most)
          assert.strictEqual(cleaned.data[labels.indexOf(c + 1)], expected)
        }
      }),
      { numRuns: 200 }
    )
  })

  it("leaves a small region among ignored pixels alone", () => {
    const map = { ...fromDigits(["999", "919", "999"]), ignoreIndex: 9 }
    assert.deepStrictEqual(Morphology.removeSmallRegions(map, { minArea: 5 }).data, map.data)
  })

  it("changes no region that is large enough", () => {
    fc.assert(
      fc.property(labelMaps(), fc.integer({ min: 0, max: 10 }), (map, minArea) => {
        const parts = Components.make(map)
        const labels = Components.toLabels(parts)
        const areas = Components.areas(parts)
        const cleaned = Morphology.removeSmallRegions(map, { minArea })
        map.data.forEach((id, i) => {
          if (areas[labels[i]! - 1]! >= minArea) assert.strictEqual(cleaned.data[i], id)
        })
      })
    )
  })
})
