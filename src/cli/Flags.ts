/**
 * Flags and arguments that several commands have, and the checks that go with them. A flag is declared once: what a
 * command's work is given ({@link Command.Config.Infer}) comes from its flags.
 */
import { type Config, Effect, Option } from "effect"
import { Argument, Flag, Param, Primitive } from "effect/cli"
import type { ImageLimits } from "../image/Image.ts"
import type * as ImageSource from "../image/ImageSource.ts"
import * as Stretch from "../image/Stretch.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import { providers } from "../onnx/native/Provider.ts"
import * as Variable from "../policy/Variable.ts"
import * as ExitCode from "./ExitCode.ts"

/** What is not given is `undefined`. */
export const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  Flag.map(Flag.optional(flag), Option.getOrUndefined)

/** What stands between commas. */
export const listOf = (text: string | undefined): ReadonlyArray<string> =>
  (text ?? "").split(",").flatMap((part) => part.trim() || [])

/** What the environment says where the command line says nothing, and the flag that it is said for. */
export const variables = new Map<string, string>()

/** A flag that a variable of the environment says too, where the command line does not. */
export const orVariable = <B>(
  flag: string,
  variable: string,
  config: (name: string) => Config.Config<B>
): (<A>(self: Flag.Flag<A>) => Flag.Flag<A | B>) => {
  variables.set(variable, flag)
  return Flag.withFallbackConfig(config(variable))
}

/** Off unless it is given. */
export const off = (name: string) => Flag.Boolean(name).pipe(Flag.withDefault(false))

/** Refuses smaller numbers. */
export const atLeast = (least: number, what = "a whole number") =>
  Flag.filter(
    (value: number) => value >= least,
    () => `${what} of at least ${least}`
  )

/** A whole number of at least 1. */
export const count = (name: string) => Flag.Int(name).pipe(atLeast(1))

/** Refuses what is no port. */
export const isPort = Flag.filter(
  (port: number) => port >= 0 && port <= 65_535,
  () => "a whole number from 0 to 65535"
)

/** `255`, `0,255`, or `none`. */
const parseIds = (text: string): Option.Option<ReadonlyArray<number>> => {
  if (text.trim() === "none") return Option.some([])
  const ids = text.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : -1))
  return ids.every((id) => id >= 0 && id <= 0xffff_ffff) ? Option.some(ids) : Option.none()
}

/** Class ids: one or several, or none. */
export const ids = (name: string): Flag.Flag<ReadonlyArray<number>> =>
  Flag.String(name).pipe(
    Flag.filterMap(parseIds, () => "class ids with commas between, such as 255 or 0,255, or none"),
    Flag.withMetavar("IDS")
  )

/** Classes by name or id, a flag for each. */
export const classNames = (name: string): Flag.Flag<ReadonlyArray<string>> =>
  Flag.String(name).pipe(Flag.withMetavar("CLASS"), Flag.atLeast(0))

/** The ids of classes by name (whatever its letters' case) or id; or what there are, where one is none of them. */
export const classIds = (
  flag: string,
  words: ReadonlyArray<string>,
  classes: ClassTable
): Effect.Effect<ReadonlyArray<number>, ExitCode.Ended> =>
  Effect.forEach(words, (word) => {
    const found =
      classes.find(({ name }) => name === word) ??
      classes.find(({ name }) => name.toLowerCase() === word.toLowerCase()) ??
      classes.find(({ id }) => String(id) === word)
    if (found !== undefined) return Effect.succeed(found.id)
    const names = classes.slice(0, 12).map(({ name }) => name)
    const known =
      names.length === 0 ? "" : `. There are ${names.join(", ")}${classes.length > 12 ? ", …" : ""}`
    return Effect.fail(ExitCode.wrong(`--${flag} ${word}: no class is called so${known}`))
  })

/** A path as it was written: effect's own makes it absolute, and `-`, addresses and ids of models something else. */
const written = (kind: Primitive.PathType): Primitive.Primitive<string> =>
  Object.assign(Primitive.Path(kind), { parse: Primitive.String.parse })

/** A variable of the shell that is not set is an empty word, and no path. */
const isGiven = [(text: string) => text !== "", () => "a path, and not an empty word"] as const

/** A flag whose value shells complete from file names: a path, or what else a word may say beside one. */
export const path = (name: string, kind: Primitive.PathType = "either"): Flag.Flag<string> =>
  Param.makeSingle({ kind: Param.flagKind, name, primitiveType: written(kind) }).pipe(Flag.filter(...isGiven))

/** An argument, as {@link path}. */
export const paths = (name: string, kind: Primitive.PathType = "either"): Argument.Argument<string> =>
  Param.makeSingle({ kind: Param.argumentKind, name, primitiveType: written(kind) }).pipe(
    Argument.filter(...isGiven)
  )

const isAddress = (text: string): boolean => /^https?:\/\//i.test(text) && URL.canParse(text)

/** `localhost:8080` wants a scheme, and little else. */
const noAddress = (text: string): string => {
  const meant = /^[\w.-]+(:\d+)?(\/|$)/.test(text) && URL.canParse(`http://${text}`) ? text : "localhost:8080"
  return `an address that begins with http:// or https://, such as http://${meant}`
}

/** Where a service is. */
export const service = Argument.String("url").pipe(Argument.filter(isAddress, noAddress))

/** Bytes, written as 1048576, 512k, 50M or 1.5G. */
export const parseBytes = (text: string): Option.Option<number> =>
  Option.fromUndefinedOr(Variable.parseBytes(text))

/** A folder or file of results, which every command calls `--out`. */
export const out = (kind: Primitive.PathType) => path("out", kind).pipe(Flag.withAlias("o"))

export const url = Flag.String("url").pipe(
  Flag.filter(isAddress, noAddress),
  Flag.withAlias("u"),
  Flag.withMetavar("URL"),
  Flag.withDescription(
    "A service that segments, instead of a model here; SEGFORMER_SERVICE_URL says it too. Its key is read from SEGFORMER_API_KEY"
  ),
  optional
)

export const model = path("model").pipe(
  Flag.withAlias("m"),
  Flag.withMetavar("MODEL"),
  Flag.withDescription(
    "A model folder, an .onnx file or an id of the Hugging Face Hub. By default the model in this package"
  ),
  optional
)

/** Which of a model's files, and how it is read: of the models that are run here. */
export const local = {
  variant: Flag.String("variant").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "Which of the model's files: fp32, fp16, q8, int8, uint8, q4 and the like, or NAME of onnx/model_NAME.onnx"
    ),
    optional
  ),
  threshold: Flag.Finite("threshold").pipe(
    Flag.withMetavar("NUMBER"),
    Flag.withDescription(
      "Of a model that gives one number a pixel: what is above it is of class 1. 0 for logits, 0.5 for probabilities"
    ),
    optional
  ),
  provider: Flag.Literals("provider", providers).pipe(
    Flag.withDescription(
      "By what the model runs: the processor by default, an accelerator, or `auto`, which measures. SEGFORMER_PROVIDER says the same"
    ),
    optional
  ),
  modelOutput: Flag.String("model-output").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("Of a model with several outputs: the one to read"),
    optional
  )
}

/** Where a service is, and the way there. */
export const remote = {
  url,
  service: path("service", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "The service that a settings file describes, which `segformer probe URL --write FILE` makes. --url goes before its address"
    ),
    optional
  ),
  header: Flag.String("header").pipe(
    Flag.withMetavar("HEADER"),
    Flag.withDescription(
      'A header of every request to the service, as "Name: value". May be given several times. Others can see it on a command line: SEGFORMER_HEADERS holds them too'
    ),
    Flag.atLeast(0)
  ),
  proxy: Flag.String("proxy").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "The proxy to go through, or off. By default what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say"
    ),
    optional
  ),
  ca: path("ca", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Certificates of a private authority, as PEM, trusted besides those that Node trusts"
    ),
    optional
  )
}

export const palette = path("palette", "file").pipe(
  Flag.withMetavar("NAME|FILE"),
  Flag.withDescription(
    `Colours in which a service paints its mask, where it does not say: ${Palette.names.join(", ")}, or a file of your own (JSON, labelmap.txt, name,r,g,b)`
  ),
  optional
)

/** Who segments. {@link backendFaults} goes with it. */
export const backend = { ...remote, ...local, model, palette }

/** How many are under way at once; `what` they are, for the help. */
export const concurrency = (what: string, description: string) =>
  count("concurrency").pipe(Flag.withAlias("c"), Flag.withMetavar(what), Flag.withDescription(description))

/** Refuses images that are too large, by flags of these kinds. {@link limitsOf} makes limits of them. */
export const limitsBy = (text: (name: string) => Flag.Flag<string>, whole: typeof count) => ({
  maxBytes: text("max-bytes").pipe(
    Flag.withMetavar("BYTES"),
    Flag.filterMap(parseBytes, () => "a size such as 1048576, 512k or 50M"),
    Flag.withDescription("Refuse image files larger than this, such as 50M"),
    optional
  ),
  maxPixels: whole("max-pixels").pipe(
    Flag.withMetavar("PIXELS"),
    Flag.withDescription("Refuse images with more pixels than this"),
    optional
  )
})

export const limits = limitsBy(Flag.String, count)

/** What of an image is looked at, and how. {@link viewOf} makes a view of them. */
export const view = {
  page: count("page").pipe(
    Flag.withMetavar("NUMBER"),
    Flag.withDescription(
      "The page of each TIFF, or frame of each GIF or WebP, as FILE#2 says it of one. 1 by default"
    ),
    optional
  ),
  stretch: Flag.String("stretch").pipe(
    Flag.withMetavar("MIN,MAX"),
    Flag.filterMap(
      (text) => Option.fromUndefinedOr(Stretch.parse(text)),
      () => "two numbers, such as 0,4095, or two percentiles, such as 2%,98%"
    ),
    Flag.withDescription(
      "What is black and what is white in images of 16 bits, floats and other numbers: 0,4095 or 2%,98%"
    ),
    optional
  )
}

export const viewOf = (
  { page, stretch }: { readonly page: number | undefined; readonly stretch: Stretch.Stretch | undefined },
  own?: number
): ImageSource.View => ({ page: own ?? page, stretch })

export const limitsOf = (given: {
  readonly [Limit in keyof ImageLimits]: number | undefined
}): Partial<ImageLimits> => ({
  ...(given.maxBytes === undefined ? {} : { maxBytes: given.maxBytes }),
  ...(given.maxPixels === undefined ? {} : { maxPixels: given.maxPixels })
})

export const json = off("json").pipe(Flag.withDescription("Print a JSON object"))

export const quiet = off("quiet").pipe(
  Flag.withAlias("q"),
  Flag.withDescription("Print nothing but errors (and JSON)")
)

/** Why flags that were given cannot be meant; empty where all is well. */
export type Faults = ReadonlyArray<string>

/** Flags that would be taken without a word and do nothing: those of `names` that were given. */
export const ignored = <Options extends object>(
  options: Options,
  names: ReadonlyArray<keyof Options & string>,
  why: string
): Faults =>
  names
    .filter((name) => options[name] !== undefined && options[name] !== false)
    .map((name) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${why}`)

/** What says on a command line who segments. */
export interface Said {
  readonly url?: string | undefined
  readonly service?: string | undefined
  readonly model?: string | ReadonlyArray<string> | undefined
  readonly variant?: string | undefined
  readonly threshold?: number | undefined
  readonly modelOutput?: string | undefined
  readonly provider?: string | undefined
}

/** Whether a service segments, and no model here. */
export const isRemote = ({ service, url }: Pick<Said, "url" | "service">): boolean =>
  url !== undefined || service !== undefined

/** Who is asked, for a line of progress. */
export const asked = (given: Said): string =>
  isRemote(given) ? `Asking ${given.url ?? `the service of ${given.service}`}…` : "Loading the model…"

/** Of {@link backend}, as far as a command has it. */
export const backendFaults = (
  given: Said & { readonly header: ReadonlyArray<string>; readonly palette?: string | undefined }
): Faults =>
  isRemote(given)
    ? [
        ...ignored(
          given,
          ["variant", "threshold", "modelOutput", "provider"],
          "is for a model that is run here, and a service segments"
        ),
        ...(given.model === undefined || given.model.length === 0
          ? []
          : [`give ${given.url === undefined ? "--service" : "--url"} or --model, not both`])
      ]
    : [
        ...ignored(given, ["palette"], "is for the masks of a service: give its --url too, or leave it out"),
        ...(given.header.length === 0
          ? []
          : ["--header is for a service: give its --url too, or leave it out"])
      ]

/** Ends the command by the first fault. */
export const refuse = ([first]: Faults): Effect.Effect<void, ExitCode.Ended> =>
  first === undefined ? Effect.void : Effect.fail(ExitCode.wrong(first))

/** What flags say of who segments, and how pictures are read. */
export const ofSegmenters = [
  "url",
  "service",
  "proxy",
  "ca",
  "variant",
  "threshold",
  "provider",
  "modelOutput",
  "model",
  "palette",
  "maxBytes",
  "maxPixels",
  "page",
  "stretch"
] as const
