/** `segformer export`: its flags and help. */
import { Option, Record } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Exports from "../mask/Exports.ts"
import * as Palette from "../mask/Palette.ts"
import * as Flags from "./Flags.ts"

const per = (what: "run" | "image") => Exports.per(what).join(", ")
const using = (setting: Parameters<typeof Exports.using>[0]) => Exports.using(setting).join(", ")

/** Formats of pixels keep each of them as it is. */
const isOfPixels = (format: Exports.Name): boolean => format === "png" || format === "npy"
const notPixels = Exports.names.filter((name) => !isOfPixels(name)).join(", ")

const flags = {
  format: Argument.Literals("format", Exports.names).pipe(
    Argument.withDescription(`What to write: ${Exports.names.join(", ")}`)
  ),
  labels: Flags.paths("labels").pipe(
    Argument.withDescription(
      "Label maps: PNG or .npy, pixels are class ids; files, folders, globs in quotes"
    ),
    Argument.variadic({ min: 1 })
  ),
  out: Flags.out("either").pipe(
    Flag.withMetavar("PATH"),
    Flag.withDescription(
      `The file (${per("run")}), or the folder of a file for each label map (${per("image")})`
    )
  ),
  classes: Flags.path("classes").pipe(
    Flag.withMetavar("SOURCE"),
    Flag.withDescription(
      `Names of the classes: ${Palette.names.join(", ")}, a model's folder or config.json, a JSON array, or a ` +
        "file with a name a line. By default those in the .json files that segformer segment writes"
    ),
    Flags.optional
  ),
  ignore: Flags.ids("ignore").pipe(
    Flag.withDescription(
      `Pixels of these ids belong to no class: one or several with commas between, or none. 255 by default, unless a class has that id (${notPixels})`
    ),
    Flags.optional
  ),
  firstId: Flag.Int("first-id").pipe(
    Flags.atLeast(0),
    Flag.withMetavar("ID"),
    Flag.withDescription(
      `The id of the first class that is written, the others following as before, for tools to which 0 is nothing (${using("categoryOf")}). ` +
        "By default ids stay, and those of coco-stuff are COCO's own"
    ),
    Flags.optional
  ),
  background: Flags.off("background").pipe(
    Flag.withDescription(
      `Write background as well: what is named so is no object by default (${using("exclude")})`
    )
  ),
  minArea: Flags.count("min-area").pipe(
    Flag.withMetavar("PIXELS"),
    Flag.withDescription(`Leave out smaller regions (${using("minArea")})`),
    Flags.optional
  ),
  tolerance: Flag.Finite("tolerance").pipe(
    Flags.atLeast(0, "a number"),
    Flag.withMetavar("PIXELS"),
    Flag.withDescription(
      `How far outlines may be moved to save points (${using("tolerance")}). Exact by default`
    ),
    Flags.optional
  ),
  transform: Flag.String("transform").pipe(
    Flag.withMetavar("a,b,c,d,e,f"),
    Flag.filterMap(
      (text) => {
        const [a, b, c, d, e, f, ...more] = text
          .split(",")
          .map((part) => (part.trim() === "" ? NaN : Number(part)))
        const six = [a ?? NaN, b ?? NaN, c ?? NaN, d ?? NaN, e ?? NaN, f ?? NaN] as const
        // Otherwise all pixels would come to lie on a line.
        const isPlane = six[0] * six[4] !== six[1] * six[3]
        return more.length === 0 && six.every(Number.isFinite) && isPlane ? Option.some(six) : Option.none()
      },
      () => "six numbers with commas between, such as 0.5,0,100,0,-0.5,200, that leave an image an area"
    ),
    Flag.withDescription(
      `From pixels to coordinates: x = a column + b row + c, y = d column + e row + f (${using("transform")})`
    ),
    Flags.optional
  ),
  regions: Flags.off("regions").pipe(
    Flag.withDescription(
      `A line for each region, with all it measures, instead of each class (${using("regions")})`
    )
  ),
  shape: Flag.Literals("shape", ["mask", "polygon", "box", "bitmask"]).pipe(
    Flag.withMetavar("SHAPE"),
    Flag.withDescription(
      `What annotators correct: masks, polygons, boxes, or (labelstudio) bitmasks (${using("shape")}). mask by default`
    ),
    Flags.optional
  ),
  objects: Flag.Literals("objects", ["region", "class"]).pipe(
    Flag.withMetavar("OF"),
    Flag.withDescription(
      `A mask of each region, or one of each class (${using("objects")}). region by default`
    ),
    Flags.optional
  ),
  imagesAt: Flag.String("images-at").pipe(
    Flag.withMetavar("PREFIX"),
    Flag.withDescription(
      `What stands before the names of images, where the tool finds them, such as https://host/photos/ or s3://bucket/photos/ (${using("imagesAt")}). ` +
        "Label Studio's local files by default"
    ),
    Flags.optional
  ),
  order: Flags.path("order", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      `Images in the order of this table, the ranking.csv of segformer batch --rank (${per("run")})`
    ),
    Flags.optional
  ),
  first: Flags.count("first").pipe(
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("With --order: the first so many alone"),
    Flags.optional
  ),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

/** Flags that only some formats heed, by what they set. */
const settings = {
  background: "exclude",
  minArea: "minArea",
  tolerance: "tolerance",
  transform: "transform",
  regions: "regions",
  firstId: "categoryOf",
  shape: "shape",
  objects: "objects",
  imagesAt: "imagesAt"
} as const

export const faults = (options: Options): Flags.Faults => [
  ...(isOfPixels(options.format)
    ? Flags.ignored(
        options,
        ["ignore"],
        `is for ${notPixels}: ${options.format} keeps every pixel as it is, so leave it out`
      )
    : []),
  ...(options.firstId !== undefined && options.classes === undefined
    ? ["--first-id counts from the first of the classes: give --classes too"]
    : []),
  ...settingsFaults(options),
  ...shapeFaults(options),
  ...(Exports.formats[options.format].per === "run"
    ? []
    : Flags.ignored(options, ["order"], `is for ${per("run")}, which are one file: leave it out`)),
  ...(options.order === undefined
    ? Flags.ignored(options, ["first"], "counts in an order: give its --order too")
    : [])
]

const shapeFaults = ({ objects, format, shape, tolerance }: Options): Flags.Faults => {
  const isMask = shape === undefined || shape === "mask" || shape === "bitmask"
  const hasShapes = Exports.using("shape").includes(format)
  return [
    ...(shape === "bitmask" && format !== "labelstudio"
      ? [`--shape bitmask is for labelstudio, and not for ${format}: its pixels are --shape mask`]
      : []),
    ...(hasShapes && objects === "class" && !isMask
      ? [`--objects class is for masks: a ${shape} is of a region`]
      : []),
    ...(hasShapes && tolerance !== undefined && shape !== "polygon"
      ? ["--tolerance is for outlines: give --shape polygon too, or leave it out"]
      : [])
  ]
}

const settingsFaults = (options: Options): Flags.Faults =>
  Record.keys(settings).flatMap((name) => {
    const formats = Exports.using(settings[name])
    // A line for each class has all pixels in it.
    const isCounted = options.format === "csv" && !options.regions && name !== "regions"
    if (formats.includes(options.format) && !isCounted) return []
    const heeding = formats.map((format) => (format === "csv" && isCounted ? "csv --regions" : format))
    return Flags.ignored(
      options,
      [name],
      `is for ${heeding.join(", ")}, and not for ${options.format}: leave it out`
    )
  })

export const command = Command.make("export", flags).pipe(
  Command.withShortDescription("Write label maps in other formats"),
  Command.withDescription(
    "Write label maps as COCO JSON, YOLO segments, GeoJSON, a CSV of areas, NumPy arrays, label PNGs with a palette, or " +
      "COCO run lengths (a JSON object a line), or for annotators to correct: tasks of Label Studio with predictions (labelling.xml " +
      "beside them is the labelling configuration of their project), and XML for CVAT; and samples with masks for FiftyOne. One label map is held at a time, however many there are; a file appears " +
      "when it is whole. What cannot be read is listed and left out.\n\nExit codes: 0 all is well, 1 some files were left " +
      "out, 2 wrong command line, 130 interrupted."
  ),
  Command.withExamples([
    {
      command: "segformer export coco segformer-out --out found.json",
      description: "All results of segformer segment"
    },
    {
      command: "segformer export yolo truth --classes names.txt --out labels --tolerance 1",
      description: "A text file for each image, and data.yaml"
    },
    {
      command: 'segformer export csv "found/*.png" --classes ade20k --regions --out regions.csv',
      description: "Every region, measured"
    },
    {
      command: "segformer export labelstudio found --order found/ranking.csv --first 50 --out tasks.json",
      description: "The fifty images to correct next, as tasks of Label Studio"
    },
    {
      command: "segformer export cvat segformer-out --out annotations.xml --min-area 20",
      description: "Masks for CVAT, without specks"
    }
  ])
)
