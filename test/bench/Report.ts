/** One figure of a benchmark. `--json` prints each as one line. */
export interface Figure {
  readonly bench: string
  readonly case: string
  readonly subject: string
  readonly metric: string
  readonly unit: string
  readonly value: number
  /** The subject this one is compared with, and value over its value. */
  readonly against?: string
  readonly ratio?: number
}

export type Report = (figure: Figure) => void

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Reports a metric of each subject beside that of one of them. */
export const compare = <Subject extends string>(
  report: Report,
  common: Pick<Figure, "bench" | "case" | "metric" | "unit">,
  subjects: ReadonlyArray<Subject>,
  against: Subject,
  of: (subject: Subject) => number
): void => {
  for (const subject of subjects) {
    const value = of(subject)
    report({ ...common, subject, value, against, ratio: value / of(against) })
  }
}
