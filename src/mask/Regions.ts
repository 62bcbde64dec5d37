/**
 * Regions of a label map, measured.
 *
 * Lengths follow published definitions: the perimeter is scikit-image's `perimeter(neighbourhood=4)` (Benkrid and
 * Crookes), the axes are those of MATLAB's `regionprops`: pixels count as unit squares, so the second moments
 * carry 1/12 and a line one pixel wide has a minor axis (scikit-image leaves the 1/12 out).
 *
 * ```ts
 * import { ClassTable, LabelMap, Regions } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 4, height: 2, data: Uint8Array.of(0, 1, 1, 0, 0, 1, 1, 0) })
 * const classes = ClassTable.fromNames(["background", "pit"])
 * const [pit] = Regions.fromLabelMap(map, { classes, exclude: [0] })
 * pit?.area // => 4
 * pit?.box // => { x: 1, y: 0, width: 2, height: 2 }
 * ```
 */
import * as ClassTable from "./ClassTable.ts"
import * as Components from "./Components.ts"
import type { ConfidenceMap } from "./ConfidenceMap.ts"
import type { LabelMap } from "./LabelMap.ts"
import { hullAreas, perimeters } from "./Outline.ts"
import { type Extent, type Region, leastArea } from "./Region.ts"
import * as Steps from "./Steps.ts"

export interface Options extends Components.Options {
  /** Where the names come from. */
  readonly classes: ClassTable.ClassTable
  /** Regions of fewer pixels are left out. 1 by default. */
  readonly minArea?: number | undefined
  /** As large as the label map. */
  readonly confidence?: ConfidenceMap | undefined
}

/** The regions of a label map, in the order of their first pixels, row by row. */
export const fromLabelMap = (map: LabelMap, options: Options): ReadonlyArray<Region> =>
  fromComponents(Components.make(map, options), options)

/** What components are measured for. */
export type MeasureOptions = Pick<Options, "classes" | "minArea" | "confidence">

/** The same, where the components are at hand. */
export const fromComponents = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(
  components: Components.Components,
  options: MeasureOptions
): Steps.Steps<ReadonlyArray<Region>> {
  const sums = yield* measure(components)
  const lengths = yield* perimeters(components)
  const hulls = yield* hullAreas(components, sums.top, sums.bottom)
  return yield* each(components, sums, options, (extent, c) => {
    const { area } = extent
    const meanX = sums.x[c]! / area
    const meanY = sums.y[c]! / area
    const xx = sums.xx[c]! / area - meanX * meanX + 1 / 12
    const yy = sums.yy[c]! / area - meanY * meanY + 1 / 12
    const xy = sums.xy[c]! / area - meanX * meanY
    const spread = Math.sqrt((xx - yy) * (xx - yy) + 4 * xy * xy)
    const majorAxis = 2 * Math.SQRT2 * Math.sqrt(xx + yy + spread)
    const minorAxis = 2 * Math.SQRT2 * Math.sqrt(Math.max(0, xx + yy - spread))
    const perimeter = lengths[c]!
    return {
      ...extent,
      perimeter,
      majorAxis,
      minorAxis,
      circularity: perimeter === 0 ? 1 : Math.min(1, (4 * Math.PI * area) / (perimeter * perimeter)),
      aspectRatio: majorAxis / minorAxis,
      // Of two equal axes neither is the major one: 0, whatever rounding left in `xy`.
      orientation: spread < 1e-9 ? 0 : Math.atan2(2 * xy, xx - yy) / 2,
      solidity: area / hulls[c]!
    }
  })
}

/** Where the regions are and how large, in the order of their first pixels: outlines and hulls take twice as long. */
export const extents = Steps.sync(extentSteps)

/** The same with pauses. @internal */
export function* extentSteps(
  components: Components.Components,
  options: MeasureOptions
): Steps.Steps<ReadonlyArray<Extent>> {
  const sums = yield* measure(components)
  return yield* each(components, sums, options, (extent) => extent)
}

function* each<A>(
  components: Components.Components,
  sums: Sums,
  { classes, confidence, minArea: least }: MeasureOptions,
  make: (extent: Extent, component: number) => A
): Steps.Steps<ReadonlyArray<A>> {
  const minArea = leastArea(least)
  const { count, height, width } = components
  const means = confidence && (yield* meanConfidences(components, confidence, sums.area))
  const names = new Map<number, string>()
  const found: Array<A> = []
  for (let c = 0; c < count; c++) {
    if (c % Steps.itemsPerStep === Steps.itemsPerStep - 1) yield
    const area = sums.area[c]!
    if (area < minArea) continue
    const classId = components.classIds[c]!
    let className = names.get(classId)
    if (className === undefined) names.set(classId, (className = ClassTable.nameOf(classes, classId)))
    const x = sums.left[c]!
    const y = sums.top[c]!
    const boxWidth = sums.right[c]! - x
    const boxHeight = sums.bottom[c]! - y
    const extent: Extent = {
      classId,
      className,
      box: { x, y, width: boxWidth, height: boxHeight },
      centroid: { x: sums.originX[c]! + sums.x[c]! / area, y: y + sums.y[c]! / area },
      area,
      touchesBorder: x === 0 || y === 0 || x + boxWidth === width || y + boxHeight === height,
      ...(means === undefined ? {} : { meanConfidence: means[c]! })
    }
    found.push(make(extent, c))
  }
  return found
}

/** Of each component. Coordinates count from `originX` and `top`, its first pixel, on. */
interface Sums {
  readonly area: Uint32Array
  readonly left: Uint32Array
  /** Exclusive. */
  readonly right: Uint32Array
  readonly top: Uint32Array
  /** Exclusive. */
  readonly bottom: Uint32Array
  readonly originX: Uint32Array
  readonly x: Float64Array
  readonly y: Float64Array
  readonly xx: Float64Array
  readonly yy: Float64Array
  readonly xy: Float64Array
}

/** Sums over each component's pixels, with coordinates from its first pixel on, so that squares stay small. */
function* measure(components: Components.Components): Steps.Steps<Sums> {
  const pause = Steps.rowsPerStep(components.width)
  const { component, count, ends, height, rows, starts, width } = components
  const area = new Uint32Array(count)
  const left = new Uint32Array(count).fill(width)
  const right = new Uint32Array(count)
  const top = new Uint32Array(count)
  const bottom = new Uint32Array(count)
  const originX = new Uint32Array(count)
  const x = new Float64Array(count)
  const y = new Float64Array(count)
  const xx = new Float64Array(count)
  const yy = new Float64Array(count)
  const xy = new Float64Array(count)
  for (let row = 0; row < height; row++) {
    if (row % pause === pause - 1) yield
    for (let i = rows[row]!; i < rows[row + 1]!; i++) {
      const c = component[i]!
      if (c < 0) continue
      const start = starts[i]!
      const end = ends[i]!
      if (area[c] === 0) {
        top[c] = row
        originX[c] = start
      }
      if (start < left[c]!) left[c] = start
      if (end > right[c]!) right[c] = end
      bottom[c] = row + 1
      const n = end - start
      const first = start - originX[c]!
      const dy = row - top[c]!
      const sumX = n * first + (n * (n - 1)) / 2
      area[c] = area[c]! + n
      x[c] = x[c]! + sumX
      y[c] = y[c]! + n * dy
      xx[c] = xx[c]! + n * first * first + first * n * (n - 1) + ((n - 1) * n * (2 * n - 1)) / 6
      yy[c] = yy[c]! + n * dy * dy
      xy[c] = xy[c]! + sumX * dy
    }
  }
  return { area, left, right, top, bottom, originX, x, y, xx, yy, xy }
}

function* meanConfidences(
  components: Components.Components,
  confidence: ConfidenceMap,
  area: Uint32Array
): Steps.Steps<Float64Array> {
  const pause = Steps.rowsPerStep(components.width)
  const { component, count, ends, height, rows, starts, width } = components
  const { data } = confidence
  const sums = new Float64Array(count)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      const c = component[i]!
      if (c < 0) continue
      let sum = 0
      for (let at = y * width + starts[i]!; at < y * width + ends[i]!; at++) sum += data[at]!
      sums[c] = sums[c]! + sum
    }
  }
  return sums.map((sum, c) => sum / area[c]!)
}
