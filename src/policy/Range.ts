/** What a number may be, checked and said in the same words wherever it comes from: a program or the environment. */

export interface Range {
  readonly least: number
  /** `least` itself is too small. */
  readonly above?: boolean | undefined
  readonly most?: number | undefined
  readonly whole?: boolean | undefined
}

/** NaN and infinity are in no range. */
export const isWithin = ({ above, least, most, whole }: Range, value: number): boolean =>
  (above === true ? value > least : value >= least) &&
  value <= (most ?? Number.MAX_VALUE) &&
  (whole !== true || Number.isSafeInteger(value))

/** Such as "a whole number of at least 1". */
export const words = ({ above, least, most, whole }: Range): string => {
  const kind = whole === true ? "a whole number" : "a number"
  const from = above === true ? `above ${least}` : `of at least ${least}`
  return most === undefined ? `${kind} ${from}` : `${kind} ${from} and at most ${most}`
}
