/**
 * One mask that is a list of numbers: rows of pixels, of the image or of a box, or the points of outlines.
 */
import { Effect, Result } from "effect"
import * as BinaryMask from "../mask/BinaryMask.ts"
import type * as Fit from "../mask/Fit.ts"
import type { Answer } from "../service/Exchange.ts"
import { type Decoded, fail } from "./EncodedPicture.ts"
import * as NestedArray from "./NestedArray.ts"
import * as Plane from "./Plane.ts"

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

/** Numbers one after the other, also as the only row of as many as the image has pixels. */
export const lineOf = (
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

/** A mask, and whether it was soft. */
interface Pixels extends BinaryMask.BinaryMask, Plane.Thing {}

/** More numbers than an outline of two values has, which is a rectangle. */
const fewest = 16

/**
 * A mask as one list of numbers: the image's pixels row by row, or those of a box, whose sides come last (left, top, right, bottom, all
 * within), as CVAT has it. `undefined` where it may be an outline.
 */
export const flatMask = (
  values: ReadonlyArray<number>,
  { height, width }: Fit.Size,
  options: Plane.ListedOptions = {}
): Pixels | string | undefined => {
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
    for (const [at, cell] of inside.success.data.entries())
      if (cell !== 0) mask.data[(top + Math.floor(at / across)) * width + left + (at % across)] = 1
    return { ...mask, isSoft: inside.success.isSoft }
  }
  if (isWhole && isMask) {
    const inside = Plane.toMask(Float32Array.from(values), options)
    return Result.isFailure(inside) ? inside.failure.detail : { width, height, ...inside.success }
  }
  return values.length > fewest && hasTwoValues([values])
    ? `it is a list of ${values.length} values, and the image of ${width} x ${height} pixels`
    : undefined
}

/** Whether a plane has no values but 0 and one other, or in long rows but two, as a mask has and outlines hardly. */
export const hasTwoValues = (rows: ReadonlyArray<unknown>): boolean => {
  const isLong = Array.isArray(rows[0]) && rows[0].length > fewest
  const found = new Set<unknown>(isLong ? [] : [0])
  return rows.every((row) => Array.isArray(row) && row.every((value) => found.add(value).size <= 2))
}

/** The mask in a list that has rows of numbers and no outline. */
export const fromArray = (
  answer: Answer,
  path: string,
  value: ReadonlyArray<unknown>,
  image: Fit.Size,
  options: Plane.ListedOptions = {}
): Decoded<Pixels> =>
  Effect.suspend(() => {
    const shape = NestedArray.shapeOf(value)
    const line = lineOf(value, image)
    const flat = line && flatMask(line, image, options)
    if (flat !== undefined) return typeof flat === "string" ? fail(answer, path, flat) : Effect.succeed(flat)
    // One channel of one image.
    if (shape?.length === 3 && shape[0] === 1 && Array.isArray(value[0]))
      return fromArray(answer, path, value[0], image, options)
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
        onSuccess: (inside) => Effect.succeed({ width: shape[1]!, height: shape[0]!, ...inside })
      })
    )
  })
