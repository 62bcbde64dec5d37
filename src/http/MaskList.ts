/**
 * Lists of masks with labels, one for each class or each thing: Hugging Face's, COCO's, Roboflow's, and lists that stand
 * beside each other.
 */
import { Effect } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import type { Size } from "../mask/Fit.ts"
import type { Prediction } from "../Prediction.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"
import * as ClassesIn from "./ClassesIn.ts"
import * as CroppedMask from "./CroppedMask.ts"
import { fail } from "./EncodedPicture.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import { isRecord } from "./protocol/Errors.ts"
import * as Side from "./Side.ts"

const quote = (value: unknown): string => (value === undefined ? "" : Decode.quoted(value))

/** The id of a label: that of the class of this name, or the number in a placeholder such as `LABEL_3`. */
export const idOfLabel = (label: string, classes: ClassTable.ClassTable): number | undefined =>
  ClassTable.byName(classes, label)?.id ?? ClassesIn.idOf(label)

/** Several masks with labels: those of one label are one class. */
export interface LabelledMask {
  readonly path: string
  readonly label: string | number
  /** Of a label that is an id, where both are given. */
  readonly name?: string | undefined
  readonly score: number | undefined
  readonly mask: unknown
  /** The object that it stands in. */
  readonly beside?: Readonly<Record<string, unknown>> | undefined
}

/** A prediction from masks with labels. Labels get ids in order of appearance where no classes are known. */
export const toPrediction = (
  answer: Answer,
  masks: ReadonlyArray<LabelledMask>,
  image: Size,
  options: MaskDecoding.MaskOptions
): Effect.Effect<Prediction, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const given = MaskDecoding.classesOf(options)
    const names = [...new Set(masks.flatMap(({ label }) => (typeof label === "string" ? label : [])))]
    const placeholders = names.every((name) => idOfLabel(name, []) !== undefined)
    const numbered = masks.flatMap(({ label, name }) =>
      typeof label === "number" && name !== undefined ? [{ id: label, name }] : []
    )
    const classes =
      given.length > 0
        ? given
        : placeholders
          ? ClassTable.make([...numbered, ...names.map((name) => ({ id: idOfLabel(name, [])!, name }))])
          : ClassTable.fromNames(names)
    const scores = new Map<number, number>()
    const encoded: Array<MaskDecoding.EncodedMask> = []
    for (const { beside, label, mask, path: at, score } of masks) {
      const box = beside && CroppedMask.boxOf(beside, mask, image)
      if (box !== undefined) return yield* fail(answer, at, CroppedMask.detail(box))
      const classId = typeof label === "number" ? label : idOfLabel(label, classes)
      if (classId === undefined || (given.length > 0 && ClassTable.get(given, classId) === undefined)) {
        const detail = `${quote(label)} is none of the model's ${given.length} classes`
        return yield* fail(answer, at, detail)
      }
      if (score !== undefined) scores.set(classId, Math.max(score, scores.get(classId) ?? 0))
      encoded.push({ path: at, classId, score, mask })
    }
    const labelMap = yield* MaskDecoding.fromMasks(answer, encoded, image, options)
    return { _tag: "Labels", labelMap, classes, scores, requestId: answer.requestId }
  })

const idFields = ["class_id", "category_id", "label_id"]
const labelFields = ["label", "class", "class_name", "category", "name", "id"]
const maskFields = ["mask", "segmentation", "rle", "mask_b64", "mask_base64", "polygon", "polygons", "points"]
const scoreFields = ["score", "confidence", "probability"]

/** The masks in a list of objects. */
export const read = (
  answer: Answer,
  path: string,
  value: unknown
): Effect.Effect<ReadonlyArray<LabelledMask>, ResponseNotDecodable> =>
  Effect.gen(function* () {
    if (!Array.isArray(value)) return yield* fail(answer, path, "it is no list of masks", quote(value))
    const masks: Array<LabelledMask> = []
    for (const [index, each] of value.entries()) {
      const at = Side.join(path, String(index))
      if (!isRecord(each)) return yield* fail(answer, at, "it is no object with a mask", quote(each))
      const name = Side.firstOf(each, labelFields)
      const id =
        Side.toId(Side.firstOf(each, idFields)) ?? (typeof name === "number" ? Side.toId(name) : undefined)
      const label = id ?? (typeof name === "string" && name !== "" ? name : undefined)
      if (label === undefined) {
        const detail = "it has neither a label nor a class id, so that what its mask shows is not known"
        return yield* fail(answer, Side.join(at, "label"), detail, quote(name))
      }
      const field = maskFields.find((field) => Side.firstOf(each, [field]) !== undefined)
      if (field === undefined) return yield* fail(answer, Side.join(at, "mask"), "there is none")
      if (each["box_2d"] !== undefined && each["box_2d"] !== null) {
        // Gemini's masks are as large as their boxes: taken for the image's, they would be stretched over all of it.
        const detail = "its mask is that of its `box_2d`, and not of the image, which is not read here"
        return yield* fail(answer, Side.join(at, field), detail)
      }
      const scoreField = scoreFields.find((field) => each[field] !== undefined) ?? "score"
      const score = yield* Side.number(answer, Side.join(at, scoreField), each[scoreField])
      masks.push({
        path: Side.join(at, field),
        label,
        name: typeof name === "string" ? name : undefined,
        score,
        mask: each[field],
        beside: each
      })
    }
    return masks
  })

const besideLabels = ["class_ids", "category_ids", "label_ids", "labels", "class_names", "classes", "names"]

const scoreLists = ["scores", "confidences", "confidence", "probabilities"]

/** The path of what stands beside another. */
const besidePath = (path: string, field: string): string => Side.join(path.replace(/\.?[^.]*$/, ""), field)

/** Masks whose labels and scores stand in lists beside them; `undefined` where none are as many. */
export const beside = (
  answer: Answer,
  path: string,
  value: unknown,
  parent: unknown
): Effect.Effect<ReadonlyArray<LabelledMask>, ResponseNotDecodable> | undefined => {
  if (!Array.isArray(value) || !isRecord(parent)) return undefined
  const isLabels = (each: unknown): each is ReadonlyArray<string | number> =>
    Array.isArray(each) &&
    each.length === value.length &&
    each.every((label) => (typeof label === "string" && label !== "") || Side.toId(label) !== undefined)
  const labels = besideLabels.map((field) => parent[field]).find(isLabels)
  if (labels === undefined) return undefined
  const lists = scoreLists.flatMap((field) => {
    const list = parent[field]
    return Array.isArray(list) ? [{ field, list }] : []
  })
  const scores = (lists.find(({ list }) => list.length === value.length) ?? lists[0])?.list
  if (scores !== undefined && scores.length !== value.length) {
    // Whose they are nobody can tell, and where masks overlap they decide.
    const detail = `there are ${scores.length} scores and ${value.length} masks`
    return fail(answer, besidePath(path, lists[0]!.field), detail)
  }
  return Effect.forEach(value, (mask: unknown, index) =>
    Effect.map(Side.number(answer, Side.join(path, `scores.${index}`), scores?.[index]), (score) => ({
      path: Side.join(path, String(index)),
      label: ClassesIn.idOf(labels[index]) ?? labels[index]!,
      score,
      mask
    }))
  )
}
