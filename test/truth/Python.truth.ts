import { assert, describe, it } from "@effect/vitest"
import * as Python from "../support/Python.ts"

describe("the Python environment", () => {
  it("is made once: who asks again is given the same", () => {
    assert.strictEqual(Python.environment("truth").executable, Python.environment("truth").executable)
  })

  it("names the package that could not be had, and says whether the index was reached", () => {
    const none =
      "ERROR: Could not find a version that satisfies the requirement rasterio==9.9.9 (from versions: none)\n" +
      "ERROR: No matching distribution found for rasterio==9.9.9\n"
    assert.match(
      Python.refusal("truth.txt", none),
      /^The Python package rasterio==9\.9\.9 could not be had \(truth\.txt\): ERROR/
    )
    const unreached =
      "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by " +
      "'NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused')': /simple/rasterio/\n"
    assert.match(
      Python.refusal("truth.txt", unreached + none),
      /rasterio==9\.9\.9 could not be had .* index was not reached/
    )
    assert.match(
      Python.refusal("truth.txt", "ERROR: No space left on device"),
      /could not be installed .* No space left/
    )
  })
})
