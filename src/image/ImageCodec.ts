/**
 * Pixels from image files and image files from pixels: a service, so that the core runs without a decoder and a test
 * or another runtime can bring its own. On Node it is `SharpCodec.layer` of `effect-segformer/sharp`.
 */
import { Context, type Effect, Layer } from "effect"
import type { Image } from "./Image.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"
import type { DependencyMissing, ImageError } from "./ImageError.ts"
import type { Raster } from "./Raster.ts"
import type { Stretch } from "./Stretch.ts"
import { CurrentTextRenderer, type TextRenderer } from "./TextRenderer.ts"

export type { Raster }

/** Why there are no pixels, or no file: the image, or what the codec stands on. */
export type CodecError = ImageError | DependencyMissing | CodeNotLoaded

export interface DecodeOptions {
  /** 3 by default: transparency is dropped, not blended with anything, as Pillow's `convert("RGB")` does. */
  readonly channels?: 3 | 4 | undefined
  /** Width times height, to be stricter than the limits that the image was opened under. */
  readonly maxPixels?: number | undefined
  /**
   * Which numbers are black and white, of images whose samples are not of 8 bits. Without it those of 16 bits are scaled
   * as they are, and others refused.
   */
  readonly stretch?: Stretch | undefined
}

export interface EncodeOptions {
  /** 1 to 100, for JPEG and WebP. 90 by default. */
  readonly quality?: number | undefined
}

/** Pixels from image files and image files from pixels. */
export class ImageCodec extends Context.Service<
  ImageCodec,
  {
    /**
     * As a person sees the image: EXIF orientation applied, any depth and colour space brought to 8-bit sRGB. The
     * pixels belong to the caller, who may change them or give their memory back: no codec keeps them or gives them
     * twice. Those of an image that has `pixels` need not be decoded.
     */
    readonly decode: (image: Image, options?: DecodeOptions) => Effect.Effect<Raster, CodecError>
    readonly encode: (
      raster: Raster,
      format: "png" | "jpeg" | "webp",
      options?: EncodeOptions
    ) => Effect.Effect<Uint8Array, CodecError>
    /**
     * Fails where a package that the codec stands on is not installed: so that whoever needs others too can say at once
     * all that is missing. Without it the codec needs none.
     */
    readonly ready?: Effect.Effect<void, DependencyMissing> | undefined
    /** Who draws words that are not Latin, where whoever decodes can do that too. `ImageCodec.layer` sets it. */
    readonly text?: TextRenderer | undefined
  }
>()("effect-segformer/image/ImageCodec") {
  /** A layer of a codec of one's own, also for those who do without one where there is none. */
  static readonly layer = (codec: ImageCodec["Service"]): Layer.Layer<ImageCodec> =>
    Layer.succeedContext(
      Context.make(ImageCodec, codec).pipe(
        Context.add(CurrentImageCodec, codec),
        Context.add(CurrentTextRenderer, codec.text)
      )
    )
}

/** The codec for those who do without one where there is none, which is the default. `ImageCodec.layer` sets it too. */
export const CurrentImageCodec = Context.Reference<ImageCodec["Service"] | undefined>(
  "effect-segformer/image/ImageCodec/CurrentImageCodec",
  { defaultValue: () => undefined }
)
