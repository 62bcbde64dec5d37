/** `segformer page`, at work: all files in memory, then all of them written or none. */
import { dirname, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, FileSystem } from "effect"
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

/** Spares a page of somebody else's, and says what a host would give out besides: all of a folder. */
const look = Effect.fnUntraced(function* (
  out: string
): Effect.fn.Return<void, ExitCode.Ended, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(out), (): ReadonlyArray<string> => [])
  const document = yield* Effect.option(fs.readFileString(join(out, "index.html")))
  if (document._tag === "Some" && !document.value.includes('data-local="./offline.js"'))
    return yield* ExitCode.wrong(
      `${join(out, "index.html")} is no page of this command, and would be replaced: give another --out`
    )
  const others = names.filter((name) => !/^(?:index\.html|offline\.js|page|\..*)$/.test(name)).toSorted()
  if (others.length > 0)
    yield* Screen.complain(
      `${out} holds what is no part of the page, which a host would give out with it: ${Screen.some(others)}`
    )
})

const write = Effect.fnUntraced(function* (options: Options) {
  yield* look(options.out)
  const model = options.model === undefined ? ModelSource.bundled : ModelSource.parse(options.model)
  yield* Screen.complain(
    `packing the model ${model.name} and ONNX Runtime as small as can be, which may take a minute`
  )
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
