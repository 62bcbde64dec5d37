/**
 * A segmentation in the form that a caller asked for: JSON, a label PNG, raw class ids, GeoJSON, COCO or CSV. Whatever
 * gives out results (`/v1/segment`, a job's images) does so from here.
 */
import { promisify } from "node:util"
import { deflate } from "node:zlib"
import { Duration, Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import * as ClassTable from "../../mask/ClassTable.ts"
import * as Coco from "../../mask/Coco.ts"
import * as Components from "../../mask/Components.ts"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import * as Csv from "../../mask/Csv.ts"
import * as GeoJson from "../../mask/GeoJson.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import * as Palette from "../../mask/Palette.ts"
import type { Extent, Region } from "../../mask/Region.ts"
import * as Regions from "../../mask/Regions.ts"
import * as Colors from "../../render/Colors.ts"
import * as Steps from "../../mask/Steps.ts"
import type { Segmented } from "../Dialect.ts"
import * as ClassScores from "../ClassScores.ts"
import * as JsonPieces from "../JsonPieces.ts"
import { bad, fromError, Refusal } from "../Refusal.ts"
import * as Accept from "./Accept.ts"
import type { SegmentResult } from "./SegmentApi.ts"

/** Media types of the forms there are, the default first. */
export const formats = [
  "application/json",
  "image/png",
  "application/octet-stream",
  "application/geo+json",
  "application/vnd.coco+json",
  "text/csv"
] as const
export type Format = (typeof formats)[number]

/** What a caller wants to know, and how. */
export interface Asked {
  readonly format: Format
  /** Into the JSON. */
  readonly labels: boolean
  /** Into the JSON. */
  readonly confidence: boolean
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
  const unknown = parts.find((part) => part !== "labels" && part !== "confidence")
  return unknown === undefined
    ? Effect.succeed({ format, labels: parts.includes("labels"), confidence: parts.includes("confidence") })
    : Effect.fail(bad(`include takes labels and confidence, and not "${unknown.slice(0, 100)}"`))
}

/** What the answer says of the request besides. */
export interface About {
  readonly requestId: string
  /** The model that did it. */
  readonly model: string
}

/** The answer. Making it is work: it belongs into the turn in which the image was segmented. */
export const make = Effect.fnUntraced(function* (
  segmented: Segmented,
  asked: Asked,
  about: About
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal> {
  const { format } = asked
  if (format === "application/json") return yield* json(segmented, asked, about)
  const found = yield* ClassScores.make(segmented)
  const { labelMap, maxId } = found
  switch (format) {
    case "image/png": {
      const palette = Colors.paletteOf(segmented.segmentation.classes)
      return HttpServerResponse.uint8Array(yield* ClassScores.png(found, palette), {
        contentType: format
      })
    }
    case "application/octet-stream": {
      const { bits, bytes } = yield* packed(labelMap, maxId)
      return HttpServerResponse.uint8Array(bytes, {
        contentType: format,
        headers: {
          "x-image-width": String(labelMap.width),
          "x-image-height": String(labelMap.height),
          "x-label-bits": String(bits)
        }
      })
    }
    case "application/geo+json":
      return text(yield* Steps.run(() => geoJson(found)), format)
    case "application/vnd.coco+json":
      return text(yield* Steps.run(() => coco(segmented, found)), format)
    case "text/csv":
      return text(Csv.regions(yield* regionsOf(segmented, found)), format)
  }
})

const text = (body: string, contentType: string) => HttpServerResponse.text(body, { contentType })

function* geoJson({ classes, labelMap }: ClassScores.ClassScores): Steps.Steps<string> {
  const features = yield* listed(yield* GeoJson.steps(labelMap, { classes }))
  return `{"type":"FeatureCollection","features":[${features}]}`
}

function* coco({ image }: Segmented, { classes, labelMap }: ClassScores.ClassScores): Steps.Steps<string> {
  const { height, width } = labelMap
  const of: Coco.Image = { id: 1, width, height, file_name: image.name }
  const annotations = yield* listed(yield* Coco.steps(labelMap, { imageId: 1 }))
  const categories = JSON.stringify(Coco.categories(classes))
  return `{"images":[${JSON.stringify(of)}],"annotations":[${annotations}],"categories":${categories}}`
}

/** The items of an array, in JSON: large ones are megabytes of text. */
function* listed(items: ReadonlyArray<unknown>): Steps.Steps<string> {
  const texts: Array<string> = []
  for (const [index, item] of items.entries()) {
    if (index % 256 === 255) yield
    texts.push(JSON.stringify(item))
  }
  return texts.join(",")
}

/** Those that the service reported, else those of the label map, with the confidence of each where the model says. */
const regionsOf = (
  { segmentation }: Segmented,
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
const json = Effect.fnUntraced(function* (segmented: Segmented, asked: Asked, { model, requestId }: About) {
  const { segmentation } = segmented
  const map = yield* Effect.mapError(segmentation.labelMap, fromError)
  const components = yield* Steps.run(() => Components.steps(map))
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
    const bytes = yield* Steps.run(() => confidenceBytes(confidence))
    pieces.push(`,"confidence":{${size},"deflate":`, yield* compress(bytes), "}")
  }
  return pieces.length === 0
    ? text(head, "application/json")
    : HttpServerResponse.stream(JsonPieces.stream([head.slice(0, -1), ...pieces, "}"]), {
        contentType: "application/json"
      })
})

/** Six digits say all that a float says here, in half the characters. */
const round = (value: number): number => Math.round(value * 1e6) / 1e6

const pack = promisify(deflate)
const compress = (bytes: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.promise(() => pack(bytes, { level: 3 }))

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

function* confidenceBytes({ data }: ConfidenceMap): Steps.Steps<Uint8Array> {
  const bytes = new Uint8Array(data.length)
  for (let from = 0; from < data.length; from += Steps.pixelsPerStep) {
    const end = Math.min(data.length, from + Steps.pixelsPerStep)
    for (let at = from; at < end; at++) bytes[at] = Math.round(Math.min(1, Math.max(0, data[at]!)) * 255)
    yield
  }
  return bytes
}
