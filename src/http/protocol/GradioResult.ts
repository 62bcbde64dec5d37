/** What a Gradio app gives: the last event of a stream, the files that it names, and sections with labels. */
import { Effect } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import * as PngFile from "../../mask/PngFile.ts"
import * as PngPaused from "../../mask/PngPaused.ts"
import * as Rle from "../../mask/Rle.ts"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ReportedFailure, ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import { valueAt } from "../MaskPaths.ts"
import type { MaskOptions } from "../MaskDecoding.ts"
import { maxPixels } from "../MaskLimits.ts"
import * as MaskList from "../MaskList.ts"
import * as Errors from "./Errors.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

/** By which an app knows a file among what it is given, and among what it gives. */
export const fileType = "gradio.FileData"

interface Event {
  readonly name: string
  readonly data: string
}

/** The events of a stream that has ended, in order. One that was cut off before its empty line is none. */
export const events = (text: string): ReadonlyArray<Event> => {
  const blocks = text.split(/\r\n\r\n|\n\n|\r\r/)
  return blocks.slice(0, -1).flatMap((block) => {
    const fields = block.split(/\r\n|\n|\r/).map((line) => /^(event|data)(?:: ?(.*))?$/s.exec(line))
    const of = (name: string) =>
      fields.filter((field) => field?.[1] === name).map((field) => field?.[2] ?? "")
    const data = of("data")
    return data.length === 0 ? [] : [{ name: of("event").at(-1) ?? "message", data: data.join("\n") }]
  })
}

/** The outputs of the event that completes a call. An app that says nothing of why it failed was started so. */
export const completed = (
  answer: Answer
): Effect.Effect<ReadonlyArray<unknown>, ResponseNotDecodable | ReportedFailure | CodeNotLoaded> =>
  Effect.gen(function* () {
    const last = events(Decode.text(answer)).findLast(({ name }) => name === "complete" || name === "error")
    if (last === undefined) {
      return yield* Decode.notDecodable(answer, "", "the stream of events ends without a result")
    }
    const json = yield* Decode.json({ ...answer, body: new TextEncoder().encode(last.data) })
    if (last.name === "error") {
      const said = Errors.messageIn(json)
      return yield* Errors.reported(answer, said ?? "it does not say why: it shows no errors (`show_error`)")
    }
    return Array.isArray(json)
      ? json
      : yield* Decode.notDecodable(answer, "data", "it is no list of outputs", last.data)
  })

/** The address of a file of the app. Its own, by the path: what it takes for its address may be one behind a proxy. */
const addressOf = (file: Readonly<Record<string, unknown>>, base: string): string | undefined => {
  const { path, url } = file
  if (typeof path === "string" && path !== "") {
    return /^https?:\/\//i.test(path)
      ? path
      : `${base}/file=${encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23")}`
  }
  return typeof url === "string" ? url : undefined
}

const isFile = (value: Readonly<Record<string, unknown>>): boolean =>
  Errors.isRecord(value["meta"]) && value["meta"]["_type"] === fileType

/** The outputs with an address in the place of each file. */
export const withAddresses = (value: unknown, base: string): unknown => {
  if (Array.isArray(value)) {
    // Arrays of numbers may be large, and have no files in them.
    return value.some((each) => typeof each === "object" && each !== null && !isNumbers(each))
      ? value.map((each) => withAddresses(each, base))
      : value
  }
  if (!Errors.isRecord(value)) return value
  if (isFile(value)) return addressOf(value, base)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withAddresses(each, base)]))
}

const isNumbers = (value: unknown): boolean => Array.isArray(value) && typeof value[0] === "number"

/** A part of an annotated picture. */
export interface Section {
  readonly path: string
  readonly label: string
  readonly address: string
}

/** The sections of an annotated picture at a place; `undefined` where there is none. */
export const sectionsAt = (value: unknown, at: string): ReadonlyArray<Section> | undefined => {
  const found = valueAt(value, at)
  const given = Errors.isRecord(found) ? found["annotations"] : undefined
  if (!Array.isArray(given)) return undefined
  const sections = given.flatMap((each: unknown, index) => {
    const { image, label } = Errors.isRecord(each) ? each : {}
    const path = `${at}.annotations.${index}`
    return typeof image === "string" && typeof label === "string" ? [{ path, label, address: image }] : []
  })
  return sections.length === given.length ? sections : undefined
}

/** The output that the mask is in: an annotated picture, or the only one there is. */
export const placeOf = (answer: Answer, value: unknown): Effect.Effect<string, ResponseNotDecodable> => {
  const outputs = Array.isArray(value) ? value : []
  const annotated = outputs.flatMap((_, index) =>
    sectionsAt(value, String(index)) === undefined ? [] : [String(index)]
  )
  const places = annotated.length > 0 ? annotated : outputs.map((_, index) => String(index))
  return places.length === 1
    ? Effect.succeed(places[0]!)
    : Effect.fail(
        Decode.notDecodable(
          answer,
          "",
          `it has ${outputs.length} outputs. Say with \`mask.at\` which one holds the mask, such as "0"`
        )
      )
}

/** Half of what is wholly inside, in 8 bits. */
const half = 128
/** What an annotated picture fills boxes with; their borders are opaque. */
const boxFill = 127

/** A label map of sections. Their pictures are masks in one colour each, whose alpha is the share of the class. */
export const fromSections = Effect.fnUntraced(function* (
  answer: Answer,
  sections: ReadonlyArray<Section>,
  image: Image,
  options: MaskOptions,
  getFile: (address: string) => Effect.Effect<Answer, ServiceError>
): Effect.fn.Return<Prediction, ServiceError> {
  const masks = yield* Effect.forEach(
    sections,
    Effect.fnUntraced(function* ({ address, label, path }) {
      const { body } = yield* getFile(address)
      const refuse = (detail: string) => Effect.fail(Decode.notDecodable(answer, path, detail, ""))
      const picture = yield* Effect.mapError(
        PngPaused.read(body, path, maxPixels(image, options)),
        ({ detail }) => Decode.notDecodable(answer, path, detail, "")
      )
      const { height, width } = picture
      const alpha = PngFile.opacity(picture)
      if (alpha === undefined) return yield* refuse("it has no alpha, which would say what is inside")
      if (isBox(alpha)) return yield* refuse(`"${label}" is the box around something, and no mask`)
      const data = new Uint8Array(alpha.length)
      for (let i = 0; i < data.length; i++) data[i] = alpha[i]! >= half ? 1 : 0
      return { path, label, score: undefined, mask: Rle.toCoco(Rle.fromMask({ width, height, data })) }
    }),
    { concurrency: 4 }
  )
  return yield* MaskList.toPrediction(answer, masks, image, options)
})

/** Boxes are drawn in two shades, and masks in one, or in many. */
const isBox = (alpha: Uint8Array | Uint16Array): boolean => {
  let filled = false
  for (const value of alpha) {
    if (value !== 0 && value !== boxFill && value !== 255) return false
    filled ||= value === boxFill
  }
  return filled
}
