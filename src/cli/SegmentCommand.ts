/** `segformer segment`: its flags and help. */
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

const defaultOut = "segformer-out"

const flags = {
  images: Flags.paths("image").pipe(
    Argument.withDescription(
      "Files (FILE#2 for its second page), folders (searched through), globs in quotes, http(s) addresses, or - for standard input"
    ),
    Argument.variadic({ min: 1 })
  ),
  out: Flags.out("directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription(`Where results go; it is made where it is missing. ${defaultOut} by default`),
    Flag.withDefault(defaultOut)
  ),
  ...Flags.backend,
  opacity: Flag.Int("opacity").pipe(
    Flag.filter(
      (value) => value >= 0 && value <= 100,
      () => "a whole number from 0 to 100"
    ),
    Flag.withMetavar("PERCENT"),
    Flag.withDescription("Of the classes painted over the image. 50 by default"),
    Flag.withDefault(50)
  ),
  legend: Flags.off("legend").pipe(Flag.withDescription("Say below the overlay which colour is what")),
  cutOut: Flags.classNames("cut-out").pipe(
    Flag.withDescription(
      "Write NAME.cut-out.png as well: what is of this class, all else transparent; once for each class"
    )
  ),
  blur: Flags.classNames("blur").pipe(
    Flag.withDescription(
      "Hide this class (faces, plates, people) in every picture, and write NAME.hidden.png: all that is left of it is the " +
        "colour of a few large blocks, which run into each other; once for each class"
    )
  ),
  pixelate: Flags.classNames("pixelate").pipe(Flag.withDescription("The same with blocks as they are")),
  concurrency: Flags.concurrency("IMAGES", "Images under way at once. 2 by default").pipe(
    Flag.withDefault(2)
  ),
  ...Flags.limits,
  ...Flags.view,
  json: Flags.off("json").pipe(
    Flag.withDescription("Print one JSON object per image and line instead of the table")
  ),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = Flags.backendFaults

export const command = Command.make("segment", flags).pipe(
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
      command:
        "segformer segment --model Xenova/segformer_b2_clothes portraits --cut-out Face --cut-out Hair",
      description: "Portraits cut out"
    },
    {
      command: "cat panel.png | segformer segment - --json | jq '.regions | length'",
      description: "In a pipe"
    }
  ])
)
