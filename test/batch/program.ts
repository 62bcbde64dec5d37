/** A run in a process of its own, to be killed: `program.ts SOURCE OUT MILLISECONDS`. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { segmenter } from "./support.ts"

const [source = "", out = "", takes = "1"] = process.argv.slice(2)

const summary = await Effect.runPromise(
  Batch.run({
    source: BatchSource.folder(source),
    sinks: [
      Sinks.labels({ folder: out }),
      Sinks.coco({ path: `${out}/coco.json` }),
      Sinks.csv({ path: `${out}/areas.csv` })
    ],
    folder: `${out}/.segformer`,
    concurrency: 8
  }).pipe(Effect.provide(segmenter({ takes: Number(takes) })), Effect.provide(NodeFileSystem.layer))
)
console.log(JSON.stringify({ ...summary.settled, skipped: summary.skipped, rate: summary.progress.rate }))
