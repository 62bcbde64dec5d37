import { crc32, deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { encode } from "fast-png"
import { ClassTable, LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import * as PngNames from "../../src/mask/PngNames.ts"

const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 1, 2) })
const png = (classes: ClassTable.ClassTable, options: LabelPng.EncodeOptions = {}) =>
  Result.getOrThrow(LabelPng.encode(map, { ...options, classes }))
const plain = Result.getOrThrow(LabelPng.encode(map))

describe("the names within a label PNG", () => {
  it("come back as they are, whatever they are called, and pixels with them", () => {
    for (const names of [
      ["background", "pit", "scratch"],
      ['"quoted"', "back\\slash", "new\nline", "tab\t", "nul\0"],
      ["straße", "道路", "🚗", "e\u0301", "\ud800"],
      ["", " ", "__proto__", "constructor"],
      Array.from({ length: 3000 }, (_, id) => `class of number ${id}`)
    ]) {
      const classes = ClassTable.fromNames(names)
      for (const options of [{}, { palette: Palette.surface }, { depth: 16 }] as const) {
        const bytes = png(classes, options)
        assert.deepStrictEqual(LabelPng.classesOf(bytes), classes)
        assert.deepStrictEqual([...Result.getOrThrow(LabelPng.decode(bytes)).data], [0, 1, 2])
      }
    }
    const sparse = [
      { id: 2, name: "b" },
      { id: 700, name: "a" }
    ]
    assert.deepStrictEqual(LabelPng.classesOf(png(sparse)), sparse)
  })

  it("are none where the file says none, or what it says is none or broken", () => {
    assert.deepStrictEqual(LabelPng.classesOf(plain), [])
    assert.deepStrictEqual(png([]), plain)
    const named = png(ClassTable.fromNames(["a", "b"]))
    const broken = named.slice()
    broken[60]! ^= 1
    for (const bytes of [
      broken,
      new Uint8Array(),
      named.subarray(0, 20),
      new Uint8Array(100),
      plain.subarray(8)
    ])
      assert.deepStrictEqual(LabelPng.classesOf(bytes), [])
    // Of another program's text nothing is taken.
    const texts = ['{"0":1}', "[]", "null", "{", '{"a":"b"}', '["a"]', ""]
    for (const text of texts) {
      const other = encode({
        width: 1,
        height: 1,
        channels: 1,
        depth: 8,
        data: Uint8Array.of(0),
        text: { id2label: text }
      })
      assert.deepStrictEqual(LabelPng.classesOf(other), [], text)
    }
  })

  describe("are found as other programs write them", () => {
    const text = '{"0":"background","1":"Kratzer größer","2":"道路"}'
    const names = ["background", "Kratzer größer", "道路"]
    const bytes = (...parts: ReadonlyArray<string | Uint8Array>) =>
      Buffer.concat(parts.map((part) => Buffer.from(part)))
    const chunk = (type: string, data: Uint8Array) => {
      const named = bytes(type, data)
      const out = Buffer.alloc(named.length + 8)
      out.writeUInt32BE(data.length)
      named.copy(out, 4)
      out.writeUInt32BE(crc32(named), named.length + 4)
      return out
    }
    const latin = '{"0":"a","1":"größer"}'
    const long = JSON.stringify({ 0: "a".repeat(1 << 20) })
    const packed = deflateSync(text)
    const noise = chunk("iTXt", bytes("Software\0\0\0\0\0", text))
    const cases: ReadonlyArray<readonly [string, Uint8Array, ReadonlyArray<string>]> = [
      ["iTXt", chunk("iTXt", bytes("id2label\0\0\0\0\0", text)), names],
      ["iTXt of a language", chunk("iTXt", bytes("id2label\0\0\0de\0Klassen\0", text)), names],
      ["iTXt, packed", chunk("iTXt", bytes("id2label\0\u0001\0\0\0", packed)), names],
      ["zTXt in UTF-8", chunk("zTXt", bytes("id2label\0\0", packed)), names],
      [
        "zTXt",
        chunk("zTXt", bytes("id2label\0\0", deflateSync(Buffer.from(latin, "latin1")))),
        ["a", "größer"]
      ],
      ["tEXt in Latin-1", chunk("tEXt", bytes("id2label\0", Buffer.from(latin, "latin1"))), ["a", "größer"]],
      ["tEXt in UTF-8", chunk("tEXt", bytes("id2label\0", text)), names],
      ["behind another of its kind", bytes(noise, chunk("zTXt", bytes("id2label\0\0", packed))), names],
      [
        "behind a large chunk",
        bytes(chunk("iCCP", Buffer.alloc(3_000_000)), chunk("tEXt", bytes("id2label\0", text))),
        names
      ],
      // What is no chunk of names, or none that can be read, is none.
      ["packed in another way", chunk("zTXt", bytes("id2label\0\u0001", packed)), []],
      ["a flag that there is not", chunk("iTXt", bytes("id2label\0\u0002\0\0\0", text)), []],
      ["no end of its language", chunk("iTXt", bytes("id2label\0\0\0de")), []],
      ["nothing behind its keyword", chunk("zTXt", bytes("id2label\0")), []],
      ["packed data that ends", chunk("zTXt", bytes("id2label\0\0", packed.subarray(0, 20))), []],
      ["a text that is too long", chunk("zTXt", bytes("id2label\0\0", deflateSync(long))), []],
      [
        "iTXt in Latin-1",
        chunk("iTXt", bytes("id2label\0\0\0\0\0", Buffer.from(latin, "latin1"))),
        ["a", "größer"]
      ],
      ["another keyword", chunk("tEXt", bytes("id2labels\0", text)), []]
    ]
    // Pixels in several pieces, as most programs write them.
    const [pixels, last] = [plain.subarray(33, -12), plain.subarray(-12)]
    const pieces = bytes(pixels, chunk("IDAT", new Uint8Array()))
    it.each(cases)("%s", (_, names, expected) => {
      const header = plain.subarray(0, 33)
      for (const whole of [bytes(header, names, pieces, last), bytes(header, pieces, names, last)])
        assert.deepStrictEqual(LabelPng.classesOf(whole), ClassTable.fromNames(expected))
      // Behind the end of a picture is nothing of it.
      assert.deepStrictEqual(LabelPng.classesOf(bytes(plain, names)), [])
    })
  })

  it("are behind a few chunks that should have them and have none, and not behind any number of them", () => {
    const chunk = (text: Uint8Array) => {
      const named = Buffer.concat([Buffer.from("zTXtid2label\0\0"), text])
      const out = Buffer.alloc(named.length + 8)
      out.writeUInt32BE(named.length - 4)
      named.copy(out, 4)
      out.writeUInt32BE(crc32(named), named.length + 4)
      return out
    }
    const [header, rest] = [plain.subarray(0, 33), plain.subarray(33)]
    const names = chunk(deflateSync('{"0":"a","1":"b"}'))
    const none = chunk(deflateSync("[]"))
    const broken = Buffer.from(none)
    broken[none.length - 1]! ^= 1
    const found = (count: number, other: Buffer) =>
      LabelPng.classesOf(Buffer.concat([header, ...Array.from({ length: count }, () => other), names, rest]))
    const expected = ClassTable.fromNames(["a", "b"])
    assert.deepStrictEqual(found(3, none), expected)
    assert.deepStrictEqual(found(300, broken), expected)
    assert.deepStrictEqual(found(300, none), [])
    assert.deepStrictEqual(found(300, chunk(deflateSync(Buffer.alloc(1 << 20)))), [])
  })

  it("are read with no more of the file than they need", () => {
    const classes = ClassTable.fromNames(Array.from({ length: 300 }, (_, id) => `class ${id}`))
    const bytes = png(classes)
    const reads: Array<readonly [number, number]> = []
    const reader = (source: Uint8Array) => (at: number, length: number) => {
      reads.push([at, length])
      return source.subarray(at, at + length)
    }
    assert.deepStrictEqual(PngNames.find(reader(bytes))?.classes, classes)
    assert.deepStrictEqual(
      reads.map(([at]) => at),
      [1, 8, 33, 33]
    )
    // Of a chunk that says that it is longer than any nothing is asked for.
    const long = bytes.slice()
    new DataView(long.buffer).setUint32(33, 0x7fffffff)
    reads.length = 0
    assert.isUndefined(PngNames.find(reader(long)))
    assert.deepStrictEqual(
      reads.map(([, length]) => length),
      [3, 8, 8, 8]
    )
  })
})
