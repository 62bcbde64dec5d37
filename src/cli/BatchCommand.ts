/** `segformer batch`: its flags and help. */
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as WorkerFlags from "./WorkerFlags.ts"

const flags = {
  source: Flags.paths("source").pipe(
    Argument.withDescription(
      "A folder, a glob in quotes, a list (.csv, .jsonl or .txt), or the http(s) address of a listing"
    )
  ),
  out: Flags.out("directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription("Where results go, and where the run is remembered. It is made where it is missing")
  ),
  ...Flags.backend,
  overlays: Flags.off("overlays").pipe(Flag.withDescription("Write overlays as well as label maps")),
  coco: Flags.off("coco").pipe(Flag.withDescription("Write all regions to coco.json at the end")),
  rank: Flag.Literals("rank", ["entropy", "margin", "unsure", "distance"]).pipe(
    Flag.withMetavar("BY"),
    Flag.withDescription(
      "Write ranking.csv: which images to look at next, by how unsure the model is (entropy, margin, the share of pixels that is " +
        "unsure), or by how far their classes' shares lie from the set's (distance)"
    ),
    Flags.optional
  ),
  csv: Flag.Literals("csv", ["classes", "regions"]).pipe(
    Flag.withMetavar("LINES"),
    Flag.withDescription("Write a table at the end, with a line for each class or region of an image"),
    Flags.optional
  ),
  report: Flag.Boolean("report").pipe(
    Flag.withDescription(
      "Write report.html at the end: the slowest, the worst, what failed. On by default; --no-report leaves it out"
    ),
    Flags.optional
  ),
  concurrency: Flags.concurrency("IMAGES", "Images at the segmenter at once. 4 by default").pipe(
    Flags.optional
  ),
  adaptive: Flags.off("adaptive").pipe(
    Flag.withDescription("Find the best concurrency up to --concurrency, by the service's latency and 429s")
  ),
  retryFailed: Flags.off("retry-failed").pipe(Flag.withDescription("Do again what failed, and nothing else")),
  allowChange: Flags.off("allow-change").pipe(
    Flag.withDescription("Go on although the model or the options are not those the run was begun with")
  ),
  maxFailures: Flags.count("max-failures").pipe(
    Flag.withMetavar("IMAGES"),
    Flag.withDescription(
      "End the run with the IMAGES-th failure. 100 one after the other that are not the images' fault end it too, " +
        "or pause it with --db"
    ),
    Flags.optional
  ),
  price: Flag.Finite("price").pipe(
    Flag.filter(
      (price) => price > 0,
      () => "a price above 0"
    ),
    Flag.withMetavar("PRICE"),
    Flag.withDescription("Price of an image, to show what the run costs"),
    Flags.optional
  ),
  ...Flags.limits,
  ...Flags.view,
  db: WorkerFlags.db.pipe(Flags.optional),
  run: Flag.String("run").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("With --db: the name of the run. That of the folder of results by default"),
    Flags.optional
  ),
  chunk: Flags.count("chunk").pipe(
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("With --db: images that a worker takes at a time. 100 by default"),
    Flags.optional
  ),
  detach: Flags.off("detach").pipe(Flag.withDescription("With --db: end when all images are submitted")),
  shards: WorkerFlags.givenShards.pipe(Flags.optional),
  json: Flags.off("json").pipe(
    Flag.withDescription("Print a JSON object for each failure, and one for the whole run")
  ),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = (options: Options): Flags.Faults => [
  ...Flags.backendFaults(options),
  ...(options.db === undefined
    ? Flags.ignored(
        options,
        ["run", "chunk", "detach", "shards"],
        "is for runs in a database: give its --db too"
      )
    : [
        ...Flags.ignored(
          options,
          ["page", "stretch", "concurrency", "adaptive", "price", "report"],
          "does nothing with --db (or SEGFORMER_DB), where workers do the images: leave it out"
        ),
        ...(options.header.length === 0
          ? []
          : [
              "--header is for whoever asks the service, and with --db (or SEGFORMER_DB) those are the workers: give it to them"
            ])
      ])
]

export const command = Command.make("batch", flags).pipe(
  Command.withShortDescription("Segment many images, in a run that can be stopped at any moment"),
  Command.withDescription(
    "Segment many images: writes NAME.labels.png for each (pixels are class ids). The run is remembered in " +
      "FOLDER/.segformer: stopped at any moment, the same command goes on where it was, each image is done once, and " +
      "images that are new are done too. What fails is listed in failed.csv, and done again with --retry-failed. With --db the images are done by the workers of a database " +
      "(segformer worker).\n\nExit " +
      "codes: 0 all is well, 1 some images failed, 2 wrong command line or no images, 3 the service or model cannot be used, 130 " +
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
