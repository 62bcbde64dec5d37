import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { BrushRle, LabelStudio } from "effect-segformer/annotation"
import { BinaryMask } from "effect-segformer/mask"
import * as Support from "./support.ts"

interface Theirs {
  readonly map: ReadonlyArray<number>
  readonly overlaps: number
  readonly written: ReadonlyArray<readonly [id: number, rle: ReadonlyArray<number>]>
}

/** Sizes whose runs are longer than a block holds are among them. */
const maps = [
  ...Support.maps({ count: 80, seed: 31, maxSide: 32, classes: 4 }),
  ...Support.maps({ count: 4, seed: 32, maxSide: 400, classes: 3 })
]

describe("masks of annotation tools, beside Label Studio's converter", () => {
  const brushes = maps.map((map) =>
    LabelStudio.results(map, {
      per: "region",
      controlOf: (id) => ({ type: "brushlabels", fromName: "brush", toName: "image", label: String(id + 1) })
    }).flatMap((region) =>
      region.type === "brushlabels" ? [[Number(region.value.brushlabels[0]), region.value.rle] as const] : []
    )
  )
  const theirs = Support.judge<Theirs>("annotations.py", maps, { brushes })

  it("brushes: the converter reads every region to its pixels, and none over another", () => {
    for (const [i, map] of maps.entries()) {
      assert.deepStrictEqual(
        theirs[i]!.map,
        Array.from(map.data, (id) => id + 1)
      )
      assert.strictEqual(theirs[i]!.overlaps, 0)
    }
  })

  it("brushes: what the converter writes is read to the same pixels", () => {
    for (const [i, map] of maps.entries()) {
      for (const [id, rle] of theirs[i]!.written) {
        const mask = Result.getOrThrow(BrushRle.decode(rle, map))
        assert.isTrue(BinaryMask.equals(mask, BinaryMask.fromLabelMap(map, id)))
      }
    }
  })
})
