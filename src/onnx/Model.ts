/**
 * A model that can be loaded, and where it comes from: a name, with what it takes to be opened in its type, like an
 * `ImageSource`. What the JSON files beside a published model say is read here, wherever they lie.
 */
import { Effect, Result, Schema } from "effect"
import { defaults, type Preprocessing } from "../image/Preprocessing.ts"
import { filters } from "../image/Resample.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import { ModelNotLoadable } from "../SegmentationError.ts"
import type { ServiceError } from "../service/ServiceError.ts"

/** A model that can be loaded. */
export interface Model {
  /** For errors and descriptions: a folder's name, or the id on the Hub. */
  readonly name: string
  /** Path of the `.onnx` file; of one that is in memory, its address or name. */
  readonly file: string
  /** What is in the file, where that is in memory. */
  readonly bytes?: Uint8Array | undefined
  /** Empty where no `config.json` says. */
  readonly classes: ClassTable.ClassTable
  readonly preprocessing: Preprocessing
}

/** Why a model cannot be had. */
export type ModelError = ModelNotLoadable | ServiceError | PolicyError

/** A name for a model. `R` is what opening it needs. */
export interface ModelSource<out R = never> {
  readonly name: string
  /** Finds its files, and fetches them where they are not here. */
  readonly open: (variant: string) => Effect.Effect<Model, ModelError, R>
}

/** `model` for `onnx/model.onnx`; `quantized`, `fp16` and the like for `onnx/model_quantized.onnx`. */
export const fileOf = (variant: string): string =>
  variant === "model" ? "onnx/model.onnx" : `onnx/model_${variant}.onnx`

/** The texts of the files beside a model; `undefined` where there is none. */
export interface Texts {
  readonly config: Text | undefined
  readonly preprocessor: Text | undefined
}

export interface Text {
  /** What errors call it: a path or an address. */
  readonly name: string
  readonly text: string
}

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

/** A model with what the files beside it say. */
export const make = Effect.fnUntraced(function* (
  model: Pick<Model, "name" | "file" | "bytes">,
  texts: Texts
): Effect.fn.Return<Model, ModelNotLoadable> {
  const fail = (detail: string) => new ModelNotLoadable({ model: model.name, detail })
  const config = (yield* json(Config, texts.config, fail)) ?? {}
  const preprocessor = (yield* json(Preprocessor, texts.preprocessor, fail)) ?? {}
  if (config.num_channels !== undefined && config.num_channels !== 3) {
    return yield* fail(`it takes images of ${config.num_channels} channels, and only 3 (RGB) are supported`)
  }
  const preprocessing = yield* Effect.mapError(Effect.fromResult(toPreprocessing(preprocessor)), fail)
  return { ...model, classes: ClassTable.fromId2Label(config.id2label ?? {}), preprocessing }
})

/** The file's JSON as the schema's type; `undefined` where there is no such file. */
const json = Effect.fnUntraced(function* <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  file: Text | undefined,
  fail: (detail: string) => ModelNotLoadable
): Effect.fn.Return<S["Type"] | undefined, ModelNotLoadable> {
  if (file === undefined) return undefined
  const parsed = yield* Effect.try({
    try: (): unknown => JSON.parse(file.text),
    catch: (cause) =>
      fail(`${file.name} is no JSON (${cause instanceof Error ? cause.message : String(cause)})`)
  })
  return yield* Effect.mapError(Schema.decodeUnknownEffect(schema)(parsed), (error) =>
    fail(`${file.name} is not as expected: ${error.message.replaceAll(/\s+/g, " ").trim()}`)
  )
})

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
