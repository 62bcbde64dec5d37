/**
 * Masks as spans: runs of neighbouring pixels, row by row, that many areas of one label map share the memory of. What
 * annotation tools call run lengths is written from them, without a picture of each area.
 */
import type { BinaryMask } from "./BinaryMask.ts"
import type { Components } from "./Components.ts"
import type { Box } from "./Region.ts"
import * as Steps from "./Steps.ts"

/**
 * Span `i` holds the pixels `starts[i]` to `ends[i]` (exclusive) of a picture of `width` x `height`, counted row by row from the
 * top left. Spans are in ascending order and do not overlap; one may end where the next one starts.
 */
export interface Spans {
  readonly width: number
  readonly height: number
  readonly starts: Uint32Array
  readonly ends: Uint32Array
}

/** The spans of a mask, each within one row. */
export function* ofMask({ data, height, width }: BinaryMask): Steps.Steps<Spans> {
  const pause = Steps.rowsPerStep(width)
  let starts = new Uint32Array(1024)
  let ends = new Uint32Array(1024)
  let size = 0
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    const rowEnd = (y + 1) * width
    let at = y * width
    for (;;) {
      while (at < rowEnd && data[at] === 0) at++
      if (at === rowEnd) break
      const start = at
      while (at < rowEnd && data[at] !== 0) at++
      if (size === starts.length) {
        starts = new Uint32Array(starts.buffer.transfer(size * 8))
        ends = new Uint32Array(ends.buffer.transfer(size * 8))
      }
      starts[size] = start
      ends[size++] = at
    }
  }
  return { width, height, starts: starts.subarray(0, size), ends: ends.subarray(0, size) }
}

/** The spans of each of `count` groups of components, in their order; `groupOf` holds the group of each component, -1 for none. */
export function* grouped(
  components: Components,
  groupOf: Int32Array,
  count: number
): Steps.Steps<ReadonlyArray<Spans>> {
  const { component, height, rows, width } = components
  const next = new Uint32Array(count + 1)
  const group = (i: number): number => (component[i]! < 0 ? -1 : groupOf[component[i]!]!)
  for (let i = 0; i < component.length; i++) {
    if (i % Steps.pixelsPerStep === Steps.pixelsPerStep - 1) yield
    const own = group(i)
    if (own >= 0) next[own + 1] = next[own + 1]! + 1
  }
  for (let own = 0; own < count; own++) next[own + 1] = next[own + 1]! + next[own]!
  const bounds = next.slice()
  const starts = new Uint32Array(bounds[count]!)
  const ends = new Uint32Array(bounds[count]!)
  const pause = Steps.rowsPerStep(width)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      const own = group(i)
      if (own < 0) continue
      const at = next[own]!
      next[own] = at + 1
      starts[at] = y * width + components.starts[i]!
      ends[at] = y * width + components.ends[i]!
    }
  }
  return yield* Steps.map(bounds.subarray(1), (to, own) => ({
    width,
    height,
    starts: starts.subarray(bounds[own], to),
    ends: ends.subarray(bounds[own], to)
  }))
}

/** The smallest box that holds all spans, each of which lies within one row; `undefined` where there are none. */
export const box = ({ ends, starts, width }: Spans): Box | undefined => {
  if (starts.length === 0) return undefined
  const top = Math.floor(starts[0]! / width)
  const bottom = Math.floor(starts.at(-1)! / width) + 1
  let left = width
  let right = 0
  for (let i = 0; i < starts.length; i++) {
    const row = Math.floor(starts[i]! / width) * width
    if (starts[i]! - row < left) left = starts[i]! - row
    if (ends[i]! - row > right) right = ends[i]! - row
  }
  return { x: left, y: top, width: right - left, height: bottom - top }
}

/** Pixels in all spans. */
export const area = ({ ends, starts }: Spans): number => {
  let sum = 0
  for (let i = 0; i < starts.length; i++) sum += ends[i]! - starts[i]!
  return sum
}
