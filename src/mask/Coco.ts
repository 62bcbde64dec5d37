/**
 * COCO's annotations: a label map as JSON that its tools read, and back.
 *
 * Areas and boxes are those of the pixels, whatever a tolerance does to the outlines. The format's polygons are added
 * up when they are read, so they cannot have holes: regions with holes are written as run lengths, others as
 * polygons, all with `iscrowd` 0, which says that an annotation is one object. `iscrowd` 1 marks groups nobody
 * counted; it is set for the classes named as crowds, whose regions become one annotation.
 *
 * ```ts
 * import { Coco, LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 2, 2) })
 * const [annotation] = Coco.annotations(map, { imageId: 7, exclude: [0] })
 * annotation?.segmentation // => [[1, 0, 3, 0, 3, 1, 1, 1]]
 * annotation?.bbox // => [1, 0, 2, 1]
 * ```
 */
import { Result } from "effect"
import type { BinaryMask } from "./BinaryMask.ts"
import type { ClassTable } from "./ClassTable.ts"
import * as CocoReading from "./CocoReading.ts"
import type { Annotation, Category, Dataset, Image, Segmentation } from "./CocoSchema.ts"
import * as Components from "./Components.ts"
import { canvas, type LabelMap } from "./LabelMap.ts"
import { failing, type MaskNotDecodable, pixels } from "./MaskError.ts"
import * as Polygons from "./Polygons.ts"
import * as Rle from "./Rle.ts"
import * as JsonList from "./JsonList.ts"
import * as Steps from "./Steps.ts"
import * as ErrorKind from "../ErrorKind.ts"
import { leastArea } from "./Region.ts"

export { Annotation, Category, Dataset, Image, Segmentation } from "./CocoSchema.ts"
export type { LeftOut, Lost } from "./CocoReading.ts"

/** A data set that was read, and what of its file was not, where there is such. */
export type Read = Dataset & CocoReading.Lost

/**
 * The data set of a file's text: COCO's, LVIS's, a list of results, or what annotation tools make of it. Missing `iscrowd`
 * is 0; missing `area`, `bbox` and `file_name` are put in from the rest. What cannot be read (a polygon of four numbers, an
 * annotation without a segmentation) is left out, named and counted in `leftOut`. Fails where it is no JSON, or nothing of it
 * can be read.
 */
export const parse: (json: string) => Result.Result<Read, MaskNotDecodable> = CocoReading.read

export interface Options extends Polygons.Options {
  readonly imageId: number
  /** The id of the first annotation, the others counting on from it. 1 by default. */
  readonly firstId?: number | undefined
  /** Regions of fewer pixels are left out. */
  readonly minArea?: number | undefined
  /**
   * How areas are written. `auto`: polygons, and compressed run lengths for regions with holes. `rle`: compressed
   * run lengths, exact whatever the tolerance. `counts`: the same, not compressed. "auto" by default.
   */
  readonly segmentation?: "auto" | "rle" | "counts" | undefined
  /** Classes whose regions are one annotation each with `iscrowd` 1, in run lengths that are not compressed. */
  readonly crowds?: Iterable<number> | undefined
  /** The category of a class id: the id itself by default. */
  readonly categoryOf?: ((classId: number) => number) | undefined
}

/** One annotation for each region of a label map, in the order of their first pixels, then the crowds. */
export const annotations = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap, options: Options): Steps.Steps<ReadonlyArray<Annotation>> {
  ErrorKind.oneOf("Coco", "segmentation", options.segmentation, ["auto", "rle", "counts"])
  const crowds = new Set(options.crowds)
  const minArea = leastArea(options.minArea)
  const own = { ...options, exclude: [...(options.exclude ?? []), ...crowds] }
  const components = yield* Components.steps(map, own)
  const { height, width } = map
  // Numbered regions are a label map, so all of them are encoded at once.
  const numbered = { width, height, data: yield* Components.labelSteps(components) }
  const runs = yield* Rle.steps(numbered)
  const outlines =
    options.segmentation === "rle" || options.segmentation === "counts" ? [] : yield* Polygons.steps(map, own)
  const categoryOf = options.categoryOf ?? ((id) => id)
  const out: Array<Annotation> = []
  const add = (classId: number, rle: Rle.Rle, segmentation: Segmentation, iscrowd: 0 | 1): void => {
    const area = Rle.area(rle)
    const box = Rle.box(rle)
    if (box === undefined || area < minArea) return
    out.push({
      id: (options.firstId ?? 1) + out.length,
      image_id: options.imageId,
      category_id: categoryOf(classId),
      segmentation,
      area,
      bbox: [box.x, box.y, box.width, box.height],
      iscrowd
    })
  }
  for (let c = 0; c < components.count; c++) {
    if (c % perStep === perStep - 1) yield
    const rle = runs.get(c + 1)!
    const polygons = outlines[c]?.polygons
    const simple =
      polygons !== undefined && polygons.length > 0 && polygons.every(({ holes }) => holes.length === 0)
    const segmentation = simple
      ? polygons.map(({ outer }) => outer.flat())
      : Rle.toCoco(rle, { compressed: options.segmentation !== "counts" })
    add(components.classIds[c]!, rle, segmentation, 0)
  }
  if (crowds.size > 0) {
    const classes = yield* Rle.steps(map)
    for (const classId of crowds) {
      const rle = classes.get(classId)
      if (rle !== undefined) add(classId, rle, Rle.toCoco(rle, { compressed: false }), 1)
    }
  }
  return out
}

/** Annotations between two pauses. */
const perStep = 512

/** The categories of a class table. */
export const categories = (
  classes: ClassTable,
  options: Pick<Options, "exclude" | "categoryOf"> = {}
): ReadonlyArray<Category> => {
  const excluded = new Set(options.exclude)
  return classes
    .filter(({ id }) => !excluded.has(id))
    .map(({ id, name }) => ({ id: options.categoryOf?.(id) ?? id, name }))
}

/** A file written piece by piece, for data sets larger than memory: the pieces joined are the text of the file. */
export interface Writer {
  /** The text of one image's annotations. */
  readonly add: (image: Image, annotations: Iterable<Annotation>) => string
  /** The same with pauses. @internal */
  readonly steps: (image: Image, annotations: Iterable<Annotation>) => Steps.Steps<string>
  /** The end of the file. */
  readonly end: () => string
}

/**
 * A writer; categories stand first, images last. A function is asked at the end, where only the last image tells which
 * categories there are.
 */
export const writer = (categories: ReadonlyArray<Category> | (() => ReadonlyArray<Category>)): Writer => {
  const images: Array<string> = []
  const known = (list: ReadonlyArray<Category>): string => `"categories":${JSON.stringify(list)},`
  const list = JsonList.make(`{${typeof categories === "function" ? "" : known(categories)}"annotations":[`)
  const steps = (image: Image, annotations: Iterable<Annotation>): Steps.Steps<string> => {
    images.push(JSON.stringify(image))
    return list.steps(annotations)
  }
  return {
    steps,
    add: Steps.sync(steps),
    end: () =>
      `${list.end()},${typeof categories === "function" ? known(categories()) : ""}"images":[${images.join(",")}]}\n`
  }
}

/** The mask of a segmentation. Polygons are added up. */
export const toMask = (
  segmentation: Segmentation,
  width: number,
  height: number
): Result.Result<BinaryMask, MaskNotDecodable> => {
  const size = pixels("segmentation", width, height)
  if (Result.isFailure(size)) return Result.fail(size.failure)
  const mask = { width, height, data: new Uint8Array(size.success) }
  return Result.map(paint(segmentation, mask, 1), () => mask)
}

/** Gives the pixels of a segmentation an id, in place. @internal */
export const paint = (
  segmentation: Segmentation,
  onto: LabelMap,
  id: number
): Result.Result<void, MaskNotDecodable> => {
  const { height, width } = onto
  if ("counts" in segmentation) {
    return Result.flatMap(Rle.fromCoco(segmentation), (rle) =>
      rle.width === width && rle.height === height
        ? Result.succeed(Rle.paint(rle, onto.data, id))
        : fail(
            `its run lengths are for ${rle.width} x ${rle.height} pixels, the image has ${width} x ${height}`
          )
    )
  }
  for (const [i, flat] of segmentation.entries()) {
    if (flat.length < 6 || flat.length % 2 === 1) return fail(`polygon ${i} has ${flat.length} numbers`)
    Polygons.paint([{ outer: Polygons.ringOf(flat), holes: [] }], onto, id)
  }
  return Result.succeed(undefined)
}

export interface LabelMapOptions {
  /** The id of pixels in no object. By default 255, or the first id above all where a class has that; it is then the ignored one. */
  readonly gap?: number | undefined
  /** The class id of a category: the category's by default. */
  readonly classOf?: ((categoryId: number) => number) | undefined
}

/**
 * The label map of one image's annotations. Where objects overlap the first one is in front; crowds lie behind all
 * of them.
 */
export const toLabelMap = (
  annotations: Iterable<Annotation>,
  image: Pick<Image, "width" | "height">,
  options: LabelMapOptions = {}
): Result.Result<LabelMap, MaskNotDecodable> => {
  const backToFront = [...annotations].reverse().sort((a, b) => b.iscrowd - a.iscrowd)
  const ids = backToFront.map(({ category_id }) => options.classOf?.(category_id) ?? category_id)
  const made = canvas(image.width, image.height, ids, options.gap)
  if (Result.isFailure(made)) return made
  const map = made.success
  for (const [i, { segmentation }] of backToFront.entries()) {
    const painted = paint(segmentation, map, ids[i]!)
    if (Result.isFailure(painted)) return Result.fail(painted.failure)
  }
  return Result.succeed(map)
}

const fail = failing("segmentation")
