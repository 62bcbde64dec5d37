/** How far a run is: counts, the rate of the last half minute, and what follows from it. */
import { Duration } from "effect"

export interface Progress {
  /** Images that are done, in this run and before it was gone on with. */
  readonly done: number
  /** Images that failed, and were not done since. */
  readonly failed: number
  /** Images there are; undefined while they are not counted. */
  readonly total: number | undefined
  /** Images a second, lately. */
  readonly rate: number
  /** Undefined where it cannot be told. */
  readonly timeLeft: Duration.Duration | undefined
  /** Since this run was begun, or gone on with. */
  readonly elapsed: Duration.Duration
  /** Images at the segmenter at once, at most. */
  readonly concurrency: number
  /** What this run has cost so far, and what the rest will, where a price is given. */
  readonly cost: { readonly spent: number; readonly left: number | undefined } | undefined
}

/** What a run has counted. */
export interface Counts {
  readonly done: number
  readonly failed: number
  readonly total: number | undefined
  /** Images for which the segmenter was called, since the run was begun or gone on with. */
  readonly segmented: number
  readonly concurrency: number
}

/** How far back the rate looks, in milliseconds. */
const memory = 30_000

/** Follows a run that starts now, with so many settled. Times in milliseconds. */
export const follow = (
  start: number,
  settledBefore: number,
  price: number | undefined
): ((now: number, counts: Counts) => Progress) => {
  const samples: Array<{ readonly at: number; readonly settled: number }> = [
    { at: start, settled: settledBefore }
  ]
  return (now, { concurrency, done, failed, segmented, total }) => {
    const settled = done + failed
    samples.push({ at: now, settled })
    while (samples.length > 2 && samples[1]!.at < now - memory) samples.shift()
    const from = samples[0]!
    const rate = now > from.at ? ((settled - from.settled) * 1000) / (now - from.at) : 0
    const left = total === undefined ? undefined : Math.max(0, total - settled)
    return {
      done,
      failed,
      total,
      rate,
      timeLeft:
        left === undefined || (rate === 0 && left > 0) ? undefined : Duration.seconds(left / (rate || 1)),
      elapsed: Duration.millis(now - start),
      concurrency,
      cost:
        price === undefined
          ? undefined
          : { spent: segmented * price, left: left === undefined ? undefined : left * price }
    }
  }
}
