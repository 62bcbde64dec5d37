/**
 * GeoJSON (RFC 7946): regions as features, for maps and drawing tools, and back.
 *
 * Rings are closed, outer ones go counter-clockwise in the target's coordinates and holes the other way. An affine
 * transform, in the order of rasterio's `Affine`, leads from pixels to coordinates:
 * `x = a column + b row + c`, `y = d column + e row + f`. Without one coordinates are pixels, with `y` down.
 *
 * ```ts
 * import { ClassTable, GeoJson, LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint8Array.of(0, 1) })
 * const classes = ClassTable.fromNames(["background", "road"])
 * const { features } = GeoJson.fromLabelMap(map, { classes, exclude: [0] })
 * features[0]?.geometry.coordinates // => [[[1, 0], [2, 0], [2, 1], [1, 1], [1, 0]]]
 * features[0]?.properties // => { classId: 1, className: "road", pixels: 1 }
 * ```
 */
import { Result, Schema } from "effect"
import * as ClassTable from "./ClassTable.ts"
import * as Components from "./Components.ts"
import { canvas, type LabelMap } from "./LabelMap.ts"
import { failing, type MaskNotDecodable } from "./MaskError.ts"
import * as Polygons from "./Polygons.ts"
import { type Extent, leastArea } from "./Region.ts"
import * as Regions from "./Regions.ts"
import * as JsonList from "./JsonList.ts"
import * as Steps from "./Steps.ts"

/** `[a, b, c, d, e, f]`, see above. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number]

// A position may carry an altitude, which is not looked at.
const Ring = Schema.Array(Schema.TupleWithRest(Schema.Tuple([Schema.Finite, Schema.Finite]), [Schema.Finite]))

const Geometry = Schema.Union([
  Schema.Struct({ type: Schema.Literal("Polygon"), coordinates: Schema.Array(Ring) }),
  Schema.Struct({ type: Schema.Literal("MultiPolygon"), coordinates: Schema.Array(Schema.Array(Ring)) })
])

/** A region: `classId`, `className` and `pixels` are its properties. */
export const Feature = Schema.Struct({
  type: Schema.Literal("Feature"),
  geometry: Geometry,
  properties: Schema.Struct({
    classId: Schema.Int,
    className: Schema.optionalKey(Schema.String),
    pixels: Schema.optionalKey(Schema.Int)
  })
})
export type Feature = typeof Feature.Type

/** A whole file. */
export const FeatureCollection = Schema.Struct({
  type: Schema.Literal("FeatureCollection"),
  features: Schema.Array(Feature)
})
export type FeatureCollection = typeof FeatureCollection.Type

export interface Options extends Polygons.Options {
  readonly classes: ClassTable.ClassTable
  /** Pixels are coordinates by default. */
  readonly transform?: Affine | undefined
  /** Regions of fewer pixels are left out. */
  readonly minArea?: number | undefined
}

/** A feature for each region, a `MultiPolygon` where its parts meet only at corners. */
export const fromLabelMap = (map: LabelMap, options: Options): FeatureCollection => ({
  type: "FeatureCollection",
  features: [...Steps.runSync(steps(map, options))]
})

/** Its features, after pauses; each is made when it is asked for, since there may be millions. @internal */
export function* steps(map: LabelMap, options: Options): Steps.Steps<Iterable<Feature>> {
  const { classes } = options
  const regions = yield* Regions.extentSteps(yield* Components.steps(map, options), { classes })
  return features(yield* Polygons.steps(map, options), regions, options)
}

function* features(
  outlines: ReadonlyArray<Polygons.Outline>,
  regions: ReadonlyArray<Extent>,
  { minArea, transform = IDENTITY }: Options
): Generator<Feature, void> {
  const least = leastArea(minArea)
  for (const [i, { polygons }] of outlines.entries()) {
    const region = regions[i]!
    if (region.area >= least && polygons.length > 0) yield feature(polygons, region, transform)
  }
}

const IDENTITY: Affine = [1, 0, 0, 0, 1, 0]

const feature = (polygons: ReadonlyArray<Polygons.Polygon>, region: Extent, transform: Affine): Feature => {
  const [a, b, c, d, e, f] = transform
  const flipped = a * e - b * d < 0
  const place = ([x, y]: Polygons.Point): Polygons.Point => [a * x + b * y + c, d * x + e * y + f]
  const ring = (points: Polygons.Ring): ReadonlyArray<Polygons.Point> => {
    const placed = transform === IDENTITY ? points : points.map(place)
    const turned = flipped ? placed.toReversed() : placed
    return turned.concat([turned[0]!])
  }
  const parts = polygons.map(({ holes, outer }) => [outer, ...holes].map(ring))
  const [only] = parts
  return {
    type: "Feature",
    geometry:
      parts.length === 1 && only !== undefined
        ? { type: "Polygon", coordinates: only }
        : { type: "MultiPolygon", coordinates: parts },
    properties: { classId: region.classId, className: region.className, pixels: region.area }
  }
}

type Properties = Readonly<Record<string, string | number | boolean>>

/** A file written piece by piece, for data sets larger than memory: the pieces joined are the text of the file. */
export interface Writer {
  /** The text of one image's features; `properties`, such as the image's name, are added to each. */
  readonly add: (features: Iterable<Feature>, properties?: Properties) => string
  /** The same with pauses. @internal */
  readonly steps: (features: Iterable<Feature>, properties?: Properties) => Steps.Steps<string>
  /** The end of the file. */
  readonly end: () => string
}

/** A writer of one collection. */
export const writer = (): Writer => {
  const list = JsonList.make('{"type":"FeatureCollection","features":[')
  const steps = (features: Iterable<Feature>, properties: Properties = {}): Steps.Steps<string> =>
    list.steps(features, (feature) => ({ ...feature, properties: { ...properties, ...feature.properties } }))
  return { steps, add: Steps.sync(steps), end: () => `${list.end()}}\n` }
}

export interface LabelMapOptions {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** The transform that leads from pixels to the file's coordinates. */
  readonly transform?: Affine | undefined
  /** The id of pixels in no feature. By default 255, or the first id above all where a class has that; it is then the ignored one. */
  readonly gap?: number | undefined
}

/**
 * The label map of a file's text: pixels whose centres lie in a feature, the last feature in front. Features need a
 * `classId` in their properties, and a polygon or several. Fails where no feature lies within the map and no transform is
 * given: such coordinates are no pixels. With one, a map may be a part that no feature lies in.
 */
export const toLabelMap = (
  json: string,
  options: LabelMapOptions
): Result.Result<LabelMap, MaskNotDecodable> => {
  const parsed = Schema.decodeUnknownResult(Schema.fromJsonString(FeatureCollection))(json)
  if (Result.isFailure(parsed)) return fail(parsed.failure.message)
  const [a, b, c, d, e, f] = options.transform ?? IDENTITY
  const determinant = a * e - b * d
  if (!(Math.abs(determinant) > 0) || ![c, f, determinant].every(Number.isFinite))
    return fail("the transform has no inverse")
  const { height, width } = options
  const { features } = parsed.success
  const back = (ring: ReadonlyArray<readonly [number, number, ...ReadonlyArray<number>]>): Polygons.Ring =>
    ring.map(([x, y]): Polygons.Point => [
      (e * (x - c) - b * (y - f)) / determinant,
      (a * (y - f) - d * (x - c)) / determinant
    ])
  const ids = features.map(({ properties }) => properties.classId)
  const made = canvas(width, height, ids, options.gap)
  if (Result.isFailure(made)) return made
  const map = made.success
  let within = features.length === 0 || options.transform !== undefined
  for (const { geometry, properties } of features) {
    const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates
    const polygons = parts.map(([outer = [], ...holes]) => ({ outer: back(outer), holes: holes.map(back) }))
    Polygons.paint(polygons, map, properties.classId)
    within ||= Polygons.boxWithin(polygons, map) !== undefined
  }
  return within
    ? Result.succeed(map)
    : fail(
        `none of its features lies within ${width} x ${height} pixels: where its coordinates are those of a map, give the ` +
          "transform"
      )
}

const fail = failing("GeoJSON")
