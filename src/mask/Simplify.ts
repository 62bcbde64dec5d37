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
 * must not cross; a line that two of them share (there and back, between two junctions) is simplified once. Every ring
 * keeps an area: one that would lose it stays as it is.
 */
export function* simplifyRings(rings: ReadonlyArray<FixedRing>, tolerance: number): Steps.Steps<Array<Ring>> {
  if (!(tolerance > 0)) return rings.map(({ points }) => points)
  const lines = new Lines(rings)
  let work = 0
  for (const ring of rings) {
    lines.add(ring)
    if ((work += ring.points.length) > perStep) {
      work = 0
      yield
    }
  }
  const places = yield* placesOf(lines)
  const rivals = rivalsOf(lines)
  for (let line = 0; line < lines.count; line++) {
    const length = lines.first[line + 1]! - lines.first[line]!
    const hasRival = length > 2 && (rivals.get(lines.endsOf(line)) ?? 0) > 1
    if (length > 2) yield* simplified(lines, line, tolerance, places, hasRival)
    if ((work += length) > perStep) {
      work = 0
      yield
    }
  }
  const kept: Array<Ring> = []
  for (const { points } of rings) {
    kept.push(lines.kept(kept.length))
    if ((work += points.length) > perStep) {
      work = 0
      yield
    }
  }
  return kept
}

/** Vertices looked at between two pauses. */
const perStep = 1 << 16

/** Corners of pixels as one number: they lie within 2^21 or so. */
const place = (x: number, y: number): number => y * 0x400_0000 + x

const before = (a: Point, b: Point): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

const leastIndex = (ring: Ring): number => {
  let least = 0
  for (let i = 1; i < ring.length; i++) if (before(ring[i]!, ring[least]!)) least = i
  return least
}

/**
 * The lines of rings, each between two junctions, or around from one point to itself; one that two rings share is there once. All
 * vertices are in one place, as there may be millions of lines of two: `first[line]` to before the next one's are those of a line, both
 * ends included.
 */
class Lines {
  readonly xs: Int32Array
  readonly ys: Int32Array
  readonly first: Int32Array
  /** Which vertices stay: 1 for those that do. */
  readonly keep: Uint8Array
  count = 0
  /** The lines that rings go along, one ring after the other: twice the line, and 1 more where a ring goes it backwards. */
  readonly #ways: Int32Array
  readonly #ends: Array<number> = [0]
  #taken = 0
  /** Lines by where they start and in which direction: 1 more than the line, 0 where there is none. */
  readonly #table: Int32Array

  constructor(rings: ReadonlyArray<FixedRing>) {
    let vertices = 0
    let pieces = 0
    for (const { junctions, points } of rings) {
      let own = 0
      for (const isJunction of junctions) if (isJunction) own++
      vertices += points.length
      pieces += Math.max(1, own)
    }
    this.xs = new Int32Array(vertices + pieces)
    this.ys = new Int32Array(vertices + pieces)
    this.keep = new Uint8Array(vertices + pieces).fill(1)
    this.first = new Int32Array(pieces + 1)
    this.#ways = new Int32Array(pieces)
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(2 * pieces + 1)))
  }

  add({ junctions, points }: FixedRing): void {
    const n = points.length
    const start = junctions.indexOf(true)
    if (start < 0) this.#piece(points, leastIndex(points), n)
    else {
      let from = start
      for (let i = start + 1; i <= start + n; i++) {
        if (junctions[i % n] !== true) continue
        this.#piece(points, from % n, i - from)
        from = i
      }
    }
    this.#ends.push(this.#taken)
  }

  /** The line from a vertex along so many edges of a ring. */
  #piece(ring: Ring, from: number, edges: number): void {
    const { first, xs, ys } = this
    const at = (k: number): Point => ring[(from + k) % ring.length]!
    // From either side a line is walked the same way: from the lesser end, or towards the lesser neighbour.
    const isBackwards = edges === ring.length ? before(at(edges - 1), at(1)) : before(at(edges), at(0))
    const start = first[this.count]!
    for (let k = 0; k <= edges; k++) {
      const [x, y] = at(isBackwards ? edges - k : k)
      xs[start + k] = x
      ys[start + k] = y
    }
    const line = this.#known(start)
    if (line === this.count) first[++this.count] = start + edges + 1
    this.#ways[this.#taken++] = 2 * line + (isBackwards ? 1 : 0)
  }

  /** Which line starts as that does whose vertices come next: another of before, or itself. */
  #known(start: number): number {
    const { first, xs, ys } = this
    const mask = this.#table.length - 1
    const x = xs[start]!
    const y = ys[start]!
    // No two lines leave a junction in one direction.
    const dx = Math.sign(xs[start + 1]! - x)
    const dy = Math.sign(ys[start + 1]! - y)
    let slot = Math.imul(Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca6b) ^ (dx * 3 + dy), 0xc2b2ae35)
    slot = (slot ^ (slot >>> 15)) & mask
    for (;;) {
      const line = this.#table[slot]! - 1
      if (line < 0) {
        this.#table[slot] = this.count + 1
        return this.count
      }
      const at = first[line]!
      if (
        xs[at] === x &&
        ys[at] === y &&
        Math.sign(xs[at + 1]! - x) === dx &&
        Math.sign(ys[at + 1]! - y) === dy
      )
        return line
      slot = (slot + 1) & mask
    }
  }

  isClosed(line: number): boolean {
    const from = this.first[line]!
    const to = this.first[line + 1]! - 1
    return this.xs[from] === this.xs[to] && this.ys[from] === this.ys[to]
  }

  /** Of its two ends. Others may have the same number by chance, and keep a vertex more than they need. */
  endsOf(line: number): number {
    const from = this.first[line]!
    const to = this.first[line + 1]! - 1
    const a = place(this.xs[from]!, this.ys[from]!)
    const b = place(this.xs[to]!, this.ys[to]!)
    return a < b ? a * 31 + b * 17 : b * 31 + a * 17
  }

  /** What stays of a ring. */
  kept(ring: number): Ring {
    const { first, keep, xs, ys } = this
    const points: Array<Point> = []
    for (let way = this.#ends[ring]!; way < this.#ends[ring + 1]!; way++) {
      const line = this.#ways[way]! >> 1
      const isBackwards = (this.#ways[way]! & 1) === 1
      const from = first[line]!
      const to = first[line + 1]! - 1
      // The last one is the first of the next line.
      for (let k = 0; k < to - from; k++) {
        const i = isBackwards ? to - k : from + k
        if (keep[i] === 1) points.push([xs[i]!, ys[i]!])
      }
    }
    return points
  }
}

/** Every vertex, by row and then by column: `first[y - top]` to the next are those of a row. */
interface Places {
  readonly top: number
  readonly first: Uint32Array
  readonly x: Int32Array
  /** The line that a vertex is of, -1 where it is the end of several, and its place. */
  readonly line: Int32Array
  readonly at: Uint32Array
}

/** Sorted by columns first and by rows then, which keeps what was before it in its order. */
function* placesOf({ count, first: starts, xs, ys }: Lines): Steps.Steps<Places> {
  const size = starts[count]!
  const order = new Uint32Array(size)
  for (let i = 0; i < size; i++) order[i] = i
  yield
  const byColumn = sorted(order, xs)
  yield
  const byRow = sorted(byColumn.order, ys)
  yield
  const lines = new Int32Array(size).fill(-1)
  for (let line = 0; line < count; line++) lines.fill(line, starts[line]! + 1, starts[line + 1]! - 1)
  const x = new Int32Array(size)
  const line = new Int32Array(size)
  for (let slot = 0; slot < size; slot++) {
    const i = byRow.order[slot]!
    x[slot] = xs[i]!
    line[slot] = lines[i]!
  }
  return { top: byRow.least, first: byRow.first, x, line, at: byRow.order }
}

/** An order by values, and where each value begins in it. */
const sorted = (
  order: Uint32Array,
  values: Int32Array
): { readonly order: Uint32Array; readonly first: Uint32Array; readonly least: number } => {
  let least = order.length === 0 ? 0 : Infinity
  let most = order.length === 0 ? -1 : -Infinity
  for (let i = 0; i < order.length; i++) {
    const value = values[order[i]!]!
    if (value < least) least = value
    if (value > most) most = value
  }
  const first = new Uint32Array(Math.max(1, most - least + 2))
  for (let i = 0; i < order.length; i++) first[values[order[i]!]! - least + 1]!++
  for (let k = 1; k < first.length; k++) first[k] = first[k]! + first[k - 1]!
  const next = first.slice()
  const result = new Uint32Array(order.length)
  for (let i = 0; i < order.length; i++) result[next[values[order[i]!]! - least]!++] = order[i]!
  return { order: result, first, least }
}

/** How many lines have the same two ends, of which one at most may become the segment between them; of those that are no segment. */
const rivalsOf = (lines: Lines): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>()
  for (let line = 0; line < lines.count; line++)
    if (lines.first[line + 1]! - lines.first[line]! > 2 && !lines.isClosed(line))
      counts.set(lines.endsOf(line), 0)
  if (counts.size === 0) return counts
  for (let line = 0; line < lines.count; line++) {
    if (lines.isClosed(line)) continue
    const ends = lines.endsOf(line)
    const count = counts.get(ends)
    if (count !== undefined) counts.set(ends, count + 1)
  }
  return counts
}

/** Marks which vertices of a line stay. */
function* simplified(
  lines: Lines,
  line: number,
  tolerance: number,
  places: Places,
  hasRival: boolean
): Steps.Steps<void> {
  const { first: starts, keep } = lines
  const first = starts[line]!
  const last = starts[line + 1]! - 1
  keep.fill(0, first + 1, last)
  const stack: Array<number> = []
  if (lines.isClosed(line)) {
    // Cut at the point farthest from the first one, and at the farther of those on either side: an area stays.
    const cut = farthest(lines, first, last)
    const left = farthest(lines, first, cut.at)
    const right = farthest(lines, cut.at, last)
    const third = left.distance >= right.distance ? left.at : right.at
    keep[cut.at] = 1
    keep[third] = 1
    const [one, two] = cut.at < third ? [cut.at, third] : [third, cut.at]
    stack.push(first, one, one, two, two, last)
  } else if (hasRival) {
    const { at } = farthest(lines, first, last)
    keep[at] = 1
    stack.push(first, at, at, last)
  } else stack.push(first, last)
  let work = 0
  // Without recursion, as lines may have millions of vertices.
  while (stack.length > 0) {
    const end = stack.pop()!
    const start = stack.pop()!
    if (end - start < 2) continue
    const far = farthest(lines, start, end)
    work += end - start
    if (far.distance <= tolerance * tolerance && isFree(lines, line, start, end, tolerance, places)) continue
    keep[far.at] = 1
    stack.push(start, far.at, far.at, end)
    if (work > perStep) {
      work = 0
      yield
    }
  }
}

/** The vertex between two others that lies farthest from the segment between them, and its distance squared. */
const farthest = (
  { xs, ys }: Lines,
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
  { xs, ys }: Lines,
  line: number,
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
      if (places.line[k] === line && places.at[k]! >= start && places.at[k]! <= end) continue
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
  xs: Int32Array,
  ys: Int32Array,
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
