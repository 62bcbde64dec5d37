/** Sinks that keep something of each image, and make one file of all of it at the end: COCO, rankings, tables. */
import { basename, dirname } from "node:path"
import { Effect, type FileSystem, Stream } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Coco from "../mask/Coco.ts"
import * as Csv from "../mask/Csv.ts"
import * as Ranking from "../mask/Ranking.ts"
import { type Region, leastArea } from "../mask/Region.ts"
import * as Shares from "../mask/Shares.ts"
import type { Uncertainty } from "../mask/Uncertainty.ts"
import * as Background from "../render/Background.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { type RunFolderFailed, SinkFailed } from "./BatchError.ts"
import { hasAny, told } from "./Lacking.ts"
import * as OutFolder from "./OutFolder.ts"
import type { Finding, Recorded, Records, Sink } from "./Sink.ts"
import { make as makeSink } from "./Sink.ts"

/** A sink that keeps something of each image, as JSON, and makes one file of it at the end. */
const collected = <A>(
  name: string,
  path: string,
  options: unknown,
  keep: (finding: Finding) => Effect.Effect<A, SegmentationError>,
  body: (
    write: OutFolder.Write,
    records: Records,
    read: (of: Pick<Recorded, "key" | "record">) => Effect.Effect<A, SinkFailed>
  ) => Effect.Effect<void, SinkFailed | RunFolderFailed>
): Sink<FileSystem.FileSystem> => {
  const out = OutFolder.make(name, dirname(path))
  // Whoever drives the run gives back what it was given, or nothing where the sink came later.
  const failed = (detail: string) => new SinkFailed({ sink: name, place: path, detail })
  const read = ({ key, record }: Pick<Recorded, "key" | "record">): Effect.Effect<A, SinkFailed> =>
    record === ""
      ? Effect.fail(
          failed(
            "images were done before it was asked for, and nothing of them was kept for it: use another folder"
          )
        )
      : Effect.try({
          try: () => JSON.parse(record),
          catch: () =>
            failed(
              `what was kept of ${key} is broken: run this again with it among the images, and it is made again`
            )
        })
  return makeSink<FileSystem.FileSystem>({
    name,
    options,
    prepare: out.prepare,
    write: (finding) => Effect.map(keep(finding), (found) => JSON.stringify(found)),
    repeat: (_, { record }) => Effect.succeed(record),
    // Of one that came later nothing was kept, which is said at the end.
    isThere: (done) => (done.record === "" ? Effect.succeed(true) : Effect.isSuccess(read(done))),
    finish: (records) =>
      Effect.as(
        out.compose(basename(path), (write) => body(write, records, read)),
        [path]
      )
  })
}

export interface OutlineOptions {
  /** The file. */
  readonly path: string
  /** Classes that are no objects, by name. Those whose name says background, by default. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** Regions of fewer pixels are left out. */
  readonly minArea?: number | undefined
}

export interface CocoOptions extends OutlineOptions {
  /** How far outlines may be moved to save points, in pixels. Exact by default. */
  readonly tolerance?: number | undefined
}

const excludedIds = (classes: ClassTable.ClassTable, names: ReadonlyArray<string> | undefined) =>
  names === undefined
    ? Background.idsOf(classes)
    : new Set(classes.filter(({ name }) => names.includes(name)).map(({ id }) => id))

/** Regions that a service reports have a box and an area, and no outline that could be written. */
const ofRegions = (
  regions: ReadonlyArray<Region>,
  excluded: ReadonlySet<number>,
  minArea: number
): ReadonlyArray<Coco.Annotation> =>
  regions
    .filter(({ area, classId }) => !excluded.has(classId) && area >= minArea)
    .map(({ area, box, classId }) => ({
      id: 0,
      image_id: 0,
      category_id: classId,
      segmentation: [],
      area,
      bbox: [box.x, box.y, box.width, box.height],
      iscrowd: 0
    }))

/** Kept of an image of which only pictures are known. */
const unknown = "null"

/** Nothing at all is the failure that it was. */
const nothingBut = ({
  labelMap,
  pictures
}: Finding["segmentation"]): Effect.Effect<null, SegmentationError> =>
  hasAny(pictures) ? Effect.succeed(null) : Effect.as(labelMap, null)

interface CocoRecord {
  /** Those of the annotations; `as` where the name alone does not tell the class from others of its model. */
  readonly classes: ReadonlyArray<{ readonly id: number; readonly name: string; readonly as?: string }>
  readonly annotations: ReadonlyArray<Coco.Annotation>
}

/**
 * The categories of a run, whose images may be of several models: what is called the same is one. Each has the id that it has in the
 * first image with it, or where that is taken the next one above all.
 */
class Categories {
  readonly #byMeaning = new Map<string, number>()
  readonly #names = new Map<number, string>()
  #next = 0

  /** The categories of the classes of an image. */
  of(classes: CocoRecord["classes"]): ReadonlyMap<number, number> {
    return new Map(
      classes.map(({ as, id, name }) => {
        const meaning = as ?? ClassTable.folded(name)
        const known = this.#byMeaning.get(meaning)
        if (known !== undefined) return [id, known]
        const own = this.#names.has(id) ? this.#next : id
        this.#byMeaning.set(meaning, own)
        this.#names.set(own, name)
        this.#next = Math.max(this.#next, own + 1)
        return [id, own]
      })
    )
  }

  table(): ClassTable.ClassTable {
    return ClassTable.make(Array.from(this.#names, ([id, name]) => ({ id, name })))
  }
}

/**
 * All images and their regions in one COCO file. Images and annotations are numbered from 1. Of a service that gives no
 * label map, the regions that it reports: with box and area, and without an outline. An image of which it gives pictures
 * alone is left out, which is said at the end.
 */
export const coco = ({ exclude, minArea, path, tolerance }: CocoOptions): Sink<FileSystem.FileSystem> => {
  const least = leastArea(minArea)
  return collected<CocoRecord | null>(
    "coco",
    path,
    { exclude, minArea, tolerance },
    Effect.fnUntraced(function* ({ segmentation }) {
      const { classes, reported } = segmentation
      const ids = excludedIds(classes, exclude)
      const map = yield* Effect.option(segmentation.labelMap)
      // Left out: one without annotations would be one on which there is nothing.
      if (map._tag === "None" && reported === undefined) return yield* nothingBut(segmentation)
      const annotations =
        map._tag === "Some"
          ? Coco.annotations(map.value, { imageId: 0, exclude: ids, minArea, tolerance })
          : ofRegions(reported ?? [], ids, least)
      const found = new Set(annotations.map(({ category_id }) => category_id))
      return {
        classes: Array.from(found, (id) => {
          const name = ClassTable.nameOf(classes, id)
          const as = ClassTable.meaningOf(classes, id)
          return { id, name, ...(as === ClassTable.folded(name) ? {} : { as }) }
        }),
        annotations
      }
    }),
    Effect.fnUntraced(function* (write, records, read) {
      // Images first, then what is on them: read twice, so that nothing has to be held.
      let images = 0
      let without = 0
      yield* write('{"images":[')
      yield* Stream.runForEach(records, ({ height, key, record, width }) => {
        if (record === unknown) return Effect.sync(() => void without++)
        const image: Coco.Image = { id: ++images, width, height, file_name: key }
        return write((images === 1 ? "\n" : ",\n") + JSON.stringify(image))
      })
      yield* told(without, `a place in ${basename(path)}: the service gave pictures alone`)
      yield* write('],\n"annotations":[')
      let next = 1
      let image = 0
      const categories = new Categories()
      yield* Stream.runForEach(records, (done) =>
        Effect.flatMap(read(done), (kept) => {
          if (kept === null) return Effect.void
          const { annotations, classes } = kept
          image++
          const own = categories.of(classes)
          return write(
            annotations
              .map((one) => {
                const start = next === 1 ? "\n" : ",\n"
                const category_id = own.get(one.category_id) ?? one.category_id
                return start + JSON.stringify({ ...one, id: next++, image_id: image, category_id })
              })
              .join("")
          )
        })
      )
      yield* write(`],\n"categories":${JSON.stringify(Coco.categories(categories.table()))}}\n`)
    })
  )
}

export interface RankingOptions {
  /** The file. */
  readonly path: string
  /**
   * What the first images are: those of most entropy, of the least margin, of the largest share that is unsure, or whose
   * classes' shares lie farthest from the set's.
   */
  readonly by: Exclude<Ranking.By, "disagreement">
}

interface RankingRecord {
  readonly uncertainty?: Uncertainty | undefined
  /** Of classes by what they mean, since another model may have other ids. Missing where there is no label map to tell them by. */
  readonly shares?: ReadonlyArray<readonly [meaning: string, share: number]> | undefined
}

/**
 * Which images a person should look at next, as a table with the first of them first: how unsure the segmenter is of each
 * (empty where it gives no logits), and how far its class shares lie from the mean of the run's (empty where it gives no
 * label map). Images of which nothing is known come last, which is said at the end.
 */
export const ranking = ({ by, path }: RankingOptions): Sink<FileSystem.FileSystem> =>
  collected<RankingRecord>(
    "ranking",
    path,
    { by },
    Effect.fnUntraced(function* ({ segmentation }) {
      const map = yield* Effect.option(segmentation.labelMap)
      if (map._tag === "None" && segmentation.reported === undefined) yield* nothingBut(segmentation)
      return {
        uncertainty: yield* segmentation.uncertainty,
        shares:
          map._tag === "None"
            ? undefined
            : Array.from(
                Shares.of(map.value),
                ([id, share]) => [ClassTable.meaningOf(segmentation.classes, id), share] as const
              )
      }
    }),
    Effect.fnUntraced(function* (write, records, read) {
      // Read twice: the set's shares first.
      const sums = new Map<string, number>()
      let images = 0
      yield* Stream.runForEach(records, (done) =>
        Effect.map(read(done), ({ shares }) => {
          if (shares === undefined) return
          images++
          for (const [id, share] of shares) sums.set(id, (sums.get(id) ?? 0) + share)
        })
      )
      const set = new Map(Array.from(sums, ([id, sum]) => [id, sum / images]))
      const rows: Array<Ranking.Row> = []
      yield* Stream.runForEach(records, (done) =>
        Effect.map(read(done), ({ shares, uncertainty }) => {
          const distance = shares === undefined ? undefined : Shares.distance(new Map(shares), set)
          rows.push({ ...uncertainty, image: done.key, ...(distance === undefined ? {} : { distance }) })
        })
      )
      const without = rows.filter((row) => row[by] === undefined).length
      const lacking = by === "distance" ? "is no label map" : "are no logits"
      yield* told(without, `a rank in ${basename(path)}, and last in it: there ${lacking} to tell it by`)
      yield* write(Csv.line(["image", ...Ranking.COLUMNS]))
      for (const row of Ranking.sorted(rows, by))
        yield* write(Csv.line([row.image, ...Ranking.COLUMNS.map((column) => row[column])]))
    })
  )

export interface CsvOptions extends OutlineOptions {
  /** A line for each region with all it measures, instead of one for each class. */
  readonly regions?: boolean | undefined
}

/** Lines of a label map or of regions; of reported regions where lines of classes were asked for; nothing where nothing is known. */
type CsvRecord = ReadonlyArray<string> | { readonly reported: ReadonlyArray<string> } | null

/** What regions say of classes: their areas. What lies outside of all is not among them. */
const areasOf = (
  { height, width }: Finding["segmentation"],
  regions: ReadonlyArray<Region>
): ReadonlyArray<string> => {
  const sums = new Map<number, { readonly name: string; area: number }>()
  for (const { area, classId, className } of regions) {
    const sum = sums.get(classId)
    if (sum === undefined) sums.set(classId, { name: className, area })
    else sum.area += area
  }
  return sums.size === 0
    ? [Csv.line([undefined, undefined, 0, 0])]
    : Array.from(sums, ([id, { area, name }]) => Csv.line([id, name, area, area / (width * height)]))
}

/**
 * A table of all images: a line for each class in an image, or for each region. Of a service that gives no label map, lines
 * of classes are sums of the areas that it reports, their shares of the whole image; one line of 0 pixels where it reports
 * none. An image of which it gives pictures alone has a line with its name and nothing else. Both are said at the end.
 */
export const csv = ({ exclude, minArea, path, regions = false }: CsvOptions): Sink<FileSystem.FileSystem> => {
  const least = leastArea(minArea)
  return collected<CsvRecord>(
    "csv",
    path,
    { exclude, minArea, regions },
    Effect.fnUntraced(function* ({ segmentation }) {
      const { classes, reported } = segmentation
      const map = yield* Effect.option(segmentation.labelMap)
      if (map._tag === "None" && reported === undefined) return yield* nothingBut(segmentation)
      if (!regions) {
        return map._tag === "Some"
          ? Csv.areaFields(map.value, classes).map((fields) => Csv.line(fields))
          : { reported: areasOf(segmentation, reported ?? []) }
      }
      const ids = excludedIds(classes, exclude)
      return (yield* segmentation.regions)
        .filter(({ area, classId }) => !ids.has(classId) && area >= least)
        .map((region) => Csv.line(Csv.regionFields(region)))
    }),
    Effect.fnUntraced(function* (write, records, read) {
      const columns = regions ? Csv.REGION_COLUMNS : Csv.AREA_COLUMNS
      const nothing = Csv.line(columns.map(() => undefined))
      let summed = 0
      let without = 0
      yield* write(Csv.line(["image", ...columns]))
      yield* Stream.runForEach(records, (done) => {
        const image = Csv.line([done.key]).slice(0, -2)
        return Effect.flatMap(read(done), (kept) => {
          if (kept === null) without++
          else if ("reported" in kept) summed++
          const lines = kept === null ? [nothing] : "reported" in kept ? kept.reported : kept
          return write(lines.map((line) => `${image},${line}`).join(""))
        })
      })
      const name = basename(path)
      yield* told(
        summed,
        `a label map, so that ${name} has the areas of the regions that the service reported`
      )
      yield* told(without, `numbers in ${name}: the service gave pictures alone`)
    })
  )
}
