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
import { canvas, type LabelMap } from "./LabelMap.ts"
import { type Box } from "./Region.ts"
import { type FixedRing, type Point, type Ring, signedArea, simplifyRings } from "./Simplify.ts"
import * as Steps from "./Steps.ts"
import * as Trace from "./Trace.ts"
import { find, union } from "./UnionFind.ts"

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
  const { tolerance } = options
  const isExact = tolerance === undefined || !(tolerance > 0)
  const parts = yield* Components.steps(map, { ...options, connectivity: 4 })
  const rings = yield* Trace.steps(map, parts, shared ? "areas" : isExact ? "none" : "region")
  const members =
    options.connectivity === 4 ? yield* Steps.map(rings, (own) => [own]) : yield* regionsOf(parts, rings)
  // The first part of a region is the one of its first pixel.
  const outline = (own: ReadonlyArray<Trace.Rings>, simple?: () => Ring): Outline =>
    outlineOf(parts.classIds[own[0]!.part]!, own, simple)
  if (isExact) return yield* Steps.map(members, (own) => outline(own))
  if (shared) {
    // One after the other: all lines of the map are simplified together.
    const all = yield* simplifyRings(members.flat().flatMap(allOf), tolerance, true)
    let next = 0
    const take = () => all[next++]!
    return yield* Steps.map(members, (own) => outline(own, take))
  }
  const outlines: Array<Outline> = []
  for (const own of members) {
    if (outlines.length % perStep === perStep - 1) yield
    const simple = yield* simplifyRings(own.flatMap(allOf), tolerance, false)
    let next = 0
    outlines.push(outline(own, () => simple[next++]!))
  }
  return outlines
}

/** The parts of each region, that meet at corners too; both in the order of their first pixels. */
function* regionsOf(
  parts: Components.Components,
  rings: ReadonlyArray<Trace.Rings>
): Steps.Steps<ReadonlyArray<ReadonlyArray<Trace.Rings>>> {
  const { classIds, component, count, ends, height, rows, starts, width } = parts
  const pause = Steps.rowsPerStep(width)
  const parents = Int32Array.from({ length: count }, (_, part) => part)
  const join = (a: number, b: number): void => {
    if (a < 0 || b < 0 || a === b || classIds[a] !== classIds[b]) return
    union(parents, a, b)
  }
  for (let y = 1; y < height; y++) {
    if (y % pause === pause - 1) yield
    let above = rows[y - 1]!
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      // Runs follow each other without gaps: what meets this one at a corner ends where it starts, or starts where it ends.
      while (ends[above]! < starts[i]!) above++
      if (ends[above] === starts[i]) join(component[above]!, component[i]!)
      let k = above
      while (k < rows[y]! && ends[k]! < ends[i]!) k++
      if (ends[k] === ends[i] && k + 1 < rows[y]!) join(component[k + 1]!, component[i]!)
      above = k
    }
  }
  const regions: Array<Array<Trace.Rings>> = []
  const regionOf = new Int32Array(count)
  for (const own of rings) {
    if (own.part % Steps.itemsPerStep === Steps.itemsPerStep - 1) yield
    const root = find(parents, own.part)
    if (root === own.part) regionOf[root] = regions.push([own]) - 1
    else regions[regionOf[root]!]!.push(own)
  }
  return regions
}

const allOf = ({ holes, outer }: Trace.Rings): ReadonlyArray<FixedRing> => [outer, ...holes]

/** The outline of traced rings, which `simple` gives in their order where they are not exact. */
const outlineOf = (
  classId: number,
  parts: ReadonlyArray<Trace.Rings>,
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
  const box = boxWithin(polygons, onto)
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

/** Columns and rows of an image in which polygons may have pixels; `undefined` where they lie beside it. @internal */
export const boxWithin = (
  polygons: ReadonlyArray<Polygon>,
  image: Pick<LabelMap, "width" | "height">
): Box | undefined => {
  const box = boundingBox(polygons) ?? { x: 0, y: 0, width: 0, height: 0 }
  const x = Math.max(0, Math.floor(box.x))
  const y = Math.max(0, Math.floor(box.y))
  const width = Math.min(image.width, Math.ceil(box.x + box.width)) - x
  const height = Math.min(image.height, Math.ceil(box.y + box.height)) - y
  return width > 0 && height > 0 ? { x, y, width, height } : undefined
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
