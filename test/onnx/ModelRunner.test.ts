/** Whose turn it is in the worker that runs the model, and what is made of failures that say little. */
import { assert, describe, it } from "@effect/vitest"
import * as BackgroundWorker from "../../src/BackgroundWorker.ts"
import * as ModelRunner from "../../src/onnx/web/ModelRunner.ts"
import type { Output } from "../../src/onnx/session/Output.ts"
import type { FromModel, ToModel } from "../../src/onnx/web/Wire.ts"

const settled = () => new Promise((resolve) => setImmediate(resolve))

const output = { dims: [], kind: "float32", data: [] }

/** The model at the end of a port, which does as `does` says; what it runs and what is heard of it, each in order. */
const served = (does: (number: number, ask: (asked: ToModel) => void) => Promise<Output>) => {
  const { port1, port2 } = new MessageChannel()
  const runs: Array<number> = []
  const heard: Array<string> = []
  const ask = BackgroundWorker.over<FromModel>(port2, (told) =>
    heard.push(told.type === "failed" ? `failed: ${told.detail}` : told.type)
  )
  ModelRunner.answering(port1, ({ number }) => {
    runs.push(number)
    return does(number, ask)
  })
  for (const number of [0, 1, 2]) ask({ type: "run", number, data: new Float32Array(), width: 0, height: 0 })
  return async (all: number) => {
    while (runs.length + heard.length < all) await settled()
    for (let turn = 0; turn < 5; turn++) await settled()
    port1.close()
    return { runs, heard }
  }
}

describe("the worker that runs the model", () => {
  it("goes on by itself with what came ahead: one at a time, and in its order", async () => {
    let running = 0
    const ended = served(async () => {
      assert.strictEqual(++running, 1)
      // As a GPU does it, beside which messages are taken.
      for (let turn = 0; turn < 3; turn++) await settled()
      running--
      return output
    })
    const { heard, runs } = await ended(9)
    assert.deepStrictEqual(runs, [0, 1, 2])
    assert.deepStrictEqual(heard, ["begun", "output", "begun", "output", "begun", "output"])
  })

  it("never begins with what is cancelled while a run holds its thread up, and goes on after a failure", async () => {
    const ended = served(async (number, ask) => {
      // Too late for the one that it is at.
      for (const cancelled of number === 0 ? [0, 1, 7] : []) ask({ type: "cancel", number: cancelled })
      if (number === 0) throw new Error("it fails")
      return output
    })
    const { heard, runs } = await ended(7)
    assert.deepStrictEqual(runs, [0, 2])
    assert.deepStrictEqual(heard, [
      "begun",
      "failed: it fails",
      "failed: nobody waits for it any more",
      "begun",
      "output"
    ])
  })

  it("begins with nothing more where a run has no end: its runtime broke down", async () => {
    const ended = served(() => new Promise(() => {}))
    assert.deepStrictEqual(await ended(2), { runs: [0], heard: ["begun"] })
  })
})

describe("a failure of the runtime in WebAssembly", () => {
  it("ends the session where its memory or its state is gone, and says what that is", () => {
    for (const cause of [
      1991937888,
      new RangeError("offset is out of bounds"),
      new Error("std::bad_alloc")
    ]) {
      assert.match(ModelRunner.brokenBy(cause) ?? "", /more memory than WebAssembly can have/)
    }
    assert.match(ModelRunner.brokenBy(1991937888) ?? "", /^error 1991937888: /)
    assert.match(ModelRunner.brokenBy(new WebAssembly.RuntimeError("unreachable")) ?? "", /unreachable/)
    assert.match(ModelRunner.brokenBy(new Error("Aborted(). Build with -sASSERTIONS")) ?? "", /^Aborted/)
  })

  it("is the picture's alone otherwise", () => {
    assert.isUndefined(ModelRunner.brokenBy(new Error("every logit is NaN")))
  })

  it("names the runtime's files where those were not found, and the model where it is none", () => {
    const page = new Error(
      "no available backend found. ERR: [wasm] CompileError: expected magic word 00 61 73 6d, found 3c 21 44 4f @+0"
    )
    assert.match(ModelRunner.notLoaded("it", page), /files of ONNX Runtime cannot be loaded.*`assets`/)
    assert.strictEqual(ModelRunner.notLoaded("it", 42), "ONNX Runtime does not load it: error 42")
  })
})
