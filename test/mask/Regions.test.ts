import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Sinks } from "effect-segformer/batch"
import {
  BinaryMask,
  ClassTable,
  Coco,
  Components,
  GeoJson,
  LabelMap,
  Morphology,
  type Region,
  Regions,
  Yolo
} from "effect-segformer/mask"
import { fromDigits, labelMaps, random } from "./support.ts"

const classes = ClassTable.fromNames(["zero", "one", "two", "three"])

/** Pixels of each component by flood fill, in the order of their first pixels. */
const plainComponents = (
  map: LabelMap.LabelMap,
  connectivity: 4 | 8
): Array<Array<[x: number, y: number]>> => {
  const { data, height, width } = map
  const seen = new Set<number>()
  const components: Array<Array<[number, number]>> = []
  for (let i = 0; i < data.length; i++) {
    if (seen.has(i) || data[i] === map.ignoreIndex) continue
    const stack = [i]
    seen.add(i)
    const pixels: Array<[number, number]> = []
    while (stack.length > 0) {
      const at = stack.pop()!
      const x = at % width
      const y = Math.floor(at / width)
      pixels.push([x, y])
      for (const dy of [-1, 0, 1]) {
        for (const dx of [-1, 0, 1]) {
          if (connectivity === 4 && dx !== 0 && dy !== 0) continue
          const [u, v] = [x + dx, y + dy]
          const next = v * width + u
          if (u < 0 || v < 0 || u >= width || v >= height || seen.has(next) || data[next] !== data[i])
            continue
          seen.add(next)
          stack.push(next)
        }
      }
    }
    components.push(pixels)
  }
  return components
}

const plainPerimeter = (pixels: Array<[number, number]>): number => {
  const inside = new Set(pixels.map(String))
  const isIn = (x: number, y: number) => inside.has(`${x},${y}`)
  const border = new Set(
    pixels
      .filter(([x, y]) => !(isIn(x - 1, y) && isIn(x + 1, y) && isIn(x, y - 1) && isIn(x, y + 1)))
      .map(String)
  )
  let total = 0
  for (const [x, y] of pixels) {
    if (!border.has(`${x},${y}`)) continue
    let code = 1
    for (const dy of [-1, 0, 1]) {
      for (const dx of [-1, 0, 1]) {
        if ((dx !== 0 || dy !== 0) && border.has(`${x + dx},${y + dy}`)) code += dx === 0 || dy === 0 ? 2 : 10
      }
    }
    if ([5, 7, 15, 17, 25, 27].includes(code)) total += 1
    if ([21, 33].includes(code)) total += Math.SQRT2
    if ([13, 23].includes(code)) total += (1 + Math.SQRT2) / 2
  }
  return total
}

/** The area of the convex hull of unit squares, by gift wrapping over all their corners. */
const plainHullArea = (pixels: Array<[number, number]>): number => {
  const corners = [
    ...new Map(
      pixels
        .flatMap(([x, y]): Array<[number, number]> => [
          [x, y],
          [x + 1, y],
          [x, y + 1],
          [x + 1, y + 1]
        ])
        .map((p): [string, [number, number]] => [String(p), p])
    ).values()
  ]
  const start = corners.reduce((a, b) => (b[0] < a[0] || (b[0] === a[0] && b[1] < a[1]) ? b : a))
  let twice = 0
  let current = start
  do {
    let next = corners.find((p) => p !== current)!
    for (const p of corners) {
      const turn = (next[0] - current[0]) * (p[1] - current[1]) - (next[1] - current[1]) * (p[0] - current[0])
      const farther =
        Math.hypot(p[0] - current[0], p[1] - current[1]) >
        Math.hypot(next[0] - current[0], next[1] - current[1])
      if (turn < 0 || (turn === 0 && farther)) next = p
    }
    twice += current[0] * next[1] - next[0] * current[1]
    current = next
  } while (current !== start)
  return Math.abs(twice) / 2
}

const close = (actual: number, expected: number, what: string) =>
  assert.closeTo(actual, expected, 1e-6 * Math.max(1, Math.abs(expected)), what)

const check = (map: LabelMap.LabelMap, region: Region, pixels: Array<[number, number]>) => {
  const n = pixels.length
  const xs = pixels.map(([x]) => x)
  const ys = pixels.map(([, y]) => y)
  const x = Math.min(...xs)
  const y = Math.min(...ys)
  const right = Math.max(...xs) + 1
  const bottom = Math.max(...ys) + 1
  assert.strictEqual(region.area, n)
  assert.deepStrictEqual(region.box, { x, y, width: right - x, height: bottom - y })
  assert.strictEqual(region.touchesBorder, x === 0 || y === 0 || right === map.width || bottom === map.height)
  const cx = xs.reduce((a, b) => a + b) / n
  const cy = ys.reduce((a, b) => a + b) / n
  close(region.centroid.x, cx, "centroid.x")
  close(region.centroid.y, cy, "centroid.y")
  const xx = xs.reduce((s, v) => s + (v - cx) ** 2, 0) / n + 1 / 12
  const yy = ys.reduce((s, v) => s + (v - cy) ** 2, 0) / n + 1 / 12
  const xy = pixels.reduce((s, [u, v]) => s + (u - cx) * (v - cy), 0) / n
  const mid = (xx + yy) / 2
  const root = Math.sqrt(((xx - yy) / 2) ** 2 + xy ** 2)
  close(region.majorAxis, 4 * Math.sqrt(mid + root), "majorAxis")
  close(region.minorAxis, 4 * Math.sqrt(mid - root), "minorAxis")
  close(region.aspectRatio, Math.sqrt((mid + root) / (mid - root)), "aspectRatio")
  if (root > 1e-6) {
    // Along the major axis the spread is the largest.
    const angle = region.orientation!
    const along =
      xx * Math.cos(angle) ** 2 + yy * Math.sin(angle) ** 2 + 2 * xy * Math.cos(angle) * Math.sin(angle)
    close(along, mid + root, "orientation")
    assert.isTrue(angle > -Math.PI / 2 - 1e-9 && angle <= Math.PI / 2 + 1e-9)
  }
  const perimeter = plainPerimeter(pixels)
  close(region.perimeter, perimeter, "perimeter")
  close(
    region.circularity,
    perimeter === 0 ? 1 : Math.min(1, (4 * Math.PI * n) / perimeter ** 2),
    "circularity"
  )
  close(region.solidity!, n / plainHullArea(pixels), "solidity")
}

describe("Regions", () => {
  it("finds and measures what flood fill and the plain definitions do, with 4 and 8 neighbours", () => {
    fc.assert(
      fc.property(labelMaps(), fc.constantFrom(4 as const, 8 as const), (map, connectivity) => {
        const regions = Regions.fromLabelMap(map, { classes, connectivity })
        const plain = plainComponents(map, connectivity)
        assert.strictEqual(regions.length, plain.length)
        for (const [i, pixels] of plain.entries()) {
          const [x, y] = pixels[0]!
          assert.strictEqual(regions[i]!.classId, map.data[y * map.width + x])
          check(map, regions[i]!, pixels)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("agrees with scikit-image's regionprops", () => {
    const fixture = JSON.parse(readFileSync(new URL("fixtures/regionprops.json", import.meta.url), "utf8"))
    const map = fromDigits(fixture.rows)
    for (const { connectivity, regions } of fixture.results) {
      const ours = Regions.fromLabelMap(map, { classes, connectivity })
      assert.strictEqual(ours.length, regions.length)
      for (const [i, theirs] of regions.entries()) {
        const region = ours[i]!
        assert.strictEqual(region.classId, theirs.classId)
        assert.strictEqual(region.area, theirs.area)
        assert.deepStrictEqual(region.box, theirs.box)
        close(region.centroid.x, theirs.centroid.x, "centroid.x")
        close(region.centroid.y, theirs.centroid.y, "centroid.y")
        close(region.perimeter, theirs.perimeter, "perimeter")
        close(region.majorAxis, theirs.majorAxis, "majorAxis")
        close(region.minorAxis, theirs.minorAxis, "minorAxis")
      }
    }
  })

  it("finds every component of a large noisy map, wherever its bytes lie in memory", () => {
    const next = random(11)
    const bytes = Uint8Array.from({ length: 150 * 130 + 1 }, () => Math.floor(next() * 2))
    const map = { width: 150, height: 130, data: bytes.subarray(1) }
    for (const connectivity of [4, 8] as const) {
      const components = Components.make(map, { connectivity })
      const plain = plainComponents(map, connectivity)
      assert.deepStrictEqual(
        Array.from(Components.areas(components)),
        plain.map((pixels) => pixels.length)
      )
      const labels = Components.toLabels(components)
      for (const [i, pixels] of plain.entries()) {
        assert.isTrue(pixels.every(([x, y]) => labels[y * map.width + x] === i + 1))
      }
    }
  })

  it("leaves out excluded classes, the ignored id and small regions, and names the rest", () => {
    const map = { ...fromDigits(["0110", "0013", "2003"]), ignoreIndex: 2 }
    const found = Regions.fromLabelMap(map, {
      classes: ClassTable.fromNames(["zero", "one"]),
      exclude: [0],
      minArea: 2
    })
    assert.deepStrictEqual(
      found.map(({ area, className }) => [className, area]),
      [
        ["one", 3],
        ["class 3", 2]
      ]
    )
    assert.strictEqual(Regions.fromLabelMap(map, { classes, exclude: [0] }).length, 2)
  })

  it("excludes ids of 32 bits as well", () => {
    const map = { width: 3, height: 1, data: Uint32Array.of(70_000, 5, 70_000) }
    assert.deepStrictEqual(
      Regions.fromLabelMap(map, { classes, exclude: [70_000] }).map(({ classId }) => classId),
      [5]
    )
  })

  it("gives each region the mean confidence of its pixels", () => {
    const map = fromDigits(["011", "001"])
    const confidence = { width: 3, height: 2, data: Float32Array.of(1, 0.5, 0.25, 1, 1, 0.75) }
    const regions = Regions.fromLabelMap(map, { classes, confidence })
    assert.deepStrictEqual(
      regions.map(({ meanConfidence }) => meanConfidence),
      [1, 0.5]
    )
    assert.isFalse("meanConfidence" in Regions.fromLabelMap(map, { classes })[0]!)
  })

  it("calls a horizontal bar 0 and a vertical one a right angle", () => {
    const bar = Regions.fromLabelMap(fromDigits(["000", "111", "000"]), { classes, exclude: [0] })[0]!
    assert.closeTo(bar.orientation!, 0, 1e-12)
    const post = Regions.fromLabelMap(fromDigits(["010", "010", "010"]), { classes, exclude: [0] })[0]!
    assert.closeTo(post.orientation!, Math.PI / 2, 1e-12)
    const falling = Regions.fromLabelMap(fromDigits(["100", "010", "001"]), { classes, exclude: [0] })[0]!
    assert.closeTo(falling.orientation!, Math.PI / 4, 1e-12)
  })
})

describe("Regions.extents", () => {
  it("says the same of every region as the whole measurement, without its outline", () => {
    fc.assert(
      fc.property(labelMaps(), (map) => {
        const confidence = {
          width: map.width,
          height: map.height,
          data: Float32Array.from(map.data, (id, at) => ((id + at) % 8) / 8)
        }
        const components = Components.make(map)
        const options = { classes, confidence, minArea: 2 }
        const outlines = new Set([
          "perimeter",
          "majorAxis",
          "minorAxis",
          "circularity",
          "aspectRatio",
          "orientation",
          "solidity"
        ])
        const whole = Regions.fromComponents(components, options).map((region) =>
          Object.fromEntries(Object.entries(region).filter(([key]) => !outlines.has(key)))
        )
        assert.deepEqual(
          Regions.extents(components, options).map((extent) => ({ ...extent })),
          whole
        )
      })
    )
  })
})

describe("Components", () => {
  it("counts the pixels of each class as the label map's own histogram does", () => {
    fc.assert(
      fc.property(labelMaps(), (map) => {
        const ignoring = { ...map, ignoreIndex: 1 }
        for (const one of [map, ignoring]) {
          assert.deepStrictEqual(Components.histogram(Components.make(one)), LabelMap.histogram(one))
        }
      })
    )
  })

  it("numbers every pixel by its component", () => {
    const map = fromDigits(["101", "010"])
    assert.deepStrictEqual(
      Components.toLabels(Components.make(map, { exclude: [0] })),
      Uint32Array.of(1, 0, 1, 0, 1, 0)
    )
    const four = Components.make(map, { exclude: [0], connectivity: 4 })
    assert.deepStrictEqual(Components.toLabels(four), Uint32Array.of(1, 0, 2, 0, 3, 0))
    assert.deepStrictEqual(Components.areas(four), Uint32Array.of(1, 1, 1))
  })
})

describe("a least area", () => {
  it("that is no number of pixels throws, wherever it is given", () => {
    const map = fromDigits(["0110"])
    const classes = ClassTable.fromNames(["a", "b"])
    for (const minArea of [Number.NaN, -1]) {
      for (const make of [
        () => Regions.fromLabelMap(map, { classes, minArea }),
        () => Coco.annotations(map, { imageId: 1, minArea }),
        () => GeoJson.fromLabelMap(map, { classes, minArea }),
        () => Yolo.encode(map, { minArea }),
        () => Morphology.removeSmallRegions(map, { minArea }),
        () => Morphology.removeSmall(BinaryMask.fromRows([".##."]), { minArea }),
        () => Sinks.coco({ path: "coco.json", minArea }),
        () => Sinks.csv({ path: "regions.csv", minArea })
      ])
        assert.throws(make, /`minArea` must be a number of pixels of at least 0/)
    }
    assert.lengthOf(Regions.fromLabelMap(map, { classes, minArea: Infinity }), 0)
    assert.lengthOf(Regions.fromLabelMap(map, { classes, minArea: 0 }), 3)
  })
})
