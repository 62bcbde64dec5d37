/** What keys have to do with where results lie, and with their order. */
import { readFileSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Stream } from "effect"
import { Batch, BatchSource, Item, Sinks } from "effect-segformer/batch"
import { ImageSource } from "effect-segformer"
import * as Journal from "../../src/batch/Journal.ts"
import * as JournalLine from "../../src/batch/JournalLine.ts"
import { fill, folder } from "../support/Folder.ts"
import { picture, segmenter } from "./support.ts"

const runOver = (source: BatchSource.BatchSource<never> | string, out: string, retryFailed = false) => {
  const failed: Array<string> = []
  return Batch.run({
    source: typeof source === "string" ? BatchSource.folder(source) : source,
    sinks: [Sinks.labels({ folder: out }), Sinks.coco({ path: join(out, "coco.json") })],
    folder: join(out, ".segformer"),
    retryFailed,
    onFailure: ({ key, message, tag }) => Effect.sync(() => void failed.push(`${key} ${tag} ${message}`))
  }).pipe(
    Effect.map(({ settled, skipped }) => ({ done: settled.done, skipped, failed })),
    Effect.provide([segmenter(), NodeFileSystem.layer, Logger.layer([])])
  )
}

describe("keys", () => {
  it.live("order what is written of all images, in whichever order they were done", () =>
    Effect.gen(function* () {
      const names = ["b.png", "a/9.png", "a/10.png", "c.png", "B.png"]
      const source = yield* folder(Object.fromEntries(names.map((name, seed) => [name, picture(seed)])))
      const out = yield* folder()
      const text = () => readFileSync(join(out, "coco.json"), "utf8")
      yield* runOver(source, out)
      const first = text()
      const files = Array.from(first.matchAll(/"file_name":"([^"]*)"/g), ([, name]) => name)
      assert.deepStrictEqual(files, names.toSorted())
      // Touched, and one that sorts before all of them comes later.
      utimesSync(join(source, "a/10.png"), new Date(), new Date("2001-02-03"))
      yield* runOver(source, out)
      assert.strictEqual(text(), first)
      fill(source, { "A.png": picture(9) })
      yield* runOver(source, out)
      assert.match(text(), /^\{"images":\[\n\{"id":1,[^\n]*"file_name":"A\.png"/)
    }).pipe(Effect.scoped)
  )

  const alike = ["panels/a.png", "panels/A.png", "Panels/a.png", "Gr\u00fcn.png", "gru\u0308n.PNG", "b.png"]
  const items = alike.map((key, seed) => Item.make(key, ImageSource.bytes(picture(seed), { name: key })))
  const source = BatchSource.fromStream("alike", Stream.fromIterable(items))

  it.live("that differ in case alone are images of their own where the disk tells them apart", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      assert.deepStrictEqual(yield* runOver(source, out), { done: 6, skipped: 0, failed: [] })
    }).pipe(Effect.scoped)
  )

  it.live("that the disk takes for one have one result: the others fail, now and in the next run", () =>
    Effect.gen(function* () {
      // A disk that makes no difference finds the journal by this name as well.
      const out = yield* folder({ ".segformer/JOURNAL.LOG": "" })
      const first = yield* runOver(source, out)
      assert.deepStrictEqual([first.done, first.failed.length], [3, 3])
      for (const line of first.failed)
        assert.match(line, /SinkFailed .* differs from .* in nothing but the case or the form of letters/)
      const next = yield* runOver(source, out)
      assert.deepStrictEqual([next.done, next.skipped], [0, 3])
      assert.deepStrictEqual(next.failed.toSorted(), first.failed.toSorted())
    }).pipe(Effect.scoped)
  )

  it.live("of images that were being done again are done where only what failed is tried", () =>
    Effect.gen(function* () {
      const images = yield* folder({ "a.png": picture(1), "b.png": picture(2) })
      const out = yield* folder()
      yield* runOver(images, out)
      yield* Effect.gen(function* () {
        const journal = yield* Journal.open(join(out, ".segformer"), Effect.void)
        const line = yield* journal.find("a.png")
        if (line !== undefined && JournalLine.isDone(line)) yield* journal.redo(line)
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
      writeFileSync(join(out, "a.png.labels.png"), "half")
      assert.deepStrictEqual(yield* runOver(images, out, true), { done: 1, skipped: 1, failed: [] })
      assert.strictEqual(readFileSync(join(out, "a.png.labels.png")).toString("latin1", 1, 4), "PNG")
    }).pipe(Effect.scoped)
  )
})
