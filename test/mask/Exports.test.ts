import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Coco, type ExportFormat, Exports, GeoJson, LabelMap } from "effect-segformer/mask"
import * as Steps from "../../src/mask/Steps.ts"
import { exported } from "./support.ts"

const whole = LabelMap.makeUnsafe({ width: 4, height: 2, data: Uint8Array.of(0, 1, 1, 7, 0, 1, 1, 7) })
/** The same, class 1 in two regions. */
const parted = LabelMap.makeUnsafe({ width: 4, height: 2, data: Uint8Array.of(0, 1, 0, 1, 0, 1, 0, 7) })
const classes = [
  { id: 0, name: "background" },
  { id: 1, name: "pit" },
  { id: 7, name: "scratch" }
]
const settings: ExportFormat.Settings = { ...exported, classes }

/** The file of a run of label maps, or that of the only one. */
const written = (
  name: Exports.Name,
  options: Partial<ExportFormat.Settings> = {},
  images: ReadonlyArray<string> = ["a.png"],
  map = whole
): string => {
  const format = Exports.formats[name]
  const all = { ...settings, ...options }
  if (format.per === "image") {
    const { encode } = format.open(all)
    return new TextDecoder().decode(Result.getOrThrow(Steps.runSync(encode({ map, image: images[0]! }))))
  }
  const { add, end, start } = format.open(all)
  return start + images.map((image) => Result.getOrThrow(Steps.runSync(add({ map, image })))).join("") + end()
}

describe("the formats of export", () => {
  it("are a module each, and all in the table", () => {
    const modules = readdirSync("src/mask/exports").filter((name) => name !== "ExportFormat.ts")
    assert.strictEqual(modules.length, Exports.names.length)
  })

  it("have names, media types and endings of their own", () => {
    const all = Exports.names.map((name) => Exports.formats[name])
    for (const fact of ["title", "mediaType", "ending"] as const) {
      assert.strictEqual(new Set(all.map((format) => format[fact])).size, all.length, fact)
    }
  })

  it("YOLO's names are strings of YAML, whatever is in them", () => {
    const name = 'a"\\: #\n\u0000\u007f\u0085\u009f\u2028\u2029\ufeff ü漢🎉'
    const { beside } = Exports.formats.yolo.open({
      ...settings,
      classes: [{ id: 0, name }],
      exclude: new Set()
    })
    const text = new TextDecoder().decode(beside?.()?.bytes)
    const [, quoted = ""] = /^names:\n {2}0: (.*)\n$/.exec(text) ?? []
    assert.match(quoted, /^[ -~üa-z漢🎉]+$/u)
    assert.strictEqual(JSON.parse(quoted), name)
  })

  it("heed each setting that they say they use, and no other", () => {
    const other: ExportFormat.Settings = {
      classes: [...classes.slice(0, 2), { id: 7, name: "another" }],
      palette: Array.from({ length: 256 }, (_, id) => ({ id, name: String(id), color: [id, 1, 2] as const })),
      exclude: new Set([1]),
      minArea: 3,
      tolerance: 10,
      transform: [2, 0, 0, 0, 2, 0],
      categoryOf: (id) => id + 10,
      regions: true,
      shape: "box",
      objects: "class",
      imagesAt: "https://host/",
      named: false
    }
    const keys = Object.keys(other).filter((key): key is keyof ExportFormat.Settings => key in settings)
    for (const name of Exports.names) {
      for (const key of keys) {
        if (Exports.formats[name].uses.includes(key)) continue
        assert.strictEqual(written(name, { [key]: other[key] }), written(name), `${name} heeds ${key}`)
      }
    }
    for (const name of Exports.names) {
      // Of a table, regions have most to say, and outlines are drawn of polygons; a setting need not show in each form.
      const base = { regions: true, shape: "polygon" } as const
      for (const key of Exports.formats[name].uses) {
        const values = key === "classes" ? [other.classes, []] : [key === "regions" ? false : other[key]]
        const [from, map] = key === "objects" ? [settings, parted] : [{ ...settings, ...base }, whole]
        const differ = values.some(
          (value) =>
            written(name, { ...from, [key]: value }, ["a.png"], map) !== written(name, from, ["a.png"], map)
        )
        assert.isTrue(differ, `${name} says that it heeds ${key}`)
      }
    }
  })

  it("of a whole run join to one file that can be read back", () => {
    const coco = Result.getOrThrow(Coco.parse(written("coco", {}, ["a.png", "b.png"])))
    assert.deepStrictEqual(
      coco.images.map(({ file_name }) => file_name),
      ["a.png", "b.png"]
    )
    assert.deepStrictEqual(
      coco.annotations.map(({ id, image_id }) => [id, image_id]),
      [
        [1, 1],
        [2, 1],
        [3, 2],
        [4, 2]
      ]
    )
    const back = GeoJson.toLabelMap(written("geojson", { exclude: new Set() }), { width: 4, height: 2 })
    assert.deepStrictEqual(Result.getOrThrow(back).data, whole.data)
    assert.strictEqual(
      written("csv", { named: false }),
      "class_id,class,pixels,share\r\n0,background,2,0.25\r\n1,pit,4,0.5\r\n7,scratch,2,0.25\r\n"
    )
  })

  it("of regions takes as many ids as a map has", () => {
    const side = 400
    const data = Uint32Array.from({ length: side * side }, (_, id) => id)
    const map = LabelMap.makeUnsafe({ width: side, height: side, data })
    const exclude = new Set(data.subarray(2))
    const format = Exports.formats.yolo
    if (format.per !== "image") return assert.fail("it is a file for each image")
    const { beside, encode } = format.open({ ...settings, classes: [], palette: [], exclude })
    const text = Result.getOrThrow(Steps.runSync(encode({ map, image: "a.png" })))
    assert.strictEqual(new TextDecoder().decode(text).split("\n").length, 3)
    assert.isTrue(new TextDecoder().decode(beside?.().bytes).endsWith('\n  159999: "class 159999"\n'))
  })
})
