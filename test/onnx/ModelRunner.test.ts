/** What is made of failures that say little. */
import { assert, describe, it } from "@effect/vitest"
import * as ModelRunner from "../../src/onnx/web/ModelRunner.ts"

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
