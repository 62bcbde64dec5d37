/**
 * One mask that is no picture: outlines, in the shapes that services have for points, or rows of numbers.
 */
import { Effect, Result } from "effect"
import * as BinaryMask from "../mask/BinaryMask.ts"
import * as Fit from "../mask/Fit.ts"
import * as Polygons from "../mask/Polygons.ts"
import type { Answer } from "../service/Exchange.ts"
import { type Decoded, fail } from "./EncodedPicture.ts"
import * as NestedArray from "./NestedArray.ts"
import * as Plane from "./Plane.ts"

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

const pointIn = (value: unknown): Polygons.Point | undefined => {
  const [x, y]: ReadonlyArray<unknown> =
    Array.isArray(value) && value.length === 2
      ? value
      : typeof value === "object" && value !== null && "x" in value && "y" in value
        ? [value.x, value.y]
        : []
  return isNumber(x) && isNumber(y) ? [x, y] : undefined
}

/** A ring as `[{x, y}]`, `[[x, y]]` or `[x, y, x, y]`. */
const ringIn = (value: unknown): Polygons.Ring | undefined => {
  if (!Array.isArray(value)) return undefined
  const flat = value.length >= 6 && value.length % 2 === 0 && value.every(isNumber)
  if (flat) return Polygons.ringOf(value)
  const points = value.map(pointIn)
  const ring = points.flatMap((point) => (point === undefined ? [] : [point]))
  return ring.length === value.length && ring.length >= 3 ? ring : undefined
}

/** One ring, or a list of them. */
const ringsIn = (value: unknown): ReadonlyArray<Polygons.Ring> | undefined => {
  const one = ringIn(value)
  if (one !== undefined) return [one]
  if (!Array.isArray(value)) return undefined
  const rings = value.map(ringIn).flatMap((ring) => (ring === undefined ? [] : [ring]))
  return rings.length === value.length ? rings : undefined
}

/** Numbers one after the other, also as the only row of as many as the image has pixels. */
const lineOf = (
  value: ReadonlyArray<unknown>,
  { height, width }: Fit.Size
): ReadonlyArray<number> | undefined => {
  const [first] = value
  const line: ReadonlyArray<unknown> =
    value.length === 1 && height > 1 && Array.isArray(first) && first.length === width * height
      ? first
      : value
  return line.every(isNumber) ? line : undefined
}

/** More numbers than an outline of two values has, which is a rectangle. */
const fewest = 16

/**
 * A mask as one list of numbers: the image's pixels row by row, or those of a box, whose sides come last (left, top, right, bottom, all
 * within), as CVAT has it. `undefined` where it may be an outline.
 */
const flatMask = (
  values: ReadonlyArray<number>,
  { height, width }: Fit.Size,
  options: Plane.BinaryOptions = {}
): BinaryMask.BinaryMask | string | undefined => {
  const [left = 0, top = 0, right = 0, bottom = 0] = values.slice(-4)
  const [across, down] = [right - left + 1, bottom - top + 1]
  const cells = values.slice(0, -4)
  const isIn = left >= 0 && top >= 0 && across > 0 && down > 0 && right < width && bottom < height
  // So many numbers are an outline by a chance that nobody meets.
  const isBox = isIn && across * down === cells.length
  const isWhole = values.length === width * height
  const isMask = values.length > fewest + 4 || hasTwoValues([isBox ? cells : values])
  if (isBox && isMask) {
    const inside = Plane.toMask(Float32Array.from(cells), options)
    if (Result.isFailure(inside)) return inside.failure.detail
    const mask = BinaryMask.empty(width, height)
    for (const [at, cell] of inside.success.entries())
      if (cell !== 0) mask.data[(top + Math.floor(at / across)) * width + left + (at % across)] = 1
    return mask
  }
  if (isWhole && isMask) {
    const inside = Plane.toMask(Float32Array.from(values), options)
    return Result.isFailure(inside)
      ? inside.failure.detail
      : { width, height, data: Uint8Array.from(inside.success) }
  }
  return values.length > fewest && hasTwoValues([values])
    ? `it is a list of ${values.length} values, and the image of ${width} x ${height} pixels`
    : undefined
}

/** Whether a plane has no values but 0 and one other, or in long rows but two, as a mask has and outlines hardly. */
const hasTwoValues = (rows: ReadonlyArray<unknown>): boolean => {
  const isLong = Array.isArray(rows[0]) && rows[0].length > fewest
  const found = new Set<unknown>(isLong ? [] : [0])
  return rows.every((row) => Array.isArray(row) && row.every((value) => found.add(value).size <= 2))
}

/**
 * The outlines in a list; `undefined` where it is rows of numbers. Rows of an even length could be outlines, a row each: they
 * are none where they are as many or as long as the image's, or where there are no values but 0 and another.
 */
const outlinesIn = (
  value: ReadonlyArray<unknown>,
  image: Fit.Size
): ReadonlyArray<Polygons.Ring> | undefined => {
  const line = lineOf(value, image)
  if (line !== undefined && flatMask(line, image) !== undefined) return undefined
  const [height = 0, width = 0, ...more] = NestedArray.shapeOf(value) ?? []
  const isPlane = more.length === 0 && width > 2 && (height > 1 || image.height === 1)
  const isRows = isPlane && (height === image.height || width === image.width || hasTwoValues(value))
  return isRows ? undefined : ringsIn(value)
}

/**
 * Whether the points of an answer are parts of the image's sides, and not pixels: all of them together, since a small thing in
 * the corner has no pixel beyond 1 either. Models overshoot the sides, and nobody draws all things within a pixel and a half.
 */
export const areShares = (values: ReadonlyArray<unknown>, image: Fit.Size): boolean =>
  values.every((value) => {
    const rings = Array.isArray(value) ? outlinesIn(value, image) : undefined
    return (rings ?? []).every((ring) => ring.every((point) => point.every((at) => at >= -0.5 && at <= 1.5)))
  })

/** The first point that lies farther beyond the image than models overshoot it: of another size of the image, or a row before its column. */
const strayIn = (
  rings: ReadonlyArray<Polygons.Ring>,
  { height, width }: Fit.Size
): Polygons.Point | undefined => {
  const isIn = (at: number, side: number) => Math.abs(at - side / 2) <= side / 2 + Math.max(2, side / 10)
  return rings.flat().find(([x, y]) => !(isIn(x, width) && isIn(y, height)))
}

/** What is inside any of the rings. */
const painted = (
  rings: ReadonlyArray<Polygons.Ring>,
  { height, width }: Fit.Size,
  shares: boolean
): BinaryMask.BinaryMask => {
  const [across, down] = shares ? [width, height] : [1, 1]
  const mask = BinaryMask.empty(width, height)
  for (const ring of rings) {
    const outer = ring.map(([x, y]): Polygons.Point => [x * across, y * down])
    Polygons.paint([{ outer, holes: [] }], mask, 1)
  }
  return mask
}

/** The mask in a list: outlines, whose points are `shares` of the image's sides or pixels of what it was `drawnOn`, or rows of numbers. */
export const fromArray = (
  answer: Answer,
  path: string,
  value: ReadonlyArray<unknown>,
  image: Fit.Size,
  shares: boolean,
  options: Plane.BinaryOptions = {},
  drawnOn: Fit.Size = image
): Decoded<BinaryMask.BinaryMask> =>
  Effect.suspend(() => {
    const rings = outlinesIn(value, image)
    const shape = NestedArray.shapeOf(value)
    const line = rings === undefined ? lineOf(value, image) : undefined
    const flat = line && flatMask(line, image, options)
    if (flat !== undefined) return typeof flat === "string" ? fail(answer, path, flat) : Effect.succeed(flat)
    // One channel of one image.
    if (shape?.length === 3 && shape[0] === 1 && Array.isArray(value[0]))
      return fromArray(answer, path, value[0], image, shares, options, drawnOn)
    if (rings !== undefined) {
      const [height = 0, width = 0] = shape ?? []
      const fit = Fit.of({ height, width }, image)
      if (height >= 6 && width >= 6 && (fit === "square" || fit === "scaled")) {
        const detail = `its ${height} rows of ${width} numbers may be a soft mask or outlines. Send such a mask as a picture or of the image's size, and outlines as lists of points`
        return fail(answer, path, detail)
      }
      const stray = shares ? undefined : strayIn(rings, drawnOn)
      if (stray !== undefined) {
        const detail = `its outline has a point at ${stray.join(", ")}, and the image has ${drawnOn.width} x ${drawnOn.height} pixels: points of another size, or rows first? Say the latter with \`transposed\``
        return fail(answer, path, detail)
      }
      return Effect.succeed(painted(rings, shares ? image : drawnOn, shares))
    }
    if (shape?.length !== 2) return fail(answer, path, "it is neither an outline nor rows of numbers")
    if (shape[0]! * shape[1]! < 6) {
      return fail(answer, path, `it has the shape [${shape.join(", ")}]: too few points for an outline`)
    }
    return Effect.flatMap(
      Effect.mapError(NestedArray.values(value), ({ detail }) => detail),
      ({ data }) => Effect.fromResult(Result.mapError(Plane.toMask(data, options), ({ detail }) => detail))
    ).pipe(
      Effect.matchEffect({
        onFailure: (detail) => fail(answer, path, detail),
        onSuccess: (ids) =>
          Effect.succeed({ width: shape[1]!, height: shape[0]!, data: Uint8Array.from(ids) })
      })
    )
  })
