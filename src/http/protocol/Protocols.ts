/**
 * The protocols by the name that configuration calls them by. A new protocol is its module and an entry here: which
 * settings it has a use for, and what its options are by them.
 */
import { Effect, Redacted, Record } from "effect"
import { CurrentImageCodec, ImageCodec } from "../../image/ImageCodec.ts"
import type { ClassTable } from "../../mask/ClassTable.ts"
import type { Palette } from "../../mask/Palette.ts"
import { omitUndefined } from "../../policy/OmitUndefined.ts"
import type { MaskAnswerOptions } from "../MaskAnswer.ts"
import type { MaskOptions } from "../MaskDecoding.ts"
import type { BinaryOptions } from "../Plane.ts"
import * as BentoML from "./BentoML.ts"
import * as Cog from "./Cog.ts"
import * as Custom from "./Custom.ts"
import * as Gradio from "./Gradio.ts"
import * as HuggingFace from "./HuggingFace.ts"
import * as Inspection from "./Inspection.ts"
import * as OpenInference from "./OpenInference.ts"
import type { Protocol } from "./Protocol.ts"
import * as Replicate from "./Replicate.ts"
import * as Roboflow from "./Roboflow.ts"
import * as SegFormer from "./SegFormer.ts"
import * as TfServing from "./TfServing.ts"
import * as TorchServe from "./TorchServe.ts"

/** What the environment, or a settings file, says besides the address. Each protocol has a use for some of it. */
export interface Settings {
  /** `SEGFORMER_MODEL`. */
  readonly model?: string | undefined
  readonly apiKey?: Redacted.Redacted | undefined
  readonly version?: string | undefined
  readonly path?: string | undefined
  readonly method?: "POST" | "PUT" | undefined
  readonly healthPath?: string | undefined
  readonly body?: "form" | "raw" | "base64" | "data-url" | "url" | undefined
  /** The part of a form, or the field or input of JSON, that takes the image. */
  readonly part?: string | undefined
  /** The other fields of a request. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined
  readonly signature?: string | undefined
  readonly output?: string | undefined
  readonly confidence?: boolean | number | undefined
  /** The path to the mask in an answer. */
  readonly mask?: string | undefined
  readonly maskAs?: "png" | "ids" | "rle" | "masks" | "logits" | undefined
  readonly channels?: "first" | "last" | undefined
  readonly transposed?: boolean | undefined
  readonly pointsOf?: MaskOptions["pointsOf"]
  readonly binary?: boolean | BinaryOptions | undefined
  readonly classes?: ClassTable | undefined
  readonly palette?: Palette | undefined
  readonly byColor?: boolean | undefined
  readonly unknownColor?: number | undefined
  readonly ignoreIndex?: number | undefined
  readonly pictures?: MaskAnswerOptions["pictures"]
  readonly milliseconds?: string | undefined
  readonly hosts?: ReadonlyArray<string> | undefined
}

/** What a protocol lacks to be made. */
export interface Lack {
  /** The variable of the environment that it is about. */
  readonly variable: string
  readonly detail: string
}

/** Makes a protocol from what the environment says, or says what is missing. */
export type Make = (settings: Settings) => Effect.Effect<Protocol, Lack>

/** A setting. The model's name is understood by all: where a protocol does not ask for it, it describes the model. */
export type Setting = Exclude<keyof Settings, "apiKey" | "model">

/** A protocol, and what it is made of. */
export interface Entry {
  /** The settings that it has a use for. */
  readonly uses: ReadonlyArray<Setting>
  readonly make: Make
  /** The same as code. */
  readonly code: (settings: Settings) => string
  /** Its options name the model. */
  readonly asksModel: boolean
  /** It decodes pictures here, and is an effect that needs an `ImageCodec`. */
  readonly needsCodec: boolean
}

/** Where the mask is and how it is read. */
const masks = [
  "mask",
  "maskAs",
  "channels",
  "transposed",
  "pointsOf",
  "binary",
  "classes",
  "palette",
  "byColor",
  "unknownColor",
  "ignoreIndex"
] as const
const answers = [...masks, "pictures", "milliseconds"] as const
type MaskSettings = Pick<Settings, (typeof masks)[number]>

const maskOptions = (given: MaskSettings): MaskOptions => {
  const { binary, byColor, classes, ignoreIndex, palette, pointsOf, transposed, unknownColor } = given
  return omitUndefined({ classes, palette, byColor, unknownColor, transposed, pointsOf, binary, ignoreIndex })
}

const maskPlace = ({ channels, mask, maskAs }: MaskSettings): MaskAnswerOptions["mask"] =>
  mask === undefined && maskAs === undefined && channels === undefined
    ? undefined
    : omitUndefined({ at: mask, as: maskAs, channels })

const answerOptions = (given: Pick<Settings, (typeof answers)[number]>): MaskAnswerOptions =>
  omitUndefined({
    mask: maskPlace(given),
    ...maskOptions(given),
    pictures: given.pictures,
    milliseconds: given.milliseconds
  })

/** The fields of a form are texts. */
const texts = (fields: Settings["fields"]): Readonly<Record<string, string>> | undefined =>
  fields && Record.map(fields, (value) => (typeof value === "string" ? value : (JSON.stringify(value) ?? "")))

/** What a service calls its routes is printed: JSON escapes the controls of ASCII, and terminals know more. */
const inOneLine = (json: string): string =>
  json.replaceAll(
    /[\x7f-\x9f\u2028\u2029]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Options as TypeScript. A secret is the name of a constant. */
const literal = (value: unknown): string => {
  if (Redacted.isRedacted(value)) return "apiKey"
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`
  if (typeof value !== "object" || value === null) return inOneLine(JSON.stringify(value) ?? "undefined")
  const fields = Object.entries(value).filter(([, each]) => each !== undefined)
  const name = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : inOneLine(JSON.stringify(key)))
  return fields.length === 0
    ? "{}"
    : `{ ${fields.map(([key, each]) => (key === "apiKey" ? key : `${name(key)}: ${literal(each)}`)).join(", ")} }`
}

const entry = <const K extends Setting, Options extends object>(
  module: string,
  uses: ReadonlyArray<K>,
  optionsOf: (settings: Pick<Settings, K | "model" | "apiKey">) => Options | Lack,
  make: (options: Options) => Effect.Effect<Protocol, Lack>,
  more: { readonly plain?: string; readonly asksModel?: boolean; readonly needsCodec?: boolean } = {}
): Entry => ({
  uses,
  needsCodec: more.needsCodec ?? false,
  asksModel: more.asksModel ?? false,
  make: (settings) =>
    Effect.suspend(() => {
      const options = optionsOf(settings)
      return isLack(options) ? Effect.fail(options) : make(options)
    }),
  code: (settings) => {
    const options = optionsOf(settings)
    const given = isLack(options) ? {} : omitUndefined(options)
    return Object.keys(given).length === 0
      ? `${module}.${more.plain ?? "protocol"}`
      : `${module}.make(${literal(given)})`
  }
})

const isLack = (options: object): options is Lack => "variable" in options && "detail" in options

const modelLack: Lack = {
  variable: "SEGFORMER_MODEL",
  detail: "is not set, and this protocol asks for a model by name"
}

const withModel =
  <Given extends Pick<Settings, "model">, Options extends object>(
    optionsOf: (model: string, given: Given) => Options
  ) =>
  (given: Given): Options | Lack =>
    given.model === undefined ? modelLack : optionsOf(given.model, given)

/** A body that the protocol does not have is a lack, and never another body. */
const bodyLack = (body: string): Lack => ({
  variable: "SEGFORMER_BODY",
  detail: `is "${body}", which this protocol does not send`
})

const withCodec = (self: Effect.Effect<Protocol, never, ImageCodec>): Effect.Effect<Protocol, Lack> =>
  Effect.flatMap(CurrentImageCodec, (codec) =>
    codec !== undefined
      ? Effect.provideService(self, ImageCodec, codec)
      : Effect.fail({
          variable: "SEGFORMER_PROTOCOL",
          detail:
            "names a protocol that sends pixels, and there is no `ImageCodec`. Provide `SharpCodec.layer`"
        })
  )

const made =
  <Options>(make: (options: Options) => Protocol) =>
  (options: Options): Effect.Effect<Protocol> =>
    Effect.succeed(make(options))

const customBody = ({
  body,
  fields,
  part
}: Pick<Settings, "body" | "fields" | "part">): Custom.CustomBody | Lack | undefined => {
  if (body === undefined && part === undefined && fields === undefined) return undefined
  if (body === undefined || body === "form")
    return omitUndefined({ as: "form" as const, part, fields: texts(fields) })
  if (body !== "raw") return omitUndefined({ as: body, field: part, fields })
  return part === undefined && fields === undefined
    ? { as: body }
    : { variable: "SEGFORMER_BODY", detail: "is raw: the file itself has neither a part nor fields" }
}

/** Every protocol by its name. */
export const all = {
  inspection: entry("Inspection", ["palette"], ({ palette }) => ({ palette }), made(Inspection.make)),
  huggingface: entry(
    "HuggingFace",
    ["path", "healthPath", "body", "fields", "classes", "ignoreIndex"],
    ({ body, classes, fields, healthPath, ignoreIndex, model, path }) =>
      body === "form" || body === "data-url" || body === "url"
        ? bodyLack(body)
        : omitUndefined({
            model,
            path,
            healthPath,
            body: body === undefined ? undefined : body === "raw" ? ("raw" as const) : ("json" as const),
            parameters: fields,
            classes,
            ignoreIndex
          }),
    made(HuggingFace.make)
  ),
  openinference: entry(
    "OpenInference",
    ["version", "part", "output", "channels", "transposed", "binary", "classes", "ignoreIndex"],
    withModel((model, { binary, channels, classes, ignoreIndex, output, part, transposed, version }) =>
      omitUndefined({
        model,
        version,
        input: part,
        output,
        channels,
        transposed,
        oneClass: binary,
        classes,
        ignoreIndex
      })
    ),
    (options) => withCodec(OpenInference.make(options)),
    { asksModel: true, needsCodec: true }
  ),
  roboflow: entry(
    "Roboflow",
    ["body", "confidence", "classes", "pointsOf", "ignoreIndex"],
    withModel((modelId, { apiKey, body, classes, confidence, ignoreIndex, pointsOf }) =>
      body === "form" || body === "raw" || body === "data-url"
        ? bodyLack(body)
        : omitUndefined({
            modelId,
            apiKey,
            sendAs: body === "url" ? ("address" as const) : undefined,
            confidence: typeof confidence === "number" ? confidence : undefined,
            classes,
            pointsOf,
            ignoreIndex
          })
    ),
    made(Roboflow.make),
    { asksModel: true }
  ),
  tfserving: entry(
    "TfServing",
    ["version", "signature", "part", "output", ...masks],
    withModel((model, given) =>
      omitUndefined({
        model,
        version: given.version,
        signature: given.signature,
        input: given.part,
        output: given.output ?? given.mask,
        mask: maskPlace({ ...given, mask: undefined }),
        ...maskOptions(given)
      })
    ),
    made(TfServing.make),
    { asksModel: true }
  ),
  torchserve: entry(
    "TorchServe",
    ["version", "body", ...answers],
    withModel((model, { body, version, ...given }) =>
      body === undefined || body === "form" || body === "raw"
        ? omitUndefined({ model, version, body, ...answerOptions(given) })
        : bodyLack(body)
    ),
    made(TorchServe.make),
    { asksModel: true }
  ),
  bentoml: entry(
    "BentoML",
    ["path", "part", "fields", ...answers],
    ({ fields, part, path, ...given }) =>
      omitUndefined({
        route: path?.replace(/^\/+/, ""),
        parameter: part,
        fields: texts(fields),
        ...answerOptions(given)
      }),
    made(BentoML.make)
  ),
  replicate: entry(
    "Replicate",
    ["version", "part", "fields", "body", "hosts", ...answers],
    ({ body, fields, hosts, model, part, version, ...given }) => {
      if (body === "form" || body === "raw" || body === "base64") return bodyLack(body)
      // Its version alone names a model; what is called the model describes it.
      const named = version ?? model
      return named === undefined
        ? modelLack
        : omitUndefined({
            version: named,
            model: version === undefined ? undefined : model,
            input: part,
            inputs: fields,
            sendAs: body === "url" ? ("address" as const) : undefined,
            hosts,
            ...answerOptions(given)
          })
    },
    made(Replicate.make),
    { asksModel: true }
  ),
  cog: entry(
    "Cog",
    ["method", "part", "fields", "hosts", ...answers],
    ({ fields, hosts, method, model, part, ...given }) =>
      omitUndefined({ model, method, input: part, inputs: fields, hosts, ...answerOptions(given) }),
    made(Cog.make),
    { plain: "make()" }
  ),
  gradio: entry(
    "Gradio",
    ["path", "part", "fields", "hosts", ...masks, "pictures"],
    ({ fields, hosts, model, part, path, ...given }) =>
      omitUndefined({
        endpoint: path?.replace(/^\/+/, ""),
        input: part,
        inputs: fields,
        hosts,
        model,
        ...answerOptions(given)
      }),
    made(Gradio.make)
  ),
  custom: entry(
    "Custom",
    ["path", "method", "body", "part", "fields", "healthPath", ...answers],
    ({ body, fields, healthPath, method, model, part, path, ...given }) => {
      const sent = customBody({ body, fields, part })
      return sent !== undefined && "variable" in sent
        ? sent
        : omitUndefined({ path, method, body: sent, healthPath, model, ...answerOptions(given) })
    },
    made(Custom.make),
    { plain: "make()" }
  ),
  segformer: entry(
    "SegFormer",
    ["confidence"],
    ({ confidence, model }) =>
      omitUndefined({ model, confidence: typeof confidence === "number" ? confidence > 0 : confidence }),
    made(SegFormer.make)
  )
} satisfies Readonly<Record<string, Entry>>

/** What configuration and settings call a protocol. */
export type ProtocolName = keyof typeof all

/** How each protocol is made, by its name. */
export const byName: Readonly<Record<string, Make>> = Record.map(all, ({ make }) => make)

/** The names, for those who list them. */
export const names: ReadonlyArray<ProtocolName> = Record.keys(all)

/** Whether a name is that of a protocol. */
export const isName = (name: string): name is ProtocolName => Object.hasOwn(all, name)
