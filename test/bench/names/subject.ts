/**
 * One listing in a process: how many images, how long, how much more memory than before at most, and, where rubbish can be
 * collected (`--expose-gc`), how much of it is held afterwards.
 */
import { readdirSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Stream } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import * as BatchSource from "../../../src/batch/BatchSource.ts"
import * as EvalPairs from "../../../src/cli/EvalPairs.ts"
import * as Inputs from "../../../src/cli/Inputs.ts"
import * as ClassNames from "../../../src/cli/ClassNames.ts"
import * as ImageNames from "../../../src/cli/ImageNames.ts"
import * as LabelFiles from "../../../src/cli/LabelFiles.ts"
import { peakMemory } from "../../support/PeakMemory.ts"

const [name = "", folder = ""] = process.argv.slice(2)

interface Listing {
  readonly count: number
  /** What the command goes on with. */
  readonly kept: unknown
}

const run = <A>(listing: Effect.Effect<A, unknown, NodeServices.NodeServices | HttpClient.HttpClient>) =>
  Effect.runPromise(Effect.provide(listing, [NodeServices.layer, FetchHttpClient.layer]))

const listings: Readonly<Record<string, () => Promise<Listing>>> = {
  readdir: () => {
    const kept = readdirSync(folder)
    return Promise.resolve({ count: kept.length, kept })
  },
  segment: () =>
    run(
      Effect.map(Inputs.expand([folder], `${folder}-results`), (kept) => ({
        count: kept.images.length,
        kept
      }))
    ),
  batch: () =>
    run(Effect.map(Stream.runCount(BatchSource.of(folder).items), (count) => ({ count, kept: undefined }))),
  export: () =>
    run(
      Effect.gen(function* () {
        const { files } = yield* LabelFiles.expand([folder])
        const kept = [files, (yield* ClassNames.read(files)).classes, yield* ImageNames.read(files)]
        return { count: files.length, kept }
      })
    ),
  // Two folders of so many names.
  eval: () =>
    run(
      Effect.map(
        EvalPairs.match({
          predictions: folder,
          truth: folder,
          predictionNames: undefined,
          truthNames: undefined
        }),
        (kept) => ({ count: kept.pairs.length, kept })
      )
    )
}

const collect = () => globalThis.gc?.()

collect()
const before = process.memoryUsage()
const started = performance.now()
const listing = await listings[name]!()
const milliseconds = performance.now() - started
// The most that was held, of which what Node and the modules hold is no part.
const most = peakMemory()
collect()
const held = process.memoryUsage().heapUsed - before.heapUsed
const mebibytes = (bytes: number) => Math.max(0, bytes) / 2 ** 20
// Asked only now, it is held until now, with what it has kept.
const { count } = listing
console.log(
  JSON.stringify({ count, milliseconds, peak: mebibytes(most - before.rss), held: mebibytes(held) })
)
