/** Results that somebody has taken away from a run that is done. */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Stream } from "effect"
import { ImageSource, Transport } from "effect-segformer"
import { Batch, BatchSource, Item, Sink, Sinks } from "effect-segformer/batch"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import { folder } from "../support/Folder.ts"
import { filesIn, picture, segmenter } from "./support.ts"

/** The images of these keys, no two the same. */
const source = (keys: ReadonlyArray<string>) =>
  BatchSource.fromStream(
    "keys",
    Stream.fromIterable(
      keys.map((key, index) => Item.make(key, ImageSource.bytes(picture(index), { name: key })))
    )
  )

describe("results that are not there any more", () => {
  it.live("are made again, and no others, whatever their keys are called", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const keys = [
        "a.png",
        "deep/b.png",
        "deep/er/c.png",
        "with space.png",
        "100%.png",
        "a:b.png",
        ".hidden.png",
        "straße.png",
        "e\u0301.png",
        "new\nline.png",
        `${"long".repeat(70)}.png`,
        "noend"
      ]
      const calls: Array<string> = []
      const said: Array<string> = []
      const go = (given: ReadonlyArray<string> = keys, options: { readonly retryFailed?: boolean } = {}) =>
        Batch.run({
          source: source(given),
          sinks: [Sinks.labels({ folder: out }), Sinks.coco({ path: join(out, "coco.json") })],
          folder: join(out, ".segformer"),
          ...options
        }).pipe(
          Effect.provide([
            segmenter({ onCall: (name) => calls.push(name) }),
            NodeFileSystem.layer,
            Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
          ])
        )
      yield* go()
      const files = filesIn(out)
      assert.strictEqual(files.length, keys.length + 1)
      const before = readFileSync(join(out, "coco.json"))
      const nothing = yield* go()
      assert.deepStrictEqual([nothing.settled.done, nothing.missing, nothing.skipped], [0, 0, keys.length])
      assert.deepStrictEqual(said, [])
      calls.length = 0
      for (const name of files) if (name.endsWith(".png")) rmSync(join(out, name))
      // What is to be tried again is what failed.
      assert.strictEqual((yield* go(keys, { retryFailed: true })).settled.done, 0)
      // An image that is named twice is done once.
      const { missing, settled } = yield* go([...keys, ...keys])
      assert.deepStrictEqual([settled.done, missing], [keys.length, keys.length])
      assert.strictEqual(new Set(calls).size, keys.length)
      assert.strictEqual(calls.length, keys.length)
      assert.deepStrictEqual(filesIn(out), files)
      assert.strictEqual(said.length, 1)
      assert.match(said[0]!, /^The result of a\.png is not there any more/)
      // In files of all images each is there once.
      const images = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()).images.length
      assert.strictEqual(images(readFileSync(join(out, "coco.json"))), images(before))

      rmSync(join(out, "deep"), { recursive: true })
      assert.strictEqual((yield* go()).missing, 2)
      assert.strictEqual((yield* go()).missing, 0)
    })
  )

  it.live("are those of every sink, and of services that only paint those that they gave", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const { classes } = Fixtures.prediction
      const go = Batch.run({
        source: source(["a.png"]),
        sinks: [
          Sinks.results({ folder: out }),
          Sinks.overlays({ folder: out }),
          Sink.make({ name: "own", write: () => Effect.void })
        ],
        folder: join(out, ".segformer")
      }).pipe(
        Effect.provide([
          Transport.layer({
            name: "painter",
            predict: () =>
              Effect.succeed({
                _tag: "Rendered",
                width: 12,
                height: 8,
                classes,
                regions: [],
                pictures: { overlay: picture(7), mask: picture(8) }
              })
          }),
          NodeFileSystem.layer,
          SharpCodec.layer,
          Logger.layer([])
        ])
      )
      yield* go
      const files = ["a.png.mask.png", "a.png.overlay.png", "a.png.regions.json"]
      assert.deepStrictEqual(filesIn(out), files)
      assert.strictEqual((yield* go).missing, 0)
      for (const name of files) {
        rmSync(join(out, name))
        assert.strictEqual((yield* go).missing, 1, name)
        assert.isTrue(existsSync(join(out, name)))
      }
    })
  )
})
