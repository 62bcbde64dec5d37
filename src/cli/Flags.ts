/** Flags that several commands have. */
import { Option, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import * as Variable from "../policy/Variable.ts"

const Count = Schema.Int.check(Schema.isGreaterThan(0))

/** A whole number of at least 1. */
export const count = (name: string) => Flag.Int(name).pipe(Flag.withSchema(Count))

/** What the library calls by its options, by the flags of commands that have {@link maxBytes} and {@link maxPixels}. */
export const inFlags = (text: string): string =>
  text.replaceAll("`limits.maxPixels`", "--max-pixels").replaceAll("`limits.maxBytes`", "--max-bytes")

/** Bytes, written as 1048576, 512k, 50M or 1.5G. */
export const parseBytes = (text: string): Option.Option<number> =>
  Option.fromUndefinedOr(Variable.parseBytes(text))

/** A flag of {@link parseBytes}. */
export const bytes = (name: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("BYTES"),
    Flag.filterMap(parseBytes, () => "a size such as 1048576, 512k or 50M")
  )

export const url = Flag.String("url").pipe(
  Flag.withAlias("u"),
  Flag.withMetavar("URL"),
  Flag.withDescription(
    "A service that segments, instead of a model here. Its key is read from SEGFORMER_API_KEY"
  ),
  Flag.optional
)

export const model = Flag.String("model").pipe(
  Flag.withAlias("m"),
  Flag.withMetavar("MODEL"),
  Flag.withDescription(
    "A model folder, an .onnx file or an id of the Hugging Face Hub. By default the model in this package"
  ),
  Flag.optional
)

export const maxPixels = count("max-pixels").pipe(
  Flag.withMetavar("PIXELS"),
  Flag.withDescription("Refuse images with more pixels than this"),
  Flag.optional
)

export const maxBytes = bytes("max-bytes").pipe(
  Flag.withDescription("Refuse image files larger than this, such as 50M"),
  Flag.optional
)

/** Images to segment. */
export const images = Argument.String("image").pipe(
  Argument.withDescription(
    "Files, folders (searched through), globs in quotes, http(s) addresses, or - for standard input"
  ),
  Argument.variadic({ min: 1 })
)
