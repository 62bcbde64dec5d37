import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { ClassTable, LabelMap, Metrics, Palette, Polygons } from "effect-segformer/mask"
import { Colors, EvalReport, Svg } from "effect-segformer/render"
import sharp from "sharp"
import { labelMaps } from "../mask/support.ts"

/** The pixels of an SVG, by a renderer that others wrote. */
const rendered = (svg: string) =>
  Effect.promise(async () => {
    const { data, info } = await sharp(Buffer.from(svg))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { data, width: info.width, height: info.height }
  })

/** Whether every tag is closed, in order: enough of XML for what is written here. */
const isBalanced = (text: string): boolean => {
  const open: Array<string> = []
  for (const [, closing, name, self] of text.matchAll(/<(\/?)([a-z]+)(?:"[^"]*"|[^"<>])*?(\/?)>/g)) {
    if (self === "/") continue
    if (closing === "") open.push(name!)
    else if (open.pop() !== name) return false
  }
  return open.length === 0
}

describe("Svg.overlay", () => {
  it.live("fills the pixels of every class, holes left out, as another renderer paints it", () =>
    Effect.gen(function* () {
      const palette = Palette.surface.map((info) =>
        info.id === 0 ? { ...info, color: [0, 0, 0] as const } : info
      )
      for (const map of fc.sample(labelMaps({ maxSide: 16, classes: 5 }), { numRuns: 25, seed: 7 })) {
        const large = LabelMap.resize(map, map.width * 8, map.height * 8)
        const svg = Svg.overlay(large, { palette, opacity: 1, outline: 0, tolerance: 0 })
        const { data, height, width } = yield* rendered(svg)
        assert.deepStrictEqual([width, height], [large.width, large.height])
        const painted = Colors.paint(large, palette)
        assert.isTrue(Buffer.from(painted.data).equals(data))
      }
    })
  )

  it.live("is a document that others read, whatever classes are called", () =>
    Effect.gen(function* () {
      const names = ["background", `<script>"&'\u0000\u001b</svg>`, "a & b", "Öl <3", "\ud800"]
      const palette = Palette.fromClasses(ClassTable.fromNames(names))
      const data = new Uint8Array(200 * 100).map((_, i) => Math.floor((i % 200) / 40))
      const map = { width: 200, height: 100, data }
      const svg = Svg.overlay(map, {
        palette,
        labels: true,
        legend: true,
        title: `"]]><x>`,
        image: `data:image/png;base64,"onload="x`
      })
      assert.isTrue(isBalanced(svg))
      assert.notMatch(svg, /<script|onload="x/)
      assert.include(svg, "&lt;script&gt;&quot;&amp;&#39;&lt;/svg&gt;")
      const { width } = yield* rendered(
        Svg.overlay(map, { palette, labels: true, legend: true, title: `"]]><x>` })
      )
      assert.strictEqual(width, 200)
    })
  )

  it("has one path for each class, its name as the title, and none for background", () => {
    const data = new Uint8Array(64).fill(5, 0, 8).fill(2, 16, 24).fill(5, 40, 48)
    const svg = Svg.overlay({ width: 8, height: 8, data }, { palette: Palette.surface })
    assert.deepStrictEqual(
      Array.from(svg.matchAll(/<path.*?<title>(.*?)<\/title>/g), (match) => match[1]),
      ["scratch", "pit"]
    )
    assert.match(svg, /fill-rule="evenodd"/)
  })

  it("writes paths from which the polygons come back", () => {
    fc.assert(
      fc.property(labelMaps(), (map) => {
        const polygons = Polygons.fromLabelMap(map).flatMap((outline) => outline.polygons)
        const back = Svg.pathOf(polygons)
          .split("Z")
          .filter((part) => part !== "")
          .map((part) =>
            part
              .slice(1)
              .replace("L", " ")
              .replaceAll(/(\S+ \S+)(?= |$)/g, "$1,")
              .split(/,\s*/)
          )
          .map((points) => points.filter((point) => point !== ""))
        const rings = polygons.flatMap(({ holes, outer }) => [outer, ...holes])
        assert.deepStrictEqual(
          back,
          rings.map((ring) => ring.map((point) => point.join(" ")))
        )
      })
    )
  })
})

describe("Svg.legend", () => {
  it("names every entry, in as many rows as the width asks for", () => {
    const entries = Palette.cityscapes.map(({ color, name }) => ({ label: name, color }))
    const heightOf = (svg: string) => Number(/height="(\d+)"/.exec(svg)?.[1])
    const narrow = Svg.legend(entries, { width: 300 })
    for (const { name } of Palette.cityscapes) assert.include(narrow, `>${name}</text>`)
    assert.isAbove(heightOf(narrow), heightOf(Svg.legend(entries, { width: 2000 })))
  })
})

describe("EvalReport.html", () => {
  const map = (...ids: Array<number>) =>
    LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.from(ids) })
  const evil = `<img src=x onerror=alert(1)>"'&`
  const classes = ClassTable.fromNames(["background", evil, "never"])
  const confusion = Metrics.make(3)
  Metrics.add(confusion, { prediction: map(0, 0, 1, 1), truth: map(0, 1, 1, 1) })
  const html = EvalReport.html(
    {
      classes,
      scores: Metrics.scores(confusion),
      boundary: undefined,
      confusion,
      excluded: new Set(),
      ranking: [{ image: evil, entropy: 0.5 }],
      notes: [evil],
      images: [{ name: evil, meanIou: 0.5, overallAccuracy: 0.75, pixels: 4, ignored: 0 }],
      problems: [{ name: evil, reason: evil }]
    },
    {
      palette: Palette.fromClasses(classes),
      pictures: [
        {
          name: evil,
          meanIou: 0.5,
          overallAccuracy: 0.75,
          pixels: 4,
          ignored: 0,
          pictures: [{ title: "truth", url: "data:image/png;base64,AAAA", width: 4, height: 1 }]
        }
      ],
      predictions: evil,
      truth: "truth"
    }
  )

  it("says the scores, and which classes are left out of the means", () => {
    assert.include(html, "58.3 %")
    assert.include(html, "1 class that does not occur is left out of the means")
  })

  it("escapes every name", () => {
    assert.notInclude(html, "<img src=x")
    assert.notMatch(html, /<[^>]*onerror=alert\(1\)>/)
    assert.include(html, "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;")
  })

  it("needs nothing from elsewhere, and suits light and dark screens", () => {
    assert.notMatch(html, /(src|href)="(?!data:)/)
    assert.notMatch(html, /https?:|<script|@import|url\(/)
    assert.include(html, "prefers-color-scheme: dark")
  })
})
