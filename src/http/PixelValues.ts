/**
 * An image as the tensor that a SegFormer takes, for services that take tensors and leave decoding, resizing and
 * normalising to their callers. In slices, so that nothing else in this process has to wait for a large image.
 */
import { Effect } from "effect"
import type { CodecError, ImageCodec } from "../image/ImageCodec.ts"
import type { Image } from "../image/ImageSource.ts"
import * as Preprocessing from "../image/Preprocessing.ts"

/** Bytes of pixels that are resized before others get a turn. */
const slice = 1 << 18

export interface PixelValues {
  readonly width: number
  readonly height: number
  /** `[3, height, width]`, red first. */
  readonly data: Float32Array
}

/** Decodes, resizes and normalises. */
export const make = Effect.fnUntraced(function* (
  codec: ImageCodec["Service"],
  image: Image,
  preprocessing: Preprocessing.Preprocessing
): Effect.fn.Return<PixelValues, CodecError> {
  const { data, height, width } = yield* codec.decode(image)
  const input = Preprocessing.make(preprocessing, width, height)
  for (let at = 0; at < data.length; at += slice) {
    input.push(data.subarray(at, at + slice))
    yield* Effect.yieldNow
  }
  return input.finish()
})

/** `[3, height, width]` as `[height, width, 3]`. */
export const channelsLast = ({ data, height, width }: PixelValues): Float32Array => {
  const plane = width * height
  const out = new Float32Array(data.length)
  for (let i = 0; i < plane; i++) {
    for (let channel = 0; channel < 3; channel++) out[i * 3 + channel] = data[channel * plane + i]!
  }
  return out
}
