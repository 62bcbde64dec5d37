/**
 * Arrays of numbers as predictions, whoever sent them: class ids in one plane, one class in one plane, or scores in a plane
 * for each class. `Layout` says what the axes are, `Plane` what the values of one plane are.
 */
import { Effect, Result } from "effect"
import type * as ClassTable from "../mask/ClassTable.ts"
import type * as LabelMap from "../mask/LabelMap.ts"
import type { Logits } from "../mask/Logits.ts"
import * as Steps from "../mask/Steps.ts"
import * as Fit from "../mask/Fit.ts"
import type { Answer } from "../service/Exchange.ts"
import { type Decoded, fail } from "./EncodedPicture.ts"
import * as Layout from "./Layout.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as NestedArray from "./NestedArray.ts"
import * as Plane from "./Plane.ts"

export interface ArrayOptions extends Pick<
  MaskDecoding.MaskOptions,
  "classes" | "palette" | "binary" | "ignoreIndex" | "transposed"
> {
  readonly as?: "ids" | "logits" | undefined
  readonly channels?: "first" | "last" | undefined
  readonly called?: string | undefined
  /** From which part of white on a pixel is in a soft mask, as an answer says. */
  readonly stated?: number | undefined
}

/** What an array was. */
export type Read =
  | { readonly _tag: "Labels"; readonly labelMap: LabelMap.LabelMap }
  | { readonly _tag: "Logits"; readonly logits: Logits }

/** Rows as columns, of each of several planes. */
function* transpose(data: Float32Array, { height, width }: Fit.Size): Steps.Steps<Float32Array> {
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
function* channelsFirst(data: Float32Array, positions: number, classes: number): Steps.Steps<Float32Array> {
  const out = new Float32Array(data.length)
  const rows = Steps.rowsPerStep(classes)
  for (let i = 0, at = 0; i < positions; i++) {
    if (i % rows === rows - 1) yield
    for (let k = 0; k < classes; k++) out[k * positions + i] = data[at++]!
  }
  return out
}

/** Whether scores are whole numbers and no one-hot ones: colours of a picture, or several maps. */
function* areColors(
  data: Float32Array | Uint32Array,
  classes: number,
  options: ArrayOptions
): Steps.Steps<boolean> {
  if (options.as === "logits") return false
  let most = 0
  for (let i = 0; i < data.length; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    const value = data[i]!
    if (value < 0 || !Number.isInteger(value)) return false
    if (value > most) most = value
  }
  return data instanceof Uint32Array ? most > 1 : most > 100 && classes <= 4
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
function* areThings(
  data: Float32Array,
  classes: number,
  isNamed: boolean,
  options: ArrayOptions
): Steps.Steps<boolean> {
  if (options.as === "logits") return false
  const size = data.length / classes
  const looks = []
  for (let k = 0; k < classes; k++) {
    const seen = yield* lookAt(data.subarray(k * size, (k + 1) * size))
    if (seen.hasNegative) return false
    looks.push(seen)
  }
  const isOne = new Set(looks.flatMap(({ one }) => one ?? [])).size <= 1
  // Planes that are one number all over are of a picture with one class, scored: of several numbers, each needs a 0.
  const areFlat = looks.every(({ hasZero, isFlat }) => (isOne || hasZero) && isFlat)
  const rows = Steps.rowsPerStep(classes)
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let covers = 0
    for (let k = 0; k < classes; k++) if (data[k * size + at] !== 0) covers++
    if (areFlat ? covers !== 1 : covers === 0 && !isNamed) return true
  }
  return false
}

/** What stands for all that is of no class, as data sets call it. */
const backgrounds = /^[\W_]*(background|bg|others?|none|void|unlabel?led|nothing)[\W_]*$/i

/**
 * Whether planes are how sure a model is of each class by itself, from 0 to 1, and a pixel may be of none of them: the highest would be
 * some class of every pixel.
 */
function* areSigmoids(
  data: Float32Array,
  planes: number,
  classes: ClassTable.ClassTable,
  { as }: ArrayOptions
): Steps.Steps<boolean> {
  if (as === "logits" || classes.length !== planes || classes.some(({ name }) => backgrounds.test(name)))
    return false
  const size = data.length / planes
  const rows = Steps.rowsPerStep(planes)
  // Each of many shares of few digits is rounded.
  const tolerance = 0.02 + planes * 0.005
  let isOfNone = false
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let most = 0
    let sum = 0
    for (let k = 0; k < planes; k++) {
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
function* stranger(
  planes: Float32Array,
  channels: number,
  classes: ClassTable.ClassTable
): Steps.Steps<number | undefined> {
  const known = new Set(classes.map(({ id }) => id))
  if (known.size === 0 || Array.from({ length: channels }, (_, id) => id).every((id) => known.has(id))) {
    return undefined
  }
  const size = planes.length / channels
  const rows = Steps.rowsPerStep(channels)
  for (let at = 0; at < size; at++) {
    if (at % rows === rows - 1) yield
    let best = 0
    for (let k = 1; k < channels; k++) if (planes[k * size + at]! > planes[best * size + at]!) best = k
    if (!known.has(best)) return best
  }
  return undefined
}

/**
 * The plane of class ids in an array that has for each pixel its class and how sure that is, as the segmenter that comes with
 * TorchServe answers. Scores of two classes are no whole numbers in one of them and parts of 1 in the other.
 */
function* idsOfPairs(
  data: Float32Array | Uint32Array,
  shape: ReadonlyArray<number>,
  { as }: ArrayOptions
): Steps.Steps<{ readonly shape: ReadonlyArray<number>; readonly data: Float32Array } | undefined> {
  if (as === "logits" || !(data instanceof Float32Array)) return undefined
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

/** The prediction in an array of this shape. `images` is the image as the model saw it, and as it is. */
export const read = (
  answer: Answer,
  path: string,
  data: Float32Array | Uint32Array,
  shape: ReadonlyArray<number>,
  images: ReadonlyArray<Fit.Size>,
  options: ArrayOptions,
  isNested = false
): Decoded<Read> =>
  Effect.gen(function* () {
    const classes = MaskDecoding.classesOf(options)
    const { as, channels, transposed } = options
    const pairs = yield* Steps.run(() => idsOfPairs(data, shape, options))
    if (pairs !== undefined)
      return yield* read(answer, path, pairs.data, pairs.shape, images, { ...options, binary: false })
    const known = { images, classes, channels, transposed, as }
    const layout = yield* Steps.run(() => Layout.decide(shape, data, known))
    if (Result.isFailure(layout)) return yield* fail(answer, path, layout.failure)
    const { height, width } = layout.success
    if (layout.success.classes === 1) {
      const ids = Plane.toIds(data, { ...options, classes })
      if (Result.isFailure(ids)) {
        const { at, detail } = ids.failure
        if (at === undefined) return yield* fail(answer, path, detail)
        return yield* isNested
          ? fail(
              answer,
              [path, ...NestedArray.pathOf(at, shape)].filter((key) => key !== "").join("."),
              `it ${detail}`
            )
          : fail(answer, path, `value ${at} ${detail}`)
      }
      const map = MaskDecoding.upright({ width, height, data: ids.success }, transposed)
      return { _tag: "Labels", labelMap: yield* MaskDecoding.withClasses(answer, path, map, options) }
    }
    if (yield* Steps.run(() => areColors(data, layout.success.classes, options))) {
      const detail = `its shape is [${shape.join(", ")}], of whole numbers: colours of a picture? Say with \`as: "logits"\` if they are scores`
      return yield* fail(answer, path, detail)
    }
    const scores = data instanceof Float32Array ? data : Float32Array.from(data)
    const planes =
      layout.success.channels === "last"
        ? yield* Steps.run(() => channelsFirst(scores, height * width, layout.success.classes))
        : scores
    const isNamed = classes.length > 0
    if (yield* Steps.run(() => areSigmoids(planes, layout.success.classes, classes, options))) {
      const detail = `its shape is [${shape.join(", ")}], of parts of 1 that do not add up: how sure it is of each class by itself? Send a list of masks with labels, or say with \`as: "logits"\` that the highest counts`
      return yield* fail(answer, path, detail)
    }
    if (yield* Steps.run(() => areThings(planes, layout.success.classes, isNamed, options))) {
      const detail = `its shape is [${shape.join(", ")}], of planes that overlap or leave gaps of 0 in all of them: masks of things? They need a list of as many labels beside them. Say with \`as: "logits"\` if they are scores`
      return yield* fail(answer, path, detail)
    }
    const odd = yield* Steps.run(() => stranger(planes, layout.success.classes, classes))
    if (odd !== undefined) {
      const detail = `its shape is [${shape.join(", ")}], and channel ${odd}, which is the highest somewhere, is of no class that is known. Give all classes of the model as \`classes\``
      return yield* fail(answer, path, detail)
    }
    return {
      _tag: "Logits",
      logits: {
        classes: layout.success.classes,
        ...(transposed === true
          ? {
              ...Fit.turn({ height, width }),
              data: yield* Steps.run(() => transpose(planes, { height, width }))
            }
          : { height, width, data: planes })
      }
    }
  })

/** The prediction in a nested array. */
export const fromNested = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Fit.Size,
  options: ArrayOptions
): Decoded<Read> =>
  Effect.gen(function* () {
    const flat = yield* Effect.mapError(
      options.as === "ids" && options.binary === undefined
        ? NestedArray.ids(value)
        : NestedArray.values(value),
      MaskDecoding.flawed(answer, path)
    )
    return yield* read(answer, path, flat.data, flat.shape, [image], options, true)
  })
