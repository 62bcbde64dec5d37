/**
 * What the points of outlines are measured in, by what an answer says beside them: pixels of a picture of some size, parts, hundredths
 * or thousandths of its sides, rows before columns.
 *
 * Outlines have no size of their own, and taken for pixels of the image they would be smaller or larger things somewhere else.
 */
import { Predicate, Result } from "effect"
import * as Fit from "../mask/Fit.ts"
import type { Ring } from "../mask/Polygons.ts"
import { plain } from "./Fields.ts"
import * as Side from "./Side.ts"

type Fields = Readonly<Record<string, unknown>>

/** What an answer says of the points in it. */
export interface Said {
  /** The size of the picture that they are of, and the field that says so. */
  readonly size?: (Fit.Size & { readonly field: string }) | undefined
  /** How many units a side has, whatever its pixels; `"pixels"` where it says that. */
  readonly unit?: number | "pixels" | undefined
  /** Rows come before columns. */
  readonly swapped: boolean
  /** The size is that of an original, beside which Label Studio has percent: of the thing itself, or around it. */
  readonly original?: "own" | "around" | undefined
  /** What the model was given, where that is all that is said: the outlines may be of it, or not. */
  readonly input?: (Fit.Size & { readonly field: string }) | undefined
}

/** What to set. */
export const remedy =
  'Say with `pointsOf` of which size the picture is that its points are of, or "pixels" for those of the image'

const picture = "(?:original|orig|source|src|full)?(?:image|img|picture|frame|photo|original|orig)"
/** What a model was given, which may be the picture that outlines are of, or not. */
const given = "(?:(?:model|network|net|inference|resized|processed)(?:input)?|input)(?:image|img)?"
/** Sides, sizes and boxes of sizes, with the picture named or without. */
const sides = new RegExp(`^(${picture}|${given})?(width|height|w|h)$`)
const pairs = new RegExp(`^(${picture}|${given})?(size|shape|dims?|dimensions|hw|wh)$`)
const holders = new RegExp(`^(?:${picture}(?:info|meta|metadata)?|metadata|meta|info)$`)
const inputs = new RegExp(`^${given}$`)

const sizeOf = (width: unknown, height: unknown): ReadonlyArray<Fit.Size> => {
  const [w, h] = [Side.toId(width), Side.toId(height)]
  return w === undefined || h === undefined || w === 0 || h === 0 ? [] : [{ width: w, height: h }]
}

const isSame = (one: Fit.Size, other: Fit.Size): boolean =>
  one.width === other.width && one.height === other.height

/** The sizes that two numbers may be: a shape has rows first, and possibly channels; a size has either first. */
const pairOf = (name: string, value: unknown): ReadonlyArray<Fit.Size> => {
  const text = typeof value === "string" ? /^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i.exec(value) : null
  if (text !== null) return sizeOf(text[1], text[2])
  // The shape of a tensor is of what the model was given.
  if (!Array.isArray(value) || (name === "shape" && value.length > 3)) return []
  const isShape = /shape|hw/.test(name)
  const channels = (side: unknown) => typeof side === "number" && side <= 4
  const inner = value.filter((side) => value.length === 2 || !isShape || !channels(side))
  const [a, b]: ReadonlyArray<unknown> = inner.length === 2 ? inner : []
  const [rows, columns] = [sizeOf(b, a), sizeOf(a, b)]
  return isShape
    ? value.length === 2
      ? [...rows, ...columns]
      : rows
    : name.endsWith("wh")
      ? columns
      : a === b
        ? rows
        : [...rows, ...columns]
}

/** A size, or several that two numbers may be. */
interface Found {
  readonly field: string
  readonly sizes: ReadonlyArray<Fit.Size>
  /** Whether a picture is named, the one that the model was given, or none. */
  readonly of: "picture" | "input" | undefined
}

const ofWhat = (prefix: string, within: string): Found["of"] =>
  inputs.test(prefix) ? "input" : prefix !== "" || within !== "" ? "picture" : undefined

/** The sizes of pictures in an object. Of what it holds, those without the name of a picture as well. */
const found = (value: Fields, within = ""): ReadonlyArray<Found> => {
  const all: Array<Found> = []
  const halves = new Map<string, { field: string; width?: unknown; height?: unknown }>()
  for (const [key, given] of Object.entries(value)) {
    const name = plain(key)
    const field = within === "" ? key : `${within}.${key}`
    const [, of = "", side] = sides.exec(name) ?? []
    const pair = pairs.exec(name)
    if (side !== undefined) {
      const half = halves.get(of) ?? { field }
      halves.set(of, side.startsWith("w") ? { ...half, width: given } : { ...half, height: given })
    } else if (pair !== null && !Predicate.isReadonlyObject(given)) {
      const sizes = pairOf(name, given)
      if (sizes.length > 0) all.push({ field, sizes, of: ofWhat(pair[1] ?? "", within) })
    }
    const only = name === "images" && Array.isArray(given) && given.length === 1 ? given[0] : given
    if (
      within === "" &&
      Predicate.isReadonlyObject(only) &&
      (holders.test(name) || (pair !== null && !inputs.test(pair[1] ?? "")) || name === "images")
    )
      all.push(...found(only, key))
  }
  for (const [of, { field, height, width }] of halves) {
    const sizes = sizeOf(width, height)
    if (sizes.length > 0) all.push({ field, sizes, of: ofWhat(of, within) })
  }
  return all
}

const extentOf = (rings: ReadonlyArray<Ring>) => {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const ring of rings)
    for (const [x, y] of ring) {
      left = Math.min(left, x)
      top = Math.min(top, y)
      right = Math.max(right, x)
      bottom = Math.max(bottom, y)
    }
  return { left, top, right, bottom }
}

/** Whether an object has a place, so that its width and height are those of a box. */
const isPlaced = (value: Fields): boolean =>
  ["x", "cx", "left", "x1", "xmin"].some((field) => Side.toNumber(value[field]) !== undefined)

/**
 * Whether a size that a thing has beside its outline is that of the picture, and not its own: it is no box's, holds the outline, is
 * not as large as that, and has the image's shape or is no smaller than it.
 */
const isPicture = (size: Fit.Size, thing: Fields, rings: ReadonlyArray<Ring>, image: Fit.Size): boolean => {
  if (isPlaced(thing)) return false
  const { bottom, left, right, top } = extentOf(rings)
  const isOwn = Math.abs(right - left - size.width) <= 2 && Math.abs(bottom - top - size.height) <= 2
  const holds = left >= 0 && top >= 0 && right <= size.width && bottom <= size.height
  const isAsLarge = size.width >= image.width && size.height >= image.height
  return holds && !isOwn && (isAsLarge || Fit.of(size, image) === "scaled")
}

/** Of the sizes that two numbers may be, the one that suits the image; `undefined` where that is open. */
const suiting = (sizes: ReadonlyArray<Fit.Size>, image: Fit.Size): Fit.Size | undefined => {
  if (sizes.length === 1) return sizes[0]
  const tests = [
    (size: Fit.Size) => Fit.contradiction(size, image) === undefined,
    (size: Fit.Size) => Fit.stretched(size, image) === undefined && !Fit.isTurned(size, image)
  ]
  return tests.map((test) => sizes.filter(test)).find(({ length }) => length === 1)?.[0]
}

const unitFields =
  /^(?:units?|(?:points?|polygons?|coord(?:inate)?s?|outlines?)(?:units?|formats?|types?|systems?|spaces?|modes?|scales?|ranges?|orders?|axes)?|ax[ei]s(?:order)?|order|normali[sz]ed(?:to|by|coord(?:inate)?s)?|isnormali[sz]ed)$/

/** Whether a text is points, and no word of what they are. */
const isPoints = (text: string): boolean => {
  const count = text.match(/\b\d+(?:\.\d+)?/g)?.length ?? 0
  return count > 5 || (count > 3 && !/[a-z]{2}/i.test(text))
}

const negated = /\b(?:not|non|un)[\s_-]*(?:percent|normali|relative|shares?|fraction|ratio)\w*/gi

/** What a word beside outlines says of their unit. */
const unitOf = (name: string, given: unknown): number | "pixels" | undefined => {
  const value = typeof given === "string" ? given.replaceAll(negated, "pixels") : given
  if (typeof value === "boolean") return /normali/.test(name) ? (value ? 1 : "pixels") : undefined
  const most: unknown = Array.isArray(value) && value.length === 2 && value[0] === 0 ? value[1] : value
  if (typeof most === "number")
    return /range|scale|normali/.test(name) && [1, 100, 1000, 1024].includes(most) ? most : undefined
  if (typeof value !== "string") return undefined
  if (/percent|%/i.test(value)) return 100
  if (/1000|thousandth|permill|‰/i.test(value)) return 1000
  if (/normali|relative|shares?|fraction|ratio|\b0\s*(?:-|\.\.|to)\s*1\b/i.test(value)) return 1
  return /pixel|\bpx\b|absolute/i.test(value) ? "pixels" : undefined
}

const isRowsFirst = (value: unknown): boolean =>
  typeof value === "string" &&
  /(?:^|[^a-z])(?:y[\s,_-]*x|rows?[\s,_-]*col(?:umn)?s?|rc)(?:[^a-z]|$)/i.test(value)

/** What an object says of the points in it, without their size; why they cannot be read. */
const words = (value: Fields, isSaid: boolean): Result.Result<Pick<Said, "unit" | "swapped">, string> => {
  let unit: Said["unit"]
  let swapped = false
  for (const [key, given] of Object.entries(value)) {
    const name = plain(key)
    if (name === "imagerotation" && Side.toNumber(given) !== undefined && Side.toNumber(given) !== 0)
      return Result.fail(`its outlines are of the image turned by ${String(given)}°, which is not read here`)
    if (
      !isSaid &&
      /^(?:crs|srs|srid|epsg)$/.test(name) &&
      /epsg|crs:?84|wgs|utm|^"?\d{4,}/i.test(JSON.stringify(given) ?? "")
    ) {
      const system = JSON.stringify(given).slice(0, 100)
      return Result.fail(
        `its outlines are in coordinates of the earth (${system}), and not of the image, which is not read here. ${remedy}`
      )
    }
    if (
      !unitFields.test(name) ||
      Predicate.isReadonlyObject(given) ||
      (typeof given === "string" && isPoints(given))
    )
      continue
    unit ??= unitOf(name, given)
    swapped ||= isRowsFirst(given)
  }
  return Result.succeed({ unit, swapped })
}

/**
 * What an answer says of the points of a thing: by the thing itself, else by what is around it, from the inside out. Where the caller has
 * `isSaid` of which picture they are, where that lies on the earth is nothing to them.
 */
export const read = (
  thing: Fields,
  around: ReadonlyArray<Fields>,
  rings: ReadonlyArray<Ring>,
  image: Fit.Size,
  isSaid = false
): Result.Result<Said, string> =>
  Result.gen(function* () {
    let { input, original, size, unit }: Partial<Said> = {}
    let swapped = false
    for (const value of [thing, ...around]) {
      const said = yield* words(value, isSaid)
      unit ??= said.unit
      swapped ||= said.swapped
      const isDone = size !== undefined
      for (const { field, of, sizes } of isDone ? [] : found(value)) {
        const isOwn = of === undefined && (value === thing || isPlaced(value))
        const those = isOwn ? sizes.filter((each) => isPicture(each, value, rings, image)) : sizes
        // Rows come first in a shape, unless that is none of the image.
        const one = suiting(those, image) ?? (plain(field).endsWith("shape") ? those[0] : undefined)
        if (of === "input") {
          const [first] = sizes
          if (first !== undefined) input ??= { ...first, field }
          continue
        }
        if (those.length === 0) continue
        if (one === undefined) {
          const detail = `which number of "${field}" is the width and which the height is not said. ${remedy}`
          return yield* Result.fail(detail)
        }
        if (size !== undefined && !isSame(size, one)) {
          const detail = `"${size.field}" says that its picture is ${size.width} x ${size.height}, and "${field}" that it is ${one.width} x ${one.height}. ${remedy}`
          return yield* Result.fail(detail)
        }
        size ??= { ...one, field }
        if (plain(field).startsWith("original")) original = value === thing ? "own" : "around"
      }
    }
    return { size, unit, swapped, original, input: size === undefined ? input : undefined }
  })

/** How far beyond a side points may lie: models overshoot a little, and round. Of a side of so many units, in parts half of it. */
const slackOf = (side: number, isRelative: boolean): number =>
  isRelative ? side / 2 : Math.max(2, side / 100)

/** The point farthest beyond a picture; `undefined` where all lie within. */
export const stray = (
  rings: ReadonlyArray<Ring>,
  { height, width }: Fit.Size,
  isRelative: boolean
): readonly [number, number] | undefined => {
  let farthest: readonly [number, number] | undefined
  let most = 0
  const beyond = (at: number, side: number) => Math.max(-at, at - side) - slackOf(side, isRelative)
  for (const ring of rings)
    for (const point of ring) {
      const far = Math.max(beyond(point[0], width), beyond(point[1], height))
      if (far > most) [farthest, most] = [point, far]
    }
  return farthest
}
