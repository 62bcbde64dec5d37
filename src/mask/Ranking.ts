/** Which of many images a person should look at next, by what is known of each. */

/** What images can be ranked by. */
export const BY = ["entropy", "margin", "unsure", "disagreement", "distance"] as const
export type By = (typeof BY)[number]

/** What is known of an image; what is not is missing. */
export interface Row extends Partial<Readonly<Record<By, number>>> {
  readonly image: string
}

/** The columns of a table of them. */
export const COLUMNS: ReadonlyArray<By> = BY

/** The first one first: the least margin, or the most of all else; what is not known of an image puts it last. */
export const sorted = <A extends Row>(rows: ReadonlyArray<A>, by: By): ReadonlyArray<A> => {
  const rank = (row: A): number => {
    const value = row[by]
    return value === undefined ? Infinity : by === "margin" ? value : -value
  }
  return rows.toSorted((a, b) => rank(a) - rank(b) || (a.image < b.image ? -1 : 1))
}
