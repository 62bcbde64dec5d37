/** `segformer batch`: its flags and help. The work is in `BatchRun`, which is loaded when there is work. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as WorkerFlags from "./WorkerFlags.ts"

const positive = (name: string, what: string) =>
  Flag.Finite(name).pipe(
    Flag.filter(
      (value) => value > 0,
      () => what
    )
  )

const flags = {
  source: Argument.String("source").pipe(
    Argument.withDescription(
      "A folder, a glob in quotes, a list (.csv, .jsonl or .txt), or the http(s) address of a listing"
    )
  ),
  out: Flag.String("out").pipe(
    Flag.withAlias("o"),
    Flag.withMetavar("FOLDER"),
    Flag.withDescription("Where results go, and where the run is remembered. It is made where it is missing")
  ),
  url: Flags.url,
  model: Flags.model,
  palette: Flag.Literals("palette", ["surface", "ade20k", "cityscapes", "voc"]).pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("Colours in which the service of --url paints its mask, where it does not say"),
    Flag.optional
  ),
  overlays: Flag.Boolean("overlays").pipe(
    Flag.withDescription("Write overlays as well as label maps"),
    Flag.withDefault(false)
  ),
  coco: Flag.Boolean("coco").pipe(
    Flag.withDescription("Write all regions to coco.json at the end"),
    Flag.withDefault(false)
  ),
  csv: Flag.Literals("csv", ["classes", "regions"]).pipe(
    Flag.withMetavar("LINES"),
    Flag.withDescription("Write a table at the end, with a line for each class or region of an image"),
    Flag.optional
  ),
  report: Flag.Boolean("report").pipe(
    Flag.withDescription(
      "Write report.html at the end: the slowest, the worst, what failed. On by default; --no-report leaves it out"
    ),
    Flag.withDefault(true)
  ),
  concurrency: Flags.count("concurrency").pipe(
    Flag.withAlias("c"),
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("Images at the segmenter at once. 4 by default"),
    Flag.withDefault(4)
  ),
  adaptive: Flag.Boolean("adaptive").pipe(
    Flag.withDescription("Find the best concurrency up to --concurrency, by the service's latency and 429s"),
    Flag.withDefault(false)
  ),
  retryFailed: Flag.Boolean("retry-failed").pipe(
    Flag.withDescription("Do again what failed, and nothing else"),
    Flag.withDefault(false)
  ),
  allowChange: Flag.Boolean("allow-change").pipe(
    Flag.withDescription("Go on although the model or the options are not those the run was begun with"),
    Flag.withDefault(false)
  ),
  maxFailures: Flags.count("max-failures").pipe(
    Flag.withMetavar("IMAGES"),
    Flag.withDescription(
      "End the run with the IMAGES-th failure. 100 one after the other that are not the images' fault end it too, " +
        "or pause it with --db"
    ),
    Flag.optional
  ),
  price: positive("price", "a price above 0").pipe(
    Flag.withMetavar("PRICE"),
    Flag.withDescription("Price of an image, to show what the run costs"),
    Flag.optional
  ),
  maxBytes: Flags.maxBytes,
  maxPixels: Flags.maxPixels,
  db: WorkerFlags.db.pipe(Flag.optional),
  run: Flag.String("run").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("With --db: the name of the run. That of the folder of results by default"),
    Flag.optional
  ),
  chunk: Flags.count("chunk").pipe(
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("With --db: images that a worker takes at a time. 100 by default"),
    Flag.withDefault(100)
  ),
  detach: Flag.Boolean("detach").pipe(
    Flag.withDescription("With --db: end when all images are submitted"),
    Flag.withDefault(false)
  ),
  shards: WorkerFlags.shards,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print a JSON object for each failure, and one for the whole run"),
    Flag.withDefault(false)
  ),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Print nothing but errors (and JSON)"),
    Flag.withDefault(false)
  )
}

export const command = Command.make(
  "batch",
  flags,
  Effect.fnUntraced(function* ({ db, maxBytes, maxPixels, run, ...options }) {
    const common = {
      ...options,
      url: Option.getOrUndefined(options.url),
      model: Option.getOrUndefined(options.model),
      palette: Option.getOrUndefined(options.palette),
      csv: Option.getOrUndefined(options.csv),
      maxFailures: Option.getOrUndefined(options.maxFailures),
      price: Option.getOrUndefined(options.price),
      limits: {
        ...(Option.isSome(maxBytes) ? { maxBytes: maxBytes.value } : {}),
        ...(Option.isSome(maxPixels) ? { maxPixels: maxPixels.value } : {})
      }
    }
    if (Option.isSome(db)) {
      const BatchCluster = yield* Effect.promise(() => import("./BatchCluster.ts"))
      return yield* BatchCluster.run({ ...common, db: db.value, run: Option.getOrUndefined(run) })
    }
    const BatchRun = yield* Effect.promise(() => import("./BatchRun.ts"))
    return yield* BatchRun.run(common)
  })
).pipe(
  Command.withShortDescription("Segment many images, in a run that can be stopped at any moment"),
  Command.withDescription(
    "Segment many images: writes NAME.labels.png for each (pixels are class ids). The run is remembered in " +
      "FOLDER/.segformer: stopped at any moment, the same command goes on where it was, each image is done once, and " +
      "images that are new are done too. What fails is listed in failed.csv, and done again with --retry-failed. With --db the images are done by the workers of a database " +
      "(segformer worker).\n\nExit " +
      "codes: 0 all is well, 1 some images failed, 2 wrong command line, 3 the service or model cannot be used, 130 " +
      "interrupted."
  ),
  Command.withExamples([
    {
      command: "segformer batch archive/ --out found",
      description: "A folder, with the model in this package"
    },
    {
      command:
        "segformer batch images.csv --out found --url http://inspector:8080 --concurrency 32 --adaptive",
      description: "A list, by a service, as fast as it can take"
    },
    { command: "segformer batch archive/ --out found --retry-failed", description: "What failed, once more" },
    {
      command: 'segformer batch "archive/**/*.png" --out found --coco --csv regions',
      description: "A glob, with COCO and a table"
    }
  ])
)
