/**
 * What it takes to be a format that label maps are exported in: facts for people and for HTTP, and a writer. A writer
 * of one file for each image, or of one file for all images of a run, a piece for each.
 */
import type { Result } from "effect"
import type { ClassTable } from "../ClassTable.ts"
import type { Affine } from "../GeoJson.ts"
import type { LabelMap } from "../LabelMap.ts"
import type { Palette } from "../Palette.ts"
import type { Region } from "../Region.ts"
import type { Steps } from "../Steps.ts"

/** A label map and what is known of its image. */
export interface Item {
  readonly map: LabelMap
  /** What the file of the image is called. */
  readonly image: string
  /** Its regions, where more is known of them than the map tells. */
  readonly regions?: ReadonlyArray<Region> | undefined
  /** What its ids mean, where those of other items mean other things. Of a format that names them for each item. */
  readonly own?: Pick<Settings, "classes" | "palette" | "exclude"> | undefined
  /** The model that found it. */
  readonly model?: string | undefined
  /** How sure the model was of the image, 0 to 1. */
  readonly score?: number | undefined
}

/** What an area is given as: its pixels as run lengths, a ring around it, a box, or its pixels as a picture. */
export type Shape = "mask" | "polygon" | "box" | "bitmask"

/** What a writer may be told. Each format says which of it it heeds, and is given no more. */
export interface Settings {
  /** What the ids mean; empty where nobody knows. */
  readonly classes: ClassTable
  /** A colour for each class; empty for grey. */
  readonly palette: Palette
  /** Classes that are no objects. */
  readonly exclude: ReadonlySet<number>
  /** Regions of fewer pixels are left out. */
  readonly minArea: number
  /** How far outlines may be moved to save points, in pixels. */
  readonly tolerance: number | undefined
  /** From pixels to coordinates. */
  readonly transform: Affine | undefined
  /** The ids that a tool has for these classes, where they are not those of the label maps. */
  readonly categoryOf?: ((classId: number) => number) | undefined
  /** A line for each region instead of each class. */
  readonly regions: boolean
  /** What areas are given as to tools that know several. */
  readonly shape: Shape
  /** Whether masks are of a region each, or of all regions of a class. */
  readonly objects: "region" | "class"
  /** What stands before the names of images: where a tool finds them. As that tool has it where nobody says. */
  readonly imagesAt: string | undefined
  /** Whether each object says which image it is on: with one image alone that is plain. */
  readonly named: boolean
}

/** The text of one file, a piece for each image: the pieces joined are the file. */
export interface RunWriter {
  readonly start: string
  /** The piece of an image, or what is wrong with its label map: then it is left out. */
  readonly add: (item: Item) => Steps<Result.Result<string, string>>
  readonly end: () => string
  /** A file that lies beside it, once it is written. */
  readonly beside?: (() => Beside) | undefined
}

/** A file that belongs to another. */
export interface Beside {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A file for each image. */
export interface ImageWriter {
  /** The file, or what is wrong with the label map. */
  readonly encode: (item: Item) => Steps<Result.Result<Uint8Array, string>>
  /** A file that lies beside those of all images, once they are written. */
  readonly beside?: (() => Beside) | undefined
}

interface Facts {
  /** As people call it. */
  readonly title: string
  /** What is in it, in a line. */
  readonly description: string
  readonly mediaType: string
  /** Of a file's name, without the first dot. */
  readonly ending: string
  /** Whether it has the model of an item, and its score. */
  readonly isAttributed?: boolean | undefined
  /** Whether it says for each item what its classes are called, so that an id need not mean the same in all of them. */
  readonly isNamedEach?: boolean | undefined
  /** Whether ids in it depend on which classes there are, so that two files go together only where the same are known. */
  readonly isNumbered?: boolean | undefined
  /** Whether tools find the file of an image by the image's name without its ending. */
  readonly isPaired?: boolean | undefined
}

export type ExportFormat<Used extends keyof Settings = keyof Settings> = Facts & {
  /** The settings that it heeds. */
  readonly uses: ReadonlyArray<Used>
} & (
    | { readonly per: "run"; readonly open: (settings: Pick<Settings, Used>) => RunWriter }
    | { readonly per: "image"; readonly open: (settings: Pick<Settings, Used>) => ImageWriter }
  )

/** A format, held to the settings that it says it uses. */
export const make = <const Used extends keyof Settings = never>(format: ExportFormat<Used>): ExportFormat =>
  format
