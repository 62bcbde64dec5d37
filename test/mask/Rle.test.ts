import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { BinaryMask, Rle } from "effect-segformer/mask"
import { binaryMasks, labelMaps, random } from "./support.ts"

/** Column by column, pixel by pixel. */
const plainCounts = (mask: BinaryMask.BinaryMask): Array<number> => {
  const counts: Array<number> = []
  let value = 0
  let run = 0
  for (let x = 0; x < mask.width; x++) {
    for (let y = 0; y < mask.height; y++) {
      const next = mask.data[y * mask.width + x]!
      if (next !== value) {
        counts.push(run)
        run = 0
        value = next
      }
      run++
    }
  }
  return [...counts, run]
}

const failureOf = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")

describe("Rle", () => {
  it("writes what pycocotools writes, and reads it", () => {
    const { large, masks } = JSON.parse(
      readFileSync(new URL("fixtures/pycocotools.json", import.meta.url), "utf8")
    )
    for (const { area, bbox, compressed, counts, rows } of masks) {
      const mask = BinaryMask.fromRows(rows)
      const rle = Rle.fromMask(mask)
      const size = [mask.height, mask.width] as const
      assert.deepStrictEqual(Rle.toCoco(rle, { compressed: false }), { size, counts })
      assert.deepStrictEqual(Rle.toCoco(rle), { size, counts: compressed })
      assert.deepStrictEqual(Result.getOrThrow(Rle.fromCoco({ size, counts: compressed })), rle)
      assert.strictEqual(Rle.area(rle), area)
      const box = Rle.box(rle)
      assert.deepStrictEqual(box === undefined ? [0, 0, 0, 0] : [box.x, box.y, box.width, box.height], bbox)
    }
    const [height, width] = large.size
    const mask = BinaryMask.empty(width, height)
    for (const [x, y] of large.pixels) mask.data[y * width + x] = 1
    assert.strictEqual(Rle.toCoco(Rle.fromMask(mask)).counts, large.compressed)
  })

  it("goes to runs, to text and back without loss", () => {
    fc.assert(
      fc.property(binaryMasks(), fc.boolean(), (mask, compressed) => {
        const rle = Rle.fromMask(mask)
        assert.deepStrictEqual([...rle.counts], plainCounts(mask))
        assert.isTrue(BinaryMask.equals(Rle.toMask(rle), mask))
        assert.deepStrictEqual(Result.getOrThrow(Rle.fromCoco(Rle.toCoco(rle, { compressed }))), rle)
        assert.strictEqual(Rle.area(rle), BinaryMask.area(mask))
        assert.deepStrictEqual(Rle.box(rle), BinaryMask.box(mask))
      }),
      { numRuns: 300 }
    )
  })

  it("finds the runs of all classes at once, in 8 and in 32 bits", () => {
    fc.assert(
      fc.property(labelMaps({ classes: 5 }), fc.boolean(), (map, wide) => {
        const own = wide ? { ...map, data: Uint32Array.from(map.data) } : map
        const all = Rle.fromLabelMap({ ...own, ignoreIndex: 4 })
        assert.deepStrictEqual([...all.keys()], [...new Set(map.data)].filter((id) => id !== 4).sort())
        for (const [id, rle] of all) {
          assert.deepStrictEqual([...rle.counts], plainCounts(BinaryMask.fromLabelMap(map, id)))
        }
      })
    )
  })

  it("finds the runs of a large noisy map", () => {
    const next = random(12)
    const mask = {
      width: 120,
      height: 400,
      data: Uint8Array.from({ length: 48_000 }, () => Math.round(next()))
    }
    assert.deepStrictEqual([...Rle.fromMask(mask).counts], plainCounts(mask))
  })

  it("writes and reads counts of any size, few or many", () => {
    const next = random(5)
    const many = Uint32Array.from({ length: 300_000 }, () => Math.floor(next() * 90))
    for (const counts of [
      many,
      Uint32Array.of(0, 4_000_000_000),
      Uint32Array.of(7, 4_000_000_000, 9, 1),
      Uint32Array.of()
    ]) {
      const total = counts.reduce((sum, count) => sum + count, 0)
      const text = Rle.compress(counts)
      // As the definition has it, a number at a time.
      let plain = ""
      for (const [i, count] of counts.entries()) {
        let value = BigInt(count) - (i > 2 ? BigInt(counts[i - 2]!) : 0n)
        for (let more = true; more;) {
          let code = Number(value & 31n)
          value >>= 5n
          more = (code & 16) === 0 ? value !== 0n : value !== -1n
          if (more) code |= 32
          plain += String.fromCharCode(code + 48)
        }
      }
      assert.strictEqual(text, plain)
      if (total !== many.reduce((sum, count) => sum + count, 0)) continue
      assert.deepStrictEqual(
        Result.getOrThrow(Rle.fromCoco({ size: [1, total], counts: text })).counts,
        counts
      )
    }
  })

  it("refuses counts that are no runs of that size", () => {
    assert.match(failureOf(Rle.fromCoco({ size: [2, 2], counts: [1, 2] })), /sum up to 3/)
    assert.match(failureOf(Rle.fromCoco({ size: [2, 2], counts: [5, -1] })), /run 1 is -1/)
    assert.match(failureOf(Rle.fromCoco({ size: [2, 2], counts: [1.5, 2.5] })), /run 0 is 1.5/)
    assert.match(failureOf(Rle.fromCoco({ size: [0, 2], counts: [] })), /2 x 0/)
    assert.match(failureOf(Rle.fromCoco({ size: [2, 2], counts: "4 " })), /character " " at 1/)
    assert.match(failureOf(Rle.fromCoco({ size: [2, 2], counts: "T" })), /ends within a number/)
    assert.match(failureOf(Rle.fromCoco({ size: [2, 2], counts: "TTTTTTTTT0" })), /too long/)
  })

  it("never throws on arbitrary text", () => {
    fc.assert(
      fc.property(fc.string(), (counts) => {
        assert.isTrue(Result.isFailure(Rle.fromCoco({ size: [1000, 1000], counts })))
      })
    )
  })
})
