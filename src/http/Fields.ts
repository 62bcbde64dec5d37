/** Fields of an answer: where they are, and which of several names one goes by. */

/** The path of a field in the object at another path. */
export const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`)

/** The path of the object that a path leads into. */
export const parentOf = (path: string): string => path.replace(/\.?[^.]*$/, "")

/** The value under the first of these names that has one. */
export const firstOf = (value: Readonly<Record<string, unknown>>, names: ReadonlyArray<string>): unknown =>
  names.map((name) => value[name]).find((each) => each !== undefined && each !== null)

/** A name without what sets words apart: `label_map` is `labelMap` too. */
export const plain = (key: string): string => key.replaceAll(/[ _-]/g, "").toLowerCase()
