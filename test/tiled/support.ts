/** Pictures that a function draws, models whose answer is known, and what a window's logits come to by hand. */
import { Effect, Stream } from "effect"
import { ImageCodec, type ImageSource } from "effect-segformer/image"
import { SegFormerTest } from "effect-segformer/testing"
import { type Band, LargeImage } from "effect-segformer/tiled"
import type { Logits } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"

export interface Size {
  readonly width: number
  readonly height: number
}

/** RGB at each pixel, 0 to 255. */
export type Draw = (x: number, y: number) => readonly [number, number, number]

/** Smooth everywhere and nowhere the same. */
export const waves: Draw = (x, y) => [
  128 + 100 * Math.sin(x / 37 + y / 91) + 20 * Math.sin(x / 5),
  128 + 100 * Math.sin(y / 29 - x / 113) + 20 * Math.cos(y / 7),
  128 + 60 * Math.sin((x + y) / 53) + 60 * Math.cos((x - 2 * y) / 71)
]

export const draw = (box: Size & { readonly x: number; readonly y: number }, color: Draw) => {
  const data = new Uint8Array(box.width * box.height * 3)
  let at = 0
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      const [red, green, blue] = color(box.x + x, box.y + y)
      data[at++] = red
      data[at++] = green
      data[at++] = blue
    }
  }
  return { width: box.width, height: box.height, channels: 3 as const, data }
}

/** A picture that is drawn where it is looked at. */
export const drawn = (size: Size, color: Draw = waves) =>
  LargeImage.make({ source: "drawn", ...size, read: (box) => Effect.sync(() => draw(box, color)) })

/**
 * A model of convolutions: a quarter of the size, each logit from the cells around it (`reach` each way) and black
 * beyond the border, as padding has it. What is further away than that has no say.
 */
export const convolution = (
  image: Size & { readonly data: Uint8Array },
  classes: number,
  reach: number
): Logits.Logits => {
  const width = Math.ceil(image.width / 4)
  const height = Math.ceil(image.height / 4)
  const cells = new Float64Array(width * height * 3)
  for (let y = 0; y < height * 4; y++) {
    for (let x = 0; x < width * 4; x++) {
      if (x >= image.width || y >= image.height) continue
      const cell = ((y >> 2) * width + (x >> 2)) * 3
      for (let c = 0; c < 3; c++) cells[cell + c]! += image.data[(y * image.width + x) * 3 + c]!
    }
  }
  const data = new Float32Array(classes * width * height)
  const side = 2 * reach + 1
  const weights = new Float64Array(side * side * 3)
  for (let k = 0; k < classes; k++) {
    let next = 0
    for (let dy = -reach; dy <= reach; dy++)
      for (let dx = -reach; dx <= reach; dx++)
        for (let c = 0; c < 3; c++) weights[next++] = Math.sin(1 + k * 7 + c * 3 + dx * 2 - dy * 5)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0
        let weight = 0
        for (let cy = y - reach; cy <= y + reach; cy++) {
          for (let cx = x - reach; cx <= x + reach; cx++, weight += 3) {
            if (cx < 0 || cy < 0 || cx >= width || cy >= height) continue
            const cell = (cy * width + cx) * 3
            for (let c = 0; c < 3; c++) sum += cells[cell + c]! * weights[weight + c]!
          }
        }
        data[(k * height + y) * width + x] = sum / 4000
      }
    }
  }
  return { data, classes, height, width }
}

const names = (classes: number) => Array.from({ length: classes }, (_, id) => ({ id, name: `class ${id}` }))

const decoded = (image: ImageSource.Image) => Effect.flatMap(ImageCodec, (codec) => codec.decode(image))

/** A transport that gives logits of pixels. */
export const logitsOf = (
  model: (pixels: Size & { readonly data: Uint8Array }) => Logits.Logits,
  options?: SegFormerTest.TestOptions
) =>
  SegFormerTest.layer(
    ({ image }) =>
      Effect.map(Effect.provide(decoded(image), SharpCodec.layer), (pixels) => {
        const logits = model(pixels)
        return { _tag: "Logits", classes: names(logits.classes), logits }
      }),
    options
  )

/** A transport that gives the label map of each window. */
export const labelsOf = (
  model: (pixels: Size & { readonly data: Uint8Array }) => Uint8Array | Uint16Array,
  classes: number
) =>
  SegFormerTest.layer(({ image }) =>
    Effect.map(Effect.provide(decoded(image), SharpCodec.layer), (pixels) => ({
      _tag: "Labels",
      classes: names(classes),
      labelMap: { width: pixels.width, height: pixels.height, data: model(pixels) }
    }))
  )

/** All bands as one label map, whose rows must come without gaps. */
export const collect = <E, R>(bands: Stream.Stream<Band, E, R>, { height, width }: Size) =>
  Effect.map(Stream.runCollect(bands), (all) => {
    const data = new Uint16Array(width * height)
    const confidence = new Float32Array(width * height)
    let row = 0
    for (const band of all) {
      if (band.y !== row || band.width !== width) throw new Error(`row ${row} is due, and ${band.y} came`)
      data.set(band.data, row * width)
      if (band.confidence !== undefined) confidence.set(band.confidence.data, row * width)
      row += band.height
    }
    if (row !== height) throw new Error(`${row} rows of ${height} came`)
    return { width, height, data, confidence }
  })

/** What a model that ends with its softmax gives, with so many digits behind the point. */
export const softmaxOf = (logits: Logits.Logits, digits = 7): Logits.Logits => {
  const { classes, data, height, width } = logits
  const size = width * height
  const sums = Float64Array.from({ length: size }, (_, at) =>
    Array.from({ length: classes }, (_, k) => Math.exp(data[k * size + at]!)).reduce(
      (sum, each) => sum + each,
      0
    )
  )
  return {
    ...logits,
    data: data.map((value, i) => Number((Math.exp(value) / sums[i % size]!).toFixed(digits)))
  }
}

/** `align_corners=False`, at one pixel, as PyTorch defines it. */
export const sample = (logits: Logits.Logits, k: number, x: number, y: number, size: Size): number => {
  const place = (i: number, from: number, to: number) =>
    Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5))
  const sx = place(x, logits.width, size.width)
  const sy = place(y, logits.height, size.height)
  const [x0, y0] = [Math.floor(sx), Math.floor(sy)]
  const [x1, y1] = [Math.min(logits.width - 1, x0 + 1), Math.min(logits.height - 1, y0 + 1)]
  const at = (cx: number, cy: number) => logits.data[(k * logits.height + cy) * logits.width + cx]!
  const [wx, wy] = [sx - x0, sy - y0]
  return (1 - wx) * ((1 - wy) * at(x0, y0) + wy * at(x0, y1)) + wx * ((1 - wy) * at(x1, y0) + wy * at(x1, y1))
}
