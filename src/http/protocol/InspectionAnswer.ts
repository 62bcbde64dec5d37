/**
 * What the inspection service says of one image. Needed is what it found: the image's size, and for each region its class,
 * its box and its area. The rest is beside that, and left out where it does not fit.
 */
import { type Duration, Effect, Schema } from "effect"
import type { Palette } from "../../mask/Palette.ts"
import type { Region } from "../../mask/Region.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ResponseNotDecodable } from "../../service/ServiceError.ts"
import * as Side from "../Side.ts"
import { isRecord } from "../../service/Message.ts"

export interface Inspected {
  readonly fileName: string | undefined
  /** Base64, by kind. */
  readonly pictures: Readonly<Record<"overlay" | "combined" | "mask", unknown>>
  readonly serviceTime: Duration.Duration | undefined
  /** In pixels; `undefined` where it says nothing of what it found. */
  readonly size: { readonly width: number; readonly height: number } | undefined
  readonly classes: ReadonlyArray<{ readonly id: number; readonly name: string }>
  readonly regions: ReadonlyArray<Region>
  /**
   * In which colours the mask is painted, where the service says it, as `segformer serve` does. Fails where that cannot be read:
   * by some of its colours alone, or by one id for two classes, a mask would be read wrongly or not at all.
   */
  readonly palette: Effect.Effect<Palette | undefined, ResponseNotDecodable>
  /** By class id, where it says them. */
  readonly scores: ReadonlyArray<readonly [id: number, score: number]>
  /** Its regions are those of the mask, and no others that it has found. */
  readonly isOfMask: boolean
}

const Channel = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const decodePalette = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      id: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
      name: Schema.String,
      color: Schema.Tuple([Channel, Channel, Channel])
    })
  )
)

const paletteIn = (
  answer: Answer,
  path: string,
  value: unknown
): Effect.Effect<Palette | undefined, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const palette = yield* Effect.mapError(decodePalette(value ?? []), (error) => {
      const { detail, path: at } = Decode.problemOf(error)
      return Decode.notDecodable(answer, [path, ...at].join("."), detail, Decode.quoted(value))
    })
    for (const [index, { id, name }] of palette.entries()) {
      const first = palette.find((info) => info.id === id)?.name ?? name
      if (first !== name)
        return yield* Effect.fail(
          Decode.notDecodable(answer, `${path}.${index}.id`, `${id} is the id of ${first} already`, name)
        )
    }
    return palette.length === 0 ? undefined : palette
  })

type Json = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown): Json => (isRecord(value) ? value : {})

/** A number that must be there. */
const needed = (
  answer: Answer,
  path: string,
  value: unknown
): Effect.Effect<number, ResponseNotDecodable> => {
  const found = Side.toNumber(value)
  return found === undefined
    ? Effect.fail(
        Decode.notDecodable(answer, path, "it is no number", value === undefined ? "" : Decode.quoted(value))
      )
    : Effect.succeed(found)
}

const regionIn = (
  answer: Answer,
  path: string,
  value: unknown,
  known: Pick<Region, "classId" | "className">
): Effect.Effect<Region, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const json = fieldsOf(value)
    const at = (field: string) => `${path}.${field}`
    const box = fieldsOf(json["bounding_box"])
    const boxed = (side: string) => needed(answer, at(`bounding_box.${side}`), box[side])
    const [x, y, width, height] = [
      yield* boxed("x"),
      yield* boxed("y"),
      yield* boxed("width"),
      yield* boxed("height")
    ]
    const area = yield* needed(answer, at("area_pixels"), json["area_pixels"])
    const measure = (field: string) => Side.number(answer, at(field), json[field])
    const centroid = fieldsOf(json["centroid"])
    const across = yield* Side.number(answer, at("centroid.x"), centroid["x"])
    const down = yield* Side.number(answer, at("centroid.y"), centroid["y"])
    const perimeter = (yield* measure("perimeter")) ?? Number.NaN
    const majorAxis = (yield* measure("major_axis")) ?? Number.NaN
    const minorAxis = (yield* measure("minor_axis")) ?? Number.NaN
    // What follows from other fields is computed as it is here: 0/0 of a single pixel among it.
    const circularity = perimeter === 0 ? 1 : Math.min(1, (4 * Math.PI * area) / (perimeter * perimeter))
    return {
      ...known,
      box: { x, y, width, height },
      centroid:
        across === undefined || down === undefined
          ? { x: x + (width - 1) / 2, y: y + (height - 1) / 2 }
          : { x: across, y: down },
      area,
      perimeter,
      majorAxis,
      minorAxis,
      circularity: (yield* measure("circularity")) ?? circularity,
      aspectRatio:
        (yield* measure("aspect_ratio")) ?? (minorAxis > 0 ? majorAxis / minorAxis : width / height)
    }
  })

/** What an answer says of one image. `path` leads to it, with a dot behind. */
export const read = (
  answer: Answer,
  value: unknown,
  path = ""
): Effect.Effect<Inspected, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const refuse = (field: string, detail: string) =>
      Effect.fail(Decode.notDecodable(answer, `${path}${field}`.replace(/\.$/, ""), detail))
    if (!isRecord(value)) return yield* refuse("", "it is no object")
    if (value["success"] !== true) return yield* refuse("success", "it is not true")
    const pictures = {
      overlay: value["overlay_image"],
      combined: value["combined_image"],
      mask: value["mask_image"]
    }
    const common = {
      pictures,
      palette: paletteIn(answer, `${path}mask_palette`, value["mask_palette"]),
      scores: Object.entries(fieldsOf(value["scores"])).flatMap(([key, given]) => {
        const [id, score] = [Side.toId(key), Side.toNumber(given)]
        return id === undefined || score === undefined ? [] : [[id, score] as const]
      }),
      isOfMask: value["regions_from"] === "mask",
      fileName: yield* Side.text(answer, `${path}filename`, value["filename"]),
      serviceTime: yield* Side.seconds(answer, `${path}processing_time`, value["processing_time"])
    }
    const analysis = value["analysis_results"]
    if (!isRecord(analysis)) {
      return typeof pictures.mask === "string"
        ? { ...common, size: undefined, classes: [], regions: [] }
        : yield* refuse("analysis_results", "it is no object")
    }
    const at = "analysis_results"
    const shape = fieldsOf(analysis["image_shape"])
    const height = Side.toId(shape["height"]) ?? 0
    const width = Side.toId(shape["width"]) ?? 0
    if (height === 0) return yield* refuse(`${at}.image_shape.height`, "it is no number of pixels")
    if (width === 0) return yield* refuse(`${at}.image_shape.width`, "it is no number of pixels")
    if (!isRecord(analysis["classes"])) return yield* refuse(`${at}.classes`, "it is no object")
    const classes: Array<{ readonly id: number; readonly name: string }> = []
    const regions: Array<Region> = []
    for (const [name, given] of Object.entries(analysis["classes"])) {
      const json = fieldsOf(given)
      const here = `${at}.classes.${name}`
      // Its names begin with the id.
      const id = Side.toId(json["class_id"]) ?? Side.toId(/^(\d+)_/.exec(name)?.[1])
      if (id === undefined) return yield* refuse(`${here}.class_id`, "it is no class id")
      classes.push({ id, name })
      const listed = json["regions"] ?? []
      if (!Array.isArray(listed)) return yield* refuse(`${here}.regions`, "it is no list")
      for (const [index, region] of listed.entries()) {
        const where = `${path}${here}.regions.${index}`
        regions.push(yield* regionIn(answer, where, region, { classId: id, className: name }))
      }
    }
    return { ...common, size: { width, height }, classes, regions }
  })
