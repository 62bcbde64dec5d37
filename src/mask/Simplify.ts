/** Fewer vertices for a ring, by the method of Douglas and Peucker (1973). */

/** In pixels from the top left corner of the image. */
export type Point = readonly [x: number, y: number]

/** Vertices in order; the last one is joined to the first. */
export type Ring = ReadonlyArray<Point>

/**
 * The ring with every dropped vertex at most `tolerance` pixels from the line that replaces it. It is empty where
 * no area is left.
 *
 * With `junctions`, lines between two of them are simplified the same way from either side: they are always walked
 * from the lesser end (by `x`, then `y`), and a ring without junctions from its least vertex.
 */
export const simplifyRing = (ring: Ring, tolerance: number, junctions?: ReadonlyArray<boolean>): Ring => {
  const n = ring.length
  const fixed = junctions === undefined ? [] : [...ring.keys()].filter((i) => junctions[i] === true)
  // One fixed point makes an arc that ends where it began, which is a ring all the same.
  const least = fixed.length > 0 ? fixed[0]! : leastIndex(ring)
  const arcs = fixed.length > 1 ? fixed : [least]
  const kept: Array<Point> = []
  for (const [k, from] of arcs.entries()) {
    const to = arcs[(k + 1) % arcs.length]!
    const length = ((to - from + n - 1) % n) + 1
    const arc = Array.from({ length: length + 1 }, (_, i) => ring[(from + i) % n]!)
    kept.push(...simplifyArc(arc, tolerance).slice(0, -1))
  }
  return kept.length > 2 && signedArea(kept) !== 0 ? kept : []
}

const before = (a: Point, b: Point): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

const leastIndex = (ring: Ring): number => {
  let least = 0
  for (let i = 1; i < ring.length; i++) if (before(ring[i]!, ring[least]!)) least = i
  return least
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

const simplifyArc = (arc: Ring, tolerance: number): Ring => {
  const last = arc.length - 1
  const closed = arc[0]![0] === arc[last]![0] && arc[0]![1] === arc[last]![1]
  const backwards = closed ? before(arc[last - 1]!, arc[1]!) : before(arc[last]!, arc[0]!)
  const points = backwards ? arc.toReversed() : arc
  const keep = new Uint8Array(points.length)
  keep[0] = 1
  keep[last] = 1
  if (closed) {
    // A ring is cut at the point farthest from its first one.
    let far = 0
    let farthest = 0
    for (let i = 1; i < last; i++) {
      const distance = (points[i]![0] - points[0]![0]) ** 2 + (points[i]![1] - points[0]![1]) ** 2
      if (distance > farthest) {
        farthest = distance
        far = i
      }
    }
    keep[far] = 1
    mark(points, 0, far, tolerance, keep)
    mark(points, far, last, tolerance, keep)
  } else mark(points, 0, last, tolerance, keep)
  const kept = points.filter((_, i) => keep[i] === 1)
  return backwards ? kept.reverse() : kept
}

/** Marks what to keep between two kept points, without recursion, as rings may have millions. */
const mark = (points: Ring, first: number, last: number, tolerance: number, keep: Uint8Array): void => {
  const stack = [first, last]
  while (stack.length > 0) {
    const end = stack.pop()!
    const start = stack.pop()!
    const [x0, y0] = points[start]!
    const dx = points[end]![0] - x0
    const dy = points[end]![1] - y0
    const squared = dx * dx + dy * dy
    let far = -1
    let farthest = tolerance * tolerance
    for (let i = start + 1; i < end; i++) {
      const px = points[i]![0] - x0
      const py = points[i]![1] - y0
      // To the segment, not to the line through it: a thread may turn back on itself.
      const along = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared))
      const distance = (px - along * dx) ** 2 + (py - along * dy) ** 2
      if (distance > farthest) {
        farthest = distance
        far = i
      }
    }
    if (far < 0) continue
    keep[far] = 1
    stack.push(start, far, far, end)
  }
}
