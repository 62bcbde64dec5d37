/**
 * The outlines of an answer, on the image: all of it together decides what points are measured in that nobody says, since a small thing
 * in the corner has no pixel beyond 1 either.
 */
import { Effect, Predicate, Result } from "effect"
import * as BinaryMask from "../mask/BinaryMask.ts"
import * as Fit from "../mask/Fit.ts"
import * as Polygons from "../mask/Polygons.ts"
import type { Answer } from "../service/Exchange.ts"
import { type Decoded, fail } from "./EncodedPicture.ts"
import * as Frame from "./Frame.ts"
import * as MaskShape from "./MaskShape.ts"
import * as NestedArray from "./NestedArray.ts"
import * as Outline from "./Outline.ts"

/** A mask that may be an outline, with what stands beside it and around it, from the inside out. */
export interface Drawn {
  readonly path: string
  readonly mask: unknown
  readonly beside?: Readonly<Record<string, unknown>> | undefined
}

/** `"pixels"` of the image, or the size of the picture that points are of: `{ width: 1, height: 1 }` for parts of the sides. */
export type PointsOf = "pixels" | Fit.Size

interface Read extends Outline.Outline {
  readonly rings: ReadonlyArray<Polygons.Ring>
  readonly said: Frame.Said
}

/** Models overshoot the sides, and nobody draws all things within a pixel and a half. */
const areShares = (rings: ReadonlyArray<Polygons.Ring>): boolean =>
  rings.every((ring) => ring.every((point) => point.every((at) => at >= -0.5 && at <= 1.5)))

/** Whether points may be hundredths of the sides. */
const mayBePercent = (rings: ReadonlyArray<Polygons.Ring>): boolean =>
  rings.every((ring) => ring.every((point) => point.every((at) => at >= -1 && at <= 101)))

/** A picture that points are of, how large its map is, and whether it has units and no pixels. */
interface Place {
  readonly frame: Fit.Size
  readonly canvas: Fit.Size
  readonly isRelative: boolean
  readonly field?: string | undefined
}

const square = (side: number): Fit.Size => ({ width: side, height: side })

/** What the points of an outline are of. */
const placeOf = (
  { rings, said }: Read,
  image: Fit.Size,
  shares: boolean,
  percent: boolean,
  pointsOf: PointsOf | undefined
): Result.Result<Place, string> => {
  const { input, original, size, unit } = said
  if (pointsOf !== undefined && pointsOf !== "pixels") {
    if (!(pointsOf.width > 0 && pointsOf.height > 0))
      return Result.fail("the sides of `pointsOf` are not above 0")
    const isRelative = pointsOf.width === pointsOf.height && [1, 100, 1000].includes(pointsOf.width)
    return Result.succeed({ frame: pointsOf, canvas: image, isRelative })
  }
  const per = pointsOf ?? unit ?? (shares ? 1 : percent && original === "own" ? 100 : undefined)
  if (typeof per === "number") return Result.succeed({ frame: square(per), canvas: image, isRelative: true })
  if (pointsOf === "pixels") return Result.succeed({ frame: image, canvas: image, isRelative: false })
  if (per === undefined && original === "around" && mayBePercent(rings))
    return Result.fail(
      `its points may be pixels or percent of the picture that "${size?.field}" names. Have it say its unit. ${Frame.remedy}`
    )
  if (
    size === undefined &&
    input !== undefined &&
    (input.width !== image.width || input.height !== image.height)
  )
    return Result.fail(
      `its outlines may be of the image, or of the ${input.width} x ${input.height} that "${input.field}" names. ${Frame.remedy}`
    )
  if (size === undefined) return Result.succeed({ frame: image, canvas: image, isRelative: false })
  return Result.succeed({ frame: size, canvas: size, isRelative: false, field: size.field })
}

/** A map of the picture's own size is judged as any map of another size is; where there are several, those of one shape are the image's. */
const together = (
  places: ReadonlyArray<Place | undefined>,
  image: Fit.Size
): ReadonlyArray<Place | undefined> => {
  const canvases = new Set(
    places.flatMap((place) => (place ? [`${place.canvas.width} ${place.canvas.height}`] : []))
  )
  const isOne = (size: Fit.Size) =>
    Fit.contradiction(size, image) === undefined && Fit.stretched(size, image) === undefined
  return places.map((place) =>
    place !== undefined && canvases.size > 1 && isOne(place.canvas) ? { ...place, canvas: image } : place
  )
}

const painted = ({ cuts, polygons }: Outline.Outline, { canvas, frame }: Place): BinaryMask.BinaryMask => {
  const [across, down] = [canvas.width / frame.width, canvas.height / frame.height]
  const moved = (ring: Polygons.Ring) => ring.map(([x, y]): Polygons.Point => [x * across, y * down])
  const mask = BinaryMask.empty(canvas.width, canvas.height)
  for (const { holes, outer } of polygons)
    Polygons.paint([{ outer: moved(outer), holes: holes.map(moved) }], mask, 1)
  for (const cut of cuts) Polygons.paint([{ outer: moved(cut), holes: [] }], mask, 0)
  return mask
}

const swapped = (ring: Polygons.Ring): Polygons.Ring => ring.map(([y, x]): Polygons.Point => [x, y])

/** Whether points name their axes, whatever order is said. */
const areNamed = (value: unknown): boolean =>
  Array.isArray(value)
    ? areNamed(value[0])
    : Predicate.isReadonlyObject(value) &&
      ("exterior" in value ? areNamed(value["exterior"]) : !("coordinates" in value))

/**
 * The outlines in a list; `undefined` where it is rows of numbers. Rows of an even length could be outlines, a row each: they
 * are none where they are as many or as long as the image's, or where there are no values but 0 and another.
 */
const outlinesIn = (
  value: ReadonlyArray<unknown>,
  image: Fit.Size
): ReadonlyArray<Polygons.Ring> | undefined => {
  const line = MaskShape.lineOf(value, image)
  if (line !== undefined && MaskShape.flatMask(line, image) !== undefined) return undefined
  const [height = 0, width = 0, ...more] = NestedArray.shapeOf(value) ?? []
  const isPlane = more.length === 0 && width > 2 && (height > 1 || image.height === 1)
  const isRows =
    isPlane && (height === image.height || width === image.width || MaskShape.hasTwoValues(value))
  return isRows ? undefined : Outline.ringsIn(value)
}

/** The rings in a list of numbers; nothing where it is rows of pixels. Fails where it may be either. */
export const ringsIn = (
  value: ReadonlyArray<unknown>,
  image: Fit.Size
): Result.Result<ReadonlyArray<Polygons.Ring> | undefined, string> => {
  const shape = NestedArray.shapeOf(value)
  // One channel of one image.
  const [only] = value
  if (shape?.length === 3 && shape[0] === 1 && Array.isArray(only)) return ringsIn(only, image)
  const rings = outlinesIn(value, image)
  if (rings === undefined) return Result.succeed(undefined)
  const [height = 0, width = 0] = shape ?? []
  const fit = Fit.of({ height, width }, image)
  return height >= 6 && width >= 6 && (fit === "square" || fit === "scaled")
    ? Result.fail(
        `its ${height} rows of ${width} numbers may be a soft mask or outlines. Send such a mask as a picture or of the image's size, and outlines as lists of points`
      )
    : Result.succeed(rings)
}

/** Whether points are pixels one after the other in rows or columns. As an outline they would cross themselves. */
const arePixels = (ring: Polygons.Ring): boolean =>
  ring.length >= 6 &&
  ring.every((point) => point.every(Number.isInteger)) &&
  ([0, 1] as const).some((line) => {
    const along = line === 0 ? 1 : 0
    let steps = 0
    const isSorted = ring.every((point, index) => {
      const before = ring[index - 1]
      if (before === undefined || point[line] > before[line]) return true
      if (point[line] === before[line] && point[along] === before[along] + 1) steps++
      return point[line] === before[line] && point[along] > before[along]
    })
    return isSorted && ring.at(-1)![line] > ring[0]![line] && 2 * steps >= ring.length
  })

const readOne = (
  { beside = {}, mask, path }: Drawn,
  around: ReadonlyArray<Readonly<Record<string, unknown>>>,
  image: Fit.Size,
  isSaid: boolean
): Result.Result<Read | undefined, string> =>
  Result.gen(function* () {
    const outline = yield* Outline.read(mask, path, beside, (value) => ringsIn(value, image))
    if (outline === undefined) return undefined
    if (outline.polygons.some(({ outer }) => arePixels(outer)))
      return yield* Result.fail("it lists the pixels of a thing, and no outline of it")
    const ringsOf = ({ cuts, polygons }: Outline.Outline) => [
      ...polygons.flatMap(({ holes, outer }) => [outer, ...holes]),
      ...cuts
    ]
    const said = yield* Frame.read(beside, around, ringsOf(outline), image, isSaid)
    const drawn =
      said.swapped && !areNamed(mask)
        ? {
            polygons: outline.polygons.map(({ holes, outer }) => ({
              outer: swapped(outer),
              holes: holes.map(swapped)
            })),
            cuts: outline.cuts.map(swapped)
          }
        : outline
    return { ...drawn, said, rings: ringsOf(drawn) }
  })

/** Why GeoJSON is none of the image: all of it lies within a pixel or two, in parts of those. Degrees do, where nobody says `crs`. */
const areDegrees = (masks: ReadonlyArray<Drawn>, all: ReadonlyArray<Read>): boolean => {
  if (!masks.every(({ mask }) => Predicate.isReadonlyObject(mask) && "coordinates" in mask)) return false
  const rings = all.flatMap((one) => one.rings)
  const box = Polygons.boundingBox(rings.map((outer) => ({ outer, holes: [] })))
  const most = masks.length > 1 ? 2 : 1
  return (
    box !== undefined &&
    Math.max(box.width, box.height) < most &&
    rings.some((ring) => ring.some((point) => point.some((at) => !Number.isInteger(2 * at))))
  )
}

/** How each of the masks is drawn that is an outline; nothing for the others. */
export const read = Effect.fnUntraced(function* (
  answer: Answer,
  masks: ReadonlyArray<Drawn>,
  around: ReadonlyArray<Readonly<Record<string, unknown>>>,
  image: Fit.Size,
  maxPixels: number,
  pointsOf: PointsOf | undefined
): Effect.fn.Return<ReadonlyArray<(() => BinaryMask.BinaryMask) | undefined>, Effect.Error<Decoded<never>>> {
  const all: Array<Read | undefined> = []
  for (const drawn of masks) {
    const one = readOne(drawn, around, image, pointsOf !== undefined)
    if (Result.isFailure(one)) return yield* fail(answer, drawn.path, one.failure)
    all.push(one.success)
    yield* Effect.yieldNow
  }
  const unsaid = all.flatMap((one) => (one === undefined || one.said.unit !== undefined ? [] : [one]))
  const shares = unsaid.every(({ rings }) => areShares(rings))
  const percent = unsaid.every(({ rings }) => mayBePercent(rings))
  if (pointsOf === undefined && !shares && unsaid.length === masks.length && areDegrees(masks, unsaid)) {
    const detail =
      'its GeoJSON lies within a pixel or two, in parts of those: coordinates of the earth? Say with `pointsOf: "pixels"` that they are pixels'
    return yield* fail(answer, masks[0]?.path ?? "", detail)
  }
  const places: Array<Place | undefined> = []
  for (const [index, one] of all.entries()) {
    const { path } = masks[index]!
    const place = one && placeOf(one, image, shares, percent, pointsOf)
    if (place !== undefined && Result.isFailure(place)) return yield* fail(answer, path, place.failure)
    places.push(place?.success)
    if (one === undefined || place === undefined) continue
    const { canvas, field, frame, isRelative } = place.success
    const far = pointsOf === "pixels" ? undefined : Frame.stray(one.rings, frame, isRelative)
    if (far !== undefined) {
      const where = isRelative
        ? `where a side has ${frame.width} units`
        : `and the image has ${frame.width} x ${frame.height} pixels` +
          (field === undefined
            ? ": points of another size of the image, or rows before columns? Say so of the latter with `transposed`"
            : `, as "${field}" says`)
      const detail = `its outline has a point at ${far.map((at) => Math.round(at * 100) / 100).join(", ")}, ${where}. ${Frame.remedy}`
      return yield* fail(answer, path, detail)
    }
    if (canvas.width * canvas.height > maxPixels) {
      const detail = `they are drawn on ${canvas.width} x ${canvas.height} pixels, more than the ${maxPixels} allowed`
      return yield* fail(answer, path, detail)
    }
  }
  return together(places, image).map((place, index) => {
    const one = all[index]
    return one && place && (() => painted(one, place))
  })
})
