/** What the inspection protocol says of one image, from a segmentation: pictures, regions, and their JSON. */
import { Duration, Effect } from "effect"
import type { ImageCodec, Raster } from "../../../image/ImageCodec.ts"
import * as ClassTable from "../../../mask/ClassTable.ts"
import { histogram, type LabelMap } from "../../../mask/LabelMap.ts"
import type { Palette } from "../../../mask/Palette.ts"
import type { Region } from "../../../mask/Region.ts"
import type { Pictures } from "../../../Prediction.ts"
import * as Background from "../../../render/Background.ts"
import * as Colors from "../../../render/Colors.ts"
import * as Overlay from "../../../render/Overlay.ts"
import * as SideBySide from "../../../render/SideBySide.ts"
import type { SegmentationError } from "../../../SegmentationError.ts"
import type { Segmented } from "../../Dialect.ts"
import * as Fineness from "../../Fineness.ts"
import type { Piece } from "../../JsonPieces.ts"
import { fromError, type Refusal } from "../../Refusal.ts"
import { lazily } from "../../../service/CodeNotLoaded.ts"

/** Names of the pictures in an answer, in its order. */
export const pictureNames = ["overlay", "combined", "mask"] as const
export type PictureName = (typeof pictureNames)[number]

/** One image, ready to be written. */
export interface InspectionResult {
  readonly width: number
  readonly height: number
  readonly palette: Palette
  /** Of classes that are not background. */
  readonly regions: ReadonlyArray<Region>
  readonly pictures: Pictures
  readonly scores: ReadonlyMap<number, number>
  /** Where a mask shows each class in its colour of the palette: whether the regions are those of the mask. */
  readonly painted: "mask" | "segmenter" | undefined
  /** Seconds. */
  readonly took: number
}

/** Renders what the protocol shows. Where the segmenter is a service that draws itself, its pictures are kept. */
export const make = Effect.fnUntraced(function* (
  { image, segmentation }: Segmented,
  codec: ImageCodec["Service"],
  wanted: ReadonlySet<PictureName>
): Effect.fn.Return<InspectionResult, Refusal> {
  const palette = Colors.paletteOf(segmentation.classes)
  const background = Background.idsOf(palette)
  const map = yield* Effect.catch(segmentation.labelMap, (error) =>
    // Regions or pictures alone are an answer too; nothing at all is none.
    Object.keys(segmentation.pictures).length > 0 ? Effect.succeed(undefined) : Effect.fail(fromError(error))
  )
  if (map !== undefined && segmentation.reported === undefined) yield* Fineness.checkDrawable(map)
  const regions = yield* Effect.orElseSucceed(segmentation.regions, (): ReadonlyArray<Region> => [])
  const pictures: Pictures =
    map === undefined
      ? segmentation.pictures
      : yield* Effect.mapError(render(map, palette, image, codec, wanted), fromError)
  return {
    width: segmentation.width,
    height: segmentation.height,
    palette,
    regions: regions.filter((region) => !background.has(region.classId)),
    pictures,
    scores: segmentation.scores,
    painted:
      map === undefined || pictures.mask === undefined || !isPainted(map, palette)
        ? undefined
        : segmentation.reported === undefined
          ? "mask"
          : "segmenter",
    took: Duration.toSeconds(segmentation.cost.duration)
  }
})

/** Whether each pixel has a colour of the palette: what is ignored has none. */
const isPainted = (map: LabelMap, palette: Palette): boolean =>
  [...histogram(map).keys()].every((id) => ClassTable.get(palette, id) !== undefined) &&
  new Set(palette.map(({ color }) => color.join())).size === palette.length

/** Letters are loaded with the first legend. */
const legend = lazily(() => import("../../../render/Legend.ts"))
const withLegend = (raster: Raster, map: LabelMap, palette: Palette) =>
  Effect.flatMap(legend, (Legend) => Legend.draw(raster, Legend.entriesOf(map, palette)))

const render = Effect.fnUntraced(function* (
  map: LabelMap,
  palette: Palette,
  image: Segmented["image"],
  codec: ImageCodec["Service"],
  wanted: ReadonlySet<PictureName>
): Effect.fn.Return<Pictures, SegmentationError> {
  const pictures: { -readonly [K in PictureName]?: Uint8Array } = {}
  if (wanted.has("mask")) pictures.mask = yield* codec.encode(yield* Colors.draw(map, palette), "png")
  if (wanted.has("overlay") || wanted.has("combined")) {
    const raster = yield* codec.decode(image)
    const overlay = yield* Overlay.draw(raster, map, { palette })
    if (wanted.has("overlay")) pictures.overlay = yield* codec.encode(overlay, "png")
    if (wanted.has("combined")) {
      const both = yield* SideBySide.draw(raster, overlay)
      // Words do not fit below a stamp.
      const explained = both.width < 400 ? both : yield* withLegend(both, map, palette)
      pictures.combined = yield* codec.encode(explained, "png")
    }
  }
  return pictures
})

/** Such as `2_deep_scratch`. */
const className = (info: { readonly id: number; readonly name: string }): string =>
  `${info.id}_${info.name.replaceAll(/[^\p{L}\p{N}]+/gu, "_").replaceAll(/^_+|_+$/g, "")}`

const regionJson = (region: Region, index: number) => ({
  region_id: index + 1,
  centroid: region.centroid,
  bounding_box: {
    x: region.box.x,
    y: region.box.y,
    width: region.box.width,
    height: region.box.height
  },
  area_pixels: region.area,
  perimeter: region.perimeter,
  major_axis: region.majorAxis,
  minor_axis: region.minorAxis,
  circularity: region.circularity,
  aspect_ratio: region.aspectRatio
})

/** Regions that become text at once: about a millisecond of work. */
const regionsPerPiece = 500

/** `analysis_results`, piece by piece. */
export function* analysis(result: InspectionResult, timestamp: string): Generator<string> {
  const shape = JSON.stringify({ height: result.height, width: result.width })
  yield `{"image_shape":${shape},"classes":{`
  let first = true
  const names = new Set<string>()
  for (const info of result.palette) {
    if (Background.isName(info.name)) continue
    // Two classes whose names differ in punctuation only must not become one.
    let name = className(info)
    while (names.has(name)) name += "_"
    names.add(name)
    const regions = result.regions.filter((region) => region.classId === info.id)
    const area = regions.reduce((sum, region) => sum + region.area, 0)
    yield (
      `${first ? "" : ","}${JSON.stringify(name)}:{"class_id":${info.id},"total_regions":${regions.length},` +
        `"total_area_pixels":${area},"regions":[`
    )
    first = false
    for (let from = 0; from < regions.length; from += regionsPerPiece) {
      const part = regions.slice(from, from + regionsPerPiece)
      const json = part.map((region, index) => JSON.stringify(regionJson(region, from + index))).join(",")
      yield from === 0 ? json : `,${json}`
    }
    yield "]}"
  }
  const performance = JSON.stringify({ processing_time_seconds: result.took, timestamp })
  yield `},"performance":${performance}}`
}

/** The fields of a result that answers of one image and items of a batch share, without braces. */
export function* fields<E>(
  fileName: string,
  result: InspectionResult,
  pictures: { readonly [K in PictureName]?: Piece<E> | undefined },
  timestamp: string
): Generator<Piece<E>> {
  yield `"success":true,"filename":${JSON.stringify(fileName)}`
  for (const name of pictureNames) {
    yield `,"${name}_image":`
    yield pictures[name] ?? "null"
  }
  yield `,"total_defects":${result.regions.length},"processing_time":${result.took},"analysis_results":`
  yield* analysis(result, timestamp)
  if (result.painted !== undefined)
    yield `,"mask_palette":${JSON.stringify(result.palette)},"regions_from":"${result.painted}"`
  const scores = Array.from(result.scores).filter(([, score]) => Number.isFinite(score))
  if (scores.length > 0) yield `,"scores":${JSON.stringify(Object.fromEntries(scores))}`
}

const two = (value: number): string => String(value).padStart(2, "0")

/** `YYYYMMDD_HHMMSS`, local time. */
export const timestampOf = (millis: number): string => {
  const date = new Date(millis)
  return (
    `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}` +
    `_${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`
  )
}
