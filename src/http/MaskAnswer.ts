/**
 * Where the mask of an answer is, and what it is: the part of reading an answer that hand-written servers, TorchServe
 * and BentoML leave to their authors.
 *
 * Without options it is found by what it looks like: a PNG as the body, a nested array of ids, or one of the usual
 * fields of an object, there as base64, data URL, nested array, RLE or list of masks.
 */
import { Duration, Effect } from "effect"
import type { Image } from "../image/ImageSource.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import type { Pictures, Prediction } from "../Prediction.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable, ServiceError } from "../service/ServiceError.ts"
import * as EncodedPicture from "./EncodedPicture.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import { isRecord, messageIn, reported } from "./protocol/Errors.ts"

export interface MaskPlace {
  /** Field names and indices with dots between, such as `data.0.mask`. Looked for, unless given. */
  readonly at?: string | undefined
  /**
   * `"png"` (the body, or base64 or a data URL at a field), `"ids"` (nested array of class ids), `"rle"` (COCO),
   * `"masks"` (a list of `{ label or class_id, mask, score? }`), `"logits"` (nested array). By what it looks like,
   * unless given.
   */
  readonly as?: "png" | "ids" | "rle" | "masks" | "logits" | undefined
  /** How logits are nested: `[classes][height][width]` is `"first"`, the default. */
  readonly channels?: "first" | "last" | undefined
}

export interface MaskAnswerOptions extends MaskDecoding.MaskOptions {
  readonly mask?: MaskPlace | undefined
  /** Fields that hold pictures as base64 PNG. Alone, without a mask, they make a prediction without a label map. */
  readonly pictures?: { readonly [K in keyof Pictures]?: string | undefined } | undefined
  /** The field that says how long the service took, in milliseconds. */
  readonly milliseconds?: string | undefined
}

/** Fields that servers put masks in, the clearest first. */
const usualFields = [
  "label_map",
  "labels",
  "segmentation_mask",
  "segmap",
  "mask",
  "masks",
  "mask_png",
  "mask_b64",
  "mask_base64",
  "mask_png_b64",
  "segmentation",
  "logits"
] as const

/** Fields that hold another object with the mask in it. */
const usualBoxes = ["predictions", "prediction", "result", "results", "output", "data"] as const

const startsAsPng = ({ body }: Answer): boolean => body[0] === 0x89 && body[1] === 0x50 && body[2] === 0x4e

/** The value at a path; `undefined` where there is none. */
export const valueAt = (value: unknown, path: string): unknown => {
  let at = value
  for (const key of path === "" ? [] : path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined
    at = Reflect.get(at, key)
  }
  return at
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`)

/** Whether a value can be a mask: `labels` may also be the names of the classes. */
const canBeMask = (value: unknown): boolean => {
  if (Array.isArray(value)) return Array.isArray(value[0]) || isRecord(value[0])
  return (typeof value === "string" && value !== "") || MaskDecoding.looksLikeRle(value)
}

/** The first of the usual fields that holds what can be a mask. */
export const usualField = (
  value: Readonly<Record<string, unknown>>,
  holds: (value: unknown) => boolean = canBeMask
): string | undefined => usualFields.find((name) => holds(value[name]))

/** The path to a mask, by the usual names. */
const find = (value: unknown, path = "", depth = 0): string | undefined => {
  if (Array.isArray(value) || MaskDecoding.looksLikeRle(value)) return canBeMask(value) ? path : undefined
  if (!isRecord(value)) return undefined
  const field = usualField(value)
  if (field !== undefined) return join(path, field)
  for (const box of depth === 2 ? [] : usualBoxes) {
    const found = value[box] === undefined ? undefined : find(value[box], join(path, box), depth + 1)
    if (found !== undefined) return found
  }
  // What has the name of a mask and is none: the failure names it.
  const wrong = usualField(value, (each) => each !== undefined && each !== null)
  return wrong === undefined ? undefined : join(path, wrong)
}

const fail = (answer: Answer, path: string, detail: string, quoted?: string) =>
  Effect.fail(Decode.notDecodable(answer, path, detail, quoted))

const quote = (value: unknown): string => (JSON.stringify(value) ?? "undefined").slice(0, 400)

const firstOf = (value: Readonly<Record<string, unknown>>, names: ReadonlyArray<string>): unknown =>
  names.map((name) => value[name]).find((each) => each !== undefined && each !== null)

/** The id of a label: that of the class of this name, or the number in a placeholder such as `LABEL_3`. */
export const idOfLabel = (label: string, classes: ClassTable.ClassTable): number | undefined => {
  const known = ClassTable.byName(classes, label)?.id
  if (known !== undefined) return known
  const number = /^(?:LABEL_|class )?(\d{1,9})$/.exec(label)?.[1]
  return number === undefined ? undefined : Number(number)
}

/** Several masks with labels: those of one label are one class. */
export interface LabelledMask {
  readonly path: string
  readonly label: string | number
  readonly score: number | undefined
  readonly mask: unknown
}

/** A prediction from masks with labels. Labels get ids in order of appearance where no classes are known. */
export const fromLabelled = (
  answer: Answer,
  path: string,
  masks: ReadonlyArray<LabelledMask>,
  image: Pick<Image, "width" | "height">,
  options: MaskDecoding.MaskOptions
): Effect.Effect<Prediction, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const given = MaskDecoding.classesOf(options)
    const names = [...new Set(masks.flatMap(({ label }) => (typeof label === "string" ? label : [])))]
    const placeholders = names.every((name) => idOfLabel(name, []) !== undefined)
    const classes =
      given.length > 0
        ? given
        : placeholders
          ? ClassTable.make(names.map((name) => ({ id: idOfLabel(name, [])!, name })))
          : ClassTable.fromNames(names)
    const scores = new Map<number, number>()
    const encoded: Array<MaskDecoding.EncodedMask> = []
    for (const { label, mask, path: at, score } of masks) {
      const classId = typeof label === "number" ? label : idOfLabel(label, classes)
      if (classId === undefined || (given.length > 0 && ClassTable.get(given, classId) === undefined)) {
        const detail = `${quote(label)} is none of the model's ${given.length} classes`
        return yield* fail(answer, at, detail, "")
      }
      if (score !== undefined) scores.set(classId, Math.max(score, scores.get(classId) ?? 0))
      encoded.push({ path: at, classId, score, mask })
    }
    const labelMap = yield* MaskDecoding.fromMasks(answer, path, encoded, image, options)
    return { _tag: "Labels", labelMap, classes, scores, requestId: answer.requestId }
  })

const listOfMasks = (
  answer: Answer,
  path: string,
  value: unknown
): Effect.Effect<ReadonlyArray<LabelledMask>, ResponseNotDecodable> =>
  Effect.gen(function* () {
    if (!Array.isArray(value)) return yield* fail(answer, path, "it is no list of masks", quote(value))
    const masks: Array<LabelledMask> = []
    for (const [index, each] of value.entries()) {
      const at = join(path, String(index))
      if (!isRecord(each)) return yield* fail(answer, at, "it is no object with a mask", quote(each))
      const label = firstOf(each, ["class_id", "category_id", "label_id", "label", "class", "name", "id"])
      const field = ["mask", "segmentation", "rle", "mask_b64"].find((name) => each[name] !== undefined)
      const isId = typeof label === "number" && Number.isInteger(label) && label >= 0
      if (typeof label !== "string" && !isId) {
        return yield* fail(answer, join(at, "label"), "it has neither a label nor a class id", quote(label))
      }
      if (field === undefined) return yield* fail(answer, join(at, "mask"), "there is none", "")
      const score = each["score"]
      if (score !== undefined && score !== null && (typeof score !== "number" || !Number.isFinite(score))) {
        return yield* fail(answer, join(at, "score"), "it is neither a number nor null", quote(score))
      }
      masks.push({
        path: join(at, field),
        label,
        score: typeof score === "number" ? score : undefined,
        mask: each[field]
      })
    }
    return masks
  })

const channelsOf = (color: unknown): ClassTable.Rgb | undefined => {
  if (typeof color === "string") {
    const hex = /^#?([0-9a-f]{6})$/i.exec(color)?.[1]
    if (hex === undefined) return undefined
    const value = Number.parseInt(hex, 16)
    return [(value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]
  }
  if (!Array.isArray(color) || color.length < 3) return undefined
  const [red, green, blue] = color
  const isByte = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255
  return isByte(red) && isByte(green) && isByte(blue) ? [red, green, blue] : undefined
}

/** The classes that an answer lists as `{ name, id?, color? }`, or names by id. */
const classesIn = (value: unknown): ClassTable.ClassTable => {
  if (!isRecord(value)) return []
  const table = value["class_map"] ?? value["id2label"]
  if (isRecord(table)) {
    return ClassTable.fromId2Label(
      Object.fromEntries(
        Object.entries(table).flatMap(([id, name]) => (typeof name === "string" ? [[id, name]] : []))
      )
    )
  }
  const listed = value["classes"]
  if (!Array.isArray(listed)) return []
  return ClassTable.make(
    listed.flatMap((each: unknown, index) => {
      if (typeof each === "string") return [{ id: index, name: each }]
      const name = isRecord(each) ? firstOf(each, ["name", "label"]) : undefined
      if (!isRecord(each) || typeof name !== "string") return []
      const id = firstOf(each, ["id", "class_id"])
      const color = channelsOf(each["color"])
      return [
        {
          id: typeof id === "number" && Number.isInteger(id) && id >= 0 ? id : index,
          name,
          ...(color === undefined ? {} : { color })
        }
      ]
    })
  )
}

/** The prediction in the value at a path of an answer. */
export const fromValue = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Pick<Image, "width" | "height">,
  options: MaskAnswerOptions
): Effect.Effect<Prediction, ResponseNotDecodable> => {
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
  const first: unknown = Array.isArray(value) ? value[0] : undefined
  const as =
    options.mask?.as ??
    (typeof value === "string"
      ? "png"
      : MaskDecoding.looksLikeRle(value)
        ? "rle"
        : isRecord(first)
          ? "masks"
          : path.endsWith("logits")
            ? "logits"
            : "ids")
  if (value === undefined || value === null) return fail(answer, path, "there is no mask")
  switch (as) {
    case "png":
      return typeof value === "string"
        ? labels(
            Effect.flatMap(EncodedPicture.textToBytes(answer, path, value), (png) =>
              MaskDecoding.fromPng(answer, path, png, image, options)
            )
          )
        : fail(answer, path, "it is no base64 text", quote(value))
    case "ids":
      return labels(MaskDecoding.fromIds(answer, path, value, options))
    case "rle":
      return labels(MaskDecoding.fromRle(answer, path, value, image, options))
    case "masks":
      return Effect.flatMap(listOfMasks(answer, path, value), (masks) =>
        fromLabelled(answer, path, masks, image, options)
      )
    case "logits":
      return Effect.map(
        MaskDecoding.logitsFromNested(answer, path, value, options.mask?.channels ?? "first"),
        (logits): Prediction => ({ _tag: "Logits", logits, classes, requestId: answer.requestId })
      )
  }
}

const picturesIn = (answer: Answer, json: unknown, options: MaskAnswerOptions) =>
  Effect.gen(function* () {
    const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
    for (const kind of ["overlay", "combined", "mask"] as const) {
      const path = options.pictures?.[kind]
      const value = path === undefined ? undefined : valueAt(json, path)
      if (path === undefined || value === undefined || value === null) continue
      if (typeof value !== "string") return yield* fail(answer, path, "it is no base64 text", quote(value))
      pictures[kind] = yield* EncodedPicture.textToPng(answer, path, value)
    }
    return pictures
  })

/** The prediction in an answer whose status is a success. */
export const read = (
  answer: Answer,
  image: Pick<Image, "width" | "height">,
  options: MaskAnswerOptions
): Effect.Effect<Prediction, ServiceError> =>
  Effect.gen(function* () {
    const { mask } = options
    if (startsAsPng(answer) || (mask?.as === "png" && mask.at === undefined)) {
      const labelMap = yield* MaskDecoding.fromPng(answer, "", answer.body, image, options)
      const classes = MaskDecoding.classesOf(options)
      return { _tag: "Labels", labelMap, classes, requestId: answer.requestId }
    }
    const json = yield* Decode.json(answer)
    if (isRecord(json) && (json["success"] === false || json["ok"] === false)) {
      return yield* reported(answer, messageIn(json))
    }
    const path = mask?.at ?? find(json)
    const pictures = yield* picturesIn(answer, json, options)
    const took = options.milliseconds === undefined ? undefined : valueAt(json, options.milliseconds)
    const common = {
      pictures,
      ...(typeof took === "number" && took >= 0 ? { serviceTime: Duration.millis(took) } : {})
    }
    if (path === undefined || valueAt(json, path) === undefined) {
      if (mask === undefined && Object.keys(pictures).length > 0) {
        const { height, width } = image
        return { ...common, _tag: "Rendered", width, height, classes: [], requestId: answer.requestId }
      }
      const said = isRecord(json) ? json["error"] : undefined
      if (typeof said === "string") return yield* reported(answer, said)
      return yield* fail(answer, path ?? "", "there is no mask. Say with `mask.at` where it is", quote(json))
    }
    const listed = MaskDecoding.classesOf(options).length === 0 ? classesIn(json) : []
    const colored = listed.some(({ color }) => color !== undefined)
    const known =
      listed.length === 0 ? options : { ...options, classes: listed, ...(colored ? { palette: listed } : {}) }
    const prediction = yield* fromValue(answer, path, valueAt(json, path), image, known)
    return { ...prediction, ...common }
  })
