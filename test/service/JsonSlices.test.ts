import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as Steps from "../../src/mask/Steps.ts"
import * as JsonBytes from "../../src/service/JsonBytes.ts"
import * as JsonSlices from "../../src/service/JsonSlices.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Cut as finely as can be, and less finely. */
const fine = fc.record({ piece: fc.constantFrom(1, 2, 7, 40, 10_000), long: fc.constantFrom(1, 6, 10_000) })

const read = (text: string, fineness: JsonSlices.Fineness) =>
  Steps.runSync(JsonSlices.steps(bytesOf(text), fineness))

const outcome = (run: () => unknown) => {
  try {
    return { value: run() }
  } catch (cause) {
    return { failure: cause instanceof SyntaxError }
  }
}

/** What could be mistaken for an end, an escape, a cut or a mark. */
const text = fc.string({
  unit: fc.constantFrom("a", '"', "\\", ",", ":", "[", "]", "{", "}", "é", "\u{1f600}", "\n", " ", "\ud800"),
  maxLength: 30
})
const name = fc.oneof(text, fc.constantFrom("__proto__", "", "1", "0", "a"))
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, true, false, [], {}),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(name, tie("value"), { maxKeys: 5 })
  )
}))

describe("JSON in pieces", () => {
  it("is what JSON.parse makes of the whole, wherever it is cut", () => {
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), fine, (sent, space, fineness) => {
        const json = JSON.stringify(sent, null, space)
        assert.isTrue(isDeepStrictEqual(read(` ${json}\n`, fineness), JSON.parse(json)), json)
        assert.strictEqual(JSON.stringify(read(json, fineness)), JSON.stringify(JSON.parse(json)))
      }),
      { numRuns: 500 }
    )
  })

  it("is refused where JSON.parse refuses the whole, changed anywhere", () => {
    fc.assert(
      fc.property(
        value,
        fc.nat(),
        fc.constantFrom(
          "",
          ",",
          '"',
          "}",
          "]",
          "[",
          "{",
          "\\",
          ":",
          " , ",
          "1",
          "\u{feff}",
          "\n",
          "\t",
          "\0",
          "\u001f"
        ),
        fc.nat(2),
        fine,
        (sent, place, instead, gone, fineness) => {
          const json = JSON.stringify({ a: [sent, 1], b: { c: [2, [3]] } })
          const at = place % json.length
          // Half a letter that is cut off is none in UTF-8.
          const broken = new TextDecoder("utf-8", { ignoreBOM: true }).decode(
            bytesOf(json.slice(0, at) + instead + json.slice(at + gone))
          )
          // A mark of byte order is taken where a text begins.
          const expected = outcome(() => JSON.parse(broken.replace(/^\ufeff/, "")))
          assert.isTrue(
            isDeepStrictEqual(
              outcome(() => read(broken, fineness)),
              expected
            ),
            broken
          )
        }
      ),
      { numRuns: 1500 }
    )
  })

  it("has NaN and long strings side by side, as the whole has them", () => {
    const written = (sent: unknown): string =>
      Array.isArray(sent)
        ? `[${sent.map(written).join()}]`
        : typeof sent === "object" && sent !== null
          ? `{${Object.entries(sent)
              .map(([key, child]) => `${JSON.stringify(key)}:${written(child)}`)
              .join()}}`
          : typeof sent === "number"
            ? String(sent)
            : JSON.stringify(sent)
    const said = fc.oneof(text, fc.constantFrom("NaN", "0123456789abcdef:0", "0123456789abcdef:NaN"))
    const words = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, null)
    const { any } = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        said,
        words,
        fc.array(tie("any"), { maxLength: 6 }),
        fc.dictionary(name, tie("any"), { maxKeys: 5, noNullPrototype: true })
      )
    }))
    fc.assert(
      fc.property(any, said, words, fine, (sent, string, word, fineness) => {
        const whole = { string, word, sent, end: [word, string] }
        const json = written(whole)
        assert.isTrue(isDeepStrictEqual(JsonBytes.parse(bytesOf(json)), whole), json)
        assert.isTrue(isDeepStrictEqual(read(json, fineness), whole), json)
      }),
      { numRuns: 500 }
    )
  })

  it.each(["NaN", "Infinity", "-Infinity", "nan"])("%s beside a long string leaves it as it is", (word) => {
    const mask = "A".repeat(10_000)
    const rest = `"n":[${"1,".repeat(70_000)}1]`
    for (const json of [
      `{"mask":"${mask}","score":${word},${rest}}`,
      `{"score":${word},"mask":"${mask}",${rest}}`,
      `{${rest},"score":[${word}],"mask":"${mask}"}`
    ])
      assert.deepInclude(read(json, {}), { mask })
  })

  it("refuses a control character in a long string, and a bare word as a name, as of small answers", () => {
    for (const said of ["\n", "\t", "\0", "\u001f", "\\u00e9\n"])
      for (const length of [1, 10_000, 100_000]) {
        const string = "A".repeat(length)
        for (const json of [`{"a":"${string}${said}"}`, `["${said}${string}",1]`, `"${string}${said}A"`]) {
          assert.throws(() => read(json, {}), SyntaxError)
          assert.throws(() => JsonBytes.parse(bytesOf(json)), SyntaxError)
        }
      }
    for (const word of ["NaN", "Infinity"])
      for (const json of [`{${word}:1}`, `{"a":NaN,${word} :1}`, `{"a":1,"b":"AAAAAA",${word}:1}`]) {
        assert.throws(() => read(json, { piece: 1, long: 1 }), SyntaxError)
        assert.throws(() => JsonBytes.parse(bytesOf(json)), SyntaxError)
      }
  })

  it.each([
    ["[1, ]"],
    ["[ , 1]"],
    ["[1,,2]"],
    ['{"a":1,}'],
    ['{,"a":1}'],
    ['{"a":,"b":1}'],
    ["[1,2"],
    ["[1,2}"],
    ["[1],"],
    ["[1]]"],
    ["[[1,2],3"],
    [""],
    [" "]
  ])("%s is none, however it is cut", (broken) => {
    for (const piece of [1, 2, 3, 100]) assert.throws(() => read(broken, { piece, long: 1 }), SyntaxError)
  })

  it("has the last of two members of one name, NaN and Infinity where they stand, and no depth without end", () => {
    const twice = '{"a":[1,2],"b":3,"a":[4,[5,6],7],"b":8}'
    const numbers = '{"a":[NaN,1,-Infinity,"NaN"],"b":[nan,2]}'
    for (const piece of [1, 3, 9, 100]) {
      assert.deepStrictEqual(read(twice, { piece }), JSON.parse(twice))
      assert.deepStrictEqual(read(numbers, { piece }), {
        a: [Number.NaN, 1, -Infinity, "NaN"],
        b: [Number.NaN, 2]
      })
    }
    const deep = (levels: number) => "[".repeat(levels) + "1,2" + "]".repeat(levels)
    assert.doesNotThrow(() => read(deep(9000), { piece: 100 }))
    for (const levels of [65_537, 100_000, 300_000])
      assert.throws(() => read(deep(levels), { piece: 100 }), /deeper than 65536/)
  })

  it("has no object of a million members, and no piece without end", () => {
    const members = (count: number, said = "1") =>
      `{"a":1,"b":{${Array.from({ length: count }, (_, index) => `"k${index}":${said}`).join()}},"c":2}`
    const kept = members(100_000)
    assert.isTrue(isDeepStrictEqual(read(kept, {}), JSON.parse(kept)))
    for (const json of [members(130_000), members(130_000, "[[]]"), members(130_000, '{"a":1}')])
      assert.throws(() => read(json, {}), /an object of more than 100000 members/)
    const long = 1_100_000
    for (const json of [
      `[1,${" ".repeat(long)}2]`,
      `[1${"0".repeat(long)},2]`,
      `[${"tru".repeat(long)}]`,
      `{"${"k".repeat(long)}":1}`,
      " ".repeat(long)
    ])
      assert.throws(() => read(json, {}), /more than 1048576 bytes without a comma/)
    assert.throws(() => read(`["${"A".repeat(long)}`, {}), /Unexpected end of JSON input/)
    const strings = { a: "A".repeat(long), b: ["B".repeat(long), "C".repeat(long)] }
    assert.isTrue(isDeepStrictEqual(read(JSON.stringify(strings), {}), strings))
  })

  it("reads strings of nothing but escapes piece by piece", () => {
    for (const escape of ["\\\\", '\\"', "\\u0041", "\\ud83d\\ude00", "\\n\u00e9", "a\\\\b"]) {
      const json = `["${escape.repeat(50_000)}",1]`
      assert.isTrue(isDeepStrictEqual(read(json, {}), JSON.parse(json)), escape)
      let steps = 0
      for (const _ of JsonSlices.steps(bytesOf(json))) steps++
      assert.isAtLeast(steps, Math.floor(json.length / 65_536), escape)
    }
  })

  it("says where it is broken, and reads other charsets, and leaves others their turn", async () => {
    const numbers = "1,".repeat(100_000)
    assert.throws(() => read(`[${numbers}1 2,${numbers}2]`, {}), /position 200003$/)
    const string = "A".repeat(100_000)
    assert.throws(() => read(`["${string}\\q"]`, {}), /position 100003$/)
    assert.throws(() => read(`["${string}\n"]`, {}), /position 100002$/)
    assert.throws(() => read(`[${numbers}2`, {}), /end of JSON input|after array element/)
    const wide = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`["é",${numbers}2]`, "utf16le")])
    const latin = Buffer.from(`["é",${numbers}2]`, "latin1")
    const plain = Buffer.from(`["é",${numbers}2]`)
    for (const [bytes, type] of [
      [wide, undefined],
      [Buffer.from(wide).swap16(), undefined],
      [wide.subarray(2), "application/json; charset=utf-16le"],
      [latin, "application/json; charset=iso-8859-1"],
      [plain, "application/json; charset=iso-8859-1"],
      [plain, "application/json; charset=klingon"]
    ] as const) {
      const parsed = await Effect.runPromise(JsonSlices.parse(bytes, type))
      assert.isTrue(Array.isArray(parsed) && parsed[0] === "é" && parsed.length === 100_002, type)
    }
    // Letters of two units, of which each stands at the end of a piece somewhere.
    for (const before of ["", "a"]) {
      const said = before + "\u{1f600}".repeat(70_000)
      const bytes = Buffer.from(JSON.stringify([said]), "utf16le")
      const parsed = await Effect.runPromise(JsonSlices.parse(bytes, "application/json; charset=utf-16le"))
      assert.isTrue(Array.isArray(parsed) && parsed[0] === said)
    }
    let steps = 0
    for (const _ of JsonSlices.steps(bytesOf(`[${numbers}2]`))) steps++
    assert.isAtLeast(steps, Math.floor(numbers.length / 65_536))
  })

  it("takes text of another charset in steps", () => {
    const bytes = Buffer.from(`["${"é".repeat(600_000)}"]`, "utf16le")
    let steps = 0
    for (const _ of JsonSlices.utf8Of(bytes, "application/json; charset=utf-16le")) steps++
    assert.isAtLeast(steps, Math.floor(bytes.length / 65_536))
  })
})
