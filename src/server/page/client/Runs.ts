/** Connected pixels of a part of a map, by runs along its rows: corners are neighbours, as the server counts them. */
import { pause } from "./Pause.ts"
import type { Box } from "./Result.ts"

/** Runs, row by row. */
export interface Runs {
  /** Where each run begins and ends in its row, the end left out. */
  readonly starts: ReadonlyArray<number>
  readonly ends: ReadonlyArray<number>
  /** The first run of each row, and after the last row the number of runs. */
  readonly rows: ReadonlyArray<number>
  /** One run that stands for all that are connected with a run. */
  readonly root: (run: number) => number
}

/** What connected runs cover. */
export interface Extent extends Box {
  readonly root: number
  readonly area: number
}

/** Rows between two times at which the page gets its turn. */
const stretch = 64

/** Runs of what `isIn` says of places of the part; `undefined` once ended. */
export const find = async (
  width: number,
  height: number,
  isIn: (x: number, y: number) => boolean,
  ended: AbortSignal
): Promise<Runs | undefined> => {
  const starts: Array<number> = []
  const ends: Array<number> = []
  const rows: Array<number> = [0]
  const parent: Array<number> = []
  const root = (run: number): number => {
    let at = run
    while (parent[at] !== at) at = parent[at] = parent[parent[at]!]!
    return at
  }
  for (let y = 0; y < height; y++) {
    let above = rows[y - 1] ?? 0
    const lastAbove = starts.length
    for (let x = 0; x < width; x++) {
      if (!isIn(x, y)) continue
      const from = x
      do x++
      while (x < width && isIn(x, y))
      const own = starts.length
      starts.push(from)
      ends.push(x)
      parent.push(own)
      while (above < lastAbove && ends[above]! < from) above++
      for (let one = above; one < lastAbove && starts[one]! <= x; one++) {
        const [a, b] = [root(one), root(own)]
        if (a !== b) parent[Math.max(a, b)] = Math.min(a, b)
      }
    }
    rows.push(starts.length)
    if (y % stretch === stretch - 1) {
      await pause()
      if (ended.aborted) return undefined
    }
  }
  return { starts, ends, rows, root }
}

/** What each set of connected runs covers. */
export const extents = ({ ends, root, rows, starts }: Runs): ReadonlyArray<Extent> => {
  const found = new Map<number, { area: number; left: number; right: number; top: number; bottom: number }>()
  for (let y = 0; y + 1 < rows.length; y++) {
    for (let run = rows[y]!; run < rows[y + 1]!; run++) {
      const id = root(run)
      const [from, to] = [starts[run]!, ends[run]!]
      const extent = found.get(id)
      if (extent === undefined) {
        found.set(id, { area: to - from, left: from, right: to, top: y, bottom: y + 1 })
        continue
      }
      extent.area += to - from
      extent.left = Math.min(extent.left, from)
      extent.right = Math.max(extent.right, to)
      extent.bottom = y + 1
    }
  }
  return Array.from(found, ([id, { area, bottom, left, right, top }]) => ({
    root: id,
    area,
    x: left,
    y: top,
    width: right - left,
    height: bottom - top
  }))
}
