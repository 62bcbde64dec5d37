/**
 * A run of so many images in a process of its own, with a segmenter that does nothing and a sink in memory; with `files`, one of
 * label maps, which are written with no care and looked at as those of any run.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, type FileSystem, Result, Stream } from "effect"
import { Batch, BatchSource, Item, Sink, Sinks } from "../../../src/batch/index.ts"
import * as LabelPng from "../../../src/mask/LabelPng.ts"
import * as ImageSource from "../../../src/image/ImageSource.ts"
import { Fixtures } from "../../../src/testing/index.ts"
import { Transport } from "../../../src/Transport.ts"
import { peakMemory } from "../../support/PeakMemory.ts"

const count = Number(process.argv[2])
const folder = mkdtempSync(join(tmpdir(), "segformer-bench-"))

/** Images that differ in their last bytes, which no decoder looks at. */
const items = Stream.map(Stream.range(0, count - 1), (i) => {
  const bytes = new Uint8Array(Fixtures.image.length + 4)
  bytes.set(Fixtures.image)
  new DataView(bytes.buffer).setUint32(Fixtures.image.length, i)
  const name = `${Math.floor(i / 1000)}/image-${i}.png`
  return Item.make(name, ImageSource.bytes(bytes, { name }))
})
let seen = 0
const sink = Sink.make({
  name: "memory",
  write: () => Effect.sync(() => void seen++),
  repeat: () => Effect.succeed(undefined)
})
/** The file of each, in folders of a thousand. */
const bytes = Result.getOrThrow(LabelPng.encode(Fixtures.prediction.labelMap))
const files = (): Sink.Sink<FileSystem.FileSystem> => ({
  ...Sinks.labels({ folder }),
  write: ({ item }) =>
    Effect.promise(async () => {
      seen++
      await writeFile(join(folder, `${item.key}.labels.png`), bytes)
      return undefined
    })
})
const looks = process.argv[3] === "files"
if (looks) for (let i = 0; i < count; i += 1000) mkdirSync(join(folder, String(i / 1000)))
const stub = Transport.layer({ name: "stub", predict: () => Effect.succeed(Fixtures.prediction) })
const run = () =>
  Effect.runPromise(
    Batch.run({
      source: BatchSource.fromStream("numbers", items),
      sinks: [looks ? files() : sink],
      folder: join(folder, ".segformer"),
      concurrency: 8
    }).pipe(Effect.provide(stub), Effect.provide(NodeFileSystem.layer))
  )

const started = performance.now()
await run()
const seconds = (performance.now() - started) / 1000
if (seen !== count) throw new Error(`${seen} of ${count} images were done`)
const again = performance.now()
const used = process.cpuUsage()
await run()
const { system, user } = process.cpuUsage(used)
const resume = (performance.now() - again) / 1000
process.send?.({
  seconds,
  resume,
  resumeCpu: (user + system) / 1e6,
  maxRss: peakMemory(),
  journal: statSync(join(folder, ".segformer/journal.log")).size
})
rmSync(folder, { recursive: true, force: true })
