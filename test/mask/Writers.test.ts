import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { ClassTable, Coco, GeoJson, LabelMap, Palette } from "effect-segformer/mask"
import { fromDigits, labelMaps } from "./support.ts"

const classes = ClassTable.fromNames(["a", "b", "c"])

describe("writers of many images", () => {
  it("GeoJSON: the pieces joined are one collection, with every image's features and its properties", () => {
    fc.assert(
      fc.property(fc.array(labelMaps(), { maxLength: 4 }), (maps) => {
        const writer = GeoJson.writer()
        const collections = maps.map((map) => GeoJson.fromLabelMap(map, { classes }))
        let text = ""
        for (const [i, { features }] of collections.entries())
          text += writer.add(features, { image: `${i}"` })
        const whole = JSON.parse(text + writer.end())
        assert.strictEqual(whole.type, "FeatureCollection")
        const expected = collections.flatMap(({ features }, i) =>
          features.map((feature) => ({
            ...feature,
            properties: { image: `${i}"`, ...feature.properties }
          }))
        )
        assert.deepStrictEqual(whole.features, JSON.parse(JSON.stringify(expected)))
      })
    )
  })

  it("COCO: categories known at the end only stand in a file that parses", () => {
    fc.assert(
      fc.property(fc.array(labelMaps(), { maxLength: 4 }), (maps) => {
        const found = new Set<number>()
        const writer = Coco.writer(() => Array.from(found, (id) => ({ id, name: `class ${id}` })))
        let text = ""
        let firstId = 1
        for (const [i, map] of maps.entries()) {
          const annotations = Coco.annotations(map, { imageId: i, firstId })
          firstId += annotations.length
          for (const { category_id } of annotations) found.add(category_id)
          const image = { id: i, width: map.width, height: map.height, file_name: `${i}.png` }
          text += writer.add(image, annotations)
        }
        const data = Result.getOrThrow(Coco.parse(text + writer.end()))
        assert.strictEqual(data.images.length, maps.length)
        assert.strictEqual(data.annotations.length, firstId - 1)
        assert.deepStrictEqual(new Set(data.categories.map(({ id }) => id)), found)
      })
    )
  })
})

const Facts = Schema.Struct({
  type: Schema.String,
  valid: Schema.Boolean,
  area: Schema.Number,
  parts: Schema.Number,
  holes: Schema.Number,
  outerCounterClockwise: Schema.Boolean,
  holesClockwise: Schema.Boolean,
  bounds: Schema.Array(Schema.Number)
})
const Six = Schema.Tuple([
  Schema.Number,
  Schema.Number,
  Schema.Number,
  Schema.Number,
  Schema.Number,
  Schema.Number
])
const Cases = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      rows: Schema.Array(Schema.String),
      transform: Six,
      collection: GeoJson.FeatureCollection,
      shapely: Schema.Array(Facts)
    })
  )
)

describe("GeoJson, as shapely 2.1.2 read it", () => {
  const cases = Schema.decodeUnknownSync(Cases)(
    readFileSync(new URL("./fixtures/shapely.json", import.meta.url), "utf8")
  )

  it("is what this library still writes", () => {
    for (const { collection, rows, transform } of cases) {
      assert.deepStrictEqual(GeoJson.fromLabelMap(fromDigits(rows), { classes, transform }), collection)
    }
  })

  it("was valid, with the area of the pixels, and rings in the order of RFC 7946", () => {
    let holes = 0
    for (const { collection, shapely, transform } of cases) {
      const [a, b, , d, e] = transform
      for (const [i, facts] of shapely.entries()) {
        const { geometry, properties } = collection.features[i]!
        assert.isTrue(facts.valid && facts.outerCounterClockwise && facts.holesClockwise)
        assert.strictEqual(facts.type, geometry.type)
        assert.closeTo(facts.area, (properties.pixels ?? 0) * Math.abs(a * e - b * d), 1e-9)
        holes += facts.holes
      }
    }
    assert.isAbove(holes, 5)
  })
})

describe("ids of data sets", () => {
  it("are those of their files", () => {
    const labelId = (name: string) =>
      Palette.cityscapesLabelIds[ClassTable.byName(Palette.cityscapes, name)!.id]
    assert.deepStrictEqual([labelId("road"), labelId("car"), labelId("bicycle")], [7, 26, 33])
    const category = (name: string) =>
      Palette.cocoStuffCategoryIds[ClassTable.byName(Palette.cocoStuff, name)!.id]
    assert.deepStrictEqual([category("person"), category("toothbrush"), category("wood")], [1, 90, 182])
    assert.deepStrictEqual(
      [Palette.cityscapesLabelIds.length, Palette.cocoStuffCategoryIds.length],
      [Palette.cityscapes.length, Palette.cocoStuff.length]
    )
  })

  it("turn a map of train ids into one of label ids, and back", () => {
    const ids = Palette.cityscapesLabelIds
    const data = Uint8Array.from(ids, (_, train) => train)
    const map = { width: ids.length, height: 1, data }
    const there = LabelMap.remap(map, new Map(ids.map((id, train) => [train, id])))
    assert.deepStrictEqual(Array.from(there.data), [...ids])
    const back = LabelMap.remap(there, new Map(ids.map((id, train) => [id, train])))
    assert.isTrue(LabelMap.equals(back, map))
  })
})
