import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { ClassTable, LabelMap, MaskNotDecodable } from "effect-segformer/mask"
import { fromDigits } from "./support.ts"

const failureOf = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")

describe("LabelMap", () => {
  it("checks its sizes against its data", () => {
    const data = new Uint8Array(6)
    assert.isTrue(Result.isSuccess(LabelMap.make({ width: 3, height: 2, data })))
    assert.match(
      failureOf(LabelMap.make({ width: 4, height: 2, data })),
      /4 x 2 pixels need 8 ids, but there are 6/
    )
    for (const [width, height] of [
      [0, 2],
      [-3, -2],
      [1.5, 4],
      [Number.NaN, 1]
    ] as const) {
      assert.match(failureOf(LabelMap.make({ width, height, data })), /positive integers/)
    }
    assert.throws(() => LabelMap.makeUnsafe({ width: 1, height: 1, data }), MaskNotDecodable)
  })

  it("takes the narrowest storage that holds an id", () => {
    assert.instanceOf(LabelMap.allocate(255, 1), Uint8Array)
    assert.instanceOf(LabelMap.allocate(256, 1), Uint16Array)
    assert.instanceOf(LabelMap.allocate(65_535, 1), Uint16Array)
    assert.instanceOf(LabelMap.allocate(65_536, 1), Uint32Array)
    assert.deepStrictEqual(LabelMap.filled(2, 1, 300).data, Uint16Array.of(300, 300))
  })

  it("has no id outside", () => {
    const map = fromDigits(["01", "23"])
    assert.deepStrictEqual(
      [LabelMap.at(map, 1, 1), LabelMap.at(map, 2, 0), LabelMap.at(map, 0, -1)],
      [3, undefined, undefined]
    )
  })

  it("is equal by its ids, whatever their storage", () => {
    const map = fromDigits(["01"])
    assert.isTrue(LabelMap.equals(map, { ...map, data: Uint32Array.of(0, 1) }))
    assert.isFalse(LabelMap.equals(map, fromDigits(["02"])))
    assert.isFalse(LabelMap.equals(map, fromDigits(["0", "1"])))
  })

  it("keeps the ignore index through every operation", () => {
    const map = { ...fromDigits(["01", "29"]), ignoreIndex: 9 }
    const box = { x: 0, y: 0, width: 1, height: 1 }
    const results = [
      LabelMap.crop(map, box),
      LabelMap.flipX(map),
      LabelMap.flipY(map),
      LabelMap.rotate(map, 90),
      LabelMap.remap(map, new Map([[0, 1]])),
      LabelMap.resize(map, 3, 3)
    ]
    for (const result of results) assert.strictEqual(result?.ignoreIndex, 9)
  })
})

describe("ClassTable", () => {
  it("keeps the first of two classes with one id, in ascending order", () => {
    const table = ClassTable.make([
      { id: 5, name: "five" },
      { id: 2, name: "two" },
      { id: 5, name: "other" }
    ])
    assert.deepStrictEqual(
      table.map(({ id, name }) => [id, name]),
      [
        [2, "two"],
        [5, "five"]
      ]
    )
  })

  it("reads id2label with holes, and leaves out keys that are no ids", () => {
    const table = ClassTable.fromId2Label({ "10": "ten", "2": "two", "-1": "none", x: "y" })
    assert.deepStrictEqual(table, [
      { id: 2, name: "two" },
      { id: 10, name: "ten" }
    ])
    assert.strictEqual(ClassTable.nameOf(table, 10), "ten")
    assert.strictEqual(ClassTable.nameOf(table, 3), "class 3")
    assert.strictEqual(ClassTable.byName(table, "two")?.id, 2)
    assert.isUndefined(ClassTable.get(table, 0))
  })
})

describe("MaskNotDecodable", () => {
  it("says which mask, of which service, and that trying again is of no use", () => {
    const error = new MaskNotDecodable({ mask: "mask 2 of 5", detail: "it is empty", service: "inspection" })
    assert.strictEqual(
      error.message,
      'Cannot decode the mask "mask 2 of 5" in the answer of inspection: it is empty'
    )
    assert.isFalse(error.isRetryable)
    assert.strictEqual(
      new MaskNotDecodable({ mask: "m", detail: "d" }).message,
      'Cannot decode the mask "m": d'
    )
  })
})
