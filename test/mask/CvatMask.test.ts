import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { CvatMask } from "effect-segformer/annotation"
import { BinaryMask } from "effect-segformer/mask"
import { binaryMasks } from "./support.ts"

/** The reader of the contract, pixel by pixel: a function's answer on an image. */
const plain = (values: ReadonlyArray<number>, width: number, height: number): BinaryMask.BinaryMask => {
  const [left = 0, top = 0, right = 0, bottom = 0] = values.slice(-4)
  const mask = BinaryMask.empty(width, height)
  let at = 0
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) mask.data[y * width + x] = values[at++]!
  }
  assert.strictEqual(at, values.length - 4)
  return mask
}

/** CVAT's own loop over the pixels of a crop: a run of what is outside comes first. */
const plainCounts = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  const counts: Array<number> = []
  for (const [i, value] of values.entries()) {
    if (i === 0) counts.push(...(value === 1 ? [0, 1] : [1]))
    else if (values[i - 1] === value) counts[counts.length - 1]!++
    else counts.push(1)
  }
  return counts
}

const refused = (result: Result.Result<unknown, { readonly detail: string }>): string =>
  Result.isFailure(result) ? result.failure.detail : assert.fail("it was read")

describe("CvatMask", () => {
  it("keeps every pixel in all of its forms", () => {
    fc.assert(
      fc.property(binaryMasks(16), (mask) => {
        const own = CvatMask.fromMask(mask)
        if (own === undefined) return assert.strictEqual(BinaryMask.area(mask), 0)
        assert.deepStrictEqual(own.box, BinaryMask.box(mask))
        assert.strictEqual(CvatMask.area(own), BinaryMask.area(mask))
        const pixels = CvatMask.toPixels(own)
        assert.isTrue(BinaryMask.equals(plain(pixels, mask.width, mask.height), mask))
        assert.deepStrictEqual([...own.counts], plainCounts(pixels.slice(0, -4)))
        for (const back of [
          CvatMask.fromPixels(pixels),
          CvatMask.fromPoints(CvatMask.toPoints(own)),
          CvatMask.fromAttributes(CvatMask.toAttributes(own))
        ]) {
          assert.deepStrictEqual(Result.getOrThrow(back), own)
          const painted = CvatMask.toMask(Result.getOrThrow(back), mask)
          assert.isTrue(BinaryMask.equals(Result.getOrThrow(painted), mask))
        }
      })
    )
  })

  it("has a box whose last column and row are part of it: one pixel is one long", () => {
    const one = CvatMask.fromMask(BinaryMask.fromRows(["...", "..#"]))!
    assert.deepStrictEqual(CvatMask.toPoints(one), [0, 1, 2, 1, 2, 1])
    assert.deepStrictEqual(CvatMask.toPixels(one), [1, 2, 1, 2, 1])
    assert.deepStrictEqual(CvatMask.toAttributes(one), { rle: "0, 1", left: 2, top: 1, width: 1, height: 1 })
  })

  it("reads run lengths however they are spaced, with runs of nothing between, and pixels of 255", () => {
    const own = { box: { x: 0, y: 0, width: 2, height: 2 }, counts: Uint32Array.of(1, 2, 1) }
    const at = { left: 0, top: 0, width: 2, height: 2 }
    for (const rle of ["1, 2, 1", "1,2,1", " 1 ,2 , 1 "])
      assert.deepStrictEqual(Result.getOrThrow(CvatMask.fromAttributes({ rle, ...at })), own)
    const split = Result.getOrThrow(CvatMask.fromAttributes({ rle: "1, 1, 0, 1, 1", ...at }))
    const mask = Result.getOrThrow(CvatMask.toMask(split, { width: 2, height: 2 }))
    assert.deepStrictEqual(BinaryMask.toRows(mask), [".#", "#."])
    assert.deepStrictEqual(Result.getOrThrow(CvatMask.fromPixels([0, 255, 255, 0, 0, 0, 1, 1])), own)
  })

  it("says what is wrong, and never shows other pixels", () => {
    const at = { left: 0, top: 0, width: 2, height: 2 }
    assert.match(
      refused(CvatMask.fromAttributes({ rle: "1, 2", ...at })),
      /sum up to 3, .* 2 x 2 pixels to 4/
    )
    assert.match(refused(CvatMask.fromAttributes({ rle: "", ...at })), /sum up to 0/)
    assert.match(refused(CvatMask.fromAttributes({ rle: "1, , 3", ...at })), /run 1 is NaN/)
    assert.match(refused(CvatMask.fromAttributes({ rle: "-1, 5", ...at })), /run 0 is -1/)
    assert.match(refused(CvatMask.fromAttributes({ rle: "4", ...at, width: 0 })), /positive integers/)
    assert.match(refused(CvatMask.fromAttributes({ rle: "4", ...at, left: 0.5 })), /begins at 0.5, 0/)
    assert.match(refused(CvatMask.fromPoints([1, 2, 3, 4])), /has 4 numbers/)
    assert.match(refused(CvatMask.fromPixels([1, 1, 1, 0, 0, 1, 1])), /has 3 pixels/)
    // As if the last column and row were not part of the box.
    assert.match(refused(CvatMask.fromPoints([0, 4, 0, 0, 2, 2])), /sum up to 4, .* 3 x 3 pixels to 9/)
    const own = Result.getOrThrow(CvatMask.fromPoints([0, 4, 2, 2, 3, 3]))
    assert.match(
      refused(CvatMask.toMask(own, { width: 3, height: 4 })),
      /columns 2 to 3 .* reaches beyond .* 3 x 4/
    )
    assert.match(refused(CvatMask.toMask(own, { width: 4, height: 3 })), /rows 2 to 3, reaches beyond/)
  })
})
