/**
 * A segmentation in the form that a caller asked for: JSON, a label PNG, raw class ids, or any of the formats of export. Whatever
 * gives out results (`/v1/segment`, a job's images) does so from here.
 */
import { Duration, Effect, Option, Result } from "effect"
import { HttpServerResponse } from "effect/http"
import * as ClassTable from "../../mask/ClassTable.ts"
import * as Components from "../../mask/Components.ts"
import * as Background from "../../render/Background.ts"
import type { ExportFormat, Item, Settings } from "../../mask/exports/ExportFormat.ts"
import * as SegFormerAnswer from "../../http/protocol/SegFormerAnswer.ts"
import * as Exports from "../../mask/Exports.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import * as LabelRuns from "../../mask/LabelRuns.ts"
import * as Palette from "../../mask/Palette.ts"
import type { Extent, Region } from "../../mask/Region.ts"
import * as Regions from "../../mask/Regions.ts"
import * as Colors from "../../render/Colors.ts"
import * as Steps from "../../mask/Steps.ts"
import type { Segmentation } from "../../Segmentation.ts"
import * as ClassScores from "../ClassScores.ts"
import * as Fineness from "../Fineness.ts"
import * as JsonPieces from "../JsonPieces.ts"
import { bad, fromError, Refusal, tagOf } from "../Refusal.ts"
import * as Zlib from "../Zlib.ts"
import * as Accept from "./Accept.ts"
import type { SegmentResult } from "./SegmentApi.ts"

const json = "application/json"
const ids = "application/octet-stream"
/** What a client of this library asks for. */
const framed = SegFormerAnswer.mediaType

/** Formats of export by their media types: the first of two with one type has it. */
const exported: ReadonlyMap<string, ExportFormat> = new Map(
  Exports.names.toReversed().map((name) => [Exports.formats[name].mediaType, Exports.formats[name]])
)

/** Media types of the forms there are, the default first. */
export const formats: readonly [string, ...ReadonlyArray<string>] = [
  json,
  Exports.formats.png.mediaType,
  ids,
  framed,
  ...Exports.names.filter((name) => name !== "png").map((name) => Exports.formats[name].mediaType)
]

/** What a caller wants to know, and how. */
export interface Asked {
  /** Its media type. */
  readonly format: string
  /** Into the JSON. */
  readonly labels: boolean
  /** Into the JSON. */
  readonly confidence: boolean
  /** Among the objects of the formats that have such. */
  readonly background?: boolean
}

/** What the headers and the query of a request ask for; 406 or 400 where there is no such thing. */
export const asked = (
  accept: string | undefined,
  include: string | undefined
): Effect.Effect<Asked, Refusal> => {
  const format = Accept.choose(accept, formats)
  if (format === undefined) {
    const detail = `The answer can be had as ${formats.join(", ")}, and Accept names none of them`
    return Effect.fail(new Refusal({ status: 406, detail }))
  }
  const parts = (include ?? "").split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]))
  const unknown = parts.find((part) => part !== "labels" && part !== "confidence" && part !== "background")
  return unknown === undefined
    ? Effect.succeed({
        format,
        labels: parts.includes("labels"),
        confidence: parts.includes("confidence"),
        background: parts.includes("background")
      })
    : Effect.fail(bad(`include takes labels, confidence and background, and not "${unknown.slice(0, 100)}"`))
}

/** What is answered with. */
export interface Answerable {
  readonly image: { readonly name: string; readonly hasMore?: boolean | undefined }
  readonly segmentation: Segmentation
}

/** What the answer says of the request besides. */
export interface About {
  readonly requestId: string
  /** The model that did it. */
  readonly model: string
}

/** The answer. Making it is work: it belongs into the turn in which the image was segmented. */
export const make = Effect.fnUntraced(function* (
  segmented: Answerable,
  asked: Asked,
  about: About
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal> {
  const { format } = asked
  if (format === json) return yield* inJson(segmented, asked, about)
  if (format === framed) return frames([yield* frame(segmented, asked, about)])
  const found = yield* ClassScores.make(segmented)
  const { classes, labelMap, maxId } = found
  const palette = Colors.paletteOf(segmented.segmentation.classes)
  // zlib's threads pack it, where the format's own writer works on the event loop.
  if (format === "image/png") {
    return file(yield* ClassScores.png(found, palette), format)
  }
  const writing = exported.get(format)
  if (writing === undefined) {
    const { bits, bytes } = yield* packed(labelMap, maxId)
    return file(bytes, format, {
      "x-image-width": String(labelMap.width),
      "x-image-height": String(labelMap.height),
      "x-label-bits": String(bits)
    })
  }
  // Ids in rows take a memory that the number of pixels tells.
  if (writing !== Exports.formats.npy) yield* Fineness.checkDrawable(labelMap)
  const settings: Settings = {
    // A file of one image has no table of classes beside it: its ids are the model's.
    classes: writing.per === "image" ? [] : classes,
    palette,
    // As `segformer export` has it: background is no object, unless it is asked for.
    exclude: asked.background === true ? new Set() : Background.idsOf(segmented.segmentation.classes),
    minArea: 1,
    tolerance: undefined,
    transform: undefined,
    regions: true,
    shape: "mask",
    objects: "region",
    imagesAt: undefined,
    named: false
  }
  const regions = writing.uses.includes("regions") ? yield* regionsOf(segmented, found) : undefined
  const item: Item = { map: labelMap, image: segmented.image.name, regions }
  const unfit = (reason: string) =>
    new Refusal({ status: 500, detail: `The label map does not fit ${writing.title}: ${reason}` })
  if (writing.per === "image") {
    const { encode } = writing.open(settings)
    const encoded = yield* Steps.run(() => encode(item))
    return Result.isSuccess(encoded) ? file(encoded.success, format) : yield* unfit(encoded.failure)
  }
  const { add, end, start } = writing.open(settings)
  const piece = yield* Steps.run(() => add(item))
  return Result.isSuccess(piece) ? text(start + piece.success + end(), format) : yield* unfit(piece.failure)
})

/** Text says that it is UTF-8: some clients, such as Python's requests, take it for Latin-1 where nothing is said. */
const named = (mediaType: string): string =>
  mediaType.startsWith("text/") ? `${mediaType}; charset=utf-8` : mediaType
const text = (body: string, mediaType: string) =>
  HttpServerResponse.text(body, { contentType: named(mediaType) })
const file = (bytes: Uint8Array, mediaType: string, headers?: Readonly<Record<string, string>>) =>
  HttpServerResponse.uint8Array(bytes, {
    contentType: named(mediaType),
    ...(headers === undefined ? {} : { headers })
  })

/** One image of an answer in frames: all that is known of it. */
export type Frame = ReadonlyArray<Uint8Array>

/** Whether the answer takes several images. */
export const takesMany = ({ format }: Asked): boolean => format === framed

/** The frame of an image. Of a service that only paints it has the pictures, and what regions it reported. */
export const frame = Effect.fnUntraced(function* (
  { segmentation }: Answerable,
  asked: Asked,
  { model, requestId }: About
): Effect.fn.Return<Frame, Refusal> {
  const { classes, confidence, cost, height, pictures, reported, scores, width } = segmentation
  const map = yield* Effect.option(segmentation.labelMap)
  if (Option.isNone(map) && Object.keys(pictures).length === 0 && reported === undefined)
    return yield* Effect.mapError(Effect.andThen(segmentation.labelMap, Effect.never), fromError)
  const labels = Option.getOrUndefined(map)
  const runs = labels === undefined ? undefined : yield* Steps.run(() => LabelRuns.encodeSteps(labels))
  const sure =
    labels === undefined || confidence === undefined || !asked.confidence
      ? undefined
      : yield* Steps.run(() => ClassScores.confidenceBytes(confidence))
  return SegFormerAnswer.encode(
    {
      requestId,
      model,
      width,
      height,
      seconds: round(Duration.toSeconds(cost.duration)),
      classes: classes.map(({ color, id, name }) =>
        color === undefined ? { id, name } : { id, name, color }
      ),
      scores: Object.fromEntries(Array.from(scores).filter(([, score]) => Number.isFinite(score))),
      ...(reported === undefined ? {} : { regions: reported }),
      ...(labels === undefined
        ? {}
        : {
            labels: {
              bits: LabelRuns.bitsOf(labels),
              ...(labels.ignoreIndex === undefined ? {} : { ignoreIndex: labels.ignoreIndex })
            }
          })
    },
    { labels: runs, confidence: sure, ...pictures }
  )
})

/** The frame of an image of several that was not segmented. */
export const failedFrame = (refusal: Refusal): Frame =>
  SegFormerAnswer.encode({
    status: refusal.status,
    error: { tag: tagOf(refusal), message: refusal.detail }
  })

/** An answer of frames. */
export const frames = (all: ReadonlyArray<Frame>): HttpServerResponse.HttpServerResponse => {
  const pieces = all.flat()
  const [first, ...rest] = pieces
  return rest.length === 0 && first !== undefined
    ? file(first, framed)
    : HttpServerResponse.stream(JsonPieces.bytes(pieces), {
        contentType: framed,
        contentLength: pieces.reduce((sum, { length }) => sum + length, 0)
      })
}

/** Those that the service reported, else those of the label map, with the confidence of each where the model says. */
const regionsOf = (
  { segmentation }: Answerable,
  { classes, confidence, labelMap }: ClassScores.ClassScores
): Effect.Effect<ReadonlyArray<Region>, Refusal> =>
  confidence === undefined || segmentation.reported !== undefined
    ? Effect.mapError(segmentation.regions, fromError)
    : Steps.run(function* () {
        return yield* Regions.steps(yield* Components.steps(labelMap), { classes, confidence })
      })

/** Regions in a JSON answer: more are of no use to a reader, and would make it large. */
const maxRegions = 1000

/** What it says of the image comes from one walk over the label map: no outlines, and no second count of its pixels. */
const inJson = Effect.fnUntraced(function* (
  segmented: Answerable,
  asked: Asked,
  { model, requestId }: About
) {
  const { segmentation } = segmented
  const map = yield* Effect.mapError(segmentation.labelMap, fromError)
  const components = yield* Steps.run(() => Components.steps(map))
  yield* Fineness.checkListable(components.count)
  const { classes, confidence, labelMap, maxId, present } = yield* ClassScores.make(segmented, components)
  const { height, width } = labelMap
  const palette = Colors.paletteOf(segmentation.classes)
  const regions: ReadonlyArray<Extent> =
    segmentation.reported ??
    (yield* Steps.run(() => Regions.extentSteps(components, { classes, confidence })))
  const largest = regions.length > 1 ? regions.toSorted((a, b) => b.area - a.area) : regions
  const body: SegmentResult = {
    requestId,
    model,
    width,
    height,
    ...(segmented.image.hasMore === true ? { morePages: true } : {}),
    seconds: round(Duration.toSeconds(segmentation.cost.duration)),
    classes: present
      .map(({ id, name, pixels, score }) => ({
        id,
        name,
        color: Palette.toHex(Palette.colorOf(palette, id)),
        pixels,
        share: round(pixels / (width * height)),
        confidence: score === undefined ? null : round(score)
      }))
      .sort((a, b) => b.pixels - a.pixels),
    regions: largest
      .slice(0, maxRegions)
      .map(({ area, box, centroid, classId, className, meanConfidence }, id) => ({
        id,
        classId,
        class: className || ClassTable.nameOf(classes, classId),
        area,
        boundingBox: box,
        centroid: { x: round(centroid.x), y: round(centroid.y) },
        confidence: meanConfidence === undefined ? null : round(meanConfidence)
      })),
    regionsTotal: regions.length
  }
  const head = JSON.stringify(body)
  const size = `"width":${width},"height":${height}`
  const pieces: Array<JsonPieces.Piece> = []
  if (asked.labels) {
    const { bits, bytes } = yield* packed(labelMap, maxId)
    pieces.push(`,"labels":{${size},"bits":${bits},"deflate":`, yield* compress(bytes), "}")
  }
  if (asked.confidence && confidence !== undefined) {
    const bytes = yield* Steps.run(() => ClassScores.confidenceBytes(confidence))
    pieces.push(`,"confidence":{${size},"deflate":`, yield* compress(bytes), "}")
  }
  return pieces.length === 0 ? text(head, json) : JsonPieces.answer([head.slice(0, -1), ...pieces, "}"])
})

/** Six digits say all that a float says here, in half the characters. */
const round = (value: number): number => Math.round(value * 1e6) / 1e6

const compress = (bytes: Uint8Array): Effect.Effect<Uint8Array> => Effect.promise(() => Zlib.deflate(bytes))

/** Class ids row by row, in 8 bits, or in 16 (little-endian) where one needs them. */
const packed = (
  { data }: LabelMap,
  maxId: number
): Effect.Effect<{ readonly bits: 8 | 16; readonly bytes: Uint8Array }, Refusal> => {
  if (maxId > 0xffff) {
    const detail = `The class id ${maxId} does not fit 16 bits`
    return Effect.fail(new Refusal({ status: 500, detail }))
  }
  if (maxId <= 0xff) {
    return Effect.succeed({ bits: 8, bytes: data instanceof Uint8Array ? data : new Uint8Array(data) })
  }
  const ids = data instanceof Uint16Array ? data : new Uint16Array(data)
  return Effect.succeed({ bits: 16, bytes: new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength) })
}
