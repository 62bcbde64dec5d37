import { assert, describe, it } from "@effect/vitest"
import { ClassTable, GeoJson, type LabelMap } from "effect-segformer/mask"
import { random } from "../../mask/support.ts"
import * as Support from "./support.ts"

interface Judged {
  readonly count: number
  readonly faults: ReadonlyArray<unknown>
  readonly covered: boolean | null
}

/** Areas with wavy borders, specks on them and threads through them: what models find. */
const blobs = (seed: number, width: number, height: number): LabelMap.LabelMap => {
  const next = random(seed)
  const centers = Array.from({ length: 9 }, (_, k) => ({ x: next() * width, y: next() * height, id: k % 4 }))
  const data = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = x + 3 * Math.sin(y / 3) + 2 * next()
      const v = y + 3 * Math.sin(x / 4) + 2 * next()
      let least = Infinity
      for (const center of centers) {
        const distance = (u - center.x) ** 2 + (v - center.y) ** 2
        if (distance < least) {
          least = distance
          data[y * width + x] = center.id
        }
      }
      if (next() < 0.01) data[y * width + x] = 3
    }
  }
  return { width, height, data }
}

const classes = ClassTable.fromNames([])
// `y` goes up: the transform of a map with its north above.
const transform = [1, 0, 0, 0, -1, 0] as const

describe("simplified outlines, beside shapely", () => {
  const maps = [
    ...Support.maps({ count: 260, seed: 3, maxSide: 30, classes: 4 }),
    ...Array.from({ length: 24 }, (_, i) => blobs(i + 1, 90, 70))
  ]

  it("are valid at every tolerance, turned as RFC 7946 has it, and none is lost", () => {
    let count = 0
    const answers: Array<unknown> = []
    for (const map of maps) {
      for (const connectivity of [4, 8] as const) {
        const exact = GeoJson.fromLabelMap(map, { classes, connectivity }).features.length
        for (const tolerance of [0.5, 1, 2, 5, 30]) {
          for (const sharedEdges of [false, true]) {
            const { features } = GeoJson.fromLabelMap(map, {
              classes,
              connectivity,
              tolerance,
              sharedEdges,
              transform
            })
            assert.strictEqual(features.length, exact)
            count += exact
            answers.push({
              shared: sharedEdges && connectivity === 4,
              features: features.map(({ geometry }) => geometry)
            })
          }
        }
      }
    }
    assert.isAbove(count, 100_000)
    for (const [i, { covered, faults }] of Support.judge<Judged>("outlines.py", [], { answers }).entries()) {
      assert.deepStrictEqual(faults, [], `answer ${i}`)
      assert.notStrictEqual(covered, false, `answer ${i}`)
    }
  })
})
