/** `segformer eval`: its flags and help. */
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

const flags = {
  predictions: Flags.paths("predictions", "directory").pipe(
    Argument.withDescription("Folder of predicted label maps: PNG or .npy, pixels are class ids")
  ),
  truth: Flags.paths("ground-truth", "directory").pipe(
    Argument.withDescription("Folder of true ones, of the same names: a.png or a.labels.png for a.labels.png")
  ),
  ignore: Flag.Int("ignore").pipe(
    Flags.atLeast(0),
    Flag.withMetavar("ID"),
    Flag.withDescription("Pixels of this id in the truth are not counted. 255 by default"),
    Flag.withDefault(255)
  ),
  reduceLabels: Flags.off("reduce-labels").pipe(
    Flag.withDescription("The truth counts classes from 1, and 0 is not counted (as ADE20K's files)")
  ),
  classes: Flags.path("classes").pipe(
    Flag.withMetavar("SOURCE"),
    Flag.withDescription(
      "Names of the classes, and how many there are: surface, ade20k, cityscapes, voc, coco-stuff, a model's folder or " +
        "config.json, a JSON array, or a file with a name a line. By default those that occur"
    ),
    Flags.optional
  ),
  boundary: Flags.off("boundary").pipe(
    Flag.withDescription("IoU near outlines as well, which sees what plain IoU of large areas does not")
  ),
  html: Flags.path("html", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Write a report with pictures of the worst images: one file that needs no other"),
    Flags.optional
  ),
  images: Flags.path("images", "directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription("Photos of the same names, shown in the report"),
    Flags.optional
  ),
  worst: Flags.count("worst").pipe(
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("How many of the worst images are shown. 6 by default"),
    Flags.optional
  ),
  json: Flags.off("json").pipe(Flag.withDescription("Print a JSON object instead of tables")),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = (options: Options): Flags.Faults =>
  options.html === undefined
    ? Flags.ignored(options, ["images", "worst"], "is for the report: give its --html too")
    : []

export const command = Command.make("eval", flags).pipe(
  Command.withShortDescription("Score predictions against the truth"),
  Command.withDescription(
    "Score label maps against true ones, matched by name: IoU, Dice, precision and recall of each class, and their " +
      "means, from the pixels of all images together. What has no match, another size or cannot be read is listed and " +
      "left out.\n\nExit codes: 0 all is well, 1 some files were left out, 2 wrong command line, 130 interrupted."
  ),
  Command.withExamples([
    {
      command: "segformer eval segformer-out truth --classes surface",
      description: "Results of segformer segment against files of the same names"
    },
    {
      command: "segformer eval found truth --boundary --html report.html --images photos",
      description: "With a report for people"
    },
    {
      command: "segformer eval found annotations --classes ade20k --reduce-labels --json | jq .meanIou",
      description: "In a pipe"
    }
  ])
)
