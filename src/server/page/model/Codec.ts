/**
 * Pictures as a server reads them, in a browser: JPEG by the decoder that servers have, so that results are equal to the
 * pixel; what that refuses (CMYK, say), and all other formats, by the browser.
 */
import { Effect, type Scope } from "effect"
import { ImageCodec } from "../../../image/ImageCodec.ts"
import * as CanvasCodec from "../../../image/CanvasCodec.ts"
import * as PureCodec from "../../../image/PureCodec.ts"

/** The codec. Its workers are started when they are needed, and end with the scope. */
export const make = Effect.fnUntraced(function* (
  worker: () => Worker
): Effect.fn.Return<ImageCodec["Service"], never, Scope.Scope> {
  const canvas = yield* CanvasCodec.make({ worker })
  const pure = yield* PureCodec.make({ worker })
  return ImageCodec.of({
    ...canvas,
    decode: (image, options) =>
      image.format === "jpeg"
        ? Effect.catchTag(pure.decode(image, options), "UnsupportedImage", () =>
            canvas.decode(image, options)
          )
        : canvas.decode(image, options)
  })
})
