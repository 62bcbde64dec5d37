/**
 * Lists of masks with labels, one for each class or each thing: Hugging Face's, COCO's, Roboflow's, and lists that stand
 * beside each other.
 */
import { Effect } from "effect"
import type { Size } from "../mask/Fit.ts"
import type { Prediction } from "../Prediction.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"
import * as ClassesIn from "./ClassesIn.ts"
import * as CroppedMask from "./CroppedMask.ts"
import { fail } from "./EncodedPicture.ts"
import { firstOf, join, parentOf, plain } from "./Fields.ts"
import * as LabelIds from "./LabelIds.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as NestedArray from "./NestedArray.ts"
import { isRecord } from "./protocol/Errors.ts"
import * as Side from "./Side.ts"

const quote = (value: unknown): string => (value === undefined ? "" : Decode.quoted(value))

/** Several masks with labels: those of one label are one class. */
export interface LabelledMask extends LabelIds.Labelled {
  readonly score: number | undefined
  readonly mask: unknown
  /** The object that it stands in. */
  readonly beside?: Readonly<Record<string, unknown>> | undefined
}

/**
 * A prediction from masks with labels. Labels get ids in order of appearance where no classes are known. What stands `around` them, from the
 * inside out, may say of what size the picture is that their outlines are of.
 */
export const toPrediction = (
  answer: Answer,
  masks: ReadonlyArray<LabelledMask>,
  image: Size,
  options: MaskDecoding.MaskOptions,
  around: ReadonlyArray<Readonly<Record<string, unknown>>> = []
): Effect.Effect<Prediction, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.gen(function* () {
    const { classes, ids } = yield* LabelIds.assign(answer, masks, MaskDecoding.classesOf(options))
    const encoded: Array<MaskDecoding.EncodedMask> = []
    for (const [index, { beside, mask, path, score }] of masks.entries()) {
      const box = beside && CroppedMask.boxOf(beside, mask, image)
      if (box !== undefined) return yield* fail(answer, path, CroppedMask.detail(box))
      encoded.push({ path, classId: ids[index]!, score, mask, beside })
    }
    const scores = bestScores(encoded.map(({ classId, score }) => [classId, score]))
    const labelMap = yield* MaskDecoding.fromMasks(answer, encoded, image, options, around)
    return { _tag: "Labels", labelMap, classes, scores, requestId: answer.requestId }
  })

/** The best score of each class. What is not from 0 to 1, such as percents, is no score here. */
export const bestScores = (
  scored: ReadonlyArray<readonly [classId: number, score: number | undefined]>
): Map<number, number> => {
  const scores = new Map<number, number>()
  for (const [classId, score] of scored) {
    if (score !== undefined && score >= 0 && score <= 1)
      scores.set(classId, Math.max(score, scores.get(classId) ?? 0))
  }
  return scores
}

const idFields = ["class_id", "category_id", "label_id", "classId", "categoryId"]
const labelFields = ["label", "class", "class_name", "className", "category", "name", "id"]
const maskFields = [
  "mask",
  "segmentation",
  "rle",
  "rle_mask",
  "mask_b64",
  "mask_base64",
  "polygon",
  "polygons",
  "points",
  "segments",
  "geometry",
  "exterior",
  "contour",
  "contours"
]
const scoreFields = ["score", "confidence", "probability"]

/** What an entry says of its class: an id, or a name. A number that is only called `id` may be that of the thing. */
export const labelOf = (
  each: Readonly<Record<string, unknown>>
): Pick<LabelIds.Labelled, "label" | "name"> | undefined => {
  const name = labelFields.map((field) => each[field]).find((text) => typeof text === "string" && text !== "")
  const numbers = labelFields.filter(
    (field) => typeof each[field] === "number" && (name === undefined || field !== "id")
  )
  const label = Side.toId(firstOf(each, idFields)) ?? Side.toId(firstOf(each, numbers)) ?? name
  return typeof label === "number" || typeof label === "string"
    ? { label, name: typeof name === "string" ? name : undefined }
    : undefined
}

/** What is wrong with one of several masks that nobody says the class of. */
export const unlabelled = "it has neither a label nor a class id, so that what its mask shows is not known"

/** Whether an object is one of the masks that SAM makes, which have no classes. */
export const isUnlabelled = (each: unknown): boolean =>
  isRecord(each) &&
  labelOf(each) === undefined &&
  ["predicted_iou", "stability_score", "point_coords", "crop_box", "iscrowd"].some((name) => name in each)

/** Fields that say whose one mask is; what an object is `name` or `id` of may be the model, or the answer. */
const ownFields = [...idFields, "label", "class", "class_name", "category"]

/** The mask at a path, where the object that it stands in says whose it is. */
export const single = (path: string, mask: unknown, parent: unknown): LabelledMask | undefined => {
  if (!isRecord(parent)) return undefined
  const own = Object.fromEntries(ownFields.map((field) => [field, parent[field]]))
  const label = labelOf(own)
  const score = Side.toNumber(firstOf(parent, scoreFields))
  return label && { path, ...label, score, mask, beside: parent }
}

/** Points as a list of each side: `{ x: [], y: [] }`. */
const zipped = (mask: unknown): unknown => {
  const { x, y } = isRecord(mask) ? mask : {}
  return Array.isArray(x) && Array.isArray(y) && x.length === y.length
    ? x.map((at: unknown, index) => [at, y[index]])
    : mask
}

/** Whether a value is one thing of GeoJSON. */
export const isFeature = (value: unknown): value is Readonly<Record<string, unknown>> =>
  isRecord(value) && value["type"] === "Feature"

/** A feature of GeoJSON as one object: its id is that of the thing. */
const featureOf = (value: unknown): unknown =>
  isFeature(value)
    ? { ...(isRecord(value["properties"]) ? value["properties"] : {}), geometry: value["geometry"] }
    : value

/** Whether a value is a list of things with masks, by its first. */
export const isList = (value: unknown): boolean => {
  const each = featureOf(Array.isArray(value) ? value[0] : undefined)
  return isRecord(each) && labelOf(each) !== undefined && firstOf(each, maskFields) !== undefined
}

/** Names of what masks are for, and of no class. */
const noClass =
  /^(?:raw|refined|coarse|fine|overlay|combined|merged|union|total|binary|colou?r(?:ed|map)?|gr[ae]y|soft|hard|low|high|(?:low|high)res|before|after|originals?|inputs?|images?|pictures?|previews?|all|full|best|final|left|right|first|second|third|small|medium|large|semantic|instances?|panoptic|segmentations?|labels?|ids?|masks?|data|values|contents?|b(?:ase)?64|png|rle|polygons?|points|contours?|boxes|scores?|logits|prob(?:abilitie)?s|confidence|positive|negative|inside|outside|pred(?:iction|icted)?|target|truth|gt|groundtruth)$/

/** Whether a value is masks by the names of their classes. What is numbered may be a thing, and another word what a mask is for. */
export const isByName = (path: string, value: unknown): value is Readonly<Record<string, unknown>> => {
  if (!isRecord(value) || !/(?:^|\.)masks$/i.test(path)) return false
  const entries = Object.entries(value)
  return (
    entries.length > 0 &&
    entries.every(
      ([name, mask]) =>
        /^[^\d]*\p{L}[^\d]*$/u.test(name) &&
        !noClass.test(plain(name)) &&
        ((typeof mask === "string" && mask.length > 40) ||
          (Array.isArray(mask) && Array.isArray(mask[0])) ||
          MaskDecoding.looksLikeRle(mask))
    )
  )
}

/** Whether a value is the list of things of a batch of one image. */
const isBatch = (value: unknown): value is readonly [ReadonlyArray<unknown>] =>
  Array.isArray(value) && value.length === 1 && Array.isArray(value[0]) && isRecord(value[0][0])

/** Whether a value is masks of one class each, and no map. */
export const isMany = (path: string, value: unknown): boolean =>
  (Array.isArray(value) && isRecord(value[0])) || isBatch(value) || isByName(path, value)

/** The masks in a list of objects. */
export const read = (
  answer: Answer,
  path: string,
  value: unknown
): Effect.Effect<ReadonlyArray<LabelledMask>, ResponseNotDecodable> =>
  Effect.gen(function* () {
    // Of a batch of one image.
    if (isBatch(value)) return yield* read(answer, join(path, "0"), value[0])
    if (isByName(path, value))
      return Object.entries(value).map(([label, mask]) => ({
        path: join(path, label),
        label,
        score: undefined,
        mask
      }))
    if (!Array.isArray(value) && !isFeature(value))
      return yield* fail(answer, path, "it is no list of masks", quote(value))
    const entries: ReadonlyArray<readonly [string, unknown]> = isFeature(value)
      ? [[path, value]]
      : value.map((each: unknown, index) => [join(path, String(index)), each] as const)
    const masks: Array<LabelledMask> = []
    const images = new Set(entries.map(([, each]) => (isRecord(each) ? each["image_id"] : undefined)))
    if (images.size > 1)
      return yield* fail(answer, path, "its masks have different image_id: they are of several images")
    for (const [at, given] of entries) {
      const each = featureOf(given)
      if (!isRecord(each)) return yield* fail(answer, at, "it is no object with a mask", quote(each))
      const label = labelOf(each)
      if (label === undefined) {
        return yield* fail(answer, join(at, "label"), unlabelled, quote(firstOf(each, labelFields)))
      }
      const field = maskFields.find((field) => firstOf(each, [field]) !== undefined)
      if (field === undefined) return yield* fail(answer, join(at, "mask"), "there is none")
      if (each["box_2d"] !== undefined && each["box_2d"] !== null) {
        // Gemini's masks are as large as their boxes: taken for the image's, they would be stretched over all of it.
        const detail = "its mask is that of its `box_2d`, and not of the image, which is not read here"
        return yield* fail(answer, join(at, field), detail)
      }
      if (field === "rle" && Array.isArray(each[field])) {
        const detail = "it is a list of runs, whose size and order nobody says. Send { size, counts }"
        return yield* fail(answer, join(at, field), detail)
      }
      const scoreField = scoreFields.find((field) => each[field] !== undefined) ?? "score"
      const score = yield* Side.number(answer, join(at, scoreField), each[scoreField])
      masks.push({
        path: join(at, field),
        ...label,
        score,
        mask: zipped(each[field]),
        beside: each
      })
    }
    return masks
  })

const besideLabels = [
  "class_ids",
  "category_ids",
  "label_ids",
  "labels",
  "class_names",
  "classes",
  "names",
  "pred_classes"
]

const boxLists = ["boxes", "bboxes", "bounding_boxes", "rois", "pred_boxes"]

const scoreLists = ["scores", "confidences", "confidence", "probabilities"]

/** Masks whose labels and scores stand in lists beside them; `undefined` where none are as many. */
export const beside = (
  answer: Answer,
  path: string,
  value: unknown,
  parent: unknown,
  image: Size
): Effect.Effect<ReadonlyArray<LabelledMask>, ResponseNotDecodable> | undefined => {
  if (!Array.isArray(value) || !isRecord(parent)) return undefined
  // Rows of the image that are as many as there are labels by chance.
  const [height, width, ...more] = NestedArray.shapeOf(value) ?? []
  if (height === image.height && width === image.width && more.length === 0) return undefined
  const isLabels = (each: unknown): each is ReadonlyArray<string | number> =>
    Array.isArray(each) &&
    each.length === value.length &&
    each.every((label) => (typeof label === "string" && label !== "") || Side.toId(label) !== undefined)
  const labels = besideLabels.map((field) => parent[field]).filter(isLabels)
  const ids = labels.find((list) => list.every((label) => ClassesIn.idOf(label) !== undefined))
  const names = labels.find((list) => list.every((label) => ClassesIn.idOf(label) === undefined))
  if (labels[0] === undefined) return undefined
  const known = ids ?? labels[0]
  // Names beside Detectron2's classes may be all that there are.
  const isNamed = ids !== undefined && names !== undefined && ids !== parent["pred_classes"]
  const lists = scoreLists.flatMap((field) => {
    const list = parent[field]
    return Array.isArray(list) ? [{ field, list }] : []
  })
  const scores = (lists.find(({ list }) => list.length === value.length) ?? lists[0])?.list
  if (scores !== undefined && scores.length !== value.length) {
    // Whose they are nobody can tell, and where masks overlap they decide.
    const detail = `there are ${scores.length} scores and ${value.length} masks`
    return fail(answer, join(parentOf(path), lists[0]!.field), detail)
  }
  const boxes = boxLists
    .map((field) => parent[field])
    .find((list): list is ReadonlyArray<unknown> => Array.isArray(list) && list.length === value.length)
  return Effect.forEach(value, (mask: unknown, index) =>
    Effect.map(Side.number(answer, join(path, `scores.${index}`), scores?.[index]), (score) => ({
      path: join(path, String(index)),
      label: ClassesIn.idOf(known[index]) ?? known[index]!,
      name: isNamed ? String(names[index]) : undefined,
      score,
      mask,
      ...(boxes === undefined ? {} : { beside: { box: boxes[index] } })
    }))
  )
}
