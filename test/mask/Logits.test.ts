import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { Logits } from "effect-segformer/mask"
import * as LogitRows from "../../src/mask/LogitRows.ts"
import { random } from "./support.ts"

const LARGEST = 3.4028234663852886e38

/** The value of one class at one pixel, written down as the documentation does. */
const valueAt = (
  logits: Logits.Logits,
  k: number,
  x: number,
  y: number,
  width: number,
  height: number
): number => {
  const place = (i: number, size: number, target: number) => {
    const at = Math.min(size - 1, Math.max(0, (i + 0.5) * (size / target) - 0.5))
    const low = Math.floor(at)
    return { low, high: Math.min(low + 1, size - 1), weight: at - low }
  }
  const value = (column: number, row: number) => {
    const raw = logits.data[(k * logits.height + row) * logits.width + column]!
    return Number.isNaN(raw) ? -LARGEST : Math.min(LARGEST, Math.max(-LARGEST, raw))
  }
  const h = place(x, logits.width, width)
  const v = place(y, logits.height, height)
  const left = (1 - v.weight) * value(h.low, v.low) + v.weight * value(h.low, v.high)
  const right = (1 - v.weight) * value(h.high, v.low) + v.weight * value(h.high, v.high)
  return (1 - h.weight) * left + h.weight * right
}

const plainLabels = (logits: Logits.Logits, width: number, height: number): Array<number> =>
  Array.from({ length: width * height }, (_, i) => {
    let best = 0
    let bestValue = -Infinity
    for (let k = 0; k < logits.classes; k++) {
      const value = valueAt(logits, k, i % width, Math.floor(i / width), width, height)
      if (value > bestValue) {
        best = k
        bestValue = value
      }
    }
    return best
  })

const plainConfidences = (logits: Logits.Logits, width: number, height: number): Array<number> =>
  Array.from({ length: width * height }, (_, i) => {
    const values = Array.from({ length: logits.classes }, (_, k) =>
      valueAt(logits, k, i % width, Math.floor(i / width), width, height)
    )
    const best = Math.max(...values)
    return 1 / values.reduce((sum, value) => sum + Math.exp(value - best), 0)
  })

const cases = fc.record({
  classes: fc.integer({ min: 1, max: 9 }),
  height: fc.integer({ min: 1, max: 7 }),
  width: fc.integer({ min: 1, max: 7 }),
  targetHeight: fc.integer({ min: 1, max: 40 }),
  targetWidth: fc.integer({ min: 1, max: 40 }),
  kind: fc.constantFrom("noise", "ties", "smooth", "odd", "thirds", "close", "masked"),
  seed: fc.integer()
})

const odd = [Number.NaN, Infinity, -Infinity, 0, -0, 1e-40, 3e38, -3e38, 1]

const valueOf = (kind: string, i: number, next: () => number): number => {
  const few = Math.floor(next() * 5) - 2
  switch (kind) {
    case "noise":
      return next() * 20 - 10
    case "ties":
      return Math.floor(next() * 3)
    case "smooth":
      return Math.sin(i * 0.3 + next() * 0.2) * 5
    // Values between them are the same but for rounding.
    case "thirds":
      return few / 3
    // Neighbours among 32-bit numbers.
    case "close":
      return 77 + few * 77 * 6e-8
    case "masked":
      return next() < 0.3 ? -Infinity : few
    default:
      return odd[Math.floor(next() * odd.length)]!
  }
}

const logitsOf = (c: { classes: number; height: number; width: number; kind: string; seed: number }) => {
  const next = random(c.seed)
  const data = new Float32Array(c.classes * c.height * c.width)
  for (let i = 0; i < data.length; i++) {
    data[i] = valueOf(c.kind, i, next)
  }
  return { data, classes: c.classes, height: c.height, width: c.width }
}

describe("Logits", () => {
  it("gives the labels of the plain definition at any size, with ties, NaN and infinities", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const logits = logitsOf(c)
        const map = Logits.toLabelMap(logits, c.targetWidth, c.targetHeight)
        assert.deepStrictEqual(Array.from(map.data), plainLabels(logits, c.targetWidth, c.targetHeight))
      }),
      {
        numRuns: 400,
        // A pixel of this is of the lower of two classes only by how sums are rounded.
        examples: [
          [{ classes: 4, height: 3, width: 3, targetHeight: 20, targetWidth: 20, kind: "thirds", seed: 46 }]
        ]
      }
    )
  })

  it("gives the labels and probabilities of PyTorch", () => {
    const fixture = JSON.parse(readFileSync(new URL("fixtures/interpolate.json", import.meta.url), "utf8"))
    const bytes = Uint8Array.from(Buffer.from(fixture.logits, "base64"))
    const logits = { ...fixture, data: new Float32Array(bytes.buffer) }
    for (const { confidence, height, labels, width } of fixture.results) {
      assert.strictEqual(Array.from(Logits.toLabelMap(logits, width, height).data, String).join(""), labels)
      const ours = Logits.toConfidenceMap(logits, width, height).data
      for (const [i, value] of confidence.entries()) assert.closeTo(ours[i]!, value, 2e-6)
    }
  })

  it("gives the labels of the plain definition with 150 classes, enlarged so far that one class goes on for many pixels", () => {
    const logits = logitsOf({ classes: 150, height: 5, width: 6, kind: "noise", seed: 3 })
    assert.deepStrictEqual(Array.from(Logits.toLabelMap(logits, 97, 75).data), plainLabels(logits, 97, 75))
  })

  it("gives the same labels in bands as at once", () => {
    fc.assert(
      fc.property(cases, fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 4 }), (c, cuts) => {
        const logits = logitsOf(c)
        const whole = Logits.toLabelMap(logits, c.targetWidth, c.targetHeight)
        const out = new Uint8Array(c.targetWidth * c.targetHeight).fill(99)
        const edges = [
          0,
          ...cuts.map((y) => Math.min(y, c.targetHeight)).sort((a, b) => a - b),
          c.targetHeight
        ]
        for (let i = 1; i < edges.length; i++) {
          Logits.rows(logits, c.targetWidth, c.targetHeight, edges[i - 1]!, edges[i]!, out)
        }
        assert.deepStrictEqual(out, whole.data)
      })
    )
  })

  it("takes the lower id of a tie", () => {
    const logits = { data: Float32Array.of(1, 1, 1, 1), classes: 2, height: 1, width: 2 }
    assert.deepStrictEqual(Logits.toLabelMap(logits, 3, 1).data, Uint8Array.of(0, 0, 0))
  })

  it("stores ids in 16 bits when there are more than 256 classes", () => {
    const data = new Float32Array(300)
    data[299] = 1
    const map = Logits.toLabelMap({ data, classes: 300, height: 1, width: 1 }, 2, 1)
    assert.deepStrictEqual(map.data, Uint16Array.of(299, 299))
  })

  it("counts NaN as the lowest value, and refuses logits that are NaN throughout", () => {
    const data = Float32Array.of(Number.NaN, -5)
    assert.deepStrictEqual(
      Logits.toLabelMap({ data, classes: 2, height: 1, width: 1 }, 1, 1).data,
      Uint8Array.of(1)
    )
    const nothing = new Float32Array(2).fill(Number.NaN)
    const made = Logits.make({ data: nothing, classes: 2, height: 1, width: 1 })
    assert.isTrue(Result.isFailure(made) && /every value is NaN/.test(made.failure.message))
    assert.isTrue(Result.isSuccess(Logits.make({ data, classes: 2, height: 1, width: 1 })))
  })

  it("refuses sizes that do not match the data", () => {
    const wrong = Logits.make({ data: new Float32Array(5), classes: 2, height: 1, width: 2 })
    assert.isTrue(Result.isFailure(wrong) && /needs 4 values, but there are 5/.test(wrong.failure.message))
    assert.isTrue(
      Result.isFailure(Logits.make({ data: new Float32Array(0), classes: 0, height: 1, width: 2 }))
    )
  })

  it("gives the softmax probability of the winner to within 1e-6", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const logits = logitsOf({ ...c, kind: c.kind === "odd" ? "noise" : c.kind })
        const map = Logits.toConfidenceMap(logits, c.targetWidth, c.targetHeight)
        const plain = plainConfidences(logits, c.targetWidth, c.targetHeight)
        for (let i = 0; i < plain.length; i++) assert.closeTo(map.data[i]!, plain[i]!, 1e-6)
      })
    )
  })

  it("scores each class by its mean probability where it wins, 0 where it never does", () => {
    const logits = { data: Float32Array.of(3, 0, 0, 0, 2, 2, 0, 0, 1), classes: 3, height: 1, width: 3 }
    const p = (a: number, b: number, c: number) => Math.exp(a) / (Math.exp(a) + Math.exp(b) + Math.exp(c))
    const scores = Logits.scores(logits)
    assert.closeTo(scores[0]!, p(3, 0, 0), 1e-9)
    assert.closeTo(scores[1]!, (p(2, 0, 0) + p(2, 0, 1)) / 2, 1e-9)
    assert.strictEqual(scores[2], 0)
  })

  it("sums up on the way to labels what scores are made of, at whatever size and of whatever part", () => {
    const next = random(11)
    const data = Float32Array.from({ length: 3 * 5 * 7 }, () => next() * 8)
    const logits = { data, classes: 3, height: 5, width: 7 }
    const alone = Logits.scores(logits)
    for (const [width, height, part] of [
      [21, 15, undefined],
      [7, 5, undefined],
      [3, 2, undefined],
      [21, 15, { left: 1, top: 1, width: 3, height: 2 }],
      [21, 15, { left: -4, top: -4, width: 20, height: 20 }]
    ] as const) {
      const plain = new Uint8Array(width * height)
      const out = new Uint8Array(width * height)
      const summed = LogitRows.sums(logits)
      Logits.rows(logits, width, height, 0, height, plain, part)
      LogitRows.decide(logits, width, height, 0, height, out, part, summed)
      assert.deepStrictEqual(out, plain)
      assert.deepStrictEqual(summed.scores(), alone)
    }
  })
})
