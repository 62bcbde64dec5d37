/**
 * Masks as services send them, to label maps: PNG of 1 to 16 bits with its ids kept, coloured PNG by a palette, masks
 * of one class (0/1 or 0/255, inverted on request), several of those, nested arrays of ids, and COCO's RLE.
 *
 * A mask of more pixels than allowed is refused by its header, before anything is unpacked. Each failure is a
 * `ResponseNotDecodable` that names the field. Sizes other than the image's are for `Segmentation` to judge.
 */
import { Effect, Result, Schema } from "effect"
import type { Image } from "../image/ImageSource.ts"
import type { BinaryMask } from "../mask/BinaryMask.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import type { Logits } from "../mask/Logits.ts"
import type { MaskNotDecodable } from "../mask/MaskError.ts"
import * as Masks from "../mask/Masks.ts"
import * as Rle from "../mask/Rle.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import { type Decoded, fail, textToBytes } from "./EncodedPicture.ts"
import { maxPixels } from "./MaskLimits.ts"
import * as NestedArray from "./NestedArray.ts"

/** How a mask of one class is to be read. */
export interface BinaryOptions {
  /** The class of what is in the mask; 0 is what is not. 1 by default. */
  readonly classId?: number | undefined
  /** A pixel is in the mask from this value on. By default anything but 0. */
  readonly threshold?: number | undefined
  /** Black is in the mask. Off by default. */
  readonly inverted?: boolean | undefined
}

export interface MaskOptions {
  /** The model's classes: their names, and which ids there can be. Without them any id is taken. */
  readonly classes?: ClassTable.ClassTable | undefined
  /** Which class each colour of a coloured mask is. Its names serve as classes where there are no others. */
  readonly palette?: ClassTable.ClassTable | undefined
  /** Take the class of an indexed PNG from its colours instead of its indices. Off by default. */
  readonly byColor?: boolean | undefined
  /** The id of colours that the palette lacks. By default they are a failure. */
  readonly unknownColor?: number | undefined
  /** The mask shows one class. `true` for anything but 0 being class 1. */
  readonly binary?: boolean | BinaryOptions | undefined
  /** The id of pixels that belong to no class. 255 by default, unless that is a class. */
  readonly ignoreIndex?: number | undefined
  /** Pixels a mask may have. Four times those of the image by default, and at least 4 million. */
  readonly maxPixels?: number | undefined
}

type Size = Pick<Image, "width" | "height">

/** The classes by which a map is judged and named. */
export const classesOf = (options: MaskOptions): ClassTable.ClassTable =>
  options.classes ?? options.palette ?? []

const fromMask = <A>(answer: Answer, path: string, self: Result.Result<A, MaskNotDecodable>): Decoded<A> =>
  Result.isSuccess(self) ? Effect.succeed(self.success) : fail(answer, path, self.failure.detail)

/** Fails where an id is that of no class; notes the ignored one. */
export const withClasses = (
  answer: Answer,
  path: string,
  map: LabelMap.LabelMap,
  options: MaskOptions
): Decoded<LabelMap.LabelMap> =>
  Effect.suspend(() => {
    const classes = classesOf(options)
    const ignoreIndex =
      options.ignoreIndex ?? map.ignoreIndex ?? (ClassTable.get(classes, 255) === undefined ? 255 : undefined)
    const known = ignoreIndex === undefined ? map : { ...map, ignoreIndex }
    if (classes.length === 0) return Effect.succeed(known)
    for (const [id, count] of LabelMap.histogram(known)) {
      if (ClassTable.get(classes, id) === undefined) {
        const detail = `${count} pixels have the id ${id}, which is none of the model's ${classes.length} classes`
        return fail(answer, path, detail)
      }
    }
    return Effect.succeed(known)
  })

const binary = (options: MaskOptions): BinaryOptions | undefined =>
  options.binary === true ? {} : options.binary === false ? undefined : options.binary

const toLabels = (mask: BinaryMask, options: BinaryOptions): LabelMap.LabelMap => {
  const classId = options.classId ?? 1
  const data = LabelMap.allocate(classId, mask.data.length)
  for (let i = 0; i < data.length; i++) data[i] = mask.data[i] === 0 ? 0 : classId
  return { width: mask.width, height: mask.height, data }
}

/** The mask of one class in a PNG. */
const pngMask = (name: string, png: Uint8Array, image: Size, options: MaskOptions) => {
  const { inverted, threshold } = binary(options) ?? {}
  return LabelPng.decodeMask(png, { name, maxPixels: maxPixels(image, options), threshold, inverted })
}

/** The label map of a PNG: ids as stored, colours by the palette, or one class where the options say so. */
export const fromPng = (
  answer: Answer,
  path: string,
  png: Uint8Array,
  image: Size,
  options: MaskOptions
): Decoded<LabelMap.LabelMap> =>
  Effect.suspend(() => {
    const name = path === "" ? "the body" : path
    const single = binary(options)
    const decoded =
      single === undefined
        ? LabelPng.decode(png, {
            name,
            maxPixels: maxPixels(image, options),
            palette: options.palette,
            byColor: options.byColor,
            unknownColor: options.unknownColor
          })
        : Result.map(pngMask(name, png, image, options), (mask) => toLabels(mask, single))
    return Effect.flatMap(fromMask(answer, path, decoded), (map) => withClasses(answer, path, map, options))
  })

const CocoRle = Schema.Struct({
  size: Schema.Tuple([Schema.Int, Schema.Int]),
  counts: Schema.Union([Schema.String, Schema.Array(Schema.Int)])
})
const isCocoRle = Schema.is(CocoRle)

/** Whether a value looks like COCO's RLE, right or wrong. */
export const looksLikeRle = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "counts" in value && "size" in value

const rleMask = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Size,
  options: MaskOptions
): Decoded<BinaryMask> =>
  Effect.suspend(() => {
    if (!isCocoRle(value)) {
      const text = (JSON.stringify(value) ?? "undefined").slice(0, 400)
      return fail(answer, path, "it is no RLE: { size: [height, width], counts }", text)
    }
    const limit = maxPixels(image, options)
    const [height, width] = value.size
    if (width * height > limit) {
      return fail(answer, path, `${width} x ${height} pixels are more than the ${limit} allowed`)
    }
    return Effect.map(fromMask(answer, path, Rle.fromCoco(value, path)), Rle.toMask)
  })

/** The label map of one run-length encoded mask. */
export const fromRle = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Size,
  options: MaskOptions
): Decoded<LabelMap.LabelMap> =>
  Effect.flatMap(rleMask(answer, path, value, image, options), (mask) =>
    withClasses(answer, path, toLabels(mask, binary(options) ?? {}), options)
  )

/** One mask of several. */
export interface EncodedMask {
  /** Where it stands in the answer. */
  readonly path: string
  readonly classId: number
  readonly score?: number | undefined
  /** Base64 or a data URL of a PNG, or COCO's RLE. */
  readonly mask: unknown
}

/**
 * The label map of masks of one class each, which may overlap and leave gaps: the higher score wins, of equal ones
 * the first, and gaps are the ignored id. One mask is unpacked at a time, and others get a turn in between.
 */
export const fromMasks = (
  answer: Answer,
  path: string,
  masks: ReadonlyArray<EncodedMask>,
  image: Size,
  options: MaskOptions
): Decoded<LabelMap.LabelMap> =>
  Effect.gen(function* () {
    const maxId = Math.max(0, ...masks.map(({ classId }) => classId))
    const taken = masks.some(({ classId }) => classId === 255)
    const ignoreIndex = options.ignoreIndex ?? (taken ? maxId + 1 : 255)
    let map:
      | { readonly width: number; readonly height: number; readonly data: LabelMap.LabelData }
      | undefined
    for (const each of Masks.weakestFirst(masks)) {
      const mask: BinaryMask =
        typeof each.mask === "string"
          ? yield* Effect.flatMap(textToBytes(answer, each.path, each.mask), (png) =>
              fromMask(answer, each.path, pngMask(each.path, png, image, options))
            )
          : yield* rleMask(answer, each.path, each.mask, image, options)
      const { data, height, width } = mask
      map ??= {
        width,
        height,
        data: LabelMap.allocate(Math.max(maxId, ignoreIndex), width * height).fill(ignoreIndex)
      }
      if (width !== map.width || height !== map.height) {
        const detail = `it is ${width} x ${height} pixels, and others ${map.width} x ${map.height}`
        return yield* fail(answer, each.path, detail)
      }
      for (let i = 0; i < data.length; i++) if (data[i] !== 0) map.data[i] = each.classId
      yield* Effect.yieldNow
    }
    if (map === undefined) return yield* fail(answer, path, "there are no masks, so no size is known")
    return { ...map, ignoreIndex }
  })

const flawed = (answer: Answer, path: string) => (flaw: NestedArray.Flaw) =>
  Decode.notDecodable(answer, [...(path === "" ? [] : [path]), ...flaw.path].join("."), flaw.detail, "")

/** Class ids in the narrowest storage. */
export const narrow = (ids: Uint32Array): LabelMap.LabelData => {
  let maxId = 0
  for (let i = 0; i < ids.length; i++) if (ids[i]! > maxId) maxId = ids[i]!
  return maxId <= 0xff ? Uint8Array.from(ids) : maxId <= 0xffff ? Uint16Array.from(ids) : ids
}

/** Height and width of a map whose other dimensions are 1; `undefined` where it has others. */
export const planeOf = (
  shape: ReadonlyArray<number>
): readonly [height: number, width: number] | undefined => {
  const [first = 1, second = 1, ...rest] = shape
  if (shape.length === 2) return [first, second]
  if (shape.length > 2 && first === 1) return planeOf([second, ...rest])
  if (shape.length > 2 && shape.at(-1) === 1) return planeOf(shape.slice(0, -1))
  return undefined
}

/** The label map of a nested array of class ids: `[height][width]`, with or without further dimensions of 1. */
export const fromIds = (
  answer: Answer,
  path: string,
  value: unknown,
  options: MaskOptions
): Decoded<LabelMap.LabelMap> =>
  Effect.gen(function* () {
    const shape = NestedArray.shapeOf(value)
    const plane = shape && planeOf(shape)
    if (shape !== undefined && plane === undefined) {
      const detail = `it has the shape [${shape.join(", ")}], where a class map has [height, width]`
      return yield* fail(answer, path, detail)
    }
    const flat = yield* Effect.mapError(NestedArray.ids(value), flawed(answer, path))
    const [height, width] = planeOf(flat.shape)!
    return yield* withClasses(answer, path, { width, height, data: narrow(flat.data) }, options)
  })

/** Logits from a nested array: `[classes][height][width]`, or `[height][width][classes]` with `channels: "last"`. */
export const logitsFromNested = (
  answer: Answer,
  path: string,
  value: unknown,
  channels: "first" | "last"
): Decoded<Logits> =>
  Effect.gen(function* () {
    const flat = yield* Effect.mapError(NestedArray.scores(value), flawed(answer, path))
    const shape = flat.shape.length === 4 && flat.shape[0] === 1 ? flat.shape.slice(1) : flat.shape
    if (shape.length !== 3) {
      return yield* fail(
        answer,
        path,
        `it has the shape [${shape.join(", ")}], where logits have three dimensions`
      )
    }
    const [a, b, c] = [shape[0]!, shape[1]!, shape[2]!]
    return channels === "first"
      ? { data: flat.data, classes: a, height: b, width: c }
      : { data: channelsFirst(flat.data, a * b, c), classes: c, height: a, width: b }
  })

/** `[positions, classes]` as `[classes, positions]`. */
export const channelsFirst = (data: Float32Array, positions: number, classes: number): Float32Array => {
  const out = new Float32Array(data.length)
  for (let i = 0, at = 0; i < positions; i++) {
    for (let k = 0; k < classes; k++) out[k * positions + i] = data[at++]!
  }
  return out
}
