/** Models and pictures for the tests of this folder. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, Layer, type Scope } from "effect"
import { assert } from "@effect/vitest"
import { ImageSource, LabelMap, segment } from "effect-segformer"
import { type Raster, ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import * as ort from "onnxruntime-node"
import { folder } from "../support/Folder.ts"
import * as reference from "./reference.ts"
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

/** A model folder around fixtures: name within `onnx/` to name of the fixture. */
export const modelFolder = (
  files: Readonly<Record<string, string>>,
  options?: { readonly config?: unknown; readonly preprocessor?: unknown }
): Effect.Effect<string, never, Scope.Scope> =>
  folder({
    "config.json": JSON.stringify(options?.config ?? config),
    "preprocessor_config.json": JSON.stringify(options?.preprocessor ?? preprocessor),
    ...Object.fromEntries(
      Object.entries(files).map(([name, source]) => [`onnx/${name}`, readFileSync(fixture(source))])
    )
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

const bundled = fileURLToPath(new URL("../../src/onnx/bundled/onnx/model.onnx", import.meta.url))

/** Holds the embedded model to the plain reference, pixel for pixel, on pictures of these sizes; gives the ids seen. */
export const agrees = (sizes: ReadonlyArray<readonly [width: number, height: number]>) =>
  Effect.gen(function* () {
    const session = yield* Effect.acquireRelease(
      Effect.promise(() => ort.InferenceSession.create(bundled, { intraOpNumThreads: 1 })),
      (session) => Effect.promise(() => session.release())
    )
    const seen = new Set<number>()
    for (const [index, [width, height]] of sizes.entries()) {
      const picture = panel(width, height, index + 1)
      const found = yield* (yield* segment(yield* source(picture))).labelMap
      const logits = yield* Effect.promise(() => reference.logits(session, picture))
      const expected = { width, height, data: reference.labels(logits, width, height) }
      assert.isTrue(LabelMap.equals(found, expected), `${width} x ${height}`)
      for (const id of LabelMap.histogram(found).keys()) seen.add(id)
    }
    return seen
  }).pipe(Effect.scoped)
