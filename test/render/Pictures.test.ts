/**
 * The pictures of docs/pictures.md are made here, from the sample and with the model in the box. `UPDATE_PICTURES=1`
 * writes them; otherwise the stored ones are held to what the code draws now.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { ImageCodec, type Raster } from "effect-segformer/image"
import { SegFormerOnnx } from "effect-segformer/onnx"
import {
  Colors,
  CutOut,
  Difference,
  Heat,
  Labels,
  Legend,
  Outlines,
  Overlay,
  SideBySide,
  Svg
} from "effect-segformer/render"
import { SharpCodec } from "effect-segformer/sharp"
import sharp from "sharp"

const root = fileURLToPath(new URL("../..", import.meta.url))
const update = process.env["UPDATE_PICTURES"] === "1"
const environment = SegFormerOnnx.layer({ confidence: true }).pipe(Layer.provideMerge(SharpCodec.layer))

const half = (bytes: Uint8Array) =>
  Effect.promise(async () => (await sharp(bytes).resize(480, 320).jpeg({ quality: 82 }).toUint8Array()).data)

/** Pictures, or SVG documents, by the names of their files. */
const make = Effect.gen(function* () {
  const codec = yield* ImageCodec
  const bytes = readFileSync(`${root}docs/images/sample.jpg`)
  const source = ImageSource.bytes(bytes)
  const image = yield* codec.decode(yield* source.open())
  const { classes, confidence, labelMap } = yield* segment(source)
  const map = yield* labelMap
  const palette = Colors.paletteOf(classes)
  assert.isDefined(confidence)
  if (confidence === undefined) return {}
  const small = yield* half(bytes)
  const second = yield* Effect.flatMap(segment(ImageSource.bytes(small)), (found) => found.labelMap)
  const overlay = Overlay.paint(image, map, { palette })
  // Doubt is what a person looks for, so it gets the bright colours.
  const range = [1, 0.4] as const
  return {
    "overlay.jpg": Legend.below(overlay, Legend.entriesOf(map, palette)),
    "outlines.jpg": Outlines.paint(image, map, { palette }),
    "labels.jpg": Labels.paint(overlay, map, { palette }),
    "colors.png": Legend.below(Colors.paint(map, palette), Legend.entriesOf(map, palette)),
    "side-by-side.jpg": SideBySide.paint(image, overlay, { maxSide: 720 }),
    "cut-out.png": CutOut.paint(image, map, { ids: palette.map(({ id }) => id).filter((id) => id !== 0) }),
    "confidence.jpg": Heat.beneath(Heat.paint(confidence, { image, range }), { title: "confidence", range }),
    "difference.jpg": Difference.paint(image, map, second, {
      palette,
      names: ["full size", "half size"],
      legend: true
    }),
    "overlay.svg": Svg.overlay(map, {
      palette,
      image: `data:image/jpeg;base64,${Buffer.from(small).toString("base64")}`,
      labels: true,
      legend: true,
      title: "A circuit board with its defects"
    }),
    "legend.svg": Svg.legend(
      palette.map(({ color, name }) => ({ label: name, color })),
      { width: 640 }
    )
  } satisfies Record<string, Raster | string>
})

const encode = Effect.fnUntraced(function* (name: string, picture: Raster | string) {
  if (typeof picture === "string") return new TextEncoder().encode(picture)
  const codec = yield* ImageCodec
  return yield* codec.encode(picture, name.endsWith(".png") ? "png" : "jpeg", { quality: 84 })
})

/** Any picture's pixels over white. */
const pixels = (bytes: Uint8Array) =>
  Effect.promise(async () => {
    const { data, info } = await sharp(bytes).flatten({ background: "#fff" }).removeAlpha().raw().toBuffer({
      resolveWithObject: true
    })
    return { data, width: info.width, height: info.height }
  })

describe("the pictures in docs", () => {
  it.live("are what the code draws", () =>
    Effect.gen(function* () {
      const made = yield* make
      for (const [name, picture] of Object.entries(made)) {
        const path = `${root}docs/images/${name}`
        const bytes = yield* encode(name, picture)
        if (update) writeFileSync(path, bytes)
        assert.isTrue(existsSync(path), `${name} is missing: run this test with UPDATE_PICTURES=1`)
        assert.isBelow(statSync(path).size, 200_000, name)
        const stored = yield* pixels(readFileSync(path))
        const now = yield* pixels(bytes)
        assert.deepStrictEqual([stored.width, stored.height], [now.width, now.height], name)
        let sum = 0
        let far = 0
        for (let i = 0; i < now.data.length; i++) {
          const apart = Math.abs(now.data[i]! - stored.data[i]!)
          sum += apart
          if (apart > 48) far++
        }
        const hint = `${name} is not what the code draws: look at it, and run this test with UPDATE_PICTURES=1`
        assert.isBelow(sum / now.data.length, 1.5, hint)
        assert.isBelow(far / now.data.length, 0.005, hint)
      }
    }).pipe(Effect.provide(environment))
  )

  it("all stand in docs/pictures.md", () => {
    const text = readFileSync(`${root}docs/pictures.md`, "utf8")
    for (const name of [
      "overlay.jpg",
      "outlines.jpg",
      "labels.jpg",
      "colors.png",
      "side-by-side.jpg",
      "cut-out.png",
      "confidence.jpg",
      "difference.jpg",
      "overlay.svg",
      "legend.svg"
    ]) {
      assert.include(text, `](images/${name})`)
    }
  })
})
