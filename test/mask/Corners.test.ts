/** Corners against the points of exact outlines. */
import { assert, describe, it } from "@effect/vitest"
import { LabelMap, Polygons } from "effect-segformer/mask"
import * as Corners from "../../src/mask/Corners.ts"
import * as Steps from "../../src/mask/Steps.ts"

const count = (width: number, height: number, id: (x: number, y: number) => number, most?: number) => {
  const data = Uint8Array.from({ length: width * height }, (_, i) => id(i % width, Math.floor(i / width)))
  const map = LabelMap.makeUnsafe({ width, height, data })
  const points = new Set(
    Polygons.fromLabelMap(map).flatMap(({ polygons }) =>
      polygons.flatMap(({ holes, outer }) => [outer, ...holes].flatMap((ring) => ring.map(String)))
    )
  )
  return { counted: Steps.runSync(Corners.countSteps(map, most)), points: points.size }
}

describe("Corners", () => {
  it("are the points at which outlines turn", () => {
    const shapes: ReadonlyArray<readonly [string, (x: number, y: number) => number]> = [
      ["one area", () => 0],
      ["checks", (x, y) => (x + y) & 1],
      ["dots", (x, y) => x & y & 1],
      ["a fence", (x) => x & 1],
      ["steps", (x, y) => (x > y ? 1 : 0)],
      ["noise", (x, y) => ((x * 7919 + y * 104729 + x * x * y) >> 3) % 5]
    ]
    for (const [name, id] of shapes) {
      for (const [width, height] of [
        [1, 1],
        [1, 9],
        [9, 1],
        [2, 2],
        [17, 12]
      ] as const) {
        const { counted, points } = count(width, height, id)
        assert.strictEqual(counted, points, `${name}, ${width} x ${height}`)
      }
    }
  })

  it("are not counted much further than asked", () => {
    const { counted, points } = count(20, 20, (x, y) => (x + y) & 1, 50)
    assert.isTrue(counted > 50 && counted < points)
  })
})
