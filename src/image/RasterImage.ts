/** Images that are pixels first: decoded before they came here, or never in a file. */
import { Effect, Stream } from "effect"
import type { Image, ImageLimits } from "./Image.ts"
import type { ImageCodec } from "./ImageCodec.ts"
import { type ImageError, ImageNotReadable, ImageTooLarge, NotAnImage } from "./ImageError.ts"
import type { Raster } from "./Raster.ts"

/** An image of pixels that are in memory. */
export const fromRaster = (
  codec: ImageCodec["Service"],
  source: string,
  raster: Raster,
  { maxPixels }: ImageLimits
): Effect.Effect<Image, ImageError> => {
  const { channels, data, height, width } = raster
  const pixels = width * height
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    const detail = `its sides must be whole numbers of pixels, but are ${width} x ${height}`
    return Effect.fail(new NotAnImage({ source, detail }))
  }
  if (data.length !== pixels * channels) {
    const detail = `${width} x ${height} x ${channels} bytes are ${pixels * channels}, but there are ${data.length}`
    return Effect.fail(new NotAnImage({ source, detail }))
  }
  if (pixels > maxPixels) {
    return Effect.fail(new ImageTooLarge({ source, measure: "pixels", actual: pixels, limit: maxPixels }))
  }
  const png = Effect.catchTag(codec.encode(raster, "png"), "DependencyMissing", ({ message }) =>
    Effect.fail(new ImageNotReadable({ source, detail: message }))
  )
  return fromPixels({
    source,
    name: source,
    width,
    height,
    // Not `slice`, which of a Buffer is the same memory.
    pixels: Effect.sync(() => ({ ...raster, data: new Uint8Array(raster.data) })),
    png
  })
}

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
