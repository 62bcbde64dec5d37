/** Where a mask begins by its values, and where they leave that open. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { BinaryMask, LabelPng } from "effect-segformer/mask"
import { encode } from "../../src/mask/PngWriting.ts"

const grey = (depth: 1 | 2 | 4 | 8 | 16, values: ReadonlyArray<number>) =>
  encode({ width: values.length, height: 1, channels: 1, depth, data: values })

const rowOf = (png: Uint8Array, options?: LabelPng.MaskOptions) =>
  Result.map(LabelPng.decodeMask(png, options), (mask) => BinaryMask.toRows(mask)[0])

/** A blurred edge: more shades than there are things in a picture. */
const edge = Array.from({ length: 16 }, (_, i) => i * 17)

describe("a mask begins", () => {
  const known: ReadonlyArray<
    readonly [name: string, depth: 1 | 2 | 4 | 8 | 16, values: ReadonlyArray<number>, expected: string]
  > = [
    ["at 1 beside 0", 8, [0, 1], ".#"],
    ["nowhere in 0", 8, [0, 0], ".."],
    ["everywhere in 1", 8, [1, 1], "##"],
    ["everywhere in white", 8, [255, 255], "##"],
    ["at the one other beside 0", 8, [0, 7], ".#"],
    ["at the one other of 16 bits", 16, [0, 300], ".#"],
    ["at white beside 0", 16, [0, 65_535], ".#"],
    ["at half of shades", 8, [0, 64, 127, 128, 255], "...##"],
    ["at half of many shades", 8, edge, "........########"],
    ["nowhere in many dark shades", 8, edge.map((value) => value >> 3), ".".repeat(16)],
    ["at white beside what is nearly black", 8, [1, 255], ".#"],
    ["at white beside shades of an edge", 8, [0, 3, 99, 255], "...#"],
    ["nowhere in a constant shade below half", 8, [40, 40], ".."],
    ["everywhere in a constant shade above half", 8, [200, 200], "##"],
    ["nowhere in a constant shade of 16 bits below half", 16, [300, 300], ".."],
    ["at half of 16 bits", 16, [0, 9000, 40_000], "..#"],
    ["at half of 4 bits", 4, [0, 3, 8, 15], "..##"],
    ["at half of all that 2 bits have", 2, [0, 1, 2, 3], "..##"],
    ["at 1 of 1 bit", 1, [1, 0], "#."]
  ]
  for (const [name, depth, values, expected] of known)
    it(name, () => {
      assert.deepStrictEqual(rowOf(grey(depth, values)), Result.succeed(expected))
    })

  const open: ReadonlyArray<readonly [depth: 2 | 4 | 8 | 16, values: ReadonlyArray<number>, told: string]> = [
    [8, [1, 2], "1, 2"],
    [8, [3, 2, 1], "1, 2, 3"],
    [8, [0, 2, 1], "0, 1, 2"],
    [8, [2, 2], "2"],
    [8, [12, 12], "12"],
    [4, [13, 13], "13"],
    [8, [0, 1, 255], "0, 1, 255"],
    [8, [1, 2, 255], "1, 2, 255"],
    [8, [0, 15, 255], "0, 15, 255"],
    [8, [0, 7, 12, 20], "0, 7, 12, 20"],
    [8, [0, 50, 100], "0, 50, 100"],
    [16, [0, 300, 301], "0, 300, 301"],
    [16, [0, 1, 65_535], "0, 1, 65535"],
    [4, [0, 1, 2], "0, 1, 2"],
    [2, [1, 2], "1, 2"],
    [2, [0, 1, 2], "0, 1, 2"]
  ]
  for (const [depth, values, told] of open)
    it(`nowhere that ${told} of ${depth} bits say`, () => {
      const png = grey(depth, values)
      const read = LabelPng.decodeMask(png)
      assert.isTrue(Result.isFailure(read))
      if (Result.isFailure(read)) {
        assert.include(read.failure.detail, `its values are ${told}, which leave open where the mask begins`)
        assert.include(read.failure.detail, "`threshold`")
      }
      const expected = values.map((value) => (value >= 2 ? "#" : ".")).join("")
      assert.deepStrictEqual(rowOf(png, { threshold: 2 }), Result.succeed(expected))
    })
})
