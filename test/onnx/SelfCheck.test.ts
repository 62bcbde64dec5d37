/** Whether a GPU is taken: runtimes that lie, are slow, fail or say nothing, beside one that is right. */
import { assert, describe, it } from "@effect/vitest"
import type { Graph } from "../../src/onnx/session/Graph.ts"
import type { Output } from "../../src/onnx/session/Output.ts"
import * as SelfCheck from "../../src/onnx/session/SelfCheck.ts"

/** Six classes at a quarter of the size: each prefers another colour. */
const logits = (input: Float32Array, width: number, height: number): Output => {
  const [columns, rows] = [width / 4, height / 4]
  const data = new Float32Array(6 * rows * columns)
  for (let k = 0, at = 0; k < 6; k++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, at++) {
        data[at] = Math.sin(k + 2 * input[(k % 3) * width * height + y * 4 * width + x * 4]!)
      }
  return { data, dims: [1, 6, rows, columns], kind: "float32" }
}

/** A clock that runs move. */
const clock = () => {
  let time = 0
  return { now: () => time, pass: (milliseconds: number) => (time += milliseconds) }
}

interface Told {
  readonly milliseconds: number
  readonly change?: (output: Output) => Output
}

const contest = (reference: Told, candidate: Told | Error | "silent") => {
  const time = clock()
  const released: Array<string> = []
  const graph = (name: string, { change = (output) => output, milliseconds }: Told): Graph => ({
    height: 64,
    width: 64,
    run: async (input, width, height) => {
      time.pass(milliseconds)
      return { ...change(logits(input, width, height)), dispose: () => {} }
    },
    release: async () => void released.push(name)
  })
  const chosen = SelfCheck.choose({
    names: { reference: "WebAssembly", candidate: "WebGPU" },
    reference: async () => graph("wasm", reference),
    candidate: async () => {
      if (candidate instanceof Error) throw candidate
      if (candidate === "silent") return new Promise(() => {})
      return graph("webgpu", candidate)
    },
    patience: { load: candidate === "silent" ? 20 : 60_000, runs: 60_000 },
    now: time.now
  })
  return chosen.then(({ isCandidate, reason }) => ({
    backend: isCandidate ? "webgpu" : "wasm",
    reason,
    released
  }))
}

const mapped = (change: (value: number, at: number) => number) => (output: Output) => {
  const { data } = output
  return data instanceof Float32Array ? { ...output, data: data.map(change) } : output
}

describe("the self-check of WebGPU", () => {
  it("takes one that is right but for rounding, and faster", async () => {
    const rounded = mapped((value) => value + 1e-4 * Math.sin(1000 * value))
    const { backend, reason, released } = await contest(
      { milliseconds: 80 },
      { milliseconds: 20, change: rounded }
    )
    assert.strictEqual(backend, "webgpu")
    assert.strictEqual(reason, "WebGPU: the same labels, 20 ms a picture, where WebAssembly takes 80 ms")
    assert.deepStrictEqual(released, ["wasm"])
  })

  it("leaves one that is slower, or no faster", async () => {
    for (const milliseconds of [1100, 80]) {
      const { backend, reason, released } = await contest({ milliseconds: 80 }, { milliseconds })
      assert.strictEqual(backend, "wasm")
      assert.include(reason, `WebAssembly and not WebGPU: it takes ${milliseconds} ms a picture`)
      assert.deepStrictEqual(released, ["webgpu"])
    }
  })

  const lies: ReadonlyArray<readonly [string, (output: Output) => Output, RegExp]> = [
    ["nothing but zeros", mapped(() => 0), /of its labels are wrong/],
    ["no numbers", mapped(() => Number.NaN), /of its labels are wrong|logits are off/],
    ["one position in fifty wrong", mapped((v, at) => (at % 50 === 0 ? 9 : v)), /labels are wrong/],
    ["numbers of half the size, whose labels are right", mapped((v) => v / 2), /logits are off by/],
    [
      "planes in another order",
      (output) => ({
        ...output,
        data: output.data instanceof Float32Array ? output.data.toReversed() : output.data
      }),
      /labels are wrong/
    ],
    [
      "another shape",
      (output) => ({ ...output, dims: [1, 3, 32, 16] }),
      /it gives float32 of \[1, 3, 32, 16\]/
    ],
    [
      "nothing, but fails",
      () => {
        throw new Error("the device is lost")
      },
      /the device is lost/
    ],
    ["another type", (output) => ({ ...output, kind: "float16" }), /it gives float16/]
  ]
  for (const [name, change, words] of lies) {
    it(`leaves one that gives ${name}`, async () => {
      const { backend, reason, released } = await contest({ milliseconds: 80 }, { milliseconds: 5, change })
      assert.strictEqual(backend, "wasm")
      assert.match(reason, words)
      assert.deepStrictEqual(released, ["webgpu"])
    })
  }

  it("leaves one that is not there, and one that never answers", async () => {
    const none = await contest({ milliseconds: 80 }, new Error("there is none here"))
    assert.deepStrictEqual(none, {
      backend: "wasm",
      reason: "WebAssembly and not WebGPU: there is none here",
      released: []
    })
    const silent = await contest({ milliseconds: 80 }, "silent")
    assert.strictEqual(silent.reason, "WebAssembly and not WebGPU: it did not answer within 0.02 s")
  })

  it("compares class ids as they are", () => {
    const ids: Output = { data: BigInt64Array.of(1n, 2n, 3n), dims: [1, 1, 3], kind: "int64" }
    assert.isUndefined(SelfCheck.difference(ids, ids))
    const wrong = { ...ids, data: BigInt64Array.of(1n, 2n, 4n) }
    assert.match(SelfCheck.difference(ids, wrong) ?? "", /33.3 % of its labels are wrong/)
  })

  it("tries an input whose labels are of several classes", () => {
    const input = SelfCheck.knownInput(64, 64)
    assert.isTrue(input.every((value) => Math.abs(value) <= 2))
    const { data } = logits(input, 64, 64)
    assert.isAbove(new Set(data instanceof Float32Array ? data : []).size, 100)
  })
})
