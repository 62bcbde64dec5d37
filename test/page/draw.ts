/**
 * Makes the two pictures of the page's start from docs/images/sample.jpg: the sample, small, and what the model in the
 * box finds on it, as outlines. Run by `node -C effect-segformer-source test/page/draw.ts`.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { Palette, Polygons } from "effect-segformer/mask"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import sharp from "sharp"

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const width = 896

const sample = await sharp(path("docs/images/sample.jpg"))
  .resize(width)
  .jpeg({ quality: 44, mozjpeg: true })
  .toBuffer()

/** A ring in the fewest characters: a first point, then steps. */
const drawn = (ring: Polygons.Ring): string => {
  const points = ring.map(([x, y]) => [Math.round(x), Math.round(y)] as const)
  const steps = points.map(([x, y], at) => {
    const [x0, y0] = points[at - 1] ?? [0, 0]
    return `${x - x0} ${y - y0}`
  })
  return `M${steps[0]}l${steps.slice(1).join(" ")}z`.replaceAll(" -", "-")
}

const area = (ring: Polygons.Ring): number =>
  Math.abs(
    ring.reduce((sum, [x, y], at) => {
      const [nextX, nextY] = ring[(at + 1) % ring.length]!
      return sum + x * nextY - nextX * y
    }, 0) / 2
  )

const program = Effect.gen(function* () {
  const segmentation = yield* segment(ImageSource.bytes(sample))
  const labelMap = yield* segmentation.labelMap
  const paths = new Map<number, string>()
  for (const { classId, polygons } of Polygons.fromLabelMap(labelMap, { exclude: [0], tolerance: 1.1 })) {
    for (const { holes, outer } of polygons) {
      // Specks would cost more than they show.
      const rings = [outer, ...holes].filter((ring) => area(ring) >= 40)
      paths.set(classId, (paths.get(classId) ?? "") + rings.map(drawn).join(""))
    }
  }
  const shapes = Array.from(paths, ([id, d]) => {
    const color = Palette.toHex(Palette.colorOf(Palette.surface, id))
    return `<path fill="${color}" stroke="${color}" d="${d}"/>`
  })
  const group = `<g fill-opacity=".62" stroke-width="2" stroke-linejoin="round" fill-rule="evenodd">`
  const box = `viewBox="0 0 ${labelMap.width} ${labelMap.height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box}>${group}${shapes.join("")}</g></svg>\n`
})

const segmenter = SegFormerOnnx.layer().pipe(Layer.provideMerge(SharpCodec.layer))
writeFileSync(path("src/server/page/assets/sample.jpg"), sample)
writeFileSync(
  path("src/server/page/assets/teaser.svg"),
  await Effect.runPromise(Effect.provide(program, segmenter))
)
