/** Names on pictures, in any script: by a renderer where there is one, and what happens without. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CurrentTextRenderer, ImageCodec, type Raster, type TextRenderer } from "effect-segformer/image"
import { ClassTable, LabelMap, Palette } from "effect-segformer/mask"
import { Labels, Legend, Overlay, Svg, Text, Typeface } from "effect-segformer/render"
import { SharpCodec } from "effect-segformer/sharp"
import * as fc from "fast-check"
import * as Needs from "../support/Needs.ts"

const blank = (width: number, height: number) => ({
  width,
  height,
  channels: 3 as const,
  data: new Uint8Array(width * height * 3).fill(255)
})

const entry = (label: string): Legend.LegendEntry => ({ label, color: [0, 0, 255] })

/** The rightmost column with ink in a strip below a picture of one row. */
const rightmost = ({ data, height, width }: Raster): number => {
  let most = -1
  for (let i = width; i < width * height; i++) if (data[i * 3]! < 200) most = Math.max(most, i % width)
  return most
}

/** Blocks as wide as a text is long, and what was asked for. */
const blocks = () => {
  const asked: Array<string> = []
  const renderer: TextRenderer = {
    line: (text, size) =>
      Effect.sync(() => {
        asked.push(text)
        const width = Math.round(text.length * size)
        return { width, height: size, baseline: size, coverage: new Uint8Array(width * size).fill(255) }
      })
  }
  return { asked, renderer }
}

const names = ["background", "裂缝 深", "Царапина", "خدش عميق", "दरार", "Größe Øł"]
const palette = Palette.fromClasses(ClassTable.fromNames(names))
const map = (() => {
  const [width, height] = [560, 150]
  const data = new Uint8Array(width * height)
  for (let i = 0; i < data.length; i++) {
    const k = Math.floor((i % width) / 112)
    const x = ((i % width) - 56 - 112 * k) / 40
    const y = (Math.floor(i / width) - 95) / 30
    if (x * x + y * y < 1) data[i] = k + 1
  }
  return LabelMap.makeUnsafe({ width, height, data })
})()
const image: Raster = {
  width: map.width,
  height: map.height,
  channels: 3,
  data: Uint8Array.from({ length: map.data.length * 3 }, (_, i) => 110 + (Math.floor(i / 3) % map.width) / 6)
}

const drawn = Effect.gen(function* () {
  const painted = yield* Overlay.draw(image, map, { palette })
  const tagged = yield* Labels.draw(painted, map, { palette, size: 11 })
  return yield* Legend.draw(tagged, Legend.entriesOf(map, palette), { size: 9 })
})

describe("names on pictures", () => {
  it("are in our own letters where those will do, and a renderer's where not", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { asked, renderer } = blocks()
        const draw = (label: string) => Legend.draw(blank(400, 1), [entry(label)], { size: 10 })
        const latin = yield* Effect.provideService(draw("scratch 1.0 %"), CurrentTextRenderer, renderer)
        assert.deepStrictEqual(latin, Legend.below(blank(400, 1), [entry("scratch 1.0 %")], { size: 10 }))
        const chinese = yield* Effect.provideService(draw("裂缝 1.0 %"), CurrentTextRenderer, renderer)
        assert.notDeepEqual(chinese.data, (yield* draw("裂缝 1.0 %")).data)
        yield* Effect.provideService(draw("Größe 2 px"), CurrentTextRenderer, renderer)
        // The amount is never part of it.
        assert.deepStrictEqual(asked, ["裂缝", "Größe"])
      })
    ))

  it("without a renderer are Latin letters without their marks, and boxes", () => {
    const picture = (text: string) => {
      const raster = blank(300, 40)
      Text.write(raster, text, 5, 30, 14, [0, 0, 0])
      return raster.data
    }
    assert.deepStrictEqual(picture("Größe Øł Æ é"), picture("Grosse Ol AE e"))
    assert.deepStrictEqual(picture("裂缝"), picture("مر"))
    assert.notDeepEqual(picture("裂缝"), picture("裂"))
  })

  it("too long for a line are cut between letters, and never their amounts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 60, maxLength: 90 }), (name) => {
        const width = 200
        const strip = Legend.below(blank(width, 1), [entry(`${name} 12.3 %`)], { size: 10 })
        assert.isBelow(rightmost(strip), width)
        // What stands at the end is the amount, as it is behind a short name.
        const cut = Typeface.cut(name, 10, 100)
        assert.isAtMost(Text.measure(cut, 10), 100)
        assert.isTrue(cut.endsWith("…"))
        assert.isTrue(name.startsWith(cut.slice(0, -1)))
      })
    )
    const inks = (label: string) => rightmost(Legend.below(blank(200, 1), [entry(label)], { size: 10 }))
    assert.isAbove(inks(`${"m".repeat(80)} 12.3 %`), 200 - 16)
    assert.strictEqual(Typeface.cut("short", 10, 100), "short")
  })

  it("of a renderer that are too long are cut too, from the end that they have", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { renderer } = blocks()
        for (const name of ["裂".repeat(90), "خ".repeat(90)]) {
          const strip = yield* Effect.provideService(
            Legend.draw(blank(200, 1), [entry(`${name} 12.3 %`)], { size: 10 }),
            CurrentTextRenderer,
            renderer
          )
          assert.isBelow(rightmost(strip), 200)
          assert.strictEqual(
            strip.height,
            Legend.below(blank(200, 1), [entry("a 12.3 %")], { size: 10 }).height
          )
        }
      })
    ))

  it("in SVG are drawn just as wide as their tag, and no entry of a legend runs into the next", () => {
    const svg = Svg.overlay(map, { palette, labels: { size: 11 }, legend: true })
    for (const [, box, length] of svg.matchAll(
      /<rect[^>]* width="([\d.]+)"[^>]* rx[^>]*stroke="#000"[^>]*\/><text[^>]*textLength="([\d.]+)"/g
    ))
      assert.isBelow(Number(length), Number(box))
    assert.strictEqual(svg.match(/textLength=/g)?.length, 10)
    const long = Svg.legend([entry(`${"很长的名字".repeat(30)} 3.0 %`), entry("b 1 %"), entry("c 2 %")], {
      width: 300
    })
    const spans = Array.from(
      long.matchAll(/<text x="([\d.]+)" y="([\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>([^<]*)</g),
      (m) => ({
        x: Number(m[1]),
        y: Number(m[2]),
        end: Number(m[1]) + Number(m[3]),
        text: m[4]!
      })
    )
    assert.match(spans[0]!.text, /….*3\.0 %$/)
    for (const [i, span] of spans.entries()) {
      assert.isAtMost(span.end, 300)
      const next = spans[i + 1]
      if (next?.y === span.y) assert.isBelow(span.end, next.x)
    }
  })
})

describe.skipIf(!Needs.fonts)("names in five scripts", () => {
  it.live("are read in the picture in docs, which is what the code draws", () =>
    Effect.gen(function* () {
      const picture = yield* drawn
      const codec = yield* ImageCodec
      const path = fileURLToPath(new URL("../../docs/images/names.png", import.meta.url))
      if (process.env["UPDATE_PICTURES"] === "1") writeFileSync(path, yield* codec.encode(picture, "png"))
      assert.isTrue(existsSync(path))
      const sharp = (yield* Effect.promise(() => import("sharp"))).default
      const stored = yield* Effect.promise(() => sharp(readFileSync(path)).removeAlpha().raw().toBuffer())
      assert.strictEqual(stored.length, picture.data.length)
      // Versions of a font differ by a hair.
      let sum = 0
      for (let i = 0; i < stored.length; i++) sum += Math.abs(stored[i]! - picture.data[i]!)
      assert.isBelow(
        sum / stored.length,
        1.5,
        "look at docs/images/names.png, and run this test with UPDATE_PICTURES=1"
      )
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.live("no two are the same ink, as boxes would be", () =>
    Effect.gen(function* () {
      const renderer = yield* CurrentTextRenderer
      const seen = new Set<string>()
      for (const text of ["裂缝", "紧急", "خدش", "قلم", "दरार", "पानी", "ßØł", "Ждать", "Щит"]) {
        const word = yield* renderer!.line(text, 20)
        assert.isDefined(word)
        assert.isAbove(word!.width, 10)
        // A capital is as high as asked for; what hangs below the base line is not much more.
        assert.isAtLeast(word!.baseline, 10)
        seen.add(Buffer.from(word!.coverage).toString("base64"))
      }
      assert.strictEqual(seen.size, 9)
      assert.isUndefined(yield* renderer!.line("   ", 20))
      assert.isDefined(yield* renderer!.line("<b>&amp; \u0000 \ud800", 20))
    }).pipe(Effect.provide(SharpCodec.layer))
  )
})
