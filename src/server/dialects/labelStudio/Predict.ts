/** The prediction of one task: its pictures fetched, segmented, and told as the regions that its labelling configuration has tags for. */
import { createHash } from "node:crypto"
import { Effect, Predicate } from "effect"
import * as ClassTable from "../../../mask/ClassTable.ts"
import * as Components from "../../../mask/Components.ts"
import * as LabelStudio from "../../../mask/LabelStudio.ts"
import * as Steps from "../../../mask/Steps.ts"
import { randomHex } from "../../../randomHex.ts"
import * as Background from "../../../render/Background.ts"
import type { AnnotationOptions } from "../Annotation.ts"
import * as AtPoints from "../AtPoints.ts"
import * as ClassScores from "../../ClassScores.ts"
import type { Segmented, Served } from "../../Dialect.ts"
import * as LargeJson from "../../LargeJson.ts"
import { bad, type Refusal } from "../../Refusal.ts"
import type { Kept } from "../../ResultCache.ts"
import type { Context } from "./Context.ts"
import * as Drawn from "./Context.ts"
import * as LabelConfig from "./LabelConfig.ts"
import * as Labels from "./Labels.ts"
import * as TaskData from "./TaskData.ts"
import type { TaskImages } from "./TaskImages.ts"

export interface Task {
  readonly id: string | undefined
  readonly data: Readonly<Record<string, unknown>>
}

export interface Asked {
  readonly config: LabelConfig.LabelConfig
  readonly version: string
  /** Where an annotator waits for it. */
  readonly context: Context | undefined
}

/** What is found in one picture of a task. */
export interface Found {
  /** JSON of the regions, each without its opening brace: the id comes first, and is another one each time. */
  readonly regions: ReadonlyArray<Uint8Array>
  readonly score: number | undefined
}

const bytesOf = ({ regions }: Found): number =>
  regions.reduce((sum, { byteLength }) => sum + 128 + byteLength, 0)

const encoder = new TextEncoder()

const withoutId = (region: LabelStudio.Result): Uint8Array =>
  encoder.encode(JSON.stringify({ ...region, id: undefined }).slice(1))

/** How a region begins, under an id that no other has. */
const opening = (page: number | undefined): string =>
  `{"id":"${randomHex(5)}",${page === undefined ? "" : `"item_index":${page},`}`

/** Bytes of the brushes of a picture, each of which is of the whole image: what more would take, a browser cannot hold either. */
const maxBrushes = 1 << 23

/** How sure the segmenter was of the whole picture, 0 to 1. */
const scoreOf = (present: ReadonlyArray<ClassScores.ClassScore>): number | undefined => {
  let pixels = 0
  let sum = 0
  for (const { pixels: own, score } of present) {
    if (score === undefined) continue
    pixels += own
    sum += own * score
  }
  return pixels === 0 ? undefined : sum / pixels
}

/** The regions of a picture for the tags that are for it. */
const regionsOf = (
  controls: ReadonlyArray<LabelConfig.Control>,
  place: Drawn.Place,
  context: Context | undefined,
  options: AnnotationOptions
) =>
  Effect.fnUntraced(function* ({ segmentation }: Segmented): Effect.fn.Return<Found, Refusal> {
    const { classes, confidence, labelMap, present } = yield* ClassScores.make({ segmentation })
    const toName = place.name
    const places = Labels.place(controls, toName, classes)
    const score = scoreOf(present)
    const regions: Array<Uint8Array> = []
    if (context !== undefined) {
      const clicked = Drawn.clicked(context, place, labelMap)
      if (clicked === undefined) return { regions, score }
      const asked = { ...clicked, background: Background.idsOf(classes) }
      const components = yield* Steps.run(() => Components.steps(labelMap))
      const { classId, mask } = yield* Steps.run(() => AtPoints.pick(components, asked))
      const control = Labels.drawn(controls, toName, clicked.label) ?? places.get(classId ?? -1)?.control
      if (classId === undefined || control === undefined) return { regions, score }
      const map = { width: labelMap.width, height: labelMap.height, data: mask }
      const controlOf = (id: number) => (id === 1 ? control : undefined)
      const { tolerance } = options
      // All of it is one region, wherever its parts are.
      yield* Steps.run(() =>
        LabelStudio.each(
          map,
          { controlOf, confidence, tolerance, per: "class" },
          (result) => regions.push(withoutId(result)) > 0
        )
      )
      return { regions, score }
    }
    let bytes = 0
    const take = (result: LabelStudio.Result): boolean => {
      regions.push(withoutId(result))
      if (result.type === "brushlabels") bytes += result.value.rle.length
      return bytes < maxBrushes
    }
    for (const least of new Set(Array.from(places.values(), ({ least }) => least))) {
      const controlOf = (id: number) => {
        const placed = places.get(id)
        return placed?.least === least ? placed?.control : undefined
      }
      const isWhole = yield* Steps.run(() =>
        LabelStudio.each(labelMap, { ...options, controlOf, confidence, minScore: least }, take)
      )
      if (!isWhole) {
        return yield* bad(
          "The regions of the picture are too many to be a brush each: leave out small ones (--min-area), have one for each class " +
            "(--objects class), or label with polygons"
        )
      }
    }
    return { regions, score }
  })

/** The controls, with the labels that a task brings itself. */
const withOwn = (
  controls: ReadonlyArray<LabelConfig.Control>,
  data: Task["data"]
): ReadonlyArray<LabelConfig.Control> =>
  controls.map((control) =>
    control.labelsFrom === undefined
      ? control
      : {
          ...control,
          labels: [...control.labels, ...labelsIn(TaskData.resolve(control.labelsFrom, data))]
        }
  )

const labelsIn = (value: unknown): ReadonlyArray<LabelConfig.Label> =>
  (Array.isArray(value) ? value : []).flatMap((each: unknown) => {
    const given = typeof each === "string" ? { value: each } : each
    if (!Predicate.isReadonlyObject(given)) return []
    const text = (name: string) => (typeof given[name] === "string" ? given[name] : undefined)
    return LabelConfig.label(text("value"), text("alias"), text("predicted_values")) ?? []
  })

const isText = (value: unknown): value is string | LargeJson.LongText =>
  typeof value === "string" || value instanceof LargeJson.LongText

/** The addresses of a picture: one, or one for each page. */
const addressesOf = Effect.fnUntraced(function* (
  picture: LabelConfig.Picture,
  data: Task["data"]
): Effect.fn.Return<ReadonlyArray<string | LargeJson.LongText>, Refusal> {
  const found = TaskData.resolve(picture.value, data)
  const list: ReadonlyArray<unknown> = Array.isArray(found) ? found : [found]
  const texts = list.filter(isText)
  if (texts.length === 0 || texts.length < list.length)
    return yield* bad(
      `The task has no picture in ${picture.value}, where <Image name="${picture.name}"> looks for it`
    )
  return texts
})

const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("base64")

/** The prediction of a task as JSON, in pieces. */
export const task = (
  served: Served,
  kept: Kept<Found>,
  images: TaskImages,
  options: AnnotationOptions,
  { config, context, version }: Asked
) =>
  Effect.fnUntraced(function* ({
    data,
    id
  }: Task): Effect.fn.Return<ReadonlyArray<string | Uint8Array>, Refusal> {
    const tags = yield* config.forTask(data)
    const controls = withOwn(tags.controls, data)
    const pieces: Array<string | Uint8Array> = []
    const scores: Array<number> = []
    for (const picture of tags.pictures) {
      if (!controls.some(({ toName }) => toName.includes(picture.name))) continue
      const addresses = yield* addressesOf(picture, data)
      const question = digest([controls, picture.name])
      for (const [index, address] of addresses.entries()) {
        const page = picture.isList ? index : undefined
        const place = { name: picture.name, page }
        if (context !== undefined && !Drawn.isOn(context, place)) continue
        const make = regionsOf(controls, place, context, options)
        const upload = { name: "picture", bytes: yield* images.bytes(address, id, served.limits.maxBytes) }
        // A picture is clicked again and again, elsewhere each time: its whole result is kept for that.
        const found =
          context === undefined
            ? yield* served.extract(upload, { kept, question, make, bytesOf }, Effect.succeed)
            : yield* served.segment(upload, make)
        for (const region of found.regions) {
          if (pieces.length > 0) pieces.push(",")
          pieces.push(opening(page), region)
        }
        if (found.score !== undefined) scores.push(found.score)
      }
    }
    const score = scores.length === 0 ? undefined : scores.reduce((a, b) => a + b, 0) / scores.length
    return [
      `{"model_version":${JSON.stringify(version)}${score === undefined ? "" : `,"score":${score}`},"result":[`,
      ...pieces,
      "]}"
    ]
  })

/** What stands in the place of a task that failed. */
export const nothing = (version: string): ReadonlyArray<string | Uint8Array> => [
  `{"model_version":${JSON.stringify(version)},"score":0,"result":[]}`
]

/** A class and its label, for people. */
export const placesOf = (config: LabelConfig.LabelConfig, classes: ClassTable.ClassTable) =>
  config.pictures.flatMap(({ name }) =>
    Array.from(Labels.place(config.controls, name, classes), ([id, { control, least }]) => ({
      className: ClassTable.nameOf(classes, id),
      ...control,
      least
    }))
  )
