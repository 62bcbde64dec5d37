/** `segformer export`, at work: label maps in, files of another format out, one label map at a time. */
import { basename, dirname, extname, join } from "node:path"
import { Effect, FileSystem, Result, Stream } from "effect"
import { NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import * as Folder from "../image/Folder.ts"
import { folded } from "../jobs/FileName.ts"
import type { Beside, ImageWriter, Item, RunWriter, Settings } from "../mask/exports/ExportFormat.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as Exports from "../mask/Exports.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Steps from "../mask/Steps.ts"
import * as Background from "../render/Background.ts"
import * as Colors from "../render/Colors.ts"
import * as ClassFile from "./ClassFile.ts"
import * as ClassNames from "./ClassNames.ts"
import * as EvalSums from "./EvalSums.ts"
import * as ExitCode from "./ExitCode.ts"
import type { Options } from "./ExportCommand.ts"
import * as Inputs from "./Inputs.ts"
import * as ExportOrder from "./ExportOrder.ts"
import * as ImageNames from "./ImageNames.ts"
import * as LabelFiles from "./LabelFiles.ts"
import type { LabelFile } from "./LabelFolder.ts"
import * as NewFolder from "./NewFolder.ts"
import * as Screen from "./Screen.ts"

/** The whole run, from words on the command line to files. */
export const run = (options: Options) => Effect.scoped(write(options))

const write = Effect.fnUntraced(function* (options: Options) {
  const told = options.classes === undefined ? undefined : yield* ClassFile.read(options.classes)
  const { files: all, missing } = yield* LabelFiles.expand(options.labels)
  for (const { name, reason } of missing) yield* Screen.complain(`${name}: ${reason}`)
  if (all.length === 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
  const placed =
    options.order === undefined ? undefined : yield* ExportOrder.sort(options.order, all, options.first)
  const files = placed?.map(({ file }) => file) ?? all

  const format = Exports.formats[options.format]
  const names = yield* told === undefined ? ClassNames.read(files) : ClassNames.given(told, files)
  const classes = format.isNamedEach === true ? names.classes : yield* ClassNames.one(names)
  const images = yield* ImageNames.read(files)
  const isOfObjects = format.uses.includes("exclude") && !(options.format === "csv" && !options.regions)
  if (classes.length === 0 && isOfObjects && !options.background && !options.quiet)
    yield* Screen.complain(
      "nothing says what the classes are called, so background is written as an object if there is any: give --classes"
    )
  const { unnamed } = names
  if (unnamed !== undefined && !options.quiet)
    yield* Screen.complain(
      `${unnamed.first}${unnamed.count === 1 ? "" : ` and ${unnamed.count - 1} more`}: nothing says what ${unnamed.count === 1 ? "its" : "their"} classes are called` +
        (names.conflict === undefined ? ", so they are taken for those of the others. --classes says it" : "")
    )
  if (format.isNumbered === true && !names.isWhole && classes.length > 0 && !options.quiet)
    yield* Screen.complain(
      `${options.format} numbers the classes, and of these results only those that occur are known: another export may number them otherwise. Give --classes`
    )
  const progress = yield* Screen.progress(!options.quiet)
  let failed = missing.length
  let written = 0

  /** What may be masks, whose 255 would not be written, and of how many nothing would be. */
  const masks: Array<string> = []
  let empty = 0
  const asks = options.ignore === undefined && format.uses.includes("exclude")

  /** Each label map that can be read, in turn. */
  const forEach = <R>(
    body: (item: Item, key: string) => Effect.Effect<void, ExitCode.Ended | NotWritten | string, R>
  ) =>
    Effect.forEach(
      files,
      Effect.fnUntraced(function* (file, index) {
        yield* progress.show(`[${index}/${files.length}] ${file.path}`)
        const named = names.conflict === undefined ? names : yield* names.of(file)
        const ignored = options.ignore ?? ClassNames.ignored(named.classes)
        const read = LabelFiles.read(file.path, { palette: told }).pipe(
          Effect.tap((map) =>
            Effect.sync(() => {
              if (!asks || ignored.length === 0 || !EvalSums.areOfMask(EvalSums.idsOf(map))) return
              const zero = named.classes.find(({ id }) => id === 0)
              if (zero === undefined || Background.isName(zero.name)) masks.push(file.path)
              if (zero !== undefined && Background.isName(zero.name) && isOfObjects && !background) empty++
            })
          ),
          Effect.map((map) => without(map, ignored)),
          Effect.flatMap(ClassNames.refuseStranger(named, ignored))
        )
        const about = format.isAttributed === true ? yield* attributes(file, placed?.[index]?.entropy) : {}
        const own = names.conflict === undefined ? undefined : meant(named.classes)
        const item = { image: images[index]!, own, ...about }
        const result = yield* Effect.result(Effect.flatMap(read, (map) => body({ map, ...item }, file.key)))
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

  const { background, minArea = 1, out, regions, tolerance, transform } = options
  /** What ids of these classes mean. Background is no object, unless it is asked for. */
  const meant = (table: ClassTable): Pick<Settings, "classes" | "palette" | "exclude"> => ({
    classes: table,
    palette: table.length > 0 ? Colors.paletteOf(table) : [],
    exclude: background ? new Set() : Background.idsOf(table)
  })
  const settings: Settings = {
    ...meant(classes),
    minArea,
    tolerance,
    transform,
    categoryOf: categoryOf(options, classes, background ? new Set() : Background.idsOf(classes)),
    regions,
    shape: options.shape ?? "mask",
    objects: options.objects ?? "region",
    imagesAt: options.imagesAt,
    named: true
  }
  const inputs = yield* Effect.cached(Inputs.realPaths(Array.from(files, ({ path }) => path)))
  const save = <E, R>(path: string, writing: Effect.Effect<void, E | NotWritten, R>) =>
    Effect.andThen(Inputs.spare(inputs, path), saved(path, writing))
  const saveBeside = (folder: string, { bytes, name }: Beside) =>
    save(join(folder, name), WholeFile.write(join(folder, name), bytes))
  const toFile = Effect.fnUntraced(function* ({ add, beside, end, start }: RunWriter) {
    yield* save(
      out,
      WholeFile.compose(
        out,
        Effect.fnUntraced(function* (write) {
          yield* write(start)
          yield* forEach((item) =>
            Steps.run(() => add(item)).pipe(Effect.flatMap(Effect.fromResult), Effect.flatMap(write))
          )
          yield* write(end())
          return written > 0
        })
      )
    )
    if (beside !== undefined && written > 0) yield* saveBeside(dirname(out), beside())
  })
  const toFolder = Effect.fnUntraced(function* ({ beside, encode }: ImageWriter) {
    // The one label map goes to the very file that was named.
    const ending = extname(`x.${format.ending}`)
    const paths = new Set<string>()
    /** What was written, by the path as it is {@link folded}. */
    const alike = new Map<string, string>()
    const unpaired: Array<string> = []
    const isSingle = files.length === 1 && out.toLowerCase().endsWith(ending)
    yield* forEach((item, key) =>
      Steps.run(() => encode(item)).pipe(
        Effect.flatMap(Effect.fromResult),
        Effect.flatMap((bytes) => {
          const own = format.isPaired === true ? pairedName(key, item.image) : key
          const other = own === undefined || paths.has(join(out, own + ending))
          const path = isSingle ? out : join(out, (other ? key : own) + ending)
          if (other && !isSingle) unpaired.push(item.image)
          const first = alike.get(folded(path)) ?? path
          alike.set(folded(path), first)
          paths.add(path)
          return Effect.andThen(apart(path, first), save(path, WholeFile.write(path, bytes)))
        })
      )
    )
    const [first] = unpaired
    if (first !== undefined)
      yield* Screen.complain(
        `${first}${unpaired.length === 1 ? " has" : ` and ${unpaired.length - 1} more have`} the name of another image but for its ending, and ${options.format} ` +
          "finds files by names without endings: rename the images"
      )
    if (beside !== undefined && written > 0 && !isSingle) {
      const own = beside()
      yield* tellOther(out, own, ending, paths)
      yield* saveBeside(out, own)
    }
  })
  yield* format.per === "run" ? toFile(format.open(settings)) : toFolder(format.open(settings))
  yield* progress.clear
  if (masks.length > 0) {
    yield* Screen.complain(
      `${Screen.some(masks)}: ${masks.length === 1 ? "it holds" : "they hold"} 0 and 255 alone, and 255 belongs to no class by default, so that it is not written. ` +
        "Where it is an object say with --classes what it is called (a file with the line 255: NAME), or --ignore none; else say --ignore 255"
    )
    if (empty === files.length) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
  }
  if (!options.quiet && written > 0) {
    const what = `${written} ${written === 1 ? "label map" : "label maps"}`
    const also = failed === 0 ? "" : `, ${failed} left out`
    yield* Screen.say(`${what} as ${options.format}${also}: ${Screen.plain(options.out)}`)
  }
  if (failed > 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
})

/** Fails where two paths that are not the same are one file, the second of which would take the place of the first. */
const apart = Effect.fnUntraced(function* (
  path: string,
  first: string
): Effect.fn.Return<void, string, FileSystem.FileSystem> {
  if (path === first) return
  const fs = yield* FileSystem.FileSystem
  const own = yield* Effect.option(fs.stat(path))
  const other = yield* Effect.option(fs.stat(first))
  if (own._tag === "None" || other._tag === "None") return
  const isOne =
    own.value.dev === other.value.dev &&
    own.value.ino._tag === "Some" &&
    other.value.ino._tag === "Some" &&
    own.value.ino.value === other.value.ino.value
  if (isOne)
    yield* Effect.fail(
      `it would take the place of ${first}, which on this disk is the same name. Rename one of the images, or use a folder on another disk`
    )
})

/** The name of an image without its ending, in the folder of a key; `undefined` where another image has it, or it is none of a file. */
const pairedName = (key: string, image: string): string | undefined => {
  const name = basename(image)
  const stem = name.slice(0, name.length - extname(name).length)
  if (basename(key) === name && extname(name) !== "") return undefined
  return /^\.*$|[\\/\0]/.test(stem) ? key : join(dirname(key), stem)
}

/** Says that files of an earlier export lie beside these, where what goes with all of them is another now: their classes have other numbers. */
const tellOther = Effect.fnUntraced(function* (
  folder: string,
  { bytes, name }: Beside,
  ending: string,
  written: ReadonlySet<string>
): Effect.fn.Return<void, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const before = yield* Effect.option(fs.readFile(join(folder, name)))
  if (before._tag === "None" || Buffer.from(before.value).equals(bytes)) return
  const others = yield* Folder.files(folder, (file) => file.endsWith(ending)).pipe(
    Stream.map((file) => join(folder, file.name)),
    Stream.filter((path) => !written.has(path)),
    Stream.runCollect,
    Effect.orElseSucceed((): ReadonlyArray<string> => [])
  )
  const [first] = others
  if (first !== undefined)
    yield* Screen.complain(
      `${join(folder, name)} was of other classes, and ${first}${others.length === 1 ? "" : ` and ${others.length - 1} more`} beside it still ${others.length === 1 ? "has" : "have"} their numbers: export into an empty folder`
    )
})

/** What the report beside a label map says of the model: the less even its classes, the surer it is. */
const attributes = (file: LabelFile, ranked: number | undefined) =>
  Effect.map(LabelFiles.sidecar(file), (report) => {
    const entropy = report?.uncertainty?.entropy ?? ranked
    return {
      ...(report?.model === undefined ? {} : { model: report.model }),
      ...(entropy === undefined ? {} : { score: Math.min(1, Math.max(0, 1 - entropy)) })
    }
  })

/** The map with one ignored id for all that are. */
const without = (map: LabelMap.LabelMap, [first, ...others]: ReadonlyArray<number>): LabelMap.LabelMap =>
  first === undefined
    ? map
    : { ...LabelMap.remap(map, new Map(others.map((id) => [id, first]))), ignoreIndex: first }

/** The ids that a tool has for the classes: counted from another first one, or those that COCO gave its own. */
const categoryOf = (
  { firstId }: Options,
  classes: ClassTable,
  excluded: ReadonlySet<number>
): Settings["categoryOf"] => {
  if (firstId === undefined) {
    return classes === Palette.cocoStuff ? (id) => Palette.cocoStuffCategoryIds[id] ?? id : undefined
  }
  const first = classes.find(({ id }) => !excluded.has(id))?.id ?? 0
  return (id) => id - first + firstId
}

/** Makes the folder of a file, and says on the command line why it cannot be written. */
const saved = <E, R>(path: string, writing: Effect.Effect<void, E | NotWritten, R>) =>
  Effect.andThen(NewFolder.make(dirname(path)), writing).pipe(
    Effect.catchIf(
      (error) => error instanceof NotWritten,
      ({ reason }) => Effect.fail(ExitCode.notWritten({ path, reason }))
    )
  )
