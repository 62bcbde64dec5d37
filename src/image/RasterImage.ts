/** Images that are pixels first: decoded before they came here, or never in a file. */
import { Effect, Stream } from "effect"
import { type Image, type ImageLimits, within } from "./Image.ts"
import { ImageCodec } from "./ImageCodec.ts"
import { type ImageError, ImageNotReadable, NotAnImage } from "./ImageError.ts"
import { type Raster, whole } from "./Raster.ts"

/** An image of pixels that are in memory. */
export const fromRaster = (
  codec: ImageCodec["Service"],
  source: string,
  raster: Raster,
  { maxPixels }: ImageLimits
): Effect.Effect<Image, ImageError> => {
  const { height, width } = raster
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    const detail = `its sides must be whole numbers of pixels, but are ${width} x ${height}`
    return Effect.fail(new NotAnImage({ source, detail }))
  }
  const png = Effect.catchTag(
    codec.encode(raster, "png"),
    ["DependencyMissing", "CodeNotLoaded"],
    ({ message }) => Effect.fail(new ImageNotReadable({ source, detail: message }))
  )
  const image = fromPixels({
    source,
    name: source,
    width,
    height,
    // Not `slice`, which of a Buffer is the same memory.
    pixels: Effect.sync(() => ({ ...raster, data: new Uint8Array(raster.data) })),
    png
  })
  return whole(source, raster).pipe(
    Effect.andThen(within(source, "pixels", width * height, maxPixels)),
    Effect.andThen(image)
  )
}

/** The same by the codec of the program. */
export const open = (
  source: string,
  raster: Raster,
  limits: ImageLimits
): Effect.Effect<Image, ImageError, ImageCodec> =>
  Effect.flatMap(ImageCodec, (codec) => fromRaster(codec, source, raster, limits))

/** An image that is pixels first, and a PNG, made once, for what takes files. */
export const fromPixels = ({
  height,
  name,
  pixels,
  png,
  source,
  width
}: {
  readonly source: string
  readonly name: string
  readonly width: number
  readonly height: number
  readonly pixels: Effect.Effect<Raster, ImageError>
  readonly png: Effect.Effect<Uint8Array, ImageError>
}): Effect.Effect<Image> =>
  Effect.map(Effect.cached(png), (bytes) => ({
    source,
    name: name.toLowerCase().endsWith(".png") ? name : `${name}.png`,
    format: "png",
    mediaType: "image/png",
    width,
    height,
    orientation: 1,
    // What deflate cannot make smaller it makes larger by less than this.
    size: width * height * 5 + 1024,
    bytes,
    stream: Stream.fromEffect(bytes),
    inMemory: true,
    pixels
  }))
