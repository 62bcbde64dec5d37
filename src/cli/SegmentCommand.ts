/** `segformer segment`: images in, overlays, label maps and reports out. */
import { join, relative } from "node:path"
import { Clock, Duration, Effect, FileSystem, Option, Result } from "effect"
import { Command, Flag } from "effect/cli"
import type { HttpClient } from "effect/http"
import { ImageCodec } from "../image/ImageCodec.ts"
import type { Image, ImageLimits } from "../image/ImageSource.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import type { Palette } from "../mask/Palette.ts"
import type { Region } from "../mask/Region.ts"
import * as Colors from "../render/Colors.ts"
import * as Overlay from "../render/Overlay.ts"
import { segment } from "../Segmenter.ts"
import type { Segmentation } from "../Segmentation.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import * as Inputs from "./Inputs.ts"
import * as Report from "./Report.ts"
import * as Results from "./Results.ts"
import * as Screen from "./Screen.ts"

const defaultOut = "segformer-out"

const flags = {
  images: Flags.images,
  out: Flag.String("out").pipe(
    Flag.withAlias("o"),
    Flag.withMetavar("FOLDER"),
    Flag.withDescription(`Where results go; it is made where it is missing. ${defaultOut} by default`),
    Flag.withDefault(defaultOut)
  ),
  url: Flags.url,
  model: Flags.model,
  palette: Flag.Literals("palette", ["surface", "ade20k", "cityscapes", "voc"]).pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("Colours in which the service of --url paints its mask, where it does not say"),
    Flag.optional
  ),
  opacity: Flag.Int("opacity").pipe(
    Flag.filter(
      (value) => value >= 0 && value <= 100,
      () => "a whole number from 0 to 100"
    ),
    Flag.withMetavar("PERCENT"),
    Flag.withDescription("Of the classes painted over the image. 50 by default"),
    Flag.withDefault(50)
  ),
  concurrency: Flags.count("concurrency").pipe(
    Flag.withAlias("c"),
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("Images under way at once. 2 by default"),
    Flag.withDefault(2)
  ),
  maxBytes: Flags.maxBytes,
  maxPixels: Flags.maxPixels,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object per image and line instead of the table"),
    Flag.withDefault(false)
  ),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Print nothing but errors (and JSON)"),
    Flag.withDefault(false)
  )
}

/** What goes wrong with one image. */
type Failure = SegmentationError | ExitCode.Ended

const unavailableTags: ReadonlySet<string> = new Set([
  "ConnectionFailed",
  "ServiceUnavailable",
  "ModelLoading",
  "CircuitOpen",
  "ModelNotLoadable",
  "DependencyMissing",
  "Unauthorized"
])

export const command = Command.make("segment", flags, (options) =>
  Effect.scoped(
    run({
      ...options,
      url: Option.getOrUndefined(options.url),
      model: Option.getOrUndefined(options.model),
      palette: Option.getOrUndefined(options.palette),
      limits: {
        ...Option.match(options.maxBytes, { onNone: () => ({}), onSome: (maxBytes) => ({ maxBytes }) }),
        ...Option.match(options.maxPixels, { onNone: () => ({}), onSome: (maxPixels) => ({ maxPixels }) })
      }
    })
  ).pipe(Effect.provide([Backend.layerCodec, Backend.layerHttpClient]))
).pipe(
  Command.withShortDescription("Segment images"),
  Command.withDescription(
    "Segment images: writes NAME.overlay.png, NAME.labels.png (pixels are class ids) and NAME.json, and prints " +
      "how much of what was found.\n\nExit codes: 0 all is well, 1 some images failed, 2 wrong command line, 3 the " +
      "service or model cannot be used, 130 interrupted."
  ),
  Command.withExamples([
    { command: "segformer segment panel.jpg", description: "One image, with the model in this package" },
    { command: 'segformer segment line-3/ "archive/**/*.png" --out found', description: "Folders and globs" },
    { command: "segformer segment --url http://inspector:8080 panel.jpg", description: "By a service" },
    {
      command: "segformer segment --model Xenova/segformer-b0-finetuned-ade-512-512 street.jpg",
      description: "By a model of the Hub"
    },
    {
      command: "cat panel.png | segformer segment - --json | jq '.regions | length'",
      description: "In a pipe"
    }
  ])
)

interface Options extends Backend.BackendOptions {
  readonly images: ReadonlyArray<string>
  readonly out: string
  readonly opacity: number
  readonly concurrency: number
  readonly json: boolean
  readonly quiet: boolean
  readonly limits: Partial<ImageLimits>
}

const run = Effect.fnUntraced(function* (options: Options) {
  if (options.url !== undefined && options.model !== undefined) {
    return yield* new ExitCode.Ended({ code: ExitCode.usage, reason: "give --url or --model, not both" })
  }
  const started = yield* Clock.currentTimeMillis
  const fs = yield* FileSystem.FileSystem
  const { images, missing } = yield* Inputs.expand(options.images, options.out)
  const fail = Effect.fnUntraced(function* (label: string, error: { _tag: string; message: string }) {
    yield* Screen.complain(error.message)
    if (options.json) {
      const { _tag: tag, message } = error
      yield* Screen.say(JSON.stringify({ image: label, error: { tag, message } }))
    }
  })
  for (const { error, label } of missing) yield* fail(label, error)
  if (images.length === 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })

  const progress = Screen.progress(!options.quiet)
  yield* Effect.addFinalizer(() => progress.clear)
  yield* progress.show(options.url === undefined ? "Loading the model…" : `Asking ${options.url}…`)
  const transport = yield* Backend.make({ ...options, sessions: undefined })
  yield* Effect.mapError(fs.makeDirectory(options.out, { recursive: true }), (error) =>
    cannotWrite(options.out, error)
  )

  let done = 0
  const reports: Array<Report.ImageReport> = []
  const tags: Array<string> = []
  const show = () =>
    progress.show(`[${done}/${images.length}] ${images.length - done === 0 ? "done" : "segmenting…"}`)
  yield* show()
  yield* Effect.forEach(
    images,
    Effect.fnUntraced(function* (input) {
      const result = yield* Effect.result(segmentOne(input, transport, options))
      done++
      yield* progress.clear
      if (Result.isSuccess(result)) {
        reports.push(result.success)
        if (options.json) yield* Screen.say(JSON.stringify(result.success))
      } else {
        // A folder that cannot be written to is the end of all images.
        if (result.failure._tag === "Ended") return yield* result.failure
        tags.push(result.failure._tag)
        yield* fail(input.label, result.failure)
      }
      yield* show()
    }),
    { concurrency: options.concurrency, discard: true }
  )
  yield* progress.clear

  const failed = tags.length + missing.length
  if (!options.json && !options.quiet && reports.length > 0) {
    const took = (yield* Clock.currentTimeMillis) - started
    for (const line of summary(reports, failed, took, options.out)) yield* Screen.say(line)
  }
  if (failed === 0) return
  const none = reports.length === 0 && tags.length > 0 && tags.every((tag) => unavailableTags.has(tag))
  return yield* new ExitCode.Ended({ code: none ? ExitCode.unavailable : ExitCode.someFailed })
})

const cannotWrite = (folder: string, error: { readonly message: string }) =>
  new ExitCode.Ended({ code: ExitCode.someFailed, reason: `cannot write to ${folder}: ${error.message}` })

const segmentOne = Effect.fnUntraced(function* (
  input: Inputs.Input,
  transport: Transport["Service"],
  options: Options
): Effect.fn.Return<Report.ImageReport, Failure, ImageCodec | FileSystem.FileSystem | HttpClient.HttpClient> {
  const image = yield* input.source.open(options.limits)
  const segmentation = yield* Effect.provideService(
    segment({ name: image.name, open: () => Effect.succeed(image) }),
    Transport,
    transport
  )
  const palette = Colors.paletteOf(segmentation.classes)
  const map = Option.getOrUndefined(yield* Effect.option(segmentation.labelMap))
  const regions = yield* Effect.orElseSucceed(segmentation.regions, (): ReadonlyArray<Region> => [])
  const pictures = yield* draw(image, segmentation, map, palette, options.opacity / 100)
  const paths = {
    ...(pictures.overlay === undefined ? {} : { overlay: input.base + Inputs.overlayEnding }),
    ...(pictures.labels === undefined ? {} : { labels: input.base + Inputs.labelsEnding }),
    json: input.base + Inputs.jsonEnding
  }
  const report = Report.make({
    image: input.label,
    model: transport.name,
    segmentation,
    map,
    regions,
    palette,
    files: Object.fromEntries(Object.entries(paths).map(([kind, name]) => [kind, join(options.out, name)]))
  })
  const text = new TextEncoder().encode(`${JSON.stringify(report, undefined, 2)}\n`)
  const files = [
    ...(pictures.overlay === undefined ? [] : [{ name: paths.overlay ?? "", bytes: pictures.overlay }]),
    ...(pictures.labels === undefined ? [] : [{ name: paths.labels ?? "", bytes: pictures.labels }]),
    { name: paths.json, bytes: text }
  ]
  yield* Effect.mapError(Results.write(options.out, files), (error) => cannotWrite(options.out, error))
  return report
})

interface Drawn {
  readonly overlay: Uint8Array | undefined
  readonly labels: Uint8Array | undefined
}

/** What a label map gives; without one, what the service drew. */
const draw = Effect.fnUntraced(function* (
  image: Image,
  segmentation: Segmentation,
  map: LabelMap | undefined,
  palette: Palette,
  opacity: number
): Effect.fn.Return<Drawn, SegmentationError, ImageCodec> {
  if (map === undefined) return { overlay: segmentation.pictures.overlay, labels: undefined }
  const codec = yield* ImageCodec
  const raster = yield* codec.decode(image, { maxPixels: Number.MAX_SAFE_INTEGER })
  const overlay = yield* codec.encode(yield* Overlay.draw(raster, map, { palette, opacity }), "png")
  const fits = !(map.data instanceof Uint8Array) ? {} : { palette }
  const labels = yield* Effect.fromResult(LabelPng.encode(map, fits))
  return { overlay, labels }
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
    single === undefined
      ? `${reports.length} images`
      : `${Screen.plain(single.image)}, ${single.width} × ${single.height} pixels`
  const also = failed === 0 ? "" : `, ${failed} failed`
  const overlay = single?.files.overlay
  const missing = reports.filter((report) => report.files.labels === undefined).length
  return [
    `${what}${also}, ${Duration.format(Duration.millis(Math.round(took)))}`,
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
