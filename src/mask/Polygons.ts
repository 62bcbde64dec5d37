/**
 * Outlines of label maps: outer rings and holes, exact along the edges of pixels.
 *
 * A pixel at column `x`, row `y` is the square from `(x, y)` to `(x + 1, y + 1)`. Rings have a vertex wherever they
 * turn, do not repeat the first one, and never touch themselves: what meets only at a corner is two polygons.
 * With `y` down, outer rings go clockwise and holes the other way.
 *
 * ```ts
 * import { LabelMap, Polygons } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 1, 1) })
 * const [one] = Polygons.fromLabelMap(map, { exclude: [0] })
 * one?.polygons // => [{ outer: [[1, 0], [3, 0], [3, 1], [1, 1]], holes: [] }]
 * ```
 */
import { Result } from "effect"
import { type BinaryMask, empty } from "./BinaryMask.ts"
import * as Components from "./Components.ts"
import { clip } from "./Grid.ts"
import { canvas, type LabelMap } from "./LabelMap.ts"
import type { Box } from "./Region.ts"
import { type FixedRing, type Point, type Ring, signedArea, simplifyRings } from "./Simplify.ts"
import * as Steps from "./Steps.ts"

export { type Point, type Ring, signedArea }

/** A connected area: an outer ring and the holes in it. */
export interface Polygon {
  readonly outer: Ring
  readonly holes: ReadonlyArray<Ring>
}

/** The outline of one region. */
export interface Outline {
  readonly classId: number
  /** Its parts that meet only at corners, in the order of their first pixels; a single one with connectivity 4. */
  readonly polygons: ReadonlyArray<Polygon>
}

export interface Options extends Components.Options {
  /**
   * How far an outline may be moved in pixels, by Douglas and Peucker's method. Outlines stay valid: rings neither cross
   * nor touch where they did not before, and none vanishes. Exact by default.
   */
  readonly tolerance?: number | undefined
  /**
   * Whether neighbours keep one line between them when simplified: no gaps, no overlaps. Off by default, when each
   * ring is simplified alone.
   */
  readonly sharedEdges?: boolean | undefined
}

/** The outlines of a label map's regions, in the order of `Regions.fromLabelMap`. */
export const fromLabelMap = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap, options: Options = {}): Steps.Steps<ReadonlyArray<Outline>> {
  const shared = options.sharedEdges === true && options.tolerance !== undefined
  const parts = yield* Components.steps(map, { ...options, connectivity: 4 })
  // The same runs either way, so runs tell which region each part belongs to.
  const regions = options.connectivity === 4 ? parts : yield* Components.steps(map, options)
  const rings = yield* trace(map, parts, shared)
  const regionOf = new Int32Array(parts.count)
  for (let i = 0; i < parts.component.length; i++) {
    if (parts.component[i]! >= 0) regionOf[parts.component[i]!] = regions.component[i]!
  }
  const members = Array.from({ length: regions.count }, (): Array<Rings> => [])
  for (const [part, own] of rings.entries()) members[regionOf[part]!]!.push(own)
  const { tolerance } = options
  if (tolerance === undefined || !(tolerance > 0)) {
    return members.map((parts, region) => outlineOf(regions.classIds[region]!, parts, undefined))
  }
  if (shared) {
    // One after the other: all lines of the map are simplified together.
    const all = yield* simplifyRings(members.flat().flatMap(allOf), tolerance)
    let next = 0
    const take = () => all[next++]!
    return members.map((parts, region) => outlineOf(regions.classIds[region]!, parts, take))
  }
  const outlines: Array<Outline> = []
  for (const [region, parts] of members.entries()) {
    if (region % perStep === perStep - 1) yield
    const own = yield* simplifyRings(parts.flatMap(allOf), tolerance)
    let next = 0
    outlines.push(outlineOf(regions.classIds[region]!, parts, () => own[next++]!))
  }
  return outlines
}

const allOf = ({ holes, outer }: Rings): ReadonlyArray<FixedRing> => [outer, ...holes]

/** The outline of traced rings, which `simple` gives in their order where they are not exact. */
const outlineOf = (
  classId: number,
  parts: ReadonlyArray<Rings>,
  simple: (() => Ring) | undefined
): Outline => ({
  classId,
  polygons: parts.map(({ holes, outer }) => ({
    outer: simple === undefined ? outer.points : simple(),
    holes: holes.map(({ points }) => (simple === undefined ? points : simple()))
  }))
})

/** Regions between two pauses. */
const perStep = 512

/** The outline of a mask: its polygons, in the order of their first pixels. */
export const fromMask = (
  mask: BinaryMask,
  options: Pick<Options, "tolerance"> = {}
): ReadonlyArray<Polygon> =>
  fromLabelMap(mask, { ...options, connectivity: 4, exclude: [0] }).flatMap((outline) => outline.polygons)

/**
 * The pixels whose centres lie inside, by the even-odd rule over all rings: the inverse of {@link fromMask}. A centre
 * on an edge counts where the edge is a left or an upper one. Throws `MaskNotDecodable` for a size that no mask has.
 */
export const toMask = (polygons: ReadonlyArray<Polygon>, width: number, height: number): BinaryMask => {
  const mask = empty(width, height)
  paint(polygons, mask, 1)
  return mask
}

/** Gives the pixels of {@link toMask} an id, in place. Costs what the box around the polygons holds. */
export const paint = (polygons: ReadonlyArray<Polygon>, onto: LabelMap, id: number): void => {
  const around = boundingBox(polygons)
  const box = around && clip(onto, around)
  if (box === undefined) return
  const inside = new Uint8Array(box.width * box.height)
  for (const { holes, outer } of polygons) {
    toggle(outer, inside, box)
    for (const hole of holes) toggle(hole, inside, box)
  }
  // Every edge toggles what lies to the right of it; adding that up along each row fills the inside.
  for (let y = 0; y < box.height; y++) {
    const row = (box.y + y) * onto.width + box.x
    let parity = 0
    for (let x = 0; x < box.width; x++) {
      parity ^= inside[y * box.width + x]!
      if (parity === 1) onto.data[row + x] = id
    }
  }
}

/**
 * The label map of outlines, the inverse of {@link fromLabelMap}: the last one in front, `gap` where there is none (by
 * default 255, or the first id above all where a class has that; it is then the ignored one). Throws `MaskNotDecodable` for a size or an id that no map has.
 */
export const toLabelMap = (
  outlines: Iterable<Outline>,
  width: number,
  height: number,
  options: { readonly gap?: number | undefined } = {}
): LabelMap => {
  const all = [...outlines]
  const ids = all.map(({ classId }) => classId)
  const map = Result.getOrThrow(canvas(width, height, ids, options.gap))
  for (const { classId, polygons } of all) paint(polygons, map, classId)
  return map
}

/** The ring of `[x0, y0, x1, y1, …]`, each times the length of its axis. @internal */
export const ringOf = (flat: ReadonlyArray<number>, width = 1, height = 1): Ring =>
  Array.from({ length: flat.length / 2 }, (_, k): Point => [flat[2 * k]! * width, flat[2 * k + 1]! * height])

/** The smallest box around all rings; `undefined` where there are no points. */
export const boundingBox = (polygons: ReadonlyArray<Polygon>): Box | undefined => {
  let left = Infinity
  let top = Infinity
  let right = -Infinity
  let bottom = -Infinity
  for (const { outer } of polygons) {
    for (const [x, y] of outer) {
      left = Math.min(left, x)
      top = Math.min(top, y)
      right = Math.max(right, x)
      bottom = Math.max(bottom, y)
    }
  }
  return right < left ? undefined : { x: left, y: top, width: right - left, height: bottom - top }
}

const toggle = (ring: Ring, inside: Uint8Array, box: Box): void => {
  for (let i = 0; i < ring.length; i++) {
    const a = ring[i]!
    const b = ring[(i + 1) % ring.length]!
    const [upper, lower] = a[1] < b[1] ? [a, b] : [b, a]
    const first = Math.max(box.y, Math.ceil(upper[1] - 0.5))
    const end = Math.min(box.y + box.height, Math.ceil(lower[1] - 0.5))
    const slope = (lower[0] - upper[0]) / (lower[1] - upper[1])
    for (let y = first; y < end; y++) {
      const column = Math.max(0, Math.ceil(upper[0] + (y + 0.5 - upper[1]) * slope - 0.5) - box.x)
      if (column < box.width) inside[(y - box.y) * box.width + column]! ^= 1
    }
  }
}

/** The area of a polygon without its holes, in square pixels. */
export const area = (polygon: Polygon): number =>
  polygon.holes.reduce((sum, hole) => sum - Math.abs(signedArea(hole)), Math.abs(signedArea(polygon.outer)))

/**
 * Its junctions are where lines that are simplified on their own meet: those of the region itself, or, for shared edges,
 * of all areas.
 */
type TracedRing = FixedRing

interface Rings {
  readonly outer: TracedRing
  readonly holes: ReadonlyArray<TracedRing>
}

/** The rings of each 4-connected part. */
function* trace(
  map: LabelMap,
  parts: Components.Components,
  shared: boolean
): Steps.Steps<ReadonlyArray<Rings>> {
  const { height, width } = map
  const pause = Steps.rowsPerStep(width)
  const outers: Array<TracedRing | undefined> = Array.from({ length: parts.count }, () => undefined)
  const holes = Array.from({ length: parts.count }, (): Array<TracedRing> => [])
  const visited = new Uint8Array(width * height)
  const { component, ends, rows, starts } = parts
  for (let y = 0; y < height; y++) {
    // A ring is followed to its end from where it begins, so that some rows take longer than others.
    if (y % pause === pause - 1) yield
    let above = y === 0 ? 0 : rows[y - 1]!
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      const part = component[i]!
      if (part < 0) continue
      const start = starts[i]!
      const end = ends[i]!
      const begin = (x: number): void => {
        if (visited[y * width + x] === 1) return
        for (const ring of follow(map, y * width + x, visited, shared)) {
          if (signedArea(ring.points) > 0) outers[part] = ring
          else holes[part]!.push(ring)
        }
      }
      // Every ring has an upper edge, with another area or nothing above it.
      if (y === 0) begin(start)
      else {
        while (ends[above]! <= start) above++
        for (let k = above; k < rows[y]! && starts[k]! < end; k++) {
          if (component[k] !== part) begin(Math.max(start, starts[k]!))
        }
      }
    }
  }
  return outers.map((outer, part) => ({ outer: outer!, holes: holes[part]! }))
}

/** Right, down, left, up: with the area on the right hand. */
const DX = [1, 0, -1, 0] as const
const DY = [0, 1, 0, -1] as const

/**
 * The rings that start along the upper edge of a pixel. At a corner where the area meets itself the walk stays with
 * its pixel; where it comes by that corner again, it has closed a ring of its own, which is cut off.
 */
const follow = (
  map: LabelMap,
  start: number,
  visited: Uint8Array,
  shared: boolean
): ReadonlyArray<TracedRing> => {
  const { data, height, width } = map
  const id = data[start]!
  /** -1 outside the image. */
  const idAt = (x: number, y: number): number =>
    x >= 0 && y >= 0 && x < width && y < height ? data[y * width + x]! : -1
  const startX = start % width
  const startY = (start - startX) / width
  const points: Array<Point> = []
  const junctions: Array<boolean> = []
  let touches = false
  let x = startX
  let y = startY
  let direction = 0
  do {
    if (direction === 0) visited[y * width + x] = 1
    x += DX[direction]!
    y += DY[direction]!
    // The two pixels ahead, on the right and on the left of the way.
    const dx = DX[direction]!
    const dy = DY[direction]!
    const rightX = x + (dx - dy - 1) / 2
    const rightY = y + (dx + dy - 1) / 2
    const ahead = idAt(rightX, rightY)
    const aheadLeft = idAt(rightX + dy, rightY - dx)
    const turn = ahead !== id ? 1 : aheadLeft === id ? 3 : 0
    const touch = turn === 1 && aheadLeft === id
    touches ||= touch
    const behindLeft = shared ? idAt(rightX + dy - dx, rightY - dx - dy) : -1
    const junction = shared ? isJunction(id, ahead, aheadLeft, behindLeft) : touch
    if (turn !== 0 || junction) {
      points.push([x, y])
      junctions.push(junction)
    }
    direction = (direction + turn) % 4
  } while (x !== startX || y !== startY || direction !== 0)
  // The corner the walk started from was reached last.
  points.unshift(...points.splice(-1))
  junctions.unshift(...junctions.splice(-1))
  const whole = { points, junctions }
  return touches ? cutLoops(whole, width + 1) : [whole]
}

/** Whether lines between other areas end at a corner: more than two lines meet there. */
const isJunction = (id: number, ahead: number, aheadLeft: number, behindLeft: number): boolean =>
  Number(ahead !== id) +
    Number(aheadLeft !== ahead) +
    Number(behindLeft !== aheadLeft) +
    Number(id !== behindLeft) >
  2

/** Simple rings from one that comes by some points twice. */
const cutLoops = (ring: TracedRing, stride: number): ReadonlyArray<TracedRing> => {
  const rings: Array<TracedRing> = []
  const stack: Array<{ readonly point: Point; readonly junction: boolean }> = []
  const places = new Map<number, number>()
  for (const [i, point] of ring.points.entries()) {
    const key = point[1] * stride + point[0]
    const place = places.get(key)
    if (place !== undefined) {
      const loop = stack.splice(place)
      for (const { point } of loop) places.delete(point[1] * stride + point[0])
      rings.push(unzip(loop))
    }
    places.set(key, stack.length)
    stack.push({ point, junction: ring.junctions[i] === true })
  }
  rings.push(unzip(stack))
  return rings
}

const unzip = (loop: ReadonlyArray<{ readonly point: Point; readonly junction: boolean }>): TracedRing => ({
  points: loop.map(({ point }) => point),
  junctions: loop.map(({ junction }) => junction)
})
