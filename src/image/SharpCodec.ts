/**
 * `ImageCodec` on Node, by `sharp` (libvips), which is loaded on first use and runs off the event loop.
 *
 * Decodes PNG, JPEG, WebP, TIFF, AVIF, BMP and the first frame of a GIF, to 8-bit sRGB as a person sees it: oriented, 16
 * bits scaled to 8, colour profiles and CMYK converted, grey as RGB. What are no colours of 8 or 16 bits (floats, signed and
 * 32-bit numbers) are refused, unless a `Stretch` says which of them are black and white. libvips itself confirms size, depth and
 * colours before a pixel is decoded, and refuses more pixels than the image was opened with. Transparency is dropped, not blended, as Pillow
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
import { type ImageError, UnsupportedImage } from "./ImageError.ts"
import * as ImageFormat from "./ImageFormat.ts"
import { type Image, within } from "./Image.ts"
import { whole } from "./Raster.ts"
import * as SharpInput from "./SharpInput.ts"
import * as SharpText from "./SharpText.ts"
import * as SharpModule from "./SharpModule.ts"
import * as Stretch from "./Stretch.ts"
import * as ErrorKind from "../ErrorKind.ts"
import { firstLineOf } from "../SystemError.ts"

/** How sharp is loaded: a parameter, so that a test can take it away. @internal */
export const make = (from?: () => Promise<SharpModule.SharpModule>): Effect.Effect<ImageCodec["Service"]> =>
  Effect.map(Effect.cached(SharpModule.load("Decoding and encoding images", from)), (loaded) =>
    ImageCodec.of({
      decode: (image, options) => Effect.flatMap(loaded, (sharp) => decode(sharp, image, options)),
      encode: (raster, format, options) =>
        Effect.flatMap(loaded, (sharp) => encode(sharp, raster, format, options)),
      ready: Effect.asVoid(loaded),
      text: SharpText.make(loaded)
    })
  )

/** The codec, with sharp as it is installed. */
export const layer: Layer.Layer<ImageCodec> = Layer.unwrap(Effect.map(make(), ImageCodec.layer))

const decode = Effect.fnUntraced(function* (
  sharp: SharpModule.SharpModule,
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
  const all = yield* image.bytes
  const accept = (found: {
    readonly width: number
    readonly height: number
  }): Effect.Effect<void, ImageError> => {
    const detail = `its header says ${width} x ${height} pixels, but its decoder finds ${found.width} x ${found.height}`
    return found.width === width && found.height === height
      ? Effect.void
      : Effect.fail(new UnsupportedImage({ source, format, detail }))
  }
  if (decoder === "ours") {
    return yield* Bmp.decode(source, all, channels, (size) =>
      Effect.andThen(accept(size), SharpInput.count(size))
    )
  }
  const { page = 1 } = image
  const { stretch } = options ?? {}
  const bytes = yield* SharpInput.upToPage({ page, source }, all)
  const range = (offset: number, length: number) => Effect.succeed(bytes.subarray(offset, offset + length))
  const from = { source, format, page, head: Effect.succeed(bytes), range }
  const found = yield* SharpInput.look(
    from,
    () => sharp(bytes, SharpInput.optionsOf(page, false)),
    stretch !== undefined
  )
  yield* accept(found)
  const run = <A>(use: (pipeline: SharpInput.Pipeline) => Promise<A>): Effect.Effect<A, ImageError> =>
    Effect.andThen(
      SharpInput.count(found),
      SharpInput.decoded(
        format,
        (failOn) => use(sharp(bytes, SharpInput.optionsOf(page, width * height, found, failOn)).autoOrient()),
        (cause) => SharpInput.failed(from, cause)
      )
    )
  if (stretch !== undefined && found.isStretched === true) {
    const read = run((input) => SharpInput.numbersOf(input, found).raw({ depth: "float" }).toBuffer())
    return yield* Effect.map(read, (bytes) => {
      const samples = Stretch.shifted(SharpModule.floats(bytes), SharpInput.offsetOf(found.metadata))
      const scaled = Stretch.apply(samples, ...Stretch.limitsOf(stretch, samples))
      return { width, height, channels, data: Stretch.withChannels(scaled, width * height, channels) }
    })
  }
  const { data, info } = yield* run((input) => {
    const colour = SharpInput.coloursOf(input, found.metadata)
    // Not `toUint8Array`, which in sharp 0.35.5 never lets go of what it gives.
    return (channels === 3 ? colour.removeAlpha() : colour.ensureAlpha())
      .raw()
      .toBuffer({ resolveWithObject: true })
  })
  if (info.width !== width || info.height !== height || info.channels !== channels) {
    const detail = `it decodes to ${info.width} x ${info.height} pixels of ${info.channels} channels, where ${width} x ${height} of ${channels} are expected`
    return yield* new UnsupportedImage({ source, format, detail })
  }
  const pixels = SharpModule.plain(data)
  found.toSrgb?.(pixels, channels)
  return { width, height, channels, data: pixels }
})

const encoded = ["png", "jpeg", "webp"]

const encode = Effect.fnUntraced(function* (
  sharp: SharpModule.SharpModule,
  raster: Raster,
  format: "png" | "jpeg" | "webp",
  options?: EncodeOptions
): Effect.fn.Return<Uint8Array, ImageError> {
  ErrorKind.oneOf("ImageCodec.encode", "format", format, encoded)
  const { channels, data, height, width } = raster
  const source = `picture of ${width} x ${height}`
  yield* whole(source, raster)
  const quality = options?.quality ?? 90
  return yield* Effect.tryPromise({
    try: async () => {
      const input = sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
      const output =
        format === "png" ? input.png() : format === "jpeg" ? input.jpeg({ quality }) : input.webp({ quality })
      return SharpModule.plain(await output.toBuffer())
    },
    catch: (cause) => new UnsupportedImage({ source, format, detail: firstLineOf(cause) })
  })
})
