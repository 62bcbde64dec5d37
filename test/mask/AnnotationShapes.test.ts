import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Base64 } from "effect/encoding"
import * as fc from "fast-check"
import { BrushRle, Cvat, CvatMask, LabelStudio } from "effect-segformer/annotation"
import { BinaryMask, ConfidenceMap, LabelMap, LabelPng, Polygons, Regions } from "effect-segformer/mask"
import { fromDigits, labelMaps } from "./support.ts"

const controlOf =
  (type: LabelStudio.ControlType) =>
  (classId: number): LabelStudio.Control | undefined =>
    classId === 0 ? undefined : { type, fromName: "tag", toName: "image", label: `label ${classId}` }

/** The pixels that Label Studio shows of a region. */
const pixelsOf = (region: LabelStudio.Result): BinaryMask.BinaryMask => {
  const { original_height: height, original_width: width } = region
  switch (region.type) {
    case "brushlabels":
      return Result.getOrThrow(BrushRle.decode(region.value.rle, { width, height }))
    case "polygonlabels": {
      const outer = region.value.points.map(([x, y]) => [(x * width) / 100, (y * height) / 100] as const)
      return Polygons.toMask([{ outer, holes: [] }], width, height)
    }
    case "rectanglelabels": {
      const { height: high, width: wide, x, y } = region.value
      const [left, top] = [(x * width) / 100, (y * height) / 100]
      const [right, bottom] = [left + (wide * width) / 100, top + (high * height) / 100]
      const outer = [
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom]
      ] as const
      return Polygons.toMask([{ outer, holes: [] }], width, height)
    }
    case "bitmasklabels": {
      const png = Result.getOrThrow(Base64.decode(region.value.imageDataURL.split(",")[1]!))
      return Result.getOrThrow(LabelPng.decodeAlpha(png))
    }
  }
}

/** All regions on one map, by the ids in their labels; overlapping ones are told. */
const painted = (
  shapes: Iterable<readonly [classId: number, mask: BinaryMask.BinaryMask]>,
  { height, width }: LabelMap.LabelMap
): LabelMap.LabelMap => {
  const data = new Uint8Array(width * height)
  for (const [id, mask] of shapes) {
    for (let i = 0; i < data.length; i++) {
      if (mask.data[i] === 0) continue
      assert.strictEqual(data[i], 0)
      data[i] = id
    }
  }
  return { width, height, data }
}

const back = (found: ReadonlyArray<LabelStudio.Result>, map: LabelMap.LabelMap): LabelMap.LabelMap =>
  painted(
    found.map((region) => {
      const labels = Object.entries(region.value).find(([key]) => key === region.type)![1]
      return [Number(String(labels).split(" ")[1]), pixelsOf(region)] as const
    }),
    map
  )

describe("LabelStudio", () => {
  for (const type of ["brushlabels", "polygonlabels", "bitmasklabels"] as const) {
    it(`keeps every pixel of a label map in ${type}, holes and corners too`, () => {
      fc.assert(
        fc.property(labelMaps({ maxSide: 20 }), (map) => {
          for (const per of ["region", "class"] as const) {
            const found = LabelStudio.results(map, { controlOf: controlOf(type), per })
            assert.isTrue(LabelMap.equals(back(found, map), map))
            assert.strictEqual(new Set(found.map(({ id }) => id)).size, found.length)
          }
        })
      )
    })
  }

  it("has a rectangle of each region that covers it and no pixel more", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 20 }), (map) => {
        const found = LabelStudio.results(map, { controlOf: controlOf("rectanglelabels") })
        const regions = Regions.fromLabelMap(map, { classes: [], exclude: [0] })
        assert.deepStrictEqual(
          found.map((region) => BinaryMask.box(pixelsOf(region))),
          regions.map(({ box }) => box)
        )
      })
    )
  })

  it("does not swap width and height, and is in percent of each", () => {
    const map = fromDigits(["00000000", "00110000"])
    const [rectangle] = LabelStudio.results(map, { controlOf: controlOf("rectanglelabels") })
    assert.deepStrictEqual(rectangle, {
      id: "region-1",
      from_name: "tag",
      to_name: "image",
      type: "rectanglelabels",
      original_width: 8,
      original_height: 2,
      image_rotation: 0,
      value: { x: 25, y: 50, width: 25, height: 50, rotation: 0, rectanglelabels: ["label 1"] }
    })
    const [polygon] = LabelStudio.results(map, { controlOf: controlOf("polygonlabels") })
    assert.deepStrictEqual(polygon?.type === "polygonlabels" && polygon.value, {
      points: [
        [25, 50],
        [50, 50],
        [50, 100],
        [25, 100]
      ],
      closed: true,
      polygonlabels: ["label 1"]
    })
  })

  it("lets each class have its own control, and leaves out one without, small regions and unsure ones", () => {
    const map = fromDigits(["1022", "1033", "0001"])
    const types = { 1: "brushlabels", 2: "polygonlabels" } as const
    const options: LabelStudio.Options = {
      controlOf: (id) =>
        id === 1 || id === 2
          ? { type: types[id], fromName: `of ${id}`, toName: "image", label: "x" }
          : undefined
    }
    const names = (found: ReadonlyArray<LabelStudio.Result>) =>
      found.map(({ from_name, type }) => `${type} ${from_name}`)
    const all = ["brushlabels of 1", "polygonlabels of 2", "brushlabels of 1"]
    assert.deepStrictEqual(names(LabelStudio.results(map, options)), all)
    assert.deepStrictEqual(names(LabelStudio.results(map, { ...options, minArea: 2 })), all.slice(0, 2))
    assert.deepStrictEqual(names(LabelStudio.results(map, { ...options, per: "class" })), all.slice(0, 2))
    const confidence = Result.getOrThrow(
      ConfidenceMap.make({ width: 4, height: 3, data: new Float32Array(12).fill(0.5) })
    )
    confidence.data[0] = 0.25
    const found = LabelStudio.results(map, { ...options, confidence })
    assert.deepStrictEqual(
      found.map(({ score }) => score),
      [0.375, 0.5, 0.5]
    )
    const sure = LabelStudio.results(map, { ...options, confidence, minScore: 0.4 })
    assert.deepStrictEqual(names(sure), all.slice(1))
    const [joined] = LabelStudio.results(map, { ...options, confidence, per: "class" })
    assert.closeTo(joined!.score!, 1.25 / 3, 1e-12)
  })
})

describe("Cvat", () => {
  const pixels = (shape: Cvat.Shape, map: LabelMap.LabelMap): BinaryMask.BinaryMask => {
    if (shape.type === "mask") return Result.getOrThrow(CvatMask.toMask(shape.mask, map))
    return ring(shape.points, map)
  }
  const ring = (points: ReadonlyArray<number>, { height, width }: LabelMap.LabelMap) => {
    const outer = Array.from(
      { length: points.length / 2 },
      (_, i) => [points[2 * i]!, points[2 * i + 1]!] as const
    )
    return Polygons.toMask([{ outer, holes: [] }], width, height)
  }

  it("keeps every pixel of a label map in masks and polygons, and in the outlines of masks", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 20 }), fc.constantFrom("region", "class"), (map, per) => {
        for (const type of ["mask", "polygon"] as const) {
          const found = Cvat.shapes(map, {
            typeOf: (id) => (id === 0 ? undefined : type),
            per,
            contours: true
          })
          const of = found.map((shape) => [shape.classId, pixels(shape, map)] as const)
          assert.isTrue(LabelMap.equals(painted(of, map), map))
          const outlined = found.map((shape) => [shape.classId, ring(shape.points, map)] as const)
          assert.isTrue(LabelMap.equals(painted(outlined, map), map))
          for (const { area, points } of found) {
            assert.isAtLeast(area, 1)
            assert.isAtLeast(points.length, 6)
          }
        }
      })
    )
  })

  it("has rectangles to the far edge of the last pixel", () => {
    fc.assert(
      fc.property(labelMaps({ maxSide: 20 }), (map) => {
        const found = Cvat.shapes(map, { typeOf: (id) => (id === 0 ? undefined : "rectangle") })
        const regions = Regions.fromLabelMap(map, { classes: [], exclude: [0] })
        assert.deepStrictEqual(
          found.map(({ points }) => points),
          regions.map(({ box: { height, width, x, y } }) => [x, y, x + width, y + height])
        )
      })
    )
  })

  it("gives an outline the same points, whether other classes have outlines or not", () => {
    fc.assert(
      fc.property(
        labelMaps({ maxSide: 20 }),
        fc.constantFrom(undefined, 1, 4),
        fc.boolean(),
        fc.constantFrom(4 as const, 8 as const),
        (map, tolerance, sharedEdges, connectivity) => {
          const options = { tolerance, sharedEdges, connectivity }
          const all = Cvat.shapes(map, { ...options, typeOf: () => "polygon" })
          const odd = Cvat.shapes(map, {
            ...options,
            typeOf: (id) => (id % 2 === 1 ? "polygon" : "rectangle")
          })
          const one = Cvat.shapes(map, { ...options, typeOf: (id) => (id === 2 ? "polygon" : undefined) })
          const points = (shapes: ReadonlyArray<Cvat.Shape>, isWanted: (id: number) => boolean) =>
            shapes.filter(({ classId }) => isWanted(classId)).map(({ points }) => points)
          // A thin region stays one that tools take, however far its outline may be moved.
          for (const { points } of all) {
            const pairs = Array.from({ length: points.length / 2 }, (_, i) => points.slice(2 * i, 2 * i + 2))
            assert.isAtLeast(new Set(pairs.map(String)).size, 3)
          }
          const isOdd = (id: number) => id % 2 === 1
          assert.deepStrictEqual(points(odd, isOdd), points(all, isOdd))
          assert.deepStrictEqual(
            points(one, () => true),
            points(all, (id) => id === 2)
          )
        }
      )
    )
  })

  it("gives outlines of masks to those who ask alone", () => {
    const map = fromDigits(["110", "110"])
    const typeOf = (id: number) => (id === 0 ? undefined : "mask")
    assert.deepStrictEqual(Cvat.shapes(map, { typeOf })[0]!.points, [])
    assert.deepStrictEqual(Cvat.shapes(map, { typeOf, contours: true })[0]!.points, [0, 0, 2, 0, 2, 2, 0, 2])
  })
})
