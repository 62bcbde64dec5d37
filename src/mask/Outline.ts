/**
 * Lengths and hulls of components, from their runs.
 *
 * A pixel of a component is on its border when one of its four neighbours is not of the component. Only those
 * pixels cost anything here: the inside of a run is never looked at.
 */
import type { Components } from "./Components.ts"
import * as Steps from "./Steps.ts"

/**
 * What a border pixel adds to the perimeter, by 1, plus 2 for each of its four edge neighbours and 10 for each of
 * its four corner neighbours that is also a border pixel of the component. From scikit-image's `perimeter` with
 * `neighbourhood=4`, after K. Benkrid and D. Crookes, "Design and FPGA Implementation of a Perimeter Estimator".
 */
const WEIGHTS = new Float64Array(50)
for (const code of [5, 7, 15, 17, 25, 27]) WEIGHTS[code] = 1
for (const code of [21, 33]) WEIGHTS[code] = Math.SQRT2
for (const code of [13, 23]) WEIGHTS[code] = (1 + Math.SQRT2) / 2

/** The border pixels of one row: their columns, and at column + 1 of `owner` their component + 1. */
interface BorderRow {
  readonly owner: Int32Array
  readonly columns: Uint32Array
  size: number
}

/** The perimeter of each component: `[count]`, in pixels. */
export function* perimeters(components: Components): Steps.Steps<Float64Array> {
  const { count, height, width } = components
  const pause = Steps.rowsPerStep(width)
  const lengths = new Float64Array(count)
  // A column more on either side spares the loop its edges.
  const empty = (): BorderRow => ({
    owner: new Int32Array(width + 2),
    columns: new Uint32Array(width),
    size: 0
  })
  let above = empty()
  let row = empty()
  let below = empty()
  markBorder(components, 0, below)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    const recycled = above
    above = row
    row = below
    below = recycled
    for (let i = 0; i < below.size; i++) below.owner[below.columns[i]! + 1] = 0
    below.size = 0
    if (y + 1 < height) markBorder(components, y + 1, below)

    const a = above.owner
    const r = row.owner
    const b = below.owner
    for (let i = 0; i < row.size; i++) {
      const x = row.columns[i]! + 1
      const own = r[x]!
      const edges =
        Number(a[x] === own) + Number(b[x] === own) + Number(r[x - 1] === own) + Number(r[x + 1] === own)
      const corners =
        Number(a[x - 1] === own) +
        Number(a[x + 1] === own) +
        Number(b[x - 1] === own) +
        Number(b[x + 1] === own)
      lengths[own - 1] = lengths[own - 1]! + WEIGHTS[1 + 2 * edges + 10 * corners]!
    }
  }
  return lengths
}

const markBorder = (components: Components, y: number, into: BorderRow): void => {
  const { component, ends, height, rows, starts } = components
  const outermost = y === 0 || y === height - 1
  let above = outermost ? 0 : rows[y - 1]!
  let below = outermost ? 0 : rows[y + 1]!
  for (let i = rows[y]!; i < rows[y + 1]!; i++) {
    const c = component[i]!
    if (c < 0) continue
    const start = starts[i]!
    const end = ends[i]!
    if (outermost) {
      mark(into, c, start, end)
      continue
    }
    mark(into, c, start, start + 1)
    mark(into, c, end - 1, end)
    while (ends[above]! <= start) above++
    for (let k = above; k < rows[y]! && starts[k]! < end; k++) {
      if (component[k] !== c) mark(into, c, Math.max(start, starts[k]!), Math.min(end, ends[k]!))
    }
    while (ends[below]! <= start) below++
    for (let k = below; k < rows[y + 2]! && starts[k]! < end; k++) {
      if (component[k] !== c) mark(into, c, Math.max(start, starts[k]!), Math.min(end, ends[k]!))
    }
  }
}

const mark = (into: BorderRow, component: number, start: number, end: number): void => {
  const { columns, owner } = into
  for (let x = start; x < end; x++) {
    if (owner[x + 1] !== 0) continue
    owner[x + 1] = component + 1
    columns[into.size++] = x
  }
}

/**
 * The area of the convex hull of each component's pixels, taken as unit squares: `[count]`, in pixels. `top` and
 * `bottom` are the rows each component spans, the latter exclusive.
 */
export function* hullAreas(
  components: Components,
  top: Uint32Array,
  bottom: Uint32Array
): Steps.Steps<Float64Array> {
  const pause = Steps.rowsPerStep(components.width)
  const { component, count, ends, height, rows, starts, width } = components
  // For every component, the leftmost and rightmost corners on each horizontal pixel edge it touches.
  const offsets = new Uint32Array(count + 1)
  for (let c = 0; c < count; c++) offsets[c + 1] = offsets[c]! + bottom[c]! - top[c]! + 1
  const left = new Int32Array(offsets[count]!).fill(width)
  const right = new Int32Array(offsets[count]!)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      const c = component[i]!
      if (c < 0) continue
      const edge = offsets[c]! + y - top[c]!
      const start = starts[i]!
      const end = ends[i]!
      if (start < left[edge]!) left[edge] = start
      if (start < left[edge + 1]!) left[edge + 1] = start
      if (end > right[edge]!) right[edge] = end
      if (end > right[edge + 1]!) right[edge + 1] = end
    }
  }
  const chain = new Uint32Array(height + 1)
  const result = new Float64Array(count)
  for (let c = 0; c < count; c++) {
    if (c % Steps.itemsPerStep === Steps.itemsPerStep - 1) yield
    const from = offsets[c]!
    const to = offsets[c + 1]!
    result[c] = areaUnder(right, from, to, -1, chain) - areaUnder(left, from, to, 1, chain)
  }
  return result
}

/** The area under the convex (`sign` 1) or concave (-1) envelope of `values[from..to]`, one unit apart. */
const areaUnder = (
  values: Int32Array,
  from: number,
  to: number,
  sign: 1 | -1,
  chain: Uint32Array
): number => {
  let size = 0
  for (let i = from; i < to; i++) {
    while (size > 1) {
      const p = chain[size - 2]!
      const q = chain[size - 1]!
      const turn = (q - p) * (values[i]! - values[q]!) - (i - q) * (values[q]! - values[p]!)
      if (sign * turn > 0) break
      size--
    }
    chain[size++] = i
  }
  let area = 0
  for (let s = 1; s < size; s++) {
    const p = chain[s - 1]!
    const q = chain[s]!
    area += ((q - p) * (values[p]! + values[q]!)) / 2
  }
  return area
}
