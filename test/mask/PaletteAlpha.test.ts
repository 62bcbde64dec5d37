/** Masks as indexed pictures whose colours have an alpha: what the same picture in RGBA is. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { encode, type ImageData } from "fast-png"
import { BinaryMask, LabelPng } from "effect-segformer/mask"

const rows = (picture: ImageData) =>
  BinaryMask.toRows(Result.getOrThrow(LabelPng.decodeMask(encode(picture))))

const size = { width: 3, height: 1, depth: 8 as const }
const pixels = [0, 1, 0]

/** Two colours with their alpha, and the mask. What is opaque comes last: the encoder writes no 255 before other alphas. */
const cases: ReadonlyArray<readonly [string, ReadonlyArray<number>, ReadonlyArray<number>, string]> = [
  ["white, of which one is seen", [255, 255, 255, 0], [255, 255, 255, 255], ".#."],
  ["one grey, of which one is seen", [9, 9, 9, 0], [9, 9, 9, 200], ".#."],
  ["black, of which one is seen", [0, 0, 0, 0], [0, 0, 0, 255], ".#."],
  ["a cut-out in colours", [200, 10, 10, 0], [10, 90, 10, 255], ".#."],
  ["black and white, all seen", [0, 0, 0, 255], [255, 255, 255, 255], ".#."],
  ["black that is not seen", [0, 0, 0, 0], [255, 255, 255, 255], ".#."],
  ["white that is half seen", [255, 255, 255, 128], [0, 0, 0, 255], "#.#"]
]

describe("a palette with alpha", () => {
  it.each(cases)("is the mask that it is in RGBA: %s", (_, first, second, inside) => {
    const palette = [[...first], [...second]]
    const colors = Uint8Array.from(pixels.flatMap((index) => palette[index]!))
    assert.deepStrictEqual(rows({ ...size, channels: 4, data: colors }), [inside])
    assert.deepStrictEqual(rows({ ...size, channels: 1, data: Uint8Array.from(pixels), palette }), [inside])
  })
})
