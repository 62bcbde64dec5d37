/** `segformer tile`: one image larger than memory, from file to file. */
import { basename, dirname, extname } from "node:path"
import { Clock, Effect, FileSystem, Stream } from "effect"
import { otherPages } from "../image/Image.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as PageName from "../image/PageName.ts"
import * as Colors from "../render/Colors.ts"
import * as Augmentation from "../tiled/Augmentation.ts"
import * as LabelFile from "../tiled/LabelFile.ts"
import * as LargeImage from "../tiled/LargeImage.ts"
import * as Tiled from "../tiled/Tiled.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import { asked, isRemote, viewOf } from "./Flags.ts"
import * as Report from "./Report.ts"
import * as Inputs from "./Inputs.ts"
import * as NewFolder from "./NewFolder.ts"
import * as Screen from "./Screen.ts"
import type { Options } from "./TiledCommand.ts"

/** The whole run, from words on the command line to a file of labels. */
export const run = (options: Options) =>
  Effect.scoped(tile(options)).pipe(
    Effect.provide(Backend.layerCodec),
    Effect.onInterrupt(() => Screen.stopped(`: ${outOf(options)} is not written`))
  )

const outOf = ({ image, out }: Options): string => out ?? `${basename(image, extname(image))}.labels.tif`

const failed = ExitCode.by(ExitCode.someFailed)

const tile = Effect.fnUntraced(function* (options: Options) {
  const { flips, image } = options
  if (/^https?:/i.test(image))
    return yield* ExitCode.wrong(`${image} is an address: download it, and give the file`)
  const started = yield* Clock.currentTimeMillis
  const out = outOf(options)
  if (!/\.(?:tiff?|png)$/i.test(out))
    return yield* ExitCode.wrong(`--out ${out}: its name must end in .tif, .tiff or .png`)
  const isThere = yield* Effect.orElseSucceed(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.exists(image)),
    () => false
  )
  const part = isThere ? undefined : PageName.parse(image)
  const { path = image } = part ?? {}
  yield* Inputs.spare(Inputs.realPaths([path]), out)
  const progress = yield* Screen.progress(!options.quiet)
  yield* progress.show(`Unpacking ${image}…`)
  const view = { ...viewOf(options, part?.page), folder: options.temp }
  const picture = yield* LargeImage.file(path, view).pipe(
    Effect.catch((error) =>
      error._tag === "DependencyMissing" && !isRemote(options)
        ? // The model needs the same package and another: its error names both.
          Effect.andThen(Backend.make(options), Effect.fail(failed(error)))
        : Effect.fail(failed(error))
    )
  )
  yield* progress.show(asked(options))
  if (picture.hasMore === true && view.page === undefined)
    yield* Effect.logWarning(otherPages(image, `Ask for another as ${image}#2, or by --page`))
  const backend = yield* Backend.make(options)
  const transport = flips.length === 0 ? backend : yield* Augmentation.make(backend, { flips })

  const pixels = new Map<number, number>()
  let classes: ClassTable.ClassTable = []
  const bands = Tiled.segment(picture, options).pipe(
    Stream.tap((band) => {
      classes = band.classes
      for (const [id, count] of LabelMap.histogram(band)) pixels.set(id, (pixels.get(id) ?? 0) + count)
      const done = Math.floor((100 * (band.y + band.height)) / picture.height)
      return progress.show(`${image}: ${done} %`)
    }),
    Stream.provideService(Transport, transport)
  )
  yield* Effect.mapError(NewFolder.make(dirname(out)), ({ reason }) =>
    ExitCode.notWritten({ path: out, reason })
  )
  const described = yield* Effect.orElseSucceed(transport.describe, () => ({ classes: [] }))
  // What a service says of its classes is not always what its answers are of.
  const isOfAll = (): boolean =>
    [...pixels.keys()].every((id) => ClassTable.get(described.classes, id) !== undefined) &&
    classes.every(({ id, name }) => ClassTable.get(described.classes, id)?.name === name)
  const named = Stream.map(bands, (band) => (isOfAll() ? { ...band, classes: described.classes } : band))
  yield* LabelFile.write(out, picture, named, { depth: options.bits === "8" ? 8 : 16 }).pipe(
    Effect.mapError(failed)
  )
  yield* progress.clear

  const palette = Colors.paletteOf(classes)
  const report: Report.ImageReport = {
    image,
    width: picture.width,
    height: picture.height,
    model: transport.name,
    // Regions cross bands, and are not looked for.
    classes: Report.countsOf(pixels, palette, picture.width * picture.height, () => undefined),
    regions: [],
    files: { labels: out },
    milliseconds: (yield* Clock.currentTimeMillis) - started,
    attempts: 1
  }
  if (options.json) {
    const { attempts: _, regions: __, ...printed } = report
    return yield* Screen.say(JSON.stringify(printed))
  }
  if (options.quiet) return
  const size = `${picture.width} × ${picture.height} pixels`
  const lines = [
    `${Screen.plain(image)}, ${size}, ${(report.milliseconds / 1000).toFixed(1)} s`,
    "",
    ...Report.table([report]),
    "",
    `The labels are ${Screen.plain(out)}`
  ]
  for (const line of lines) yield* Screen.say(line)
})
