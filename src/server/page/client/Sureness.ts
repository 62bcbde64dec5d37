/** How much of each class is sure, for every threshold at once, so that a slider is followed while it moves. */
import { pause } from "./Pause.ts"
import type { Result } from "./Result.ts"

export interface Sureness {
  /** Shares of the picture that reach a confidence of 0 to 255, by class id, and what does not. */
  readonly at: (least: number) => { readonly shares: ReadonlyMap<number, number>; readonly unsure: number }
}

export const make = async (result: Result, ended: AbortSignal): Promise<Sureness | undefined> => {
  const { classes, confidence, labels } = result
  if (confidence === undefined) return undefined
  const size = classes.reduce((most, { id }) => Math.max(most, id + 1), 1)
  const counts = new Uint32Array(size * 256)
  for (let y = 0; y < labels.height; y++) {
    const row = Math.floor((y * confidence.height) / labels.height) * confidence.width
    for (let x = 0; x < labels.width; x++) {
      const id = labels.data[y * labels.width + x]!
      const sure = confidence.data[row + Math.floor((x * confidence.width) / labels.width)]!
      if (id < size) counts[id * 256 + sure]!++
    }
    if (y % 128 === 127) {
      await pause()
      if (ended.aborted) return undefined
    }
  }
  const total = labels.width * labels.height
  return {
    at: (least) => {
      let sure = 0
      const shares = new Map(
        classes.map(({ id }) => {
          const own = counts.subarray(id * 256 + least, (id + 1) * 256).reduce((all, one) => all + one, 0)
          sure += own
          return [id, own / total] as const
        })
      )
      return { shares, unsure: 1 - sure / total }
    }
  }
}
