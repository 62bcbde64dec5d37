/** `segformer segment`: its flags and help. The work is in `Segment`, which is loaded when there is work. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

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
  legend: Flag.Boolean("legend").pipe(
    Flag.withDescription("Say below the overlay which colour is what"),
    Flag.withDefault(false)
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

export const command = Command.make("segment", flags, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./Segment.ts")),
    ({ run }) =>
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
  )
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
