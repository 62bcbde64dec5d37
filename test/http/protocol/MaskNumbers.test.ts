/** Masks in answers that are numbers: nested arrays of ids, runs, logits. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { BinaryMask, Rle } from "effect-segformer/mask"
import { decode, ids, refused } from "./maskAnswers.ts"

describe("masks in answers, as numbers", () => {
  it.effect("reads nested arrays of ids, and names the element that is none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* ids(
          decode([
            [0, 1],
            [2, 70_000]
          ])
        ),
        [0, 1, 2, 70_000]
      )
      assert.deepStrictEqual(
        yield* ids(
          decode({
            mask: [
              [
                [0, 1],
                [2, 3]
              ]
            ]
          })
        ),
        [0, 1, 2, 3]
      )
      assert.deepStrictEqual(
        yield* ids(
          decode({
            segmap: [
              [[0], [1]],
              [[2], [3]]
            ]
          })
        ),
        [0, 1, 2, 3]
      )
      assert.include(yield* refused(decode({ mask: [[0, 1], [2]] })), "`mask.1`: it has 1 elements")
      assert.include(
        yield* refused(
          decode({
            mask: [
              [0, 1],
              [2, -3]
            ]
          })
        ),
        "`mask.1.1`: it is -3, and no class id"
      )
      assert.include(
        yield* refused(
          decode({
            mask: [
              [0, 1],
              [2, 0.5]
            ]
          })
        ),
        "`mask.1.1`: it is 0.5"
      )
      assert.include(yield* refused(decode({ mask: [[0, "1"]] })), '`mask.0.1`: it is "1"')
      assert.include(yield* refused(decode({ mask: [[0, null]] })), "`mask.0.1`: it is null")
      assert.include(
        yield* refused(
          decode({
            mask: [
              [
                [0, 1],
                [1, 1]
              ],
              [
                [0, 1],
                [1, 1]
              ]
            ]
          })
        ),
        "[2, 2, 2]"
      )
      assert.include(yield* refused(decode({ mask: [[]] })), "no nested array")
    })
  )

  it.effect("reads COCO's RLE, compressed and not, alone and in lists", () =>
    Effect.gen(function* () {
      const mask = BinaryMask.fromRows([".##.", "..#."])
      const rle = Rle.fromMask(mask)
      const expected = [0, 1, 1, 0, 0, 0, 1, 0]
      assert.deepStrictEqual(yield* ids(decode({ mask: Rle.toCoco(rle) })), expected)
      assert.deepStrictEqual(yield* ids(decode(Rle.toCoco(rle, { compressed: false }))), expected)
      const listed = [{ category_id: 3, segmentation: Rle.toCoco(rle), score: 0.5 }]
      assert.deepStrictEqual(
        yield* ids(decode({ predictions: listed })),
        expected.map((inside) => (inside === 1 ? 3 : 255))
      )
      // By rows: one outside, two inside, three outside, one inside, one outside.
      for (const order of ["row", "C", "row-major"])
        assert.deepStrictEqual(
          yield* ids(decode({ mask: { size: [2, 4], counts: [1, 2, 3, 1, 1], order } })),
          expected
        )
      assert.deepStrictEqual(
        yield* ids(decode({ ...Rle.toCoco(rle, { compressed: false }), order: "F" })),
        expected
      )
      const short = { size: [2, 4], counts: [1, 2] }
      assert.include(yield* refused(decode({ mask: short })), "`mask`: its runs sum up to 3")
      const huge = { size: [100_000, 100_000], counts: [10_000_000_000] }
      assert.include(yield* refused(decode({ mask: huge })), "more than the 4000000 allowed")
    })
  )

  it.effect("reads logits, with the classes first or last", () =>
    Effect.gen(function* () {
      const first = yield* decode({ logits: [[[1, 2]], [[3, 4]], [[5, 6]]] }, { mask: { channels: "first" } })
      const last = yield* decode(
        {
          out: [
            [
              [1, 3, 5],
              [2, 4, 6]
            ]
          ]
        },
        { mask: { at: "out", as: "logits", channels: "last" } }
      )
      for (const prediction of [first, last]) {
        assert.isTrue(prediction._tag === "Logits")
        if (prediction._tag !== "Logits") return
        const { classes, data, height, width } = prediction.logits
        assert.deepStrictEqual([classes, height, width], [3, 1, 2])
        assert.deepStrictEqual(Array.from(data), [1, 2, 3, 4, 5, 6])
      }
    })
  )

  it.effect("says which option tells where the classes are, where nothing does", () =>
    Effect.gen(function* () {
      const message = yield* refused(decode({ logits: [[[1, 2]], [[3, 4]], [[5, 6]]] }))
      assert.include(message, "`logits`: it has the shape [3, 1, 2], which can be read in more than one way")
      assert.include(message, "`channels`")
    })
  )
})
