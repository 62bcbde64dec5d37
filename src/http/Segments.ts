/**
 * Maps whose values are numbers of segments, with a list beside them that says of what class each is: panoptic and instance
 * segmentation of Transformers, Detectron2 and COCO. Taken for class ids they would be others.
 */
import { Effect, Option } from "effect"
import type { Size } from "../mask/Fit.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Steps from "../mask/Steps.ts"
import type { Prediction } from "../Prediction.ts"
import { lazily } from "../service/CodeNotLoaded.ts"
import type { Answer } from "../service/Exchange.ts"
import { type Decoded, fail } from "./EncodedPicture.ts"
import { join, plain } from "./Fields.ts"
import * as LabelIds from "./LabelIds.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as MaskList from "./MaskList.ts"
import * as MaskPaths from "./MaskPaths.ts"
import * as NestedArray from "./NestedArray.ts"
import { isRecord } from "./protocol/Errors.ts"
import * as Side from "./Side.ts"

/** What tells numbers of things from ids of classes. */
export const numbering = lazily(() => import("./Numbered.ts"))

const fields = ["segments_info", "segmentsInfo", "segments"]

interface Segment extends LabelIds.Labelled {
  readonly id: number
  readonly score: number | undefined
  /** Whether it is one of several things, or all there is of something, where that is said. */
  readonly isThing?: unknown
}

/** The segments beside a map of them or around it; `undefined` where none are listed, and only there its numbers may be class ids. */
export const beside = (
  answer: Answer,
  json: unknown,
  place: string
): Decoded<ReadonlyArray<Segment>> | undefined => {
  for (const { path, value } of MaskPaths.around(json, place).toReversed()) {
    if (MaskPaths.isPair(value) && place === join(path, "0")) return all(answer, join(path, "1"), value[1])
    for (const field of isRecord(value) ? fields : []) {
      const given = isRecord(value) ? value[field] : undefined
      const at = join(path, field)
      if (given === undefined || given === null || place.startsWith(`${at}.`)) continue
      if (Array.isArray(given) && (field !== "segments" || given.length === 0 || given.some(MaskPaths.hasId)))
        return all(answer, at, given)
      if (field !== "segments") return fail(answer, at, "it is no list of segments")
    }
  }
  return undefined
}

const all = (answer: Answer, path: string, given: ReadonlyArray<unknown>): Decoded<ReadonlyArray<Segment>> =>
  Effect.forEach(given, (each, index) => read(answer, join(path, String(index)), each))

const read = (answer: Answer, path: string, each: unknown): Decoded<Segment> => {
  const { id: given, ...rest } = isRecord(each) ? each : {}
  const [id, label] = [Side.toId(given), MaskList.labelOf(rest)]
  return id === undefined || label === undefined
    ? fail(answer, path, `the segment has no ${id === undefined ? "id" : "label or class id"}`)
    : Effect.succeed({
        ...label,
        id,
        score: Side.toNumber(rest["score"]),
        isThing: rest["isthing"] ?? rest["is_thing"],
        path
      })
}

/** The numbers of segments in a map, and its size. */
interface Numbers extends Size {
  readonly data: ArrayLike<number>
}

const numbersIn = (
  answer: Answer,
  path: string,
  value: unknown,
  image: Size,
  { maxPixels }: MaskDecoding.MaskOptions
): Decoded<Numbers> =>
  typeof value === "string"
    ? MaskDecoding.fromText(answer, path, value, image, { maxPixels, binary: false })
    : Effect.flatMap(
        Effect.mapError(NestedArray.values(value), MaskDecoding.flawed(answer, path)),
        ({ data, shape }): Decoded<Numbers> => {
          const [height, width, ...more] = shape[0] === 1 && shape.length === 3 ? shape.slice(1) : shape
          return height === undefined || width === undefined || more.length > 0
            ? fail(answer, path, `it has the shape [${shape.join(", ")}], and no two dimensions`)
            : Effect.succeed({ width, height, data })
        }
      )

/** The label map of a map of segments. */
export const toPrediction = Effect.fnUntraced(function* (
  answer: Answer,
  path: string,
  value: unknown,
  segments: ReadonlyArray<Segment>,
  image: Size,
  options: MaskDecoding.MaskOptions
) {
  const numbers = yield* numbersIn(answer, path, value, image, options)
  return yield* ofNumbers(answer, path, numbers, segments, options)
})

/** The label map of numbers of segments. What belongs to none is 0 or -1 there, and ignored unless the options say of which class it is. */
const ofNumbers = Effect.fnUntraced(function* (
  answer: Answer,
  path: string,
  { data, height, width }: Numbers,
  segments: ReadonlyArray<Segment>,
  options: MaskDecoding.MaskOptions
) {
  const { classes, ids } = yield* LabelIds.assign(answer, segments, MaskDecoding.classesOf(options))
  const classOf = new Map<number, number>()
  const kinds = new Map<number, boolean>()
  for (const [index, { id, isThing, path: at }] of segments.entries()) {
    const classId = ids[index]!
    // Detectron2 may number things and what is none from 0 on, each by themselves.
    if (typeof isThing === "boolean" && (kinds.get(classId) ?? isThing) !== isThing)
      return yield* fail(answer, at, `the class ${classId} is one of things here, and of none elsewhere`)
    if (typeof isThing === "boolean") kinds.set(classId, isThing)
    if ((classOf.get(id) ?? classId) !== classId)
      return yield* fail(answer, at, `the segment ${id} is of another class elsewhere`)
    classOf.set(id, classId)
  }
  const { gap, ignoreIndex, most } = MaskDecoding.groundOf(ids, options)
  const map = LabelMap.allocate(most, width * height)
  for (let at = 0; at < map.length; at++) {
    if (at % Steps.pixelsPerStep === 0) yield* Effect.yieldNow
    const number = data[at]!
    const classId = classOf.get(number)
    if (classId === undefined && number !== 0 && number !== -1) {
      return yield* fail(
        answer,
        path,
        `it has the segment ${number}, which is not among those that are listed beside it`
      )
    }
    map[at] = classId ?? gap
  }
  const labelMap = MaskDecoding.upright({ width, height, data: map, ignoreIndex }, options.transposed)
  const scores = MaskList.bestScores(segments.map(({ score }, index) => [ids[index]!, score]))
  return { _tag: "Labels", labelMap, classes, scores, requestId: answer.requestId } satisfies Prediction
})

/** Lists of things that have ids of their own, by other names than segments. */
const lists = ["instances", "objects", "things", "detections", "annotations"]

const thingsAround = (json: unknown, place: string): ReadonlyArray<Segment> => {
  for (const { path, value } of MaskPaths.around(json, place).toReversed()) {
    for (const field of isRecord(value) ? lists : []) {
      const given = isRecord(value) ? value[field] : undefined
      if (!Array.isArray(given) || given.length === 0 || place.startsWith(`${join(path, field)}.`)) continue
      const things = given.flatMap((each: unknown, index) => {
        const { id, instance_id, segment_id, ...rest } = isRecord(each) ? each : {}
        const [number, label] = [Side.toId(instance_id ?? segment_id ?? id), MaskList.labelOf(rest)]
        const score = Side.toNumber(rest["score"])
        return number === undefined || label === undefined
          ? []
          : { ...label, id: number, score, path: join(join(path, field), String(index)) }
      })
      if (things.length === given.length) return things
    }
  }
  return []
}

/** The prediction of a map that numbers things of a list, or has the number behind the class; `undefined` where its values may be class ids. */
export const ofThings = Effect.fnUntraced(function* (
  answer: Answer,
  json: unknown,
  path: string,
  value: unknown,
  image: Size,
  options: MaskDecoding.MaskOptions
) {
  const things = thingsAround(json, path)
  const divisor = MaskPaths.around(json, path)
    .map((each) => (isRecord(each.value) ? Side.toId(each.value["label_divisor"]) : undefined))
    .find((given) => given !== undefined && given > 1)
  if (things.length === 0 && divisor === undefined) return undefined
  // Where it cannot be read, that is told as of any map.
  const found = yield* Effect.option(numbersIn(answer, path, value, image, options))
  if (Option.isNone(found)) return undefined
  const { areNumbers, divided } = yield* numbering
  const numbers = found.value
  const classes = MaskDecoding.classesOf(options)
  const isSaid = things.length > 0 && /instance|panoptic/.test(plain(path.slice(path.lastIndexOf(".") + 1)))
  const are =
    isSaid ||
    (yield* Steps.run(() =>
      areNumbers(
        numbers.data,
        things.map((thing) => ({ ...thing, classId: LabelIds.idOf(thing, classes) }))
      )
    ))
  if (typeof are === "string") return yield* fail(answer, path, are)
  if (are) return yield* ofNumbers(answer, path, numbers, things, options)
  const map = divisor === undefined ? undefined : yield* Steps.run(() => divided(numbers, divisor, options))
  if (map === undefined) return undefined
  const turned = MaskDecoding.upright(map, options.transposed)
  const labelMap = yield* MaskDecoding.withClasses(answer, path, turned, options)
  return { _tag: "Labels", labelMap, classes, requestId: answer.requestId } satisfies Prediction
})
