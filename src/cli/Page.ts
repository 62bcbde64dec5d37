/** `segformer page`, at work: all files in memory, then all of them written or none. */
import { dirname, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import * as WholeFile from "../files/WholeFile.ts"
import { ModelSource } from "../onnx/index.ts"
import { StaticPage } from "../server/index.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as NewFolder from "./NewFolder.ts"
import type { Options } from "./PageCommand.ts"
import * as Screen from "./Screen.ts"

export const run = (options: Options): Effect.Effect<void, ExitCode.Ended> =>
  Effect.scoped(write(options)).pipe(Effect.provide([Backend.layerHttpClient(options), NodeFileSystem.layer]))

const write = Effect.fnUntraced(function* (options: Options) {
  const model = options.model === undefined ? ModelSource.bundled : ModelSource.parse(options.model)
  const files = yield* Effect.mapError(StaticPage.files({ model }), ExitCode.by(ExitCode.unavailable))
  const placed = files.map(({ bytes, path }) => ({ path: join(options.out, path), bytes }))
  yield* Effect.gen(function* () {
    yield* NewFolder.make(options.out)
    for (const folder of new Set(placed.map(({ path }) => dirname(path)))) yield* WholeFile.makeFolder(folder)
    yield* WholeFile.writeAll(placed)
  }).pipe(Effect.mapError(ExitCode.notWritten))
  for (const { bytes, path } of files) yield* Screen.say(`${kB(bytes.length).padStart(10)}  ${path}`)
  const sum = (sizeOf: (file: StaticPage.SiteFile) => number) =>
    kB(files.reduce((total, file) => total + sizeOf(file), 0)).padStart(10)
  yield* Screen.say(`${sum(({ bytes }) => bytes.length)}  in all`)
  yield* Screen.say(`${sum(StaticPage.wireBytes)}  as a first visit loads it from a host that packs text`)
})

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`
