/** `segformer eval`: its flags and help. */
import { Option } from "effect"
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
    Argument.withDescription(
      "Folder of predicted label maps: PNG or .npy, pixels are class ids. With --against and no truth a folder of pictures, too"
    )
  ),
  truth: Flags.paths("ground-truth").pipe(
    Argument.withDescription(
      "Folder of true ones, of the same names (a.png or a.labels.png for a.labels.png), or a file of annotations: Label Studio's " +
        "JSON, CVAT's XML (for images 1.1), COCO. None to compare two segmenters with --against"
    ),
    Argument.optional,
    Argument.map(Option.getOrUndefined)
  ),
  ignore: Flags.ids("ignore").pipe(
    Flag.withDescription(
      "Pixels of these ids in the truth are not counted: one or several with commas between, or none. 255 by default, unless a class has that id"
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
        "config.json, a JSON array, a file with a name a line, or a tool's labelmap.txt. By default those that occur"
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
  against: Flags.path("against").pipe(
    Flag.withMetavar("OTHER"),
    Flag.withDescription(
      "What to compare with; once for each, or once beside a truth. A folder of another segmenter's predictions, of the same names. For " +
        "a folder of pictures what is to be otherwise: a precision (fp16, q8), a runtime (cpu, cuda, wasm), a model or a service's address"
    ),
    Flag.atLeast(0)
  ),
  match: Flag.Literals("match", ["id", "name"]).pipe(
    Flag.withDescription(
      "With --against and no truth, which classes of the two are one: those of one id, or of one name. By default by id where their " +
        "tables agree, and else by name"
    ),
    Flags.optional
  ),
  out: Flags.out("directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription(
      "With --against and no truth, write of each image with pixels that differ NAME.differs.png (1 where they do) and NAME.difference.png " +
        "(who says what, over the picture)"
    ),
    Flags.optional
  ),
  ...Flags.backend,
  ...Flags.limits,
  ...Flags.view,
  json: Flags.off("json").pipe(Flag.withDescription("Print a JSON object instead of tables")),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

/** Flags of one of the two ways alone. */
const ofTruth = [
  "binary",
  "truthNames",
  "predictionNames",
  "annotations",
  "outside",
  "reduceLabels",
  "boundary",
  "html",
  "rank"
] as const
const ofComparison = ["match", "out", ...Flags.ofSegmenters] as const

export const faults = (options: Options): Flags.Faults =>
  options.truth === undefined ? faultsOfComparison(options) : faultsOfTruth(options)

const faultsOfComparison = (options: Options): Flags.Faults => [
  ...(options.against.length === 0
    ? [
        "Missing the ground truth: give a folder or a file of what is true, or with --against what to compare with"
      ]
    : []),
  ...Flags.ignored(
    options,
    ofTruth,
    "is for scores against a truth, and there is none: give it, or leave this out"
  ),
  ...(options.exclude.length > 0 ? ["--exclude is for means of scores against a truth: leave it out"] : []),
  ...Flags.backendFaults(options)
]

const faultsOfTruth = (options: Options): Flags.Faults => [
  ...Flags.ignored(
    options,
    ofComparison,
    "is for pictures or folders compared without a truth: leave out one of them"
  ),
  ...(options.header.length > 0
    ? ["--header is for a service, and label maps are compared with a truth: leave it out"]
    : []),
  ...(options.against.length > 1
    ? ["--against is given once beside a truth: leave out the truth to compare with several"]
    : []),
  ...(options.html === undefined
    ? Flags.ignored(options, ["images", "worst"], "is for the report: give its --html too")
    : []),
  ...(options.rank === "disagreement" && options.against.length === 0
    ? ["--rank disagreement is with another segmenter: give its predictions with --against"]
    : []),
  ...(options.binary
    ? Flags.ignored(options, ["reduceLabels"], "is for classes, and --binary for masks of two values")
    : [])
]

export const command = Command.make("eval", flags).pipe(
  Command.withShortDescription("Score predictions against the truth, or compare two segmenters"),
  Command.withDescription(
    "Score label maps against true ones, matched by name: IoU, Dice, precision and recall of each class, and their " +
      "means, from the pixels of all images together. A result of segformer segment is matched by the image that its " +
      ".json names. What has no match, another size or cannot be read is listed and left out; what is ignored is counted " +
      "and shown.\n\nWithout a truth, --against tells which precision, runtime, model or service may replace which: how far they agree, " +
      "class by class, and where they differ. Pictures are segmented by both; of two folders of label maps those of one name are " +
      "compared. What else is said of the model (--model, --variant, --provider) is said of both.\n\nExit codes: 0 all is well, 1 some " +
      "files were left out, 2 wrong command line, 3 the service or model cannot be used, 130 interrupted."
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
      command:
        "segformer eval photos --model Xenova/segformer-b0-finetuned-ade-512-512 --against fp16 --against q8",
      description: "How far two precisions of a model agree with its own"
    },
    {
      command: "segformer eval photos --against http://127.0.0.1:8080 --out differences",
      description: "The model in this package beside a service, with the pixels that differ"
    },
    {
      command: "segformer eval found-monday --against found-friday --json | jq '.against[0].meanIou'",
      description: "Two folders of results"
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
