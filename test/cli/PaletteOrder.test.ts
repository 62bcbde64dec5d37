/** Which palettes say other ids than the indices in them. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Palette } from "effect-segformer/mask"
import * as PaletteOrder from "../../src/cli/PaletteOrder.ts"
import * as PngFile from "../../src/mask/PngFile.ts"
import { encode as encodePng } from "fast-png"

type Colour = readonly [number, number, number]

const picture = (palette: ReadonlyArray<Colour>, used: ReadonlyArray<number>): PngFile.Picture =>
  Result.getOrThrow(
    PngFile.read(
      encodePng({
        width: used.length,
        height: 1,
        channels: 1,
        depth: 8,
        data: Uint8Array.from(used),
        palette: palette.map((colour) => [...colour])
      }),
      "picture"
    )
  )

const voc = (...ids: ReadonlyArray<number>): ReadonlyArray<Colour> => ids.map(Palette.vocColor)
const grey = (...values: ReadonlyArray<number>): ReadonlyArray<Colour> =>
  values.map((value) => [value, value, value])
const all = (length: number, from = 0) => voc(...Array.from({ length }, (_, id) => id + from))
/** What a program leaves of a picture that takes out the colours which are not used. */
const left = (...palette: ReadonlyArray<Colour>) => [palette, palette.map((_, index) => index)] as const
/** As a table of this package's is written. */
const table = (palette: Palette.Palette, size: number): ReadonlyArray<Colour> =>
  Array.from({ length: size }, (_, id) => Palette.colorOf(palette, id))
/** What a palette is filled up with. */
const filling = grey(...Array.from({ length: 12 }, () => 0))
const whiteFirst: ReadonlyArray<Colour> = [
  [255, 255, 255],
  [255, 0, 0],
  [255, 255, 0],
  [0, 0, 255]
]

type Case = readonly [name: string, palette: ReadonlyArray<Colour>, used: ReadonlyArray<number>]

describe("a palette", () => {
  const others: ReadonlyArray<Case> = [
    ["the classes 1 and 2 are left", ...left(...voc(1, 2))],
    ["the classes 1, 2 and 3 are left", ...left(...voc(1, 2, 3))],
    ["the classes 3 and 4 are left", ...left(...voc(3, 4))],
    ["the class 15 is left", ...left(...voc(15))],
    ["the classes 0 and 15 are left", ...left(...voc(0, 15))],
    ["what is around things comes first", ...left(...voc(255, 0, 1))],
    ["a table begins with the third", all(20, 2), [0, 1]],
    ["the classes 1 and 2 are left, and white beside them", [...voc(1, 2), [255, 255, 255]], [0, 1]],
    ["the greys 1 and 2 are left", ...left(...grey(1, 2))],
    ["the greys 0 and 15 are left", ...left(...grey(0, 15))],
    ["the greys 0, 10 and 20 are left", ...left(...grey(0, 10, 20))],
    ["the greys 0, 3 and 7 are left", ...left(...grey(0, 3, 7))],
    ["the greys 0, 7, 8 and 26 are left", ...left(...grey(0, 7, 8, 26))],
    ["the grey 5 is left", ...left(...grey(5))],
    ["white is left", ...left(...grey(255))],
    ["white is left, and black fills it up", [...grey(255), ...filling], [0]],
    ["white was seen before black", ...left(...grey(255, 0))],
    ["white was seen before black, which fills it up too", [...grey(255), ...filling], [0, 1]],
    ["the classes 1 and 2 are left, and black fills it up", [...voc(1, 2), ...filling], [0, 1]],
    ["the greys 0 and 15 are left, and black fills it up", [...grey(0, 15), ...filling], [0, 1]],
    [
      "the greys are all there, in the opposite order",
      grey(...Array.from({ length: 256 }, (_, id) => 255 - id)),
      [0, 255]
    ]
  ]
  for (const [name, palette, used] of others)
    it(`of which ${name} is not read by its indices`, () => {
      assert.isTrue(PaletteOrder.isOther(picture(palette, used), undefined))
    })

  const same: ReadonlyArray<Case> = [
    ["VOC's whole table", all(256), [0, 1, 2, 15, 255]],
    ["VOC's 21", all(21), [1, 2]],
    ["a table that begins with the second", all(20, 1), [0, 1, 2]],
    ["such a table of 256, of which one is used", all(255, 1), [7]],
    ["black", ...left(...grey(0))],
    ["greys that are ids", grey(...Array.from({ length: 256 }, (_, id) => id)), [1, 2, 7]],
    ["black and white", ...left(...grey(0, 255))],
    ["greys in steps to white", ...left(...grey(0, 85, 170, 255))],
    ["greys in steps of a whole number", ...left(...grey(0, 36, 72, 108, 144, 180, 216, 252))],
    ["greys in steps, of which some are used", grey(0, 51, 102, 153, 204, 255), [0, 2, 5]],
    ["greys in steps down to black", ...left(...grey(255, 170, 85, 0))],
    ["greys in steps, of which the bright ones are not used", grey(0, 85, 170, 255), [0, 1]],
    ["greys in steps, of which one is used", grey(0, 85, 170, 255), [1]],
    ["greys in steps, filled up with black", [...grey(0, 85, 170, 255), ...filling], [0, 1]],
    ["greys in six steps, of which the first are used", grey(0, 51, 102, 153, 204, 255), [0, 1]],
    ["greys in six steps, of which three are used", grey(0, 51, 102, 153, 204, 255), [0, 1, 2]],
    ["greys in six steps, of which one is used", grey(0, 51, 102, 153, 204, 255), [2]],
    ["greys down to black, of which the bright ones are used", grey(255, 170, 85, 0), [0, 1]],
    ["greys down to black, of which white is used", grey(255, 170, 85, 0), [0]],
    ["greys down to black, filled up with it", [...grey(255, 170, 85, 0), ...filling], [0, 1]],
    ["three greys down to black, of which some are used", grey(255, 128, 0), [0, 1]],
    ["three greys down to black, of which white is used", grey(255, 128, 0), [0]],
    ["greys in rounded steps", grey(0, 36, 73, 109, 146, 182, 219, 255), [0, 1, 2]],
    ["greys in steps rounded down", grey(0, 63, 127, 191, 255), [0, 1]],
    ["greys in small steps", grey(...Array.from({ length: 52 }, (_, id) => id * 5)), [0, 1, 2]],
    ["white and colours", whiteFirst, [0]],
    ["black and the colours of ADE20K, one used", [...grey(0), ...table(Palette.ade20k, 150)], [1]],
    ["black and the colours of ADE20K", [...grey(0), ...table(Palette.ade20k, 150)], [0, 1]],
    ...[[0], [8], [27], [0, 6], [0, 8]].flatMap((used) =>
      [150, 256].map((size): Case => [
        `ADE20K's ${size}, with ${used.join(" and ")}`,
        table(Palette.ade20k, size),
        used
      ])
    ),
    ...[0, 2, 5].map((id): Case => [`Cityscapes, with ${id}`, table(Palette.cityscapes, 256), [id]]),
    ...[[55], [62], [0, 255]].map((used): Case => [
      `COCO-Stuff, with ${used.join(" and ")}`,
      table(Palette.cocoStuff, 256),
      used
    ]),
    ["VOC's whole table, of which a grey is used", all(256), [7]],
    [
      "a first class that has a second place behind the others",
      [...voc(0, 1, 2), ...filling, ...voc(1)],
      [0, 1, 2, 15]
    ],
    ["VOC's classes, black behind them used", [...all(21), ...filling], [0, 1, 30]],
    ["colours of nobody", [[1, 2, 3], ...voc(0, 1)], [0, 1, 2]],
    ["an index beyond it", voc(1, 2), [0, 1, 9]]
  ]
  for (const [name, palette, used] of same)
    it(`of ${name} is read by its indices`, () => {
      assert.isFalse(PaletteOrder.isOther(picture(palette, used), undefined))
    })

  it("of this package's with pixels of no class is read by its indices, also where earlier versions gave 255 a class's colour", () => {
    for (const palette of [Palette.pascalVoc, Palette.atr, Palette.lip, Palette.cocoStuff, Palette.surface]) {
      const now = table(palette, 256)
      const before = [...now.slice(0, 255), Palette.vocColor(1)]
      for (const colours of [now, before])
        for (const classes of [undefined, palette])
          assert.isFalse(PaletteOrder.isOther(picture(colours, [0, 1, 2, 5, 255]), classes), palette[1]?.name)
      // Neither does it look like a class.
      assert.isUndefined(Palette.idOf(palette, Palette.colorOf(palette, 255)), palette[1]?.name)
    }
  })

  it("beside classes is held against their colours, and against none where they have names alone", () => {
    const told = (palette: ReadonlyArray<Colour>, classes: Palette.Palette | undefined) =>
      PaletteOrder.isOther(picture(...left(...palette)), classes)
    const { pascalVoc } = Palette
    assert.isTrue(told(voc(1, 2), pascalVoc))
    assert.isTrue(told(voc(0, 15, 255), pascalVoc), "with the colour around things")
    assert.isFalse(told(voc(0, 1, 2), pascalVoc))
    assert.isFalse(told([[1, 2, 3], ...voc(0)], pascalVoc))
    assert.isTrue(told(voc(0, 15, 30), pascalVoc), "with a colour that none of them has")
    const named = [0, 1, 2].map((id) => ({ id, name: `${id}` }))
    assert.isFalse(PaletteOrder.isOther(picture(...left(...voc(1, 2))), named))
  })
})
