/**
 * One mask that is no picture: outlines, in the shapes that services have for points, or rows of numbers.
 */
import { Effect, Result } from "effect"
import * as BinaryMask from "../mask/BinaryMask.ts"
import type { Size } from "../mask/Fit.ts"
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

/** What is inside any of the rings. Points are pixels, or parts of the image's sides where none is above 1. */
const painted = (rings: ReadonlyArray<Polygons.Ring>, { height, width }: Size): BinaryMask.BinaryMask => {
  const isShare = rings.every((ring) => ring.every(([x, y]) => x >= 0 && x <= 1 && y >= 0 && y <= 1))
  const [across, down] = isShare ? [width, height] : [1, 1]
  const mask = BinaryMask.empty(width, height)
  for (const ring of rings) {
    const outer = ring.map(([x, y]): Polygons.Point => [x * across, y * down])
    Polygons.paint([{ outer, holes: [] }], mask, 1)
  }
  return mask
}

/** The mask in a list: rows as many and as long as the image's are numbers of its pixels, all else is points. */
export const fromArray = (
  answer: Answer,
  path: string,
  value: ReadonlyArray<unknown>,
  image: Size
): Decoded<BinaryMask.BinaryMask> =>
  Effect.suspend(() => {
    const shape = NestedArray.shapeOf(value)
    const isRows = shape?.length === 2 && (shape[0] === image.height || shape[1] === image.width)
    const rings = isRows && shape[1]! > 2 ? undefined : ringsIn(value)
    if (rings !== undefined) return Effect.succeed(painted(rings, image))
    if (shape?.length !== 2) return fail(answer, path, "it is neither an outline nor rows of numbers")
    return Effect.flatMap(
      Effect.mapError(NestedArray.values(value), ({ detail }) => detail),
      ({ data }) =>
        Effect.fromResult(Result.mapError(Plane.toIds(data, { binary: true }), ({ detail }) => detail))
    ).pipe(
      Effect.matchEffect({
        onFailure: (detail) => fail(answer, path, detail),
        onSuccess: (ids) =>
          Effect.succeed({ width: shape[1]!, height: shape[0]!, data: Uint8Array.from(ids) })
      })
    )
  })
