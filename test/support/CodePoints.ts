import * as fc from "fast-check"

/** Any code point but halves of pairs, as `unit: "binary"` gives them from a table of all: it takes a second, and memory to the end. */
export const codePoint: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10_ffff - 0x800 })
  .map((number) => String.fromCodePoint(number < 0xd800 ? number : number + 0x800))
