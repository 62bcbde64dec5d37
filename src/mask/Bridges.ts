/**
 * One ring for all rings of a region, for formats that have no more: holes and parts are joined by a line there and
 * back, which fills to the same pixels. Parts that meet at a corner are joined there; a hole by the shortest way up, which
 * lies within the region, to what is above its highest corner. The time it takes grows with the length of the outlines.
 */
import type { Polygon } from "./Polygons.ts"
import type { Point, Ring } from "./Simplify.ts"
import * as Steps from "./Steps.ts"
import { find, union } from "./UnionFind.ts"

/** The polygons of a region as one ring. */
export function* joined(polygons: ReadonlyArray<Polygon>): Steps.Steps<Ring> {
  const rings = polygons.flatMap(({ holes, outer }) => [outer, ...holes])
  if (rings.length < 2) return rings[0] ?? []
  return yield* walk(yield* connected(rings))
}

/** Vertices between two pauses. */
const perStep = 1 << 15

/** Where something hangs on a ring: a vertex, or a point of the edge after it. */
interface Place {
  readonly ring: number
  readonly vertex: number
  readonly point?: Point | undefined
}

/** Rings, and at which of their vertices they are joined to which vertices of others. */
interface Joined {
  readonly rings: ReadonlyArray<Ring>
  readonly joints: ReadonlyArray<ReadonlyMap<number, ReadonlyArray<Place>>>
}

/** The rings with as many joints as it takes for all of them to hang together. */
function* connected(rings: ReadonlyArray<Ring>): Steps.Steps<Joined> {
  const parents = Int32Array.from({ length: rings.length }, (_, i) => i)
  const links: Array<readonly [Place, Place]> = []
  const link = (one: Place, other: Place): void => {
    if (union(parents, one.ring, other.ring)) links.push([one, other])
  }
  let work = 0
  // Rings that meet at a corner.
  const corners = new Map<number, Place>()
  for (const [ring, points] of rings.entries()) {
    for (const [vertex, [x, y]] of points.entries()) {
      // Corners of pixels, of which a map has fewer than 2^26 in a row.
      const key = y * 0x400_0000 + x
      const other = corners.get(key)
      if (other === undefined) corners.set(key, { ring, vertex })
      else link(other, { ring, vertex })
    }
    work += points.length
    if (work > perStep) {
      work = 0
      yield
    }
  }
  // Of those that hang together the highest corner, and what is right above it.
  const highest = new Map<number, Place & { readonly point: Point }>()
  for (const [ring, points] of rings.entries()) {
    const root = find(parents, ring)
    for (const [vertex, point] of points.entries()) {
      const best = highest.get(root)?.point
      if (best === undefined || point[1] < best[1] || (point[1] === best[1] && point[0] < best[0]))
        highest.set(root, { ring, vertex, point })
    }
  }
  if (highest.size > 1) {
    const above = yield* edgesAbove(rings)
    for (const { point, ring, vertex } of highest.values()) {
      // The very highest has nothing above it.
      const edge = above(point[0], point[1])
      if (edge !== undefined) link(edge, { ring, vertex })
    }
  }
  return withVertices(rings, links)
}

/** The same, once every point of an edge where something hangs is a vertex. */
const withVertices = (rings: ReadonlyArray<Ring>, links: ReadonlyArray<readonly [Place, Place]>): Joined => {
  const extra = new Map<number, Array<Place & { readonly point: Point }>>()
  for (const { point, ...place } of links.flat()) {
    if (point === undefined) continue
    const own = extra.get(place.ring) ?? []
    if (own.length === 0) extra.set(place.ring, own)
    own.push({ ...place, point })
  }
  const moved = new Map<number, { readonly first: Uint32Array; readonly at: Map<string, number> }>()
  const wider = rings.map((points, ring) => {
    const own = extra.get(ring)
    if (own === undefined) return points
    const along = ({ point: [x, y], vertex }: Place & { readonly point: Point }) =>
      (x - points[vertex]![0]) ** 2 + (y - points[vertex]![1]) ** 2
    own.sort((a, b) => a.vertex - b.vertex || along(a) - along(b))
    const first = new Uint32Array(points.length)
    const at = new Map<string, number>()
    const out: Array<Point> = []
    let next = 0
    for (const [vertex, point] of points.entries()) {
      first[vertex] = out.push(point) - 1
      for (; own[next]?.vertex === vertex; next++) {
        const { point } = own[next]!
        const last = out.at(-1)!
        if (last[0] !== point[0] || last[1] !== point[1]) out.push(point)
        at.set(`${vertex} ${point[0]}`, out.length - 1)
      }
    }
    moved.set(ring, { first, at })
    return out
  })
  const settled = ({ point, ring, vertex }: Place): Place => {
    const own = moved.get(ring)
    if (own === undefined) return { ring, vertex }
    return { ring, vertex: point === undefined ? own.first[vertex]! : own.at.get(`${vertex} ${point[0]}`)! }
  }
  const joints = rings.map(() => new Map<number, Array<Place>>())
  const hang = (from: Place, to: Place): void => {
    const own = joints[from.ring]!.get(from.vertex)
    if (own === undefined) joints[from.ring]!.set(from.vertex, [to])
    else own.push(to)
  }
  for (const [one, other] of links) {
    const [a, b] = [settled(one), settled(other)]
    hang(a, b)
    hang(b, a)
  }
  return { rings: wider, joints }
}

/** Finds the edge right above a point, by the columns of corners that edges pass. */
function* edgesAbove(rings: ReadonlyArray<Ring>): Steps.Steps<(x: number, y: number) => Place | undefined> {
  let left = Infinity
  let right = -Infinity
  for (const points of rings) {
    for (const [x] of points) {
      if (x < left) left = x
      if (x > right) right = x
    }
  }
  const width = right - left + 1
  const first = new Uint32Array(width + 1)
  function* each(
    visit: (column: number, ring: number, vertex: number, y: number) => void
  ): Steps.Steps<void> {
    let work = 0
    for (const [ring, points] of rings.entries()) {
      for (let i = 0; i < points.length; i++) {
        const [x0, y0] = points[i]!
        const [x1, y1] = points[i + 1 === points.length ? 0 : i + 1]!
        if (x0 === x1) continue
        const end = Math.max(x0, x1)
        for (let x = Math.min(x0, x1); x <= end; x++)
          visit(x - left, ring, i, y0 + ((x - x0) * (y1 - y0)) / (x1 - x0))
        work += 1 + Math.abs(x1 - x0)
      }
      if (work > perStep) {
        work = 0
        yield
      }
    }
  }
  yield* each((column) => first[column + 1]!++)
  for (let column = 0; column < width; column++) first[column + 1] = first[column + 1]! + first[column]!
  const next = first.slice()
  const ys = new Float64Array(first[width]!)
  const ringAt = new Uint32Array(ys.length)
  const vertexAt = new Uint32Array(ys.length)
  yield* each((column, ring, vertex, y) => {
    const at = next[column]!++
    ys[at] = y
    ringAt[at] = ring
    vertexAt[at] = vertex
  })
  const orders = new Map<number, Uint32Array>()
  const orderOf = (column: number): Uint32Array => {
    const known = orders.get(column)
    if (known !== undefined) return known
    const from = first[column]!
    const order = Uint32Array.from({ length: first[column + 1]! - from }, (_, i) => from + i)
    orders.set(
      column,
      order.sort((a, b) => ys[a]! - ys[b]!)
    )
    return order
  }
  return (x, y) => {
    const order = orderOf(x - left)
    let low = 0
    let high = order.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (ys[order[middle]!]! < y) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const at = order[low - 1]!
    const ring = ringAt[at]!
    const vertex = vertexAt[at]!
    const points = rings[ring]!
    const next = vertex + 1 === points.length ? 0 : vertex + 1
    const [x0, y0] = points[vertex]!
    const [x1, y1] = points[next]!
    // A point of a slope would be rounded, and move the slope by a hair: its nearer end is a vertex already.
    if (y0 !== y1) return { ring, vertex: Math.abs(x - x0) <= Math.abs(x - x1) ? vertex : next }
    return { ring, vertex, point: [x, y0] }
  }
}

/** Once around everything: along a ring, at each joint around what hangs there, and on. */
function* walk({ joints, rings }: Joined): Steps.Steps<Ring> {
  const out: Array<Point> = []
  const push = (point: Point): void => {
    const last = out.at(-1)
    if (last === undefined || last[0] !== point[0] || last[1] !== point[1]) out.push(point)
  }
  const visited = new Uint8Array(rings.length)
  visited[0] = 1
  // Without recursion: a thousand holes may hang one on the other.
  const stack = [{ ring: 0, entry: 0, step: 0, joint: 0 }]
  for (let work = 1; stack.length > 0; work++) {
    if (work % perStep === 0) yield
    const here = stack.at(-1)!
    const points = rings[here.ring]!
    const index = (here.entry + here.step) % points.length
    push(points[index]!)
    const joint = here.step === points.length ? undefined : joints[here.ring]!.get(index)?.[here.joint]
    if (joint !== undefined) {
      here.joint++
      if (visited[joint.ring] === 1) continue
      visited[joint.ring] = 1
      stack.push({ ring: joint.ring, entry: joint.vertex, step: 0, joint: 0 })
    } else if (here.step === points.length) stack.pop()
    else {
      here.step++
      here.joint = 0
    }
  }
  // It closes by itself.
  if (out.length > 1) out.pop()
  return out
}
