/**
 * Where the mask of an answer is, and what it is: the part of reading an answer that hand-written servers, TorchServe
 * and BentoML leave to their authors.
 *
 * Without options it is found by what it looks like: a PNG as the body, a nested array of ids, or one of the usual
 * fields of an object, there as base64, data URL, nested array, RLE or list of masks.
 */
import { Effect, Result } from "effect"
import type { Image } from "../image/ImageSource.ts"
import * as Steps from "../mask/Steps.ts"
import type { Pictures, Prediction } from "../Prediction.ts"
import * as Background from "../render/Background.ts"
import { type CodeNotLoaded, lazily } from "../service/CodeNotLoaded.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { Hosts } from "../service/Hosts.ts"
import type { ResponseNotDecodable, ServiceError } from "../service/ServiceError.ts"
import * as ArrayMask from "./ArrayMask.ts"
import * as CroppedMask from "./CroppedMask.ts"
import { fail, textToBytes, textToPng } from "./EncodedPicture.ts"
import { join, parentOf } from "./Fields.ts"
import * as LabelIds from "./LabelIds.ts"
import * as MaskContext from "./MaskContext.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as MaskList from "./MaskList.ts"
import * as MaskPaths from "./MaskPaths.ts"
import { isRecord, messageIn, reported, saysFailed } from "./protocol/Errors.ts"
import * as Segments from "./Segments.ts"
import * as Side from "./Side.ts"
import * as ErrorKind from "../ErrorKind.ts"

export interface MaskPlace {
  /** Field names and indices with dots between, such as `data.0.mask`. Looked for, unless given. */
  readonly at?: string | undefined
  /**
   * `"png"` (the body, or base64 or a data URL at a field), `"ids"` (nested array of class ids), `"rle"` (COCO),
   * `"masks"` (a list of `{ label or class_id, mask, score? }`), `"logits"` (nested array). By what it looks like,
   * unless given.
   */
  readonly as?: "png" | "ids" | "rle" | "masks" | "logits" | undefined
  /**
   * How scores are nested: `[classes][height][width]` is `"first"`, `[height][width][classes]` `"last"`. Told by their shape,
   * the classes and the image, unless given.
   */
  readonly channels?: "first" | "last" | undefined
}

export interface MaskAnswerOptions extends MaskDecoding.MaskOptions {
  readonly mask?: MaskPlace | undefined
  /** Fields that hold pictures as base64 PNG. Alone, without a mask, they make a prediction without a label map. */
  readonly pictures?: { readonly [K in keyof Pictures]?: string | undefined } | undefined
  /** Hosts besides the service's own that a mask may lie on, where the answer names its address. None by default. */
  readonly hosts?: Hosts | undefined
  /** The field that says how long the service took, in milliseconds. */
  readonly milliseconds?: string | undefined
}

/** Throws where the words for a mask are none that there are. */
export const check = (owner: string, mask: MaskPlace | undefined): void => {
  ErrorKind.oneOf(owner, "mask.as", mask?.as, ["png", "ids", "rle", "masks", "logits"])
  ErrorKind.oneOf(owner, "mask.channels", mask?.channels, ["first", "last"])
}

/** The files that a mask may be, by how they begin. */
const isPng = (bytes: Uint8Array): boolean => bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e
const npy = lazily(() => import("./NumPyFile.ts"))

const isNpy = (bytes: Uint8Array): boolean => bytes[0] === 0x93 && bytes[1] === 0x4e && bytes[2] === 0x55

/** Addresses of masks: whole, or a path of a file at the service itself. */
const addressOf = (value: unknown): string | undefined =>
  typeof value === "string" &&
  (/^https?:\/\/\S+$/i.test(value) || /^\/[\w./~-]+\.(png|npy)(\?\S*)?$/i.test(value))
    ? value
    : undefined

/** The prediction in a file: a PNG, or an array of NumPy's. */
export const fromFile = (
  answer: Answer,
  path: string,
  bytes: Uint8Array,
  image: Pick<Image, "width" | "height">,
  options: MaskAnswerOptions
): Effect.Effect<Prediction, ResponseNotDecodable | CodeNotLoaded> => {
  const classes = MaskDecoding.classesOf(options)
  const common = { classes, requestId: answer.requestId }
  if (!isNpy(bytes)) {
    const kind = isPng(bytes) ? undefined : Decode.kindOf(bytes)
    if (kind !== undefined) return fail(answer, path, `it should be a PNG, and is ${kind}`)
    return Effect.map(MaskDecoding.fromPng(answer, path, bytes, image, options), (labelMap): Prediction => ({
      ...common,
      _tag: "Labels",
      labelMap
    }))
  }
  return Effect.flatMap(
    Effect.flatMap(npy, ({ decode }) =>
      Effect.mapError(Effect.fromResult(decode(bytes, path)), ({ detail }) =>
        Decode.notDecodable(answer, path, detail, "")
      )
    ),
    ({ data, shape }) => {
      const values =
        data instanceof Uint32Array || data instanceof Float32Array ? data : Float32Array.from(data)
      const { as } = options.mask ?? {}
      const how = {
        ...options,
        as: as === "ids" || as === "logits" ? as : undefined,
        channels: options.mask?.channels
      }
      return values.includes(Number.NaN)
        ? fail(answer, path, "it has values that are NaN")
        : Effect.map(ArrayMask.read(answer, path, values, shape, [image], how), (read): Prediction => ({
            ...common,
            ...read
          }))
    }
  )
}

/** Of masks of several things, all else is background where the classes have one. */
const withGap = (options: MaskAnswerOptions): MaskAnswerOptions => ({
  ...options,
  gap: MaskDecoding.classesOf(options).find(({ name }) => Background.isGround(name))?.id
})

/** The prediction in the value at a path of an answer; what stands `around` it, from the inside out, may say of what size outlines are. */
export const fromValue = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Pick<Image, "width" | "height">,
  options: MaskAnswerOptions,
  around: ReadonlyArray<Readonly<Record<string, unknown>>> = []
): Effect.Effect<Prediction, ResponseNotDecodable | CodeNotLoaded> => {
  const classes = MaskDecoding.classesOf(options)
  const labels = (
    labelMap: Effect.Effect<Extract<Prediction, { _tag: "Labels" }>["labelMap"], ResponseNotDecodable>
  ) =>
    Effect.map(labelMap, (labelMap): Prediction => ({
      _tag: "Labels",
      labelMap,
      classes,
      requestId: answer.requestId
    }))
  const as =
    options.mask?.as ??
    (typeof value === "string"
      ? "png"
      : MaskDecoding.looksLikeRle(value)
        ? "rle"
        : MaskList.isMany(path, value) ||
            MaskList.isFeature(value) ||
            (Array.isArray(value) && value.length === 0)
          ? "masks"
          : path.endsWith("logits")
            ? "logits"
            : undefined)
  if (value === undefined || value === null)
    return Effect.fail(Decode.notDecodable(answer, path, "there is no mask"))
  switch (as) {
    case "png":
      return typeof value === "string"
        ? Effect.flatMap(textToBytes(answer, path, value), (bytes) =>
            fromFile(answer, path, bytes, image, options)
          )
        : fail(answer, path, "it is no base64 text", Decode.quoted(value))
    case "rle":
      return labels(MaskDecoding.fromRle(answer, path, value, image, options))
    case "masks":
      return Effect.flatMap(MaskList.read(answer, path, value), (masks) =>
        MaskList.toPrediction(answer, masks, image, withGap(options), around)
      )
    case "ids":
    case "logits":
    case undefined:
      return Effect.map(
        ArrayMask.fromNested(answer, path, value, image, {
          ...options,
          as,
          channels: options.mask?.channels
        }),
        (read): Prediction => ({ ...read, classes, requestId: answer.requestId })
      )
  }
}

/** The pictures that are asked for, but those that cannot be read; why one of them cannot. */
const picturesIn = (answer: Answer, json: unknown, options: MaskAnswerOptions) =>
  Effect.gen(function* () {
    const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
    let flaw: ResponseNotDecodable | undefined
    for (const kind of ["overlay", "combined", "mask"] as const) {
      const path = options.pictures?.[kind]
      const value = path === undefined ? undefined : MaskPaths.valueAt(json, path)
      if (path === undefined || value === undefined || value === null) continue
      const picture: Effect.Effect<Uint8Array, ResponseNotDecodable> =
        typeof value === "string"
          ? textToPng(answer, path, value)
          : fail(answer, path, "it is no base64 text", Decode.quoted(value))
      const remembered = Effect.tapError(picture, (error) => Effect.sync(() => void (flaw ??= error)))
      pictures[kind] = yield* Side.optional(answer, path, remembered)
      if (pictures[kind] === undefined) delete pictures[kind]
    }
    return { pictures, flaw }
  })

/** Gets a file that an answer names, from where that is allowed. */
export type GetFile = (address: string) => Effect.Effect<Answer, ServiceError>

/** Fails where one of the objects that a path leads through says that its work has failed. */
export const refuseFailed = (
  answer: Answer,
  json: unknown,
  path: string
): Effect.Effect<void, ServiceError> => {
  const failed = MaskPaths.around(json, path).find(({ value }) => saysFailed(value))
  return failed === undefined ? Effect.void : Effect.fail(reported(answer, messageIn(failed.value)))
}

/** The prediction at a path of the JSON of an answer, by what stands there and around it. */
export const at = Effect.fnUntraced(function* (
  answer: Answer,
  json: unknown,
  place: string,
  image: Pick<Image, "width" | "height">,
  options: MaskAnswerOptions,
  getFile?: GetFile
): Effect.fn.Return<Prediction, ServiceError> {
  const { mask } = options
  const path = MaskPaths.within(json, place)
  const parent = MaskPaths.valueAt(json, parentOf(path))
  const value = MaskPaths.asRows(yield* MaskPaths.unwrapped(MaskPaths.valueAt(json, path)), parent, image)
  const around = MaskPaths.around(json, path)
    .flatMap((each) => (isRecord(each.value) ? [each.value] : []))
    .toReversed()
  const listed =
    mask?.as === undefined || mask.as === "masks"
      ? MaskList.beside(answer, path, value, parent, image)
      : undefined
  const isEmpty = Array.isArray(value) && value.length === 0
  const open = isEmpty ? (yield* Segments.numbering).unfinished(around) : undefined
  if (open !== undefined) return yield* fail(answer, path, open)
  const isOne = listed === undefined && !isEmpty && !MaskList.isMany(path, value)
  const told = { ...options, stated: MaskContext.statedIn(around, isOne) }
  if (listed !== undefined)
    return yield* MaskList.toPrediction(answer, yield* listed, image, withGap(told), around)
  const segments = Segments.beside(answer, json, path)
  if (segments !== undefined && (typeof value === "string" || Array.isArray(value)))
    return yield* Segments.toPrediction(answer, path, value, yield* segments, image, options)
  // One in a list is as one of several.
  if (
    mask === undefined &&
    options.binary === undefined &&
    /(?:^|\.)0\.[^.]+$/.test(path) &&
    MaskList.isUnlabelled(parent)
  )
    return yield* fail(answer, join(parentOf(path), "label"), MaskList.unlabelled)
  const box = isRecord(parent) ? CroppedMask.boxOf(parent, value, image) : undefined
  if (box !== undefined) return yield* fail(answer, path, CroppedMask.detail(box))
  const own = MaskDecoding.classesOf(options)
  const of = !isOne ? undefined : mask?.as === "ids" || options.binary === false ? "ids" : "map"
  const given = own.length > 0 ? [] : yield* MaskContext.named(answer, json, path, of)
  const classes = isOne && given[0]?.id === 1 ? (yield* Segments.numbering).fromOne(given) : given
  if (own.length > 0 && mask?.as !== "ids" && mask?.as !== "logits")
    yield* MaskContext.refuseOtherOrder(answer, own, json, path)
  const colored = classes.some(({ color }) => color !== undefined)
  const known = classes.length === 0 ? told : { ...told, classes, ...(colored ? { palette: classes } : {}) }
  const ofThings = withGap(classes === given ? known : { ...known, classes: given })
  const address = mask?.as === undefined || mask.as === "png" ? addressOf(value) : undefined
  if (address !== undefined && getFile !== undefined) {
    const file = yield* getFile(address)
    return { ...(yield* fromFile(file, "", file.body, image, known)), requestId: answer.requestId }
  }
  const mayBeNumbers = !saysIds(options) && (typeof value === "string" || Array.isArray(value))
  const things = mayBeNumbers
    ? yield* Segments.ofThings(answer, json, path, value, image, withGap(known))
    : undefined
  if (things !== undefined) return things
  const found = Effect.gen(function* () {
    const read = yield* fromValue(answer, path, value, image, known, around)
    if (classes === given) return read
    const { settled } = yield* Segments.numbering
    const sure = yield* Steps.run(() => settled(read, given))
    return typeof sure === "string" ? yield* fail(answer, path, sure) : sure
  })
  const single = saysIds(options) ? undefined : MaskList.single(path, value, parent)
  if (single === undefined) {
    const map = yield* found
    if (
      saysIds(options) ||
      !isRecord(parent) ||
      !Array.isArray(parent["class_ids"] ?? parent["category_ids"])
    )
      return map
    const { thingsIn } = yield* Segments.numbering
    const flaw = yield* Steps.run(() => thingsIn(map, parent))
    return flaw === undefined ? map : yield* fail(answer, path, flaw)
  }
  // Points are no map of ids, few as they are.
  const rings =
    Array.isArray(value) && mask?.as === undefined
      ? (yield* MaskDecoding.outlines).ringsIn(value, image)
      : undefined
  if (rings !== undefined && Result.isSuccess(rings) && rings.success !== undefined)
    return yield* MaskList.toPrediction(answer, [single], image, ofThings, around)
  const read = yield* Effect.result(found)
  const ofLabel = MaskList.toPrediction(answer, [single], image, ofThings, around)
  if (Result.isFailure(read))
    return yield* Effect.catchTag(ofLabel, "ResponseNotDecodable", () => Effect.fail(read.failure))
  // A map of several ids is one whatever is said beside it, and so is one in which class 1 is what the label says.
  const { isMask } = yield* Segments.numbering
  if (!(yield* Steps.run(() => isMask(read.success)))) return read.success
  const names = MaskDecoding.classesOf(ofThings)
  const id = LabelIds.idOf(single, names)
  if (names.length === 0 || (id !== undefined && id > 1)) return yield* ofLabel
  if (id === 1 || classes.length > 0 || names.length < 3) return read.success
  const detail = `it is of 0 and 1, and beside it stands ${Decode.quoted(single.name ?? single.label)}: the mask of that, or a map of ids? Say with \`as: "ids"\` that it is a map`
  return yield* fail(answer, path, detail)
})

/** Whether the options say whose a mask is, or that there is a map of ids. */
const saysIds = ({ binary, mask }: MaskAnswerOptions): boolean =>
  mask?.as === "ids" ||
  mask?.as === "logits" ||
  binary === false ||
  (typeof binary === "object" && binary.classId !== undefined)

/** A PNG as the text of the whole body, which is no JSON then. */
const isText = ({ body }: Answer): boolean =>
  /^\s*(?:data:image\/png[;,]|iVBORw0KGgo)/.test(new TextDecoder().decode(body.subarray(0, 400)))

/** The prediction in an answer whose status is a success. */
export const read = (
  answer: Answer,
  image: Pick<Image, "width" | "height">,
  options: MaskAnswerOptions,
  getFile?: GetFile
): Effect.Effect<Prediction, ServiceError> =>
  Effect.gen(function* () {
    const { mask } = options
    if (mask?.at === undefined && isText(answer))
      return yield* fromValue(answer, "", Decode.text(answer), image, options)
    if (isPng(answer.body) || isNpy(answer.body) || (mask?.as === "png" && mask.at === undefined)) {
      return yield* fromFile(answer, "", answer.body, image, options)
    }
    const json = yield* Effect.flatMap(Decode.json(answer), MaskPaths.unwrapped)
    const path = mask?.at ?? MaskPaths.find(json)
    yield* refuseFailed(answer, json, path ?? "")
    const { flaw, pictures } = yield* picturesIn(answer, json, options)
    const time = options.milliseconds
    const took =
      time === undefined ? undefined : yield* Side.milliseconds(answer, time, MaskPaths.valueAt(json, time))
    const common = { pictures, ...(took === undefined ? {} : { serviceTime: took }) }
    if (path !== undefined && MaskPaths.valueAt(json, path) !== undefined)
      return { ...(yield* at(answer, json, path, image, options, getFile)), ...common }
    if (mask === undefined && Object.keys(pictures).length > 0) {
      const { height, width } = image
      return { ...common, _tag: "Rendered", width, height, classes: [], requestId: answer.requestId }
    }
    if (flaw !== undefined) return yield* flaw
    const said = isRecord(json) ? json["error"] : undefined
    if (typeof said === "string") return yield* reported(answer, said)
    const detail =
      mask?.at === undefined
        ? "there is no mask. Say with `mask.at` where it is"
        : "there is nothing, and `mask.at` says that the mask is there"
    return yield* fail(answer, path ?? "", detail, Decode.quoted(json))
  })
