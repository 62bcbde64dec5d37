/**
 * Connected components of a label map: its rows cut into runs of one class, and the runs joined across rows.
 *
 * Everything that needs shapes (regions, holes, polygons, small parts) starts here, and then works on runs, of
 * which there are far fewer than pixels.
 *
 * ```ts
 * import { Components, LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 3, height: 2, data: Uint8Array.of(1, 0, 1, 1, 0, 1) })
 * Components.make(map).count // => 3
 * Components.make(map, { exclude: [0] }).count // => 2
 * ```
 */
import type { LabelData, LabelMap } from "./LabelMap.ts"
import * as Steps from "./Steps.ts"
import { union } from "./UnionFind.ts"

/** Neighbours across edges (4), or across edges and corners (8). */
export type Connectivity = 4 | 8

export interface Options {
  /** 8 by default. */
  readonly connectivity?: Connectivity | undefined
  /** Ids that form no components, besides the ignored one. None by default. */
  readonly exclude?: Iterable<number> | undefined
}

/**
 * Runs in the order of the pixels. Those of row `y` are `rows[y]` to `rows[y + 1]` (exclusive); run `i` holds the
 * columns `starts[i]` to `ends[i]` (exclusive) and belongs to component `component[i]`, -1 where its class forms
 * none. Components are numbered in the order of their first pixels.
 */
export interface Components {
  readonly width: number
  readonly height: number
  readonly count: number
  /** `[height + 1]` */
  readonly rows: Uint32Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly component: Int32Array
  /** `[count]`: the class of each component. */
  readonly classIds: Uint32Array
}

/** The components of a label map. */
export const make = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap, options: Options = {}): Steps.Steps<Components> {
  const { data, height, width } = map
  const reach = options.connectivity === 4 ? 0 : 1
  const excluded = new Set(options.exclude)
  if (map.ignoreIndex !== undefined) excluded.add(map.ignoreIndex)
  const narrow = !(data instanceof Uint32Array)
  const isExcluded = new Uint8Array(0x10000)
  for (const id of excluded) if (id < isExcluded.length) isExcluded[id] = 1

  const words = data instanceof Uint8Array && data.byteOffset % 4 === 0 ? wordsOf(data) : undefined
  let capacity = Math.max(1024, height * 8)
  let starts = new Uint32Array(capacity)
  let ends = new Uint32Array(capacity)
  let parents = new Int32Array(capacity)
  const rows = new Uint32Array(height + 1)
  let runs = 0
  const pause = Steps.rowsPerStep(width)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    rows[y] = runs
    if (runs + width > capacity) {
      capacity = Math.max(capacity * 2, runs + width)
      starts = new Uint32Array(starts.buffer.transfer(capacity * 4))
      ends = new Uint32Array(ends.buffer.transfer(capacity * 4))
      parents = new Int32Array(parents.buffer.transfer(capacity * 4))
    }
    const row = y * width
    const rowEnd = row + width
    let above = y === 0 ? 0 : rows[y - 1]!
    const aboveEnd = rows[y]!
    let at = row
    while (at < rowEnd) {
      const id = data[at]!
      const start = at - row
      at = words === undefined ? runEnd(data, at, rowEnd) : wordRunEnd(data, words, at, rowEnd)
      const end = at - row
      starts[runs] = start
      ends[runs] = end
      if (narrow ? isExcluded[id] === 1 : excluded.has(id)) parents[runs] = -1
      else {
        parents[runs] = runs
        while (above < aboveEnd && ends[above]! + reach <= start) above++
        for (let k = above; k < aboveEnd && starts[k]! < end + reach; k++) {
          if (parents[k]! >= 0 && data[row - width + starts[k]!] === id) union(parents, k, runs)
        }
      }
      runs++
    }
  }
  rows[height] = runs

  // A parent precedes its children, so one pass in order settles them all.
  const component = parents
  let count = 0
  for (let i = 0; i < runs; i++) {
    if (i % Steps.pixelsPerStep === Steps.pixelsPerStep - 1) yield
    const parent = parents[i]!
    if (parent >= 0) component[i] = parent === i ? count++ : component[parent]!
  }
  const classIds = new Uint32Array(count)
  let next = 0
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      if (component[i] === next) classIds[next++] = data[y * width + starts[i]!]!
    }
  }
  return {
    width,
    height,
    count,
    rows,
    starts: starts.subarray(0, runs),
    ends: ends.subarray(0, runs),
    component: component.subarray(0, runs),
    classIds
  }
}

/** Pixels of each component: `[count]`. */
export const areas = (self: Components): Uint32Array => {
  const sums = new Uint32Array(self.count)
  const { component, ends, starts } = self
  for (let i = 0; i < starts.length; i++) {
    const c = component[i]!
    if (c >= 0) sums[c] = sums[c]! + ends[i]! - starts[i]!
  }
  return sums
}

/** Pixels of each class that forms components, ascending by id: those of the label map, without a look at each of them. */
export const histogram = (self: Components): Map<number, number> => {
  const counts = new Map<number, number>()
  const { classIds } = self
  for (const [c, area] of areas(self).entries())
    counts.set(classIds[c]!, (counts.get(classIds[c]!) ?? 0) + area)
  return new Map([...counts].sort((a, b) => a[0] - b[0]))
}

/** The component of every pixel, numbered from 1, and 0 where there is none: `[height, width]`. */
export const toLabels = Steps.sync(labelSteps)

/** The same with pauses. @internal */
export function* labelSteps(self: Components): Steps.Steps<Uint32Array> {
  const pause = Steps.rowsPerStep(self.width)
  const { component, ends, height, rows, starts, width } = self
  const out = new Uint32Array(width * height)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      out.fill(component[i]! + 1, y * width + starts[i]!, y * width + ends[i]!)
    }
  }
  return out
}

const wordsOf = (data: Uint8Array): Uint32Array =>
  new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)

/** One past the last pixel of the run that begins at `start`. */
const runEnd = (data: LabelData, start: number, end: number): number => {
  const id = data[start]
  let at = start + 1
  while (at < end && data[at] === id) at++
  return at
}

/** The same, four bytes at a time once the run has gone on for a while. */
const wordRunEnd = (data: LabelData, words: Uint32Array, start: number, end: number): number => {
  const id = data[start]!
  let at = start + 1
  while (at < end && data[at] === id && (at & 3) !== 0) at++
  if ((at & 3) === 0) {
    const pattern = Math.imul(id, 0x01010101) >>> 0
    let word = at >> 2
    const last = end >> 2
    while (word < last && words[word] === pattern) word++
    at = word << 2
  }
  while (at < end && data[at] === id) at++
  return at
}
