/**
 * Fewer vertices for outlines that stay valid: the method of Douglas and Peucker (1973) along each line between two
 * fixed vertices, held to what de Berg, van Kreveld and Schirra (1998) ask for: a line may be replaced by a segment only
 * where no vertex of another line lies between the two. So no two lines come to cross or touch, no hole leaves its ring,
 * and what was beside something else stays on its side.
 */
import * as Steps from "./Steps.ts"

/** In pixels from the top left corner of the image. */
export type Point = readonly [x: number, y: number]

/** Vertices in order; the last one is joined to the first. */
export type Ring = ReadonlyArray<Point>

/** A ring whose vertices lie on corners of pixels. */
export interface FixedRing {
  readonly points: Ring
  /** Which vertices must stay: where lines meet. */
  readonly junctions: ReadonlyArray<boolean>
}

/** The area inside a ring, in square pixels: above 0 where it goes clockwise, with `y` down. */
export const signedArea = (ring: Ring): number => {
  let twice = 0
  for (let i = 0; i < ring.length; i++) {
    const [x0, y0] = ring[i]!
    const [x1, y1] = ring[(i + 1) % ring.length]!
    twice += x0 * y1 - x1 * y0
  }
  return twice / 2
}

/**
 * The rings, in their order, with every dropped vertex at most `tolerance` pixels from the segment that replaces it. They
 * must not cross; a line that two of them share (there and back, between two junctions) is simplified once, if `areShared`. Every ring
 * keeps an area: one that would lose it stays as it is.
 */
export function* simplifyRings(
  rings: ReadonlyArray<FixedRing>,
  tolerance: number,
  areShared: boolean
): Steps.Steps<Array<Ring>> {
  if (!(tolerance > 0)) return rings.map(({ points }) => points)
  const arcs: Array<Arc> = []
  const known = new Map<number, number>()
  // For each ring the lines that it goes along: twice the line, and 1 more where it does so backwards.
  const ways: Array<Array<number>> = []
  let work = 0
  for (const { junctions, points } of rings) {
    const way: Array<number> = []
    for (const piece of pieces(points, junctions)) {
      const backwards = isBackwards(piece)
      const arc = arcOf(piece, backwards)
      const key = areShared ? keyOf(arc) : -1 - arcs.length
      const at = known.get(key) ?? arcs.push(arc) - 1
      if (areShared) known.set(key, at)
      way.push(2 * at + Number(backwards))
    }
    ways.push(way)
    work += points.length
    if (work > perStep) {
      work = 0
      yield
    }
  }
  const places = placesOf(arcs)
  yield
  const rivals = rivalsOf(arcs)
  const kept: Array<Ring> = []
  for (const [index, arc] of arcs.entries()) {
    const { xs, ys } = arc
    const points: Array<Point> = []
    const keep =
      xs.length === 2
        ? undefined
        : yield* simplified(arc, index, tolerance, places, (rivals.get(endsOf(arc)) ?? 0) > 1)
    for (let i = 0; i < xs.length; i++) if (keep?.[i] !== 0) points.push([xs[i]!, ys[i]!])
    kept.push(points)
    if (++work > perStep) {
      work = 0
      yield
    }
  }
  return ways.map((way) =>
    way.flatMap((at) => (at % 2 === 1 ? kept[at >> 1]!.toReversed() : kept[at >> 1]!).slice(0, -1))
  )
}

/** Vertices looked at between two pauses. */
const perStep = 1 << 16

/** A line between two junctions, or around from one point to itself, by its vertices: there may be millions of two. */
interface Arc {
  readonly xs: ReadonlyArray<number>
  readonly ys: ReadonlyArray<number>
}

/** Corners of pixels as one number: they lie within 2^21 or so. */
const place = (x: number, y: number): number => y * 0x400_0000 + x

const before = (a: Point, b: Point): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

/** The lines of a ring, both ends included. */
function* pieces(ring: Ring, junctions: ReadonlyArray<boolean>): Generator<Ring> {
  const n = ring.length
  const fixed: Array<number> = []
  for (let i = 0; i < n; i++) if (junctions[i] === true) fixed.push(i)
  if (fixed.length === 0) fixed.push(leastIndex(ring))
  for (const [k, from] of fixed.entries()) {
    const to = fixed[(k + 1) % fixed.length]!
    const piece: Array<Point> = [ring[from]!]
    let i = from
    do {
      i = i + 1 === n ? 0 : i + 1
      piece.push(ring[i]!)
    } while (i !== to)
    yield piece
  }
}

const leastIndex = (ring: Ring): number => {
  let least = 0
  for (let i = 1; i < ring.length; i++) if (before(ring[i]!, ring[least]!)) least = i
  return least
}

const isClosed = (piece: Ring): boolean => {
  const [x, y] = piece[0]!
  const [u, v] = piece.at(-1)!
  return x === u && y === v
}

/** From either side a line is walked the same way: from the lesser end, or towards the lesser neighbour. */
const isBackwards = (piece: Ring): boolean =>
  isClosed(piece) ? before(piece.at(-2)!, piece[1]!) : before(piece.at(-1)!, piece[0]!)

const arcOf = (piece: Ring, backwards: boolean): Arc => {
  const way = backwards ? piece.toReversed() : piece
  return { xs: way.map(([x]) => x), ys: way.map(([, y]) => y) }
}

/** The same for the same line, and for no other: no two leave a junction in one direction. */
const keyOf = ({ xs: [x0 = 0, x1 = 0], ys: [y0 = 0, y1 = 0] }: Arc): number =>
  place(x0, y0) * 4 + (x1 > x0 ? 0 : y1 > y0 ? 1 : x1 < x0 ? 2 : 3)

/** Every vertex, by row and then by column: `first[y - top]` to the next are those of a row. */
interface Places {
  readonly top: number
  readonly first: Uint32Array
  readonly x: Int32Array
  /** The line that a vertex is of, -1 where it is the end of several, and its place there. */
  readonly arc: Int32Array
  readonly at: Int32Array
}

const placesOf = (arcs: ReadonlyArray<Arc>): Places => {
  let top = Infinity
  let bottom = -Infinity
  for (const { ys } of arcs) {
    for (let i = 0; i < ys.length; i++) {
      if (ys[i]! < top) top = ys[i]!
      if (ys[i]! > bottom) bottom = ys[i]!
    }
  }
  const first = new Uint32Array(arcs.length === 0 ? 1 : bottom - top + 2)
  for (const { ys } of arcs) for (let i = 0; i < ys.length; i++) first[ys[i]! - top + 1]!++
  for (let y = 1; y < first.length; y++) first[y] = first[y]! + first[y - 1]!
  const size = first.at(-1)!
  const next = first.slice()
  const x = new Int32Array(size)
  const arc = new Int32Array(size)
  const at = new Int32Array(size)
  for (const [index, { xs, ys }] of arcs.entries()) {
    for (let i = 0; i < xs.length; i++) {
      const slot = next[ys[i]! - top]!++
      x[slot] = xs[i]!
      arc[slot] = i === 0 || i === xs.length - 1 ? -1 : index
      at[slot] = i
    }
  }
  for (let y = 0; y + 1 < first.length; y++) sortRow(first[y]!, first[y + 1]!, x, arc, at)
  return { top, first, x, arc, at }
}

/** All of them by the first, the column; what is of one column stays in its order. */
const sortRow = (from: number, to: number, x: Int32Array, ...others: ReadonlyArray<Int32Array>): void => {
  const count = to - from
  const order = Float64Array.from(x.subarray(from, to), (value, i) => value * count + i).sort()
  for (const values of [x, ...others]) {
    const before = values.slice(from, to)
    for (let i = 0; i < count; i++) values[from + i] = before[order[i]! % count]!
  }
}

const endsOf = ({ xs, ys }: Arc): number => {
  const a = place(xs[0]!, ys[0]!)
  const b = place(xs.at(-1)!, ys.at(-1)!)
  // Others may have the same number by chance, and keep a vertex more than they need.
  return a < b ? a * 31 + b * 17 : b * 31 + a * 17
}

/** How many lines have the same two ends as one that is no segment: one of them at most may become the segment between them. */
const rivalsOf = (arcs: ReadonlyArray<Arc>): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>()
  for (const arc of arcs) if (arc.xs.length > 2) counts.set(endsOf(arc), 0)
  for (const arc of arcs) {
    const ends = endsOf(arc)
    const count = counts.get(ends)
    if (count !== undefined) counts.set(ends, count + 1)
  }
  return counts
}

/** Which vertices of a line stay: 1 for those that do. */
function* simplified(
  arc: Arc,
  index: number,
  tolerance: number,
  places: Places,
  hasRival: boolean
): Steps.Steps<Uint8Array> {
  const { xs, ys } = arc
  const last = xs.length - 1
  const keep = new Uint8Array(xs.length)
  keep[0] = 1
  keep[last] = 1
  const stack: Array<number> = []
  if (xs[0] === xs[last] && ys[0] === ys[last]) {
    // Cut at the point farthest from the first one, and at the farther of those on either side: an area stays.
    const cut = farthest(arc, 0, last)
    const left = farthest(arc, 0, cut.at)
    const right = farthest(arc, cut.at, last)
    const third = left.distance >= right.distance ? left.at : right.at
    keep[cut.at] = 1
    keep[third] = 1
    const [one, two] = cut.at < third ? [cut.at, third] : [third, cut.at]
    stack.push(0, one, one, two, two, last)
  } else if (hasRival) {
    const { at } = farthest(arc, 0, last)
    keep[at] = 1
    stack.push(0, at, at, last)
  } else stack.push(0, last)
  let work = 0
  // Without recursion, as lines may have millions of vertices.
  while (stack.length > 0) {
    const end = stack.pop()!
    const start = stack.pop()!
    if (end - start < 2) continue
    const far = farthest(arc, start, end)
    work += end - start
    if (far.distance <= tolerance * tolerance && isFree(arc, index, start, end, tolerance, places)) continue
    keep[far.at] = 1
    stack.push(start, far.at, far.at, end)
    if (work > perStep) {
      work = 0
      yield
    }
  }
  return keep
}

/** The vertex between two others that lies farthest from the segment between them, and its distance squared. */
const farthest = (
  { xs, ys }: Arc,
  start: number,
  end: number
): { readonly at: number; readonly distance: number } => {
  const x0 = xs[start]!
  const y0 = ys[start]!
  const dx = xs[end]! - x0
  const dy = ys[end]! - y0
  const squared = dx * dx + dy * dy
  let at = start + 1
  let distance = -1
  for (let i = start + 1; i < end; i++) {
    const px = xs[i]! - x0
    const py = ys[i]! - y0
    // To the segment, not to the line through it: a thread may turn back on itself.
    const along = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared))
    const own = (px - along * dx) ** 2 + (py - along * dy) ** 2
    if (own > distance) {
      distance = own
      at = i
    }
  }
  return { at, distance }
}

/** Whether no vertex but its own lies between a stretch of a line and the segment from its start to its end. */
const isFree = (
  { xs, ys }: Arc,
  index: number,
  start: number,
  end: number,
  tolerance: number,
  places: Places
): boolean => {
  let left = Infinity
  let right = -Infinity
  let top = Infinity
  let bottom = -Infinity
  for (let i = start; i <= end; i++) {
    if (xs[i]! < left) left = xs[i]!
    if (xs[i]! > right) right = xs[i]!
    if (ys[i]! < top) top = ys[i]!
    if (ys[i]! > bottom) bottom = ys[i]!
  }
  const x0 = xs[start]!
  const y0 = ys[start]!
  const x1 = xs[end]!
  const y1 = ys[end]!
  const dx = x1 - x0
  const dy = y1 - y0
  // All of it lies within the tolerance of the segment, which in a row is a stretch around where the segment passes.
  const reach = dy === 0 ? Infinity : (tolerance * Math.hypot(dx, dy)) / Math.abs(dy) + 1
  for (let y = top; y <= bottom; y++) {
    const center = dy === 0 ? 0 : x0 + ((y - y0) * dx) / dy
    const from = Math.max(left, center - reach)
    const to = Math.min(right, center + reach)
    const row = y - places.top
    const rowEnd = places.first[row + 1]!
    for (let k = lowerBound(places.x, places.first[row]!, rowEnd, from); k < rowEnd; k++) {
      const x = places.x[k]!
      if (x > to) break
      if (places.arc[k] === index && places.at[k]! >= start && places.at[k]! <= end) continue
      if ((x === x0 && y === y0) || (x === x1 && y === y1)) continue
      if (isBetween(xs, ys, start, end, x, y)) return false
    }
  }
  return true
}

const lowerBound = (values: Int32Array, from: number, to: number, least: number): number => {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle]! < least) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether a point is enclosed by a stretch of a line and the segment that joins its ends, or on that segment. */
const isBetween = (
  xs: Arc["xs"],
  ys: Arc["ys"],
  start: number,
  end: number,
  x: number,
  y: number
): boolean => {
  const x0 = xs[start]!
  const y0 = ys[start]!
  const x1 = xs[end]!
  const y1 = ys[end]!
  const side = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
  const isBeside = (x - x0) * (x - x1) + (y - y0) * (y - y1) <= 0
  if (side === 0 && isBeside) return true
  let inside = false
  // How often a ray to the left meets it: edges of the line are upright or level, of which only upright ones are met.
  for (let i = start; i < end; i++) {
    if (ys[i]! <= y !== ys[i + 1]! <= y && xs[i]! < x) inside = !inside
  }
  if (y0 <= y !== y1 <= y && x0 + ((y - y0) * (x1 - x0)) / (y1 - y0) < x) inside = !inside
  return inside
}
