/**
 * A model that can be loaded, and where it comes from: a name, with what it takes to be opened in its type, like an
 * `ImageSource`. What the JSON files beside a published model say is read here, wherever they lie.
 */
import { Effect, Schema } from "effect"
import type { Preprocessing } from "../image/Preprocessing.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import { ModelNotLoadable } from "../SegmentationError.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import * as PreprocessorConfig from "./PreprocessorConfig.ts"
import { messageOf } from "../SystemError.ts"

/** Files by their names. */
export type Outside = Readonly<Record<string, Uint8Array>>

/** A model that can be loaded. */
export interface Model {
  /** For errors and descriptions: a folder's name, or the id on the Hub. */
  readonly name: string
  /** Path of the `.onnx` file; of one that is in memory, its address or name. */
  readonly file: string
  /** What is in the file, where that is in memory. */
  readonly bytes?: Uint8Array | undefined
  /** What is in the files beside it that hold its weights, by their names, where they are in memory. */
  readonly outside?: Outside | undefined
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

const Name = Schema.Union([Schema.String, Schema.Number])

const Config = Schema.Struct({
  id2label: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Name))),
  label2id: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Name))),
  num_labels: Schema.optional(
    Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_536 })))
  ),
  num_channels: Schema.optional(Schema.NullOr(Schema.Number))
})

/** Ids with their names: as the settings have them either way round, or as `transformers` calls those that have no name. */
const namesIn = ({
  id2label,
  label2id,
  num_labels
}: typeof Config.Type): ReadonlyArray<readonly [string, string]> => {
  if (id2label != null && Object.keys(id2label).length > 0)
    return Object.entries(id2label).map(([id, name]) => [id, String(name)])
  if (label2id != null && Object.keys(label2id).length > 0)
    return Object.entries(label2id).map(([name, id]) => [String(id), name])
  return Array.from({ length: num_labels ?? 0 }, (_, id) => [String(id), `LABEL_${id}`])
}

/**
 * Python writes numbers that JSON has not: they are no numbers here either, so that what needs one is refused. An editor may
 * leave a mark at the beginning.
 */
const parse = (text: string): unknown =>
  JSON.parse(
    text
      .replace(/^\uFEFF/, "")
      .replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
        token.startsWith('"') ? token : JSON.stringify(token)
      )
  )

/** A model with what the files beside it say. */
export const make = Effect.fnUntraced(function* (
  model: Pick<Model, "name" | "file" | "bytes" | "outside">,
  texts: Texts
): Effect.fn.Return<Model, ModelNotLoadable> {
  const fail = (detail: string) => new ModelNotLoadable({ model: model.name, detail })
  const config = (yield* json(Config, texts.config, fail)) ?? {}
  const settings = (yield* json(PreprocessorConfig.Settings, texts.preprocessor, fail)) ?? {}
  const channels = config.num_channels ?? 3
  if (channels !== 3) {
    return yield* fail(`it takes images of ${channels} channels, and only 3 (RGB) are supported`)
  }
  const preprocessing = yield* Effect.mapError(
    Effect.fromResult(PreprocessorConfig.toPreprocessing(settings)),
    fail
  )
  const names = namesIn(config)
  const odd = names.find(([id]) => !/^-?\d+$/.test(id))
  if (odd !== undefined) {
    return yield* fail(
      `its config.json names ${JSON.stringify(odd[1])} by ${JSON.stringify(odd[0])}, which is no class id: they are whole numbers`
    )
  }
  const twice = names.find(([id], at) => names.findIndex(([other]) => Number(other) === Number(id)) < at)
  if (twice !== undefined) {
    return yield* fail(
      `its config.json has two names for the class ${Number(twice[0])}, ${JSON.stringify(twice[1])} is one`
    )
  }
  return { ...model, classes: ClassTable.fromId2Label(Object.fromEntries(names)), preprocessing }
})

/** The file's JSON as the schema's type; `undefined` where there is no such file. */
const json = Effect.fnUntraced(function* <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  file: Text | undefined,
  fail: (detail: string) => ModelNotLoadable
): Effect.fn.Return<S["Type"] | undefined, ModelNotLoadable> {
  if (file === undefined) return undefined
  const parsed = yield* Effect.try({
    try: () => parse(file.text),
    catch: (cause) => fail(`${file.name} is no JSON (${messageOf(cause)})`)
  })
  return yield* Effect.mapError(Schema.decodeUnknownEffect(schema)(parsed), (error) =>
    fail(`${file.name} is not as expected: ${error.message.replaceAll(/\s+/g, " ").trim()}`)
  )
})
