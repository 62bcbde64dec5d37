import { assert, describe, it } from "@effect/vitest"
import { Variable } from "effect-segformer/policy"

describe("a size", () => {
  it.each([
    ["1048576", 1048576],
    ["512k", 512 * 1024],
    ["512 kB", 512 * 1024],
    ["512KiB", 512 * 1024],
    ["50M", 50 * 1024 ** 2],
    ["64 MiB", 64 * 1024 ** 2],
    ["2G", 2 * 1024 ** 3],
    ["1.5g", 1.5 * 1024 ** 3],
    ["1T", 1024 ** 4],
    ["7b", 7]
  ])("of %s counts in powers of 1024", (text, bytes) => {
    assert.strictEqual(Variable.parseBytes(text), bytes)
  })

  it.each([
    "",
    "0",
    "0M",
    "-1",
    "M",
    "1.5",
    "12 parsecs",
    "9007199254740993",
    "1e3",
    "0x10",
    "2P",
    "10i",
    "10ib"
  ])("is not %j", (text) => assert.isUndefined(Variable.parseBytes(text)))
})
