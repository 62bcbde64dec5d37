/**
 * From pixels to what a segmentation model takes, as the image processors of `transformers` do it: resize, crop to the
 * centre, rescale, normalise, pad. A SegFormer's resizes to a fixed size whatever the aspect ratio, and does not crop or pad.
 *
 * No Effect here: the ONNX transport runs it in its session's process.
 */
import * as InputSize from "./InputSize.ts"
import * as Resample from "./Resample.ts"

/** What becomes of the pixels of a picture. */
export interface Preprocessing {
  /** The size at which the model sees it; `undefined` leaves images as they are (`do_resize: false`). */
  readonly size: InputSize.InputSize | undefined
  /** One of Pillow's, or `"libvips-bilinear"` for the results of `@huggingface/transformers` on Node. */
  readonly filter: Resample.Filter
  /** What each byte is multiplied with, 1/255 as a rule; 1 for `do_rescale: false`. */
  readonly scale: number
  /** What is taken from it then: 1 where a preprocessor has an `offset`. None by default. */
  readonly offset?: number | undefined
  /** Per channel, red first; zeros for `do_normalize: false`. */
  readonly mean: ReadonlyArray<number>
  /** Per channel; ones for `do_normalize: false`. */
  readonly std: ReadonlyArray<number>
  /** Which plane comes first: `"bgr"` for `do_flip_channel_order`. `"rgb"` by default. */
  readonly channels?: "rgb" | "bgr" | undefined
  /** Its centre alone (`do_center_crop`), with black around it where it is smaller than that. Pixels outside have no class. */
  readonly crop?: InputSize.PixelSize | undefined
  /** With zeros on the right and below up to this size, or all around up to a multiple (`do_pad`). */
  readonly pad?: InputSize.PixelSize | { readonly multipleOf: number } | undefined
}

/** What `SegformerImageProcessor` does unless told otherwise. */
export const defaults: Preprocessing = {
  size: { width: 512, height: 512 },
  filter: "bilinear",
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225]
}

/** Where something lies in something else, in pixels of that: it may reach beyond. */
export interface Place extends InputSize.PixelSize {
  readonly left: number
  readonly top: number
}

/** `data` holds `[3, height, width]`. */
export interface Input {
  readonly width: number
  readonly height: number
  readonly data: Float32Array
  /** Where the whole picture lies in it; `undefined` where it is all of it. */
  readonly place: Place | undefined
}

/** How large the input is of which this size is bound: what every picture gets, where it is the same. */
export const fixedSize = ({ crop, pad, size }: Preprocessing): InputSize.PixelSize | undefined =>
  pad !== undefined && "width" in pad
    ? pad
    : (crop ?? (pad === undefined ? InputSize.fixed(size) : undefined))

interface Frame extends InputSize.PixelSize {
  readonly place: Place
  /** What was cropped to, before padding. */
  readonly cropped: Place
}

const half = (space: number): number => Math.floor(space / 2)

/** `left`, `top`: of the picture in what it is cropped to, and of that in the input. */
const frame = ({ crop, pad }: Preprocessing, picture: InputSize.PixelSize): Frame => {
  const inner = crop ?? picture
  // Where the picture is smaller the odd pixel is on the other side: 0 - floor((picture - crop) / 2) in both.
  const across = crop === undefined ? 0 : -half(picture.width - crop.width)
  const down = crop === undefined ? 0 : -half(picture.height - crop.height)
  let outer: InputSize.PixelSize = inner
  let left = 0
  let top = 0
  if (pad !== undefined && "multipleOf" in pad) {
    const up = (side: number) => Math.ceil(side / pad.multipleOf) * pad.multipleOf
    outer = { width: up(inner.width), height: up(inner.height) }
    left = half(outer.width - inner.width)
    top = half(outer.height - inner.height)
  } else if (pad !== undefined) {
    if (pad.width < inner.width || pad.height < inner.height) {
      throw new RangeError(
        `the model's preprocessor pads to ${pad.width} x ${pad.height}, and the picture is ${inner.width} x ${inner.height} by then`
      )
    }
    outer = pad
  }
  return {
    width: outer.width,
    height: outer.height,
    place: { left: left + across, top: top + down, width: picture.width, height: picture.height },
    cropped: { left, top, width: inner.width, height: inner.height }
  }
}

/**
 * Takes the bytes of an RGB picture of this size as they come. `finish` writes into the storage given to it, where that
 * has the right length, and all work is done in `scratch`: pictures one after the other need not each be allocated.
 * Throws where the settings cannot do with a picture of this size.
 */
export const make = (
  preprocessing: Preprocessing,
  width: number,
  height: number,
  scratch?: Resample.Scratch
): { readonly push: (chunk: Uint8Array) => void; readonly finish: (storage?: Float32Array) => Input } => {
  const target = InputSize.of(preprocessing.size, width, height)
  const isWhole = preprocessing.crop === undefined && preprocessing.pad === undefined
  const framed = isWhole ? undefined : frame(preprocessing, target)
  const resampler = Resample.make(width, height, target.width, target.height, preprocessing.filter, scratch)
  return {
    push: resampler.push,
    finish: (storage) => {
      const { height, width } = framed ?? target
      const plane = width * height
      const data = storage?.length === plane * 3 ? storage : new Float32Array(plane * 3)
      const values = tables(preprocessing)
      if (framed === undefined) resampler.planes(values, data)
      else paint(resampler, framed, values, data)
      if (preprocessing.channels === "bgr") {
        const red = data.slice(0, plane)
        data.copyWithin(0, plane * 2)
        data.set(red, plane * 2)
      }
      return { width, height, data, place: framed?.place }
    }
  }
}

/** Zeros where it is padded, black where it is cropped to more than there is, and the picture. */
const paint = (
  { rows }: Resample.Resampler,
  { cropped, height, place, width }: Frame,
  values: Resample.Tables,
  data: Float32Array
): void => {
  data.fill(0)
  const right = cropped.left + cropped.width
  const bottom = cropped.top + cropped.height
  values.forEach((table, channel) => {
    for (let y = cropped.top; y < bottom; y++) {
      const at = (channel * height + y) * width
      data.fill(table[0]!, at + cropped.left, at + right)
    }
  })
  const from = Math.max(place.left, cropped.left)
  const to = Math.min(place.left + place.width, right)
  rows((row, line) => {
    const y = place.top + line
    if (y < cropped.top || y >= bottom) return
    values.forEach((table, channel) => {
      const at = (channel * height + y) * width
      for (let x = from, i = (from - place.left) * 3 + channel; x < to; x++, i += 3)
        data[at + x] = table[row[i]!]!
    })
  })
}

/** There are 256 bytes and 3 channels, so each value is computed once, in the 32-bit steps that NumPy takes. */
const tables = ({ mean, offset = 0, scale, std }: Preprocessing): Resample.Tables => {
  const table = (channel: number): Float32Array => {
    const m = Math.fround(mean[channel]!)
    const s = Math.fround(std[channel]!)
    return Float32Array.from(
      { length: 256 },
      (_, v) => Math.fround(Math.fround(Math.fround(v * scale) - offset) - m) / s
    )
  }
  return [table(0), table(1), table(2)]
}
