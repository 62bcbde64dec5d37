import { assert, describe, it } from "@effect/vitest"
import { ClassTable, Regions, type Region } from "effect-segformer/mask"
import * as Support from "./support.ts"

interface Theirs {
  readonly classId: number
  readonly area: number
  readonly box: Region["box"]
  readonly centroid: readonly [x: number, y: number]
  readonly perimeter: number
}

describe("regions, beside scikit-image", () => {
  const maps = Support.maps({ count: 700, seed: 11, maxSide: 40, classes: 4 })

  it("are the same in number, class, area, box, centroid and perimeter", () => {
    const truth = Support.judge<ReadonlyArray<Theirs>>("regions.py", maps)
    assert.strictEqual(truth.length, maps.length)
    let count = 0
    for (const [i, map] of maps.entries()) {
      const regions = Regions.fromLabelMap(map, { classes: ClassTable.fromNames([]) })
      assert.strictEqual(regions.length, truth[i]!.length, `map ${i}`)
      for (const [k, region] of regions.entries()) {
        const theirs = truth[i]![k]!
        assert.deepStrictEqual(
          { classId: region.classId, area: region.area, box: region.box },
          { classId: theirs.classId, area: theirs.area, box: theirs.box }
        )
        assert.closeTo(region.centroid.x, theirs.centroid[0], 1e-9)
        assert.closeTo(region.centroid.y, theirs.centroid[1], 1e-9)
        assert.closeTo(region.perimeter, theirs.perimeter, 1e-9)
        count++
      }
    }
    assert.isAbove(count, 9000)
  })
})
