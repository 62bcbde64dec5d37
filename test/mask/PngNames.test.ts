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

  it("are found in the beginning of a file, which says how much of it is needed", () => {
    const classes = ClassTable.fromNames(Array.from({ length: 300 }, (_, id) => `class ${id}`))
    const bytes = png(classes)
    const found = PngNames.find(bytes.subarray(0, 100))
    const needs = found !== undefined && "needs" in found ? found.needs : 0
    assert.isAbove(needs, 4096)
    assert.isUndefined(PngNames.find(bytes.subarray(0, 30)))
    const again = PngNames.find(bytes.subarray(0, needs))
    assert.deepStrictEqual(again !== undefined && "classes" in again ? again.classes : [], classes)
    // A chunk that says that it is longer than any is not asked for.
    const long = bytes.slice()
    new DataView(long.buffer).setUint32(33, 0x7fffffff)
    assert.isUndefined(PngNames.find(long.subarray(0, 100)))
  })
})
