/**
 * A SegFormer on disk, in the layout in which models are published: `config.json`, `preprocessor_config.json`, and
 * `onnx/model.onnx` beside its variants such as `onnx/model_quantized.onnx`.
 */
import { constants } from "node:fs"
import { access, readFile, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { Effect, Option } from "effect"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import * as Model from "../Model.ts"

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
    const file = yield* firstOf([
      join(path, Model.fileOf(variant)),
      join(path, basename(Model.fileOf(variant)))
    ])
    if (file === undefined) return yield* fail(`${path} has no ${Model.fileOf(variant)}`)
    const config = yield* textOf(join(path, "config.json"), fail)
    const preprocessor = yield* textOf(join(path, "preprocessor_config.json"), fail)
    if (config === undefined) return yield* fail(`${path} has no config.json`)
    if (preprocessor === undefined) return yield* fail(`${path} has no preprocessor_config.json`)
    return yield* Model.make({ name, file }, { config, preprocessor })
  }
  if (!path.endsWith(".onnx")) return yield* fail(`${path} is neither a folder nor an .onnx file`)
  // Beside the file, or one up where the file is in `onnx/`.
  const folders = [dirname(path), dirname(dirname(resolve(path)))]
  const beside = (file: string) => firstOf(folders.map((folder) => join(folder, file)))
  const config = yield* textOf(yield* beside("config.json"), fail)
  const preprocessor = yield* textOf(yield* beside("preprocessor_config.json"), fail)
  return yield* Model.make({ name, file: path }, { config, preprocessor })
})

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
