/**
 * Arrays of several planes: put into order, and what is wrong with them as scores, a plane for each class. They may be colours of a picture,
 * several maps, masks of things, how sure a model is of each class by itself, or channels of no class; the highest would be some class of every
 * pixel, in silence.
 */
import type * as ClassTable from "../mask/ClassTable.ts"
import type * as Fit from "../mask/Fit.ts"
import * as Steps from "../mask/Steps.ts"
import * as Background from "../render/Background.ts"

/** The planes, one after the other, as they came. */
export interface Planes {
  readonly data: Float32Array
  readonly count: number
  /** They came as integers. */
  readonly isIntegers: boolean
}

/** The highest value, where all are whole numbers from 0 on. */
function* mostOf(data: Float32Array): Steps.Steps<number | undefined> {
  let most = 0
  for (let i = 0; i < data.length; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    const value = data[i]!
    if (value < 0 || !Number.isInteger(value)) return undefined
    if (value > most) most = value
  }
  return most
}

/** Whether each pixel has as much in all planes together, as votes and shares of 100 or 255 have: those are rounded. */
function* areShares({ count, data }: Planes): Steps.Steps<boolean> {
  const size = data.length / count
  let [least, most] = [Infinity, -Infinity]
  const rows = Steps.rowsPerStep(count)
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let sum = 0
    for (let k = 0; k < count; k++) sum += data[k * size + at]!
    least = Math.min(least, sum)
    most = Math.max(most, sum)
  }
  const isNear = (whole: number) => Math.max(whole - least, most - whole) <= count / 2
  return least === most || isNear(100) || isNear(255)
}

/** What the values of a plane have in common: whether one is below 0 or is 0, and the first other, where all others are it. */
function* lookAt(plane: Float32Array) {
  let one: number | undefined
  let [hasNegative, hasZero, isFlat] = [false, false, true]
  for (let i = 0; i < plane.length && !hasNegative; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    const value = plane[i]!
    if (value === 0) hasZero = true
    else if (one === undefined) one = value
    else if (value !== one) isFlat = false
    if (value < 0) hasNegative = true
  }
  return { one, hasNegative, hasZero, isFlat }
}

/**
 * Whether planes are masks of things, and no scores of classes of which each pixel has one: nothing is below 0, and each is of
 * 0 and a number of its own, and they overlap or leave gaps; or, of classes that nobody names, a pixel is 0 in all of them.
 */
function* areThings({ count, data }: Planes, isNamed: boolean): Steps.Steps<boolean> {
  const size = data.length / count
  const looks = []
  for (let k = 0; k < count; k++) {
    const seen = yield* lookAt(data.subarray(k * size, (k + 1) * size))
    if (seen.hasNegative) return false
    looks.push(seen)
  }
  const isOne = new Set(looks.flatMap(({ one }) => one ?? [])).size <= 1
  // Planes that are one number all over are of a picture with one class, scored: of several numbers, each needs a 0.
  const areFlat = looks.every(({ hasZero, isFlat }) => (isOne || hasZero) && isFlat)
  const rows = Steps.rowsPerStep(count)
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let covers = 0
    for (let k = 0; k < count; k++) if (data[k * size + at] !== 0) covers++
    if (areFlat ? covers !== 1 : covers === 0 && !isNamed) return true
  }
  return false
}

/**
 * Whether planes are how sure a model is of each class by itself, from 0 to 1, and a pixel may be of none of them: the highest would be
 * some class of every pixel.
 */
function* areSigmoids({ count, data }: Planes, classes: ClassTable.ClassTable): Steps.Steps<boolean> {
  if (classes.length !== count || classes.some(({ name }) => Background.isRest(name))) return false
  const size = data.length / count
  const rows = Steps.rowsPerStep(count)
  // Each of many shares of few digits is rounded.
  const tolerance = 0.02 + count * 0.005
  let isOfNone = false
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let most = 0
    let sum = 0
    for (let k = 0; k < count; k++) {
      const value = data[k * size + at]!
      if (!(value >= 0 && value <= 1)) return false
      if (value > most) most = value
      sum += value
    }
    // What was padded has 0 in all.
    if (most < 0.5 && sum !== 0 && Math.abs(sum - 1) > tolerance) isOfNone = true
  }
  return isOfNone
}

/** A channel that is the highest somewhere, and of no class that is known. */
function* stranger({ count, data }: Planes, classes: ClassTable.ClassTable): Steps.Steps<number | undefined> {
  const known = new Set(classes.map(({ id }) => id))
  if (known.size === 0 || Array.from({ length: count }, (_, id) => id).every((id) => known.has(id))) {
    return undefined
  }
  const size = data.length / count
  const rows = Steps.rowsPerStep(count)
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let best = 0
    for (let k = 1; k < count; k++) if (data[k * size + at]! > data[best * size + at]!) best = k
    if (!known.has(best)) return best
  }
  return undefined
}

/** What is wrong with planes; `undefined` where the highest of them is the class of a pixel. */
export function* flawOf(
  planes: Planes,
  classes: ClassTable.ClassTable,
  { as, channels }: { readonly as?: "ids" | "logits" | undefined; readonly channels?: string | undefined }
): Steps.Steps<string | undefined> {
  const { count, data, isIntegers } = planes
  if (as !== "logits") {
    const most = yield* mostOf(data)
    if (most !== undefined && (isIntegers ? most > 1 : most > 100 && count <= 4))
      return 'of whole numbers: colours of a picture? Say with `as: "logits"` if they are scores'
    if (yield* areSigmoids(planes, classes))
      return 'of parts of 1 that do not add up: how sure it is of each class by itself? Send a list of masks with labels, or say with `as: "logits"` that the highest counts'
    if (yield* areThings(planes, classes.length > 0))
      return 'of planes that overlap or leave gaps of 0 in all of them: masks of things? They need a list of as many labels beside them. Say with `as: "logits"` if they are scores'
    // Who says where the classes are, or names as many, has scores.
    const isSaid = channels !== undefined || classes.length === count
    if (
      most !== undefined &&
      most > 1 &&
      (count <= 4 || most <= 40) &&
      !isSaid &&
      !(yield* areShares(planes))
    )
      return 'of whole numbers that do not add up: several maps of class ids? Say with `as: "logits"` if they are scores'
  }
  const odd = yield* stranger(planes, classes)
  return odd === undefined
    ? undefined
    : `and channel ${odd}, which is the highest somewhere, is of no class that is known. Give all classes of the model as \`classes\``
}

/** Rows as columns, of each of several planes. */
export function* transpose(data: Float32Array, { height, width }: Fit.Size): Steps.Steps<Float32Array> {
  const into = new Float32Array(data.length)
  const size = width * height
  const rows = Steps.rowsPerStep(width)
  for (let start = 0; start < data.length; start += size) {
    for (let y = 0; y < height; y++) {
      if (y % rows === rows - 1) yield
      for (let x = 0; x < width; x++) into[start + x * height + y] = data[start + y * width + x]!
    }
  }
  return into
}

/** `[positions, classes]` as `[classes, positions]`. */
export function* channelsFirst(
  data: Float32Array,
  positions: number,
  classes: number
): Steps.Steps<Float32Array> {
  const out = new Float32Array(data.length)
  const rows = Steps.rowsPerStep(classes)
  for (let i = 0, at = 0; i < positions; i++) {
    if (i % rows === rows - 1) yield
    for (let k = 0; k < classes; k++) out[k * positions + i] = data[at++]!
  }
  return out
}

/**
 * The plane of class ids in an array that has for each pixel its class and how sure that is, as the segmenter that comes with
 * TorchServe answers. Scores of two classes are no whole numbers in one of them and parts of 1 in the other.
 */
export function* idsOfPairs(
  data: Float32Array,
  shape: ReadonlyArray<number>
): Steps.Steps<{ readonly shape: ReadonlyArray<number>; readonly data: Float32Array } | undefined> {
  const dims = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape
  if (dims.length !== 3) return undefined
  const size = data.length / 2
  const planes = dims[2] === 2 ? yield* channelsFirst(data, size, 2) : dims[0] === 2 ? data : undefined
  if (planes === undefined) return undefined
  // With an axis of 1 it may be a map of ids, two pixels wide or high, which has no parts of 1.
  const isMap = dims.includes(1)
  let isOther = false
  for (let i = 0; i < size; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    const id = planes[i]!
    const score = planes[size + i]!
    if (!(Number.isInteger(id) && id >= 0 && score > 0 && score <= 1)) return undefined
    if (score < 1 || (id > 1 && !isMap)) isOther = true
  }
  const ids = planes.subarray(0, size)
  return isOther ? { shape: dims[2] === 2 ? dims.slice(0, 2) : dims.slice(1), data: ids } : undefined
}
