/** `segformer eval`: its flags and help. */
import { Argument, Command, Flag } from "effect/cli"
import * as Palette from "../mask/Palette.ts"
import * as Ranking from "../mask/Ranking.ts"
import * as Flags from "./Flags.ts"

const namePattern = (name: string) =>
  Flag.String(name).pipe(
    Flag.filter(
      (text) => text.split("*").length === 2 && !text.includes("/"),
      () => "a name with one *, such as '*_leftImg8bit'"
    ),
    Flag.withMetavar("PATTERN")
  )

const flags = {
  predictions: Flags.paths("predictions", "directory").pipe(
    Argument.withDescription("Folder of predicted label maps: PNG or .npy, pixels are class ids")
  ),
  truth: Flags.paths("ground-truth").pipe(
    Argument.withDescription(
      "Folder of true ones, of the same names (a.png or a.labels.png for a.labels.png), or a file of annotations: Label Studio's " +
        "JSON, CVAT's XML (for images 1.1), COCO"
    )
  ),
  ignore: Flags.ids("ignore").pipe(
    Flag.withDescription(
      "Pixels of these ids in the truth are not counted: one or several with commas between, or none. 255 by default"
    ),
    Flags.optional
  ),
  exclude: Flags.classNames("exclude").pipe(
    Flag.withDescription(
      "Leave a class out of the means, by its name or id; once for each. Its pixels count for the others as before"
    )
  ),
  binary: Flags.off("binary").pipe(
    Flag.withDescription(
      "These are masks: 0 is background, the one other value (1, 255) the object, and nothing is ignored"
    )
  ),
  predictionNames: namePattern("prediction-names").pipe(
    Flag.withDescription(
      "What names of predictions look like, with * for what they share with the truth: '*_leftImg8bit'"
    ),
    Flags.optional
  ),
  truthNames: namePattern("truth-names").pipe(
    Flag.withDescription("The same of the truth: '*_gtFine_labelTrainIds'. Other files are left aside"),
    Flags.optional
  ),
  annotations: Flag.Literals("annotations", ["newest", "oldest"]).pipe(
    Flag.withMetavar("WHICH"),
    Flag.withDescription(
      "Of an image that several people annotated in Label Studio, the newest or the oldest. Without it, the one marked as ground truth"
    ),
    Flags.optional
  ),
  outside: Flag.String("outside").pipe(
    Flag.withMetavar("CLASS"),
    Flag.withDescription(
      "What pixels in no shape of the annotations are, by its name or id. By default the class that is called background; where none " +
        "is, they are not counted"
    ),
    Flags.optional
  ),
  reduceLabels: Flags.off("reduce-labels").pipe(
    Flag.withDescription("The truth counts classes from 1, and 0 is not counted (as ADE20K's files)")
  ),
  classes: Flags.path("classes").pipe(
    Flag.withMetavar("SOURCE"),
    Flag.withDescription(
      `Names of the classes, and how many there are: ${Palette.names.join(", ")}, a model's folder or ` +
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
  rank: Flag.Literals("rank", Ranking.BY).pipe(
    Flag.withMetavar("BY"),
    Flag.withDescription(
      "List the images to look at next: entropy, margin or unsure (how unsure the model was, from the .json of segformer segment), " +
        "disagreement (with --against), or distance (of their classes' shares from the set's)"
    ),
    Flags.optional
  ),
  against: Flags.path("against", "directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription(
      "Predictions of another segmenter, of the same names: how much of each image the two disagree on"
    ),
    Flags.optional
  ),
  json: Flags.off("json").pipe(Flag.withDescription("Print a JSON object instead of tables")),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = (options: Options): Flags.Faults => [
  ...(options.html === undefined
    ? Flags.ignored(options, ["images", "worst"], "is for the report: give its --html too")
    : []),
  ...(options.rank === "disagreement" && options.against === undefined
    ? ["--rank disagreement is with another segmenter: give its predictions with --against"]
    : []),
  ...(options.binary
    ? Flags.ignored(options, ["reduceLabels"], "is for classes, and --binary for masks of two values")
    : [])
]

export const command = Command.make("eval", flags).pipe(
  Command.withShortDescription("Score predictions against the truth"),
  Command.withDescription(
    "Score label maps against true ones, matched by name: IoU, Dice, precision and recall of each class, and their " +
      "means, from the pixels of all images together. A result of segformer segment is matched by the image that its " +
      ".json names. What has no match, another size or cannot be read is listed and left out; what is ignored is counted " +
      "and shown.\n\nExit codes: 0 all is well, 1 some files were left out, 2 wrong command line, 130 interrupted."
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
      command:
        "segformer eval found gtFine/val --classes cityscapes --prediction-names '*_leftImg8bit' " +
        "--truth-names '*_gtFine_labelTrainIds'",
      description: "Files that are called as those of Cityscapes"
    },
    {
      command: "segformer eval found project-1.json --classes surface",
      description: "What people corrected in Label Studio; annotations.xml of CVAT and COCO's JSON as well"
    },
    {
      command: "segformer eval found masks --binary",
      description: "Masks of 0 and 255, or of 0 and 1"
    },
    {
      command: "segformer eval found annotations --classes ade20k --reduce-labels --json | jq .meanIou",
      description: "In a pipe"
    }
  ])
)
