/** What a run found, as a table for people and as JSON for machines. */
import { Duration } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import type { Region } from "../mask/Region.ts"
import type { Uncertainty } from "../mask/Uncertainty.ts"
import * as Background from "../render/Background.ts"
import * as Legend from "../render/Legend.ts"
import type { Segmentation } from "../Segmentation.ts"
import * as Screen from "./Screen.ts"

/** One class in an image. */
export interface ClassCount {
  readonly id: number
  readonly name: string
  /** `#rrggbb`, as painted. */
  readonly color: string | undefined
  readonly pixels: number
  /** Of the image's pixels, 0 to 1. */
  readonly share: number
  /** Undefined for background. */
  readonly regions: number | undefined
}

/** One image, as `--json` prints it and NAME.json holds it. */
export interface ImageReport {
  readonly image: string
  readonly width: number
  readonly height: number
  readonly model: string
  /** Those that occur. */
  readonly classes: ReadonlyArray<ClassCount>
  /** Of classes that are not background. */
  readonly regions: ReadonlyArray<Region>
  /** How unsure the model is of the image, where it gives logits. */
  readonly uncertainty?: Uncertainty | undefined
  /** Paths of what was written. */
  readonly files: {
    readonly overlay?: string
    readonly labels?: string
    readonly cutOut?: string
    readonly hidden?: string
    readonly json?: string
  }
  /** From the call to its result, in milliseconds. */
  readonly milliseconds: number
  readonly attempts: number
}

/** The report of a segmentation; without a label map, its regions count. */
export const make = (options: {
  readonly image: string
  readonly model: string
  readonly segmentation: Segmentation
  /** How unsure the model is of the image, where that is known. */
  readonly uncertainty: Uncertainty | undefined
  readonly map: LabelMap.LabelMap | undefined
  readonly regions: ReadonlyArray<Region>
  readonly palette: Palette.Palette
  readonly files: ImageReport["files"]
}): ImageReport => {
  const { map, palette, segmentation, uncertainty } = options
  const background = Background.idsOf(palette)
  const regions = options.regions.filter((region) => !background.has(region.classId))
  const counts = new Map<number, number>()
  for (const { classId } of regions) counts.set(classId, (counts.get(classId) ?? 0) + 1)
  const pixels = new Map(map === undefined ? [] : LabelMap.histogram(map))
  if (map === undefined) {
    for (const { area, classId } of regions) pixels.set(classId, (pixels.get(classId) ?? 0) + area)
  }
  const total = segmentation.width * segmentation.height
  const classes = countsOf(pixels, palette, total, (id) =>
    background.has(id) ? undefined : (counts.get(id) ?? 0)
  )
  return {
    image: options.image,
    width: segmentation.width,
    height: segmentation.height,
    model: options.model,
    classes,
    regions,
    ...(uncertainty === undefined ? {} : { uncertainty }),
    files: options.files,
    milliseconds: Math.round(Duration.toMillis(segmentation.cost.duration)),
    attempts: segmentation.cost.attempts
  }
}

/** The classes of so many pixels each, by id. */
export const countsOf = (
  pixels: ReadonlyMap<number, number>,
  palette: Palette.Palette,
  total: number,
  regionsOf: (id: number) => number | undefined
): ReadonlyArray<ClassCount> =>
  [...pixels]
    .sort((a, b) => a[0] - b[0])
    .map(([id, count]) => ({
      id,
      name: ClassTable.nameOf(palette, id),
      color: Screen.hex(ClassTable.get(palette, id)?.color),
      pixels: count,
      share: count / total,
      regions: regionsOf(id)
    }))

/** Class, pixels, share and regions over all images. */
export const table = (reports: ReadonlyArray<ImageReport>): ReadonlyArray<string> => {
  const total = reports.reduce((sum, { height, width }) => sum + width * height, 0)
  const sums = new Map<string, ClassCount>()
  for (const { classes } of reports) {
    for (const info of classes) {
      const key = `${info.id} ${info.name}`
      const before = sums.get(key)
      sums.set(key, {
        ...info,
        pixels: info.pixels + (before?.pixels ?? 0),
        regions: info.regions === undefined ? undefined : info.regions + (before?.regions ?? 0)
      })
    }
  }
  const classes = [...sums.values()]
  // In windows nobody counts them.
  const areCounted = classes.some(({ regions }) => regions !== undefined)
  const rows = classes
    .sort((a, b) => a.id - b.id)
    .map((info) => ({
      // Background is not painted, so it has no colour to show.
      mark: info.regions === undefined ? Screen.noSwatch() : Screen.swatch(Palette.fromHex(info.color ?? "")),
      cells: [
        Screen.plain(info.name),
        Screen.count(info.pixels),
        Legend.percent(info.pixels / total),
        ...(areCounted ? [info.regions === undefined ? "" : Screen.count(info.regions)] : [])
      ]
    }))
  return Screen.table(["class", "pixels", "share", ...(areCounted ? ["regions"] : [])], rows)
}
