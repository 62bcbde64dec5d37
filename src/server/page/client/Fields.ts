/** JSON from the server, checked field by field: what is not as agreed is said by its path, not met later as `undefined`. */

export class NotAsAgreed extends Error {}

export interface Fields {
  readonly string: (name: string) => string
  readonly number: (name: string) => number
  readonly numberOrNull: (name: string) => number | null
  readonly boolean: (name: string) => boolean
  readonly list: <A>(name: string, decode: (fields: Fields) => A) => ReadonlyArray<A>
  readonly object: (name: string) => Fields
  /** `undefined` where the field is absent. */
  readonly optional: (name: string) => Fields | undefined
}

export const fields = (value: unknown, at = "the answer"): Fields => {
  if (typeof value !== "object" || value === null) throw new NotAsAgreed(`${at} is no object`)
  const get = (name: string): unknown => Reflect.get(value, name)
  const wrong = (name: string, what: string) => new NotAsAgreed(`"${name}" of ${at} is no ${what}`)
  const object = (name: string) => fields(get(name), `"${name}" of ${at}`)
  return {
    string: (name) => {
      const found = get(name)
      if (typeof found !== "string") throw wrong(name, "text")
      return found
    },
    number: (name) => {
      const found = get(name)
      if (typeof found !== "number") throw wrong(name, "number")
      return found
    },
    numberOrNull: (name) => {
      const found = get(name)
      if (found === null || found === undefined) return null
      if (typeof found !== "number") throw wrong(name, "number")
      return found
    },
    boolean: (name) => get(name) === true,
    list: (name, decode) => {
      const found = get(name)
      if (!Array.isArray(found)) throw wrong(name, "list")
      return found.map((item: unknown, index) => decode(fields(item, `item ${index} of "${name}"`)))
    },
    object,
    optional: (name) => (get(name) === undefined || get(name) === null ? undefined : object(name))
  }
}
