/**
 * A SegFormer on disk, in the layout in which models are published: `config.json`, `preprocessor_config.json`, and
 * `onnx/model.onnx` beside its variants such as `onnx/model_quantized.onnx`.
 */
import { constants } from "node:fs"
import { access, open, readdir, readFile, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { Effect, Option } from "effect"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import * as Model from "../Model.ts"
import * as WeightFiles from "../WeightFiles.ts"
import { messageOf } from "../../SystemError.ts"

/** Reads the settings beside a model: a folder, or an `.onnx` file in one. */
export const read = Effect.fnUntraced(function* (
  path: string,
  variant: string,
  name = basename(resolve(path))
): Effect.fn.Return<Model.Model, ModelNotLoadable> {
  const fail = (detail: string) => new ModelNotLoadable({ model: name, detail })
  const info = yield* Effect.tryPromise({
    try: () => stat(path),
    catch: () =>
      fail(
        `there is nothing at ${path}. Give a folder with config.json and onnx/model.onnx, or an .onnx file`
      )
  })
  if (info.isDirectory()) {
    const candidates = WeightFiles.named(variant).flatMap((file) => [
      join(path, file),
      join(path, basename(file))
    ])
    const file = yield* firstOf(candidates)
    if (file === undefined) return yield* fail(yield* lacking(path, variant))
    yield* check(file, fail)
    const config = yield* textOf(join(path, "config.json"), fail)
    const preprocessor = yield* textOf(join(path, "preprocessor_config.json"), fail)
    if (config === undefined) return yield* fail(`${path} has no config.json`)
    if (preprocessor === undefined) return yield* fail(`${path} has no preprocessor_config.json`)
    return yield* Model.make({ name, file }, { config, preprocessor })
  }
  if (!path.endsWith(".onnx")) return yield* fail(`${path} is neither a folder nor an .onnx file`)
  yield* check(path, fail)
  // Beside the file, or one up where the file is in `onnx/`.
  const folders = [dirname(path), dirname(dirname(resolve(path)))]
  const beside = (file: string) => firstOf(folders.map((folder) => join(folder, file)))
  const config = yield* textOf(yield* beside("config.json"), fail)
  const preprocessor = yield* textOf(yield* beside("preprocessor_config.json"), fail)
  return yield* Model.make({ name, file: path }, { config, preprocessor })
})

/** Which of the files that could be meant there is none of, and which there are. */
const lacking = (path: string, variant: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const all = await Promise.all(
      [join(path, "onnx"), path].map((folder) => readdir(folder).catch((): Array<string> => []))
    )
    const others = all
      .flat()
      .filter((name) => name.endsWith(".onnx"))
      .map(WeightFiles.variantOf)
    const there =
      others.length === 0 ? "" : `. There is: ${others.join(", ")} (the variant, or \`--variant\`)`
    return `${path} has no ${WeightFiles.named(variant).join(", nor ")}${there}`
  })

/** Enough of a file to tell what it is. */
const startOf = (file: string, fail: Fail): Effect.Effect<Uint8Array, ModelNotLoadable> =>
  Effect.tryPromise({
    try: async () => {
      const handle = await open(file)
      try {
        const start = new Uint8Array(100)
        const { bytesRead } = await handle.read(start, 0, start.length)
        return start.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
    catch: (cause) => fail(`${file} cannot be read (${messageOf(cause)})`)
  })

/** Fails where a file is no model, or has its weights in another one that is not there, or is no such thing. */
const check = Effect.fnUntraced(function* (file: string, fail: Fail) {
  const wrong = WeightFiles.notAModel(yield* startOf(file, fail))
  if (wrong !== undefined) return yield* fail(`${file} ${wrong}`)
  for (const name of yield* outside(file)) {
    const path = join(dirname(file), name)
    if (!(yield* isReadable(path)))
      return yield* fail(`${file} has its weights in ${name}, which must lie beside it and does not`)
    const other = WeightFiles.notTheFile(yield* startOf(path, fail))
    if (other !== undefined) return yield* fail(`${file} has its weights in ${name}, which ${other}`)
  }
})

/** A graph whose weights are outside is smaller by far. */
const mostSearched = 64 * 1024 * 1024

/** The names of the files beside it that a model has its weights in. */
export const outside = (file: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const { size } = await stat(file)
    return size > mostSearched ? [] : WeightFiles.outside(await readFile(file))
  }).pipe(Effect.catchCause(() => Effect.succeed([])))

type Fail = (detail: string) => ModelNotLoadable

/** Whether there is a file that this process may read. */
export const isReadable = (path: string): Effect.Effect<boolean> =>
  Effect.isSuccess(Effect.tryPromise(() => access(path, constants.R_OK)))

const firstOf = (paths: ReadonlyArray<string>): Effect.Effect<string | undefined> =>
  Effect.map(Effect.findFirst(paths, isReadable), Option.getOrUndefined)

/** Undefined where there is no such file. */
const textOf = (
  path: string | undefined,
  fail: Fail
): Effect.Effect<Model.Text | undefined, ModelNotLoadable> =>
  Effect.gen(function* () {
    if (path === undefined || !(yield* isReadable(path))) return undefined
    const text = yield* Effect.tryPromise({
      try: () => readFile(path, "utf8"),
      catch: (cause) => fail(`${path} cannot be read (${String(cause)})`)
    })
    return { name: path, text }
  })
