import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parse } from "../../src/service/JsonBytes.ts"
import { codePoint } from "../support/CodePoints.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Strings short and long, with what could be mistaken for an end, an escape or a placeholder. */
const text = fc.oneof(
  fc.string({ unit: codePoint, maxLength: 20 }),
  fc
    .tuple(
      fc.constantFrom("A", "é", "\\", '"', '\\"', "\n", "/", "\u{1f600}", ":"),
      fc.integer({ min: 1, max: 12_000 })
    )
    .map(([unit, times]) => `${unit}${"A".repeat(times)}${unit.repeat(5000)}`)
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constant("__proto__")), tie("value"), { maxKeys: 4 })
  )
}))

describe("JSON from bytes", () => {
  it("is what JSON.parse makes of the text, whatever its strings hold", () => {
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), fc.nat(40), (sent, space, padding) => {
        const json = JSON.stringify(sent, null, space)
        // Not at the start of its buffer, as bytes from a socket are not.
        const bytes = bytesOf(" ".repeat(padding) + json).subarray(padding)
        assert.deepStrictEqual(parse(bytes), JSON.parse(json))
      }),
      { numRuns: 300 }
    )
  })

  it("fails as JSON.parse does on what is cut off or broken anywhere", () => {
    const json = JSON.stringify({ a: "x".repeat(20_000), b: ['y\\"'.repeat(4000), 1], c: "z".repeat(9000) })
    fc.assert(
      fc.property(fc.nat(json.length - 1), fc.constantFrom("", '"', "}", "\\"), (at, instead) => {
        const broken = json.slice(0, at) + instead
        const outcome = (run: () => unknown) => {
          try {
            return { value: run() }
          } catch (cause) {
            return { failure: String(cause) }
          }
        }
        assert.deepStrictEqual(
          outcome(() => parse(bytesOf(broken))),
          outcome(() => JSON.parse(broken))
        )
      }),
      { numRuns: 300 }
    )
  })

  it("keeps a name with a proto in it a name", () => {
    const parsed = parse(bytesOf(`{"__proto__":"${"p".repeat(20_000)}"}`))
    assert.strictEqual(Object.getPrototypeOf(parsed), Object.prototype)
    assert.deepStrictEqual(Object.keys(parsed as object), ["__proto__"])
  })

  it("takes a mark of byte order, bytes that are no UTF-8, and nesting deeper than the stack of a walk", () => {
    const long = "x".repeat(20_000)
    assert.deepStrictEqual(parse(bytesOf(`\u{feff}["${long}"]`)), [long])
    const broken = bytesOf(`["a${long}"]`)
    broken[2] = 0xc3
    assert.deepStrictEqual(parse(broken), [`\u{fffd}${long}`])
    const depth = 5000
    let inner = parse(bytesOf(`${"[".repeat(depth)}"${long}"${"]".repeat(depth)}`))
    for (let level = 0; level < depth && Array.isArray(inner); level++) inner = inner[0]
    assert.strictEqual(inner, long)
  })
})
