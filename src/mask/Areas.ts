/**
 * The areas that annotation tools are given: each region of a label map, or all of a class as one. What is needed of them (spans,
 * outlines, how sure the segmenter was) is worked out for all of the map at once.
 */
import * as Bridges from "./Bridges.ts"
import * as Components from "./Components.ts"
import type { ConfidenceMap } from "./ConfidenceMap.ts"
import type { LabelMap } from "./LabelMap.ts"
import * as Polygons from "./Polygons.ts"
import { type Box, type Extent, leastArea } from "./Region.ts"
import * as Regions from "./Regions.ts"
import * as Spans from "./Spans.ts"
import * as Steps from "./Steps.ts"
import * as ErrorKind from "../ErrorKind.ts"

/** Which areas there are. */
export interface Options extends Polygons.Options {
  /** Regions of fewer pixels are left out, of a class as one too. */
  readonly minArea?: number | undefined
  /** Whether masks are of a region each, or of all regions of a class. Outlines and boxes are always of a region. "region" by default. */
  readonly per?: "region" | "class" | undefined
  /** How sure the segmenter was, as large as the label map: then areas have scores. */
  readonly confidence?: ConfidenceMap | undefined
  /** Regions whose mean confidence is lower are left out. Needs `confidence`. */
  readonly minScore?: number | undefined
}

/** One area. */
export interface Area {
  readonly classId: number
  /** Pixels. */
  readonly area: number
  readonly box: Box
  readonly spans: Spans.Spans
  /** The polygons of each of its regions; none where nobody asked. */
  readonly outlines: ReadonlyArray<ReadonlyArray<Polygons.Polygon>>
  /** Mean confidence of its pixels. */
  readonly score?: number | undefined
}

/** What is needed of the areas of a class. */
export interface Needs {
  readonly outline: boolean
  /** Whether several regions may be one area. */
  readonly joined: boolean
}

/** Areas in the order of their first regions, whose order is that of their first pixels. Classes that `needs` gives nothing for have none. */
export function* steps(
  map: LabelMap,
  options: Options,
  needs: (classId: number) => Needs | undefined
): Steps.Steps<ReadonlyArray<Area>> {
  const { confidence, minScore, per } = options
  ErrorKind.oneOf("Areas", "per", per, ["region", "class"])
  const minArea = leastArea(options.minArea)
  const components = yield* Components.steps(map, options)
  const { classIds, count } = components
  const extents = yield* Regions.extentSteps(components, { classes: [], confidence })
  const wanted = new Map([...new Set(classIds)].map((id) => [id, needs(id)] as const))

  const groupOf = new Int32Array(count).fill(-1)
  const members: Array<Array<number>> = []
  const ofClass = new Map<number, number>()
  for (let c = 0; c < count; c++) {
    if (c % Steps.itemsPerStep === Steps.itemsPerStep - 1) yield
    const classId = classIds[c]!
    const { area, meanConfidence } = extents[c]!
    const needed = wanted.get(classId)
    if (needed === undefined || area < minArea) continue
    if (minScore !== undefined && (meanConfidence ?? 1) < minScore) continue
    const isJoined = per === "class" && needed.joined
    const known = isJoined ? ofClass.get(classId) : undefined
    const group = known ?? members.push([]) - 1
    if (isJoined) ofClass.set(classId, group)
    groupOf[c] = group
    members[group]!.push(c)
  }
  const hasOutline = (classId: number): boolean => wanted.get(classId)?.outline === true
  const plain = [...wanted.keys()].filter((classId) => !hasOutline(classId))
  const isOutlined = plain.length < wanted.size && members.length > 0
  // Lines that areas share are simplified together: then the others' are needed too.
  const left = options.sharedEdges === true ? [] : plain
  const outlines = isOutlined
    ? yield* Polygons.steps(map, { ...options, exclude: [...(options.exclude ?? []), ...left] })
    : []
  /** The number of a component among those that have outlines. */
  const places = new Int32Array(count).fill(-1)
  const without = new Set(left)
  let next = 0
  for (let c = 0; c < count; c++) if (!without.has(classIds[c]!)) places[c] = next++
  const spans = yield* Spans.grouped(components, groupOf, members.length)
  return yield* Steps.map(members, (own, group): Area => {
    const classId = classIds[own[0]!]!
    const parts = own.map((c) => extents[c]!)
    return {
      classId,
      ...together(parts),
      spans: spans[group]!,
      outlines: hasOutline(classId) ? own.map((c) => outlines[places[c]!]?.polygons ?? []) : []
    }
  })
}

/**
 * One ring for an area, for tools that have no more. Holes are joined to what is around them, and regions to the first one, by a
 * line there and back, which fills to the same pixels.
 */
export function* ring({ outlines }: Area): Steps.Steps<Polygons.Ring> {
  const out: Array<Polygons.Point> = []
  for (const polygons of outlines) {
    const own = yield* Bridges.joined(polygons)
    for (const point of own) out.push(point)
    if (outlines.length > 1 && own.length > 0) out.push(own[0]!, out[0]!)
  }
  return out
}

/** Area, box and score of several regions. */
const together = (parts: ReadonlyArray<Extent>): Pick<Area, "area" | "box" | "score"> => {
  let area = 0
  let weighed = 0
  let [left, top, right, bottom] = [Infinity, Infinity, 0, 0]
  for (const { area: own, box, meanConfidence = 1 } of parts) {
    area += own
    weighed += own * meanConfidence
    left = Math.min(left, box.x)
    top = Math.min(top, box.y)
    right = Math.max(right, box.x + box.width)
    bottom = Math.max(bottom, box.y + box.height)
  }
  const isKnown = parts.every(({ meanConfidence }) => meanConfidence !== undefined)
  return {
    area,
    box: { x: left, y: top, width: right - left, height: bottom - top },
    ...(isKnown ? { score: weighed / area } : {})
  }
}
