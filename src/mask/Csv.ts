/**
 * Tables of areas as CSV (RFC 4180): a comma between fields, CR LF after each line, quotes where a field needs them.
 *
 * ```ts
 * import { ClassTable, Csv, LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.of(0, 1, 1, 1) })
 * const classes = ClassTable.fromNames(["background", "pit, deep"])
 * Csv.areas(map, classes) // => 'class_id,class,pixels,share\r\n0,background,1,0.25\r\n1,"pit, deep",3,0.75\r\n'
 * ```
 */
import * as ClassTable from "./ClassTable.ts"
import { histogram, type LabelMap } from "./LabelMap.ts"
import type { Region } from "./Region.ts"

/** A value of a field; `undefined` is an empty one. */
export type Field = string | number | boolean | undefined

/** One line. */
export const line = (fields: ReadonlyArray<Field>): string => `${fields.map(quoted).join(",")}\r\n`

const quoted = (field: Field): string => {
  const text = field === undefined ? "" : String(field)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** The pixels of each class and their share of those that are not ignored. */
export const areas = (map: LabelMap, classes: ClassTable.ClassTable): string => {
  const counts = histogram(map)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return [...counts].reduce(
    (text, [id, pixels]) => text + line([id, ClassTable.nameOf(classes, id), pixels, pixels / total]),
    line(["class_id", "class", "pixels", "share"])
  )
}

/** The columns of {@link regions}: lengths in pixels, the orientation in radians. */
export const REGION_COLUMNS = [
  "class_id",
  "class",
  "area",
  "x",
  "y",
  "width",
  "height",
  "centroid_x",
  "centroid_y",
  "perimeter",
  "major_axis",
  "minor_axis",
  "circularity",
  "aspect_ratio",
  "orientation",
  "solidity",
  "touches_border",
  "mean_confidence"
] as const

/** The fields of a region, in the order of {@link REGION_COLUMNS}; put others (an image's name) before or after. */
export const regionFields = (region: Region): ReadonlyArray<Field> => [
  region.classId,
  region.className,
  region.area,
  region.box.x,
  region.box.y,
  region.box.width,
  region.box.height,
  region.centroid.x,
  region.centroid.y,
  region.perimeter,
  region.majorAxis,
  region.minorAxis,
  region.circularity,
  region.aspectRatio,
  region.orientation,
  region.solidity,
  region.touchesBorder,
  region.meanConfidence
]

/** A table of regions. */
export const regions = (regions: Iterable<Region>): string => {
  let text = line(REGION_COLUMNS)
  for (const region of regions) text += line(regionFields(region))
  return text
}
