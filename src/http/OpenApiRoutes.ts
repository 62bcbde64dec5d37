/** What an OpenAPI document says of the routes that take images: where they go, in which form, and with which key. */
import * as Errors from "./protocol/Errors.ts"
import type { ServiceSettings } from "./ServiceSettings.ts"

/** How a route is called. */
export type RouteSettings = Pick<
  ServiceSettings,
  "path" | "method" | "body" | "part" | "fields" | "healthPath"
>

/** A request with a body, and the settings that go with it. */
export interface Route {
  readonly path: string
  readonly settings: RouteSettings
  /** What in it takes an image, in words; `undefined` where nothing does. */
  readonly takes: string | undefined
  /** The type of a picture that it answers; `undefined` where it says none. */
  readonly gives: string | undefined
  /** The header that carries its key, `true` for `Authorization: Bearer`. */
  readonly key: string | true | undefined
}

type Json = Readonly<Record<string, unknown>>

const recordOf = (value: unknown): Json => (Errors.isRecord(value) ? value : {})

/** Names of fields that hold an image. */
const imageName = /image|img|picture|photo|file|upload|frame|b64|base64|^data$|^inputs?$|^content$/i

const methods = ["post", "put"] as const

/** The routes with a body, in the order of the document. */
export const routes = (document: Json): ReadonlyArray<Route> => {
  /** The value at these keys, references followed. */
  const at = (value: unknown, ...keys: ReadonlyArray<string>): unknown => {
    let found = resolve(value)
    for (const key of keys) found = resolve(recordOf(found)[key])
    return found
  }
  const resolve = (value: unknown, depth = 0): unknown => {
    const reference = recordOf(value)["$ref"]
    if (typeof reference !== "string" || !reference.startsWith("#/") || depth > 8) return value
    const target = reference
      .slice(2)
      .split("/")
      .reduce<unknown>(
        (inner, key) => recordOf(inner)[key.replaceAll("~1", "/").replaceAll("~0", "~")],
        document
      )
    return resolve(target, depth + 1)
  }
  /** A schema, or the first of several that is not null. */
  const plain = (value: unknown): Json => {
    const schema = recordOf(resolve(value))
    const options = schema["anyOf"] ?? schema["oneOf"] ?? schema["allOf"]
    if (!Array.isArray(options)) return schema
    const found = options.map((each) => recordOf(resolve(each))).find((each) => each["type"] !== "null")
    return { ...found, ...schema, type: schema["type"] ?? found?.["type"] }
  }
  const propertiesOf = (schema: unknown): ReadonlyArray<readonly [name: string, field: Json]> =>
    Object.entries(recordOf(plain(schema)["properties"])).map(([name, field]) => [name, plain(field)])
  const isFile = (field: Json): boolean => {
    const one = field["type"] === "array" ? plain(field["items"]) : field
    return one["format"] === "binary" || one["contentMediaType"] !== undefined
  }
  /** Other fields, as far as the document gives each a value: what must be there and has none is the reader's to say. */
  const others = (schema: unknown, part: string): Json | undefined => {
    const required = plain(schema)["required"]
    const fields = propertiesOf(schema).flatMap(([name, field]) => {
      const value = field["default"] ?? (Array.isArray(field["enum"]) ? field["enum"][0] : undefined)
      const isNeeded = Array.isArray(required) && required.includes(name)
      return name === part || !isNeeded || value === undefined ? [] : [[name, value] as const]
    })
    return fields.length === 0 ? undefined : Object.fromEntries(fields)
  }
  const withFields = (settings: RouteSettings, schema: unknown, part: string): RouteSettings => {
    const fields = others(schema, part)
    return fields === undefined ? settings : { ...settings, fields }
  }

  const body = (content: unknown): Pick<Route, "settings" | "takes"> => {
    const types = Object.entries(recordOf(content))
    const of = (pattern: RegExp) => types.find(([type]) => pattern.test(type))?.[1]
    const form = at(of(/^multipart\//i), "schema")
    const file = propertiesOf(form).find(([, field]) => isFile(field))?.[0]
    if (file !== undefined)
      return { settings: withFields({ part: file }, form, file), takes: `a form with the file "${file}"` }
    if (of(/^(image\/|application\/octet-stream)/i) !== undefined)
      return { settings: { body: "raw" }, takes: "the file itself" }
    const json = at(of(/json/i), "schema")
    const texts = propertiesOf(json).filter(([, { type }]) => type === "string")
    const named = texts.find(([name]) => imageName.test(name)) ?? texts.find(([name]) => /url/i.test(name))
    if (named === undefined) return { settings: {}, takes: undefined }
    const [name, field] = named
    const words = `${name} ${String(field["format"] ?? "")} ${String(field["description"] ?? "")} ${String(field["example"] ?? "")}`
    const as = /data:|data.?ur[il]/i.test(words)
      ? "data-url"
      : /(^|[_ -])ur[il]\b|\burl\b/i.test(words) && !/base64|b64/i.test(words)
        ? "url"
        : "base64"
    return {
      settings: withFields({ body: as, part: name }, json, name),
      takes: `JSON with the field "${name}"`
    }
  }

  const keyOf = (operation: Json): Route["key"] => {
    const security = operation["security"] ?? document["security"]
    const names = Array.isArray(security) ? security.flatMap((each) => Object.keys(recordOf(each))) : []
    for (const name of names) {
      const scheme = recordOf(at(document, "components", "securitySchemes", name))
      if (scheme["type"] === "apiKey" && scheme["in"] === "header" && typeof scheme["name"] === "string")
        return scheme["name"]
      if (scheme["type"] === "http" && /^bearer$/i.test(String(scheme["scheme"]))) return true
    }
    return undefined
  }

  return Object.entries(recordOf(document["paths"])).flatMap(([path, item]) =>
    methods.flatMap((method): ReadonlyArray<Route> => {
      const operation = at(item, method)
      // What is in its path is nobody's to guess.
      if (!Errors.isRecord(operation) || path.includes("{")) return []
      const { settings, takes } = body(at(operation, "requestBody", "content"))
      const put: RouteSettings = method === "put" ? { method: "PUT" } : {}
      const gives = Object.keys(recordOf(at(operation, "responses", "200", "content"))).find((type) =>
        /^image\/[\w.+*-]+$/i.test(type)
      )
      return [{ path, settings: { path, ...put, ...settings }, takes, gives, key: keyOf(operation) }]
    })
  )
}

const worth = ({ path, takes }: Route): number =>
  (takes === undefined ? 0 : 4) +
  (/seg|mask/i.test(path) ? 2 : /predict|infer|analy[sz]e/i.test(path) ? 1 : 0) -
  (/train|batch|feedback|login|token|delete|annotat/i.test(path) ? 3 : 0)

/** The route that most likely segments an image. */
export const best = (document: Json): Route | undefined =>
  routes(document)
    .filter((route) => worth(route) > 0)
    .reduce<Route | undefined>(
      (found, route) => (found === undefined || worth(route) > worth(found) ? route : found),
      undefined
    )
