import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { LabelRuns } from "effect-segformer/mask"
import * as fc from "fast-check"

const maps = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.constantFrom(8, 16, 32))
  .chain(([width, height, bits]) =>
    fc
      .array(fc.tuple(fc.nat(2 ** bits - 1), fc.integer({ min: 1, max: 300 })), {
        minLength: 1,
        maxLength: 40
      })
      .map((parts) => {
        const data =
          bits === 8
            ? new Uint8Array(width * height)
            : bits === 16
              ? new Uint16Array(width * height)
              : new Uint32Array(width * height)
        let at = 0
        for (let part = 0; at < data.length; part++) {
          const [id, length] = parts[part % parts.length]!
          data.fill(id, at, at + length)
          at += length
        }
        return { width, height, data }
      })
  )

describe("LabelRuns", () => {
  it("gives back every map, in the storage it had", () =>
    fc.assert(
      fc.property(maps, (map) => {
        const bytes = LabelRuns.encode(map)
        const back = Result.getOrThrow(LabelRuns.decode(bytes, { ...map, bits: LabelRuns.bitsOf(map) }))
        assert.deepStrictEqual(back, map)
      })
    ))

  it("a map of one class is some bytes, whatever its size", () => {
    const map = { width: 4000, height: 3000, data: new Uint8Array(12_000_000).fill(7) }
    assert.lengthOf(LabelRuns.encode(map), 5)
  })

  it("refuses what is cut off, too much, too little, and runs without an end or a length", () => {
    const size = { width: 4, height: 1, bits: 8 } as const
    const problem = (...bytes: ReadonlyArray<number>) => {
      const decoded = LabelRuns.decode(Uint8Array.from(bytes), size)
      return Result.isFailure(decoded) ? decoded.failure.detail : "none"
    }
    assert.strictEqual(problem(1, 4), "none")
    assert.include(problem(1), "cut off")
    assert.include(problem(1, 0x84), "cut off")
    assert.include(problem(1, 3), "3 of 4 pixels")
    assert.include(problem(), "0 of 4 pixels")
    assert.include(problem(1, 5), "do not fill")
    assert.include(problem(1, 0), "do not fill")
    assert.include(problem(1, 4, 1, 1), "do not fill")
    assert.include(problem(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0), "longer than any map")
  })
})
