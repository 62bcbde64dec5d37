import { assert, describe, it } from "@effect/vitest"
import { Palette } from "effect-segformer/mask"
import { Legend, Text } from "effect-segformer/render"

const blank = (width: number, height: number) => ({
  width,
  height,
  channels: 3 as const,
  data: new Uint8Array(width * height * 3).fill(255)
})

/** The columns and rows that hold anything but white. */
const inked = ({ data, width }: ReturnType<typeof blank>) => {
  const xs: Array<number> = []
  const ys: Array<number> = []
  for (let i = 0; i < data.length; i += 3) {
    if (data[i]! < 255) {
      xs.push((i / 3) % width)
      ys.push(Math.floor(i / 3 / width))
    }
  }
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) }
}

describe("Text", () => {
  it("stays between its base line and the height of a capital, and as wide as it is measured", () => {
    for (const size of [8, 14, 40]) {
      const picture = blank(600, 100)
      Text.write(picture, "HExo", 10, 80, size, [0, 0, 0])
      const box = inked(picture)
      assert.closeTo(box.left, 10, 1.5)
      assert.closeTo(box.right, 10 + Text.measure("HExo", size), 2)
      assert.closeTo(box.top, 80 - size, size / 7 + 1)
      assert.closeTo(box.bottom, 80, size / 7 + 1)
    }
  })

  it("writes every printable character differently", () => {
    const seen = new Set<string>()
    for (let code = 33; code < 127; code++) {
      const picture = blank(60, 60)
      Text.write(picture, String.fromCharCode(code), 10, 40, 28, [0, 0, 0])
      seen.add(Buffer.from(picture.data).toString("latin1"))
    }
    // `$`, `@`, `^`, the backtick, braces and `~` are not drawn: each is the box of a missing letter.
    assert.isAtLeast(seen.size, 94 - 7)
  })

  it("draws nothing outside the picture", () => {
    const picture = blank(5, 5)
    Text.write(picture, "far too long for it", -20, 50, 30, [0, 0, 0])
    assert.strictEqual(picture.data.length, 75)
  })
})

describe("Legend", () => {
  const map = { width: 100, height: 10, data: new Uint8Array(1000) }
  map.data.fill(2, 0, 25)
  map.data[999] = 5

  it("has an entry for each class that occurs, but not for background", () => {
    assert.deepStrictEqual(Legend.entriesOf(map, Palette.surface), [
      { label: "scratch 2.5 %", color: Palette.colorOf(Palette.surface, 2) },
      { label: "pit 0.1 %", color: Palette.colorOf(Palette.surface, 5) }
    ])
  })

  it("stands below the picture, which stays as it is", () => {
    const picture = blank(300, 40)
    picture.data.fill(7)
    const explained = Legend.below(picture, Legend.entriesOf(map, Palette.surface))
    assert.strictEqual(explained.width, 300)
    assert.isAbove(explained.height, 40)
    assert.isTrue(Buffer.from(explained.data.subarray(0, picture.data.length)).equals(picture.data))
    const colors = new Set<string>()
    for (let i = picture.data.length; i < explained.data.length; i += 3) {
      colors.add(explained.data.subarray(i, i + 3).join(","))
    }
    for (const id of [2, 5]) assert.isTrue(colors.has(Palette.colorOf(Palette.surface, id).join(",")))
  })

  it("takes more lines where it needs them, and none without entries", () => {
    const entries = Palette.cityscapes.map(({ color, name }) => ({ label: name, color }))
    const wide = Legend.below(blank(1600, 10), entries, { size: 10 })
    const narrow = Legend.below(blank(300, 10), entries, { size: 10 })
    assert.isAbove(narrow.height, wide.height)
    assert.strictEqual(Legend.below(blank(300, 10), []).height, 10)
  })
})
