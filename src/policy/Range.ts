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

/** NaN is in no range. */
export const isWithin = ({ above, endless, least, most, whole }: Range, value: number): boolean =>
  (above === true ? value > least : value >= least) &&
  (value <= (most ?? Number.MAX_VALUE) || (endless === true && value === Infinity)) &&
  (whole !== true || Number.isSafeInteger(value))

/** Such as "a whole number of at least 1". */
export const words = ({ above, least, most, whole }: Range): string => {
  const kind = whole === true ? "a whole number" : "a number"
  const from = above === true ? `above ${least}` : `of at least ${least}`
  return most === undefined ? `${kind} ${from}` : `${kind} ${from} and at most ${most}`
}
