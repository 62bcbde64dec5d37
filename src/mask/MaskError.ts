/**
 * Ways in which mask data can be wrong: sizes that do not match their data, ids outside the classes, bytes that
 * are no picture. Functions of this room are pure and return `Result`; `Effect.fromResult` makes an
 * effect of one.
 */
import { Result, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import type { Grid } from "./Grid.ts"

/**
 * Mask data that contradicts itself or its format.
 *
 * `mask` names which one ("label map", "mask 2 of 5: scratch", "segmentation.counts"), `detail` says what was
 * found and what was expected. It is never tried again: the same bytes would be as wrong, and a job would be paid twice.
 */
export class MaskNotDecodable extends ErrorKind.ofService<MaskNotDecodable>()("MaskNotDecodable", {
  mask: Schema.String,
  detail: Schema.String,
  service: Schema.optionalKey(Schema.String),
  requestId: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const by = this.service === undefined ? "" : ` in the answer of ${this.service}`
    return `Cannot decode the mask "${this.mask}"${by}: ${this.detail}`
  }
}

/** The failure of one mask. @internal */
export const fail = (mask: string, detail: string): Result.Result<never, MaskNotDecodable> =>
  Result.fail(new MaskNotDecodable({ mask, detail }))

/** The failures of one mask. @internal */
export const failing =
  (mask: string) =>
  (detail: string): Result.Result<never, MaskNotDecodable> =>
    fail(mask, detail)

/** What is wrong with sides of so many pixels. */
const wrongSides = (width: number, height: number): string | undefined =>
  Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0
    ? undefined
    : `its size must be positive integers, but is ${width} x ${height}`

/** Pixels that a mask may be made of: what more would take, a machine may not have. `tiled` goes on from there. */
const maxPixels = 2 ** 29

/** How many pixels a mask of this size has, before memory is taken for it. @internal */
export const pixels = (
  mask: string,
  width: number,
  height: number
): Result.Result<number, MaskNotDecodable> => {
  const wrong = wrongSides(width, height)
  if (wrong !== undefined) return fail(mask, wrong)
  return width * height > maxPixels
    ? fail(mask, `${width} x ${height} pixels are more than the ${maxPixels} of the largest mask here`)
    : Result.succeed(width * height)
}

/** The largest of these class ids, all of which fit into 32 bits; 0 where there are none. @internal */
export const largestId = (mask: string, ids: Iterable<number>): Result.Result<number, MaskNotDecodable> => {
  let most = 0
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) {
      return fail(mask, `${id} is no class id: they are whole numbers from 0 to ${0xffffffff}`)
    }
    if (id > most) most = id
  }
  return Result.succeed(most)
}

/** A grid whose sizes are checked against its data; `values` is what it has one of for each pixel. @internal */
export const sized = <A extends Grid<ArrayLike<number>>>(
  mask: string,
  values: string,
  grid: A
): Result.Result<A, MaskNotDecodable> => {
  const { data, height, width } = grid
  const wrong = wrongSides(width, height)
  if (wrong !== undefined) return fail(mask, wrong)
  return data.length === width * height
    ? Result.succeed(grid)
    : fail(mask, `${width} x ${height} pixels need ${width * height} ${values}, but there are ${data.length}`)
}

/** What two label maps of one image are called. */
export const pairName = "pair of label maps"

interface Sized {
  readonly width: number
  readonly height: number
}

/** What is wrong with two of one image that are not of one size. */
export const unequalSizes = (first: string, a: Sized, second: string, b: Sized) =>
  a.width === b.width && a.height === b.height
    ? undefined
    : fail(
        pairName,
        `the ${first} is ${a.width} x ${a.height} pixels, the ${second} ${b.width} x ${b.height}`
      )
