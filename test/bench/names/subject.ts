/** One listing in a process: how many images, how long, and how much more memory than before. */
import { readdirSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import * as BatchSource from "../../../src/batch/BatchSource.ts"
import * as Inputs from "../../../src/cli/Inputs.ts"
import * as LabelFiles from "../../../src/cli/LabelFiles.ts"

const [name = "", folder = ""] = process.argv.slice(2)

const listings: Readonly<Record<string, () => Promise<number>>> = {
  readdir: () => Promise.resolve(readdirSync(folder).length),
  segment: () =>
    Effect.runPromise(
      Effect.map(Inputs.expand([folder], "/nowhere"), ({ images }) => images.length).pipe(
        Effect.provide(NodeServices.layer)
      )
    ),
  batch: () =>
    Effect.runPromise(
      Stream.runCount(BatchSource.of(folder).items).pipe(
        Effect.provide([NodeServices.layer, FetchHttpClient.layer])
      )
    ),
  export: () =>
    Effect.runPromise(
      Effect.map(LabelFiles.expand([folder]), ({ files }) => files.length).pipe(
        Effect.provide(NodeServices.layer)
      )
    )
}

const before = process.memoryUsage().rss
const started = performance.now()
const count = await listings[name]!()
const milliseconds = performance.now() - started
// The most that was held, of which what Node and the modules hold is no part.
const most = process.resourceUsage().maxRSS * 1024
console.log(JSON.stringify({ count, milliseconds, mebibytes: Math.max(0, most - before) / 2 ** 20 }))
