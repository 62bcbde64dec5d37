/**
 * Where the mask is in the JSON of an answer, by the names that servers have for it, written as they like: `label_map` is `labelMap` too.
 */
import { Effect } from "effect"
import type { Size } from "../mask/Fit.ts"
import * as Decode from "../service/Decode.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as MaskList from "./MaskList.ts"
import { join, plain } from "./Fields.ts"
import { isRecord } from "./protocol/Errors.ts"
import * as Side from "./Side.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"

/** Fields that servers put masks in, the clearest first, without what sets words apart. */
const usualFields = [
  "labelmap",
  "labels",
  "segmentationmask",
  "segmentationmap",
  "semanticmap",
  "semanticseg",
  "semseg",
  "panopticseg",
  "segmap",
  "mask",
  "masks",
  "maskpng",
  "maskb64",
  "maskbase64",
  "maskpngb64",
  "maskurl",
  "predmask",
  "predictedmask",
  "segmentation",
  "logits",
  "predsemseg"
] as const

/** Fields that hold another object with the mask in it. */
const usualBoxes = [
  "predictions",
  "prediction",
  "result",
  "results",
  "output",
  "outputs",
  "data",
  "body"
] as const

/** Fields that list things, where these have masks. */
const thingLists = ["shapes", "annotations", "objects", "instances", "detections", "boxes"]

/** Fields of an object that is a mask alone, with what it is besides. */
const contents = ["b64", "base64", "png", "data", "values", "content"]

/** The field of an object that has one of these names, however it is written. */
const fieldOf = (
  value: Readonly<Record<string, unknown>>,
  wanted: string,
  holds: (value: unknown) => boolean
): string | undefined => Object.keys(value).find((name) => plain(name) === wanted && holds(value[name]))

/** JSON that stands in JSON as a text: some write it twice, some gateways wrap what a program said. */
export const unwrapped = (value: unknown): Effect.Effect<unknown, CodeNotLoaded> => {
  if (typeof value === "string" && /^\s*[[{"]/.test(value))
    return Effect.catch(Effect.flatMap(Decode.inText(value), unwrapped), (error) =>
      error === undefined ? Effect.succeed(value) : Effect.fail(error)
    )
  if (!isRecord(value)) return Effect.succeed(value)
  const boxes = usualBoxes.filter((box) => typeof value[box] === "string" && /^\s*[[{]/.test(value[box]))
  return boxes.length === 0
    ? Effect.succeed(value)
    : Effect.map(
        Effect.forEach(boxes, (box) => Effect.map(unwrapped(value[box]), (inner) => [box, inner] as const)),
        (inner) => ({ ...value, ...Object.fromEntries(inner) })
      )
}

/** The value at a path; `undefined` where there is none. */
export const valueAt = (value: unknown, path: string): unknown => {
  let at = value
  for (const key of path === "" ? [] : path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined
    at = Reflect.get(at, key)
  }
  return at
}

/** The value, and those that lie on the way to a path in it, each with its own path. */
export const around = (
  value: unknown,
  path: string
): ReadonlyArray<{ readonly path: string; readonly value: unknown }> => {
  const keys = path === "" ? [""] : path.split(".")
  return keys.map((_, length) => {
    const at = keys.slice(0, length).join(".")
    return { path: at, value: valueAt(value, at) }
  })
}

/** Whether a value can be a mask: `labels` may also be the names of the classes. */
const canBeMask = (value: unknown): boolean => {
  // Also an empty one: nothing was found, where something is listed.
  if (Array.isArray(value)) return typeof value[0] !== "string" || isTexts(value)
  return (typeof value === "string" && value !== "") || MaskDecoding.looksLikeRle(value)
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Pictures as texts, whose labels stand in a list beside them. */
const isTexts = (value: ReadonlyArray<unknown>): boolean =>
  typeof value[0] === "string" && value[0].length > 40

/** Whether a text is a PNG, whatever its name. */
const isPngText = (value: unknown): value is string =>
  typeof value === "string" && /^\s*(?:data:image\/png[;,]|iVBORw0KGgo)/.test(value.slice(0, 400))

/** The first of the usual fields that holds what can be a mask. */
export const usualField = (
  value: Readonly<Record<string, unknown>>,
  holds: (value: unknown) => boolean = canBeMask
): string | undefined =>
  usualFields
    .map((wanted) =>
      fieldOf(value, wanted, (each) => holds(each) && !(wanted === "labels" && isNumbers(each)))
    )
    .find((name) => name !== undefined)

/** Ids of what was found, and no plane. */
const isNumbers = (value: unknown): boolean => Array.isArray(value) && typeof value[0] === "number"

/** Boxes in boxes that are opened. */
const deepest = 4

/** The path to a mask, by the usual names. */
export const find = (value: unknown, path = "", depth = 0): string | undefined => {
  if (Array.isArray(value)) return inBatch(value, path, depth) ?? (canBeMask(value) ? path : undefined)
  if (MaskDecoding.looksLikeRle(value)) return path
  if (isPngText(value)) return path
  if (!isRecord(value)) return undefined
  if (MaskList.isFeature(value)) return path
  if (value["type"] === "FeatureCollection" && Array.isArray(value["features"])) return join(path, "features")
  // A list of nothing says so where nothing else is a mask.
  const field = usualField(value, (each) => canBeMask(each) && !isEmpty(each)) ?? usualField(value)
  if (field !== undefined) return join(path, field)
  const boxed = usualField(value, isRecord)
  const content = boxed === undefined ? undefined : contentIn(value[boxed], join(path, boxed))
  if (content !== undefined) return content
  for (const box of depth > deepest ? [] : usualBoxes) {
    const found = value[box] === undefined ? undefined : find(value[box], join(path, box), depth + 1)
    if (found !== undefined) return found
  }
  const things = thingLists.find((name) => MaskList.isList(value[name]))
  if (things !== undefined) return join(path, things)
  const own = ofThings(value)
  if (own !== undefined) return join(path, own)
  // What has the name of a mask and is none: the failure names it.
  const wrong = usualField(value, (each) => each !== undefined && each !== null)
  return wrong === undefined ? undefined : join(path, wrong)
}

/** The path to masks with their classes beside them, as Detectron2 has them, or in what holds those or the results of one image. */
const ofThings = (value: Readonly<Record<string, unknown>>): string | undefined => {
  if (Array.isArray(value["pred_masks"]) && Array.isArray(value["pred_classes"])) return "pred_masks"
  for (const [box, held] of Object.entries(value)) {
    const name = plain(box)
    if ((name === "instances" || name === "predinstances") && isRecord(held)) {
      const found = ofThings(held) ?? (Array.isArray(held["labels"]) ? usualField(held) : undefined)
      if (found !== undefined) return join(box, found)
    }
    const only: unknown = name === "images" && Array.isArray(held) && held.length === 1 ? held[0] : undefined
    const results = isRecord(only) ? only["results"] : undefined
    if (isEmpty(results) || MaskList.isList(results)) return join(box, "0.results")
  }
  return undefined
}

/** The path to a mask in what is listed for one image, and is no thing of a kind. */
const inBatch = (value: ReadonlyArray<unknown>, path: string, depth: number): string | undefined => {
  const [only] = value
  if (value.length !== 1 || !isRecord(only) || MaskList.labelOf(only) !== undefined || depth > 2)
    return undefined
  const found = find(only, join(path, "0"), depth + 1)
  return found === undefined || MaskDecoding.looksLikeRle(valueAt(only, found.slice(join(path, "0.").length)))
    ? undefined
    : found
}

/** The path to a mask in an object that is one. */
const contentIn = (value: unknown, path: string): string | undefined => {
  const field = isRecord(value) ? contents.find((name) => canBeMask(value[name])) : undefined
  return field === undefined ? undefined : join(path, field)
}

/** Whether a value has an id of its own. */
export const hasId = (each: unknown): boolean => isRecord(each) && Side.toId(each["id"]) !== undefined

/** Whether a value is a map with the list of its segments behind it, as Detectron2 has it. */
export const isPair = (value: unknown): value is readonly [unknown, ReadonlyArray<unknown>] => {
  const [map, listed]: ReadonlyArray<unknown> = Array.isArray(value) && value.length === 2 ? value : []
  const isMap = typeof map === "string" || (Array.isArray(map) && Array.isArray(map[0]))
  return isMap && Array.isArray(listed) && listed.every(hasId)
}

/** Where a mask is that stands at a path, or in an object there. */
export const within = (json: unknown, path: string): string => {
  const value = valueAt(json, path)
  if (isPair(value)) return join(path, "0")
  return isRecord(value) ? (find(value, path) ?? contentIn(value, path) ?? path) : path
}

const pair = (height: unknown, width: unknown): ReadonlyArray<Size> => {
  const [h, w] = [Side.toId(height), Side.toId(width)]
  return h === undefined || w === undefined ? [] : [{ height: h, width: w }]
}

/** The size that values one after the other have, by what stands beside them or the image; `undefined` where it is not known. */
const sizeOf = (count: number, beside: Readonly<Record<string, unknown>>, image: Size): Size | undefined => {
  const listed = (given: unknown) => (Array.isArray(given) ? given.slice(-2) : [])
  const [h, w] = listed(beside["shape"])
  const [a, b] = listed(beside["size"])
  const said = [
    ...pair(beside["height"] ?? beside["h"], beside["width"] ?? beside["w"]),
    ...pair(h, w),
    ...pair(a, b),
    ...pair(b, a)
  ]
  const sizes = (said.length === 0 ? [image] : said).filter(({ height, width }) => height * width === count)
  const [first] = sizes
  const same = (one: Size, other: Size) => one.width === other.width && one.height === other.height
  return first !== undefined && sizes.every((size) => same(size, first))
    ? first
    : sizes.find((size) => same(size, image))
}

/** Rows, of a plane whose values are listed one after the other, by columns where `order` or `fortran_order` say so; any other value as it is. */
export const asRows = (value: unknown, beside: unknown, image: Size): unknown => {
  if (!Array.isArray(value) || typeof value[0] !== "number") return value
  const fields = isRecord(beside) ? beside : {}
  const size = sizeOf(value.length, fields, image)
  if (size === undefined) return value
  const { height, width } = size
  const isByColumn =
    /^(?:f|col(?:umn)?s?(?:[-_ ]?major)?)$/i.test(String(fields["order"])) || fields["fortran_order"] === true
  return Array.from({ length: height }, (_, y) =>
    isByColumn
      ? Array.from({ length: width }, (_, x): unknown => value[x * height + y])
      : value.slice(y * width, (y + 1) * width)
  )
}
