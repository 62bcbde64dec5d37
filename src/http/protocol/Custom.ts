/**
 * Hand-written servers, by configuration alone: where the image goes, how it is sent, and where the mask is in what
 * comes back.
 *
 * ```ts
 * import { Custom } from "effect-segformer/http"
 *
 * const lab = Custom.make({
 *   path: "/segment",
 *   body: { as: "form", part: "file", fields: { model: "b0" } },
 *   mask: { at: "mask_b64" },
 *   milliseconds: "elapsed_ms"
 * })
 * lab.name // => "custom"
 * ```
 */
import { Effect } from "effect"
import type { ImageError } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import type { Call } from "../../service/Exchange.ts"
import * as ClassesIn from "../ClassesIn.ts"
import * as MaskAnswer from "../MaskAnswer.ts"
import { classesOf } from "../MaskDecoding.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { RequestProtocol } from "./Protocol.ts"
import * as ErrorKind from "../../ErrorKind.ts"

/** How the image is sent. */
export type CustomBody =
  | {
      /** A form with the file as one part. */
      readonly as: "form"
      /** `file` by default. */
      readonly part?: string | undefined
      readonly fields?: Readonly<Record<string, string>> | undefined
    }
  | {
      /** The file itself. */
      readonly as: "raw"
    }
  | {
      /** JSON with the file as base64, as a data URL, or the address it was taken from. */
      readonly as: "base64" | "data-url" | "url"
      /** `image` by default; with dots between for a field within another. */
      readonly field?: string | undefined
      /** Other fields of the JSON. */
      readonly fields?: Readonly<Record<string, unknown>> | undefined
    }

export interface CustomOptions extends MaskAnswer.MaskAnswerOptions {
  /** In configuration and errors. `custom` by default. */
  readonly name?: string | undefined
  /** After the base URL. `/predict` by default. */
  readonly path?: string | undefined
  readonly method?: "POST" | "PUT" | undefined
  /** A form with the part `file` by default. */
  readonly body?: CustomBody | undefined
  /** Answers 200 to a GET while the service is well. `/health` by default. */
  readonly healthPath?: string | undefined
  /** For `describe`: the service does not say. */
  readonly model?: string | undefined
}

/** `{ a: { b: value } }` for the field `a.b`, besides other fields. */
const nest = (field: string, value: unknown, others: Readonly<Record<string, unknown>>): unknown => {
  const [first = "", ...rest] = field.split(".")
  const inner = others[first]
  return {
    ...others,
    [first]: rest.length === 0 ? value : nest(rest.join("."), value, Errors.isRecord(inner) ? inner : {})
  }
}

const encode = (image: Image, body: CustomBody): Effect.Effect<NonNullable<Call["body"]>, ImageError> => {
  if (body.as === "form") return ProtocolBody.form(body.part ?? "file", image, body.fields)
  if (body.as === "raw") return ProtocolBody.raw(image)
  const { field = "image", fields = {} } = body
  const value =
    body.as === "base64"
      ? ProtocolBody.base64(image)
      : body.as === "data-url"
        ? ProtocolBody.dataUrl(image)
        : ProtocolBody.address(image)
  return Effect.map(value, (text) => ProtocolBody.json(nest(field, text, fields)))
}

/** The protocol that the options describe. */
export const make = (options: CustomOptions = {}): RequestProtocol => {
  const name = options.name ?? "custom"
  ErrorKind.oneOf(name, "body.as", options.body?.as, ["form", "raw", "base64", "data-url", "url"])
  ErrorKind.oneOf(name, "method", options.method, ["POST", "PUT"])
  MaskAnswer.check(name, options.mask)
  ClassesIn.check(name, options)
  return described(name, options)
}

const described = (name: string, options: CustomOptions): RequestProtocol => ({
  name,
  encode: (image) =>
    Effect.map(encode(image, options.body ?? { as: "form" }), (body) => ({
      method: options.method ?? "POST",
      path: options.path ?? "/predict",
      accept: "*/*",
      body
    })),
  decode: (answer, image, getFile) => MaskAnswer.read(answer, image, options, getFile),
  hosts: options.hosts,
  readError: Errors.read,
  entry: { method: options.method ?? "POST", path: options.path ?? "/predict" },
  health: Errors.healthByStatus(options.healthPath ?? "/health"),
  describe: { name: options.model ?? "unknown", classes: classesOf(options) }
})
