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
import { Effect, FileSystem, type PlatformError, Result, Schema, SchemaIssue, Struct } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import * as Variable from "../policy/Variable.ts"
import { lazily } from "../service/CodeNotLoaded.ts"
import * as SystemError from "../SystemError.ts"

const Text = Schema.NonEmptyString
const VariableName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z_]\w*$/, { expected: "the name of a variable" })
)
const Id = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Side = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
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

/** Each field by itself: the schemas of variables too. @internal */
export const fields = {
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
  transposed: Schema.Boolean,
  pointsOf: Schema.Union([Schema.Literal("pixels"), Schema.Struct({ width: Side, height: Side })]),
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
  keyVariable: VariableName,
  headers: Schema.Record(
    Schema.String.check(Schema.isPattern(/^[\w!#$%&'*+.^`|~-]+$/, { expected: "the name of a header" })),
    Schema.Union([Schema.String, Schema.Struct({ variable: VariableName })])
  )
}

/** What a service takes and gives; each field is optional. */
export const ServiceSettings = Schema.Struct(fields).mapFields(Struct.map(Schema.optionalKey))
export type ServiceSettings = typeof ServiceSettings.Type

/** What a text says in JSON; `undefined` where it is none. @internal */
export const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()
const decode = Schema.decodeUnknownEffect(ServiceSettings, { errors: "all", onExcessProperty: "error" })

/** Fields under which people write keys. */
const isKey = (name: string): boolean => /key|token|secret|password|authorization/i.test(name)

/** A name, and of what is more than one its beginning: behind `Authorization: ` there would be a key. */
const shown = (name: string): string => name.replace(/[^\w!#$%&'*+.^`|~-].*$/s, "…")

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
        const place = Object.hasOwn(fields, first) ? keys.map(shown).join(".") : shown(first)
        if (!found.has(place)) found.set(place, detail)
      }
      return failed(Array.from(found, ([place, detail]) => ({ variable: `${place} in ${name}`, detail })))
    })
  })

/** Why a file cannot be read, in words. */
const unreadable = (error: PlatformError.PlatformError): string =>
  error.reason._tag === "NotFound"
    ? "there is no such file"
    : error.reason._tag === "PermissionDenied"
      ? "this user may not read it"
      : (SystemError.reasonOf(error) ?? error.message)

/** Settings from a file. A palette that is a file too is read; its path begins where the settings are. */
export const load = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<ServiceSettings, Variable.InvalidConfig, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    (error) =>
      new Variable.InvalidConfig({
        problems: [{ variable: path, detail: `cannot be read: ${unreadable(error)}` }]
      })
  )
  const settings = yield* parse(text, path)
  const { palette } = settings
  if (typeof palette !== "string" || Palette.byName(palette) !== undefined) return settings
  const isWhole = /^([\\/]|[a-z]:)/i.test(palette)
  const colors = yield* Effect.mapError(
    readPalette(isWhole ? palette : path.replace(/[^\\/]*$/, "") + palette),
    (detail) => new Variable.InvalidConfig({ problems: [{ variable: `palette in ${path}:`, detail }] })
  )
  return { ...settings, palette: colors }
})

/** The text of a settings file. */
export const render = (settings: ServiceSettings): string => `${JSON.stringify(settings, undefined, 2)}\n`

/** The classes that settings name. */
export const classesOf = (classes: Classes): ClassTable.ClassTable =>
  isList(classes)
    ? ClassTable.make(
        classes.map((each, id) => (typeof each === "string" ? { id, name: each } : colored(each)))
      )
    : ClassTable.fromId2Label(classes)

const isList = (classes: Classes): classes is Exclude<Classes, Readonly<Record<string, string>>> =>
  Array.isArray(classes)

const colored = ({ color, ...info }: (typeof ClassJson)["Type"]): ClassTable.ClassInfo => ({
  ...info,
  color: typeof color === "string" ? Palette.fromHex(color) : color
})

/** The palette that settings name: one that is known, or colours as they stand. A file is read by {@link load}. */
export const paletteOf = (palette: string | Colors): Result.Result<Palette.Palette, string> => {
  if (typeof palette !== "string")
    return Result.succeed(
      Palette.fromClasses(palette.map(colored).toSorted((one, other) => one.id - other.id))
    )
  const known = Palette.byName(palette)
  return known === undefined
    ? Result.fail(
        `names "${palette.slice(0, 200)}", which is none of ${Palette.names.join(", ")}, nor JSON with colours`
      )
    : Result.succeed(known)
}

/** The palette of a name, or of a file. */
export const readPalette = Effect.fnUntraced(function* (
  palette: string
): Effect.fn.Return<Palette.Palette, string, FileSystem.FileSystem> {
  const known = Palette.byName(palette)
  if (known !== undefined) return known
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(palette),
    () => `${palette} is neither one of ${Palette.names.join(", ")} nor a file that can be read`
  )
  const { parse } = yield* Effect.mapError(
    lazily(() => import("./PaletteText.ts")),
    ({ message }) => message
  )
  return yield* Effect.mapError(
    Effect.fromResult(parse(text)),
    (problem) => `${palette} is no palette: ${problem}`
  )
})
