/** Another page of an image, or its numbers stretched: pixels, and a PNG of them. */
import { Effect, Stream } from "effect"
import { type Image, type ImageLimits, limitsOf } from "./Image.ts"
import { ImageCodec } from "./ImageCodec.ts"
import { type ImageError, ImageNotReadable, UnsupportedImage } from "./ImageError.ts"
import type * as ImageFormat from "./ImageFormat.ts"
import { accept, describe, parse, startBytes } from "./ImageOpening.ts"
import * as RasterImage from "./RasterImage.ts"
import type { Stretch } from "./Stretch.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"

/** A decoder numbers the pages of these. */
const paged: ReadonlySet<ImageFormat.ImageFormat> = new Set(["tiff", "gif", "webp"])
/** Images of these may have more than 8 bits a sample. */
const deep: ReadonlySet<ImageFormat.ImageFormat> = new Set(["tiff", "png"])

/** What a codec may stand on, and lack. */
const without = ["DependencyMissing", "CodeNotLoaded"] as const

/** An image that was opened, as a view of it. */
export const open = <E, R>(
  opened: Effect.Effect<Image, E, R>,
  wanted: { readonly page?: number | undefined; readonly stretch?: Stretch | undefined },
  limits?: Partial<ImageLimits>
): Effect.Effect<Image, E | ImageError | CodeNotLoaded, R | ImageCodec> =>
  Effect.gen(function* () {
    const { page = 1, stretch } = wanted
    const image = yield* opened
    const isStretched = stretch !== undefined && deep.has(image.format) && image.pixels === undefined
    // Who asks for the first page by its number knows that there are others.
    const { hasMore, ...alone } = image
    const first = wanted.page === undefined ? image : alone
    if (page === 1 && !isStretched) return first
    const codec = yield* ImageCodec
    const paging = page === 1 ? first : yield* pageOf(image, page, limitsOf(limits))
    const lacking = ({ message }: { readonly message: string }) =>
      Effect.fail(new ImageNotReadable({ source: image.source, detail: message }))
    const pixels = Effect.catchTag(codec.decode(paging, { stretch }), without, lacking)
    const png = Effect.flatMap(pixels, (raster) =>
      Effect.catchTag(codec.encode(raster, "png"), without, lacking)
    )
    const { height, name, source: from, width } = paging
    const whole = yield* RasterImage.fromPixels({ source: from, name, width, height, pixels, png })
    return hasMore === true && wanted.page === undefined ? { ...whole, hasMore: true } : whole
  })

/** The image of another page, as its own directory says. */
const pageOf = Effect.fnUntraced(function* (
  image: Image,
  page: number,
  limits: ImageLimits
): Effect.fn.Return<Image, ImageError | CodeNotLoaded> {
  const { format, source } = image
  if (image.pixels !== undefined || !paged.has(format)) {
    const has = image.hasMore === true ? "of its frames only the first is read here" : "it has one page"
    return yield* new UnsupportedImage({ source, format, detail: `${has}, and page ${page} was asked for` })
  }
  if (format !== "tiff") return { ...image, page }
  const bytes = yield* image.bytes
  const header = yield* accept(source, yield* parse(bytes, page), bytes.subarray(0, startBytes), limits)
  return {
    ...describe(source, image.name, header, bytes.length, {
      bytes: Effect.succeed(bytes),
      stream: Stream.succeed(bytes),
      inMemory: true
    }),
    page
  }
})
