/** An image from its bytes: its header read, its limits checked. What every source comes to. */
import { Effect, Stream } from "effect"
import * as CommonHeaders from "./CommonHeaders.ts"
import * as HeaderParsing from "./HeaderParsing.ts"
import { type Image, type ImageLimits, within } from "./Image.ts"
import { type ImageError, NotAnImage, UnsupportedImage } from "./ImageError.ts"
import * as ImageFormat from "./ImageFormat.ts"
import { type CodeNotLoaded, lazily } from "../service/CodeNotLoaded.ts"

const { readers } = CommonHeaders

const isCommon = (format: ImageFormat.ImageFormat): format is keyof typeof readers =>
  Object.hasOwn(readers, format)

/** Larger than what PNG and JPEG need together, and seldom asked. */
const others = lazily(() => import("./OtherHeaders.ts"))

/** The header of an image whose first bytes these are: that of a page, from 1, where the type has pages. */
export const parse = (bytes: Uint8Array, page = 1): Effect.Effect<HeaderParsing.Parsed, CodeNotLoaded> =>
  Effect.suspend(() => {
    const format = HeaderParsing.formatOf(bytes)
    return format === undefined || isCommon(format)
      ? Effect.succeed(
          format === undefined
            ? HeaderParsing.unknown
            : HeaderParsing.readAs(format, readers[format], bytes, page)
        )
      : Effect.map(others, ({ ImageHeader }) => ImageHeader.parse(bytes, page))
  })

/** What is neither empty nor beyond its limit. */
export const sized = (source: string, size: number, limits: ImageLimits): Effect.Effect<void, ImageError> =>
  size === 0
    ? Effect.fail(new NotAnImage({ source, detail: "it is empty" }))
    : within(source, "bytes", size, limits.maxBytes)

export const cutOff = (source: string): NotAnImage =>
  new NotAnImage({ source, detail: "it is a PNG that is cut off" })

export const fromMemory = (
  source: string,
  name: string,
  data: Uint8Array,
  limits: ImageLimits
): Effect.Effect<Image, ImageError | CodeNotLoaded> =>
  Effect.gen(function* () {
    yield* sized(source, data.length, limits)
    const header = yield* accept(source, yield* parse(data), data.subarray(0, startBytes), limits)
    if (header.format === "png" && !HeaderParsing.isWholePng(data)) return yield* cutOff(source)
    return describe(source, name, header, data.length, {
      bytes: Effect.succeed(data),
      stream: Stream.succeed(data),
      inMemory: true
    })
  })

/** Enough to tell what a file is that is no image. */
export const startBytes = 1024

export const accept = (
  source: string,
  parsed: HeaderParsing.Parsed,
  start: Uint8Array,
  limits: ImageLimits
): Effect.Effect<HeaderParsing.ImageHeader, ImageError | CodeNotLoaded> => {
  if (parsed._tag === "NeedMore") {
    return Effect.flatMap(others, ({ OtherFormat }) => Effect.fail(OtherFormat.endsEarly(source, start)))
  }
  if (parsed._tag === "Refused") {
    const { detail, format, isBroken } = parsed
    return Effect.fail(
      isBroken ? new NotAnImage({ source, detail }) : new UnsupportedImage({ source, format, detail })
    )
  }
  return parsed._tag === "Unknown"
    ? Effect.flatMap(others, ({ OtherFormat }) => Effect.fail(OtherFormat.refusal(source, start)))
    : Effect.as(within(source, "pixels", parsed.width * parsed.height, limits.maxPixels), parsed)
}

export const describe = (
  source: string,
  name: string,
  header: HeaderParsing.ImageHeader,
  size: number,
  content: Pick<Image, "bytes" | "stream" | "inMemory">
): Image => {
  const { format, orientation } = header
  const turned = orientation >= 5
  const { endings, mediaType } = ImageFormat.table[format]
  const ending = name.toLowerCase().split(".").at(-1) ?? ""
  return {
    source,
    name: endings.includes(ending) ? name : `${name}.${endings[0]}`,
    format,
    mediaType,
    width: turned ? header.height : header.width,
    height: turned ? header.width : header.height,
    orientation,
    ...(header.hasMore === true ? { hasMore: true } : {}),
    size,
    ...content
  }
}
