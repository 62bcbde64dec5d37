/**
 * An option that is one of several words. Its type says which; a program in plain JavaScript, and settings that come from
 * elsewhere, say others too, and what nobody knows must not do as if it were the default.
 */

/** Throws a `RangeError` that names whose option it is. What is not said is left to the default. */
export const check = (
  owner: string,
  name: string,
  value: string | undefined,
  words: ReadonlyArray<string>
): void => {
  if (value === undefined || words.includes(value)) return
  const wanted = words.map((word) => JSON.stringify(word)).join(", ")
  throw new RangeError(`${owner}: \`${name}\` must be one of ${wanted}, but is ${JSON.stringify(value)}`)
}
