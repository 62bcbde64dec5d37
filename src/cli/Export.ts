/** `segformer export`, at work: label maps in, files of another format out, one label map at a time. */
import { basename, dirname, join } from "node:path"
import { Effect, type FileSystem, Result } from "effect"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import { NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Coco from "../mask/Coco.ts"
import * as Csv from "../mask/Csv.ts"
import * as GeoJson from "../mask/GeoJson.ts"
import { histogram, type LabelMap } from "../mask/LabelMap.ts"
import * as Npy from "../mask/Npy.ts"
import * as Regions from "../mask/Regions.ts"
import * as Rle from "../mask/Rle.ts"
import * as Yolo from "../mask/Yolo.ts"
import * as Background from "../render/Background.ts"
import * as Colors from "../render/Colors.ts"
import * as ExitCode from "./ExitCode.ts"
import type { Options } from "./ExportCommand.ts"
import * as LabelFiles from "./LabelFiles.ts"
import * as Screen from "./Screen.ts"

export type Format = "coco" | "yolo" | "geojson" | "csv" | "npy" | "png" | "rle"

/** A label map and what its image is called. */
interface Item {
  readonly map: LabelMap
  /** Without an ending; unique in a run. */
  readonly key: string
  /** The file of the image, as far as it is known. */
  readonly image: string
}

/** The text of one file, piece by piece. */
interface Sheet {
  readonly start: string
  readonly add: (item: Item) => string
  readonly end: () => string
}

/** The whole run, from words on the command line to files. */
export const run = (options: Options) => Effect.scoped(write(options))

const write = Effect.fnUntraced(function* (options: Options) {
  const given = options.classes === undefined ? undefined : yield* LabelFiles.classes(options.classes)
  const { files, missing } = yield* LabelFiles.expand(options.labels)
  for (const { name, reason } of missing) yield* Screen.complain(`${name}: ${reason}`)
  if (files.length === 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })

  const classes = given ?? (yield* LabelFiles.classesBeside(files))
  const progress = Screen.progress(!options.quiet)
  yield* Effect.addFinalizer(() => progress.clear)
  let failed = missing.length
  let written = 0

  /** Each label map that can be read, in turn. */
  const forEach = <R>(body: (item: Item) => Effect.Effect<void, ExitCode.Ended | NotWritten | string, R>) =>
    Effect.forEach(
      files,
      Effect.fnUntraced(function* (file, index) {
        yield* progress.show(`[${index}/${files.length}] ${file.path}`)
        const read = LabelFiles.read(file.path, { ignoreIndex: options.ignore, palette: given })
        const beside = yield* LabelFiles.sidecar(file)
        const image = beside === undefined ? `${file.key}.png` : basename(beside.image)
        const result = yield* Effect.result(
          Effect.flatMap(read, (map) => body({ map, key: file.key, image }))
        )
        if (Result.isSuccess(result)) written++
        else if (typeof result.failure === "string") {
          failed++
          yield* progress.clear
          yield* Screen.complain(`${file.path}: ${result.failure}`)
        } else return yield* result.failure
        yield* Effect.yieldNow
      }),
      { discard: true }
    )

  const sheet = sheetOf(options, classes)
  if (sheet !== undefined) {
    yield* saved(
      options.out,
      WholeFile.compose(
        options.out,
        Effect.fnUntraced(function* (write) {
          yield* write(sheet.start)
          yield* forEach((item) => Effect.suspend(() => write(sheet.add(item))))
          yield* write(sheet.end())
          return written > 0
        })
      )
    )
  } else {
    const ids = new Set<number>()
    yield* forEach((item) =>
      Effect.flatMap(fileOf(options, classes, item), (bytes) => {
        if (options.format === "yolo") for (const id of histogram(item.map).keys()) ids.add(id)
        return writeWhole(pathOf(options, files.length === 1, item.key), bytes)
      })
    )
    if (options.format === "yolo" && written > 0 && !isSingle(options, files.length === 1)) {
      yield* writeWhole(join(options.out, "data.yaml"), yaml(classes, ids, excluded(options, classes)))
    }
  }
  yield* progress.clear
  if (!options.quiet && written > 0) {
    const what = `${written} ${written === 1 ? "label map" : "label maps"}`
    const also = failed === 0 ? "" : `, ${failed} left out`
    yield* Screen.say(`${what} as ${options.format}${also}: ${Screen.plain(options.out)}`)
  }
  if (failed > 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
})

/** Background is no object, unless it is asked for. */
const excluded = (options: Options, classes: ClassTable.ClassTable): ReadonlySet<number> =>
  options.background ? new Set() : Background.idsOf(classes)

/** The sheet of a format that holds all label maps in one file. */
const sheetOf = (options: Options, classes: ClassTable.ClassTable): Sheet | undefined => {
  const { minArea, tolerance, transform } = options
  const exclude = excluded(options, classes)
  const outlines = { exclude, minArea, tolerance }
  if (options.format === "coco") {
    const ids = new Set(classes.map(({ id }) => id))
    const writer = Coco.writer(() =>
      Coco.categories(ClassTable.make(Array.from(ids, (id) => named(classes, id))), { exclude })
    )
    let images = 0
    let next = 1
    return {
      start: "",
      add: ({ image, map }) => {
        const id = ++images
        const found = Coco.annotations(map, { ...outlines, imageId: id, firstId: next })
        next += found.length
        for (const { category_id } of found) ids.add(category_id)
        return writer.add({ id, width: map.width, height: map.height, file_name: image }, found)
      },
      end: writer.end
    }
  }
  if (options.format === "geojson") {
    const writer = GeoJson.writer()
    return {
      start: "",
      add: ({ image, map }) =>
        writer.add(GeoJson.fromLabelMap(map, { ...outlines, classes, transform }).features, { image }),
      end: writer.end
    }
  }
  if (options.format === "csv") {
    const heading = options.regions ? Csv.REGION_COLUMNS : ["class_id", "class", "pixels", "share"]
    return {
      start: Csv.line(["image", ...heading]),
      add: ({ image, map }) => {
        let text = ""
        if (options.regions) {
          for (const region of Regions.fromLabelMap(map, { classes, exclude, minArea })) {
            text += Csv.line([image, ...Csv.regionFields(region)])
          }
          return text
        }
        const counts = histogram(map)
        const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
        for (const [id, pixels] of counts) {
          text += Csv.line([image, id, ClassTable.nameOf(classes, id), pixels, pixels / total])
        }
        return text
      },
      end: () => ""
    }
  }
  if (options.format === "rle") {
    return {
      start: "",
      add: ({ image, map }) => {
        const found = Array.from(Rle.fromLabelMap(map), ([id, rle]) => ({
          id,
          name: ClassTable.nameOf(classes, id),
          area: Rle.area(rle),
          segmentation: Rle.toCoco(rle)
        }))
        return `${JSON.stringify({ image, width: map.width, height: map.height, classes: found })}\n`
      },
      end: () => ""
    }
  }
  return undefined
}

const named = (classes: ClassTable.ClassTable, id: number): ClassTable.ClassInfo => ({
  id,
  name: ClassTable.nameOf(classes, id)
})

/** The file of one label map, in a format that has one for each; or what is wrong. */
const fileOf = (
  options: Options,
  classes: ClassTable.ClassTable,
  { map }: Item
): Effect.Effect<Uint8Array, string> => {
  if (options.format === "npy") return Effect.succeed(Npy.fromLabelMap(map))
  if (options.format === "yolo") {
    const { minArea, tolerance } = options
    const exclude = excluded(options, classes)
    const order = yoloIds(classes, exclude)
    for (const id of classes.length === 0 ? [] : histogram(map).keys()) {
      if (!order.has(id) && !exclude.has(id)) {
        return Effect.fail(
          `it has id ${id}, which is none of the classes. Say with --classes which there are`
        )
      }
    }
    const text = Yolo.encode(map, { exclude, minArea, tolerance, classOf: (id) => order.get(id) ?? id })
    return Effect.succeed(new TextEncoder().encode(text))
  }
  const palette = classes.length > 0 ? Colors.paletteOf(classes) : undefined
  return Effect.mapError(LabelPngWriter.encode(map, { palette }), ({ detail }) => detail)
}

/** YOLO counts classes from 0 without gaps; without a table of classes ids stay as they are. */
const yoloIds = (classes: ClassTable.ClassTable, exclude: ReadonlySet<number>): ReadonlyMap<number, number> =>
  new Map(classes.filter(({ id }) => !exclude.has(id)).map(({ id }, index) => [id, index]))

/** The names that YOLO's training reads. JSON strings are YAML strings. */
const yaml = (
  classes: ClassTable.ClassTable,
  found: ReadonlySet<number>,
  exclude: ReadonlySet<number>
): Uint8Array => {
  const order = yoloIds(classes, exclude)
  const ids = classes.length > 0 ? [...order.keys()] : [...found].sort((a, b) => a - b)
  const lines = ids.map(
    (id) => `  ${order.get(id) ?? id}: ${JSON.stringify(ClassTable.nameOf(classes, id))}\n`
  )
  return new TextEncoder().encode(`names:\n${lines.join("")}`)
}

const endings = { yolo: ".txt", npy: ".npy", png: ".png" } as const
const endingOf = (format: Format): string =>
  format === "yolo" || format === "npy" || format === "png" ? endings[format] : ""

/** Whether the one label map goes to the very file that was named. */
const isSingle = (options: Options, single: boolean): boolean =>
  single && options.out.toLowerCase().endsWith(endingOf(options.format))

const pathOf = (options: Options, single: boolean, key: string): string =>
  isSingle(options, single)
    ? options.out
    : join(options.out, dirname(key), basename(key) + endingOf(options.format))

const writeWhole = (
  path: string,
  bytes: Uint8Array
): Effect.Effect<void, ExitCode.Ended, FileSystem.FileSystem> => saved(path, WholeFile.write(path, bytes))

/** Makes the folder of a file, and says on the command line why it cannot be written. */
const saved = <E, R>(path: string, writing: Effect.Effect<void, E | NotWritten, R>) =>
  Effect.andThen(WholeFile.makeFolder(dirname(path)), writing).pipe(
    Effect.catchIf(
      (error) => error instanceof NotWritten,
      ({ reason }) => Effect.fail(ExitCode.notWritten({ path, reason }))
    )
  )
