/**
 * YOLO's segments: a line of text for each region, its class and then its outline, with coordinates over the width and
 * height of the image.
 *
 * The format has one ring a line. Holes, and parts that meet only at corners, are joined to the ring around them by a line
 * there and back, which fills to the same pixels.
 *
 * ```ts
 * import { LabelMap, Yolo } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.of(0, 0, 2, 2) })
 * Yolo.encode(map, { exclude: [0] }) // => "2 0.5 0 1 0 1 1 0.5 1\n"
 * ```
 */
import { Result } from "effect"
import * as Bridges from "./Bridges.ts"
import * as Components from "./Components.ts"
import { canvas, type LabelMap } from "./LabelMap.ts"
import { failing, type MaskNotDecodable } from "./MaskError.ts"
import * as Polygons from "./Polygons.ts"
import * as Steps from "./Steps.ts"
import { leastArea } from "./Region.ts"

export interface Options extends Polygons.Options {
  /** Regions of fewer pixels are left out. */
  readonly minArea?: number | undefined
  /** YOLO's class, which counts from 0 without gaps, of a class id: the id itself by default. */
  readonly classOf?: ((classId: number) => number) | undefined
}

/** The text for one image: a line a region, 6 decimals. */
export const encode = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap, options: Options = {}): Steps.Steps<string> {
  const minArea = leastArea(options.minArea)
  const components = yield* Components.steps(map, options)
  const areas = Components.areas(components)
  let text = ""
  for (const [region, { classId, polygons }] of (yield* Polygons.steps(map, options)).entries()) {
    if (areas[region]! < minArea) continue
    const ring = yield* Bridges.joined(polygons)
    text += String(options.classOf?.(classId) ?? classId)
    for (let i = 0; i < ring.length; i++) {
      const [x, y] = ring[i]!
      text += ` ${decimal(x / map.width)} ${decimal(y / map.height)}`
      if (i % Steps.itemsPerStep === Steps.itemsPerStep - 1) yield
    }
    text += "\n"
    yield
  }
  return text
}

const decimal = (value: number): string => String(Math.round(value * 1e6) / 1e6)

/** A region's polygons as one ring, holes and parts joined by lines there and back. */
export const bridge = (...polygons: ReadonlyArray<Polygons.Polygon>): Polygons.Ring =>
  Steps.runSync(Bridges.joined(polygons))

/** One line: a class and a ring in pixels. */
export interface Segment {
  readonly classId: number
  readonly ring: Polygons.Ring
}

/**
 * The segments of a file's text, in pixels of an image of that size. Empty lines are skipped. Tools let an outline end a
 * little outside of the image; what lies further out than the image is large was not divided by its size, and fails.
 */
export const decode = (
  text: string,
  width: number,
  height: number
): Result.Result<ReadonlyArray<Segment>, MaskNotDecodable> => {
  const segments: Array<Segment> = []
  for (const [index, line] of text.split(/\r\n?|\n/).entries()) {
    if (line.trim() === "") continue
    const [classId, ...values] = line.trim().split(/\s+/).map(Number)
    const fail = failing(`YOLO segment in line ${index + 1}`)
    if (classId === undefined || !Number.isInteger(classId) || classId < 0)
      return fail("its class is no number")
    if (values.length < 6 || values.length % 2 === 1) return fail(`it has ${values.length} coordinates`)
    if (!values.every(Number.isFinite)) return fail("a coordinate is no number")
    const far = values.find((value) => value < -1 || value > 2)
    if (far !== undefined)
      return fail(`its coordinate ${far} is no share of the image's width or height: are they pixels?`)
    segments.push({ classId, ring: Polygons.ringOf(values, width, height) })
  }
  return Result.succeed(segments)
}

export interface LabelMapOptions {
  /** The id of pixels in no segment. By default 255, or the first id above all where a class has that; it is then the ignored one. */
  readonly gap?: number | undefined
  /** The class id of YOLO's class: the same by default. */
  readonly classOf?: ((yoloClass: number) => number) | undefined
}

/** The label map of a file's text. Where segments overlap, the last one is in front. */
export const toLabelMap = (
  text: string,
  width: number,
  height: number,
  options: LabelMapOptions = {}
): Result.Result<LabelMap, MaskNotDecodable> =>
  Result.flatMap(decode(text, width, height), (segments) => {
    const ids = segments.map(({ classId }) => options.classOf?.(classId) ?? classId)
    return Result.map(canvas(width, height, ids, options.gap), (map) => {
      for (const [i, { ring }] of segments.entries())
        Polygons.paint([{ outer: ring, holes: [] }], map, ids[i]!)
      return map
    })
  })
