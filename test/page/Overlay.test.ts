/** What the page computes, without a browser: pixels from label maps, and code to copy. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { agreement, colors, paint } from "../../src/server/page/client/Overlay.ts"
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

const painted = (
  labels: ReturnType<typeof plane>,
  width: number,
  height: number,
  table: ReturnType<typeof colors>,
  box?: Parameters<typeof paint>[3]
) => {
  const pixels = new Uint32Array(width * height)
  paint({ pixels, width, height, top: 0 }, labels, table, box)
  return [...pixels]
}

describe("the overlay", () => {
  it("colours every class but the background, at any size", () => {
    const table = colors(classes, 1, undefined)
    assert.deepStrictEqual(painted(plane(2, 1, 1, 2, 2), 2, 2, table), [red, red, blue, blue])
    assert.deepStrictEqual(painted(plane(2, 1, 2), 4, 2, table), [red, red, blue, blue, red, red, blue, blue])
    assert.deepStrictEqual(painted(plane(4, 1, 1, 1, 1), 2, 1, table), [red, red])
    assert.deepStrictEqual(painted(plane(1, 0), 2, 1, table), [0, 0])
  })

  it("draws edges more firmly than areas, on both sides of the background", () => {
    const table = colors(classes, 0.5, undefined)
    const [left, firm, area, last] = painted(plane(4, 0, 1, 1, 0), 4, 1, table)
    assert.strictEqual(left, table.edge[1])
    assert.strictEqual(firm, table.fill[1])
    assert.strictEqual(area, table.edge[1])
    assert.strictEqual(last, 0)
    assert.isAbove(table.edge[1]! >>> 24, table.fill[1]! >>> 24)
    assert.strictEqual(colors(classes, 0, undefined).edge[1]! >>> 24, 0)
  })

  it("veils what does not stand out, by class and by box", () => {
    const table = colors(classes, 1, { className: "sky", veil: 0.5 })
    assert.strictEqual(table.veil >>> 24, 128)
    assert.deepStrictEqual(painted(plane(1, 2), 1, 1, table), [table.veil])
    const box = { x: 1, y: 0, width: 1, height: 1 }
    assert.deepStrictEqual(painted(plane(3, 1, 1, 1), 3, 1, table, box), [table.veil, red, table.veil])
  })

  it("is the same in strips as at once", () => {
    const labels = plane(8, ...Array.from({ length: 64 }, (_, at) => (at * 7) % 3))
    const table = colors(classes, 0.6, undefined)
    const strips = [0, 5, 10].flatMap((top) => {
      const pixels = new Uint32Array(13 * Math.min(5, 13 - top))
      paint({ pixels, width: 13, height: 13, top }, labels, table)
      return [...pixels]
    })
    assert.deepStrictEqual(strips, painted(labels, 13, 13, table))
  })

  it("costs what the screen has, not what the picture has", () => {
    const table = colors(classes, 0.6, undefined)
    const reads = (width: number, height: number) => {
      let count = 0
      const data = new Proxy(new Uint8Array(width * height).fill(1), {
        get: (target, key) => {
          count++
          return Reflect.get(target, key)
        }
      })
      paint(
        { pixels: new Uint32Array(300 * 200), width: 300, height: 200, top: 0 },
        { width, height, data },
        table
      )
      return count
    }
    assert.isAtLeast(reads(400, 300), 300 * 200)
    // A hundred times the pixels.
    assert.strictEqual(reads(4000, 3000), reads(400, 300))
  })

  it("survives ids that no class has", () => {
    assert.deepStrictEqual(painted(plane(1, 255), 1, 1, colors(classes, 1, undefined)), [0])
  })
})

describe("agreement", () => {
  it("goes by names, whatever the ids", () => {
    const labels = plane(4, 0, 1, 2, 2)
    const other = [found(0, "background", undefined), found(1, "road", "#0000ff"), found(2, "sky", "#ff0000")]
    assert.strictEqual(agreement({ labels, classes }, { labels, classes }), 1)
    assert.strictEqual(agreement({ labels, classes }, { labels, classes: other }), 0.25)
    assert.strictEqual(agreement({ labels, classes }, { labels: plane(4, 0, 2, 1, 1), classes: other }), 1)
    assert.isUndefined(agreement({ labels, classes }, { labels: plane(1, 0), classes }))
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
