/**
 * A SegFormer on disk, in the layout in which models are published: `config.json`, `preprocessor_config.json`, and
 * `onnx/model.onnx` beside its variants such as `onnx/model_quantized.onnx`.
 */
import { constants } from "node:fs"
import { access, readFile, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { Effect, Option, Result, Schema } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import { ModelNotLoadable } from "../SegmentationError.ts"
import { defaults, type Preprocessing } from "../image/Preprocessing.ts"
import { filters } from "../image/Resample.ts"

/** A model that can be loaded. */
export interface Model {
  /** For errors and descriptions: a folder's name, or the id on the Hub. */
  readonly name: string
  /** Path of the `.onnx` file. */
  readonly file: string
  /** Empty where no `config.json` says. */
  readonly classes: ClassTable.ClassTable
  readonly preprocessing: Preprocessing
}

/** `model` for `onnx/model.onnx`; `quantized`, `fp16` and the like for `onnx/model_quantized.onnx`. */
export const fileOf = (variant: string): string =>
  variant === "model" ? "onnx/model.onnx" : `onnx/model_${variant}.onnx`

const Config = Schema.Struct({
  id2label: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  num_channels: Schema.optional(Schema.Number)
})

const PerChannel = Schema.Union([Schema.Number, Schema.Array(Schema.Number)])
const Side = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 16_384 }))

const Preprocessor = Schema.Struct({
  do_resize: Schema.optional(Schema.Boolean),
  size: Schema.optional(
    Schema.Union([
      Side,
      Schema.Struct({ height: Side, width: Side }),
      Schema.Struct({ shortest_edge: Schema.Number })
    ])
  ),
  resample: Schema.optional(Schema.Literals([0, 1, 2, 3, 4, 5])),
  do_rescale: Schema.optional(Schema.Boolean),
  rescale_factor: Schema.optional(Schema.Number),
  do_normalize: Schema.optional(Schema.Boolean),
  image_mean: Schema.optional(PerChannel),
  image_std: Schema.optional(PerChannel),
  do_pad: Schema.optional(Schema.NullOr(Schema.Boolean)),
  do_center_crop: Schema.optional(Schema.NullOr(Schema.Boolean))
})

/** Reads the settings beside a model: a folder, or an `.onnx` file in one. */
export const read = Effect.fnUntraced(function* (
  path: string,
  variant: string,
  name = basename(resolve(path))
): Effect.fn.Return<Model, ModelNotLoadable> {
  const fail = (detail: string) => new ModelNotLoadable({ model: name, detail })
  const info = yield* Effect.tryPromise({
    try: () => stat(path),
    catch: () =>
      fail(
        `there is nothing at ${path}. Give a folder with config.json and onnx/model.onnx, or an .onnx file`
      )
  })
  if (info.isDirectory()) {
    const file = yield* firstOf([join(path, fileOf(variant)), join(path, basename(fileOf(variant)))])
    if (file === undefined) return yield* fail(`${path} has no ${fileOf(variant)}`)
    const config = yield* json(Config, join(path, "config.json"), fail)
    const preprocessor = yield* json(Preprocessor, join(path, "preprocessor_config.json"), fail)
    if (config === undefined) return yield* fail(`${path} has no config.json`)
    if (preprocessor === undefined) return yield* fail(`${path} has no preprocessor_config.json`)
    return yield* assemble(name, file, config, preprocessor, fail)
  }
  if (!path.endsWith(".onnx")) return yield* fail(`${path} is neither a folder nor an .onnx file`)
  // Beside the file, or one up where the file is in `onnx/`.
  const folders = [dirname(path), dirname(dirname(resolve(path)))]
  const beside = (file: string) => firstOf(folders.map((folder) => join(folder, file)))
  const config = yield* json(Config, yield* beside("config.json"), fail)
  const preprocessor = yield* json(Preprocessor, yield* beside("preprocessor_config.json"), fail)
  return yield* assemble(name, path, config ?? {}, preprocessor ?? {}, fail)
})

type Fail = (detail: string) => ModelNotLoadable

/** Whether there is a file that this process may read. */
export const isReadable = (path: string): Effect.Effect<boolean> =>
  Effect.isSuccess(Effect.tryPromise(() => access(path, constants.R_OK)))

const firstOf = (paths: ReadonlyArray<string>): Effect.Effect<string | undefined> =>
  Effect.map(Effect.findFirst(paths, isReadable), Option.getOrUndefined)

/** The file's JSON as the schema's type; `undefined` where there is no such file. */
const json = Effect.fnUntraced(function* <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  path: string | undefined,
  fail: Fail
): Effect.fn.Return<S["Type"] | undefined, ModelNotLoadable> {
  if (path === undefined || !(yield* isReadable(path))) return undefined
  const parsed = yield* Effect.tryPromise({
    try: async (): Promise<unknown> => JSON.parse(await readFile(path, "utf8")),
    catch: (cause) => fail(`${path} is no JSON (${cause instanceof Error ? cause.message : String(cause)})`)
  })
  return yield* Effect.mapError(Schema.decodeUnknownEffect(schema)(parsed), (error) =>
    fail(`${path} is not as expected: ${error.message.replaceAll(/\s+/g, " ").trim()}`)
  )
})

const assemble = (
  name: string,
  file: string,
  config: typeof Config.Type,
  preprocessor: typeof Preprocessor.Type,
  fail: Fail
): Effect.Effect<Model, ModelNotLoadable> => {
  if (config.num_channels !== undefined && config.num_channels !== 3) {
    return Effect.fail(
      fail(`it takes images of ${config.num_channels} channels, and only 3 (RGB) are supported`)
    )
  }
  const preprocessing = toPreprocessing(preprocessor)
  return Result.isFailure(preprocessing)
    ? Effect.fail(fail(preprocessing.failure))
    : Effect.succeed({
        name,
        file,
        classes: ClassTable.fromId2Label(config.id2label ?? {}),
        preprocessing: preprocessing.success
      })
}

const toPreprocessing = (config: typeof Preprocessor.Type): Result.Result<Preprocessing, string> => {
  if (config.do_pad === true || config.do_center_crop === true) {
    return Result.fail(
      "its preprocessor_config.json asks to pad or crop, which no SegFormer needs and is not supported"
    )
  }
  const size = toSize(config.size)
  if (size === undefined) {
    return Result.fail(
      "`size` in its preprocessor_config.json must be a number, or have `height` and `width`"
    )
  }
  const normalize = config.do_normalize ?? true
  const mean = perChannel(normalize ? (config.image_mean ?? defaults.mean) : 0)
  const std = perChannel(normalize ? (config.image_std ?? defaults.std) : 1)
  if (mean.length !== 3 || std.length !== 3 || std.includes(0)) {
    return Result.fail(
      "`image_mean` and `image_std` in its preprocessor_config.json must each be three numbers"
    )
  }
  return Result.succeed({
    size: (config.do_resize ?? true) ? size : undefined,
    filter: filters[config.resample ?? 2] ?? defaults.filter,
    // Before there was `do_rescale`, pictures were always rescaled.
    scale: (config.do_rescale ?? true) ? (config.rescale_factor ?? defaults.scale) : 1,
    mean,
    std
  })
}

const toSize = (size: (typeof Preprocessor.Type)["size"]): Preprocessing["size"] => {
  if (size === undefined) return defaults.size
  if (typeof size === "number") return { width: size, height: size }
  return "height" in size ? { width: size.width, height: size.height } : undefined
}

const perChannel = (value: number | ReadonlyArray<number>): ReadonlyArray<number> =>
  typeof value === "number" ? [value, value, value] : value
