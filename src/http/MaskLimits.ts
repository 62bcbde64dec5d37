/** How large a mask in an answer may be. */
import type { Image } from "../image/ImageSource.ts"

/** Pixels that a mask of an image may have: by option, or in proportion to the image. */
export const maxPixels = (
  image: Pick<Image, "width" | "height">,
  options: { readonly maxPixels?: number | undefined } = {}
): number => options.maxPixels ?? Math.max(4_000_000, 4 * image.width * image.height)
