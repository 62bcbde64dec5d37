import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ImageCodec } from "effect-segformer/image"
import { ClassTable, LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import { Colors } from "effect-segformer/render"
import { SharpCodec } from "effect-segformer/sharp"

const keys = (palette: Palette.Palette) => new Set(palette.map((info) => info.color.join(",")))

describe("Colors", () => {
  it("gives the classes of known data sets the colours of those", () => {
    const classes = Palette.surface.map(({ id, name }) => ({ id, name }))
    assert.deepStrictEqual(Colors.paletteOf(classes), Palette.surface)
    for (const table of [Palette.cityscapes, Palette.lip, Palette.cocoStuff])
      assert.deepStrictEqual(Colors.paletteOf(table.map(({ id, name }) => ({ id, name }))), table)
  })

  it("gives no two classes one colour, where data sets do, and where there are hundreds", () => {
    const many = ClassTable.fromNames(Array.from({ length: 700 }, (_, id) => `thing ${id}`))
    for (const classes of [Palette.ade20k, Palette.cocoStuff, many]) {
      assert.strictEqual(keys(Colors.paletteOf(classes)).size, classes.length)
    }
  })

  it("keeps ids with holes", () => {
    const palette = Colors.paletteOf([
      { id: 3, name: "background" },
      { id: 40, name: "pit" }
    ])
    assert.deepStrictEqual(palette[0]?.color, [0, 0, 0])
    assert.strictEqual(palette[1]?.id, 40)
  })

  it.effect("paints masks from which the ids come back, through a PNG file", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      for (const classes of [Palette.surface, Palette.ade20k, Palette.cocoStuff]) {
        const palette = Colors.paletteOf(classes)
        const data = new Uint8Array(64 * 37).map((_, i) => palette[(i * 7) % palette.length]!.id)
        const map = LabelMap.makeUnsafe({ width: 64, height: 37, data })
        const png = yield* codec.encode(Colors.paint(map, palette), "png")
        const back = Result.getOrThrow(LabelPng.decode(png, { palette, byColor: true }))
        assert.isTrue(LabelMap.equals(back, map))
      }
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it("paints pixels of no class white", () => {
    const map = { width: 2, height: 1, data: Uint8Array.of(9, 0), ignoreIndex: 0 }
    assert.deepStrictEqual(
      Array.from(Colors.paint(map, Palette.surface).data),
      [255, 255, 255, 255, 255, 255]
    )
  })
})
