/** What asks for a `FileSystem` writes through it, and through nothing else. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Layer, Stream } from "effect"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { Fixtures } from "effect-segformer/testing"
import { LabelFile } from "effect-segformer/tiled"
import { randomHex } from "../../src/randomHex.ts"
import * as Segment from "../../src/cli/Segment.ts"
import * as Tiled from "../../src/cli/Tiled.ts"
import { picture, segmenter } from "../batch/support.ts"
import { folder, names } from "../support/Folder.ts"
import { redirected } from "./support.ts"

/** Everything in a folder, by its path within. */
const everything = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort()

/** A folder that is there for one file system only, and where it is in truth. */
const elsewhere = Effect.map(folder(), (truth) => {
  const path = `/segformer-nowhere-${randomHex(8)}`
  return { path, truth, files: redirected(path, truth) }
})

describe("every write goes through the program's own file system", () => {
  it.live("of a batch: its results, its journal, its lock, its lists and its report", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a.png": picture(1), "b.png": picture(1), "c.png": new Uint8Array(9) })
      const { files, path, truth } = yield* elsewhere
      const run = Batch.run({
        source: BatchSource.folder(source),
        sinks: [
          Sinks.labels({ folder: path }),
          Sinks.coco({ path: `${path}/coco.json` }),
          Sinks.csv({ path: `${path}/areas.csv` })
        ],
        folder: `${path}/.segformer`,
        failedList: `${path}/failed.csv`,
        report: `${path}/report.html`
      }).pipe(Effect.provide(Layer.merge(segmenter(), files)))
      const { settled } = yield* run
      assert.deepStrictEqual(settled, { done: 2, repeated: 1, failed: 1 })
      assert.deepStrictEqual(everything(truth), [
        ".segformer/journal.log",
        ".segformer/records.log",
        ".segformer/run.json",
        "a.png.labels.png",
        "areas.csv",
        "b.png.labels.png",
        "coco.json",
        "failed.csv",
        "report.html"
      ])
      // It is remembered there as well.
      assert.strictEqual((yield* run).skipped, 3)
      assert.isFalse(existsSync(path))
    })
  )

  it.live("of a batch without a disk: it ends, and has written nowhere", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a.png": picture(1) })
      const out = join(yield* folder(), "out")
      const error = yield* Batch.run({
        source: BatchSource.folder(source),
        sinks: [],
        folder: out
      }).pipe(
        Effect.provide(Layer.merge(segmenter(), FileSystem.layerNoop({ makeDirectory: () => Effect.void }))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "RunFolderFailed")
      assert.isFalse(existsSync(out))
    })
  )

  it.live("of `segformer segment` and `segformer tile`", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a.png": Fixtures.image })
      const { files, path, truth } = yield* elsewhere
      const image = join(source, "a.png")
      const services = Layer.provideMerge(files, NodeServices.layer)
      const common = {
        json: false,
        quiet: true,
        concurrency: 1,
        url: undefined,
        service: undefined,
        header: [],
        proxy: undefined,
        ca: undefined,
        model: undefined,
        variant: undefined,
        threshold: undefined,
        modelOutput: undefined,
        provider: undefined,
        page: undefined,
        stretch: undefined
      }
      yield* Segment.run({
        ...common,
        images: [image],
        out: `${path}/out`,
        opacity: 50,
        legend: true,
        cutOut: [],
        blur: [],
        pixelate: [],
        palette: undefined,
        maxBytes: undefined,
        maxPixels: undefined
      }).pipe(Effect.provide(services))
      yield* Tiled.run({
        ...common,
        image,
        out: `${path}/tiled/a.tif`,
        crop: 32,
        stride: 32,
        weights: "even",
        flips: [],
        bits: "8",
        palette: undefined,
        temp: undefined
      }).pipe(Effect.provide(services))
      assert.deepStrictEqual(everything(truth), [
        "out/a.json",
        "out/a.labels.png",
        "out/a.overlay.png",
        "tiled/a.tif"
      ])
      assert.isFalse(existsSync(path))
    })
  )

  it.live("of the labels of a large image", () =>
    Effect.gen(function* () {
      const { files, path, truth } = yield* elsewhere
      const size = { width: 4, height: 2 }
      const band = { ...size, y: 0, classes: [], confidence: undefined, data: new Uint8Array(8) }
      for (const name of ["a.png", "a.tif"]) {
        yield* Effect.provide(LabelFile.write(`${path}/${name}`, size, Stream.make(band)), files)
      }
      assert.deepStrictEqual(names(truth), ["a.png", "a.tif"])
    })
  )
})
