/** Whoever writes a label map as PNG, its ids and its colours are the same. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, type Scope, Stream } from "effect"
import { type Prediction, Transport } from "effect-segformer"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { type ClassTable, LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import { Colors } from "effect-segformer/render"
import { RoboflowDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { LabelFile } from "effect-segformer/tiled"
import * as LabelPngWriter from "../../src/files/LabelPngWriter.ts"
import { ask, serve } from "../server/support.ts"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

/** Ids between those of the classes have no name. */
const classesOf = (last: number): ClassTable.ClassTable => [
  { id: 0, name: "background" },
  { id: 2, name: "pit" },
  { id: last, name: "edge" }
]

/** Of the fixture's size, in storage that is wider than its ids may need. */
const mapOf = (last: number): LabelMap.LabelMap => ({
  width: 48,
  height: 32,
  data: Uint16Array.from({ length: 48 * 32 }, (_, i) => [0, 2, last][Math.floor(i / 7) % 3]!)
})

type Png = Effect.Effect<Uint8Array, unknown, Scope.Scope>

const writers = (map: LabelMap.LabelMap, classes: ClassTable.ClassTable): Readonly<Record<string, Png>> => {
  const prediction: Prediction = { _tag: "Labels", classes, labelMap: map }
  const palette = Colors.paletteOf(classes)
  const depth = map.data.some((id) => id > 255) ? 16 : 8
  const colours = depth === 8 ? { palette } : {}
  return {
    "mask/LabelPng": Effect.fromResult(LabelPng.encode(map, colours)),
    "files/LabelPngWriter": LabelPngWriter.encode(map, { palette }),
    "a batch": Effect.gen(function* () {
      const out = yield* folder()
      yield* Batch.run({
        source: BatchSource.folder(yield* folder({ "a.png": Fixtures.image })),
        sinks: [Sinks.labels({ folder: out })],
        folder: join(out, ".segformer")
      }).pipe(
        Effect.provide(
          Layer.merge(
            NodeFileSystem.layer,
            Transport.layer({ name: "stub", predict: () => Effect.succeed(prediction) })
          )
        )
      )
      return readFileSync(join(out, "a.png.labels.png"))
    }),
    "segformer segment": Effect.gen(function* () {
      const server = yield* serve(() => Effect.succeed(prediction), { dialects: [RoboflowDialect.make()] })
      const cwd = yield* folder({ "a.png": Fixtures.image })
      const env = { SEGFORMER_PROTOCOL: "roboflow", SEGFORMER_MODEL: "segformer/1", SEGFORMER_API_KEY: "k" }
      const { stderr } = yield* run(["segment", "a.png", "--url", server.url], { cwd, env })
      assert.strictEqual(stderr, "")
      return readFileSync(join(cwd, "segformer-out", "a.labels.png"))
    }),
    "segformer export": Effect.gen(function* () {
      const id2label = Object.fromEntries(classes.map(({ id, name }) => [String(id), name]))
      const cwd = yield* folder({
        "a.png": Result.getOrThrow(LabelPng.encode(map)),
        "config.json": JSON.stringify({ id2label })
      })
      const args = ["export", "png", "a.png", "--out", "b.png", "--classes", "config.json"]
      const { stderr } = yield* run(args, { cwd })
      assert.strictEqual(stderr, "")
      return readFileSync(join(cwd, "b.png"))
    }),
    "large images": Effect.gen(function* () {
      const path = join(yield* folder(), "a.png")
      const bands = [0, 20].map((y, index, starts) => {
        const height = (starts[index + 1] ?? map.height) - y
        const data = map.data.subarray(y * map.width, (y + height) * map.width)
        return { y, width: map.width, height, classes, confidence: undefined, data }
      })
      yield* Effect.provide(
        LabelFile.write(path, map, Stream.fromIterable(bands), { depth, ...colours }),
        NodeFileSystem.layer
      )
      return readFileSync(path)
    }),
    "the server's /v1": Effect.gen(function* () {
      const { url } = yield* serve(() => Effect.succeed(prediction))
      const headers = { accept: "image/png" }
      const { body, status } = yield* ask(`${url}/v1/segment`, {
        method: "POST",
        body: Uint8Array.from(Fixtures.image),
        headers
      })
      assert.strictEqual(status, 200)
      return body
    })
  }
}

/** The data of a chunk, if it is there. */
const chunkOf = (png: Uint8Array, wanted: string): Buffer | undefined => {
  const bytes = Buffer.from(png)
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString("latin1", at + 4, at + 8) === wanted) {
      return bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at))
    }
  }
  return undefined
}

describe("a label map as PNG", () => {
  for (const last of [200, 300]) {
    const map = mapOf(last)
    const classes = classesOf(last)
    const palette = last > 255 ? undefined : Buffer.from(Palette.toBytes(Colors.paletteOf(classes), 256))
    it.live.each(Object.entries(writers(map, classes)))(
      `has the same colours and ids up to ${last}, written by %s`,
      ([, write]) =>
        Effect.gen(function* () {
          const png = yield* Effect.scoped(write)
          assert.deepStrictEqual(chunkOf(png, "PLTE"), palette)
          assert.isTrue(LabelMap.equals(Result.getOrThrow(LabelPng.decode(png)), map))
        })
    )
  }
})
