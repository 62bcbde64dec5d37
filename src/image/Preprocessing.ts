/**
 * From pixels to what a SegFormer takes, as `SegformerImageProcessor` does it: resize, rescale, normalise. It
 * resizes to a fixed size whatever the aspect ratio; nothing is cropped or padded.
 *
 * No Effect here: the ONNX transport runs it in its session's process.
 */
import * as Resample from "./Resample.ts"

/** What `preprocessor_config.json` says. */
export interface Preprocessing {
  /** The size that the model sees, in pixels; `undefined` leaves images as they are (`do_resize: false`). */
  readonly size: { readonly width: number; readonly height: number } | undefined
  /** One of Pillow's, or `"libvips-bilinear"` for the results of `@huggingface/transformers` on Node. */
  readonly filter: Resample.Filter
  /** What each byte is multiplied with, 1/255 as a rule; 1 for `do_rescale: false`. */
  readonly scale: number
  /** Per channel, red first; zeros for `do_normalize: false`. */
  readonly mean: ReadonlyArray<number>
  /** Per channel; ones for `do_normalize: false`. */
  readonly std: ReadonlyArray<number>
}

/** What `SegformerImageProcessor` does unless told otherwise. */
export const defaults: Preprocessing = {
  size: { width: 512, height: 512 },
  filter: "bilinear",
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225]
}

/** `data` holds `[3, height, width]`. */
export interface Input {
  readonly width: number
  readonly height: number
  readonly data: Float32Array
}

/**
 * Takes the bytes of an RGB picture of this size as they come. `finish` writes into the storage given to it, where that
 * has the right length, and all work is done in `scratch`: pictures one after the other need not each be allocated.
 */
export const make = (
  preprocessing: Preprocessing,
  width: number,
  height: number,
  scratch?: Resample.Scratch
): { readonly push: (chunk: Uint8Array) => void; readonly finish: (storage?: Float32Array) => Input } => {
  const target = preprocessing.size ?? { width, height }
  const { planes, push } = Resample.make(
    width,
    height,
    target.width,
    target.height,
    preprocessing.filter,
    scratch
  )
  return {
    push,
    finish: (storage) => {
      const size = target.width * target.height * 3
      const data = storage?.length === size ? storage : new Float32Array(size)
      planes(tables(preprocessing), data)
      return { ...target, data }
    }
  }
}

/** There are 256 bytes and 3 channels, so each value is computed once, in the 32-bit steps that NumPy takes. */
const tables = ({ mean, scale, std }: Preprocessing): Resample.Tables => {
  const table = (channel: number): Float32Array => {
    const m = Math.fround(mean[channel]!)
    const s = Math.fround(std[channel]!)
    return Float32Array.from({ length: 256 }, (_, v) => Math.fround(Math.fround(v * scale) - m) / s)
  }
  return [table(0), table(1), table(2)]
}
