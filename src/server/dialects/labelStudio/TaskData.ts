/** What values of a labelling configuration, such as `$image`, are in the data of a task. */

/**
 * What a value such as `$image` is in a task: the field of that name, or, with dots and brackets, what lies within one. A value
 * with more around it is a text with the fields put in.
 */
export const resolve = (value: string, data: Readonly<Record<string, unknown>>): unknown => {
  if (!value.includes("$")) return value
  const key = value.startsWith("$") ? value.slice(1) : undefined
  if (key !== undefined) {
    const found = at(data, key)
    // What was imported as a file alone has no name yet.
    if (found !== undefined) return found
    if (Object.hasOwn(data, "$undefined$")) return data["$undefined$"]
    if (/^[\w.[\]]+$/.test(key)) return undefined
  }
  return value.replaceAll(/\$([\w.[\]]+)/g, (_, name: string) => {
    const found = at(data, name)
    return typeof found === "string" || typeof found === "number" ? String(found) : ""
  })
}

/** Lists too, whose items are asked for by their numbers. */
const hasFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const at = (data: Readonly<Record<string, unknown>>, path: string): unknown => {
  if (Object.hasOwn(data, path)) return data[path]
  let found: unknown = data
  for (const part of path.split(/[.[\]]+/).filter((text) => text !== "")) {
    if (!hasFields(found) || !Object.hasOwn(found, part)) return undefined
    found = found[part]
  }
  return found
}
