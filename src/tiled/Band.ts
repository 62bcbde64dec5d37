/**
 * Finished rows of a picture, and what puts them together from windows. A band is a label map of the picture's width,
 * so that whatever takes a label map (histograms, regions, run lengths) takes a band.
 */
import { Clock, Effect } from "effect"
import type { ClassTable } from "../mask/ClassTable.ts"
import type { ConfidenceMap } from "../mask/ConfidenceMap.ts"
import type { LabelMap } from "../mask/LabelMap.ts"

/** `data` holds `[height, width]` class ids of rows `y` to `y + height` of the picture. */
export interface Band extends LabelMap {
  /** The first row. Bands come without gaps, from row 0 down. */
  readonly y: number
  /** The classes of the model, or those that the first answer names. */
  readonly classes: ClassTable
  /** Of the same rows, where it was asked for or the service gives it. */
  readonly confidence: ConfidenceMap | undefined
}

/** Work that can be interrupted between its rows, which are to be done in order, and what it comes to. */
export interface Work<A> {
  readonly rows: number
  readonly run: (from: number, to: number) => void
  readonly end: () => A
}

/** What a window finishes: a band, where it was the last of one. */
export type BandWork = Work<Omit<Band, "classes"> | undefined>

/** Longest stretch of work on the event loop, in milliseconds. */
const maxSlice = 8

/** Does the work in slices, between which others have their turn. */
export const finish = <A>(work: Work<A>): Effect.Effect<A> =>
  Clock.clockWith((clock) =>
    Effect.suspend(() => {
      let row = 0
      let slice = 1
      return Effect.map(
        Effect.whileLoop({
          while: () => row < work.rows,
          body: () =>
            Effect.suspend(() => {
              const started = clock.monotonicTimeNanosUnsafe()
              const to = Math.min(work.rows, row + slice)
              work.run(row, to)
              row = to
              const took = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6
              // Under a clock that stands still, as in tests, slices keep their size.
              if (took > 0)
                slice = Math.max(1, Math.min(slice * 4, Math.floor((slice * maxSlice) / 2 / took)))
              return Effect.yieldNow
            }),
          step: () => {}
        }),
        work.end
      )
    })
  )
