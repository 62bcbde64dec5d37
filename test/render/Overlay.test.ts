import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Palette } from "effect-segformer/mask"
import { Background, Overlay, SideBySide } from "effect-segformer/render"
import { turnsDuring } from "./support.ts"

const image = (width: number, height: number, channels: 1 | 3 | 4, value = 100) => ({
  width,
  height,
  channels,
  data: new Uint8Array(width * height * channels).fill(value)
})

/** A map with a rectangle of one class on background. */
const withBox = (
  width: number,
  height: number,
  id: number,
  box: readonly [number, number, number, number]
) => {
  const data = new Uint8Array(width * height)
  for (let y = box[1]; y < box[3]; y++) data.fill(id, y * width + box[0], y * width + box[2])
  return { width, height, data }
}

const at = (raster: { readonly width: number; readonly data: Uint8Array }, x: number, y: number) =>
  Array.from(raster.data.subarray((y * raster.width + x) * 3, (y * raster.width + x) * 3 + 3))

describe("Overlay", () => {
  const map = withBox(30, 30, 3, [10, 10, 20, 20])
  const options = { palette: Palette.surface, opacity: 0.5, outline: 1, shade: 1 }

  it("leaves background as it is, away from regions", () => {
    const picture = Overlay.paint(image(30, 30, 3), map, options)
    assert.deepStrictEqual(at(picture, 2, 2), [100, 100, 100])
    assert.deepStrictEqual(at(picture, 8, 15), [100, 100, 100])
  })

  it("fills regions with a mix of their colour and the image's light", () => {
    const picture = Overlay.paint(image(30, 30, 3), map, options)
    const [red, green, blue] = Palette.colorOf(Palette.surface, 3)
    assert.deepStrictEqual(
      at(picture, 15, 15),
      [red, green, blue].map((channel) => Math.floor(100 + (channel - 100) * 0.5 + 0.5))
    )
  })

  it("draws outlines inside regions and shades around them", () => {
    const picture = Overlay.paint(image(30, 30, 3), map, options)
    const outline = at(picture, 10, 15)
    const inside = at(picture, 11, 15)
    const shade = at(picture, 9, 15)
    const green = Palette.colorOf(Palette.surface, 3)[1]
    assert.isAbove(outline[1]!, inside[1]!)
    assert.closeTo(outline[1]!, green, 5)
    assert.isBelow(shade[0]!, 100)
  })

  it("draws outlines as wide as told, and none at the image's border", () => {
    const touching = withBox(30, 30, 3, [0, 10, 20, 20])
    const picture = Overlay.paint(image(30, 30, 3), touching, { ...options, outline: 3 })
    assert.deepStrictEqual(at(picture, 17, 15), at(picture, 19, 15))
    assert.notDeepEqual(at(picture, 16, 15), at(picture, 19, 15))
    assert.deepStrictEqual(at(picture, 0, 15), at(picture, 8, 15))
  })

  it("paints every class of a model without background, and none of those told to hide", () => {
    const roads = withBox(8, 8, 0, [0, 0, 8, 8])
    const painted = Overlay.paint(image(8, 8, 3), roads, { palette: Palette.cityscapes })
    assert.notDeepEqual(at(painted, 4, 4), [100, 100, 100])
    const hidden = Overlay.paint(image(8, 8, 3), roads, { palette: Palette.cityscapes, hidden: [0] })
    assert.deepStrictEqual(at(hidden, 4, 4), [100, 100, 100])
  })

  it("does not paint pixels that belong to no class", () => {
    const ignored = { ...withBox(8, 8, 255, [0, 0, 8, 8]), ignoreIndex: 255 }
    const picture = Overlay.paint(image(8, 8, 3), ignored, { palette: Palette.surface })
    assert.deepStrictEqual(at(picture, 4, 4), [100, 100, 100])
  })

  it("takes grey and RGBA images, and label maps of another size", () => {
    const small = withBox(15, 15, 3, [5, 5, 10, 10])
    const rgb = Overlay.paint(image(30, 30, 3), map, options)
    assert.deepStrictEqual(Overlay.paint(image(30, 30, 1), map, options), rgb)
    assert.deepStrictEqual(Overlay.paint(image(30, 30, 4), map, options), rgb)
    assert.deepStrictEqual(Overlay.paint(image(30, 30, 3), small, options), rgb)
  })

  it.live("lets others on the event loop have their turn, with the same result", () =>
    Effect.gen(function* () {
      const large = image(1000, 700, 3)
      const stripes = {
        width: 1000,
        height: 700,
        data: new Uint8Array(1000 * 700).map((_, i) => (i >> 5) % 6)
      }
      const [turns, drawn] = yield* turnsDuring(Overlay.draw(large, stripes, { palette: Palette.surface }))
      assert.isAbove(turns, 4)
      const whole = Overlay.paint(large, stripes, { palette: Palette.surface })
      assert.isTrue(Buffer.from(drawn.data).equals(whole.data))
    })
  )
})

describe("Background", () => {
  it("goes by the names of classes", () => {
    assert.deepStrictEqual([...Background.idsOf(Palette.surface)], [0])
    assert.deepStrictEqual([...Background.idsOf(Palette.pascalVoc)], [0])
    assert.deepStrictEqual([...Background.idsOf(Palette.ade20k)], [])
  })
})

describe("SideBySide", () => {
  it("puts two pictures next to each other at their own size", () => {
    const picture = SideBySide.paint(image(4, 2, 3, 10), image(4, 2, 1, 20), { gap: 2 })
    assert.deepStrictEqual([picture.width, picture.height], [10, 2])
    assert.deepStrictEqual(
      Array.from({ length: 10 }, (_, x) => at(picture, x, 1)[0]),
      [10, 10, 10, 10, 255, 255, 20, 20, 20, 20]
    )
  })

  it("averages large ones down by a whole factor", () => {
    const checker = {
      ...image(100, 60, 3),
      data: new Uint8Array(18_000).map((_, i) => (Math.floor(i / 3) % 2) * 200)
    }
    const picture = SideBySide.paint(checker, image(100, 60, 3), { maxSide: 50, gap: 0 })
    assert.deepStrictEqual([picture.width, picture.height], [100, 30])
    assert.deepStrictEqual(at(picture, 7, 7), [100, 100, 100])
  })

  it("makes something of pictures thinner than the factor", () => {
    const picture = SideBySide.paint(image(5000, 1, 3), image(5000, 1, 3))
    assert.deepStrictEqual([picture.width, picture.height], [1000 * 2 + 8, 1])
  })
})
