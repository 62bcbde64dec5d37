/** What was found in an image, as most protocols tell it: a label map, and the classes in it with their scores. */
import { Effect } from "effect"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Components from "../mask/Components.ts"
import type { ConfidenceMap } from "../mask/ConfidenceMap.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Steps from "../mask/Steps.ts"
import type { Segmented } from "./Dialect.ts"
import * as Refusals from "./Refusal.ts"

/** A class with at least one pixel. */
export interface ClassScore {
  readonly id: number
  readonly name: string
  readonly pixels: number
  /** Mean confidence of its pixels, 0 to 1; `undefined` where the segmenter does not say. */
  readonly score: number | undefined
}

export interface ClassScores {
  readonly labelMap: LabelMap.LabelMap
  /** The model's classes, and those that it does not name but found. */
  readonly classes: ClassTable.ClassTable
  /** Ascending by id, without the ignored one. */
  readonly present: ReadonlyArray<ClassScore>
  /** The highest value of any pixel, ignored ones included. */
  readonly maxId: number
  readonly confidence: ConfidenceMap | undefined
}

/** `components` of the label map spare a look at every pixel, where they are at hand. */
export const make = Effect.fnUntraced(function* (
  { segmentation }: Pick<Segmented, "segmentation">,
  components?: Components.Components
): Effect.fn.Return<ClassScores, Refusals.Refusal> {
  const labelMap = yield* Effect.mapError(segmentation.labelMap, Refusals.fromError)
  const { confidence, scores } = segmentation
  const pixels = components === undefined ? LabelMap.histogram(labelMap) : Components.histogram(components)
  const means =
    confidence !== undefined && scores.size === 0
      ? yield* Steps.run(() => mean(labelMap, confidence))
      : scores
  const present = Array.from(pixels, ([id, count]): ClassScore => {
    const score = means.get(id)
    return {
      id,
      name: ClassTable.nameOf(segmentation.classes, id) || `class ${id}`,
      pixels: count,
      score: score === undefined || Number.isNaN(score) ? undefined : Math.min(1, Math.max(0, score))
    }
  })
  const unknown = present.filter(({ id }) => ClassTable.get(segmentation.classes, id) === undefined)
  return {
    labelMap,
    classes: ClassTable.make([...segmentation.classes, ...unknown.map(({ id, name }) => ({ id, name }))]),
    present,
    maxId: Math.max(0, ...pixels.keys(), labelMap.ignoreIndex ?? 0),
    confidence
  }
})

function* mean(map: LabelMap.LabelMap, confidence: ConfidenceMap): Steps.Steps<ReadonlyMap<number, number>> {
  const sums = new Map<number, { total: number; count: number }>()
  const { data } = map
  for (let from = 0; from < data.length; from += Steps.pixelsPerStep) {
    const end = Math.min(data.length, from + Steps.pixelsPerStep)
    for (let at = from; at < end; at++) {
      const id = data[at]!
      let sum = sums.get(id)
      if (sum === undefined) sums.set(id, (sum = { total: 0, count: 0 }))
      sum.total += confidence.data[at]!
      sum.count++
    }
    yield
  }
  return new Map(Array.from(sums, ([id, { count, total }]) => [id, total / count]))
}

/** The label map as a PNG whose pixels are class ids, and which says what they are called; in colours of a palette besides, where 8 bits are enough. */
export const png = (
  {
    classes,
    labelMap,
    maxId
  }: Pick<ClassScores, "labelMap" | "maxId"> & Partial<Pick<ClassScores, "classes">>,
  palette?: ClassTable.ClassTable
): Effect.Effect<Uint8Array, Refusals.Refusal> =>
  Effect.mapError(
    LabelPngWriter.encode(labelMap, { palette, maxId, classes }),
    ({ detail }) => new Refusals.Refusal({ status: 500, detail: `The class ${detail}` })
  )

/** A grey PNG for each class: 255 where a pixel is of the class, 0 elsewhere. */
export const masks = (
  { data, height, width }: LabelMap.LabelMap,
  ids: Iterable<number>
): Effect.Effect<ReadonlyArray<Uint8Array>, Refusals.Refusal> =>
  Effect.suspend(() => {
    // One after the other in the same memory: classes are many, and a large image has megabytes.
    const mask = { width, height, data: new Uint8Array(data.length) }
    return Effect.forEach(ids, (id) =>
      Effect.flatMap(
        Steps.run(() => inOf(data, id, mask.data)),
        () => png({ labelMap: mask, maxId: 255 })
      )
    )
  })

function* inOf(data: LabelMap.LabelData, id: number, mask: Uint8Array): Steps.Steps<void> {
  for (let from = 0; from < data.length; from += Steps.pixelsPerStep) {
    const end = Math.min(data.length, from + Steps.pixelsPerStep)
    for (let at = from; at < end; at++) mask[at] = data[at] === id ? 255 : 0
    yield
  }
}

/** How sure a model is of each pixel, as a byte: 0 to 255 for 0 to 1. */
export function* confidenceBytes({ data }: ConfidenceMap): Steps.Steps<Uint8Array> {
  const bytes = new Uint8Array(data.length)
  for (let from = 0; from < data.length; from += Steps.pixelsPerStep) {
    const end = Math.min(data.length, from + Steps.pixelsPerStep)
    for (let at = from; at < end; at++) bytes[at] = Math.round(Math.min(1, Math.max(0, data[at]!)) * 255)
    yield
  }
  return bytes
}

/** What {@link confidenceBytes} gave, to 1/510. */
export function* confidenceFrom(
  width: number,
  height: number,
  bytes: Uint8Array
): Steps.Steps<ConfidenceMap> {
  const data = new Float32Array(bytes.length)
  for (let from = 0; from < data.length; from += Steps.pixelsPerStep) {
    const end = Math.min(data.length, from + Steps.pixelsPerStep)
    for (let at = from; at < end; at++) data[at] = bytes[at]! / 255
    yield
  }
  return { width, height, data }
}
