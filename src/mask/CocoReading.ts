/**
 * Other people's COCO: what is missing is put in from the rest, what cannot be read is left out, named and counted. Files
 * of LVIS, lists of results and what annotation tools leave out (`iscrowd`, `area`, `bbox`, `file_name`) are read.
 */
import { Predicate, Result } from "effect"
import type { Annotation, Category, Dataset, Image, Segmentation } from "./CocoSchema.ts"
import { fail, type MaskNotDecodable } from "./MaskError.ts"
import * as Rle from "./Rle.ts"
import { boundingBox, ringOf } from "./Polygons.ts"
import { signedArea } from "./Simplify.ts"

/** What could not be read, why, how often, and of which ids the first ones are. */
export interface LeftOut {
  readonly what: "image" | "annotation" | "category" | "polygon" | "id"
  readonly reason: string
  readonly count: number
  readonly ids: ReadonlyArray<string>
}

/** What of a file could not be read. */
export interface Lost {
  readonly leftOut?: ReadonlyArray<LeftOut>
  /** Ids of the images that have more on them than could be read: their label maps are not the truth. */
  readonly incomplete?: ReadonlyArray<number>
}

type Json = Readonly<Record<string, unknown>>

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

/** A whole number, also where it is written as text or as `1.0`. */
const whole = (value: unknown): number | undefined => {
  const number = typeof value === "string" && /^\s*-?\d+(?:\.0+)?\s*$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) && typeof number === "number" ? number : undefined
}

const objectOf = (value: unknown): Json => (Predicate.isReadonlyObject(value) ? value : {})

/** A point by itself. */
const isPoint = (value: unknown): value is readonly [number, number] =>
  isList(value) && value.length === 2 && value.every(isNumber)

const name = "COCO data set"

/** The data set of a file's text; a list of results has images of which only run lengths tell the size. */
export const read = (json: string): Result.Result<Dataset & Lost, MaskNotDecodable> =>
  Result.flatMap(parsed(json), (file) => {
    const out = new Reading()
    if (isList(file)) {
      const annotations = out.annotations(file)
      return finished(out, { images: imagesOf(annotations), annotations, categories: [] }, file)
    }
    if (!Predicate.isReadonlyObject(file)) return fail(name, "it is neither an object nor a list of results")
    const { annotations, categories, images } = file
    const missing = Object.entries({ images, annotations, categories }).find(
      ([, list]) => list !== undefined && list !== null && !isList(list)
    )
    if (missing !== undefined) return fail(name, `its ${missing[0]} are no list`)
    if (!isList(annotations) && !isList(images)) return fail(name, "it has neither images nor annotations")
    const drawn = isList(annotations) ? annotations : []
    const listed = isList(images) ? out.images(images, sizesIn(drawn)) : undefined
    const found = out.annotations(drawn, listed)
    return finished(
      out,
      {
        images: listed ?? imagesOf(found),
        annotations: found,
        categories: isList(categories) ? out.categories(categories) : []
      },
      drawn
    )
  })

const finished = (out: Reading, dataset: Dataset, annotations: ReadonlyArray<unknown>) => {
  const leftOut = out.leftOut()
  if (annotations.length > 0 && dataset.annotations.length === 0) {
    const why = leftOut
      .filter(({ what }) => what === "annotation" || what === "polygon")
      .map(({ reason }) => reason)
      .join("; ")
    const reason = why === "" ? "they are no objects" : why
    return fail(name, `none of its ${annotations.length} annotations can be read: ${reason}`)
  }
  return Result.succeed(
    leftOut.length === 0 ? dataset : { ...dataset, leftOut, incomplete: [...out.incomplete] }
  )
}

const parsed = (json: string): Result.Result<unknown, MaskNotDecodable> => {
  const text = json.replace(/^\uFEFF/, "")
  try {
    return Result.succeed(JSON.parse(text))
  } catch (error) {
    try {
      // Python's writer has numbers that JSON has not.
      return Result.succeed(
        JSON.parse(text.replaceAll(/(?<=[:,[]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, "null"))
      )
    } catch {
      return fail(name, `it is no JSON: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** Sides that are whole numbers of pixels. */
const sizeOf = (width: unknown, height: unknown): Pick<Image, "width" | "height"> | undefined => {
  const [w, h] = [whole(width), whole(height)]
  return w === undefined || h === undefined || w < 1 || h < 1 ? undefined : { width: w, height: h }
}

/** The sizes that the first run lengths of each image tell, for images that do not say their own. */
const sizesIn = (
  annotations: ReadonlyArray<unknown>
): ReadonlyMap<number, Pick<Image, "width" | "height">> => {
  const sizes = new Map<number, Pick<Image, "width" | "height">>()
  for (const entry of annotations) {
    const { image_id: imageId, segmentation } = objectOf(entry)
    const { size } = objectOf(segmentation)
    const image = whole(imageId)
    const own = isList(size) ? sizeOf(size[1], size[0]) : undefined
    if (image !== undefined && own !== undefined && !sizes.has(image)) sizes.set(image, own)
  }
  return sizes
}

/** The images that run lengths tell the size of, for files that list none. */
const imagesOf = (annotations: ReadonlyArray<Annotation>): ReadonlyArray<Image> =>
  Array.from(sizesIn(annotations), ([id, size]) => ({ id, ...size, file_name: String(id) }))

class Reading {
  readonly #faults = new Map<
    string,
    { what: LeftOut["what"]; reason: string; count: number; ids: Array<string> }
  >()

  /** Images with something on them that could not be read, be it a part of an annotation. */
  readonly incomplete = new Set<number>()
  /** The image of the annotation that is being read. */
  #image = 0

  leftOut(): ReadonlyArray<LeftOut> {
    return [...this.#faults.values()]
  }

  /** Leaves out something that may cover pixels. */
  #lose(what: LeftOut["what"], reason: string, id: unknown): undefined {
    this.incomplete.add(this.#image)
    return this.#leave(what, reason, id)
  }

  #leave(what: LeftOut["what"], reason: string, id: unknown): undefined {
    const key = `${what}: ${reason}`
    const known = this.#faults.get(key) ?? { what, reason, count: 0, ids: [] }
    known.count++
    if (known.ids.length < 5) known.ids.push(String(id))
    this.#faults.set(key, known)
    return undefined
  }

  #idOf(what: "image" | "category", { id }: Json, index: number): number | undefined {
    return whole(id) ?? this.#leave(what, "it has no id that is a whole number", index)
  }

  /** Images whose size nobody tells. */
  readonly #unsized = new Set<number>()

  /** `sizes` are of those that do not say their own. */
  images(
    list: ReadonlyArray<unknown>,
    sizes: ReadonlyMap<number, Pick<Image, "width" | "height">>
  ): ReadonlyArray<Image> {
    const seen = new Map<number, string>()
    return list.flatMap((entry, index) => {
      const image = objectOf(entry)
      const id = this.#idOf("image", image, index)
      if (id === undefined) return []
      const size = sizeOf(image["width"], image["height"]) ?? sizes.get(id)
      if (size === undefined) {
        this.#unsized.add(id)
        return this.#leave("image", "it has no width and height", id) ?? []
      }
      const file_name = fileName(image) ?? String(id)
      const before = seen.get(id)
      if (before !== undefined) {
        // Whose annotations are whose nobody can tell: those of the id are of the first.
        if (before !== file_name) this.incomplete.add(id)
        return this.#leave("image", "another before it has its id", id) ?? []
      }
      seen.set(id, file_name)
      return [{ id, ...size, file_name }]
    })
  }

  categories(list: ReadonlyArray<unknown>): ReadonlyArray<Category> {
    const names = new Map<number, unknown>()
    return list.flatMap((entry, index) => {
      const category = objectOf(entry)
      const id = this.#idOf("category", category, index)
      if (id === undefined) return []
      const { name, supercategory } = category
      if (names.has(id)) {
        // The same once more is no fault.
        if (names.get(id) === name) return []
        return this.#leave("category", "another before it has its id, and another name", id) ?? []
      }
      names.set(id, name)
      return [
        {
          id,
          name: typeof name === "string" ? name : `class ${id}`,
          ...(typeof supercategory === "string" ? { supercategory } : {})
        }
      ]
    })
  }

  /**
   * `images` are those that the file lists, where it does. Files that were put together have ids twice: what is another annotation
   * counts under an id of its own, and the same once more does not.
   */
  annotations(list: ReadonlyArray<unknown>, images?: ReadonlyArray<Image>): ReadonlyArray<Annotation> {
    const found: Array<Annotation> = []
    const sizes = images && new Map(images.map((image) => [image.id, image]))
    const given = list.map((entry) => whole(objectOf(entry)["id"]))
    const all = new Set(given)
    const byId = new Map<number, Annotation>()
    let last = given.reduce<number>((most, id) => Math.max(most, id ?? 0), list.length)
    for (const [index, entry] of list.entries()) {
      const annotation = objectOf(entry)
      const own = given[index]
      const id = own ?? (all.has(index + 1) ? ++last : index + 1)
      const image_id = whole(annotation["image_id"])
      const category_id = whole(annotation["category_id"])
      if (image_id === undefined) {
        this.#leave("annotation", "it has no image_id that is a whole number", id)
        continue
      }
      this.#image = image_id
      if (category_id === undefined) {
        this.#lose(
          "annotation",
          isList(annotation["segments_info"])
            ? "it is panoptic, of segments in pictures"
            : "it has no category_id that is a whole number",
          id
        )
        continue
      }
      const image = sizes?.get(image_id)
      if (sizes !== undefined && image === undefined) {
        const reason = this.#unsized.has(image_id) ? "has no width and height" : "is not listed"
        this.#leave("annotation", `the image that it is of ${reason}`, id)
        continue
      }
      const segmentation = this.#segmentation(annotation["segmentation"], id)
      if (segmentation === undefined) continue
      if (image !== undefined && isOfOther(segmentation, image)) {
        this.#lose("annotation", "its run lengths are for an image of another size", id)
        continue
      }
      if (areParts(segmentation, image)) {
        this.#lose("annotation", "its outlines are in parts of the sides, not in pixels", id)
        continue
      }
      const measured = measure(segmentation)
      const { area, bbox, iscrowd } = annotation
      const before = byId.get(id)
      if (before !== undefined) {
        if (isSame(before, { image_id, category_id, segmentation })) {
          this.#leave("annotation", "the same is there before it, under its id", id)
          continue
        }
        this.#leave("id", "another annotation before it has it, and both count", id)
      }
      const read = {
        id: before === undefined ? id : ++last,
        image_id,
        category_id,
        segmentation,
        area: isNumber(area) ? area : measured.area(),
        bbox: isBox(bbox) ? bbox : measured.bbox(),
        iscrowd: iscrowd === 1 || iscrowd === true || iscrowd === "1" ? 1 : 0
      } as const
      byId.set(read.id, read)
      found.push(read)
    }
    return found
  }

  #segmentation(given: unknown, id: number): Segmentation | undefined {
    if (Predicate.isReadonlyObject(given)) return this.#runs(given, id)
    if (!isList(given) || given.length === 0) return this.#lose("annotation", "it has no segmentation", id)
    // One polygon without a list around it, be it of numbers or of points.
    const lists = isNumber(given[0]) || (given.length > 2 && given.every(isPoint)) ? [given] : given
    const polygons: Array<ReadonlyArray<number>> = []
    for (const list of lists) {
      const polygon = isList(list) && list.every(isPoint) ? list.flat() : list
      if (!isList(polygon) || !polygon.every(isNumber)) this.#lose("polygon", "it is no list of numbers", id)
      else if (polygon.length < 6) this.#leave("polygon", `it has ${polygon.length} numbers, and no area`, id)
      else if (polygon.length % 2 === 1) this.#lose("polygon", "it has an odd number of numbers", id)
      else polygons.push(polygon)
    }
    return polygons.length === 0
      ? this.#leave("annotation", "none of its polygons can be read", id)
      : polygons
  }

  #runs({ counts, size }: Json, id: number): Segmentation | undefined {
    const sides = isList(size) ? sizeOf(size[1], size[0]) : undefined
    if (sides === undefined) return this.#lose("annotation", "its run lengths have no size", id)
    const { height, width } = sides
    if (typeof counts !== "string" && !(isList(counts) && counts.every(isNumber)))
      return this.#lose("annotation", "its run lengths have no counts", id)
    // Python's bytes as text have their mark around them.
    const text = typeof counts === "string" ? /^b(['"])(.*)\1$/s.exec(counts)?.[2] : undefined
    const runs: Rle.CocoRle = { size: [height, width], counts: text?.replaceAll("\\\\", "\\") ?? counts }
    return Result.match(Rle.fromCoco(runs), {
      onSuccess: () => runs,
      onFailure: ({ detail }) => this.#lose("annotation", `its run lengths: ${detail}`, id)
    })
  }
}

const isSame = (
  a: Pick<Annotation, "image_id" | "category_id" | "segmentation">,
  b: Pick<Annotation, "image_id" | "category_id" | "segmentation">
): boolean =>
  a.image_id === b.image_id &&
  a.category_id === b.category_id &&
  JSON.stringify(a.segmentation) === JSON.stringify(b.segmentation)

/** Whether run lengths are for another size than their image has. */
const isOfOther = (segmentation: Segmentation, { height, width }: Image): boolean =>
  "counts" in segmentation && (segmentation.size[0] !== height || segmentation.size[1] !== width)

/** Whether outlines lie within 0 and 1, between whole numbers: they would cover less than a pixel. */
const areParts = (segmentation: Segmentation, image: Image | undefined): boolean =>
  !("counts" in segmentation) &&
  (image === undefined || image.width * image.height > 4) &&
  segmentation.every((polygon) => polygon.every((value) => value >= 0 && value <= 1)) &&
  segmentation.some((polygon) => polygon.some((value) => !Number.isInteger(value)))

/** The name of the file, or the last part of its address (as LVIS has it). */
const fileName = (image: Json): string | undefined => {
  const { coco_url: cocoUrl, file_name: own, flickr_url: flickrUrl, path } = image
  if (typeof own === "string" && own !== "") return own
  const address = [cocoUrl, path, flickrUrl].find((value) => typeof value === "string" && value !== "")
  return typeof address === "string" ? address.split(/[?#]/)[0]!.split("/").at(-1) : undefined
}

const isBox = (box: unknown): box is readonly [number, number, number, number] =>
  isList(box) && box.length === 4 && box.every(isNumber)

/** Area and box of a segmentation, for those that do not say; of polygons as if they did not overlap. */
const measure = (segmentation: Segmentation) => {
  const isRuns = "counts" in segmentation
  const runs = isRuns ? Result.getOrUndefined(Rle.fromCoco(segmentation)) : undefined
  const polygons = isRuns ? [] : segmentation.map((flat) => ({ outer: ringOf(flat), holes: [] }))
  return {
    area: () =>
      runs ? Rle.area(runs) : polygons.reduce((sum, { outer }) => sum + Math.abs(signedArea(outer)), 0),
    bbox: (): Annotation["bbox"] => {
      const box = runs ? Rle.box(runs) : boundingBox(polygons)
      return box === undefined ? [0, 0, 0, 0] : [box.x, box.y, box.width, box.height]
    }
  }
}
