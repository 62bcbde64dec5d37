/**
 * What the values of one plane are: class ids, or how sure one class is of each pixel.
 *
 * A mask of 0 and 255 is no map of the classes 0 and 255, a matte of 256 greys none of 256 classes, and 0.93 no class at
 * all: each is taken for what it is, and what cannot be told is a failure that names `binary`.
 */
import { Result } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import type { LabelData } from "../mask/LabelMap.ts"
import * as MaskThreshold from "../mask/MaskThreshold.ts"

/** How a mask of one class is to be read. */
export interface BinaryOptions {
  /** The class of what is in the mask; 0 is what is not. 1 by default. */
  readonly classId?: number | undefined
  /**
   * A pixel is in the mask from this value on. By default half of what there can be: 128 of 255, 0.5 of a probability; 0 of
   * a logit; and where there are two values, 0 and another, that one.
   */
  readonly threshold?: number | undefined
  /** Black is in the mask. Off by default. */
  readonly inverted?: boolean | undefined
}

export interface PlaneOptions {
  readonly classes?: ClassTable.ClassTable | undefined
  /** `true` or how: it is a mask of one class. `false`: its values are class ids. By what it looks like, unless given. */
  readonly binary?: boolean | BinaryOptions | undefined
  readonly ignoreIndex?: number | undefined
  /** `"ids"`: many values are class ids. */
  readonly as?: "ids" | "logits" | undefined
  /** From which part of what there can be on a pixel of a soft mask is inside, as an answer says. */
  readonly stated?: number | undefined
  /** What the option `binary` is called where its users are. */
  readonly called?: string | undefined
}

/** What is wrong with a plane, of the whole or of one value of it. */
export interface Flaw {
  readonly detail: string
  readonly at?: number | undefined
}

type Values = Float32Array | LabelData

/** What of a plane tells what it is. */
interface Look {
  readonly isWhole: boolean
  readonly min: number
  readonly max: number
  /** At most three of its values. */
  readonly some: ReadonlySet<number>
  /** Its lowest value above 199 that is not 255. */
  readonly high: number | undefined
  /** All of its values, where they are few: the greys of a picture that shows a map to eyes. */
  readonly greys: ReadonlyArray<number>
  /** How many values there are, as far as they are counted. */
  readonly count: number
}

/** Values that are looked at as greys: more are no steps that an eye tells apart. */
const mostGreys = 12

/** Whether values are steps of equal size from 0 on that an eye tells apart: parts of 255, or several of the lowest, beside white or without. */
const areSteps = (greys: ReadonlyArray<number>): boolean => {
  const [zero, lowest = 0, ...more] = greys.filter((grey) => grey !== 255)
  const isOf = (step: number) => greys.every((grey) => Math.abs(grey - Math.round(grey / step) * step) < 1)
  return (
    zero === 0 &&
    greys.length > 2 &&
    (Array.from({ length: mostGreys - 1 }, (_, index) => 255 / (index + 2)).some(isOf) ||
      (lowest >= 20 &&
        greys.at(-1)! <= 255 &&
        (more.length > 1 || more[0] === 2 * lowest) &&
        more.every((grey) => grey % lowest === 0)))
  )
}

/** Whether there are more values than one picture has classes, as shades have, of 8 bits or of 16 to white. */
const areShades = ({ count, max }: Look): boolean =>
  count > 40 && (max <= 255 || (max > 50_000 && max <= 0xffff))

/** The same of bytes, which are whole and few: what there is of them is noted, and nothing asked of each. */
const lookAtBytes = (data: Uint8Array): Look => {
  const isThere = new Uint8Array(256)
  for (let i = 0; i < data.length; i++) isThere[data[i]!] = 1
  const values = Array.from(isThere.keys()).filter((value) => isThere[value] === 1)
  return {
    isWhole: true,
    min: values[0] ?? Infinity,
    max: values.at(-1) ?? -Infinity,
    some: new Set(values.slice(0, 3)),
    high: values.find((value) => value >= 200 && value < 255),
    greys: values.length > mostGreys ? [] : values,
    count: values.length
  }
}

const look = (data: Values): Look => {
  if (data instanceof Uint8Array) return lookAtBytes(data)
  const some = new Set<number>()
  const greys = new Set<number>()
  let isWhole = true
  let min = Infinity
  let max = -Infinity
  let high: number | undefined
  let last = Number.NaN
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (value === last) continue
    last = value
    if (some.size < 3) some.add(value)
    if (greys.size <= 40) greys.add(value)
    if (value < min) min = value
    if (value > max) max = value
    if (isWhole && !Number.isInteger(value)) isWhole = false
    if (value >= 200 && value < 255 && (high === undefined || value < high)) high = value
  }
  const few = greys.size > mostGreys ? [] : [...greys].toSorted((a, b) => a - b)
  return { isWhole, min, max, some, high, greys: few, count: greys.size }
}

/** Where a mask begins, by the values it has; `undefined` where they leave it open. */
const thresholdOf = (data: Values, { isWhole, max, min, some }: Look): number | undefined => {
  // -1 and -100 are no class in maps of ids; logits of whole numbers say of nothing that it is in the mask by 0.
  if (min < 0) return isWhole && (min === -1 || some.size > 2 || max <= 0) ? undefined : 0
  if (isWhole) return max <= 0xffff ? MaskThreshold.of(data) : undefined
  return max <= 1 ? 0.5 : undefined
}

/** Whether values are a matte: 0, white or nearly, and greys between. Beside 0 and white, low ones may be ids, of which white is none. */
const isMatte = (data: Values, { max, min, some }: Look): boolean =>
  min === 0 &&
  max >= 200 &&
  max <= 255 &&
  some.size > 2 &&
  data.some((value: number) => value >= 16 && value < 255)

/** Where a mask of shades begins by the part of white that an answer states. */
const statedOf = (data: Values, seen: Look, stated: number | undefined): number | undefined => {
  if (stated === undefined || seen.min < 0) return undefined
  if (!seen.isWhole && seen.max <= 1) return stated
  return isMatte(data, seen) ? MaskThreshold.at(stated, 255) : undefined
}

const inside = (
  data: Values,
  threshold: number,
  { classId = 1, inverted = false }: BinaryOptions
): LabelData => {
  const ids =
    classId <= 0xff
      ? new Uint8Array(data.length)
      : classId <= 0xffff
        ? new Uint16Array(data.length)
        : new Uint32Array(data.length)
  for (let i = 0; i < data.length; i++) ids[i] = data[i]! >= threshold !== inverted ? classId : 0
  return ids
}

/** Class ids in the narrowest storage. */
const narrow = (ids: ArrayLike<number>): LabelData => {
  if (ids instanceof Uint8Array) return ids
  let maxId = 0
  for (let i = 0; i < ids.length; i++) if (ids[i]! > maxId) maxId = ids[i]!
  if (maxId <= 0xff) return Uint8Array.from(ids)
  if (maxId <= 0xffff) return ids instanceof Uint16Array ? ids : Uint16Array.from(ids)
  return ids instanceof Uint32Array ? ids : Uint32Array.from(ids)
}

/** The first value that is no class id. */
const noId = (data: Values, hint: string): Result.Result<never, Flaw> => {
  const at = data.findIndex((value) => !(Number.isInteger(value) && value >= 0))
  return Result.fail({ at, detail: `is ${data[at]}, and no class id${hint}` })
}

/** The ids of a plane. Not for the indices of a picture with a palette, in which 255 is no white. */
export const toIds = (data: Values, options: PlaneOptions): Result.Result<LabelData, Flaw> => {
  const seen = look(data)
  const { called = "binary", classes = [], ignoreIndex } = options
  const fail = (detail: string) => Result.fail({ detail })
  if (typeof options.binary === "object" || options.binary === true) {
    const binary = options.binary === true ? {} : options.binary
    const threshold = binary.threshold ?? statedOf(data, seen, options.stated) ?? thresholdOf(data, seen)
    return threshold === undefined
      ? fail(`its values leave open where the mask begins. Say so with \`${called}: { threshold }\``)
      : Result.succeed(inside(data, threshold, binary))
  }
  const isIds = seen.isWhole && seen.min >= 0
  const onlyClass = () => {
    const ids = classes.map(({ id }) => id).filter((id) => id !== 0)
    return classes.length === 0 ? 1 : ids.length === 1 && classes.length <= 2 ? ids[0] : undefined
  }
  if (!isIds) {
    const threshold = statedOf(data, seen, options.stated) ?? thresholdOf(data, seen)
    const classId = onlyClass()
    if (options.binary === false) return noId(data, "")
    return threshold === undefined || classId === undefined
      ? noId(
          data,
          `. If it says how sure the model is of one class, say which and from where on with \`${called}: { classId, threshold }\``
        )
      : Result.succeed(inside(data, threshold, { classId }))
  }
  if (options.binary !== false && classes.length === 0 && areSteps(seen.greys)) {
    return fail(
      `its values are ${seen.greys.join(", ")}, in equal steps: greys that show classes to eyes? Say that they are class ids with \`${called}: false\` or \`classes\`, or that it is a mask with \`${called}: true\``
    )
  }
  const white = seen.max > 255 ? 65_535 : 255
  const isTwo = seen.max === white && [...seen.some].every((value) => value === 0 || value === white)
  const areMany = classes.length === 0 && options.as !== "ids" && areShades(seen)
  if (
    options.binary === false ||
    (seen.max < 200 && !areMany) ||
    ignoreIndex === white ||
    ClassTable.get(classes, white) !== undefined
  ) {
    return Result.succeed(narrow(data))
  }
  if (isTwo) {
    const classId = onlyClass()
    return classId === undefined
      ? fail(
          `it has no value but 0 and ${white}: a mask of one of the ${classes.length} classes. Say which with \`${called}: { classId }\`, or that ${white} is no class with \`ignoreIndex\``
        )
      : Result.succeed(inside(data, white, { classId }))
  }
  const such = areMany ? seen.max : seen.max <= 255 ? seen.high : undefined
  if (classes.length === 0 && such !== undefined) {
    // Few values may be ids, whatever begins where.
    const threshold = seen.greys.length > 0 ? undefined : statedOf(data, seen, options.stated)
    if (threshold !== undefined) return Result.succeed(inside(data, threshold, {}))
    return fail(
      `it has values such as ${such}, which may be how sure it is of one class. Say so with \`${called}: true\`, or that they are class ids with \`${called}: false\` or \`classes\``
    )
  }
  return Result.succeed(narrow(data))
}

/** How a mask of a list is to be read, by what the others of the list are. */
export interface ListedOptions extends BinaryOptions, Pick<PlaneOptions, "stated"> {
  /** From which part of white on they begin, where one of them is soft. */
  readonly half?: number | undefined
}

/** The mask of one thing, and whether its values are how sure somebody is of each pixel, as a picture's are. */
export interface Thing {
  readonly data: Uint8Array
  readonly isSoft: boolean
}

/**
 * The mask of one thing, of which nobody says more: whole numbers are 0 and one other, as 1 and white alone are, or the greys of
 * a matte, of which half of white and more is inside, as in a picture.
 */
export const toMask = (
  data: Values,
  { half, inverted, stated, threshold }: ListedOptions = {}
): Result.Result<Thing, Flaw> => {
  const seen = look(data)
  const { isWhole, max, min, some } = seen
  const [first = 0] = some
  const isMask = some.size < 2 ? [0, 1, 255, 65_535].includes(first) : some.size === 2 && some.has(0)
  const isSoft = threshold === undefined && isMatte(data, seen)
  const share = isSoft ? (stated ?? 0.5) : isWhole && max > 1 ? half : undefined
  const from =
    threshold ??
    (share === undefined ? statedOf(data, seen, stated) : MaskThreshold.at(share, max > 255 ? 65_535 : 255))
  return from === undefined && isWhole && min >= 0 && !isMask
    ? Result.fail({
        detail: `its values are ${[...some].join(", ")}${some.size > 2 ? " and others" : ""}: a mask has 0 and one other, or how sure it is from 0 to 1 or from 0 to 255. Say with \`binary: { threshold }\` from which value on a pixel is inside`
      })
    : Result.map(toIds(data, { binary: { inverted, threshold: from } }), (ids) => ({
        data: Uint8Array.from(ids),
        isSoft
      }))
}
