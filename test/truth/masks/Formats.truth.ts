import { assert, describe, it } from "@effect/vitest"
import { ClassTable, Coco, GeoJson, type LabelMap, Polygons, Regions, Rle, Yolo } from "effect-segformer/mask"
import * as Support from "./support.ts"

interface Theirs {
  readonly coco: ReadonlyArray<{
    readonly map: ReadonlyArray<number>
    readonly faults: ReadonlyArray<unknown>
  }>
  readonly runs: ReadonlyArray<Readonly<Record<string, string>>>
  readonly geojson: ReadonlyArray<{
    readonly map: ReadonlyArray<number>
    readonly valid: boolean
    readonly count: number
  }>
  readonly shapes: ReadonlyArray<ReadonlyArray<ReadonlyArray<readonly [id: number, area: number]>>>
  readonly yolo: ReadonlyArray<{ readonly classes: ReadonlyArray<number>; readonly area: number }>
  readonly labelStudio: ReadonlyArray<ReadonlyArray<readonly [name: string, points: Polygons.Ring]>>
}

const maps = Support.maps({ count: 120, seed: 21, maxSide: 32, classes: 4 })
const classes = ClassTable.fromNames(["a", "b", "c", "d"])

/** One file of all images; categories count from 1, so that 0 stays nothing. */
const cocoOf = (keep: (annotation: Coco.Annotation) => boolean): string => {
  const categoryOf = (id: number) => id + 1
  const writer = Coco.writer(Coco.categories(classes, { categoryOf }))
  let firstId = 1
  const text = maps.map((map, i) => {
    const found = Coco.annotations(map, { imageId: i + 1, firstId, categoryOf })
    firstId += found.length
    return writer.add(
      { id: i + 1, width: map.width, height: map.height, file_name: `${i}.png` },
      found.filter(keep)
    )
  })
  return text.join("") + writer.end()
}

const isSimple = ({ segmentation }: Coco.Annotation): boolean => !("counts" in segmentation)

const shifted = (map: LabelMap.LabelMap): ReadonlyArray<number> => Array.from(map.data, (id) => id + 1)

describe("files, beside the tools that they are for", () => {
  const [theirs] = Support.judge<Theirs>(
    "formats.py",
    maps,
    { yolo: maps.map((map) => Yolo.encode(map)) },
    {
      "coco.json": cocoOf(() => true),
      "simple.json": cocoOf(isSimple),
      // Coordinates are pixels, `y` down: as rasterio has them without a transform.
      ...Object.fromEntries(
        maps.map((map, i) => [`${i}.geojson`, JSON.stringify(GeoJson.fromLabelMap(map, { classes }))])
      )
    }
  )
  if (theirs === undefined) throw new Error("the script printed nothing")

  it("COCO: pycocotools fills every annotation to its pixels, its area and its box", () => {
    for (const [i, map] of maps.entries()) {
      assert.deepStrictEqual(theirs.coco[i]!.faults, [])
      assert.deepStrictEqual(theirs.coco[i]!.map, shifted(map))
    }
  })

  it("run lengths: the text is pycocotools', letter by letter", () => {
    for (const [i, map] of maps.entries()) {
      const own = Array.from(Rle.fromLabelMap(map), ([id, rle]) => [String(id), Rle.compress(rle.counts)])
      assert.deepStrictEqual(Object.fromEntries(own), theirs.runs[i])
    }
  })

  it("GeoJSON: geopandas reads valid features, which rasterio burns to the same map", () => {
    for (const [i, map] of maps.entries()) {
      const { count, map: burnt, valid } = theirs.geojson[i]!
      assert.isTrue(valid)
      assert.strictEqual(count, Regions.fromLabelMap(map, { classes }).length)
      assert.deepStrictEqual(burnt, shifted(map))
    }
  })

  it("outlines: rasterio finds the same shapes, with 4 and with 8 neighbours", () => {
    for (const [i, map] of maps.entries()) {
      for (const [k, connectivity] of ([4, 8] as const).entries()) {
        const own = Polygons.fromLabelMap(map, { connectivity })
          .map(
            ({ classId, polygons }) =>
              [classId, polygons.reduce((sum, one) => sum + Polygons.area(one), 0)] as const
          )
          .toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
        assert.deepStrictEqual(
          own.map(([id, area]) => [id, area]),
          theirs.shapes[i]![k]!.map(([id, area]) => [id, area])
        )
      }
    }
  })

  it("YOLO: supervision finds as many objects of each class; its fill takes in the outline, as fillPoly does", () => {
    for (const [i, map] of maps.entries()) {
      const regions = Regions.fromLabelMap(map, { classes })
      assert.deepStrictEqual(theirs.yolo[i]!.classes, regions.map(({ classId }) => classId).toSorted())
      assert.isAtLeast(theirs.yolo[i]!.area, map.data.length)
    }
  })

  it("Label Studio's converter draws the same polygons, in %, of regions without holes", () => {
    let count = 0
    for (const [i, map] of maps.entries()) {
      const simple = Coco.annotations(map, { imageId: 1 }).filter(isSimple)
      const found = theirs.labelStudio[i]!
      assert.strictEqual(found.length, simple.length)
      for (const [k, { category_id, segmentation }] of simple.entries()) {
        if ("counts" in segmentation) continue
        const [name, points] = found[k]!
        assert.strictEqual(name, classes[category_id]!.name)
        const own = segmentation[0]!
        for (const [p, [x, y]] of points.entries()) {
          assert.closeTo(x, (own[2 * p]! / map.width) * 100, 1e-9)
          assert.closeTo(y, (own[2 * p + 1]! / map.height) * 100, 1e-9)
        }
        count++
      }
    }
    assert.isAbove(count, 500)
  })
})
