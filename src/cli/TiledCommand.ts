/** `segformer tile`: its flags and help. */
import { Argument, Command, Flag } from "effect/cli"
import * as ImageFormat from "../image/ImageFormat.ts"
import * as Flags from "./Flags.ts"

const formats = ImageFormat.list(
  ImageFormat.bySharp.map((name) => ImageFormat.table[name].title),
  "or"
)

const flags = {
  image: Flags.paths("image", "file").pipe(
    Argument.withDescription(
      `A file of any size: ${formats}. TIFF, PNG (not interlaced) and JPEG (not progressive) are never held whole; of ` +
        "others at most 100 megapixels are taken"
    )
  ),
  out: Flags.out("file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Where the labels go, as .tif or .png. IMAGE.labels.tif in this folder by default"),
    Flags.optional
  ),
  ...Flags.backend,
  crop: Flags.count("crop").pipe(
    Flag.withMetavar("PIXELS"),
    Flag.withDescription("Sides of a window. 512 by default"),
    Flag.withDefault(512)
  ),
  stride: Flags.count("stride").pipe(
    Flag.withMetavar("PIXELS"),
    Flag.withDescription("From one window to the next. Three quarters of --crop by default"),
    Flags.optional
  ),
  weights: Flag.Literals("weights", ["even", "distance"]).pipe(
    Flag.withDescription(
      "What a window counts where several overlap: the same, or by the distance to its border. even by default"
    ),
    Flag.withDefault("even" as const)
  ),
  flips: Flag.Literals("flip", ["x", "y", "xy"]).pipe(
    Flag.withDescription("Look at each window mirrored too, and average. May be given several times"),
    Flag.atLeast(0)
  ),
  bits: Flag.Literals("bits", ["8", "16"]).pipe(
    Flag.withDescription("Of a class id in the file. 8 by default"),
    Flag.withDefault("8" as const)
  ),
  concurrency: Flags.concurrency("WINDOWS", "Windows under way at once. 3 by default").pipe(
    Flag.withDefault(3)
  ),
  temp: Flags.path("temp", "directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription("Where the picture is unpacked while it is worked on, 3 bytes a pixel"),
    Flags.optional
  ),
  ...Flags.view,
  json: Flags.off("json").pipe(Flag.withDescription("Print a JSON object instead of the table")),
  quiet: Flags.quiet
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = (options: Options): Flags.Faults => [
  ...Flags.backendFaults(options),
  ...(options.stride !== undefined && options.stride > options.crop
    ? ["--stride must be at most --crop"]
    : [])
]

export const command = Command.make("tile", flags).pipe(
  Command.withShortDescription("Segment one image larger than memory"),
  Command.withDescription(
    "Segment one image larger than memory, in windows that overlap: writes a label map whose pixels are class ids, " +
      "and prints how much of what was found.\n\nExit codes: 0 all is well, 1 the image failed, 2 wrong command " +
      "line, 3 the service or model cannot be used, 130 interrupted."
  ),
  Command.withExamples([
    { command: "segformer tile city.tif", description: "Writes city.labels.tif" },
    { command: "segformer tile city.tif --weights distance --flip x -o city.png", description: "Fewer seams" }
  ])
)
