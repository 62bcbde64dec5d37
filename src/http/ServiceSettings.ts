/**
 * The whole of a service as data: where it is, what it speaks, where the image goes and where the mask is. One schema,
 * for a settings file (`segformer probe URL --write FILE` makes one, `--service FILE` reads it) and for the environment,
 * where `healthPath` is `SEGFORMER_HEALTH_PATH`. No key is ever in it, only the name of the variable that holds one.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServiceSettings } from "effect-segformer/http"
 *
 * const text = '{"url": "http://lab:5000", "protocol": "custom", "path": "/segment", "part": "upload", "mask": "mask_b64"}'
 * const settings = await Effect.runPromise(ServiceSettings.parse(text, "lab.json"))
 * settings.part // => "upload"
 * const wrong = ServiceSettings.parse('{"apiKey": "hunter2", "channels": "middle"}', "lab.json")
 * const { problems } = await Effect.runPromise(Effect.flip(wrong))
 * problems.map(({ variable }) => variable) // => ["apiKey in lab.json", "channels in lab.json"]
 * ```
 */
import { Effect, FileSystem, Result, Schema, SchemaIssue, Struct } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import * as PaletteFile from "../mask/PaletteFile.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Variable from "../policy/Variable.ts"

const Text = Schema.NonEmptyString
const Id = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Channel = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

/** `#rrggbb`, or red, green and blue. */
const Color = Schema.Union([
  Schema.String.check(Schema.isPattern(/^#[\da-f]{6}$/i)),
  Schema.Tuple([Channel, Channel, Channel])
])

const ClassJson = Schema.Struct({ id: Id, name: Schema.String, color: Schema.optionalKey(Color) })

/** Names whose place is their id, names by id, or a list of `{ id, name, color? }`. */
export const Classes = Schema.Union([
  Schema.Array(Schema.String),
  Schema.Array(ClassJson),
  Schema.Record(Schema.String.check(Schema.isPattern(/^\d+$/)), Schema.String)
])
export type Classes = typeof Classes.Type

/** A colour for each class. */
export const Colors = Schema.Array(Schema.Struct({ ...ClassJson.fields, color: Color }))
export type Colors = typeof Colors.Type

const fields = {
  url: Schema.String.check(
    Schema.isPattern(/^https?:\/\/[^@?#]+$/i, {
      expected: "a whole http(s) URL, without name, password and query"
    })
  ),
  protocol: Text,
  model: Text,
  version: Text,
  path: Schema.String.check(Schema.isPattern(/^\//, { expected: "a path that begins with a slash" })),
  method: Schema.Literals(["POST", "PUT"]),
  healthPath: Schema.String.check(Schema.isPattern(/^\//, { expected: "a path that begins with a slash" })),
  body: Schema.Literals(["form", "raw", "base64", "data-url", "url"]),
  part: Text,
  fields: Schema.Record(Schema.String, Schema.Unknown),
  signature: Text,
  output: Text,
  confidence: Schema.Union([Schema.Boolean, Schema.Finite]),
  mask: Schema.String,
  maskAs: Schema.Literals(["png", "ids", "rle", "masks", "logits"]),
  channels: Schema.Literals(["first", "last"]),
  binary: Schema.Union([
    Schema.Boolean,
    Schema.Struct({
      classId: Schema.optionalKey(Id),
      threshold: Schema.optionalKey(Schema.Finite),
      inverted: Schema.optionalKey(Schema.Boolean)
    })
  ]),
  classes: Classes,
  palette: Schema.Union([Text, Colors]),
  byColor: Schema.Boolean,
  unknownColor: Id,
  ignoreIndex: Id,
  pictures: Schema.Struct({
    overlay: Schema.optionalKey(Text),
    combined: Schema.optionalKey(Text),
    mask: Schema.optionalKey(Text)
  }),
  milliseconds: Text,
  hosts: Schema.Array(Text),
  keyHeader: Schema.String.check(
    Schema.isPattern(/^[\w!#$%&'*+.^`|~-]+$/, { expected: "the name of a header" })
  ),
  keyVariable: Schema.String.check(
    Schema.isPattern(/^[A-Za-z_]\w*$/, { expected: "the name of a variable" })
  ),
  headers: Schema.Record(
    Schema.String.check(Schema.isPattern(/^[\w!#$%&'*+.^`|~-]+$/, { expected: "the name of a header" })),
    Schema.Union([Schema.String, Schema.Struct({ variable: Text })])
  )
}

/** What a service takes and gives; each field is optional. */
export const ServiceSettings = Schema.Struct(fields).mapFields(Struct.map(Schema.optionalKey))
export type ServiceSettings = typeof ServiceSettings.Type

export type Name = keyof ServiceSettings

const switched = (text: string): unknown =>
  /^(on|true|yes)$/i.test(text) ? true : /^(off|false|no)$/i.test(text) ? false : undefined

const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Words with commas between. */
const listed = (text: string): unknown => text.split(",").map((word) => word.trim())

/** `Name: value`, as `curl` takes a header. */
const headerIn = (text: string): unknown => {
  const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(text) ?? []
  return name === undefined ? undefined : { [name]: value }
}

/** The variable of a field: a text, or JSON where the field is more than that. */
const variable = <S extends Schema.ConstraintDecoder<unknown>>(
  name: string,
  schema: S,
  about: { readonly sets: string; readonly takes: string },
  read: (text: string) => unknown = () => undefined
): Variable.Variable<S["Type"]> => {
  const decode = Schema.decodeUnknownOption(schema)
  return Variable.make(
    name,
    { sets: about.sets, default: "none" },
    {
      takes: about.takes,
      parse: (text) => {
        const json = jsonIn(text)
        const readings = typeof json === "object" ? [json, text] : [text, switched(text), json]
        for (const reading of [...readings, read(text)]) {
          const found = reading === undefined ? undefined : decode(reading)
          if (found?._tag === "Some") return found.value
        }
        return undefined
      }
    }
  )
}

const f = fields

/** The variables of a protocol's parts: read where the environment names the protocol, or where nobody does. */
export const variables = {
  version: variable("SEGFORMER_MODEL_VERSION", f.version, {
    sets: "the model's version, for protocols that have them",
    takes: "a version as the service has it"
  }),
  path: variable("SEGFORMER_PATH", f.path, {
    sets: "where images go, after the address",
    takes: "a path such as `/predict`"
  }),
  method: variable("SEGFORMER_METHOD", f.method, { sets: "how they go there", takes: "`POST` or `PUT`" }),
  healthPath: variable("SEGFORMER_HEALTH_PATH", f.healthPath, {
    sets: "where the service says that it is well",
    takes: "a path such as `/healthz`"
  }),
  body: variable("SEGFORMER_BODY", f.body, {
    sets: "how an image is sent: a form, the file itself, JSON with base64, a data URL or the image's address",
    takes: "`form`, `raw`, `base64`, `data-url` or `url`"
  }),
  part: variable("SEGFORMER_PART", f.part, {
    sets: "the part of the form, or the field or input of the JSON, that takes the image",
    takes: "a name; of fields within fields with dots between"
  }),
  fields: variable("SEGFORMER_FIELDS", f.fields, {
    sets: "the other fields of the request",
    takes: 'JSON such as `{"threshold": 0.5}`'
  }),
  signature: variable("SEGFORMER_SIGNATURE", f.signature, {
    sets: "the signature that TF Serving is asked for",
    takes: "a name as the model has it"
  }),
  output: variable("SEGFORMER_OUTPUT", f.output, {
    sets: "the model's output, for protocols that name them",
    takes: "a name as the model has it"
  }),
  confidence: variable("SEGFORMER_CONFIDENCE", f.confidence, {
    sets: "of `segformer`: ask how sure it is of each pixel; of Roboflow: below which confidence a pixel is background",
    takes: "`on`, `off`, or a number"
  }),
  mask: variable("SEGFORMER_MASK", f.mask, {
    sets: "where the mask is in the answer; looked for unless given",
    takes: "a path such as `data.0.mask`"
  }),
  maskAs: variable("SEGFORMER_MASK_AS", f.maskAs, {
    sets: "what the mask is; by what it looks like unless given",
    takes: "`png`, `ids`, `rle`, `masks` or `logits`"
  }),
  channels: variable("SEGFORMER_CHANNELS", f.channels, {
    sets: "whether the classes are the first or the last dimension of logits",
    takes: "`first` or `last`"
  }),
  binary: variable("SEGFORMER_BINARY", f.binary, {
    sets: "that the mask shows one class, and how",
    takes: '`on`, `off`, or JSON such as `{"threshold": 128, "classId": 1, "inverted": true}`'
  }),
  classes: variable(
    "SEGFORMER_CLASSES",
    f.classes,
    {
      sets: "the model's classes",
      takes: 'names with commas between, or JSON such as `{"0": "background", "3": "scratch"}`'
    },
    listed
  ),
  palette: variable("SEGFORMER_PALETTE", f.palette, {
    sets: "the colours of a painted mask",
    takes:
      '`surface`, `ade20k`, `cityscapes`, `voc`, a file, or JSON such as `[{"id": 1, "name": "scratch", "color": "#e69f00"}]`'
  }),
  byColor: variable("SEGFORMER_BY_COLOR", f.byColor, {
    sets: "take classes of an indexed PNG by colour",
    takes: "`on` or `off`"
  }),
  unknownColor: variable("SEGFORMER_UNKNOWN_COLOR", f.unknownColor, {
    sets: "the id of colours that the palette lacks; a failure unless given",
    takes: "an id"
  }),
  ignoreIndex: variable("SEGFORMER_IGNORE_INDEX", f.ignoreIndex, {
    sets: "the id of pixels that belong to no class",
    takes: "an id"
  }),
  pictures: variable("SEGFORMER_PICTURES", f.pictures, {
    sets: "fields of the answer that hold pictures",
    takes: 'JSON such as `{"overlay": "overlay_b64"}`'
  }),
  milliseconds: variable("SEGFORMER_MILLISECONDS", f.milliseconds, {
    sets: "the field that says how long the service took",
    takes: "a path such as `elapsed_ms`"
  }),
  hosts: variable(
    "SEGFORMER_HOSTS",
    f.hosts,
    { sets: "hosts that files of an output may lie at", takes: "hosts with commas between" },
    listed
  )
} satisfies Partial<Record<Name, Variable.Variable<unknown>>>

/** What is sent besides: read whoever names the protocol. */
export const headerVariables = {
  keyHeader: variable("SEGFORMER_API_KEY_HEADER", f.keyHeader, {
    sets: "the header that carries the key as it is, instead of `Authorization: Bearer`",
    takes: "a name such as `X-Api-Key`"
  }),
  headers: {
    ...variable(
      "SEGFORMER_HEADERS",
      f.headers,
      {
        sets: "further headers of every request; never printed",
        takes: '`Name: value`, or JSON such as `{"X-Tenant": "a", "Authorization": "Basic …"}`'
      },
      headerIn
    ),
    isSecret: true
  }
}

/** The parts of a protocol that are set: by settings that name the protocol, else by the environment too. */
export const details = Effect.fnUntraced(function* (
  reader: Variable.Reader,
  settings: ServiceSettings
): Effect.fn.Return<Details> {
  const read = <A>(given: A | undefined, variable: Variable.Variable<A>): Effect.Effect<A | undefined> =>
    given !== undefined || settings.protocol !== undefined ? Effect.succeed(given) : reader.read(variable)
  return omitUndefined({
    version: yield* read(settings.version, variables.version),
    path: yield* read(settings.path, variables.path),
    method: yield* read(settings.method, variables.method),
    healthPath: yield* read(settings.healthPath, variables.healthPath),
    body: yield* read(settings.body, variables.body),
    part: yield* read(settings.part, variables.part),
    fields: yield* read(settings.fields, variables.fields),
    signature: yield* read(settings.signature, variables.signature),
    output: yield* read(settings.output, variables.output),
    confidence: yield* read(settings.confidence, variables.confidence),
    mask: yield* read(settings.mask, variables.mask),
    maskAs: yield* read(settings.maskAs, variables.maskAs),
    channels: yield* read(settings.channels, variables.channels),
    binary: yield* read(settings.binary, variables.binary),
    classes: yield* read(settings.classes, variables.classes),
    palette: yield* read(settings.palette, variables.palette),
    byColor: yield* read(settings.byColor, variables.byColor),
    unknownColor: yield* read(settings.unknownColor, variables.unknownColor),
    ignoreIndex: yield* read(settings.ignoreIndex, variables.ignoreIndex),
    pictures: yield* read(settings.pictures, variables.pictures),
    milliseconds: yield* read(settings.milliseconds, variables.milliseconds),
    hosts: yield* read(settings.hosts, variables.hosts)
  })
})

/** What is set of a protocol's parts. */
export type Details = {
  readonly [N in keyof typeof variables]?: ServiceSettings[N] | undefined
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()
const decode = Schema.decodeUnknownEffect(ServiceSettings, { errors: "all", onExcessProperty: "error" })

/** Fields under which people write keys. */
const isKey = (name: string): boolean => /key|token|secret|password|authorization/i.test(name)

/** Settings from the text of a file, all that is wrong with it at once. `name` is what errors call it. */
export const parse = (text: string, name: string): Effect.Effect<ServiceSettings, Variable.InvalidConfig> =>
  Effect.suspend(() => {
    const failed = (problems: ReadonlyArray<{ readonly variable: string; readonly detail: string }>) =>
      Effect.fail(new Variable.InvalidConfig({ problems }))
    const json = jsonIn(text.replace(/^\uFEFF/, ""))
    if (typeof json !== "object" || json === null || Array.isArray(json))
      return failed([{ variable: name, detail: "is no JSON object with the settings of a service" }])
    return Effect.catch(decode(json), (error) => {
      const found = new Map<string, string>()
      for (const { message, path = [] } of formatIssue(error.issue).issues) {
        const keys = path.map((key) => String(typeof key === "object" ? key.key : key))
        const [first = ""] = keys
        const detail = Object.hasOwn(fields, first)
          ? // Of a union each member says something: the first is enough. What stands there may be a key.
            `is not right: ${first === "headers" || first === "url" ? message.replace(/,? (?:got|actual).*$/is, "") : message.replaceAll(/\s+/g, " ")}`
          : isKey(first)
            ? "is not taken: no key belongs in a file. Set SEGFORMER_API_KEY, or name another variable as keyVariable"
            : `is no setting. There are ${Object.keys(fields).join(", ")}`
        const place = Object.hasOwn(fields, first) ? keys.join(".") : first
        if (!found.has(place)) found.set(place, detail)
      }
      return failed(Array.from(found, ([place, detail]) => ({ variable: `${place} in ${name}`, detail })))
    })
  })

/** Settings from a file. A palette that is a file too is read; its path begins where the settings are. */
export const load = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<ServiceSettings, Variable.InvalidConfig, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    ({ message }) =>
      new Variable.InvalidConfig({ problems: [{ variable: path, detail: `cannot be read: ${message}` }] })
  )
  const settings = yield* parse(text, path)
  const { palette } = settings
  if (typeof palette !== "string" || isNamed(palette)) return settings
  const isWhole = /^([\\/]|[a-z]:)/i.test(palette)
  const colors = yield* Effect.mapError(
    readPalette(isWhole ? palette : path.replace(/[^\\/]*$/, "") + palette),
    (detail) => new Variable.InvalidConfig({ problems: [{ variable: `palette in ${path}:`, detail }] })
  )
  return { ...settings, palette: colors }
})

/** The text of a settings file. */
export const render = (settings: ServiceSettings): string => `${JSON.stringify(settings, undefined, 2)}\n`

/** Palettes that go by a name. */
export const palettes: Readonly<Record<string, Palette.Palette>> = {
  surface: Palette.surface,
  ade20k: Palette.ade20k,
  cityscapes: Palette.cityscapes,
  voc: Palette.pascalVoc
}

const isNamed = (name: string): boolean => Object.hasOwn(palettes, name)

/** The classes that settings name. */
export const classesOf = (classes: Classes): ClassTable.ClassTable =>
  isList(classes)
    ? ClassTable.make(
        classes.map((each, id) => (typeof each === "string" ? { id, name: each } : colored(each)))
      )
    : ClassTable.fromId2Label(classes)

const isList = (classes: Classes): classes is Exclude<Classes, Readonly<Record<string, string>>> =>
  Array.isArray(classes)

const colored = ({ color, ...info }: (typeof ClassJson)["Type"]): ClassTable.ClassInfo =>
  color === undefined ? info : { ...info, color: rgbOf(color) }

const rgbOf = (color: typeof Color.Type): ClassTable.Rgb =>
  typeof color === "string" ? Palette.rgb(Number.parseInt(color.slice(1), 16)) : color

/** The palette that settings name: one that is known, or colours as they stand. A file is read by {@link load}. */
export const paletteOf = (palette: string | Colors): Result.Result<Palette.Palette, string> => {
  if (typeof palette !== "string") return Result.succeed(fromColors(palette))
  const known = isNamed(palette) ? palettes[palette] : undefined
  return known === undefined
    ? Result.fail(
        `names "${palette.slice(0, 200)}", which is none of ${Object.keys(palettes).join(", ")}, nor JSON with colours`
      )
    : Result.succeed(known)
}

/** The palette of a name, or of a file. */
export const readPalette = Effect.fnUntraced(function* (
  palette: string
): Effect.fn.Return<Palette.Palette, string, FileSystem.FileSystem> {
  const known = isNamed(palette) ? palettes[palette] : undefined
  if (known !== undefined) return known
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(palette),
    () => `${palette} is neither one of ${Object.keys(palettes).join(", ")} nor a file that can be read`
  )
  return yield* Effect.mapError(
    Effect.fromResult(PaletteFile.parse(text)),
    (problem) => `${palette} is no palette: ${problem}`
  )
})

const fromColors = (colors: Colors): Palette.Palette =>
  colors
    .map(({ color, id, name }) => ({ id, name, color: rgbOf(color) }))
    .toSorted((one, other) => one.id - other.id)
