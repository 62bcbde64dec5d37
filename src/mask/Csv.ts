/**
 * Tables of areas as CSV (RFC 4180): a comma between fields, CR LF after each line, quotes where a field needs them, and
 * no text that a spreadsheet would run as a formula.
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

/**
 * One line. A text that a spreadsheet would take for a formula (it begins with `=`, `+`, `-` or `@`, or their wide forms,
 * after whatever space) gets a `'` before it and quotes around it, as OWASP advises; so does what begins with a tab or a
 * line's end. Numbers stay numbers.
 */
export const line = (fields: ReadonlyArray<Field>): string => `${fields.map(quoted).join(",")}\r\n`

/** A text of such a line as it was before it got its `'`. @internal */
export const unguarded = (text: string): string =>
  text.startsWith("'") && formula.test(text) ? text.slice(1) : text

/** One that looks guarded already gets its `'` too, so that it comes back as it was. */
const formula = /^'*(?:[\t\r\n]|\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/

const quoted = (field: Field): string => {
  const text = field === undefined ? "" : String(field)
  if (typeof field === "string" && formula.test(text)) return `"'${text.replaceAll('"', '""')}"`
  // A semicolon or a tab is what some spreadsheets cut at.
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const table = (rows: Iterable<ReadonlyArray<Field>>): string => {
  let text = ""
  for (const fields of rows) text += line(fields)
  return text
}

/** The columns of {@link areas}. */
export const AREA_COLUMNS: ReadonlyArray<string> = ["class_id", "class", "pixels", "share"]

/** The pixels of each class and their share of those that are not ignored, in the order of {@link AREA_COLUMNS}. */
export const areaFields = (
  map: LabelMap,
  classes: ClassTable.ClassTable
): ReadonlyArray<ReadonlyArray<Field>> => {
  const counts = histogram(map)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return Array.from(counts, ([id, pixels]) => [id, ClassTable.nameOf(classes, id), pixels, pixels / total])
}

/** The table of areas. */
export const areas = (map: LabelMap, classes: ClassTable.ClassTable): string =>
  table([AREA_COLUMNS, ...areaFields(map, classes)])

/** What is told of a region, a column each: lengths in pixels, the orientation in radians. */
const columns: Readonly<Record<string, (region: Region) => Field>> = {
  class_id: ({ classId }) => classId,
  class: ({ className }) => className,
  area: ({ area }) => area,
  x: ({ box }) => box.x,
  y: ({ box }) => box.y,
  width: ({ box }) => box.width,
  height: ({ box }) => box.height,
  centroid_x: ({ centroid }) => centroid.x,
  centroid_y: ({ centroid }) => centroid.y,
  perimeter: ({ perimeter }) => perimeter,
  major_axis: ({ majorAxis }) => majorAxis,
  minor_axis: ({ minorAxis }) => minorAxis,
  circularity: ({ circularity }) => circularity,
  aspect_ratio: ({ aspectRatio }) => aspectRatio,
  orientation: ({ orientation }) => orientation,
  solidity: ({ solidity }) => solidity,
  touches_border: ({ touchesBorder }) => touchesBorder,
  mean_confidence: ({ meanConfidence }) => meanConfidence
}

const readers = Object.values(columns)

/** The columns of {@link regions}. */
export const REGION_COLUMNS: ReadonlyArray<string> = Object.keys(columns)

/** The fields of a region, in the order of {@link REGION_COLUMNS}; put others (an image's name) before or after. */
export const regionFields = (region: Region): ReadonlyArray<Field> => readers.map((read) => read(region))

/** A table of regions. */
export const regions = (regions: Iterable<Region>): string =>
  line(REGION_COLUMNS) + table(Array.from(regions, regionFields))
