/** Results that somebody has taken away from a run that is done, or spoilt. */
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Latch, Logger, Result, Stream } from "effect"
import { ImageSource, Transport } from "effect-segformer"
import { Batch, BatchSource, Item, Sink, Sinks } from "effect-segformer/batch"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import * as JournalLine from "../../src/batch/JournalLine.ts"
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

/** What happens to the file of records, of images a, b and c of which a comes first; how often images are made again, and what is said. */
const damages: ReadonlyArray<
  readonly [name: string, damage: (path: string) => void, again: number, said: RegExp]
> = [
  ["a digit is another", spoilt(/\d(?=,)/), 1, /^The result of a, or what .*\.segformer keeps of it, is not/],
  ["a bracket is gone", spoilt(/\{/), 1, /^The result of a, or what/],
  ["a byte is none of UTF-8", spoilt(/[a-z]/, "\u00ff"), 1, /^The result of a, or what/],
  [
    "it is not there",
    rmSync,
    3,
    /^In .*\.segformer each of 3 lines of journal\.log is of an image whose part of records\.log is missing: what it was of is done again$/
  ],
  ["it is empty", (path) => writeFileSync(path, ""), 3, /each of 3 lines of journal\.log/],
  [
    "its end is cut off",
    (path) => truncateSync(path, statSync(path).size - 1),
    1,
    /\.segformer a line of journal/
  ],
  [
    "it is zeros",
    (path) => writeFileSync(path, new Uint8Array(statSync(path).size)),
    3,
    /^The result of [abc], or what/
  ],
  [
    "it has no checksums, as of an earlier version, and a bracket is gone",
    (path) => {
      withoutSums(path)
      spoilt(/\{/)(path)
    },
    1,
    /^The result of a, or what/
  ]
]

/** Another byte where this is found first. */
function spoilt(what: RegExp, by?: string) {
  return (path: string) =>
    writeFileSync(
      path,
      readFileSync(path, "latin1").replace(what, (byte) => by ?? String.fromCharCode(byte.charCodeAt(0) ^ 1)),
      "latin1"
    )
}

/** The journal beside a file of records as earlier versions wrote it. */
function withoutSums(path: string) {
  const journal = path.replace("records.log", "journal.log")
  const lines = readFileSync(journal, "utf8").trimEnd().split("\n")
  const old = lines.map((line) => {
    const decoded = JournalLine.decode(Buffer.from(line))
    if (decoded === undefined || JournalLine.isFailed(decoded)) throw new Error(line)
    const rec = Object.entries(decoded.rec ?? {}).map(
      ([sink, kept]): [string, string | JournalLine.Place] => [
        sink,
        typeof kept === "string" ? kept : [kept[0], kept[1]]
      ]
    )
    return JournalLine.encode({ ...decoded, rec: Object.fromEntries(rec) })
  })
  writeFileSync(journal, old.join(""))
}

describe("what is kept of images for the end", () => {
  it.live.each(damages)("%s", ([, damage, again, expected]) =>
    Effect.gen(function* () {
      const out = yield* folder()
      const calls: Array<string> = []
      const said: Array<string> = []
      const go = Batch.run({
        source: source(["a", "b", "c"]),
        sinks: [Sinks.coco({ path: join(out, "coco.json") }), Sinks.csv({ path: join(out, "areas.csv") })],
        folder: join(out, ".segformer"),
        concurrency: 1
      }).pipe(
        Effect.provide([
          segmenter({ onCall: (name) => calls.push(name) }),
          NodeFileSystem.layer,
          Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
        ])
      )
      const sorted = (name: string) =>
        readFileSync(join(out, name), "utf8")
          .split(/(?<=[\n{])/)
          .toSorted().length
      yield* go
      const before = ["coco.json", "areas.csv"].map(sorted)
      calls.length = 0
      damage(join(out, ".segformer/records.log"))
      const summary = yield* go
      assert.deepStrictEqual([summary.settled.done, summary.done, calls.length], [again, 3, again])
      assert.strictEqual(said.length, 1)
      assert.match(said[0]!, expected)
      assert.deepStrictEqual(["coco.json", "areas.csv"].map(sorted), before)
      assert.strictEqual((yield* go).settled.done, 0)
    })
  )

  it.live("stays readable without checksums, and broken of an image that is not at hand is told", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const go = (keys: ReadonlyArray<string>) =>
        Batch.run({
          source: source(keys),
          sinks: [Sinks.coco({ path: join(out, "coco.json") })],
          folder: join(out, ".segformer"),
          concurrency: 1
        }).pipe(Effect.provide([segmenter(), NodeFileSystem.layer, Logger.layer([])]))
      yield* go(["a", "b"])
      const records = join(out, ".segformer/records.log")
      const whole = readFileSync(join(out, "coco.json"))
      spoilt(/\d(?=,)/)(records)
      const gone = yield* Effect.flip(go(["b"]))
      assert.strictEqual(gone._tag, "RunFolderFailed")
      assert.match(
        gone.message,
        /records\.log keeps of a is broken\. Run it with that image among the others/
      )
      assert.deepStrictEqual(readFileSync(join(out, "coco.json")), whole)
      withoutSums(records)
      spoilt(/\{/)(records)
      const old = yield* Effect.flip(go(["b"]))
      assert.match(old.message, /what was kept of a is broken: run this again with it among the images/)
      assert.strictEqual((yield* go(["a", "b"])).missing, 1)
      withoutSums(records)
      const { missing, settled } = yield* go(["a", "b"])
      assert.deepStrictEqual([missing, settled.done], [0, 0])
      // What a run was begun with cannot be told from this; what to do can.
      writeFileSync(join(out, ".segformer/run.json"), "{")
      const broken = yield* Effect.flip(go(["a"]))
      assert.match(
        broken.message,
        /run\.json is broken, or of another version\. If the model .* remove that file/
      )
      rmSync(join(out, ".segformer/run.json"))
      assert.strictEqual((yield* go(["a", "b"])).settled.done, 0)
    })
  )
})

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
      assert.match(said[0]!, /^The result of [^]+, or what .* keeps of it, is not there any more/)
      assert.isTrue(keys.some((key) => said[0]!.startsWith(`The result of ${key}, or what`)))
      // In files of all images each is there once.
      const images = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()).images.length
      assert.strictEqual(images(readFileSync(join(out, "coco.json"))), images(before))

      rmSync(join(out, "deep"), { recursive: true })
      assert.strictEqual((yield* go()).missing, 2)
      assert.strictEqual((yield* go()).missing, 0)
    })
  )

  it.live("are told by their size and time, which is one look at each, and else by what is in them", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const keys = ["a", "b", "deep/c", "twin"]
      const items = keys.map((key, index) =>
        Item.make(key, ImageSource.bytes(picture(key === "twin" ? 0 : index), { name: key }))
      )
      const results = keys
        .flatMap((key) => [`${key}.labels.png`, `${key}.overlay.jpg`])
        .map((name) => join(out, name))
      const looks: Array<string> = []
      const reads: Array<string> = []
      const fs = yield* FileSystem.FileSystem
      const counting = FileSystem.FileSystem.of({
        ...fs,
        stat: (path) =>
          Effect.andThen(
            Effect.sync(() => looks.push(path)),
            fs.stat(path)
          ),
        open: (path, options) =>
          Effect.andThen(
            Effect.sync(() => reads.push(path)),
            fs.open(path, options)
          )
      })
      /** Goes on with it; gives how many results were looked at and read, and how many were missing. */
      const go = Effect.gen(function* () {
        looks.length = 0
        reads.length = 0
        const { missing } = yield* Batch.run({
          source: BatchSource.fromStream("keys", Stream.fromIterable(items)),
          sinks: [Sinks.results({ folder: out }), Sinks.overlays({ folder: out })],
          folder: join(out, ".segformer")
        })
        const of = (paths: ReadonlyArray<string>) => paths.filter((path) => results.includes(path)).length
        return [of(looks), of(reads), missing]
      }).pipe(
        Effect.provideService(FileSystem.FileSystem, counting),
        Effect.provide([segmenter(), SharpCodec.layer, Logger.layer([])])
      )
      yield* go
      assert.deepStrictEqual(yield* go, [8, 0, 0])
      // Copied, or put there again: what is in them tells.
      const [labels = ""] = results
      const whole = readFileSync(labels)
      utimesSync(labels, 1, 1)
      assert.deepStrictEqual(yield* go, [8, 1, 0])
      // Of its size, and none.
      writeFileSync(labels, new Uint8Array(whole.length))
      utimesSync(labels, 1, 1)
      assert.strictEqual((yield* go)[2], 1)
      assert.deepStrictEqual([readFileSync(labels), yield* go], [whole, [8, 0, 0]])
      // Of its time, and cut off.
      const { atime, mtime } = statSync(labels)
      truncateSync(labels, whole.length - 1)
      utimesSync(labels, atime, mtime)
      assert.strictEqual((yield* go)[2], 1)
      assert.deepStrictEqual([readFileSync(labels), yield* go], [whole, [8, 0, 0]])
      // As earlier versions noted them.
      const journal = join(out, ".segformer/journal.log")
      const lines = readFileSync(journal, "utf8").trimEnd().split("\n")
      const old = lines.map((line) => {
        const decoded = JournalLine.decode(Buffer.from(line))
        if (decoded === undefined || JournalLine.isFailed(decoded)) throw new Error(line)
        const { rec: _, ...own } = decoded
        return JournalLine.encode(own)
      })
      writeFileSync(journal, old.join(""))
      assert.deepStrictEqual(yield* go, [8, 8, 0])
    }).pipe(Effect.provide(NodeFileSystem.layer))
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
        const path = join(out, name)
        const whole = readFileSync(path)
        for (const spoil of [() => rmSync(path), () => writeFileSync(path, whole.subarray(0, -1))]) {
          spoil()
          assert.strictEqual((yield* go).missing, 1, name)
          assert.deepStrictEqual(readFileSync(path), whole)
        }
      }
    })
  )

  it.live("are what is there under their names and is none, or not all of one", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const calls: Array<string> = []
      const said: Array<string> = []
      // "twin" has the content of "a", so that each may be a copy of the other.
      const keys = ["a", "b", "twin"]
      const items = Stream.fromIterable(
        keys.map((key) => Item.make(key, ImageSource.bytes(picture(key === "b" ? 1 : 0), { name: key })))
      )
      const go = Batch.run({
        source: BatchSource.fromStream("keys", items),
        sinks: [Sinks.labels({ folder: out }), Sinks.overlays({ folder: out })],
        folder: join(out, ".segformer")
      }).pipe(
        Effect.provide([
          segmenter({ onCall: (name) => calls.push(name) }),
          NodeFileSystem.layer,
          SharpCodec.layer,
          Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
        ])
      )
      yield* go
      assert.strictEqual((yield* go).missing, 0)
      const whole = (name: string) => readFileSync(join(out, name))
      const [labels, overlay] = [whole("a.labels.png"), whole("a.overlay.jpg")]
      const other = Result.getOrThrow(
        LabelPng.encode(LabelMap.makeUnsafe({ width: 2, height: 2, data: new Uint8Array(4) }))
      )
      const spoilt: ReadonlyArray<readonly [string, Uint8Array]> = [
        ["a.labels.png", new Uint8Array()],
        ["a.labels.png", labels.subarray(0, 10)],
        ["a.labels.png", labels.subarray(0, -1)],
        ["a.labels.png", labels.subarray(0, labels.length / 2)],
        // As a download that was begun at its full length.
        ["a.labels.png", Buffer.concat([labels.subarray(0, 40), new Uint8Array(labels.length - 40)])],
        ["a.labels.png", Buffer.from("<!doctype html><title>Sign in</title>")],
        ["a.labels.png", overlay],
        ["a.labels.png", other],
        ["a.overlay.jpg", new Uint8Array()],
        ["a.overlay.jpg", Uint8Array.of(0xff)],
        ["a.overlay.jpg", overlay.subarray(0, -2)],
        ["a.overlay.jpg", labels]
      ]
      for (const [name, bytes] of spoilt) {
        writeFileSync(join(out, name), bytes)
        // Disks tell times that are less than some milliseconds apart from each other as one.
        utimesSync(join(out, name), 1, 1)
        assert.strictEqual((yield* go).missing, 1)
        assert.deepStrictEqual([whole("a.labels.png"), whole("a.overlay.jpg")], [labels, overlay])
      }
      assert.match(said[0]!, /^The result of a, or what .* keeps of it, is not there any more, or not whole/)
      // No broken result is copied for an image that is equal.
      calls.length = 0
      for (const key of ["a", "twin"]) writeFileSync(join(out, `${key}.labels.png`), labels.subarray(0, 40))
      assert.strictEqual((yield* go).missing, 2)
      assert.strictEqual(calls.length, 1)
      for (const key of ["a", "twin"]) assert.deepStrictEqual(whole(`${key}.labels.png`), labels)
      // A folder is nobody's to replace: the image has failed, which says why.
      rmSync(join(out, "b.labels.png"))
      mkdirSync(join(out, "b.labels.png"))
      const { failures, missing } = yield* go
      assert.deepStrictEqual([missing, [...failures]], [1, [["SinkFailed", 1]]])
      rmSync(join(out, "b.labels.png"), { recursive: true })
      const mended = yield* go
      assert.deepStrictEqual(
        [mended.settled.done, mended.failed, mended.before],
        [1, 0, { done: 2, failed: 0 }]
      )
    })
  )

  it.live("are looked for several at once, and not more than are under way, each once", () =>
    Effect.gen(function* () {
      const keys = Array.from({ length: 30 }, (_, index) => `${index}.png`)
      const out = yield* folder()
      const calls: Array<string> = []
      const gone = new Set<string>()
      const full = yield* Latch.make()
      let atOnce = 0
      let most = 0
      const sink = Sink.make({
        name: "own",
        write: ({ item }) => Effect.sync(() => void gone.delete(item.key)),
        isThere: ({ key }) =>
          Effect.suspend(() => {
            most = Math.max(most, ++atOnce)
            // None has been looked at before six are.
            return atOnce === 6 ? full.open : full.await
          }).pipe(Effect.andThen(Effect.sync(() => (atOnce--, !gone.has(key)))))
      })
      const go = (given: ReadonlyArray<string>) =>
        Batch.run({ source: source(given), sinks: [sink], folder: out, concurrency: 4 }).pipe(
          Effect.provide([
            segmenter({ onCall: (name) => calls.push(name) }),
            NodeFileSystem.layer,
            Logger.layer([])
          ])
        )
      yield* go(keys)
      assert.deepStrictEqual([most, calls.length], [0, keys.length])
      calls.length = 0
      for (const key of ["3.png", "4.png", "23.png"]) gone.add(key)
      // Named twice, one right after the other, an image is looked for and made by one of them.
      const { missing, settled } = yield* go(
        keys
          .slice(0, 6)
          .flatMap((key) => [key, key])
          .concat(keys)
      )
      assert.deepStrictEqual([most, missing, settled.done, calls.length], [6, 3, 3, 3])
    })
  )
})
