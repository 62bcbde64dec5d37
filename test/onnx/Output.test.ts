import { assert, describe, it } from "@effect/vitest"
import { type Output, read } from "../../src/onnx/session/Output.ts"

const picture = { width: 2, height: 2, confidence: true }

const ids = (kind: string, data: Output["data"], dims: ReadonlyArray<number>) =>
  read({ kind, data, dims }, picture)

describe("what a model gives", () => {
  it("is decided where it is logits, with scores and confidence", () => {
    const data = Float32Array.of(0, 3, 0, 3, 3, 0, 3, 0)
    const { confidence, labels, scores } = read({ kind: "float32", data, dims: [1, 2, 2, 2] }, picture)
    assert.deepStrictEqual(labels, { width: 2, height: 2, data: Uint8Array.of(1, 0, 1, 0) })
    const sure = 1 / (1 + Math.exp(-3))
    assert.strictEqual(confidence?.length, 4)
    for (const value of confidence ?? []) assert.closeTo(value, sure, 1e-6)
    assert.deepStrictEqual(
      scores.map(([id]) => id),
      [0, 1]
    )
    for (const [, score] of scores) assert.closeTo(score, sure, 1e-6)
    assert.isUndefined(
      read({ kind: "float32", data, dims: [1, 2, 2, 2] }, { ...picture, confidence: false }).confidence
    )
  })

  it("leaves out the scores of classes that win nowhere", () => {
    const data = Float32Array.of(9, 1, 9, 1, 0, 0)
    const { scores } = read({ kind: "float32", data, dims: [1, 3, 1, 2] }, picture)
    assert.deepStrictEqual(
      scores.map(([id]) => id),
      [0]
    )
  })

  it("is taken as it is where it is class ids of any integer type, and brought to the picture's size", () => {
    const expected = Uint8Array.of(3, 1, 2, 0)
    for (const [kind, data] of [
      ["int64", BigInt64Array.of(3n, 1n, 2n, 0n)],
      ["int32", Int32Array.of(3, 1, 2, 0)],
      ["uint8", expected.slice()]
    ] as const) {
      for (const dims of [
        [1, 2, 2],
        [1, 1, 2, 2]
      ]) {
        const { confidence, labels, scores } = ids(kind, data, dims)
        assert.deepStrictEqual(labels, { width: 2, height: 2, data: expected }, kind)
        assert.deepStrictEqual([confidence, scores], [undefined, []])
      }
    }
    assert.deepStrictEqual(ids("int32", Int32Array.of(7), [1, 1, 1]).labels.data, Uint8Array.of(7, 7, 7, 7))
    assert.deepStrictEqual(
      ids("int64", BigInt64Array.of(70_000n), [1, 1, 1]).labels.data.BYTES_PER_ELEMENT,
      4
    )
  })

  it("is refused where it is neither", () => {
    assert.throws(() => ids("float32", Float32Array.of(1, 2), [1, 2]), /logits/)
    assert.throws(() => ids("float32", Float32Array.of(1, 2), [2, 1, 1, 1]), /\[2, 1, 1, 1\]/)
    assert.throws(() => ids("bfloat16", new Uint16Array(4), [1, 1, 2, 2]), /bfloat16/)
    assert.throws(() => ids("string", ["a", "b"], [1, 1, 2]), /string/)
    assert.throws(() => ids("int32", Int32Array.of(1, -1), [1, 1, 2]), /not negative/)
    assert.throws(() => ids("float32", Float32Array.of(NaN, NaN), [1, 2, 1, 1]), /NaN/)
  })
})
