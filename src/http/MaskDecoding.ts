/**
 * Masks as services send them, to label maps: PNG of 1 to 16 bits with its ids kept, coloured PNG by a palette, masks
 * of one class (0/1 or 0/255, inverted on request), several of those, nested arrays of ids, and COCO's RLE.
 *
 * A mask of more pixels than allowed is refused by its header, before anything is unpacked. Each failure is a
 * `ResponseNotDecodable` that names the field. Sizes other than the image's are for `Segmentation` to judge.
 */
import { Effect, Result } from "effect"
import type { Image } from "../image/ImageSource.ts"
import * as BinaryMask from "../mask/BinaryMask.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Fit from "../mask/Fit.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import type { MaskNotDecodable } from "../mask/MaskError.ts"
import * as MaskThreshold from "../mask/MaskThreshold.ts"
import * as PngFile from "../mask/PngFile.ts"
import * as PngPaused from "../mask/PngPaused.ts"
import * as Masks from "../mask/Masks.ts"
import * as Rle from "../mask/Rle.ts"
import * as Steps from "../mask/Steps.ts"
import * as Background from "../render/Background.ts"
import { type CodeNotLoaded, lazily } from "../service/CodeNotLoaded.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"
import { type Decoded, fail, textToBytes } from "./EncodedPicture.ts"
import { maxPixels } from "./MaskLimits.ts"
import * as MapValues from "./MapValues.ts"
import * as MaskShape from "./MaskShape.ts"
import type * as NestedArray from "./NestedArray.ts"
import type * as Outlines from "./Outlines.ts"
import * as Packed from "./Packed.ts"
import * as Plane from "./Plane.ts"

export interface MaskOptions {
  /** The model's classes: their names, and which ids there can be. Without them any id is taken. */
  readonly classes?: ClassTable.ClassTable | undefined
  /** Which class each colour of a coloured mask is. Its names serve as classes where there are no others. */
  readonly palette?: ClassTable.ClassTable | undefined
  /** Take the class of an indexed PNG from its colours instead of its indices. Off by default. */
  readonly byColor?: boolean | undefined
  /** The id of colours that the palette lacks. By default they are a failure. */
  readonly unknownColor?: number | undefined
  /**
   * The mask shows one class: `true` for class 1, or how. `false`: its values are class ids. By what it looks like, unless
   * given: a mask of 0 and 255 shows one class.
   */
  readonly binary?: boolean | Plane.BinaryOptions | undefined
  /** From which part of white on a pixel is in a soft mask, as an answer says beside it. @internal */
  readonly stated?: number | undefined
  /** Its rows are the image's columns. Off by default: a map of another shape than the image's is a failure. */
  readonly transposed?: boolean | undefined
  /**
   * Of which size the picture is that the points of outlines are of, such as `{ width: 640, height: 640 }`, or
   * `{ width: 1, height: 1 }` for parts of the sides; `"pixels"` of the image, cut off where they lie beyond. By what the answer says and
   * the points themselves, unless given.
   */
  readonly pointsOf?: Outlines.PointsOf | undefined
  /** The id of pixels that belong to no class. 255 by default, unless that is a class. */
  readonly ignoreIndex?: number | undefined
  /** The class of what no mask of several is on, where none of them is of it. The ignored id by default. @internal */
  readonly gap?: number | undefined
  /** Pixels a mask may have. Four times those of the image by default, and at least 4 million. */
  readonly maxPixels?: number | undefined
}

type Size = Pick<Image, "width" | "height">

/** The classes by which a map is judged and named. */
export const classesOf = (options: Pick<MaskOptions, "classes" | "palette">): ClassTable.ClassTable =>
  options.classes ?? options.palette ?? []

const fromMask = <A>(
  answer: Answer,
  path: string,
  self: Result.Result<A, Pick<MaskNotDecodable, "detail">>
): Decoded<A> =>
  Result.isSuccess(self) ? Effect.succeed(self.success) : fail(answer, path, self.failure.detail)

/** Fails where an id is that of no class; notes the ignored one. */
export const withClasses = (
  answer: Answer,
  path: string,
  map: LabelMap.LabelMap,
  options: Pick<MaskOptions, "classes" | "palette" | "ignoreIndex" | "binary"> & {
    readonly as?: "ids" | "logits" | undefined
  }
): Decoded<LabelMap.LabelMap> =>
  Effect.gen(function* () {
    const classes = classesOf(options)
    const ignoreIndex =
      options.ignoreIndex ?? map.ignoreIndex ?? (ClassTable.get(classes, 255) === undefined ? 255 : undefined)
    const known = ignoreIndex === undefined ? map : { ...map, ignoreIndex }
    const mayBePacked = classes.length === 0 && options.binary !== false && options.as !== "ids"
    const flaw =
      classes.length > 0
        ? yield* Steps.run(() => MapValues.strangerIn(known, classes))
        : mayBePacked
          ? yield* Steps.run(() => Packed.flawOf(known))
          : undefined
    return flaw === undefined ? known : yield* fail(answer, path, flaw)
  })

const binary = (options: MaskOptions): Plane.BinaryOptions | undefined =>
  options.binary === true ? {} : options.binary === false ? undefined : options.binary

const toLabels = (mask: BinaryMask.BinaryMask, options: Plane.BinaryOptions): LabelMap.LabelMap => {
  const classId = options.classId ?? 1
  const data = LabelMap.allocate(classId, mask.data.length)
  for (let i = 0; i < data.length; i++) data[i] = mask.data[i] === 0 ? 0 : classId
  return { width: mask.width, height: mask.height, data }
}

/** The samples of a PNG. A large one is read while others have their turn. */
const pictureOf = (answer: Answer, path: string, png: Uint8Array, image: Size, options: MaskOptions) =>
  Effect.mapError(
    PngPaused.read(png, path === "" ? "the body" : path, maxPixels(image, options)),
    ({ detail }) => Decode.notDecodable(answer, path, detail, "")
  )

/**
 * The mask of one class in a picture; from which part of white on the others of its list begin, where this one says that they are soft, or
 * `half` where another said so.
 */
const maskOf = (picture: PngFile.Picture, options: MaskOptions, half?: number) => {
  const { inverted, threshold } = binary(options) ?? {}
  const white = picture.palette === undefined ? 2 ** picture.depth - 1 : 255
  const isSoft =
    threshold === undefined && MaskThreshold.softOf(PngFile.brightness(picture), white) !== undefined
  const share = isSoft ? (options.stated ?? 0.5) : half
  const from = threshold ?? (share === undefined ? undefined : MaskThreshold.at(share, white))
  return { share: isSoft ? share : undefined, mask: LabelPng.maskOf(picture, { threshold: from, inverted }) }
}

/** A map whose rows are columns, where the options say so. */
export const upright = (map: LabelMap.LabelMap, transposed: boolean | undefined): LabelMap.LabelMap =>
  transposed === true ? LabelMap.flipX(LabelMap.rotate(map, 90)) : map

/** Whether an indexed picture is white and black, in this order: programs put the colour first that they see first. */
const isWhiteFirst = (palette: PngFile.Picture["palette"]): boolean =>
  palette?.length === 2 &&
  palette[0]!.every((value) => value === 255) &&
  palette[1]!.every((value) => value === 0)

/** A grey picture may show one class; an indexed one, or one that was read by its colours, holds ids. */
const judged = (
  { palette }: PngFile.Picture,
  map: LabelMap.LabelMap,
  options: MaskOptions
): Result.Result<LabelMap.LabelMap, string> =>
  isWhiteFirst(palette) && options.palette === undefined && options.binary !== false
    ? Result.fail(
        "its palette has white at 0 and black at 1: a mask, or ids? Say so with `binary: true` or `binary: false`"
      )
    : palette !== undefined || options.palette !== undefined
      ? Result.succeed(map)
      : Result.mapBoth(Plane.toIds(map.data, { ...options, classes: classesOf(options) }), {
          onSuccess: (data) => ({ ...map, data }),
          onFailure: ({ detail }) => detail
        })

/** The label map of a PNG: ids as stored, colours by the palette, or one class where the options say so. */
export const fromPng = Effect.fnUntraced(function* (
  answer: Answer,
  path: string,
  png: Uint8Array,
  image: Size,
  options: MaskOptions
): Effect.fn.Return<LabelMap.LabelMap, ResponseNotDecodable> {
  const picture = yield* pictureOf(answer, path, png, image, options)
  const single = binary(options)
  const { byColor, palette, unknownColor } = options
  const found =
    single === undefined
      ? LabelPng.ofPicture(picture, { palette, byColor, unknownColor })
      : Result.map(maskOf(picture, options).mask, (mask) => toLabels(mask, single))
  const read = yield* fromMask(answer, path, found)
  // Of a large picture each look at its pixels takes a while.
  yield* Effect.yieldNow
  const map =
    single === undefined
      ? yield* fromMask(
          answer,
          path,
          Result.mapError(judged(picture, read, options), (detail) => ({ detail }))
        )
      : read
  yield* Effect.yieldNow
  return yield* withClasses(answer, path, upright(map, options.transposed), options)
})

/** The same of a PNG in a text. */
export const fromText = (
  answer: Answer,
  path: string,
  text: string,
  image: Size,
  options: MaskOptions
): Decoded<LabelMap.LabelMap> =>
  Effect.flatMap(textToBytes(answer, path, text), (png) => fromPng(answer, path, png, image, options))

/** By hand: a schema takes many times as long over millions of counts. */
const isCocoRle = (value: unknown): value is Rle.CocoRle => {
  if (typeof value !== "object" || value === null || !("counts" in value && "size" in value)) return false
  const { counts, size } = value
  return (
    Array.isArray(size) &&
    size.length === 2 &&
    size.every(Number.isInteger) &&
    (typeof counts === "string" || (Array.isArray(counts) && counts.every(Number.isInteger)))
  )
}

/** Whether a value looks like COCO's RLE, right or wrong. */
export const looksLikeRle = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "counts" in value && "size" in value

/** Whether runs say that they go along the rows. */
const isByRow = (value: object): boolean =>
  "order" in value && /^(?:c|rows?(?:[-_ ]?major)?)$/i.test(String(value.order))

const rleMask = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Size,
  options: MaskOptions
): Decoded<BinaryMask.BinaryMask> =>
  Effect.suspend(() => {
    if (!isCocoRle(value)) {
      return fail(answer, path, "it is no RLE: { size: [height, width], counts }", Decode.quoted(value))
    }
    const limit = maxPixels(image, options)
    const [height, width] = value.size
    if (width * height > limit) {
      return fail(answer, path, `${width} x ${height} pixels are more than the ${limit} allowed`)
    }
    // COCO's go down the columns. Along the rows they are those of the picture with its sides exchanged.
    if (!isByRow(value)) return Effect.map(fromMask(answer, path, Rle.fromCoco(value, path)), Rle.toMask)
    const turned: Rle.CocoRle = { counts: value.counts, size: [width, height] }
    return Effect.map(fromMask(answer, path, Rle.fromCoco(turned, path)), (runs) =>
      BinaryMask.flipX(BinaryMask.rotate(Rle.toMask(runs), 90))
    )
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
    withClasses(answer, path, upright(toLabels(mask, binary(options) ?? {}), options.transposed), options)
  )

/** What reads outlines: most answers have none. */
export const outlines = lazily(() => import("./Outlines.ts"))

/** Whether a mask may be the points of an outline, rather than a picture or runs of pixels. */
const mayBeDrawn = ({ beside, mask }: Outlines.Drawn): boolean =>
  typeof mask === "string"
    ? /^\s*-?[\d.]+\s*,/.test(mask) || beside?.["shape_type"] !== undefined
    : !looksLikeRle(mask)

/** One mask of several. */
export interface EncodedMask extends Outlines.Drawn {
  readonly classId: number
  readonly score?: number | undefined
}

/** The pixels of one mask of several, and from which part of white on the others begin, where it is soft. */
const pixelsOf = Effect.fnUntraced(function* (
  answer: Answer,
  { mask, path }: EncodedMask,
  image: Size,
  options: MaskOptions,
  half: number | undefined
) {
  if (typeof mask === "string") {
    const png = yield* textToBytes(answer, path, mask)
    const read = maskOf(yield* pictureOf(answer, path, png, image, options), options, half)
    return {
      ...read,
      mask: Result.mapError(read.mask, ({ detail }) => Decode.notDecodable(answer, path, detail, ""))
    }
  }
  if (!Array.isArray(mask))
    return { share: undefined, mask: yield* Effect.result(rleMask(answer, path, mask, image, options)) }
  const { stated, transposed } = options
  const seen = transposed === true ? Fit.turn(image) : image
  const how = { ...binary(options), stated, half }
  const read = yield* Effect.result(MaskShape.fromArray(answer, path, mask, seen, how))
  return { mask: read, share: Result.isSuccess(read) && read.success.isSoft ? (stated ?? 0.5) : undefined }
})

/**
 * Of a map of these ids: the ignored one, the one of what none of them is on, and the largest of all. The ignored one is that of no class that is
 * known either, but of one for what is of no class.
 */
export const groundOf = (ids: Iterable<number>, options: MaskOptions) => {
  const taken = new Set(ids)
  const known = classesOf(options).flatMap(({ id, name }) => (Background.isName(name) ? [] : id))
  const ignoreIndex = options.ignoreIndex ?? LabelMap.freeId([...known, ...taken])
  const isFree = options.ignoreIndex === undefined && options.gap !== undefined && !taken.has(options.gap)
  const gap = isFree ? options.gap : ignoreIndex
  let most = Math.max(ignoreIndex, gap)
  for (const id of taken) most = Math.max(most, id)
  return { ignoreIndex, gap, most }
}

/**
 * The label map of masks of one class each, which may overlap and leave gaps: the higher score wins, of equal ones
 * the first, and gaps are the ignored id. One mask is unpacked at a time, and others get a turn in between. Where one is
 * soft, all of them are, and a weak one is a mask without its thing: those that were read otherwise are read anew. What stands
 * `around` them may say of what size the picture is that outlines are of.
 */
export const fromMasks = (
  answer: Answer,
  masks: ReadonlyArray<EncodedMask>,
  image: Size,
  options: MaskOptions,
  around: ReadonlyArray<Readonly<Record<string, unknown>>> = []
): Effect.Effect<LabelMap.LabelMap, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.gen(function* () {
    const { gap, ignoreIndex, most } = groundOf(
      masks.map(({ classId }) => classId),
      options
    )
    // The map is turned as a whole.
    const seen = options.transposed === true ? Fit.turn(image) : image
    const limit = maxPixels(image, options)
    const draws = masks.some(mayBeDrawn)
      ? yield* (yield* outlines).read(answer, masks, around, seen, limit, options.pointsOf)
      : []
    const drawn = masks.map((mask, index) => ({ ...mask, draw: draws[index] }))
    let map:
      | { readonly width: number; readonly height: number; readonly data: LabelMap.LabelData }
      | undefined
    const ordered = Masks.weakestFirst(drawn)
    let half: number | undefined
    let open: ResponseNotDecodable | undefined
    for (let index = 0; index < ordered.length; index++) {
      const each = ordered[index]!
      const { mask: read, share } =
        each.draw === undefined
          ? yield* pixelsOf(answer, each, image, options, half)
          : { mask: Result.succeed(each.draw()), share: undefined }
      if (half === undefined && share !== undefined) {
        half = share
        if (index > 0) {
          // From the start: the ones before were read as if none were soft.
          open = undefined
          map = undefined
          index = -1
          yield* Effect.yieldNow
          continue
        }
      }
      if (Result.isFailure(read)) {
        // A later one may be soft.
        open ??= read.failure
        yield* Effect.yieldNow
        continue
      }
      const mask = read.success
      const { data, height, width } = mask
      map ??= {
        width,
        height,
        data: LabelMap.allocate(most, width * height).fill(gap)
      }
      if (width !== map.width || height !== map.height) {
        const detail = `it is ${width} x ${height} pixels, and others ${map.width} x ${map.height}`
        return yield* fail(answer, each.path, detail)
      }
      for (let i = 0; i < data.length; i++) if (data[i] !== 0) map.data[i] = each.classId
      yield* Effect.yieldNow
    }
    if (open !== undefined) return yield* open
    // Nothing was found: that is a map as well, of the image.
    const { height, width } = map ?? image
    const data = map?.data ?? LabelMap.allocate(most, width * height).fill(gap)
    return upright({ width, height, data, ignoreIndex }, map === undefined ? false : options.transposed)
  })

/** What is wrong with an array, at its place in the answer. */
export const flawed = (answer: Answer, path: string) => (flaw: NestedArray.Flaw) =>
  Decode.notDecodable(answer, [...(path === "" ? [] : [path]), ...flaw.path].join("."), flaw.detail, "")
