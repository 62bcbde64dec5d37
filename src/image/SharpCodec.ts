/**
 * `ImageCodec` on Node, by `sharp` (libvips), which is loaded on first use and runs off the event loop.
 *
 * Decodes PNG, JPEG, WebP, TIFF, AVIF, BMP and the first frame of a GIF, to 8-bit sRGB as a person sees it: oriented, 16
 * bits scaled to 8, colour profiles and CMYK converted, grey as RGB. Transparency is dropped, not blended, as Pillow
 * and with it the training of models does; ask for 4 channels to keep it.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageCodec, ImageSource } from "effect-segformer/image"
 * import { SharpCodec } from "effect-segformer/sharp"
 * import { Fixtures } from "effect-segformer/testing"
 *
 * const program = Effect.gen(function* () {
 *   const codec = yield* ImageCodec
 *   const raster = yield* codec.decode(yield* ImageSource.bytes(Fixtures.image).open())
 *   return [raster.width, raster.height, raster.channels, raster.data.length]
 * })
 * await Effect.runPromise(Effect.provide(program, SharpCodec.layer)) // => [48, 32, 3, 4608]
 * ```
 */
import { Effect, Layer } from "effect"
import * as Bmp from "./Bmp.ts"
import { type DecodeOptions, type EncodeOptions, ImageCodec, type Raster } from "./ImageCodec.ts"
import { type ImageError, NotAnImage, UnsupportedImage } from "./ImageError.ts"
import * as ImageFormat from "./ImageFormat.ts"
import { type Image, within } from "./Image.ts"
import { whole } from "./Raster.ts"
import { load, plain, reasonOf, type SharpModule } from "./SharpModule.ts"

/** How sharp is loaded: a parameter, so that a test can take it away. @internal */
export const make = (from?: () => Promise<SharpModule>): Effect.Effect<ImageCodec["Service"]> =>
  Effect.map(Effect.cached(load("Decoding and encoding images", from)), (loaded) =>
    ImageCodec.of({
      decode: (image, options) => Effect.flatMap(loaded, (sharp) => decode(sharp, image, options)),
      encode: (raster, format, options) =>
        Effect.flatMap(loaded, (sharp) => encode(sharp, raster, format, options)),
      ready: Effect.asVoid(loaded)
    })
  )

/** The codec, with sharp as it is installed. */
export const layer: Layer.Layer<ImageCodec> = Layer.unwrap(Effect.map(make(), ImageCodec.layer))

/** Pixels of a bitmap converted between two pauses: a few milliseconds of work. */
const pixelsPerSlice = 1_000_000

const decodeBmp = Effect.fnUntraced(function* (
  image: Image,
  bytes: Uint8Array,
  channels: 3 | 4
): Effect.fn.Return<Raster, ImageError> {
  const { source } = image
  const { height, rows, width } = yield* Effect.mapError(Effect.fromResult(Bmp.parse(bytes)), (problem) =>
    problem.isBroken
      ? new NotAnImage({ source, detail: problem.detail })
      : new UnsupportedImage({ source, format: "bmp", detail: problem.detail })
  )
  const data = new Uint8Array(width * height * channels)
  const slice = Math.max(1, Math.floor(pixelsPerSlice / width))
  for (let y = 0; y < height; y += slice) {
    rows(y, Math.min(height, y + slice), channels, data)
    yield* Effect.yieldNow
  }
  return { width, height, channels, data }
})

const decode = Effect.fnUntraced(function* (
  sharp: SharpModule,
  image: Image,
  options?: DecodeOptions
): Effect.fn.Return<Raster, ImageError> {
  const { format, height, source, width } = image
  yield* within(source, "pixels", width * height, options?.maxPixels ?? Infinity)
  const { decoder } = ImageFormat.table[format]
  if (decoder !== "ours" && "none" in decoder) {
    return yield* new UnsupportedImage({ source, format, detail: decoder.none })
  }
  const channels = options?.channels ?? 3
  if (image.pixels !== undefined) {
    const raster = yield* image.pixels
    if (raster.channels === channels) return raster
  }
  const bytes = yield* image.bytes
  if (decoder === "ours") return yield* decodeBmp(image, bytes, channels)
  const { data, info } = yield* Effect.tryPromise({
    try: () => {
      // Warnings are not enough to refuse a picture: libjpeg warns of bytes that no viewer minds.
      const input = sharp(bytes, { failOn: "error", limitInputPixels: false, unlimited: true })
      // Only where `ImageHeader` saw it too: the sizes that callers go by are taken from there.
      const upright = (image.orientation === 1 ? input : input.autoOrient()).toColourspace("srgb")
      // Not `toUint8Array`, which in sharp 0.35.5 never lets go of what it gives.
      return (channels === 3 ? upright.removeAlpha() : upright.ensureAlpha())
        .raw()
        .toBuffer({ resolveWithObject: true })
    },
    catch: (cause) => new NotAnImage({ source, detail: `it is broken or cut off (${reasonOf(cause)})` })
  })
  if (info.width !== width || info.height !== height) {
    const detail = `its header says ${width} x ${height} pixels, but it decodes to ${info.width} x ${info.height}`
    return yield* new UnsupportedImage({ source, format, detail })
  }
  if (info.channels !== channels) {
    const detail = `it decodes to ${info.channels} channels, where ${channels} are expected`
    return yield* new UnsupportedImage({ source, format, detail })
  }
  return { width, height, channels, data: plain(data) }
})

const encode = Effect.fnUntraced(function* (
  sharp: SharpModule,
  raster: Raster,
  format: "png" | "jpeg" | "webp",
  options?: EncodeOptions
): Effect.fn.Return<Uint8Array, ImageError> {
  const { channels, data, height, width } = raster
  const source = `picture of ${width} x ${height}`
  yield* whole(source, raster)
  const quality = options?.quality ?? 90
  return yield* Effect.tryPromise({
    try: async () => {
      const input = sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
      const output =
        format === "png" ? input.png() : format === "jpeg" ? input.jpeg({ quality }) : input.webp({ quality })
      return plain(await output.toBuffer())
    },
    catch: (cause) => new UnsupportedImage({ source, format, detail: reasonOf(cause) })
  })
})
