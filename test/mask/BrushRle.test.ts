import { assert, describe, it } from "@effect/vitest"
import * as thing from "@thi.ng/rle-pack"
import { Result } from "effect"
import * as fc from "fast-check"
import { BrushRle } from "effect-segformer/annotation"
import { BinaryMask } from "effect-segformer/mask"
import { binaryMasks, random } from "./support.ts"

/** As Label Studio's page has a mask: four channels a pixel. */
const channels = (mask: BinaryMask.BinaryMask): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: mask.data.length * 4 }, (_, i) => mask.data[i >> 2]! * 255)

/** What the page would show of run lengths, by the package that it reads them with. */
const shown = (rle: Uint8Array, { height, width }: BinaryMask.BinaryMask): BinaryMask.BinaryMask => {
  const values = thing.decodeBinary(Uint8Array.from(rle))
  assert.strictEqual(values.length, width * height * 4)
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => (values[i * 4 + 3]! > 0 ? 1 : 0))
  }
}

const read = (rle: ArrayLike<number>, size: { readonly width: number; readonly height: number }) =>
  Result.getOrThrow(BrushRle.decode(rle, size))

const refused = (rle: ArrayLike<number>, width: number, height: number): string =>
  Result.match(BrushRle.decode(rle, { width, height }), {
    onSuccess: () => assert.fail("it was read"),
    onFailure: ({ detail }) => detail
  })

/** A mask of one id or scattered ones, of sizes whose runs need one block, several, and exactly full ones. */
const large = (width: number, height: number, share: number): BinaryMask.BinaryMask => {
  const next = random(width * height)
  return { width, height, data: Uint8Array.from({ length: width * height }, () => (next() < share ? 1 : 0)) }
}

describe("BrushRle", () => {
  it("begins as Label Studio's own does", () => {
    const rle = BrushRle.encode(BinaryMask.empty(768, 576))
    assert.deepStrictEqual(Array.from(rle.subarray(0, 7)), [0, 27, 0, 0, 57, 27, 255])
  })

  it("is read by rle-pack to the same four channels, and reads what rle-pack writes", () => {
    fc.assert(
      fc.property(binaryMasks(40), (mask) => {
        const values = channels(mask)
        const own = BrushRle.encode(mask)
        assert.deepStrictEqual(thing.decodeBinary(own), values)
        assert.isTrue(BinaryMask.equals(read(own, mask), mask))
        assert.isTrue(BinaryMask.equals(read(thing.encodeBinary(values, values.length), mask), mask))
      })
    )
  })

  for (const [width, height] of [
    [1, 1],
    [16_384, 1],
    [16_385, 1],
    [1, 16_384],
    [128, 128],
    [128, 256],
    [129, 127],
    [1024, 768]
  ] as const) {
    for (const share of [0, 0.001, 0.5, 1]) {
      it(`keeps ${width} x ${height} pixels, ${share} of them inside`, () => {
        const mask = large(width, height, share)
        const own = BrushRle.encode(mask)
        assert.isTrue(BinaryMask.equals(shown(own, mask), mask))
        assert.isTrue(BinaryMask.equals(read(own, mask), mask))
        const values = channels(mask)
        assert.isTrue(BinaryMask.equals(read(thing.encodeBinary(values, values.length), mask), mask))
      })
    }
  }

  it("takes alpha alone: what a brush painted in a colour, with soft edges", () => {
    const values = Uint8Array.of(255, 0, 0, 0, 9, 9, 9, 1, 0, 0, 0, 200, 7, 7, 7, 255)
    const rle = thing.encodeBinary(values, values.length)
    assert.deepStrictEqual(BinaryMask.toRows(read(rle, { width: 4, height: 1 })), [".###"])
    const half = Result.getOrThrow(BrushRle.decode(rle, { width: 4, height: 1 }, { threshold: 128 }))
    assert.deepStrictEqual(BinaryMask.toRows(half), ["..##"])
  })

  it("reads other sizes of lengths, and a byte of zeros at the end", () => {
    const mask = large(60, 40, 0.2)
    const values = channels(mask)
    for (const sizes of [
      [1, 2, 3, 4],
      [2, 5, 9, 13],
      [16, 16, 16, 16]
    ] as const) {
      const rle = thing.encodeBinary(values, values.length, 8, [...sizes])
      assert.isTrue(BinaryMask.equals(read(rle, mask), mask))
      assert.isTrue(BinaryMask.equals(read([...rle, 0], mask), mask))
    }
  })

  it("says what is wrong with run lengths, and never shows others", () => {
    const mask = large(20, 10, 0.3)
    const rle = BrushRle.encode(mask)
    assert.match(refused(rle, 10, 20 + 1), /800 values, and 10 x 21 pixels of 4 channels are 840/)
    for (const length of [0, 3, 6])
      assert.match(refused(rle.subarray(0, length), 20, 10), /within its header/)
    for (const length of [7, 8, rle.length - 1])
      assert.match(refused(rle.subarray(0, length), 20, 10), /before its 800 values do/)
    assert.match(refused([...rle.subarray(0, 9), 256], 20, 10), /item 9 is 256, and no byte/)
    assert.match(refused([0, 0, 1.5], 20, 10), /item 2 is 1.5, and no byte/)
    const words = thing.encodeBinary(channels(mask), 800, 16)
    assert.match(refused(words, 20, 10), /16 bits, and those of a brush have 8/)
    const long = Uint8Array.of(0, 0, 0, 4, 57, 27, 252 | 3, 255, 255, 255, 255)
    assert.match(refused(long, 1, 1), /longer than its 4 values/)
    assert.match(refused(rle, 0, 10), /positive integers/)
    assert.match(refused([255, 255, 255, 255, 57, 27], 65_536, 16_384), /more than the 536870912/)
  })

  it("reads nothing out of noise but a mask or a reason", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        const bytes = Uint8Array.of(0, 0, 0, 96, 57, 27, ...noise)
        const found = BrushRle.decode(bytes, { width: 6, height: 4 })
        if (Result.isSuccess(found)) {
          const values = thing.decodeBinary(Uint8Array.from(bytes))
          for (const [i, inside] of found.success.data.entries())
            assert.strictEqual(inside, values[i * 4 + 3] === 0 ? 0 : 1)
        }
      })
    )
  })
})
