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
