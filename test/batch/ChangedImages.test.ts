/** Images that are others than they were when they were done. */
import { copyFileSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Logger, Result, Stream } from "effect"
import { ImageSource } from "effect-segformer"
import { Batch, BatchSource, Item, Sink, SinkFailed, Sinks } from "effect-segformer/batch"
import { LabelPng } from "effect-segformer/mask"
import { fill, folder } from "../support/Folder.ts"
import { labelsOf, picture, segmenter } from "./support.ts"

/** A run over a folder or a source, which notes what it segments and says. */
const runOver = (source: BatchSource.BatchSource<never> | string, out: string) => {
  const calls: Array<string> = []
  const said: Array<string> = []
  const go = Batch.run({
    source: typeof source === "string" ? BatchSource.folder(source) : source,
    sinks: [Sinks.labels({ folder: out }), Sinks.coco({ path: join(out, "coco.json") })],
    folder: join(out, ".segformer")
  }).pipe(
    Effect.provide([
      segmenter({ onCall: (name) => calls.push(name) }),
      NodeFileSystem.layer,
      Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
    ])
  )
  const counted = Effect.map(go, ({ changed, missing, settled }) => {
    const found = { changed, missing, done: settled.done, failed: settled.failed, calls: calls.toSorted() }
    calls.length = 0
    return found
  })
  return { counted, said }
}

/** Whether the result of an image is that of a picture. */
const isResultOf = (out: string, key: string, seed: number) => {
  const { data } = Result.getOrThrow(LabelPng.decode(readFileSync(join(out, `${key}.labels.png`))))
  assert.deepStrictEqual([...data], [...labelsOf(picture(seed), 12, 8)], key)
}

const nothing = { changed: 0, missing: 0, done: 0, failed: 0, calls: [] }

describe("images that are others than they were", () => {
  it.live("are done again, and those whose content is the same are not", () =>
    Effect.gen(function* () {
      const names = ["a.png", "b.png", "c.png", "d.png"]
      const source = yield* folder(Object.fromEntries(names.map((name, seed) => [name, picture(seed)])))
      const out = yield* folder()
      const { counted, said } = runOver(source, out)
      assert.deepStrictEqual(yield* counted, { ...nothing, done: 4, calls: names })
      assert.deepStrictEqual(yield* counted, nothing)
      const long = new Date("2001-02-03")
      // Replaced, older than it was; touched; another one of the same time; no image any more.
      writeFileSync(join(source, "a.png"), picture(10))
      utimesSync(join(source, "a.png"), long, long)
      utimesSync(join(source, "b.png"), long, long)
      copyFileSync(join(source, "b.png"), join(source, "c.png"))
      writeFileSync(join(source, "d.png"), "no image")
      assert.deepStrictEqual(yield* counted, { ...nothing, changed: 3, done: 2, failed: 1, calls: ["a.png"] })
      assert.strictEqual(said.length, 1)
      assert.match(
        said[0]!,
        /^\S+ is another image than it was when it was done\. What has changed is done again$/
      )
      isResultOf(out, "a.png", 10)
      isResultOf(out, "b.png", 1)
      isResultOf(out, "c.png", 1)
      const images = JSON.parse(readFileSync(join(out, "coco.json"), "utf8")).images
      assert.strictEqual(images.length, 3)
      assert.deepStrictEqual(yield* counted, nothing)
    })
  )

  it.live("are noticed where another folder has images of the same names", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const [first, second] = [yield* folder({ "1.png": picture(1) }), yield* folder({ "1.png": picture(2) })]
      assert.strictEqual((yield* runOver(first, out).counted).done, 1)
      assert.deepStrictEqual(yield* runOver(second, out).counted, {
        ...nothing,
        changed: 1,
        done: 1,
        calls: ["1.png"]
      })
      isResultOf(out, "1.png", 2)
    })
  )

  it.live("are no originals any more of what they were, in the same run and in the next", () =>
    Effect.gen(function* () {
      const source = yield* folder({ "a.png": picture(1) })
      const out = yield* folder()
      const { counted } = runOver(source, out)
      yield* counted
      // What "a" was comes under other names: before, with and after it.
      fill(source, { "0.png": picture(1), "a.png": picture(2), "b.png": picture(1) })
      const { calls, changed, done } = yield* counted
      assert.deepStrictEqual([changed, done], [1, 3])
      // Copied while it was still there, or made once.
      assert.isAtMost(calls.length, 2)
      for (const [key, seed] of [
        ["0.png", 1],
        ["a.png", 2],
        ["b.png", 1]
      ] as const)
        isResultOf(out, key, seed)
      // Of that content they are.
      for (const name of ["0.png", "b.png"]) rmSync(join(out, `${name}.labels.png`))
      fill(source, { "c.png": picture(1), "d.png": picture(2) })
      const next = yield* counted
      assert.deepStrictEqual([next.missing, next.done], [2, 4])
      assert.isFalse(next.calls.includes("d.png"))
      for (const [key, seed] of [
        ["0.png", 1],
        ["b.png", 1],
        ["c.png", 1],
        ["d.png", 2]
      ] as const)
        isResultOf(out, key, seed)
      assert.deepStrictEqual(yield* counted, nothing)
    })
  )

  it.live("are told by their version, whose content is read once for each", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      let version: string | undefined = "1"
      let opened = 0
      const image = ImageSource.bytes(picture(1), { name: "mine.png" })
      const item: Item.Item = {
        key: "mine",
        image: { name: image.name, open: (limits) => Effect.suspend(() => (opened++, image.open(limits))) },
        version: Effect.sync(() => version)
      }
      const { counted } = runOver(BatchSource.fromStream("mine", Stream.make(item)), out)
      const expected = [
        ["1", 1],
        ["1", 1],
        ["2", 2],
        ["2", 2],
        // Nobody knows.
        [undefined, 2],
        ["1", 3]
      ] as const
      for (const [given, times] of expected) {
        version = given
        const { calls } = yield* counted
        assert.deepStrictEqual(
          [opened, calls.length],
          [times, opened === 1 && given === "1" ? calls.length : 0]
        )
      }
    })
  )

  it.live("are copied as they were for nobody, also where they change during the copy", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const written = new Map<string, number>()
      const changed = yield* Latch.make()
      const sink = Sink.make({
        name: "own",
        write: ({ image, item }) =>
          Effect.flatMap(Effect.orDie(image.bytes), (bytes) => {
            const isAgain = written.has("a")
            written.set(
              item.key,
              bytes.reduce((sum, byte) => sum + byte, 0)
            )
            return isAgain && item.key === "a" ? Effect.as(changed.open, undefined) : Effect.undefined
          }),
        repeat: (item, original) =>
          Effect.map(changed.await, () => {
            written.set(item.key, written.get(original.key) ?? 0)
            return undefined
          })
      })
      const go = (...seeds: ReadonlyArray<readonly [key: string, seed: number]>) =>
        Batch.run({
          source: BatchSource.fromStream(
            "mine",
            Stream.fromIterable(
              seeds.map(([key, seed]): Item.Item => ({
                key,
                image: ImageSource.bytes(picture(seed), { name: key }),
                version: Effect.succeed(String(seed))
              }))
            )
          ),
          sinks: [sink],
          folder: out
        }).pipe(Effect.provide([segmenter(), NodeFileSystem.layer, Logger.layer([])]))
      yield* go(["a", 1])
      const sum = written.get("a")
      const { settled } = yield* go(["b", 1], ["a", 2])
      assert.strictEqual(settled.done, 2)
      assert.strictEqual(written.get("b"), sum)
      assert.notStrictEqual(written.get("a"), sum)
    })
  )

  for (const isKilled of [true, false])
    it.live(
      `are no originals of what they were when ${isKilled ? "a kill" : "a full disk"} came after the first result was written`,
      () =>
        Effect.gen(function* () {
          const source = yield* folder({ "z.png": picture(1) })
          const out = yield* folder()
          const kept = join(out, ".segformer")
          const calls: Array<string> = []
          const written = yield* Latch.make()
          let end: Effect.Effect<undefined, SinkFailed> = Effect.undefined
          const second = Sink.make({
            name: "second",
            write: () => Effect.andThen(written.open, end),
            repeat: () => Effect.undefined
          })
          const go = Batch.run({
            source: BatchSource.folder(source),
            sinks: [Sinks.labels({ folder: out }), second],
            folder: kept,
            grace: 0
          }).pipe(
            Effect.provide([
              segmenter({ onCall: (name) => calls.push(name) }),
              NodeFileSystem.layer,
              Logger.layer([])
            ])
          )
          yield* go
          fill(source, { "z.png": picture(2) })
          if (isKilled) {
            yield* written.close
            end = Effect.never
            const run = yield* Effect.forkChild(go)
            yield* written.await
            // What a kill leaves at this moment.
            const journal = readFileSync(join(kept, "journal.log"))
            yield* Fiber.interrupt(run)
            writeFileSync(join(kept, "journal.log"), journal)
          } else {
            end = Effect.fail(new SinkFailed({ sink: "second", place: out, detail: "full", endsRun: true }))
            assert.isTrue(Result.isFailure(yield* Effect.result(go)))
          }
          isResultOf(out, "z.png", 2)
          end = Effect.undefined
          calls.length = 0
          // "z" comes after more images than are under way at once.
          const many = Array.from({ length: 20 }, (_, i) => [`m${i}.png`, picture(100 + i)] as const)
          fill(source, { "0.png": picture(1), ...Object.fromEntries(many) })
          const { changed, missing, settled } = yield* go
          assert.deepStrictEqual([changed, missing, settled.done, settled.repeated], [0, 1, 22, 0])
          isResultOf(out, "0.png", 1)
          isResultOf(out, "z.png", 2)
          assert.strictEqual((yield* go).settled.done, 0)
          // Put back as it was, it is of that content again.
          fill(source, { "z.png": picture(1) })
          calls.length = 0
          assert.strictEqual((yield* go).settled.repeated, 1)
          assert.deepStrictEqual(calls, [])
          isResultOf(out, "z.png", 1)
        })
    )
})
