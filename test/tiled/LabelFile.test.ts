import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FileSystem, Result, Stream } from "effect"
import { LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import { type Band, LabelFile } from "effect-segformer/tiled"
import sharp from "sharp"
import * as LabelTiffWriter from "../../src/files/LabelTiffWriter.ts"

const size = { width: 600, height: 530 }

/** Ids up to `most`, the first and the last of them among them. */
const ids = (most: number) => {
  const data =
    most > 255 ? new Uint16Array(size.width * size.height) : new Uint8Array(size.width * size.height)
  let state = 1
  for (let i = 0; i < data.length; i++) {
    // Runs and noise.
    if (i % 97 === 0 || i % 7919 < 100) state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[i] = state % (most + 1)
  }
  data[0] = most
  data[data.length - 1] = most
  return data
}

const bandsOf = (data: LabelMap.LabelData, heights: ReadonlyArray<number>) => {
  let y = 0
  return Stream.fromIterable(
    heights.map((height): Band => {
      const band = { y, width: size.width, height, classes: [], confidence: undefined }
      y += height
      return { ...band, data: data.subarray(band.y * size.width, y * size.width) }
    })
  )
}

const inFolder = <A, E>(use: (folder: string) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.makeTempDirectoryScoped())
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

const heights = [200, 200, 1, 129]

describe("a file of labels", () => {
  it.live.each<readonly [string, LabelFile.LabelFileOptions, number]>([
    ["a.png", {}, 255],
    ["a.tif", {}, 255],
    ["b.png", { depth: 16 }, 65_535],
    ["b.tiff", { depth: 16 }, 65_535],
    ["labels", { format: "tiff" }, 5]
  ])("holds every id as it is, for readers of its format: %s %o", ([name, options, most]) =>
    inFolder((folder) =>
      Effect.gen(function* () {
        const path = join(folder, name)
        const data = ids(most)
        yield* LabelFile.write(path, size, bandsOf(data, heights), options)
        assert.deepStrictEqual(readdirSync(folder), [name])

        const read = yield* Effect.promise(() =>
          sharp(path)
            .toColourspace(options.depth === 16 ? "grey16" : "b-w")
            .raw({ depth: options.depth === 16 ? "ushort" : "uchar" })
            .toBuffer({ resolveWithObject: true })
        )
        assert.deepInclude(read.info, { ...size, channels: 1 })
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
        assert.isTrue(read.data.equals(bytes), "sharp reads other ids")
        if (!name.endsWith(".png")) {
          const { data: part } = yield* Effect.promise(() =>
            sharp(path)
              .extract({ left: 250, top: 251, width: 20, height: 10 })
              .toColourspace("b-w")
              .raw({ depth: options.depth === 16 ? "ushort" : "uchar" })
              .toBuffer({ resolveWithObject: true })
          )
          assert.strictEqual(part.length, options.depth === 16 ? 400 : 200)
          return
        }
        const fs = yield* FileSystem.FileSystem
        const decoded = Result.getOrThrow(LabelPng.decode(yield* fs.readFile(path)))
        assert.isTrue(LabelMap.equals(decoded, { ...size, data }))
      })
    )
  )

  it.live("has a palette where one is given, its ids kept", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const data = ids(5)
        for (const name of ["a.png", "a.tif"]) {
          const path = join(folder, name)
          yield* LabelFile.write(path, size, bandsOf(data, heights), { palette: Palette.surface })
          const { data: colors, info } = yield* Effect.promise(() =>
            sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true })
          )
          assert.strictEqual(info.channels, 3)
          const wrong = data.findIndex((id, i) =>
            Palette.colorOf(Palette.surface, id)?.some((value, c) => colors[i * 3 + c] !== value)
          )
          assert.strictEqual(wrong, -1)
        }
        const decoded = Result.getOrThrow(LabelPng.decode(yield* fs.readFile(join(folder, "a.png"))))
        assert.isTrue(LabelMap.equals(decoded, { ...size, data }))
      })
    )
  )

  it.live("is a BigTIFF where it might pass 4 GiB", () =>
    Effect.gen(function* () {
      const data = ids(255).subarray(0, size.width * 300)
      const writer = LabelTiffWriter.make({ width: size.width, height: 300, depth: 8 }, true)
      const file = yield* Effect.promise(async () => {
        const first = await writer.write(data.subarray(0, size.width * 256))
        const second = await writer.write(data.subarray(size.width * 256))
        const { patch, pieces } = await writer.end()
        const bytes = Buffer.concat([...writer.start, ...first, ...second, ...pieces])
        if (patch !== undefined) bytes.set(patch.bytes, patch.at)
        return bytes
      })
      assert.deepStrictEqual([...file.subarray(0, 8)], [0x49, 0x49, 43, 0, 8, 0, 0, 0])
      const read = yield* Effect.promise(() => sharp(file).toColourspace("b-w").raw().toBuffer())
      assert.isTrue(read.equals(Uint8Array.from(data)))
    })
  )

  it.live("takes little room where little changes", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        const data = new Uint8Array(size.width * size.height)
        for (const name of ["a.png", "a.tif"]) {
          yield* LabelFile.write(join(folder, name), size, bandsOf(data, heights))
          assert.isBelow(statSync(join(folder, name)).size, data.length / 100)
        }
      })
    )
  )
})

describe("labels that cannot be written", () => {
  it.live.each<readonly [string, string, Stream.Stream<Band, string>, LabelFile.LabelFileOptions, RegExp]>([
    ["an id that does not fit", "a.png", bandsOf(ids(300), heights), {}, /class id 300 does not fit 8 bits/],
    ["rows that are missing", "a.tif", bandsOf(ids(5), [200]), {}, /only 200 of 530 rows came/],
    [
      "bands out of order",
      "a.tif",
      Stream.drop(bandsOf(ids(5), heights), 1),
      {},
      /row 0 of 600 x 530 pixels is due, but rows 200 to 400 of 600 pixels came/
    ],
    ["a name of no format", "a.jpg", bandsOf(ids(5), heights), {}, /must end in \.tif, \.tiff or \.png/],
    ["a palette of 16 bits", "a.png", bandsOf(ids(5), heights), { depth: 16, palette: [] }, /8 bits, not 16/],
    ["a folder that is not there", "b/a.png", bandsOf(ids(5), heights), {}, /b\/a\.png/]
  ])("say why and leave nothing behind: %s", ([, name, bands, options, message]) =>
    inFolder((folder) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(LabelFile.write(join(folder, name), size, bands, options))
        if (typeof error === "string") return assert.fail(error)
        assert.strictEqual(error._tag, "LabelsNotWritten")
        assert.match(error.message, message)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
    )
  )

  it.live(
    "leave nothing behind when they fail or are interrupted on the way, and the old file as it was",
    () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          for (const name of ["a.png", "a.tif"]) {
            const path = join(folder, name)
            yield* fs.writeFileString(path, "old")
            const some = Stream.take(bandsOf(ids(5), heights), 2)
            const failing = Stream.concat(some, Stream.fail("the model is gone"))
            const error = yield* Effect.flip(LabelFile.write(path, size, failing))
            assert.strictEqual(error, "the model is gone")

            const reached = yield* Deferred.make<void>()
            const endless = Stream.concat(
              some,
              Stream.fromEffect(Effect.andThen(Deferred.succeed(reached, undefined), Effect.never))
            )
            const fiber = yield* Effect.forkChild(LabelFile.write(path, size, endless))
            yield* Deferred.await(reached)
            assert.strictEqual(readdirSync(folder).filter((each) => each.endsWith(".part")).length, 1)
            yield* Fiber.interrupt(fiber)
            assert.deepStrictEqual(
              readdirSync(folder).filter((each) => each.endsWith(".part")),
              []
            )
            assert.strictEqual(yield* fs.readFileString(path), "old")
          }
        })
      )
  )
})
