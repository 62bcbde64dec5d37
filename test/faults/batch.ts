/**
 * Rows about runs over many images: what happens to folders and files while one is at work, and to the process. The rest
 * of the run goes on, what failed is listed by tag, and a run over the same folder puts it right.
 */
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, FileSystem, Layer, PlatformError, Result, type Scope, Stream } from "effect"
import { Transport } from "effect-segformer"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { LabelPng } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import sharp from "sharp"
import { filesIn, picture, pictures, segmenter } from "../batch/support.ts"
import { eventually } from "../support/Eventually.ts"
import { fill, folder } from "../support/Folder.ts"
import type { Row } from "./Harness.ts"

type Outcome = readonly [settled: Batch.Summary["settled"], failures: Batch.Summary["failures"]]

/** A row whose calls are images. `act` throws what does not hold. */
const row = (
  fault: string,
  calls: number,
  outcomes: Readonly<Record<string, number>>,
  act: Effect.Effect<Outcome, unknown, Scope.Scope>
): Row => ({
  fault,
  calls,
  run: Effect.gen(function* () {
    const started = performance.now()
    const [{ done }, failures] = yield* Effect.orDie(act)
    const tags = [
      ...Array.from({ length: done }, () => "success"),
      ...[...failures].flatMap(([tag, count]) => Array.from({ length: count }, () => tag))
    ]
    const millis = performance.now() - started
    const nothing = { exits: [], errors: [], requests: [], executions: 0, connections: 0, mostAtOnce: 0 }
    return { ...nothing, tags, millis }
  }),
  holds: ({ tags }) => {
    const counts: Record<string, number> = {}
    for (const tag of tags) counts[tag] = (counts[tag] ?? 0) + 1
    assert.deepEqual(counts, outcomes)
  }
})

interface Run {
  readonly source: string
  readonly out: string
  /** Where the run is remembered, if not with its results. */
  readonly memory?: string | undefined
  readonly retryFailed?: boolean | undefined
  readonly files?: Layer.Layer<FileSystem.FileSystem> | undefined
  readonly segmenter?: Layer.Layer<Transport> | undefined
}

const batch = (options: Run) =>
  Batch.run({
    source: BatchSource.folder(options.source),
    sinks: [Sinks.labels({ folder: options.out })],
    folder: options.memory ?? join(options.out, ".segformer"),
    failedList: join(options.memory ?? options.out, "failed.csv"),
    retryFailed: options.retryFailed
  }).pipe(
    Effect.provide(options.segmenter ?? segmenter()),
    Effect.provide(options.files ?? NodeFileSystem.layer)
  )

/** A file system on which opening some files to write fails. */
export const failing = (
  tag: PlatformError.SystemErrorTag,
  description: string,
  fails: (path: string) => boolean,
  code?: string
) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      open: (path: string, options?: Parameters<typeof fs.open>[1]) =>
        options?.flag === "wx" && fails(path)
          ? Effect.fail(
              PlatformError.systemError({
                _tag: tag,
                module: "FileSystem",
                method: "open",
                pathOrDescriptor: path,
                description,
                cause: Object.assign(new Error(description), { code })
              })
            )
          : fs.open(path, options)
    }))
  ).pipe(Layer.provide(NodeFileSystem.layer))

const partsIn = (out: string) => readdirSync(join(out, ".segformer", "parts"))

/** A file system of its own of so many kilobytes; undefined where this user may not make one. */
const smallDisk = (kilobytes: number) =>
  Effect.gen(function* () {
    const path = yield* folder()
    return yield* Effect.acquireRelease(
      Effect.sync(() => {
        try {
          execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path], {
            stdio: "ignore"
          })
          return path
        } catch {
          return undefined
        }
      }),
      (mounted) =>
        Effect.sync(() => {
          if (mounted !== undefined) execFileSync("umount", [mounted])
        })
    )
  })

const killed = row(
  "kill -9 in a batch of 300 images",
  300,
  { success: 300 },
  Effect.gen(function* () {
    const source = yield* folder(pictures(300))
    const out = yield* folder()
    const program = fileURLToPath(new URL("../batch/program.ts", import.meta.url))
    const child = spawn(process.execPath, ["-C", "effect-segformer-source", program, source, out, "20"], {
      stdio: "ignore"
    })
    const gone = once(child, "close")
    const journal = join(out, ".segformer", "journal.log")
    yield* eventually(() => child.exitCode !== null || readFileSync(journal).length >= 5000)
    child.kill("SIGKILL")
    const [, signal] = yield* Effect.promise(() => gone)
    assert.equal(signal, "SIGKILL")
    const sinks = [
      Sinks.labels({ folder: out }),
      Sinks.coco({ path: join(out, "coco.json") }),
      Sinks.csv({ path: join(out, "areas.csv") })
    ]
    const { done, failures, settled, skipped } = yield* Batch.run({
      source: BatchSource.folder(source),
      sinks,
      folder: join(out, ".segformer")
    }).pipe(Effect.provide(segmenter()), Effect.provide(NodeFileSystem.layer))
    assert.ok(skipped > 0 && settled.done < 300)
    const { images } = JSON.parse(readFileSync(join(out, "coco.json"), "utf8"))
    assert.equal(new Set(images.map(({ file_name }: { file_name: string }) => file_name)).size, 300)
    assert.equal(images.length, 300)
    assert.equal(filesIn(out).length, 302)
    assert.deepEqual(partsIn(out), [])
    return [{ ...settled, done }, failures]
  })
)

const diskFull = row(
  "the disk of the results is full in the middle, then has room",
  40,
  { success: 40 },
  Effect.gen(function* () {
    const source = yield* folder(
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.png`, picture(i)]))
    )
    const memory = yield* folder()
    const disk = yield* smallDisk(80)
    const out = disk ?? (yield* folder())
    let written = 0
    const full = failing("Unknown", "no space left on device", () => written++ >= 10, "ENOSPC")
    const files = disk === undefined ? full : undefined
    let calls = 0
    const counted = segmenter({ onCall: () => calls++ })
    const error = yield* Effect.flip(batch({ source, out, memory, files, segmenter: counted }))
    assert.ok(error._tag === "SinkFailed" && error.endsRun === true)
    assert.match(error.message, /no space left on the disk/)
    // Nobody pays for what cannot be kept, and nothing that could not be kept has failed.
    const found = filesIn(out).length
    assert.ok(found > 0 && calls <= found + 6, `${calls} calls for ${found} results`)
    assert.ok(!existsSync(join(memory, "failed.csv")))
    assert.deepEqual(partsIn(out), [])
    if (disk !== undefined) execFileSync("mount", ["-o", "remount,size=64m", disk])
    const { done, failures, settled, skipped } = yield* batch({ source, out, memory })
    assert.deepEqual([filesIn(out).length, settled.done, skipped], [40, 40 - found, found])
    return [{ ...settled, done }, failures]
  })
)

const readOnly = row(
  "a folder of results that cannot be written to, then can",
  6,
  { success: 6 },
  Effect.gen(function* () {
    const source = yield* folder(pictures(3))
    fill(source, { "closed/1.png": picture(91), "closed/2.png": picture(92), "open/3.png": picture(93) })
    const out = yield* folder()
    // A file where a folder should be: no user, root included, can write below it.
    fill(out, { closed: new Uint8Array() })
    const first = yield* batch({ source, out })
    assert.deepEqual(first.settled, { done: 4, repeated: 0, failed: 2 })
    assert.deepEqual(first.failures, new Map([["SinkFailed", 2]]))
    rmSync(join(out, "closed"))
    // It was nothing that is wrong with them.
    const { failures, settled } = yield* batch({ source, out })
    assert.deepEqual(partsIn(out), [])
    return [{ ...settled, done: first.settled.done + settled.done }, failures]
  })
)

const noMemory = row(
  "a run whose own folder cannot be written to",
  1,
  { RunFolderFailed: 1 },
  Effect.gen(function* () {
    const source = yield* folder(pictures(2))
    const out = yield* folder({ ".segformer": new Uint8Array() })
    const error = yield* Effect.flip(batch({ source, out }))
    return [{ done: 0, repeated: 0, failed: 0 }, new Map([[error._tag, 1]])]
  })
)

const vanishing = row(
  "files that vanish between the listing and their turn",
  20,
  { success: 17, ImageNotFound: 3 },
  Effect.gen(function* () {
    const source = yield* folder(pictures(20))
    const out = yield* folder()
    const gone = new Set(["0/3.png", "0/9.png", "0/16.png"])
    const listed = BatchSource.folder(source)
    const items = Stream.tap(listed.items, ({ key }) =>
      Effect.sync(() => gone.has(key) && rmSync(join(source, key)))
    )
    const { failures, settled } = yield* Batch.run({
      source: { ...listed, items, isCountable: false },
      sinks: [Sinks.labels({ folder: out })],
      folder: join(out, ".segformer")
    }).pipe(Effect.provide(segmenter()), Effect.provide(NodeFileSystem.layer))
    assert.equal(filesIn(out).length, 17)
    return [settled, failures]
  })
)

const raw = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp(
    Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 37) % 256),
    {
      raw: { width, height, channels }
    }
  )

const strange = row(
  "no image, one cut off, an empty one; animated, 16-bit, CMYK, rotated, grey ones",
  9,
  { success: 6, NotAnImage: 3 },
  Effect.gen(function* () {
    const frames = Buffer.concat([frame(8, 6, 1), frame(8, 6, 2)])
    const animated = sharp(frames, { raw: { width: 8, height: 12, channels: 3, pageHeight: 6 } })
    const files = yield* Effect.promise(async () => ({
      "text.png": Buffer.from("hello"),
      "cut.png": (await raw(40, 30).png().toBuffer()).subarray(0, 200),
      "empty.jpg": Buffer.alloc(0),
      "animated.gif": await animated.gif({ loop: 0, delay: [50, 50] }).toBuffer(),
      "deep.png": await raw(8, 6).toColourspace("rgb16").png().toBuffer(),
      "cmyk.jpg": await raw(8, 6).toColourspace("cmyk").jpeg().toBuffer(),
      "rotated.jpg": await raw(8, 6).jpeg().withMetadata({ orientation: 6 }).toBuffer(),
      "grey.webp": await raw(8, 6).greyscale().webp().toBuffer(),
      "clear.png": await raw(8, 6, 4).png().toBuffer()
    }))
    const source = yield* folder(files)
    const out = yield* folder()
    const { failures, settled } = yield* Batch.run({
      source: BatchSource.folder(source),
      sinks: [Sinks.labels({ folder: out }), Sinks.overlays({ folder: out })],
      folder: join(out, ".segformer"),
      failedList: join(out, "failed.csv")
    }).pipe(Effect.provide(segmenter()), Effect.provide([NodeFileSystem.layer, SharpCodec.layer]))
    const sizeOf = (name: string) => {
      const map = Result.getOrThrow(LabelPng.decode(readFileSync(join(out, `${name}.labels.png`))))
      return [map.width, map.height]
    }
    assert.deepEqual(sizeOf("rotated.jpg"), [6, 8])
    for (const name of ["animated.gif", "deep.png", "cmyk.jpg", "grey.webp", "clear.png"]) {
      assert.deepEqual(sizeOf(name), [8, 6], name)
      assert.ok(existsSync(join(out, `${name}.overlay.jpg`)), name)
    }
    const list = readFileSync(join(out, "failed.csv"), "utf8")
    for (const name of ["text.png", "cut.png", "empty.jpg"])
      assert.ok(list.includes(`\n${name},NotAnImage,`), name)
    return [settled, failures]
  })
)

const frame = (width: number, height: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 * seed) % 256)

export const batchRows: ReadonlyArray<Row> = [killed, diskFull, readOnly, noMemory, vanishing, strange]
