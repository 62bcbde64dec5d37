/**
 * Arrays of numbers as predictions, whoever sent them: class ids in one plane, one class in one plane, or scores in a plane
 * for each class. `Layout` says what the axes are, `Plane` what the values of one plane are.
 */
import { Effect, Result } from "effect"
import type * as LabelMap from "../mask/LabelMap.ts"
import type { Logits } from "../mask/Logits.ts"
import * as Steps from "../mask/Steps.ts"
import * as Fit from "../mask/Fit.ts"
import { type CodeNotLoaded, lazily } from "../service/CodeNotLoaded.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"
import { fail } from "./EncodedPicture.ts"
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

/** What looks at planes of scores: most answers have a map. */
const judging = lazily(() => import("./ScorePlanes.ts"))

/** What an array was. */
export type Read =
  | { readonly _tag: "Labels"; readonly labelMap: LabelMap.LabelMap }
  | { readonly _tag: "Logits"; readonly logits: Logits }

/** The prediction in an array of this shape. `images` is the image as the model saw it, and as it is. */
export const read = (
  answer: Answer,
  path: string,
  data: Float32Array | Uint32Array,
  shape: ReadonlyArray<number>,
  images: ReadonlyArray<Fit.Size>,
  options: ArrayOptions,
  isNested = false
): Effect.Effect<Read, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.gen(function* () {
    const classes = MaskDecoding.classesOf(options)
    const { as, channels, transposed } = options
    const mayBePairs = as !== "logits" && data instanceof Float32Array && shape.includes(2)
    const pairs = mayBePairs
      ? yield* Effect.flatMap(judging, ({ idsOfPairs }) => Steps.run(() => idsOfPairs(data, shape)))
      : undefined
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
    const { channels: order, classes: count } = layout.success
    const scores = data instanceof Float32Array ? data : Float32Array.from(data)
    const { channelsFirst, flawOf, transpose } = yield* judging
    const planes =
      order === "last" ? yield* Steps.run(() => channelsFirst(scores, height * width, count)) : scores
    const seen = { data: planes, count, isIntegers: data instanceof Uint32Array }
    const flaw = yield* Steps.run(() => flawOf(seen, classes, options))
    if (flaw !== undefined) return yield* fail(answer, path, `its shape is [${shape.join(", ")}], ${flaw}`)
    return {
      _tag: "Logits",
      logits: {
        classes: count,
        ...(transposed === true
          ? {
              ...Fit.turn({ height, width }),
              data: yield* Steps.run(() => transpose(planes, { height, width }))
            }
          : { height, width, data: planes })
      }
    }
  })

/** Whether an array is points of an outline, or pixels by their places. Of an image that is but a few pixels wide it may be a map. */
const arePoints = (shape: ReadonlyArray<number>, image: Fit.Size): boolean => {
  const [height = 0, width = 0] = shape.slice(-2)
  const isOne = shape.slice(0, -2).every((side) => side === 1)
  const isPairs = Math.min(height, width) === 2 && Math.max(height, width) > 2
  const isFlat = height === 1 && width >= 6 && width % 2 === 0
  const fit = Fit.of({ height, width }, image)
  return (
    isOne &&
    (isPairs || isFlat) &&
    Math.min(image.height, image.width) > 8 &&
    fit !== "scaled" &&
    fit !== "exact"
  )
}

/** The prediction in a nested array. */
export const fromNested = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Fit.Size,
  options: ArrayOptions
): Effect.Effect<Read, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.gen(function* () {
    const flat = yield* Effect.mapError(
      options.as === "ids" && options.binary === undefined
        ? NestedArray.ids(value)
        : NestedArray.values(value),
      MaskDecoding.flawed(answer, path)
    )
    if (options.as === undefined && arePoints(flat.shape, image)) {
      const detail = `it has the shape [${flat.shape.join(", ")}], which is that of points and of no map. Points are read where an object says whose they are: { label, points }`
      return yield* fail(answer, path, detail)
    }
    return yield* read(answer, path, flat.data, flat.shape, [image], options, true)
  })
