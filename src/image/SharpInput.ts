/**
 * What the decoder says of a file before it decodes a pixel: its size, depth and colours. It has the last word, whoever
 * else has read the header; and it is told how many pixels there may be.
 */
import { Effect, Metric } from "effect"
import { isLost } from "./decoding/Coding.ts"
import type { Conversion } from "./decoding/IccProfile.ts"
import { isOf, type Space } from "./decoding/ProfileSpace.ts"
import { type ImageError, NotAnImage, UnsupportedImage } from "./ImageError.ts"
import type { ImageFormat } from "./ImageFormat.ts"
import type { SharpModule } from "./SharpModule.ts"
import * as SharpTurns from "./SharpTurns.ts"
import * as Telemetry from "../TelemetryNames.ts"
import { lazily } from "../service/CodeNotLoaded.ts"
import { firstLineOf } from "../SystemError.ts"

export type Pipeline = ReturnType<SharpModule>
type Metadata = Awaited<ReturnType<Pipeline["metadata"]>>

/** What was let through to be decoded. */
export interface Facts {
  /** In pixels, as a person sees it. */
  readonly width: number
  /** In pixels, as a person sees it. */
  readonly height: number
  readonly metadata: Metadata
  /** Its samples are numbers that a stretch will make colours of. */
  readonly isStretched?: boolean | undefined
  /** Its pixels lie in tiles: of a TIFF. */
  readonly isTiled?: boolean | undefined
  /** Its decoder turns dark into light, since the file says that its lowest number is white: of a TIFF. */
  readonly isInverted?: boolean | undefined
  /** Its samples are colours of 8 or 16 bits, so that they need no stretch. */
  readonly isColour: boolean
  /** Brings its bytes to sRGB, in place, where its decoder does not. */
  readonly toSrgb?: ((data: Uint8Array, channels: number) => void) | undefined
}

/** Pixels that decoders were asked for: of what is refused before, none. */
export const pixels = Telemetry.servers.counter("segformer.decoded.pixels")

/** Notes that pixels are about to be decoded. */
export const count = ({ height, width }: Pick<Facts, "width" | "height">): Effect.Effect<void> =>
  Metric.update(pixels, width * height)

type FailOn = "warning" | "error"

/**
 * Decodes. A JPEG has to do without a warning, or with one of what no viewer minds: which one it was is asked while nothing else is
 * decoded, and then it is decoded to its end, since at the first one its decoder has stopped.
 */
export const decoded = <A, E>(
  format: Source["format"],
  use: (failOn: FailOn) => Promise<A>,
  failed: (cause: unknown) => Effect.Effect<never, E>
): Effect.Effect<A, E> => {
  const once = (failOn: FailOn, turn = SharpTurns.beside) =>
    Effect.tryPromise({ try: () => turn(() => use(failOn)), catch: (cause) => ({ cause }) })
  const judged = Effect.catch(once("warning", SharpTurns.alone), (failure) =>
    isLost(String(failure.cause)) ? Effect.fail(failure) : once("error")
  )
  const strictly = Effect.catch(once("warning"), () => judged)
  return Effect.catch(format === "jpeg" ? strictly : once("error"), ({ cause }) => failed(cause))
}

/**
 * Warnings are not enough to refuse a picture: libjpeg warns of bytes that no viewer minds. But a tile of a TIFF that is not there
 * is one, and would be black. `page` is counted from 1, and `maxPixels` is what the decoder itself refuses more than.
 */
export const optionsOf = (
  page: number,
  maxPixels: number | false,
  {
    isStretched,
    isTiled,
    metadata
  }: Pick<Facts, "isStretched" | "isTiled"> & { readonly metadata?: Metadata | undefined } = {},
  failOn: FailOn = "error"
) =>
  ({
    failOn: isTiled === true ? "warning" : failOn,
    limitInputPixels: maxPixels,
    // Numbers stay as they are; and libvips tells profiles apart by how many numbers a colour has.
    ignoreIcc:
      isStretched === true || (metadata?.icc !== undefined && !isOf(metadata.icc, spaceOf(metadata.space))),
    ...(page === 1 ? {} : { page: page - 1 })
  }) as const

const spaceOf = (space: string): Space => (space === "cmyk" ? "CMYK" : colours[space] === 1 ? "GRAY" : "RGB ")

export interface Source {
  readonly source: string
  readonly format: ImageFormat | "image"
  readonly page: number
  /** Its first bytes, to say what is unusual about it. */
  readonly head: Effect.Effect<Uint8Array, ImageError>
  /** A part of it, or what there is of that. */
  readonly range: (offset: number, length: number) => Effect.Effect<Uint8Array, ImageError>
}

/** Loaded late: who encodes, or draws words, needs no reader of every header. */
const headers = Effect.orDie(lazily(() => import("./UpToPage.ts")))

export const upToPage = (from: Pick<Source, "page" | "source">, bytes: Uint8Array) =>
  Effect.flatMap(headers, (module) => module.upToPage(from, bytes))

/** What is unusual about a TIFF; nothing of other types. */
const unusual = Effect.fnUntraced(function* ({ format, head, page }: Source) {
  if (format !== "tiff") return []
  const { TiffHeader } = yield* headers
  return TiffHeader.unusual(yield* head, page)
})

/** What decoders call what is not in them. */
const lacks =
  /not configured|not implemented|not support|unsupported|no codec|samples out of range|bad labq|not a whole number of bytes|channel limit|required field|Unsupported/i

/** What decoders say of TIFFs that others read, and what is so with those. */
const layouts: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /invalid (?:tile|strip) byte count/i,
    "it is a TIFF of which parts are not in the file, because it is sparse or broken. If it is sparse, write it with all " +
      "of them (gdal_translate in.tif out.tif)"
  ],
  [
    /tile size out of range/i,
    "it is a TIFF of tiles that are far larger than its picture, which cannot be decoded. Write it without them (gdal_translate in.tif out.tif)"
  ]
]

/** What brings grey of 16 bits to sRGB, in place, once it has 8: sharp leaves it as it is, whatever its profile says. */
const profileOf = Effect.fnUntraced(function* ({ icc, space }: Metadata): Effect.fn.Return<Conversion> {
  if (icc === undefined || space !== "grey16") return undefined
  const { conversion } = yield* Effect.orDie(lazily(() => import("./decoding/IccProfile.ts")))
  return conversion(icc, "GRAY")
})

/** Why a file cannot be decoded: a kind that is unusual, or bytes that are broken. */
export const failed = (from: Source, cause: unknown): Effect.Effect<never, ImageError> => {
  const { format, source } = from
  const said = firstLineOf(cause)
  const reason = /failOn/.test(said) ? "a part of it cannot be decoded" : said
  const broken = new NotAnImage({ source, detail: `it is broken or cut off (${reason})` })
  const layout = layouts.find(([of]) => of.test(reason))?.[1]
  if (layout !== undefined)
    return Effect.fail(new UnsupportedImage({ source, format, detail: `${layout} (${reason})` }))
  return Effect.flatMap(unusual(from), (found): Effect.Effect<never, ImageError> => {
    if (found.length === 0 && !lacks.test(reason)) return Effect.fail(broken)
    const what = found.length === 0 ? "it is of a kind that its decoder lacks" : found.join(", ")
    return Effect.fail(
      new UnsupportedImage({
        source,
        format,
        detail: `${what}, and it cannot be decoded (${reason}). Convert it to PNG, or to a TIFF of 8 or 16 bits a sample`
      })
    )
  })
}

/** As people call what a sample may be. */
const numbers: Readonly<Record<string, string>> = {
  char: "signed 8-bit numbers",
  short: "signed 16-bit numbers",
  int: "signed 32-bit numbers",
  uint: "unsigned 32-bit numbers",
  float: "floating-point numbers",
  double: "floating-point numbers"
}

/** Spaces whose samples are colours or grey, and how many of them there are besides alpha. */
const colours: Readonly<Record<string, number>> = {
  "b-w": 1,
  grey16: 1,
  srgb: 3,
  rgb16: 3,
  cmyk: 4,
  scrgb: 3
}

/** What sharp makes whole numbers of 0 to 65,535 of, whatever they were. */
const is16Bit = (space: string): boolean => space === "grey16" || space === "rgb16"

/** What is added to samples so that none is below 0 where sharp would make 0 of it. */
export const offsetOf = ({ depth, space }: Pick<Metadata, "depth" | "space">): number =>
  depth === "short" && is16Bit(space) ? 32_768 : 0

/** The samples as they are in the file, but for {@link offsetOf}. */
export const numbersOf = (
  input: Pipeline,
  { isInverted, metadata }: Pick<Facts, "isInverted" | "metadata">
): Pipeline => {
  const offset = offsetOf(metadata)
  const samples = isInverted === true ? input.removeAlpha().negate({ alpha: false }) : input.removeAlpha()
  return (offset === 0 ? samples : samples.linear(1, offset)).toColourspace(metadata.space)
}

/**
 * Colours of 8 bits, as sRGB. Those of 16 bits are brought to 8 before their profile is applied: sharp would leave them in P3,
 * in which it works with such pictures.
 */
export const coloursOf = (input: Pipeline, metadata: Metadata | undefined): Pipeline =>
  (metadata?.space === "rgb16" ? input.pipelineColourspace("srgb") : input).toColourspace("srgb")

/** Looks at a file: refuses what would not come out as it is. `isStretched`: whether numbers will be scaled. */
export const look = Effect.fnUntraced(function* (
  from: Source,
  open: () => Pipeline,
  isStretched: boolean
): Effect.fn.Return<Facts, ImageError> {
  const { format, source } = from
  const metadata = yield* Effect.catch(
    Effect.tryPromise({
      try: () => SharpTurns.beside(() => open().metadata()),
      catch: (cause) => ({ cause })
    }),
    ({ cause }) => failed(from, cause)
  )
  const { channels, depth, hasAlpha, space } = metadata
  const isColour = depth === "uchar" || depth === "ushort"
  const refuse = (detail: string) => new UnsupportedImage({ source, format, detail })
  const wanted = colours[space]
  if (wanted === undefined) {
    const found = yield* unusual(from)
    const what = found.length === 0 ? `its colours are ${space}` : found.join(", ")
    return yield* refuse(`${what}, and cannot be read here. Convert it to sRGB or grey`)
  }
  if (wanted === 1 && channels - (hasAlpha ? 1 : 0) > 1) {
    return yield* refuse(
      `it has ${channels} bands, and does not say which of them are red, green and blue. Make a file of the one or three that are to be seen`
    )
  }
  if (!isColour && !isStretched) {
    return yield* refuse(
      `its samples are ${numbers[depth] ?? depth}, and no colours. Say with \`stretch\` which of them are black and white, or scale it to 8 or 16 bits`
    )
  }
  if (isStretched && wanted === 4 && depth !== "uchar")
    return yield* refuse(
      "its samples are inks, of which a stretch makes no colours. Convert it to sRGB, or read it without one"
    )
  if (depth === "float" && is16Bit(space)) {
    return yield* refuse(
      "its samples are 16-bit floats, which are not read here. Write it with floats of 32 bits"
    )
  }
  if (!isColour && numbers[depth] === undefined)
    return yield* refuse(`its samples are ${depth}, which are not read here`)
  const toSrgb = isStretched ? undefined : yield* profileOf(metadata)
  if (typeof toSrgb === "object") return yield* refuse(`${toSrgb.unread}. Convert it to sRGB`)
  const laid =
    metadata.format === "tiff"
      ? yield* Effect.flatMap(headers, ({ TiffHeader }) => TiffHeader.laid(from.range, from.page))
      : undefined
  return {
    ...metadata.autoOrient,
    metadata,
    // An image of 8 bits shows what it is to show.
    isStretched: isStretched && depth !== "uchar",
    isTiled: laid?.isTiled,
    // libvips leaves signed numbers and floats as they are.
    isInverted: laid?.isMinWhite === true && wanted === 1 && (depth === "ushort" || depth === "uint"),
    isColour,
    toSrgb
  }
})
