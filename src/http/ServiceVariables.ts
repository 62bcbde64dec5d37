/**
 * The settings of a service as variables of the environment: `healthPath` is `SEGFORMER_HEALTH_PATH`. What is more than a
 * text is written as JSON.
 */
import { Effect, Schema } from "effect"
import * as Palette from "../mask/Palette.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Variable from "../policy/Variable.ts"
import { fields as f, jsonIn, type ServiceSettings } from "./ServiceSettings.ts"

const switched = (text: string): unknown =>
  /^(on|true|yes)$/i.test(text) ? true : /^(off|false|no)$/i.test(text) ? false : undefined

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
  transposed: variable("SEGFORMER_TRANSPOSED", f.transposed, {
    sets: "that the rows of the mask are the image's columns",
    takes: "`on` or `off`"
  }),
  pointsOf: variable("SEGFORMER_POINTS_OF", f.pointsOf, {
    sets: "of which size the picture is that the points of outlines are of; by what the answer says unless given",
    takes:
      '`pixels` for those of the image, or JSON such as `{"width": 640, "height": 640}`; 1 and 1 for parts of its sides'
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
      Palette.names.map((name) => `\`${name}\``).join(", ") +
      ', a file, or JSON such as `[{"id": 1, "name": "scratch", "color": "#e69f00"}]`'
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
} satisfies Partial<Record<keyof ServiceSettings, Variable.Variable<unknown>>>

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
    transposed: yield* read(settings.transposed, variables.transposed),
    pointsOf: yield* read(settings.pointsOf, variables.pointsOf),
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
