/** `segformer segment`, at work: images in, overlays, label maps and reports out. */
import { dirname, join, relative, resolve } from "node:path"
import { Clock, Effect, FileSystem, Option, Result, Stream } from "effect"
import type { HttpClient } from "effect/http"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import { NotWritten, notWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import { ImageCodec } from "../image/ImageCodec.ts"
import type { Image } from "../image/ImageSource.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import type { Palette } from "../mask/Palette.ts"
import type { Region } from "../mask/Region.ts"
import * as Colors from "../render/Colors.ts"
import * as CutOut from "../render/CutOut.ts"
import * as Hide from "../render/Hide.ts"
import * as Legend from "../render/Legend.ts"
import * as Overlay from "../render/Overlay.ts"
import { segment } from "../Segmenter.ts"
import type { Segmentation } from "../Segmentation.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { Transport } from "../Transport.ts"
import * as Throttled from "../Throttled.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import { asked, classIds, limitsOf, viewOf } from "./Flags.ts"
import * as Inputs from "./Inputs.ts"
import * as NewFolder from "./NewFolder.ts"
import * as Report from "./Report.ts"
import * as Screen from "./Screen.ts"
import type { Options } from "./SegmentCommand.ts"
import * as Words from "./Words.ts"

/** What goes wrong with one image. */
type Failure = SegmentationError | NotWritten

/** The whole run, from words on the command line to results. */
export const run = (options: Options) =>
  Effect.scoped(segmentAll(options)).pipe(
    Effect.provide([Backend.layerCodec, Backend.layerHttpClient(options)])
  )

const segmentAll = Effect.fnUntraced(function* (options: Options) {
  const started = yield* Clock.currentTimeMillis
  const { images, missing } = yield* Inputs.expand(options.images, options.out, viewOf(options))
  const fail = Effect.fnUntraced(function* (label: string, error: { _tag: string; message: string }) {
    const message = Words.plain(error.message)
    yield* Screen.complain(message)
    if (options.json) {
      const { _tag: tag } = error
      yield* Screen.say(JSON.stringify({ image: label, error: { tag, message } }))
    }
  })
  for (const { error, label } of missing) yield* fail(label, error)
  if (images.length === 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })

  const progress = yield* Screen.progress(!options.quiet)
  yield* progress.show(asked(options))
  const reports: Array<Report.ImageReport> = []
  const sayWhenStopped = Effect.onInterrupt(() =>
    Effect.andThen(
      progress.clear,
      Screen.stopped(
        `: ${reports.length} of ${images.length} ${images.length === 1 ? "image is" : "images are"} done` +
          (reports.length === 0 ? "" : `, in ${options.out}`)
      )
    )
  )
  const throttled = yield* Effect.provideService(
    Throttled.make,
    Transport,
    yield* sayWhenStopped(Backend.make({ ...options, uncertainty: true }))
  )
  yield* Effect.mapError(NewFolder.make(options.out), ({ reason }) =>
    ExitCode.failed(`cannot write to ${options.out}: ${reason}`)
  )

  let done = 0
  let replaced = 0
  const warn = (line: string) =>
    replaced++ < mostWarned ? Effect.andThen(progress.clear, Screen.complain(line)) : Effect.void
  const failures: Array<Failure> = []
  const show = (label: string) => progress.show(`[${done}/${images.length}] ${label}`)
  yield* Effect.forEach(
    images,
    Effect.fnUntraced(function* (input) {
      yield* show(input.label)
      const result = yield* Effect.result(segmentOne(input, throttled, options, warn))
      done++
      yield* progress.clear
      if (Result.isSuccess(result)) {
        // What is needed for the table: the regions of thousands of images are not.
        reports.push({ ...result.success, regions: [] })
        if (options.json) yield* Screen.say(JSON.stringify(result.success))
      } else if (result.failure instanceof ExitCode.Ended) return yield* result.failure
      else {
        failures.push(result.failure)
        yield* fail(input.label, result.failure)
      }
      yield* show("…")
    }),
    { concurrency: options.concurrency, discard: true }
  ).pipe(sayWhenStopped)
  yield* progress.clear
  if (replaced > mostWarned)
    yield* Screen.complain(`and ${replaced - mostWarned} more results of other images were replaced`)

  const failed = failures.length + missing.length
  if (!options.json && !options.quiet && reports.length > 0) {
    const took = (yield* Clock.currentTimeMillis) - started
    for (const line of summary(reports, failed, took, options.out)) yield* Screen.say(line)
  }
  if (failed === 0) return
  // Where no image got through and none of them is to blame, it is the service or the model.
  const none = reports.length === 0 && failures.length > 0 && failures.every((failure) => !isOfImage(failure))
  return yield* new ExitCode.Ended({ code: none ? ExitCode.unavailable : ExitCode.someFailed })
})

/** Whether the next image may go well all the same: a result that cannot be written is that of one image. */
const isOfImage = (failure: Failure): boolean => failure instanceof NotWritten || failure.concerns === "image"

const segmentOne = Effect.fnUntraced(function* (
  input: Inputs.Input,
  { transport, whileOthersAreGranted }: Throttled.Throttled,
  options: Options,
  warn: (line: string) => Effect.Effect<void>
): Effect.fn.Return<
  Report.ImageReport,
  Failure | ExitCode.Ended,
  ImageCodec | FileSystem.FileSystem | HttpClient.HttpClient
> {
  const image = yield* Inputs.open(input.source, limitsOf(options))
  const segmentation = yield* whileOthersAreGranted(
    Effect.provideService(segment(image), Transport, transport)
  )
  const palette = Colors.paletteOf(segmentation.classes)
  const map = Option.getOrUndefined(yield* Effect.option(segmentation.labelMap))
  const regions = yield* Effect.orElseSucceed(segmentation.regions, (): ReadonlyArray<Region> => [])
  const chosen = yield* chosenClasses(segmentation, options)
  // What is asked for by class cannot be made of an answer that has pictures alone: nothing would be hidden.
  if (chosen.isAny) yield* segmentation.labelMap
  const pictures = yield* draw(image, segmentation, map, palette, chosen, options)
  const paths = {
    ...(pictures.overlay === undefined ? {} : { overlay: input.base + Inputs.overlayEnding }),
    ...(pictures.labels === undefined ? {} : { labels: input.base + Inputs.labelsEnding }),
    ...(pictures.cutOut === undefined ? {} : { cutOut: input.base + Inputs.cutOutEnding }),
    ...(pictures.hidden === undefined ? {} : { hidden: input.base + Inputs.hiddenEnding }),
    json: input.base + Inputs.jsonEnding
  }
  const report = Report.make({
    image: input.label,
    model: transport.name,
    segmentation,
    uncertainty: yield* segmentation.uncertainty,
    map,
    regions,
    palette,
    files: Object.fromEntries(Object.entries(paths).map(([kind, name]) => [kind, join(options.out, name)]))
  })
  const before = yield* imageBefore(join(options.out, paths.json))
  if (before !== undefined && !isSame(before, input.label))
    yield* warn(
      `${join(options.out, paths.json)} was of ${before}, and is replaced by that of ${input.label}: to keep both give another --out`
    )
  const text = new TextEncoder().encode(`${JSON.stringify(report, undefined, 2)}\n`)
  const { files } = report
  const contents = [
    { path: files.overlay, bytes: pictures.overlay },
    { path: files.labels, bytes: pictures.labels },
    { path: files.cutOut, bytes: pictures.cutOut },
    { path: files.hidden, bytes: pictures.hidden },
    { path: files.json, bytes: text }
  ].flatMap(({ bytes, path }) => (bytes === undefined || path === undefined ? [] : [{ path, bytes }]))
  yield* WholeFile.makeFolder(dirname(join(options.out, paths.json)))
  yield* WholeFile.writeAll(contents)
  // What an earlier run made, of it or of an image of the same name, would be taken for what this report is of.
  if (before !== undefined) {
    const fs = yield* FileSystem.FileSystem
    for (const ending of Inputs.resultEndings) {
      const path = join(options.out, input.base + ending)
      if (!contents.some((content) => content.path === path))
        yield* Effect.mapError(fs.remove(path, { force: true }), notWritten(path))
    }
  }
  return report
})

/** Results of other images that are replaced, and told of each. */
const mostWarned = 20

/** The image that a report here is of; its regions, of which there may be many, are not read. */
const imageBefore = (path: string): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Stream.mkString(Stream.decodeText(fs.stream(path, { bytesToRead: 4096 })))
  ).pipe(
    Effect.map((text) => /^\{\s*"image":\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1]),
    Effect.flatMap((quoted) =>
      Effect.try(() => (quoted === undefined ? undefined : String(JSON.parse(quoted))))
    ),
    Effect.orElseSucceed(() => undefined)
  )

/** However the way to it is written. */
const isSame = (one: string, other: string): boolean => one === other || resolve(one) === resolve(other)

interface Drawn {
  readonly overlay: Uint8Array | undefined
  readonly labels: Uint8Array | undefined
  readonly cutOut?: Uint8Array | undefined
  readonly hidden?: Uint8Array | undefined
}

/** The classes that are cut out or hidden. */
interface Chosen {
  readonly cutOut: ReadonlyArray<number>
  readonly blur: ReadonlyArray<number>
  readonly pixelate: ReadonlyArray<number>
  readonly isAny: boolean
}

const chosenClasses = ({ classes }: Segmentation, options: Options): Effect.Effect<Chosen, ExitCode.Ended> =>
  Effect.map(
    Effect.all({
      cutOut: classIds("cut-out", options.cutOut, classes),
      blur: classIds("blur", options.blur, classes),
      pixelate: classIds("pixelate", options.pixelate, classes)
    }),
    (chosen) => ({ ...chosen, isAny: Object.values(chosen).some((ids) => ids.length > 0) })
  )

/** What a label map gives; without one, what the service drew. */
const draw = Effect.fnUntraced(function* (
  image: Image,
  segmentation: Segmentation,
  map: LabelMap | undefined,
  palette: Palette,
  { blur, cutOut, pixelate }: Chosen,
  options: Options
): Effect.fn.Return<Drawn, SegmentationError, ImageCodec> {
  if (map === undefined) return { overlay: segmentation.pictures.overlay, labels: undefined }
  const codec = yield* ImageCodec
  let raster = yield* codec.decode(image)
  // First of all: no picture shows what is hidden.
  if (blur.length > 0) raster = yield* Hide.draw(raster, map, { ids: blur })
  if (pixelate.length > 0) raster = yield* Hide.draw(raster, map, { ids: pixelate, style: "pixelate" })
  const painted = yield* Overlay.draw(raster, map, { palette, opacity: options.opacity / 100 })
  const picture = options.legend ? yield* Legend.draw(painted, Legend.entriesOf(map, palette)) : painted
  const overlay = yield* codec.encode(picture, "png")
  const labels = yield* LabelPngWriter.encode(map, { palette, classes: segmentation.classes })
  return {
    overlay,
    labels,
    ...(cutOut.length === 0
      ? {}
      : { cutOut: yield* codec.encode(yield* CutOut.draw(raster, map, { ids: cutOut }), "png") }),
    ...(blur.length + pixelate.length === 0 ? {} : { hidden: yield* codec.encode(raster, "png") })
  }
})

/** The table, and where the results are. */
const summary = (
  reports: ReadonlyArray<Report.ImageReport>,
  failed: number,
  took: number,
  out: string
): ReadonlyArray<string> => {
  const [first] = reports
  const single = reports.length === 1 && first !== undefined ? first : undefined
  const what =
    failed > 0
      ? `${Screen.count(reports.length)} of ${Screen.images(reports.length + failed)} done, ${Screen.count(failed)} failed`
      : single === undefined
        ? Screen.images(reports.length)
        : `${Screen.plain(single.image)}, ${single.width} × ${single.height} pixels`
  const overlay = single?.files.overlay
  const missing = reports.filter((report) => report.files.labels === undefined).length
  return [
    `${what}, ${`${(took / 1000).toFixed(1)} s`}`,
    "",
    ...Report.table(reports),
    "",
    ...(missing === 0
      ? []
      : [
          "The service gave no label map, so its own pictures were kept and there is no .labels.png. " +
            "If you know the colours of its mask, say so with --palette",
          ""
        ]),
    overlay === undefined
      ? `Results are in ${Screen.plain(relative(".", out) || ".")}/`
      : `The overlay is ${Screen.plain(overlay)}`
  ]
}
