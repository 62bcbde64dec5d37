/**
 * What `preprocessor_config.json` says, as each of the image processors of `transformers` means it. What changes pixels is
 * obeyed or refused by its name, and never passed over.
 */
import { Result, Schema } from "effect"
import type { InputSize, PixelSize } from "../image/InputSize.ts"
import { defaults, type Preprocessing } from "../image/Preprocessing.ts"
import { filters } from "../image/Resample.ts"

const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.NullOr(schema))
const PerChannel = Schema.Union([Schema.Finite, Schema.Array(Schema.Finite)])
const Side = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 16_384 }))
const Rectangle = Schema.Struct({ height: Side, width: Side })
const Size = Schema.Union([
  Side,
  Schema.Tuple([Side, Side]),
  Schema.StructWithRest(
    Schema.Struct({
      height: maybe(Side),
      width: maybe(Side),
      shortest_edge: maybe(Side),
      longest_edge: maybe(Side)
    }),
    [Schema.Record(Schema.String, Schema.NullOr(Side))]
  )
])

/** The keys that are read. Others are held against {@link changesPixels}. */
export const Settings = Schema.StructWithRest(
  Schema.Struct({
    image_processor_type: maybe(Schema.String),
    feature_extractor_type: maybe(Schema.String),
    do_resize: maybe(Schema.Boolean),
    size: maybe(Size),
    default_to_square: maybe(Schema.Boolean),
    size_divisor: maybe(Side),
    max_size: maybe(Side),
    keep_aspect_ratio: maybe(Schema.Boolean),
    ensure_multiple_of: maybe(Side),
    crop_pct: maybe(Schema.Number.check(Schema.isBetween({ minimum: 0.01, maximum: 1 }))),
    resample: maybe(Schema.Literals([0, 1, 2, 3, 4, 5])),
    do_center_crop: maybe(Schema.Boolean),
    crop_size: maybe(Schema.Union([Side, Schema.Tuple([Side, Side]), Rectangle])),
    do_rescale: maybe(Schema.Boolean),
    rescale_factor: maybe(Schema.Finite.check(Schema.isGreaterThan(0))),
    offset: maybe(Schema.Boolean),
    rescale_offset: maybe(Schema.Boolean),
    do_normalize: maybe(Schema.Boolean),
    image_mean: maybe(PerChannel),
    image_std: maybe(PerChannel),
    do_flip_channel_order: maybe(Schema.Boolean),
    do_pad: maybe(Schema.Boolean),
    pad_size: maybe(Schema.Union([Side, Rectangle]))
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)
export type Settings = typeof Settings.Type

/** What a processor does where its settings do not say. */
interface Kind {
  readonly resample: number
  /** Of both mean and deviation. */
  readonly imagenet: "default" | "standard"
  /** A single number is a square, or the shortest edge. */
  readonly isSquare: boolean
  readonly size?: Settings["size"]
  readonly crop?: number
  readonly normalize?: boolean
  readonly flips?: boolean
  /** What it passes over without a word, and `transformers.js` does not. */
  readonly passesOver?: ReadonlyArray<"do_center_crop" | "do_pad">
}

const standard = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }

const masksSize = { shortest_edge: 800, longest_edge: 1333 }

/** Those whose models give a class for each pixel. */
const kinds: Readonly<Record<string, Kind>> = {
  Segformer: {
    resample: 2,
    imagenet: "default",
    isSquare: true,
    size: 512,
    passesOver: ["do_center_crop", "do_pad"]
  },
  Beit: { resample: 3, imagenet: "standard", isSquare: true, size: 224, passesOver: ["do_pad"] },
  DPT: { resample: 3, imagenet: "standard", isSquare: true, size: 384, passesOver: ["do_center_crop"] },
  ViT: { resample: 2, imagenet: "standard", isSquare: true, size: 224 },
  GLPN: {
    resample: 2,
    imagenet: "standard",
    isSquare: true,
    normalize: false,
    passesOver: ["do_center_crop", "do_pad"]
  },
  ConvNext: { resample: 3, imagenet: "standard", isSquare: false, size: 384, passesOver: ["do_pad"] },
  MobileNetV1: { resample: 2, imagenet: "standard", isSquare: false, size: 256, crop: 224 },
  MobileNetV2: {
    resample: 2,
    imagenet: "standard",
    isSquare: false,
    size: 256,
    crop: 224,
    passesOver: ["do_pad"]
  },
  MobileViT: {
    resample: 3,
    imagenet: "standard",
    isSquare: false,
    size: 224,
    crop: 256,
    normalize: false,
    flips: true,
    passesOver: ["do_pad"]
  },
  MaskFormer: {
    resample: 2,
    imagenet: "default",
    isSquare: false,
    size: masksSize,
    passesOver: ["do_center_crop"]
  },
  Mask2Former: { resample: 2, imagenet: "default", isSquare: false, size: masksSize }
}

/** Keys that are no matter of the pixels of one picture. */
const harmless = new Set([
  "processor_class",
  "auto_map",
  "backend",
  "data_format",
  "input_data_format",
  "device",
  "disable_grouping",
  "do_convert_rgb",
  "do_reduce_labels",
  "reduce_labels",
  "return_tensors",
  "ignore_index",
  "num_labels",
  "num_text",
  "class_info_file",
  "metadata",
  "repo_path",
  "include_top",
  "_valid_processor_keys",
  "task_inputs",
  "transformers_version"
])

/** Whether a key of this name is likely to change what a model sees. */
const changesPixels = (key: string, value: unknown): boolean =>
  value !== null &&
  value !== false &&
  !harmless.has(key) &&
  !(key in Settings.schema.fields) &&
  (key.startsWith("do_") ||
    /crop|pad|size|edge|scale|mean|std|norm|flip|mirror|offset|rotat|gamma|alias|interpol|resampl|channel|colou?r|rgb|pixel|patch|tile|equal|clahe/i.test(
      key
    ))

const known = Object.keys(kinds).join(", ")

/** Whether something is done: what is not said is as the processor has it, and what is null is not done. */
const does = (said: boolean | null | undefined, otherwise: boolean): boolean =>
  said === undefined ? otherwise : said === true

/** Fails with what is wrong, in words that follow the name of the model. */
export const toPreprocessing = (settings: Settings): Result.Result<Preprocessing, string> => {
  const file = "its preprocessor_config.json"
  // As a processor of several inputs has them, beside those of the others.
  const { image_processor: inner } = settings
  if (typeof inner === "object" && inner !== null) {
    return Result.flatMap(
      Result.mapError(
        Schema.decodeUnknownResult(Settings)(inner),
        (error) => `${file} is not as expected: ${error.message.replaceAll(/\s+/g, " ").trim()}`
      ),
      toPreprocessing
    )
  }
  const unknown = Object.entries(settings).find(([key, value]) => changesPixels(key, value))
  if (unknown !== undefined) {
    const said = JSON.stringify(unknown[1])
    return Result.fail(
      `${file} has "${unknown[0]}": ${said}, which may change pixels and is not known here. Take it out where it does not, or give \`preprocessing\``
    )
  }
  const type = settings.image_processor_type ?? settings.feature_extractor_type ?? "SegformerImageProcessor"
  const name = type.replace(/(FeatureExtractor|ImageProcessor)?(Fast|Pil)?$/, "")
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
  const lacks = (["size", "resample", "image_mean", "image_std"] as const).find(
    (key) => settings[key] === undefined || settings[key] === null
  )
  if (kind === undefined && lacks !== undefined) {
    return Result.fail(
      `${file} is of ${type}, which is not known here (${known} are), and says no \`${lacks}\`. Write it there`
    )
  }
  const { crop, flips, imagenet, isSquare, normalize, resample, size } = kind ?? kinds["Segformer"]!
  const isOpen = (settings.size ?? undefined) === undefined && does(settings.do_resize, true)
  // Whether a number is a square is asked of one that is said.
  const own = settings.size == null ? { size, default_to_square: undefined } : {}
  const sized = sizeOf({ ...settings, ...own }, name, isSquare)
  if (Result.isFailure(sized)) return Result.fail(`${file} ${sized.failure}`)
  const normalizes = does(settings.do_normalize, normalize ?? true)
  const usual = imagenet === "default" ? defaults : standard
  const mean = perChannel(normalizes ? (settings.image_mean ?? usual.mean) : 0)
  const std = perChannel(normalizes ? (settings.image_std ?? usual.std) : 1)
  if (mean.length !== 3 || std.length !== 3 || !std.every((value) => value > 0)) {
    return Result.fail(
      `${file} must have three numbers each in \`image_mean\` and \`image_std\`, and those above 0`
    )
  }
  // `transformers` passes them over, and `transformers.js` does not: whose result is meant is not ours to say.
  const ignored =
    settings.image_processor_type == null
      ? undefined
      : kind?.passesOver?.find((key) => settings[key] === true)
  if (ignored !== undefined) {
    return Result.fail(
      `${file} has \`${ignored}\`, which a ${type} of transformers passes over and transformers.js obeys. Take it out, or take out \`image_processor_type\` to have it obeyed`
    )
  }
  const crops = does(settings.do_center_crop, crop !== undefined)
  const cropSize = settings.crop_size ?? crop
  if (crops && cropSize === undefined) {
    return Result.fail(`${file} asks to crop (\`do_center_crop\`), and does not say to what (\`crop_size\`)`)
  }
  // One picture is as large as the largest of one: without a size there is nothing to pad.
  const { pad_size, size_divisor } = settings
  const pads = settings.do_pad === true || isMasks(name)
  return Result.succeed({
    size: isOpen ? open(sized.success.size) : sized.success.size,
    filter: filters[settings.resample ?? resample] ?? defaults.filter,
    // Before there was `do_rescale`, pictures were always rescaled.
    scale: does(settings.do_rescale, true) ? (settings.rescale_factor ?? defaults.scale) : 1,
    offset: does(settings.do_rescale, true) && (settings.offset ?? settings.rescale_offset ?? false) ? 1 : 0,
    mean,
    std,
    channels: does(settings.do_flip_channel_order, flips ?? false) ? "bgr" : "rgb",
    crop: crops ? rectangle(cropSize!) : sized.success.crop,
    pad: !pads
      ? undefined
      : name === "DPT"
        ? size_divisor === undefined || size_divisor === null
          ? undefined
          : { multipleOf: size_divisor }
        : pad_size === undefined || pad_size === null
          ? undefined
          : rectangle(pad_size)
  })
}

interface Sized {
  readonly size: InputSize | undefined
  /** A size that comes with a crop. */
  readonly crop?: PixelSize | undefined
}

/** What `size` means, with the settings that some processors have beside it. */
const sizeOf = (settings: Settings, name: string, isSquare: boolean): Result.Result<Sized, string> => {
  const { crop_pct, ensure_multiple_of, keep_aspect_ratio, max_size, size_divisor } = settings
  const resizes = does(settings.do_resize, true)
  const masks = isMasks(name)
  const ok = (size: InputSize | undefined, crop?: PixelSize): Result.Result<Sized, string> =>
    Result.succeed({ size, crop })
  if (!resizes) return ok(undefined)
  const divisor = size_divisor ?? undefined
  if (name === "GLPN") return ok({ multipleOf: divisor ?? 32 })
  if (max_size != null && !masks && Object.hasOwn(kinds, name))
    return Result.fail(`has "max_size": ${max_size}, which a ${name}ImageProcessor does not have`)
  const { size } = settings
  if (size === undefined || size === null) return Result.fail("says no `size`")
  if (typeof size === "object" && !("length" in size)) {
    const other = Object.keys(size).find((key) => !(key in none))
    if (other !== undefined) return Result.fail(`has "${other}" in its \`size\`, which is not known here`)
  }
  const edges =
    typeof size === "number"
      ? (settings.default_to_square ?? isSquare) && max_size == null
        ? { height: size, width: size }
        : { shortest_edge: size, longest_edge: max_size }
      : "length" in size
        ? { height: size[0], width: size[1] }
        : size
  const { height, longest_edge, shortest_edge, width } = { ...none, ...edges }
  if (divisor !== undefined && !masks && name !== "DPT" && resizes) {
    return Result.fail(
      `has "size_divisor": ${divisor}, and what that means for ${name || "its processor"} is not known here`
    )
  }
  if (height != null && width != null) {
    if (name === "DPT") {
      const multipleOf = ensure_multiple_of ?? 1
      if (keep_aspect_ratio === true) return ok({ closeTo: { width, height }, multipleOf })
      const round = (side: number) => Math.round(side / multipleOf) * multipleOf
      return ok({ width: round(width), height: round(height) })
    }
    if (ensure_multiple_of != null && ensure_multiple_of > 1) {
      return Result.fail(`has "ensure_multiple_of", which only a DPTImageProcessor has`)
    }
    if (masks) {
      const up = (side: number) => Math.ceil(side / (divisor ?? 32)) * (divisor ?? 32)
      return ok({ width: up(width), height: up(height) })
    }
    return keep_aspect_ratio === true
      ? ok({ fitLong: Math.max(width, height), fitShort: Math.min(width, height) })
      : ok({ width, height })
  }
  if (keep_aspect_ratio === true && shortest_edge == null) {
    return Result.fail("has `keep_aspect_ratio`, for which `size` must have `height` and `width`")
  }
  if (shortest_edge != null) {
    if (name === "ConvNext") {
      if (shortest_edge >= 384) return ok({ width: shortest_edge, height: shortest_edge })
      const larger = Math.trunc(shortest_edge / (crop_pct ?? 224 / 256))
      return ok({ shortestEdge: larger }, { width: shortest_edge, height: shortest_edge })
    }
    if (crop_pct != null) return Result.fail(`has "crop_pct", which only a ConvNextImageProcessor has`)
    return ok({
      shortestEdge: shortest_edge,
      longestEdge: max_size ?? longest_edge ?? undefined,
      multipleOf: masks ? (divisor ?? 32) : undefined
    })
  }
  if (longest_edge != null) return ok({ longestEdge: longest_edge })
  return Result.fail("must have in `size` a number, `height` and `width`, or a shortest or longest edge")
}

const isMasks = (name: string): boolean => name === "MaskFormer" || name === "Mask2Former"

/** A size that nobody has said gives way to the one that the model is bound to. */
const open = (size: InputSize | undefined): InputSize | undefined =>
  size !== undefined && "width" in size ? { ofModel: size } : size

const none = { height: undefined, width: undefined, shortest_edge: undefined, longest_edge: undefined }

const rectangle = (size: number | readonly [number, number] | PixelSize): PixelSize =>
  typeof size === "number"
    ? { width: size, height: size }
    : "length" in size
      ? { width: size[1], height: size[0] }
      : size

const perChannel = (value: number | ReadonlyArray<number>): ReadonlyArray<number> =>
  typeof value === "number" ? [value, value, value] : value
