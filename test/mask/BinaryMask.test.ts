import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { BinaryMask, ConfidenceMap, LabelMap, Masks } from "effect-segformer/mask"
import { binaryMasks, fromDigits, labelMaps, maskPairs, random, toDigits } from "./support.ts"

describe("BinaryMask", () => {
  it("combines pixel by pixel", () => {
    fc.assert(
      fc.property(maskPairs(), ([a, b]) => {
        const pairs: ReadonlyArray<readonly [BinaryMask.BinaryMask, (p: boolean, q: boolean) => boolean]> = [
          [BinaryMask.and(a, b), (p, q) => p && q],
          [BinaryMask.or(a, b), (p, q) => p || q],
          [BinaryMask.xor(a, b), (p, q) => p !== q],
          [BinaryMask.without(a, b), (p, q) => p && !q],
          [BinaryMask.not(a), (p) => !p]
        ]
        for (const [mask, rule] of pairs) {
          mask.data.forEach((v, i) => assert.strictEqual(v === 1, rule(a.data[i] === 1, b.data[i] === 1)))
        }
        const both = BinaryMask.area(BinaryMask.and(a, b))
        const either = BinaryMask.area(BinaryMask.or(a, b))
        assert.strictEqual(BinaryMask.iou(a, b), either === 0 ? 1 : both / either)
      })
    )
  })

  it("finds the smallest box", () => {
    fc.assert(
      fc.property(binaryMasks(), (mask) => {
        const xs: Array<number> = []
        const ys: Array<number> = []
        mask.data.forEach((v, i) => {
          if (v === 1) {
            xs.push(i % mask.width)
            ys.push(Math.floor(i / mask.width))
          }
        })
        const x = Math.min(...xs)
        const y = Math.min(...ys)
        const expected =
          xs.length === 0
            ? undefined
            : { x, y, width: Math.max(...xs) + 1 - x, height: Math.max(...ys) + 1 - y }
        assert.deepStrictEqual(BinaryMask.box(mask), expected)
      })
    )
  })

  it("is the pixels of one class, and goes back", () => {
    fc.assert(
      fc.property(labelMaps({ classes: 2 }), (map) => {
        assert.isTrue(LabelMap.equals(BinaryMask.toLabelMap(BinaryMask.fromLabelMap(map, 1)), map))
        assert.isTrue(LabelMap.equals(BinaryMask.toLabelMap(BinaryMask.fromLabelMap(map, 0), 0, 1), map))
      })
    )
  })

  it("refuses bytes other than 0 and 1, and sizes that do not match", () => {
    const made = BinaryMask.make({ width: 2, height: 1, data: Uint8Array.of(0, 255) })
    assert.isTrue(Result.isFailure(made) && /byte 1 is 255/.test(made.failure.message))
    assert.isTrue(Result.isFailure(BinaryMask.make({ width: 2, height: 2, data: new Uint8Array(3) })))
    assert.isTrue(Result.isFailure(BinaryMask.make({ width: 0, height: 2, data: new Uint8Array(0) })))
    assert.isTrue(Result.isSuccess(BinaryMask.make(BinaryMask.empty(2, 2))))
  })

  it("knows nothing outside the image", () => {
    const mask = BinaryMask.fromRows(["#"])
    assert.isTrue(BinaryMask.has(mask, 0, 0))
    assert.isFalse(BinaryMask.has(mask, -1, 0) || BinaryMask.has(mask, 1, 0) || BinaryMask.has(mask, 0, 1))
  })
})

describe("Masks", () => {
  it("lets the higher score win, then the earlier mask, and fills gaps with the ignore index", () => {
    fc.assert(
      fc.property(
        labelMaps({ classes: 16 }),
        fc.array(fc.constantFrom(undefined, 0.2, 0.5, 1), { minLength: 4, maxLength: 4 }),
        (map, scores) => {
          const masks = scores.map((score, k) => ({
            classId: 10 + k,
            score,
            mask: { ...map, data: Uint8Array.from(map.data, (id) => (id >> k) & 1) }
          }))
          const merged = Result.getOrThrow(Masks.toLabelMap(masks))
          map.data.forEach((_, i) => {
            let best = 255
            let bestScore = -1
            for (const { classId, mask, score } of masks) {
              if (mask.data[i] === 1 && (score ?? 1) > bestScore) {
                best = classId
                bestScore = score ?? 1
              }
            }
            assert.strictEqual(merged.data[i], best)
          })
          assert.strictEqual(merged.ignoreIndex, 255)
        }
      )
    )
  })

  it("gives gaps an id on request, and another ignore index where 255 is a class", () => {
    const mask = BinaryMask.fromRows([".#"])
    assert.deepStrictEqual(
      Result.getOrThrow(Masks.toLabelMap([{ classId: 4, mask }], { gap: 0 })).data,
      Uint8Array.of(0, 4)
    )
    const taken = Result.getOrThrow(Masks.toLabelMap([{ classId: 255, mask }]))
    assert.deepStrictEqual([taken.data, taken.ignoreIndex], [Uint16Array.of(256, 255), 256])
  })

  it("refuses no masks and masks of different sizes", () => {
    assert.isTrue(Result.isFailure(Masks.toLabelMap([])))
    const odd = Masks.toLabelMap([
      { classId: 1, mask: BinaryMask.empty(2, 2) },
      { classId: 7, mask: BinaryMask.empty(2, 3) }
    ])
    assert.isTrue(Result.isFailure(odd) && /mask 2 of 2: class 7.*2 x 3/.test(odd.failure.message))
  })
})

describe("ConfidenceMap", () => {
  it("means by class, without the ignored id", () => {
    const next = random(1)
    const labels = { ...fromDigits(["00112", "21100"]), ignoreIndex: 2 }
    const data = Float32Array.from({ length: 10 }, next)
    const means = ConfidenceMap.meanByClass({ width: 5, height: 2, data }, labels)
    assert.deepStrictEqual([...means.keys()], [0, 1])
    for (const [id, mean] of means) {
      const own = [...data].filter((_, i) => labels.data[i] === id)
      assert.closeTo(mean, own.reduce((a, b) => a + b) / own.length, 1e-12)
    }
  })

  it("is moved, cropped and resized as a label map is", () => {
    const box = fc.record({
      x: fc.integer({ min: -4, max: 8 }),
      y: fc.integer({ min: -4, max: 8 }),
      width: fc.integer({ min: 1, max: 9 }),
      height: fc.integer({ min: 1, max: 9 })
    })
    fc.assert(
      fc.property(labelMaps(), box, (map, box) => {
        const data = Float32Array.from(map.data)
        const confidence = { width: map.width, height: map.height, data }
        const mask = BinaryMask.fromLabelMap(map, 1)
        const pairs = [
          [LabelMap.crop(map, box), ConfidenceMap.crop(confidence, box), BinaryMask.crop(mask, box)],
          [
            LabelMap.resize(map, box.width, box.height),
            ConfidenceMap.resize(confidence, box.width, box.height),
            BinaryMask.resize(mask, box.width, box.height)
          ],
          [LabelMap.flipX(map), ConfidenceMap.flipX(confidence), BinaryMask.flipX(mask)],
          [LabelMap.flipY(map), ConfidenceMap.flipY(confidence), BinaryMask.flipY(mask)],
          [LabelMap.rotate(map, 90), ConfidenceMap.rotate(confidence, 90), BinaryMask.rotate(mask, 90)],
          [LabelMap.rotate(map, 180), ConfidenceMap.rotate(confidence, 180), BinaryMask.rotate(mask, 180)]
        ] as const
        for (const [labels, values, inside] of pairs) {
          if (labels === undefined) {
            assert.deepStrictEqual([values, inside], [undefined, undefined])
            continue
          }
          const { height, width } = labels
          assert.deepStrictEqual(values, { width, height, data: Float32Array.from(labels.data) })
          assert.deepStrictEqual(inside, BinaryMask.fromLabelMap(labels, 1))
        }
      })
    )
  })

  it("refuses sizes that do not match", () => {
    assert.isTrue(Result.isFailure(ConfidenceMap.make({ width: 2, height: 2, data: new Float32Array(3) })))
    assert.isTrue(Result.isSuccess(ConfidenceMap.make({ width: 2, height: 2, data: new Float32Array(4) })))
  })
})

describe("test drawings", () => {
  it("are read as they are written", () => {
    assert.deepStrictEqual(toDigits(fromDigits(["012", "345"])), ["012", "345"])
  })
})
