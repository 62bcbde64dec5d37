import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LargeJson from "../../src/server/LargeJson.ts"

const parse = (text: string) => LargeJson.parse(Buffer.from(text))
const pixels = Uint8Array.from({ length: 3000 }, (_, i) => (i * 7) % 256)

/** A value with what was taken out put back. */
const whole = (value: unknown): unknown =>
  value instanceof LargeJson.LongText
    ? JSON.parse(`"${value.raw.toString()}"`)
    : value instanceof LargeJson.LongNumbers
      ? [...value.data]
      : Array.isArray(value)
        ? value.map(whole)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, whole(each)]))
          : value

describe("LargeJson.parse", () => {
  it.effect("gives what JSON.parse gives, with long strings and arrays of bytes apart", () =>
    Effect.gen(function* () {
      const text = 'ab\\"/é€'.repeat(300)
      const values = [
        null,
        {},
        [],
        [[], {}, [1, 2]],
        { a: [1.5, -2, 1e3, true, "[1,2", '"', "\\"] },
        { text, array: [...pixels], after: [text, "short", [...pixels.subarray(0, 3)]] },
        [[...pixels], [0.5], [...pixels]],
        [1, "x", [...pixels]],
        "\\".repeat(2000)
      ]
      for (const value of values) {
        for (const space of [undefined, 2]) {
          const parsed = yield* parse(JSON.stringify(value, null, space))
          assert.deepStrictEqual(whole(parsed), value)
        }
      }
      const apart = yield* parse(JSON.stringify([text, [...pixels]]))
      assert.isTrue(Array.isArray(apart) && apart[0] instanceof LargeJson.LongText)
      assert.isTrue(Array.isArray(apart) && apart[1] instanceof LargeJson.LongNumbers)
    })
  )

  it.effect("refuses what is no JSON, within arrays of bytes as well", () =>
    Effect.gen(function* () {
      const many = [...pixels].join(",")
      for (const text of [
        "",
        "{",
        '{"a":1',
        '"never ends',
        `{"a":"${"x".repeat(5000)}`,
        `[${many}`,
        `[${many},]`,
        `[${many},,1]`,
        `[${many} 1]`,
        `[[${many}][1]]`,
        `[${many}]]`,
        `["${"x".repeat(5000)}" 1]`
      ]) {
        const error = yield* Effect.flip(parse(text))
        assert.strictEqual(error.status, 400)
        assert.match(error.detail, /^The body is no JSON/, text.slice(-20))
      }
    })
  )

  it.effect("refuses much that is neither files nor pixels, before it is parsed", () =>
    Effect.gen(function* () {
      for (const text of [
        `[${"-1,".repeat(100_000)}1]`,
        `[${"256,".repeat(100_000)}1]`,
        "[".repeat(200_000),
        " ".repeat(200_000),
        `[${'"short",'.repeat(50_000)}1]`,
        `[${"[0,0,".repeat(50_000)}"x"]`
      ]) {
        const error = yield* Effect.flip(parse(text))
        assert.match(error.detail, /more than 131072 bytes besides/)
      }
    })
  )
})

describe("a long list of other things", () => {
  const maxRest = 8 * 1024 * 1024
  const read = (text: string) => LargeJson.parse(Buffer.from(text), { maxRest })

  it.effect("is what JSON.parse makes of it, in pieces, with what is long in its place", () =>
    Effect.gen(function* () {
      const long = 'ab"\\/é€'.repeat(300)
      const tasks = Array.from({ length: 5000 }, (_, id) => ({
        id,
        data: { image: `/a/${id}.png`, ["__proto__"]: null },
        ...(id % 500 === 0 ? { long, pixels: [...pixels], nested: [[long], { long }] } : {})
      }))
      const text = JSON.stringify({ tasks, after: [long, 1] })
      assert.deepStrictEqual(whole(yield* read(text)), JSON.parse(text))
    })
  )

  it.effect("is refused where it is nested deeper, or has an object of more members, than any request", () =>
    Effect.gen(function* () {
      const members = Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join()
      for (const [text, said] of [
        ["[".repeat(100_000) + "]".repeat(100_000), /nested deeper than 500 levels/],
        ['{"a":'.repeat(60_000), /nested deeper than 500 levels/],
        [`{"a":{${members}}}`, /object of more than 100000 members/],
        [`[${" ".repeat(2_000_000)}null]`, /without a comma/],
        [`[${"null,".repeat(200_000)}NaN]`, /^The body is no JSON$/]
      ] as const) {
        const error = yield* Effect.flip(read(text))
        assert.strictEqual(error.status, 400)
        assert.match(error.detail, said)
      }
      assert.match(
        (yield* Effect.flip(parse("[".repeat(60_000) + "]".repeat(60_000)))).detail,
        /nested deeper than 500 levels/
      )
    })
  )
})

describe("a body that says nothing of itself", () => {
  it.each([
    ['{"a":1}', true],
    ['\ufeff \n{"a":1}', true],
    ["[1]", false],
    ["\u00ef{", false],
    ["", false]
  ])("%j begins as an object of JSON does: %s", (text, expected) =>
    assert.strictEqual(LargeJson.isObject(new TextEncoder().encode(text)), expected)
  )

  it.effect("may have a mark of byte order", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* parse('\ufeff{"a":1}'), { a: 1 })
    })
  )
})

describe("LargeJson.fileOf", () => {
  it.effect("gives the bytes of any length back, however they are written", () =>
    Effect.gen(function* () {
      for (const length of [1, 2, 3, 1000, 5000, 196_607, 196_608, 196_609, 700_001]) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * i * 31 + (i >> 3)) & 255)
        const base64 = Buffer.from(bytes).toString("base64")
        for (const text of [
          base64,
          base64.replaceAll("=", ""),
          `data:image/png;base64,${base64}`,
          base64.replaceAll("/", String.raw`\/`),
          base64.replaceAll(/.{76}/g, String.raw`$&\r\n`),
          // As .NET writes it.
          base64.replaceAll("+", String.raw`\u002B`).replaceAll("=", String.raw`\u003d`),
          base64.replaceAll(/.{60}/g, String.raw`$&\t`).replaceAll("/", String.raw`\u002f`),
          base64.replaceAll("+", "-").replaceAll("/", "_"),
          `DATA:image/png;charset=utf-8;BASE64, ${base64}`
        ]) {
          const value = yield* parse(`"${text}"`)
          assert.isTrue(typeof value === "string" || value instanceof LargeJson.LongText)
          const given = yield* LargeJson.fileOf(
            value instanceof LargeJson.LongText ? value : String(value),
            "it"
          )
          assert.strictEqual(Buffer.compare(given, bytes), 0, `${length}, ${text.slice(0, 30)}`)
        }
      }
    })
  )

  it.effect("refuses what is no base64", () =>
    Effect.gen(function* () {
      const long = "QUJD".repeat(100_000)
      for (const text of [
        "*",
        "QUJ*",
        `${long}*`,
        `${long}QUI=${long}`,
        `*${long}`,
        `${long}Q`,
        `\\u0041${long}`,
        `\\u00e9${long}QUI`,
        `\\u00 1${long}QUI`,
        `\\"QUJ${long}`
      ]) {
        const value = yield* parse(`"${text}"`)
        const error = yield* Effect.flip(
          LargeJson.fileOf(value instanceof LargeJson.LongText ? value : String(value), '"inputs"')
        )
        assert.strictEqual(error.detail, '"inputs" is no base64 of an image file')
      }
    })
  )

  it.effect("a long text is read as JSON has it, and refused where no string of JSON is like it", () =>
    Effect.gen(function* () {
      const long = "<View/>".repeat(200)
      const read = (inside: string) =>
        Effect.flatMap(parse(`{"schema":"${inside}"}`), (value) => {
          const schema: unknown = Reflect.get(Object(value), "schema")
          assert.instanceOf(schema, LargeJson.LongText)
          return LargeJson.textOf(schema)
        })
      assert.strictEqual(yield* read(String.raw`${long}\u00e9\n`), `${long}é\n`)
      for (const wrong of [String.raw`\q`, String.raw`\u12`, "\n", "\t", "\u0000", String.raw`\x41`]) {
        const refusal = yield* Effect.flip(read(long + wrong))
        assert.deepStrictEqual([refusal.status, refusal.detail], [400, "The body is no JSON"], wrong)
      }
    })
  )
})
