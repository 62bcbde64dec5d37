/**
 * The formats that label maps are exported in. `segformer export`, the answers of `/v1/segment` and the buttons of the page
 * are made from this table: a new format is a module in `exports/` and a line here. Of two with equal claims a caller gets the first.
 */
import * as Coco from "./exports/Coco.ts"
import * as Csv from "./exports/Csv.ts"
import * as Cvat from "./exports/Cvat.ts"
import type { ExportFormat, Settings } from "./exports/ExportFormat.ts"
import * as FiftyOne from "./exports/FiftyOne.ts"
import * as GeoJson from "./exports/GeoJson.ts"
import * as LabelStudio from "./exports/LabelStudio.ts"
import * as LabelPng from "./exports/LabelPng.ts"
import * as Npy from "./exports/Npy.ts"
import * as Rle from "./exports/Rle.ts"
import * as Yolo from "./exports/Yolo.ts"

const table = {
  png: LabelPng.format,
  geojson: GeoJson.format,
  coco: Coco.format,
  csv: Csv.format,
  yolo: Yolo.format,
  npy: Npy.format,
  rle: Rle.format,
  labelstudio: LabelStudio.format,
  cvat: Cvat.format,
  fiftyone: FiftyOne.format
} as const satisfies Readonly<Record<string, ExportFormat>>

/** What a format is called on a command line. */
export type Name = keyof typeof table

/** The formats by name. */
export const formats: Readonly<Record<Name, ExportFormat>> = table

const isName = (name: string): name is Name => Object.hasOwn(table, name)

export const names: ReadonlyArray<Name> = Object.keys(table).filter(isName)

/** The formats that heed a setting. */
export const using = (setting: keyof Settings): ReadonlyArray<Name> =>
  names.filter((name) => formats[name].uses.includes(setting))

/** Those that have a file for each image, or one for all of them. */
export const per = (what: ExportFormat["per"]): ReadonlyArray<Name> =>
  names.filter((name) => formats[name].per === what)
