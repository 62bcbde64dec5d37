/** What a number may be, checked and said in the same words wherever it comes from: a program or the environment. */

export interface Range {
  readonly least: number
  /** `least` itself is too small. */
  readonly above?: boolean | undefined
  readonly most?: number | undefined
  readonly whole?: boolean | undefined
  /** Infinity is in it: a time that never ends, as a program may say it. */
  readonly endless?: boolean | undefined
}

/** NaN is in no range, nor is what plain JavaScript has in the place of a number. */
export const isWithin = ({ above, endless, least, most, whole }: Range, value: number): boolean =>
  typeof value === "number" &&
  (above === true ? value > least : value >= least) &&
  (value <= (most ?? Number.MAX_VALUE) || (endless === true && value === Infinity)) &&
  (whole !== true || Number.isSafeInteger(value))

const limit: Range = { least: 0, endless: true }

/**
 * Limits, those that are not given as by default; whoever gives them may have others beside them. Throws `RangeError` for one that is no
 * number: nothing is more than NaN, which would be no limit at all.
 */
export const limits = <A extends Readonly<Record<keyof A, number>>>(
  owner: string,
  given: Partial<A> | undefined,
  defaults: A
): A => {
  const all = { ...defaults }
  for (const name in defaults) {
    const value = given?.[name] ?? defaults[name]
    if (!isWithin(limit, value))
      throw new RangeError(`${owner}: \`${name}\` must be ${words(limit)}, but is ${shown(value)}`)
    all[name] = value
  }
  return all
}

/** A value as a program says it: text in quotes. */
export const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : String(value)

/** Such as "a whole number of at least 1". */
export const words = ({ above, least, most, whole }: Range): string => {
  const kind = whole === true ? "a whole number" : "a number"
  const from = above === true ? `above ${least}` : `of at least ${least}`
  return most === undefined ? `${kind} ${from}` : `${kind} ${from} and at most ${most}`
}
