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

  it("of a model that ends with its softmax is as sure as that says, and no softmax of it", () => {
    const logits = Float32Array.of(0, 3, -4, 3, 3, 0, 3, 0, 1, 1, 1, 1)
    const of = (data: Float32Array) =>
      read({ kind: "float32", data, dims: [1, 3, 2, 2] }, { ...picture, uncertainty: true })
    const softmax = logits.map((value, i) => {
      const at = i % 4
      return Math.exp(value) / [0, 4, 8].reduce((sum, k) => sum + Math.exp(logits[k + at]!), 0)
    })
    const [before, after] = [of(logits), of(softmax)]
    assert.deepStrictEqual(after.labels, before.labels)
    before.confidence?.forEach((value, i) => assert.closeTo(after.confidence![i]!, value, 1e-5))
    for (const [i, [id, score]] of before.scores.entries()) {
      assert.strictEqual(after.scores[i]?.[0], id)
      assert.closeTo(after.scores[i]![1], score, 1e-5)
    }
    assert.closeTo(after.uncertainty!.entropy, before.uncertainty!.entropy, 1e-5)
    // Of one that is certain, there is no doubt.
    const certain = of(Float32Array.of(1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1))
    for (const value of certain.confidence ?? []) assert.closeTo(value, 1, 1e-6)
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

  it("has an id of no class for what the model has not seen", () => {
    const output = { kind: "int64", data: BigInt64Array.of(3n, 4n), dims: [1, 1, 2] }
    // The left half of the picture was cropped away.
    const given = { width: 2, height: 1, place: { left: -2, top: 0, width: 4, height: 1 } }
    const wide = { width: 4, height: 1, confidence: false }
    const { labels } = read(output, wide, { classes: 256 }, given)
    assert.deepStrictEqual([...labels.data, labels.ignoreIndex], [256, 256, 3, 4, 256])
    for (const classes of [0, 19]) {
      const { labels } = read(output, wide, { classes }, given)
      assert.deepStrictEqual([...labels.data, labels.ignoreIndex], [255, 255, 3, 4, 255])
    }
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
