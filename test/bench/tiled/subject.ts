/** One task of the benchmark of large pictures, in a process of its own, so that its memory can be told. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Layer, Stream } from "effect"
import { Transport } from "../../../src/index.ts"
import { SegFormerOnnx } from "../../../src/onnx/index.ts"
import { SharpCodec } from "../../../src/image/sharp.ts"
import { LargeImage, Tiled } from "../../../src/tiled/index.ts"
import { mosaic, type Size } from "./picture.ts"

export type Task =
  /** Windows through the bundled model, and no more. */
  | { readonly type: "windows"; readonly count: number }
  /** A model of so many classes that costs nothing. */
  | { readonly type: "classes"; readonly classes: number; readonly size: Size }
  /** The model on the whole of a picture at its own size, and in windows. */
  | { readonly type: "seams"; readonly side: number; readonly cases: ReadonlyArray<Tiled.TiledOptions> }

/** Milliseconds by name, or what a task found. */
export type Told = Readonly<Record<string, number>>

const drawn = (source: string, size: Size) =>
  Effect.gen(function* () {
    const { part } = yield* Effect.promise(mosaic)
    return yield* LargeImage.make({
      source,
      ...size,
      read: (box) =>
        Effect.sync(() => ({
          width: box.width,
          height: box.height,
          channels: 3,
          data: part(box.x, box.y, box)
        }))
    })
  })

const bundled = SegFormerOnnx.layer()
const asTheyAre = SegFormerOnnx.layer({ preprocessing: { size: undefined } })

const windows = Effect.fnUntraced(function* (count: number) {
  const picture = yield* drawn("window", { width: 512, height: 512 })
  const image = yield* picture.window({ x: 0, y: 0, width: 512, height: 512 })
  const transport = yield* Transport
  const started = performance.now()
  yield* Effect.forEach(
    Array.from({ length: count }),
    () => transport.runner.run((attempt) => transport.predict({ image }, attempt)),
    { concurrency: 4, discard: true }
  )
  return { milliseconds: performance.now() - started }
})

const classes = Effect.fnUntraced(function* (count: number, size: Size) {
  const picture = yield* drawn("wide", size)
  const table = Array.from({ length: count }, (_, id) => ({ id, name: `class ${id}` }))
  const width = 128
  const stub = Transport.layer({
    name: "stub",
    predict: () =>
      Effect.sync(() => {
        // New memory each time, as from a model; blobs, so that there are borders.
        const data = new Float32Array(count * width * width)
        for (let i = 0; i < width * width; i++) {
          const x = i % width
          const y = Math.floor(i / width)
          data[(Math.floor(x / 16 + (y / 16) * 8 + 0.3 * Math.sin(x)) % count) * width * width + i] = 1
        }
        return { _tag: "Logits", classes: table, logits: { data, classes: count, width, height: width } }
      })
  })
  const started = performance.now()
  yield* Effect.provide(Stream.runDrain(Tiled.segment(picture)), stub)
  return { milliseconds: performance.now() - started }
})

const seams = Effect.fnUntraced(function* (side: number, cases: ReadonlyArray<Tiled.TiledOptions>) {
  const size = { width: side, height: side }
  const picture = yield* drawn("seams", size)
  const labels = Effect.fnUntraced(function* (options: Tiled.TiledOptions) {
    const out = new Uint8Array(side * side)
    yield* Stream.runForEach(Tiled.segment(picture, options), (band) =>
      Effect.sync(() => out.set(band.data, band.y * side))
    )
    return out
  })
  const untiled = yield* labels({ crop: side, stride: side })
  const found: Record<string, number> = {}
  for (const [index, options] of cases.entries()) {
    const tiled = yield* labels(options)
    const { crop = 512, stride = 384 } = options
    const starts: Array<number> = []
    for (let at = 0; starts.at(-1) !== side - crop; at += stride) starts.push(Math.min(at, side - crop))
    const borders = starts.flatMap((start) => [start, start + crop]).filter((at) => at > 0 && at < side)
    const near = Array.from({ length: side }, (_, at) =>
      borders.some((border) => Math.abs(at - border) <= 16)
    )
    const counts = { all: [0, 0], seams: [0, 0], elsewhere: [0, 0] }
    for (let i = 0; i < tiled.length; i++) {
      const differs = tiled[i] === untiled[i] ? 0 : 1
      const where = near[i % side] || near[Math.floor(i / side)] ? counts.seams : counts.elsewhere
      for (const count of [counts.all, where]) {
        count[0]! += differs
        count[1]!++
      }
    }
    for (const [where, [differing, all]] of Object.entries(counts))
      found[`${index} ${where}`] = (100 * differing!) / all!
  }
  return found
})

const run = (task: Task): Effect.Effect<Told, unknown> => {
  const common = Layer.merge(SharpCodec.layer, NodeFileSystem.layer)
  switch (task.type) {
    case "windows":
      return Effect.provide(windows(task.count), Layer.provideMerge(bundled, common))
    case "classes":
      return Effect.provide(classes(task.classes, task.size), common)
    case "seams":
      return Effect.provide(seams(task.side, task.cases), Layer.provideMerge(asTheyAre, common))
  }
}

const task: Task = JSON.parse(process.argv[2]!)
const told = await Effect.runPromise(run(task))
if (process.send) process.send(told)
else console.log(told)
if (process.connected) process.disconnect()
