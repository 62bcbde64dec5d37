/** What failed requests say, in the shapes that services use for it. */

/** A value that is an object, so that its fields can be asked for. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The JSON of an answer, or nothing. */
export const jsonOf = ({ body }: { readonly body: Uint8Array }): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    // An error page of a proxy, say: its start serves as detail.
    return undefined
  }
}

const usual = ["error", "message", "detail", "msg", "description", "title"]

/** The message in what an error's JSON holds: a string, or the first of these fields, but not at any depth. */
export const messageIn = (
  value: unknown,
  fields: ReadonlyArray<string> = usual,
  depth = 0
): string | undefined => {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null || depth > 4) return undefined
  if (Array.isArray(value)) {
    const said = value.flatMap((each) => messageIn(each, fields, depth + 1) ?? [])
    return said.length === 0 ? undefined : said.join("; ")
  }
  // FastAPI: `{loc: ["body", "name"], msg: "Field required"}`.
  const loc: unknown = Reflect.get(value, "loc")
  for (const field of fields) {
    const said = messageIn(Reflect.get(value, field), fields, depth + 1)
    if (said !== undefined && said !== "") return Array.isArray(loc) ? `${loc.join(".")}: ${said}` : said
  }
  return undefined
}

const codes = ["error_code", "errorCode", "code"]

/** The service's own code in what an error's JSON holds, such as `NOT_FOUND`: beside its message, or one level below. */
export const codeIn = (value: unknown): string | undefined => {
  const [first] = Array.isArray(value) ? value : [value]
  if (!isRecord(first)) return undefined
  const { detail, error, errors } = first
  for (const place of [first, error, detail, Array.isArray(errors) ? errors[0] : errors]) {
    if (!isRecord(place)) continue
    for (const name of codes) {
      const code = place[name]
      if ((typeof code === "string" && code !== "") || typeof code === "number") return String(code)
    }
  }
  return undefined
}
