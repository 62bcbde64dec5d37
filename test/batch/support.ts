/** Pictures, and a segmenter that takes a moment and whose label map follows from the picture's bytes. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Layer, Result } from "effect"
import { type Prediction, Transport } from "effect-segformer"
import { Sink } from "effect-segformer/batch"
import { LabelPng } from "effect-segformer/mask"

/** A small PNG, another one for each seed. */
export const picture = (seed: number, width = 12, height = 8): Uint8Array => {
  const data = Uint8Array.from({ length: width * height }, (_, i) => (i * 7 + seed * 13) % 251)
  new DataView(data.buffer).setUint32(0, seed)
  return Result.getOrThrow(LabelPng.encode({ width, height, data }))
}

/** The classes of the segmenter. */
export const classes = [
  { id: 0, name: "background" },
  { id: 1, name: "scratch" },
  { id: 2, name: "pit" }
]

/** What the segmenter finds in an image with these bytes. */
export const labelsOf = (bytes: Uint8Array, width: number, height: number): Uint8Array => {
  const seed = bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)
  return Uint8Array.from({ length: width * height }, (_, i) => ((seed >>> (i % 24)) & 3) % 3)
}

export const predictionOf = (bytes: Uint8Array, width: number, height: number): Prediction => ({
  _tag: "Labels",
  classes,
  labelMap: { width, height, data: labelsOf(bytes, width, height) },
  scores: new Map([[1, (bytes.length % 100) / 100]])
})

export interface SegmenterOptions {
  /** Milliseconds for an image. */
  readonly takes?: number | undefined
  readonly name?: string | undefined
  /** Told of each image that is segmented. */
  readonly onCall?: ((name: string) => void) | undefined
}

/** A segmenter in this process. */
export const segmenter = (options: SegmenterOptions = {}): Layer.Layer<Transport> =>
  Transport.layer({
    name: options.name ?? "stub",
    predict: ({ image }) =>
      Effect.gen(function* () {
        options.onCall?.(image.name)
        if (options.takes !== undefined) yield* Effect.sleep(options.takes)
        return predictionOf(yield* image.bytes, image.width, image.height)
      })
  })

/** So many pictures in folders of a hundred, no two the same. */
export const pictures = (count: number): Record<string, Uint8Array> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${Math.floor(i / 100)}/${i}.png`, picture(i)] as const)
  )

/** All files below a folder, hidden ones included, without those in which a run is remembered. */
export const filesIn = (path: string): ReadonlyArray<string> =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .filter((name) => !/^\.segformer\/(journal\.log|records\.log|run\.json)$/.test(name))
    .sort()

/** A sink that holds what it is given, by key. */
export const holding = () => {
  const found = new Map<string, string>()
  const sink = Sink.make({
    name: "held",
    write: ({ item, segmentation }) =>
      Effect.map(segmentation.labelMap, ({ data }) => {
        found.set(item.key, String(data))
      }),
    repeat: (item, original) =>
      Effect.sync(() => {
        found.set(item.key, found.get(original.key) ?? "")
        return undefined
      })
  })
  return { found, sink }
}
