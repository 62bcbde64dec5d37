/** What the page computes, without a browser: pixels from label maps, and code to copy. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { colors, type Emphasis, paint } from "../../src/server/page/client/Overlay.ts"
import type { FoundClass } from "../../src/server/page/client/Result.ts"
import { languages, snippet } from "../../src/server/page/client/Snippets.ts"
import { bytes, confidence, percent, sentence } from "../../src/server/page/client/Text.ts"

const guide = readFileSync(new URL("../../docs/guides/page.md", import.meta.url), "utf8")

const found = (id: number, name: string, color: string | undefined): FoundClass => ({
  id,
  name,
  color,
  pixels: 1,
  share: 0.5,
  confidence: null
})
const classes = [found(0, "background", undefined), found(1, "sky", "#ff0000"), found(2, "road", "#0000ff")]
/** Alpha, blue, green, red. */
const red = 0xff0000ff
const blue = 0xffff0000

const plane = (width: number, ...data: ReadonlyArray<number>) => ({
  width,
  height: data.length / width,
  data: Uint8Array.from(data)
})

type Labels = ReturnType<typeof plane>

const asTheyAre = ({ color }: FoundClass) => ({ color, opacity: 1 })

const table = (opacity: number, emphasis?: Emphasis, look = asTheyAre) =>
  colors(classes, look, opacity, emphasis)

/** The whole map at a size. */
const target = (pixels: Uint32Array, labels: Labels, width: number, height: number, top = 0) => {
  const [stepX, stepY] = [labels.width / width, labels.height / height]
  return { pixels, width, left: 0, top: top * stepY, stepX, stepY }
}

const painted = (
  labels: Labels,
  width: number,
  height: number,
  table: ReturnType<typeof colors>,
  region?: Parameters<typeof paint>[3],
  unsure?: Parameters<typeof paint>[4]
) => {
  const pixels = new Uint32Array(width * height)
  paint(target(pixels, labels, width, height), labels, table, region, unsure)
  return [...pixels]
}

describe("the overlay", () => {
  it("colours every class but the background, at any size", () => {
    const whole = table(1)
    assert.deepStrictEqual(painted(plane(2, 1, 1, 2, 2), 2, 2, whole), [red, red, blue, blue])
    assert.deepStrictEqual(painted(plane(2, 1, 2), 4, 2, whole), [red, red, blue, blue, red, red, blue, blue])
    assert.deepStrictEqual(painted(plane(4, 1, 1, 1, 1), 2, 1, whole), [red, red])
    assert.deepStrictEqual(painted(plane(1, 0), 2, 1, whole), [0, 0])
  })

  it("draws edges more firmly than areas, on both sides of the background", () => {
    const half = table(0.5)
    const [left, firm, area, last] = painted(plane(4, 0, 1, 1, 0), 4, 1, half)
    assert.strictEqual(left, half.edge[1])
    assert.strictEqual(firm, half.fill[1])
    assert.strictEqual(area, half.edge[1])
    assert.strictEqual(last, 0)
    assert.isAbove(half.edge[1]! >>> 24, half.fill[1]! >>> 24)
    assert.strictEqual(table(0).edge[1]! >>> 24, 0)
  })

  it("veils what does not stand out, by class and by a region's own pixels", () => {
    const sky = table(1, { className: "sky", veil: 0.5 })
    assert.strictEqual(sky.veil >>> 24, 128)
    assert.deepStrictEqual(painted(plane(1, 2), 1, 1, sky), [sky.veil])
    // Of a box of three pixels the outer two.
    const region = { x: 1, y: 0, width: 3, height: 1, stride: 1, bits: Uint8Array.of(0b101) }
    assert.deepStrictEqual(painted(plane(5, 1, 1, 1, 1, 1), 5, 1, sky, region), [
      sky.veil,
      red,
      sky.veil,
      red,
      sky.veil
    ])
  })

  it("shows a class as one wants it: hidden, fainter, in another colour", () => {
    const look = ({ color, name }: FoundClass) =>
      name === "sky" ? { color: "#00ff00", opacity: 0.5 } : { color, opacity: 0 }
    assert.deepStrictEqual(painted(plane(1, 1), 1, 1, table(1, undefined, look)), [0x8000ff00])
    assert.deepStrictEqual(painted(plane(1, 2), 1, 1, table(1, undefined, look)), [0])
  })

  it("hatches what is less sure than one wants", () => {
    const confidence = plane(2, 200, 100)
    const [sure, unsure] = painted(plane(2, 1, 1), 2, 1, table(1), undefined, { confidence, least: 150 })
    assert.strictEqual(sure, red)
    assert.notInclude([red, 0], unsure)
    assert.deepStrictEqual(painted(plane(2, 1, 1), 2, 1, table(1), undefined, { confidence, least: 100 }), [
      red,
      red
    ])
  })

  it("paints a part of the map, at many pixels for one", () => {
    const pixels = new Uint32Array(4)
    const labels = plane(4, 0, 1, 2, 0)
    paint({ pixels, width: 4, left: 1, top: 0, stepX: 0.5, stepY: 1 }, labels, table(1))
    assert.deepStrictEqual([...pixels].slice(0, 3), [red, red, blue])
  })

  it("is the same in strips as at once", () => {
    const labels = plane(8, ...Array.from({ length: 64 }, (_, at) => (at * 7) % 3))
    const faint = table(0.6)
    const strips = [0, 5, 10].flatMap((top) => {
      const pixels = new Uint32Array(13 * Math.min(5, 13 - top))
      paint(target(pixels, labels, 13, 13, top), labels, faint)
      return [...pixels]
    })
    assert.deepStrictEqual(strips, painted(labels, 13, 13, faint))
  })

  it("costs what the screen has, not what the picture has", () => {
    const reads = (width: number, height: number) => {
      let count = 0
      const data = new Proxy(new Uint8Array(width * height).fill(1), {
        get: (target, key) => {
          count++
          return Reflect.get(target, key)
        }
      })
      const labels = { width, height, data }
      paint(target(new Uint32Array(300 * 200), labels, 300, 200), labels, table(0.6))
      return count
    }
    assert.isAtLeast(reads(400, 300), 300 * 200)
    // A hundred times the pixels.
    assert.strictEqual(reads(4000, 3000), reads(400, 300))
  })

  it("survives ids that no class has", () => {
    assert.deepStrictEqual(painted(plane(1, 255), 1, 1, table(1)), [0])
  })
})

describe("words", () => {
  it("never say nothing of something, nor all of nearly all", () => {
    assert.deepStrictEqual([0, 0.0004, 0.042, 0.9996, 1].map(percent), [
      "0 %",
      "< 0.1 %",
      "4.2 %",
      "> 99.9 %",
      "100 %"
    ])
    assert.deepStrictEqual([null, 0, 0.972, 0.997, 1].map(confidence), [
      "–",
      "0 %",
      "97 %",
      "> 99 %",
      "100 %"
    ])
    assert.deepStrictEqual([1, 20_000, 4_210_000].map(bytes), ["1 kB", "20 kB", "4.2 MB"])
    assert.deepStrictEqual(["It broke", "It broke."].map(sentence), ["It broke.", "It broke."])
  })

  it("of code are quoted for their language", () => {
    const deed = { origin: "http://h", model: "a b", file: `it's "x".png`, token: true }
    assert.strictEqual(
      snippet("curl", deed),
      `curl 'http://h/v1/segment?model=a%20b' \\
  --header "Authorization: Bearer $TOKEN" \\
  --header "Content-Type: application/octet-stream" \\
  --data-binary '@it'\\''s "x".png'`
    )
    for (const language of languages) {
      assert.include(snippet(language, deed), "TOKEN")
      assert.notInclude(snippet(language, { ...deed, token: false }), "TOKEN")
    }
    assert.include(snippet("fetch", deed), String.raw`openAsBlob("it's \"x\".png")`)
    assert.include(snippet("effect", deed), String.raw`readFile("it's \"x\".png")`)
  })
  // Where the code of the docs is compiled.
  it("of code are those of the guide", () => {
    const deed = { origin: "http://127.0.0.1:8080", model: "bundled", file: "sample.jpg" }
    assert.include(guide, snippet("effect", { ...deed, token: false }))
    assert.include(guide, snippet("effect", { ...deed, token: true }))
    assert.include(guide, snippet("fetch", { ...deed, token: false }))
    assert.include(guide, snippet("curl", { ...deed, token: true }))
  })
})
