/** Work on label maps of noise, which have nearly as many regions as pixels, is done in short steps. */
import { assert, describe, it } from "@effect/vitest"
import * as Areas from "../../src/mask/Areas.ts"
import * as Components from "../../src/mask/Components.ts"
import * as Polygons from "../../src/mask/Polygons.ts"
import * as Spans from "../../src/mask/Spans.ts"
import * as Steps from "../../src/mask/Steps.ts"
import * as Trace from "../../src/mask/Trace.ts"

/** A checkerboard: each of its pixels is a part by itself. */
const side = 256
const map = {
  width: side,
  height: side,
  data: Uint8Array.from({ length: side * side }, (_, i) => (i + Math.floor(i / side)) % 2)
}
const parts = Components.make(map, { connectivity: 4 })
const own = Int32Array.from({ length: parts.count }, (_, part) => part)

/** Steps that the work takes, and its result. */
const stepsOf = <A>(work: Steps.Steps<A>): { readonly count: number; readonly result: A } => {
  for (let count = 1; ; count++) {
    const next = work.next()
    if (next.done === true) return { count, result: next.value }
  }
}

/** Pauses of one look at each region. */
const look = Math.floor(parts.count / Steps.itemsPerStep)

describe("work on a map of noise", () => {
  it("rings pause by the vertices they have, and where they are gathered", () => {
    const { count, result } = stepsOf(Trace.steps(map, parts, "none"))
    const vertices = result.reduce((sum, { outer }) => sum + outer.points.length, 0)
    assert.strictEqual(vertices, side * side * 4)
    assert.isAbove(count, Math.floor(vertices / (Steps.itemsPerStep + 8)) + look)
  })

  it("outlines, spans and areas pause where they are gathered", () => {
    const rings = stepsOf(Trace.steps(map, parts, "none")).count
    const found = stepsOf(Components.steps(map, { connectivity: 4 })).count
    // With corners regions are put together, and without each part is one.
    for (const [connectivity, regions] of [
      [4, parts.count],
      [8, 2]
    ] as const) {
      const { count, result } = stepsOf(Polygons.steps(map, { connectivity }))
      assert.strictEqual(result.length, regions)
      assert.isAtLeast(count, rings + found - 1 + look, `connectivity ${connectivity}`)
    }
    const spans = stepsOf(Spans.grouped(parts, own, parts.count))
    assert.strictEqual(spans.result.length, parts.count)
    assert.isAtLeast(spans.count, look)
    const areas = stepsOf(Areas.steps(map, { connectivity: 4 }, () => ({ outline: false, joined: false })))
    assert.strictEqual(areas.result.length, parts.count)
    assert.isAtLeast(areas.count, spans.count + found + 2 * look)
  })

  it("each item of a list becomes another, with a pause every so many", () => {
    const { count, result } = stepsOf(Steps.map({ length: 10_000 }, (_, i) => i))
    assert.deepStrictEqual(
      result,
      Array.from({ length: 10_000 }, (_, i) => i)
    )
    assert.strictEqual(count, 1 + Math.floor(10_000 / Steps.itemsPerStep))
    assert.deepStrictEqual(stepsOf(Steps.map([], (item) => item)), { count: 1, result: [] })
  })
})
