/** Models and pictures for the tests of this folder. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Layer, type Scope } from "effect"
import { ImageSource } from "effect-segformer"
import { type Raster, ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import type { Rgb } from "./reference.ts"

export const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

export const config = {
  model_type: "segformer",
  id2label: { 0: "black", 1: "red", 2: "green", 3: "blue", 4: "yellow", 5: "white" }
}

export const preprocessor = {
  do_resize: true,
  do_rescale: true,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  resample: 2,
  rescale_factor: 1 / 255,
  size: { height: 32, width: 32 }
}

/** A folder that goes with the scope. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "segformer-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A model folder around fixtures: name within `onnx/` to name of the fixture. */
export const modelFolder = (
  files: Readonly<Record<string, string>>,
  options?: { readonly config?: unknown; readonly preprocessor?: unknown }
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(folder, (path) => {
    mkdirSync(join(path, "onnx"))
    for (const [name, source] of Object.entries(files))
      copyFileSync(fixture(source), join(path, "onnx", name))
    writeFileSync(join(path, "config.json"), JSON.stringify(options?.config ?? config))
    writeFileSync(
      join(path, "preprocessor_config.json"),
      JSON.stringify(options?.preprocessor ?? preprocessor)
    )
    return path
  })

/** Numbers from 0 to 1 that are the same each time. */
export const makeRandom = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** A panel with things on it: a gradient, lines, blots and grain. */
export const panel = (width: number, height: number, seed: number): Rgb => {
  const random = makeRandom(seed)
  const data = new Uint8Array(width * height * 3)
  const size = Math.max(width, height)
  const blots = Array.from({ length: 14 }, () => ({
    x: random() * width,
    y: random() * height,
    reach: size * (0.01 + 0.05 * random()),
    stretch: random() < 0.4 ? 12 : 1,
    tone: random() * 255
  }))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let tone = 120 + (60 * x) / width - (40 * y) / height + 12 * random()
      for (const blot of blots) {
        const dx = (x - blot.x) / blot.reach / blot.stretch
        const dy = (y - blot.y) / blot.reach
        if (dx * dx + dy * dy < 1) tone = blot.tone + 12 * random()
      }
      const at = (y * width + x) * 3
      data[at] = tone
      data[at + 1] = Math.max(0, tone - 8)
      data[at + 2] = Math.min(255, tone * 1.05)
    }
  return { width, height, data }
}

/** One colour throughout. */
export const plain = (width: number, height: number, red: number, green: number, blue: number): Rgb => {
  const data = new Uint8Array(width * height * 3)
  for (let at = 0; at < data.length; at += 3) data.set([red, green, blue], at)
  return { width, height, data }
}

export const png = (picture: Rgb): Effect.Effect<Uint8Array> =>
  Effect.flatMap(ImageCodec, (codec) =>
    codec.encode({ ...picture, channels: 3 } satisfies Raster, "png")
  ).pipe(Effect.orDie, Effect.provide(SharpCodec.layer))

export const source = (picture: Rgb, name?: string) =>
  Effect.map(png(picture), (bytes) => ImageSource.bytes(bytes, { name }))

/** A codec that gives this picture whatever the image, for sizes that would take long to encode. */
export const fixedCodec = (picture: Rgb): Layer.Layer<ImageCodec> =>
  Layer.succeed(ImageCodec, {
    decode: () => Effect.sync((): Raster => ({ ...picture, channels: 3 })),
    encode: () => Effect.die(new Error("not asked for"))
  })
