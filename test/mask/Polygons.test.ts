import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { BinaryMask, ClassTable, LabelMap, Polygons, Regions } from "effect-segformer/mask"
import { binaryMasks, fromDigits, labelMaps } from "./support.ts"

/** Whether a point is inside, by the number of edges on a ray to the left. */
const plainInside = (polygons: ReadonlyArray<Polygons.Polygon>, x: number, y: number): boolean => {
  let crossings = 0
  for (const polygon of polygons) {
    for (const ring of [polygon.outer, ...polygon.holes]) {
      for (const [i, [x0, y0]] of ring.entries()) {
        const [x1, y1] = ring[(i + 1) % ring.length]!
        if (y0 <= y === y1 <= y) continue
        if (x0 + ((y - y0) * (x1 - x0)) / (y1 - y0) <= x) crossings++
      }
    }
  }
  return crossings % 2 === 1
}

const distanceToSegment = (p: Polygons.Point, a: Polygons.Point, b: Polygons.Point): number => {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]]
  const length = dx * dx + dy * dy
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length))
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy)
}

const ringsOf = (polygons: ReadonlyArray<Polygons.Polygon>) =>
  polygons.flatMap(({ holes, outer }) => [outer, ...holes])

describe("Polygons", () => {
  it("outlines a mask exactly: back to a mask it is the same, and so is the area", () => {
    fc.assert(
      fc.property(binaryMasks(), (mask) => {
        const polygons = Polygons.fromMask(mask)
        assert.isTrue(BinaryMask.equals(Polygons.toMask(polygons, mask.width, mask.height), mask))
        assert.strictEqual(
          polygons.reduce((sum, p) => sum + Polygons.area(p), 0),
          BinaryMask.area(mask)
        )
      }),
      { numRuns: 300 }
    )
  })

  it("makes rings that go around the right way, turn at every vertex and never touch themselves", () => {
    fc.assert(
      fc.property(binaryMasks(), (mask) => {
        for (const { holes, outer } of Polygons.fromMask(mask)) {
          assert.isAbove(Polygons.signedArea(outer), 0)
          for (const hole of holes) assert.isBelow(Polygons.signedArea(hole), 0)
          for (const ring of [outer, ...holes]) {
            assert.strictEqual(new Set(ring.map(String)).size, ring.length)
            for (const [i, [x, y]] of ring.entries()) {
              const [px, py] = ring[(i + ring.length - 1) % ring.length]!
              const [nx, ny] = ring[(i + 1) % ring.length]!
              assert.isTrue((px === x) !== (py === y) && (nx === x) !== (ny === y))
              assert.strictEqual(px === x, nx !== x)
            }
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it("gives one outline a region, whose parts meet only at corners", () => {
    fc.assert(
      fc.property(labelMaps(), fc.constantFrom(4 as const, 8 as const), (map, connectivity) => {
        const outlines = Polygons.fromLabelMap(map, { connectivity })
        const regions = Regions.fromLabelMap(map, { connectivity, classes: ClassTable.fromNames([]) })
        assert.deepStrictEqual(
          outlines.map(({ classId, polygons }) => [
            classId,
            polygons.reduce((sum, p) => sum + Polygons.area(p), 0)
          ]),
          regions.map(({ area, classId }) => [classId, area])
        )
        if (connectivity === 4) assert.isTrue(outlines.every(({ polygons }) => polygons.length === 1))
      })
    )
  })

  it("gives the label map back, gaps as ignored or as an id", () => {
    fc.assert(
      fc.property(labelMaps(), fc.constantFrom(4 as const, 8 as const), (map, connectivity) => {
        const outlines = Polygons.fromLabelMap(map, { connectivity })
        assert.isTrue(LabelMap.equals(Polygons.toLabelMap(outlines, map.width, map.height), map))
        const some = Polygons.fromLabelMap(map, { connectivity, exclude: [0] })
        const gaps = Polygons.toLabelMap(some, map.width, map.height)
        assert.deepStrictEqual(
          gaps.data,
          Uint8Array.from(map.data, (id) => (id === 0 ? 255 : id))
        )
        assert.strictEqual(gaps.ignoreIndex, 255)
        assert.isTrue(LabelMap.equals(Polygons.toLabelMap(some, map.width, map.height, { gap: 0 }), map))
      })
    )
  })

  it("keeps holes with the part around them", () => {
    const [outline] = Polygons.fromLabelMap(fromDigits(["1110", "1010", "1101", "0011"]), { exclude: [0] })
    const [frame, tail] = outline!.polygons
    // The gap in the frame is at a corner only, so the hole is one.
    assert.deepStrictEqual(frame!.outer, [
      [0, 0],
      [3, 0],
      [3, 2],
      [2, 2],
      [2, 3],
      [0, 3]
    ])
    assert.deepStrictEqual(
      frame!.holes.map((hole) => hole.map(String).sort()),
      [["1,1", "1,2", "2,1", "2,2"]]
    )
    assert.deepStrictEqual([tail!.outer.length, tail!.holes], [6, []])
  })

  it("fills the pixels whose centres are inside, by the even-odd rule", () => {
    const corner = fc.tuple(fc.integer({ min: -6, max: 30 }), fc.integer({ min: -6, max: 30 }))
    fc.assert(
      fc.property(fc.array(corner, { minLength: 3, maxLength: 8 }), (corners) => {
        // These offsets keep centres off the edges, where rounding decides.
        const outer = corners.map(([x, y]): Polygons.Point => [
          x / 3 + Math.SQRT2 / 50,
          y / 3 + Math.PI / 400
        ])
        const mask = Polygons.toMask([{ outer, holes: [] }], 9, 8)
        for (let y = 0; y < 8; y++) {
          for (let x = 0; x < 9; x++) {
            assert.strictEqual(
              BinaryMask.has(mask, x, y),
              plainInside([{ outer, holes: [] }], x + 0.5, y + 0.5)
            )
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it("keeps the squares of a checkerboard, whose corners all are junctions", () => {
    const side = 200
    const data = Uint8Array.from({ length: side * side }, (_, i) => (i + Math.floor(i / side)) % 2)
    const map = LabelMap.makeUnsafe({ width: side, height: side, data })
    const [exact, ...others] = Polygons.fromLabelMap(map, { exclude: [0] })
    const [simple] = Polygons.fromLabelMap(map, { exclude: [0], tolerance: 2 })
    assert.deepStrictEqual([others.length, exact?.polygons.length], [0, (side * side) / 2])
    // Rings may begin at another corner.
    const corners = (ring: Polygons.Ring) => ring.map(String).sort().join(" ")
    const within = (outline: Polygons.Outline | undefined) =>
      outline?.polygons.filter(({ holes }) => holes.length === 0).map(({ outer }) => corners(outer))
    const inside = ({ outer }: Polygons.Polygon) =>
      outer.every(([x, y]) => x > 0 && y > 0 && x < side && y < side)
    assert.deepStrictEqual(
      within(simple && { ...simple, polygons: simple.polygons.filter(inside) }),
      within(exact && { ...exact, polygons: exact.polygons.filter(inside) })
    )
  })

  it("drops vertices only where the line stays within the tolerance", () => {
    fc.assert(
      fc.property(binaryMasks(20), fc.constantFrom(0, 0.6, 1.5, 3), (mask, tolerance) => {
        const exact = ringsOf(Polygons.fromMask(mask))
        const kept = ringsOf(Polygons.fromMask(mask, { tolerance }))
        if (tolerance === 0)
          assert.deepStrictEqual(
            kept.map((ring) => ring.map(String).sort()),
            exact.map((ring) => ring.map(String).sort())
          )
        for (const ring of kept) {
          assert.isAtLeast(ring.length, 3)
          // Rings that touch share vertices, so several may hold all of these; it comes from one of them.
          const sources = exact.filter((source) =>
            ring.every((p) => source.some((q) => String(p) === String(q)))
          )
          const isNear = (point: Polygons.Point) =>
            ring.some((p, i) => distanceToSegment(point, p, ring[(i + 1) % ring.length]!) <= tolerance + 1e-9)
          assert.isTrue(sources.some((source) => source.every(isNear)))
        }
      })
    )
  })

  it("simplifies to outlines that neither cross nor touch anew, and loses none", () => {
    const side = (a: Polygons.Point, b: Polygons.Point, p: Polygons.Point) =>
      Math.sign((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]))
    const isOn = (a: Polygons.Point, b: Polygons.Point, p: Polygons.Point) =>
      side(a, b, p) === 0 && (p[0] - a[0]) * (p[0] - b[0]) + (p[1] - a[1]) * (p[1] - b[1]) < 0
    const check = (map: LabelMap.LabelMap, tolerance: number, sharedEdges: boolean) => {
      const exact = Polygons.fromLabelMap(map)
      const simple = Polygons.fromLabelMap(map, { tolerance, sharedEdges })
      for (const [i, { polygons }] of simple.entries()) {
        assert.deepStrictEqual(
          polygons.map(({ holes }) => holes.length),
          exact[i]!.polygons.map(({ holes }) => holes.length)
        )
        for (const { holes, outer } of polygons) {
          assert.isAbove(Polygons.signedArea(outer), 0)
          for (const hole of holes) assert.isBelow(Polygons.signedArea(hole), 0)
        }
        const edges = ringsOf(polygons).flatMap((ring) =>
          ring.map((a, k) => [a, ring[(k + 1) % ring.length]!] as const)
        )
        for (const [k, [a, b]] of edges.entries()) {
          for (const [c, d] of edges.slice(k + 1)) {
            const crosses = side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0
            assert.isFalse(crosses || isOn(a, b, c) || isOn(a, b, d) || isOn(c, d, a) || isOn(c, d, b))
            assert.notStrictEqual(`${a} ${b}`, `${d} ${c}`)
          }
        }
      }
    }
    check(fromDigits(["00011", "00111", "00111", "11100"]), 1, false)
    fc.assert(
      fc.property(
        labelMaps({ maxSide: 18, classes: 3 }),
        fc.constantFrom(0.5, 1, 2, 5, 100),
        fc.boolean(),
        check
      ),
      { numRuns: 150 }
    )
  })

  it("keeps one line between neighbours when asked to", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 24, classes: 3 }), fc.constantFrom(0.8, 1.5, 3), (map, tolerance) => {
        const outlines = Polygons.fromLabelMap(map, { connectivity: 4, tolerance, sharedEdges: true })
        const edges = new Map<string, number>()
        for (const ring of outlines.flatMap(({ polygons }) => ringsOf(polygons))) {
          for (const [i, a] of ring.entries()) {
            const b = ring[(i + 1) % ring.length]!
            edges.set(`${a} ${b}`, (edges.get(`${a} ${b}`) ?? 0) + 1)
          }
        }
        const areas = outlines.flatMap(({ polygons }) => ringsOf(polygons)).map(Polygons.signedArea)
        // Rings that vanish take their half of a line with them; where none does, every line inside has two sides.
        const exact = Polygons.fromLabelMap(map, { connectivity: 4 })
        const vanished = areas.length < exact.flatMap(({ polygons }) => ringsOf(polygons)).length
        if (vanished) return
        for (const edge of edges.keys()) {
          const [a, b] = edge.split(" ") as [string, string]
          const onBorder = [0, 1].some((axis) => {
            const side = axis === 0 ? map.width : map.height
            const [p, q] = [Number(a.split(",")[axis]), Number(b.split(",")[axis])]
            return (p === 0 && q === 0) || (p === side && q === side)
          })
          // A corner of the image may be cut off, by a line with nothing on its other side.
          const atBorder = [a, b].every((point) => {
            const [x, y] = point.split(",").map(Number)
            return x === 0 || y === 0 || x === map.width || y === map.height
          })
          if (!onBorder && !atBorder) assert.isTrue(edges.has(`${b} ${a}`), edge)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("simplifies a staircase to its slope", () => {
    const size = 30
    const mask = BinaryMask.empty(size, size)
    for (let y = 0; y < size; y++) mask.data.fill(1, y * size, y * size + y + 1)
    const [exact] = Polygons.fromMask(mask)
    const [simple] = Polygons.fromMask(mask, { tolerance: 1 })
    assert.isAbove(exact!.outer.length, 50)
    assert.isAtMost(simple!.outer.length, 5)
  })
})

describe("LabelMap operations", () => {
  const at = (map: LabelMap.LabelMap, x: number, y: number) => map.data[y * map.width + x]

  it("crops to what lies inside", () => {
    const side = fc.integer({ min: -5, max: 15 })
    fc.assert(
      fc.property(
        labelMaps(),
        side,
        side,
        fc.integer({ min: 0, max: 15 }),
        fc.integer({ min: 0, max: 15 }),
        (map, x, y, width, height) => {
          const cropped = LabelMap.crop(map, { x, y, width, height })
          const left = Math.max(0, x)
          const top = Math.max(0, y)
          const w = Math.min(map.width, x + width) - left
          const h = Math.min(map.height, y + height) - top
          if (w <= 0 || h <= 0) return assert.isUndefined(cropped)
          assert.deepStrictEqual([cropped!.width, cropped!.height], [w, h])
          for (let v = 0; v < h; v++)
            for (let u = 0; u < w; u++) assert.strictEqual(at(cropped!, u, v), at(map, left + u, top + v))
        }
      )
    )
  })

  it("flips and turns every pixel to its place, masks as well", () => {
    fc.assert(
      fc.property(binaryMasks(), (mask) => {
        const moves: ReadonlyArray<
          readonly [
            LabelMap.LabelMap,
            BinaryMask.BinaryMask,
            (x: number, y: number) => readonly [number, number]
          ]
        > = [
          [LabelMap.flipX(mask), BinaryMask.flipX(mask), (x, y) => [mask.width - 1 - x, y]],
          [LabelMap.flipY(mask), BinaryMask.flipY(mask), (x, y) => [x, mask.height - 1 - y]],
          [LabelMap.rotate(mask, 90), BinaryMask.rotate(mask, 90), (x, y) => [mask.height - 1 - y, x]],
          [
            LabelMap.rotate(mask, 180),
            BinaryMask.rotate(mask, 180),
            (x, y) => [mask.width - 1 - x, mask.height - 1 - y]
          ],
          [LabelMap.rotate(mask, 270), BinaryMask.rotate(mask, 270), (x, y) => [y, mask.width - 1 - x]]
        ]
        for (const [moved, movedMask, place] of moves) {
          for (let y = 0; y < mask.height; y++) {
            for (let x = 0; x < mask.width; x++)
              assert.strictEqual(LabelMap.at(moved, ...place(x, y)), at(mask, x, y))
          }
          assert.deepStrictEqual(movedMask, {
            width: moved.width,
            height: moved.height,
            data: Uint8Array.from(moved.data)
          })
        }
      })
    )
  })

  it("replaces ids, merges classes, and leaves ignored pixels alone", () => {
    const map = { ...fromDigits(["0123"]), ignoreIndex: 3 }
    assert.deepStrictEqual(
      LabelMap.remap(
        map,
        new Map([
          [0, 9],
          [1, 0],
          [3, 5]
        ])
      ).data,
      Uint8Array.of(9, 0, 2, 3)
    )
    assert.deepStrictEqual(LabelMap.remap(map, new Map([[1, 300]])).data, Uint16Array.of(0, 300, 2, 3))
    assert.deepStrictEqual(LabelMap.merge(map, [0, 2], 7).data, Uint8Array.of(7, 1, 7, 3))
    const wide = { width: 2, height: 1, data: Uint32Array.of(70_000, 1) }
    assert.deepStrictEqual(LabelMap.remap(wide, new Map([[70_000, 2]])).data, Uint32Array.of(2, 1))
  })

  it("counts ids in every storage", () => {
    fc.assert(
      fc.property(
        labelMaps({ classes: 4 }),
        fc.constantFrom(Uint8Array, Uint16Array, Uint32Array),
        (map, Storage) => {
          const histogram = LabelMap.histogram({ ...map, data: Storage.from(map.data), ignoreIndex: 2 })
          const expected = new Map<number, number>()
          for (const id of [...map.data].sort()) if (id !== 2) expected.set(id, (expected.get(id) ?? 0) + 1)
          assert.deepStrictEqual([...histogram], [...expected])
        }
      )
    )
  })

  it("resizes by the pixel under each centre", () => {
    fc.assert(
      fc.property(
        labelMaps(),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (map, width, height) => {
          const resized = LabelMap.resize(map, width, height)
          for (let y = 0; y < height; y++) {
            for (let x = 0; x < width; x++) {
              const u = Math.floor(((x + 0.5) * map.width) / width)
              const v = Math.floor(((y + 0.5) * map.height) / height)
              assert.strictEqual(at(resized, x, y), at(map, u, v))
            }
          }
        }
      )
    )
  })
})
