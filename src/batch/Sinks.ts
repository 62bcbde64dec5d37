/**
 * The sinks of this package: label maps and overlays, a file for each image; COCO and a table, one file for all of them,
 * which is put together at the end a piece at a time.
 *
 * ```ts
 * import { Sinks } from "effect-segformer/batch"
 *
 * const sinks = [Sinks.labels({ folder: "found" }), Sinks.coco({ path: "found/coco.json", tolerance: 1 })]
 * sinks.map(({ name }) => name) // => ["labels", "coco"]
 * ```
 */
import { basename, dirname, join } from "node:path"
import { Effect, FileSystem, Stream } from "effect"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import { ImageCodec } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Coco from "../mask/Coco.ts"
import * as Csv from "../mask/Csv.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import * as Ranking from "../mask/Ranking.ts"
import * as Shares from "../mask/Shares.ts"
import type { Uncertainty } from "../mask/Uncertainty.ts"
import * as Background from "../render/Background.ts"
import * as Colors from "../render/Colors.ts"
import * as Overlay from "../render/Overlay.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { type RunFolderFailed, SinkFailed } from "./BatchError.ts"
import * as OutFolder from "./OutFolder.ts"
import type { Finding, Records, Sink } from "./Sink.ts"
import { make as makeSink } from "./Sink.ts"

export interface FolderOptions {
  /** It is made where it is missing. */
  readonly folder: string
}

/** A sink that writes a file for each image, called as the image's key and this ending. */
const files = <R>(
  name: string,
  options: FolderOptions & { readonly options?: unknown },
  ending: string,
  draw: (finding: Finding) => Effect.Effect<Uint8Array, SegmentationError, R>
): Sink<R | FileSystem.FileSystem> => {
  const out = OutFolder.make(name, options.folder)
  const pathOf = (key: string) => OutFolder.pathOf(key) + ending
  return makeSink<R | FileSystem.FileSystem>({
    name,
    options: options.options,
    prepare: out.prepare,
    write: (finding) => Effect.flatMap(draw(finding), (bytes) => out.write(pathOf(finding.item.key), bytes)),
    repeat: (item, original) => Effect.as(out.copy(pathOf(original.key), pathOf(item.key)), undefined),
    flush: out.flush
  })
}

/** A sink that keeps something of each image, as JSON, and makes one file of it at the end. */
const collected = <A>(
  name: string,
  path: string,
  options: unknown,
  keep: (finding: Finding) => Effect.Effect<A, SegmentationError>,
  body: (
    write: OutFolder.Write,
    records: Records,
    read: (record: string) => Effect.Effect<A, SinkFailed>
  ) => Effect.Effect<void, SinkFailed | RunFolderFailed>
): Sink<FileSystem.FileSystem> => {
  const out = OutFolder.make(name, dirname(path))
  // Whoever drives the run gives back what it was given, or nothing where the sink came later.
  const failed = (detail: string) => new SinkFailed({ sink: name, place: path, detail })
  const read = (record: string): Effect.Effect<A, SinkFailed> =>
    record === ""
      ? Effect.fail(
          failed(
            "images were done before it was asked for, and nothing of them was kept for it: use another folder"
          )
        )
      : Effect.try({
          try: () => JSON.parse(record),
          catch: (cause) => failed(`a record is broken: ${String(cause)}`)
        })
  return makeSink<FileSystem.FileSystem>({
    name,
    options,
    prepare: out.prepare,
    write: (finding) => Effect.map(keep(finding), (found) => JSON.stringify(found)),
    repeat: (_, { record }) => Effect.succeed(record),
    finish: (records) =>
      Effect.as(
        out.compose(basename(path), (write) => body(write, records, read)),
        [path]
      )
  })
}

const labelsEnding = ".labels.png"

/**
 * `KEY.labels.png` for each image: pixels are class ids. The ending of the image stays (`a.jpg.labels.png`), so that two
 * images which differ in nothing else have a file each.
 */
export const labels = (options: FolderOptions): Sink<FileSystem.FileSystem> => ({
  ...files("labels", options, labelsEnding, ({ segmentation }) =>
    Effect.flatMap(segmentation.labelMap, (map) =>
      LabelPngWriter.encode(map, { palette: Colors.paletteOf(segmentation.classes) })
    )
  ),
  labelMap: (key) => {
    const path = join(options.folder, OutFolder.pathOf(key) + labelsEnding)
    return Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFile(path)).pipe(
      Effect.flatMap((bytes) => Effect.fromResult(LabelPng.decode(bytes))),
      Effect.mapError(({ message }) => new SinkFailed({ sink: "labels", place: path, detail: message }))
    )
  }
})

/** What a service that only paints gives of an image: its pictures, and the regions that it reports. */
const rendered = ({ segmentation }: Finding): Effect.Effect<ReadonlyArray<Rendered>, SegmentationError> =>
  Effect.gen(function* () {
    const { height, pictures, reported, width } = segmentation
    const drawn = (["overlay", "combined", "mask"] as const).flatMap((kind) => {
      const bytes = pictures[kind]
      return bytes === undefined ? [] : [{ ending: `.${kind}.png`, bytes }]
    })
    // Nothing at all is the failure that it was.
    if (drawn.length === 0 && reported === undefined)
      return yield* Effect.andThen(segmentation.labelMap, Effect.succeed([]))
    const text = JSON.stringify({ width, height, regions: reported ?? [] })
    return reported === undefined
      ? drawn
      : [...drawn, { ending: ".regions.json", bytes: new TextEncoder().encode(`${text}\n`) }]
  })

interface Rendered {
  readonly ending: string
  readonly bytes: Uint8Array
}

/**
 * As {@link labels}, and of a service that only paints what it gives instead: `KEY.overlay.png`, `KEY.mask.png` and
 * `KEY.regions.json`, as far as it has them.
 */
export const results = (options: FolderOptions): Sink<FileSystem.FileSystem> => {
  const maps = labels(options)
  const out = OutFolder.make(maps.name, options.folder)
  const pathOf = (key: string, ending: string) => OutFolder.pathOf(key) + ending
  return {
    ...maps,
    write: (finding) =>
      Effect.flatMap(Effect.option(finding.segmentation.labelMap), (map) =>
        map._tag === "Some"
          ? maps.write(finding)
          : Effect.flatMap(rendered(finding), (files) =>
              Effect.as(
                Effect.forEach(files, ({ bytes, ending }) =>
                  out.write(pathOf(finding.item.key, ending), bytes)
                ),
                files.map(({ ending }) => ending).join(" ")
              )
            )
      ),
    repeat: (item, original) =>
      original.record === ""
        ? (maps.repeat?.(item, original) ?? Effect.succeed(undefined))
        : Effect.as(
            Effect.forEach(original.record.split(" "), (ending) =>
              out.copy(pathOf(original.key, ending), pathOf(item.key, ending))
            ),
            original.record
          ),
    flush: Effect.andThen(maps.flush, out.flush)
  }
}

export interface OverlayOptions extends FolderOptions {
  /** Of the classes painted over the image, 0 to 1. 0.5 by default. */
  readonly opacity?: number | undefined
}

/** `KEY.overlay.jpg` for each image: the classes painted over it. */
export const overlays = (options: OverlayOptions): Sink<FileSystem.FileSystem | ImageCodec> =>
  files(
    "overlays",
    { folder: options.folder, options: { opacity: options.opacity ?? 0.5 } },
    ".overlay.jpg",
    Effect.fnUntraced(function* ({ image, segmentation }) {
      const codec = yield* ImageCodec
      const map = yield* segmentation.labelMap
      const raster = yield* codec.decode(image)
      const palette = Colors.paletteOf(segmentation.classes)
      const painted = yield* Overlay.draw(raster, map, { palette, opacity: options.opacity ?? 0.5 })
      return yield* codec.encode(painted, "jpeg", { quality: 85 })
    })
  )

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

/** All images and their regions in one COCO file. Images and annotations are numbered from 1. */
export const coco = ({ exclude, minArea, path, tolerance }: CocoOptions): Sink<FileSystem.FileSystem> =>
  collected(
    "coco",
    path,
    { exclude, minArea, tolerance },
    ({ segmentation }) =>
      Effect.map(segmentation.labelMap, (map) => {
        const { classes } = segmentation
        const ids = excludedIds(classes, exclude)
        const annotations = Coco.annotations(map, { imageId: 0, exclude: ids, minArea, tolerance })
        const found = new Set(annotations.map(({ category_id }) => category_id))
        return {
          classes: Array.from(found, (id) => ({ id, name: ClassTable.nameOf(classes, id) })),
          annotations
        }
      }),
    Effect.fnUntraced(function* (write, records, read) {
      // Images first, then what is on them: read twice, so that nothing has to be held.
      let images = 0
      yield* write('{"images":[')
      yield* Stream.runForEach(records, ({ height, key, width }) => {
        const image: Coco.Image = { id: ++images, width, height, file_name: key }
        return write((images === 1 ? "\n" : ",\n") + JSON.stringify(image))
      })
      yield* write('],\n"annotations":[')
      let next = 1
      let image = 0
      const categories = new Map<number, string>()
      yield* Stream.runForEach(records, ({ record }) =>
        Effect.flatMap(read(record), ({ annotations, classes }) => {
          image++
          for (const { id, name } of classes) categories.set(id, name)
          return write(
            annotations
              .map((one) => {
                const start = next === 1 ? "\n" : ",\n"
                return start + JSON.stringify({ ...one, id: next++, image_id: image })
              })
              .join("")
          )
        })
      )
      const table = ClassTable.make(Array.from(categories, ([id, name]) => ({ id, name })))
      yield* write(`],\n"categories":${JSON.stringify(Coco.categories(table))}}\n`)
    })
  )

export interface RankingOptions {
  /** The file. */
  readonly path: string
  /**
   * What the first images are: those of most entropy, of the least margin, of the largest share that is unsure, or whose
   * classes' shares lie farthest from the set's.
   */
  readonly by: Exclude<Ranking.By, "disagreement">
}

/**
 * Which images a person should look at next, as a table with the first of them first: how unsure the segmenter is of each
 * (empty where it gives no logits), and how far its class shares lie from the mean of the run's.
 */
export const ranking = ({ by, path }: RankingOptions): Sink<FileSystem.FileSystem> =>
  collected<{
    readonly uncertainty?: Uncertainty | undefined
    readonly shares: ReadonlyArray<readonly [number, number]>
  }>(
    "ranking",
    path,
    { by },
    ({ segmentation }) =>
      Effect.map(segmentation.labelMap, (map) => ({
        uncertainty: segmentation.uncertainty,
        shares: [...Shares.of(map)]
      })),
    Effect.fnUntraced(function* (write, records, read) {
      // Read twice: the set's shares first.
      const sums = new Map<number, number>()
      let images = 0
      yield* Stream.runForEach(records, ({ record }) =>
        Effect.map(read(record), ({ shares }) => {
          images++
          for (const [id, share] of shares) sums.set(id, (sums.get(id) ?? 0) + share)
        })
      )
      const set = new Map(Array.from(sums, ([id, sum]) => [id, sum / images]))
      const rows: Array<Ranking.Row> = []
      yield* Stream.runForEach(records, ({ key, record }) =>
        Effect.map(read(record), ({ shares, uncertainty }) => {
          rows.push({ ...uncertainty, image: key, distance: Shares.distance(new Map(shares), set) })
        })
      )
      yield* write(Csv.line(["image", ...Ranking.COLUMNS]))
      for (const row of Ranking.sorted(rows, by))
        yield* write(Csv.line([row.image, ...Ranking.COLUMNS.map((column) => row[column])]))
    })
  )

export interface CsvOptions extends OutlineOptions {
  /** A line for each region with all it measures, instead of one for each class. */
  readonly regions?: boolean | undefined
}

/** A table of all images: a line for each class in an image, or for each region. */
export const csv = ({ exclude, minArea, path, regions = false }: CsvOptions): Sink<FileSystem.FileSystem> =>
  collected<ReadonlyArray<string>>(
    "csv",
    path,
    { exclude, minArea, regions },
    Effect.fnUntraced(function* ({ segmentation }) {
      const { classes } = segmentation
      if (!regions) {
        const areas = Csv.areaFields(yield* segmentation.labelMap, classes)
        return areas.map((fields) => Csv.line(fields))
      }
      const ids = excludedIds(classes, exclude)
      return (yield* segmentation.regions)
        .filter(({ area, classId }) => !ids.has(classId) && area >= (minArea ?? 1))
        .map((region) => Csv.line(Csv.regionFields(region)))
    }),
    Effect.fnUntraced(function* (write, records, read) {
      yield* write(Csv.line(["image", ...(regions ? Csv.REGION_COLUMNS : Csv.AREA_COLUMNS)]))
      yield* Stream.runForEach(records, ({ key, record }) => {
        const image = Csv.line([key]).slice(0, -2)
        return Effect.flatMap(read(record), (lines) =>
          write(lines.map((line) => `${image},${line}`).join(""))
        )
      })
    })
  )
