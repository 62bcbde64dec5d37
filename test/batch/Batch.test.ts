import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, type FileSystem, Layer, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { CircuitOpen, ImageSource, InferenceFailed, RateLimited, Transport } from "effect-segformer"
import { Batch, BatchSource, Item, Sink, Sinks } from "effect-segformer/batch"
import { fill, folder } from "../support/Folder.ts"
import { passing } from "../support/Passing.ts"
import { filesIn, holding, picture, pictures, predictionOf, segmenter } from "./support.ts"

/** A segmenter that notes the names of the images it is given. */
const noting = () => {
  const calls: Array<string> = []
  return { calls, layer: segmenter({ onCall: (name) => calls.push(name) }) }
}

describe("Batch.run", () => {
  it.live("does each image once, and only new ones when it is run again", () =>
    Effect.gen(function* () {
      const source = yield* folder(pictures(30))
      const out = yield* folder()
      const { calls, layer } = noting()
      const { found, sink } = holding()
      const run = Batch.run({ source: BatchSource.folder(source), sinks: [sink], folder: out })
      const go = run.pipe(Effect.provide(layer), Effect.provide(NodeFileSystem.layer))

      const first = yield* go
      assert.deepStrictEqual(first.settled, { done: 30, repeated: 0, failed: 0 })
      assert.strictEqual(found.size, 30)
      assert.strictEqual(new Set(calls).size, 30)

      const second = yield* go
      assert.deepStrictEqual([second.settled.done, second.skipped, calls.length], [0, 30, 30])

      fill(source, { "new/1.png": picture(901), "new/2.png": picture(902) })
      const third = yield* go
      assert.deepStrictEqual([third.settled.done, third.skipped], [2, 30])
      assert.deepStrictEqual(calls.slice(30).sort(), ["1.png", "2.png"])
      assert.strictEqual(third.done, 32)
      assert.strictEqual(third.progress.total, 32)
    })
  )

  it.live("segments equal images once, in this session and in the next, and gives each its result", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a.png": picture(1), "b.png": picture(1), "c.png": picture(2) })
      const out = yield* folder()
      const { calls, layer } = noting()
      const sinks = [
        Sinks.labels({ folder: out }),
        Sinks.coco({ path: join(out, "coco.json") }),
        Sinks.csv({ path: join(out, "areas.csv") })
      ]
      const run = Batch.run({ source: BatchSource.folder(source), sinks, folder: join(out, ".segformer") })
      const go = run.pipe(Effect.provide(layer), Effect.provide(NodeFileSystem.layer))

      const first = yield* go
      assert.deepStrictEqual(first.settled, { done: 3, repeated: 1, failed: 0 })
      assert.strictEqual(calls.length, 2)

      fill(source, { "later.png": picture(2) })
      const second = yield* go
      assert.deepStrictEqual(second.settled, { done: 1, repeated: 1, failed: 0 })
      assert.strictEqual(calls.length, 2)

      const bytes = (name: string) => readFileSync(join(out, `${name}.labels.png`))
      assert.isTrue(bytes("a.png").equals(bytes("b.png")))
      assert.isTrue(bytes("later.png").equals(bytes("c.png")))
      assert.isFalse(bytes("a.png").equals(bytes("c.png")))
      const coco = JSON.parse(readFileSync(join(out, "coco.json"), "utf8"))
      const name = (image: { file_name: string }) => image.file_name
      assert.deepStrictEqual(coco.images.map(name).sort(), ["a.png", "b.png", "c.png", "later.png"])
      const rows = readFileSync(join(out, "areas.csv"), "utf8").split("\r\n")
      assert.strictEqual(rows.filter((row) => row.startsWith("a.png,")).length > 0, true)
      assert.deepStrictEqual(
        rows.filter((row) => row.startsWith("a.png,")).map((row) => row.slice(1)),
        rows.filter((row) => row.startsWith("b.png,")).map((row) => row.slice(1))
      )
    })
  )

  it.live("segments an equal image after all where the result of the first is gone", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a.png": picture(1) })
      const out = yield* folder()
      const { calls, layer } = noting()
      const run = Batch.run({
        source: BatchSource.folder(source),
        sinks: [Sinks.labels({ folder: out })],
        folder: join(out, ".segformer")
      }).pipe(Effect.provide(layer), Effect.provide(NodeFileSystem.layer))
      yield* run
      rmSync(join(out, "a.png.labels.png"))
      rmSync(join(source, "a.png"))
      fill(source, { "b.png": picture(1) })
      const { settled } = yield* run
      assert.deepStrictEqual([settled.done, settled.repeated, calls.length], [1, 0, 2])
      assert.deepStrictEqual(filesIn(out), ["b.png.labels.png"])
    })
  )

  it.live("lists what failed by tag, goes on, and does nothing else when it is to retry", () =>
    Effect.gen(function* () {
      const source = yield* folder({
        ...pictures(5),
        "broken.png": new TextEncoder().encode("no picture"),
        "cut.png": picture(77).subarray(0, 60)
      })
      const out = yield* folder()
      const { calls, layer } = noting()
      const failed: Array<string> = []
      const run = (retryFailed: boolean) =>
        Batch.run({
          source: BatchSource.folder(source),
          sinks: [Sinks.labels({ folder: out })],
          folder: join(out, ".segformer"),
          failedList: join(out, "failed.csv"),
          retryFailed,
          onFailure: ({ key, tag }) => Effect.sync(() => void failed.push(`${key} ${tag}`))
        }).pipe(Effect.provide(layer), Effect.provide(NodeFileSystem.layer))

      const first = yield* run(false)
      assert.deepStrictEqual(first.settled, { done: 5, repeated: 0, failed: 2 })
      assert.deepStrictEqual(first.failures, new Map([["NotAnImage", 2]]))
      assert.deepStrictEqual(failed.sort(), ["broken.png NotAnImage", "cut.png NotAnImage"])
      const list = readFileSync(join(out, "failed.csv"), "utf8")
      assert.match(list, /^image,tag,message\r\n(broken|cut)\.png,NotAnImage,/)

      // Settled as they are, a plain run leaves them alone.
      const again = yield* run(false)
      assert.deepStrictEqual([again.settled.failed, again.skipped, again.failed], [0, 7, 2])

      fill(source, { "broken.png": picture(500), "new.png": picture(501) })
      const retried = yield* run(true)
      assert.deepStrictEqual(retried.settled, { done: 1, repeated: 0, failed: 1 })
      assert.deepStrictEqual(retried.failures, new Map([["NotAnImage", 1]]))
      assert.strictEqual(retried.progress.total, 2)
      assert.strictEqual(calls.length, 6)
      assert.isFalse(filesIn(out).includes("new.png.labels.png"))

      fill(source, { "cut.png": picture(77) })
      const last = yield* run(true)
      assert.deepStrictEqual([last.settled.done, last.failures.size], [1, 0])
      assert.isFalse(filesIn(out).includes("failed.csv"))
    })
  )

  it.live("refuses a run that was begun with another model or other options, unless told otherwise", () =>
    Effect.gen(function* () {
      const source = BatchSource.folder(yield* folder(pictures(3)))
      const out = yield* folder()
      const run = (options: {
        name?: string
        sinks?: Array<Sink.Sink<FileSystem.FileSystem>>
        allowChange?: boolean
      }) =>
        Batch.run({
          source,
          sinks: options.sinks ?? [holding().sink],
          folder: out,
          allowChange: options.allowChange
        }).pipe(Effect.provide(segmenter({ name: options.name })), Effect.provide(NodeFileSystem.layer))
      yield* run({})
      const model = yield* Effect.flip(run({ name: "another" }))
      assert.strictEqual(model._tag, "RunChanged")
      assert.match(model.message, /model was stub, and is another/)
      const more = yield* Effect.flip(run({ sinks: [Sink.make({ name: "x", write: () => Effect.void })] }))
      assert.match(more.message, /results "held" was null, and is not there; results "x"/)
      const allowed = yield* run({ name: "another", allowChange: true })
      assert.strictEqual(allowed.skipped, 3)
      yield* run({ name: "another" })
      // What one file of all images would need of those that are done, nobody has kept.
      const sheet = Sinks.csv({ path: join(out, "areas.csv") })
      const late = yield* Effect.flip(run({ name: "another", sinks: [sheet], allowChange: true }))
      assert.strictEqual(late._tag, "SinkFailed")
      assert.match(late.message, /done before it was asked for.*another folder/)
      assert.isFalse(existsSync(join(out, "areas.csv")))
    })
  )

  it.live("ends at the limit of failures, and at failures one after the other", () =>
    Effect.gen(function* () {
      const failing = Transport.layer({
        name: "stub",
        predict: ({ image }) =>
          /[37]\.png$/.test(image.name)
            ? Effect.flatMap(image.bytes, (bytes) =>
                Effect.succeed(predictionOf(bytes, image.width, image.height))
              )
            : Effect.fail(new InferenceFailed({ model: "stub", source: image.source, detail: "no" }))
      })
      const source = BatchSource.folder(yield* folder(pictures(200)))
      const out = yield* folder()
      const run = (options: Partial<Batch.BatchOptions<never, never>>, folder: string) =>
        Batch.run({ source, sinks: [holding().sink], folder: join(out, folder), ...options }).pipe(
          Effect.provide(failing),
          Effect.provide(NodeFileSystem.layer),
          Effect.flip
        )
      let told = 0
      const onFailure = () => Effect.sync(() => void told++)
      const limit = yield* run({ maxFailures: 10, concurrency: 8, onFailure }, "a")
      assert.strictEqual(told, 10, "those under way that fail behind it are left to the run that goes on")
      assert.strictEqual(limit._tag, "TooManyFailures")
      assert.match(
        limit.message,
        /after 10 images failed \(the limit is 10\)\. The last one: The model stub failed/
      )
      // What is wrong with files is not counted as a row of failures.
      const broken = BatchSource.folder(
        yield* folder(
          Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`${i}.png`, new Uint8Array(i)]))
        )
      )
      const { failures } = yield* Batch.run({ source: broken, sinks: [], folder: join(out, "c") }).pipe(
        Effect.provide(failing),
        Effect.provide(NodeFileSystem.layer)
      )
      assert.deepStrictEqual(failures, new Map([["NotAnImage", 120]]))
      const row = yield* run({ maxFailuresInARow: 3 }, "b")
      assert.match(row.message, /after 3 images failed one after the other/)
    })
  )

  it.effect("waits for a service that asks to be left alone", () =>
    Effect.gen(function* () {
      let calls = 0
      const busy = Transport.layer({
        name: "stub",
        predict: ({ image }) => {
          calls++
          if (calls <= 2) {
            return Effect.fail(
              calls === 1
                ? new RateLimited({
                    service: "stub",
                    status: 429,
                    detail: "",
                    retryAfter: Duration.millis(10)
                  })
                : new CircuitOpen({ service: "stub", retryAfter: Duration.millis(10) })
            )
          }
          return Effect.map(image.bytes, (bytes) => predictionOf(bytes, image.width, image.height))
        }
      })
      const run = Batch.run({
        source: BatchSource.folder(yield* folder(pictures(5))),
        sinks: [holding().sink],
        folder: yield* folder(),
        concurrency: 1
      }).pipe(Effect.provide(busy), Effect.provide(NodeFileSystem.layer))
      const { settled } = yield* passing(run)
      assert.deepStrictEqual(settled, { done: 5, repeated: 0, failed: 0 })
    })
  )

  it.effect("tells how far it is, what is left and what it costs", () =>
    Effect.gen(function* () {
      const told: Array<{ done: number; total: number | undefined; spent: number | undefined }> = []
      const run = Batch.run({
        source: BatchSource.folder(yield* folder(pictures(60))),
        sinks: [holding().sink],
        folder: yield* folder(),
        price: 0.5,
        onProgress: ({ cost, done, total }) =>
          Effect.sync(() => void told.push({ done, total, spent: cost?.spent }))
      }).pipe(Effect.provide(segmenter({ takes: 50 })), Effect.provide(NodeFileSystem.layer))
      const { progress } = yield* passing(run)
      assert.isAbove(told.length, 1)
      assert.strictEqual(told[0]!.total, 60)
      assert.isBelow(told[0]!.done, 60)
      assert.deepStrictEqual(progress.cost, { spent: 30, left: 0 })
      assert.strictEqual(Duration.toMillis(progress.timeLeft ?? Duration.infinity), 0)
      assert.isAbove(progress.rate, 0)
    })
  )

  it.live("takes an image that a source names twice once", () =>
    Effect.gen(function* () {
      const source = yield* folder(pictures(2))
      const path = join(source, "0/0.png")
      const { calls, layer } = noting()
      const { settled } = yield* Batch.run({
        source: BatchSource.list([path, path, join(source, "0/1.png"), path]),
        sinks: [Sink.make({ name: "none", write: () => Effect.void })],
        folder: yield* folder()
      }).pipe(Effect.provide(Layer.merge(layer, Layer.merge(NodeFileSystem.layer, FetchHttpClient.layer))))
      assert.deepStrictEqual([settled.done, calls.length], [2, 2])
    })
  )

  it.live("holds no more images than are under way, however long the source is", () =>
    Effect.gen(function* () {
      let alive = 0
      let most = 0
      const items = Stream.map(Stream.range(0, 499), (i) =>
        Item.make(String(i), {
          name: `${i}.png`,
          open: () =>
            Effect.suspend(() => {
              most = Math.max(most, ++alive)
              return ImageSource.bytes(picture(i)).open()
            })
        })
      )
      const sink = Sink.make({ name: "count", write: () => Effect.sync(() => void alive--) })
      yield* Batch.run({
        source: BatchSource.fromStream("mine", items),
        sinks: [sink],
        folder: yield* folder(),
        concurrency: 4
      }).pipe(Effect.provide(segmenter({ takes: 1 })), Effect.provide(NodeFileSystem.layer))
      assert.isAtMost(most, 6)
    })
  )
})
