/**
 * What an object of an answer draws: rings of points in the shapes that services and annotation tools have for them, which rings are
 * holes, and shapes that few points say (a rectangle's corners, a circle's centre and rim). In the units of the answer: `Frame` says which.
 */
import { Predicate, Result } from "effect"
import * as Polygons from "../mask/Polygons.ts"
import { firstOf } from "./Fields.ts"

type Point = Polygons.Point
type Ring = Polygons.Ring
type Beside = Readonly<Record<string, unknown>>

/** What is inside any of the polygons, and in none of the cuts. */
export interface Outline {
  readonly polygons: ReadonlyArray<Polygons.Polygon>
  readonly cuts: ReadonlyArray<Ring>
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

const pointIn = (value: unknown): Point | undefined => {
  const [x, y]: ReadonlyArray<unknown> =
    Array.isArray(value) && value.length === 2
      ? value
      : Predicate.isReadonlyObject(value)
        ? [firstOf(value, ["x", "col", "column"]), firstOf(value, ["y", "row"])]
        : []
  return isNumber(x) && isNumber(y) ? [x, y] : undefined
}

/** All of them, or nothing. */
const every = <A>(value: unknown, read: (each: unknown) => A | undefined): ReadonlyArray<A> | undefined => {
  if (!Array.isArray(value)) return undefined
  const found = value.map(read).flatMap((each) => (each === undefined ? [] : [each]))
  return found.length === value.length ? found : undefined
}

/** Points as `[{x, y}]`, `[[x, y]]` or `[x, y, x, y]`. */
const pointsIn = (value: unknown, fewest: number): Ring | undefined => {
  const isFlat = Array.isArray(value) && value.length >= 2 * fewest && value.length % 2 === 0
  if (isFlat && value.every(isNumber)) return Polygons.ringOf(value)
  const points = every(value, pointIn)
  return points !== undefined && points.length >= fewest ? points : undefined
}

const ringIn = (value: unknown): Ring | undefined => pointsIn(value, 3)

/** One ring, or a list of them. */
export const ringsIn = (value: unknown): ReadonlyArray<Ring> | undefined => {
  const one = ringIn(value)
  return one === undefined ? every(value, ringIn) : [one]
}

const solid = (outer: Ring): Polygons.Polygon => ({ outer, holes: [] })

/** GeoJSON's positions may have a height. */
const positionsIn = (value: unknown): Ring | undefined =>
  every(value, (each) => pointIn(Array.isArray(each) ? each.slice(0, 2) : undefined))

const polygonIn = (value: unknown): Polygons.Polygon | undefined => {
  const [outer, ...holes] = every(value, positionsIn) ?? []
  return outer === undefined || [outer, ...holes].some(({ length }) => length < 3)
    ? undefined
    : { outer, holes }
}

/** A geometry of GeoJSON, whose rings after the first are holes. */
const geometryIn = (given: Beside): Result.Result<Outline, string> => {
  const { coordinates, type } = given
  if (type !== "Polygon" && type !== "MultiPolygon")
    return Result.fail(`its geometry is a ${String(type).slice(0, 40)}, and no Polygon or MultiPolygon`)
  const polygons = every(type === "Polygon" ? [coordinates] : coordinates, polygonIn)
  return polygons === undefined || polygons.length === 0
    ? Result.fail(`its ${type} has no rings of at least three positions`)
    : Result.succeed({ polygons, cuts: [] })
}

/** Points as SVG and CVAT write them: `x,y x,y` or `x,y;x,y`. */
const textual = /^\s*-?[\d.]+\s*,\s*-?[\d.]+(?:[\s;,]+-?[\d.]+\s*,\s*-?[\d.]+)+[\s;]*$/

/** The list that points in a text are; any other value as it is. */
const listed = (value: unknown): unknown =>
  typeof value === "string" && value.length < 1e6 && textual.test(value)
    ? value
        .trim()
        .split(/[\s,;]+/)
        .filter((part) => part !== "")
        .map(Number)
    : value

const holeFields = ["holes", "interiors", "interior", "inner_rings"]

/** The rings that are holes in what stands with them. What is no list, or one of words, says something else. */
const holesIn = (given: Beside): Result.Result<ReadonlyArray<Ring>, string> => {
  const lists = holeFields
    .map((field) => listed(given[field]))
    .flatMap((value) => (Array.isArray(value) ? [value.map(listed)] : []))
  const value = lists.find((list) => !list.every((each) => typeof each === "string"))
  const { holes: said } = given
  const isOpen = said === true || Predicate.isReadonlyObject(said) || (isNumber(said) && said > 0)
  const holes = value === undefined ? (isOpen ? undefined : []) : ringsIn(value)
  return holes === undefined
    ? Result.fail("its holes are no rings of at least three points")
    : Result.succeed(holes)
}

const corners = /^(rectangle|rect|box|bbox)$/
const noArea =
  /^(poly|multi)?line(strip|string|s)?$|^multilinestring$|^(multi)?points?$|^keypoints?$|^skeleton$/
/** Shapes whose points are no vertices. */
const unread = /^(ellipse|cuboid)$/

/** What labelme and CVAT say that `points` are, in one word; `undefined` where they are a polygon's. */
const wordIn = (path: string, beside: Beside): string | undefined => {
  const value = /(?:^|\.)points$/.test(path)
    ? firstOf(beside, ["shape_type", "shapeType", "type"])
    : undefined
  const word = typeof value === "string" ? value.toLowerCase().replaceAll(/[^a-z]|labels$/g, "") : ""
  return word === "circle" || [corners, noArea, unread].some((words) => words.test(word)) ? word : undefined
}

/** Vertices of a circle: its area is right to a ten-thousandth. */
const around = 256

/** What two points, or more, of a shape other than a polygon draw. */
const shapeOf = (
  word: string,
  value: unknown,
  beside: Beside
): Result.Result<Outline | undefined, string> => {
  const points = pointsIn(value, 2) ?? []
  const [first, second] = points
  if (noArea.test(word)) return Result.fail(`it is a ${word}, which has no area`)
  if (corners.test(word) && points.length !== 2) return Result.succeed(undefined)
  if (unread.test(word)) return Result.fail(`it is a ${word}, a shape that is not read here`)
  if (first === undefined || second === undefined || points.length > 2)
    return Result.fail("a circle has two points here, its centre and one on its rim")
  const turned = firstOf(beside, ["rotation", "angle"])
  if (word !== "circle" && isNumber(turned) && turned !== 0)
    return Result.fail(`it is a rectangle of two points that is turned by ${turned}: send its four corners`)
  const [[x, y], [u, v]] = [first, second]
  const radius = Math.hypot(u - x, v - y)
  const ring = corners.test(word)
    ? [first, [u, y] as const, second, [x, v] as const]
    : Array.from({ length: around }, (_, k): Point => {
        const angle = (2 * Math.PI * k) / around
        return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)]
      })
  return Result.succeed({ polygons: [solid(ring)], cuts: [] })
}

/** Whether a point is inside a ring. */
const isInside = ([x, y]: Point, ring: Ring): boolean => {
  let inside = false
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [[a, b], [c, d]] = [ring[i]!, ring[j]!]
    if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) inside = !inside
  }
  return inside
}

/** Whether a ring lies within a larger one of them: a hole, in all likelihood. */
const isNested = (all: ReadonlyArray<Ring>): boolean => {
  if (all.length < 2) return false
  const sized = all.flatMap((ring) => {
    const box = Polygons.boundingBox([solid(ring)])
    return box === undefined ? [] : [{ ring, box, area: Math.abs(Polygons.signedArea(ring)) }]
  })
  return sized.some(({ area, box, ring }) =>
    sized.some(
      (other) =>
        other.area > area &&
        area > 0 &&
        box.x >= other.box.x &&
        box.y >= other.box.y &&
        box.x + box.width <= other.box.x + other.box.width &&
        box.y + box.height <= other.box.y + other.box.height &&
        ring.every((point) => isInside(point, other.ring))
    )
  )
}

/**
 * What an object draws; nothing where it has a mask of pixels. `plain` are the rings in a list that may be rows of pixels as well.
 * Rings of a `segmentation` are added to each other, as COCO has it; elsewhere one within another is refused.
 */
export const read = (
  given: unknown,
  path: string,
  beside: Beside,
  plain: (value: ReadonlyArray<unknown>) => Result.Result<ReadonlyArray<Ring> | undefined, string>
): Result.Result<Outline | undefined, string> =>
  Result.gen(function* () {
    const value = listed(given)
    if (Predicate.isReadonlyObject(value) && "coordinates" in value) return yield* geometryIn(value)
    if (Predicate.isReadonlyObject(value) && "exterior" in value) {
      const outer = ringsIn(value["exterior"])
      if (outer === undefined) return yield* Result.fail("its exterior is no ring of at least three points")
      return { polygons: outer.map(solid), cuts: yield* holesIn(value) }
    }
    if (beside["shape_type"] === "mask" && typeof value === "string" && Array.isArray(beside["points"]))
      return yield* Result.fail(
        "its mask is as large as its points say, and not as the image, which is not read here"
      )
    if (!Array.isArray(value)) return undefined
    const word = wordIn(path, beside)
    if (word !== undefined && pointsIn(value, 1) !== undefined) {
      const shape = yield* shapeOf(word, value, beside)
      if (shape !== undefined) return shape
    }
    const outer = yield* plain(value)
    if (outer === undefined) return undefined
    if (!/(?:^|\.)segmentations?(?:\.\d+)?$/i.test(path) && isNested(outer))
      return yield* Result.fail(
        'one of its rings lies within another, and nobody says whether it is a hole. Send holes as "holes", or as GeoJSON'
      )
    return { polygons: outer.map(solid), cuts: yield* holesIn(beside) }
  })
