/**
 * What a label map must be, written as plainly as the definitions: Pillow's bilinear resize, the normalisation, one
 * run of the model in this process, every class interpolated at every pixel. Slow, and without any code of the library.
 */
import * as ort from "onnxruntime-node"

export interface Rgb {
  readonly width: number
  readonly height: number
  /** `[height, width, 3]`. */
  readonly data: Uint8Array
}

/** Along one axis: `get(from, to)` is the byte at a source position in a line, `put` takes the result. */
const resizeLine = (
  size: number,
  target: number,
  get: (at: number) => number,
  put: (at: number, value: number) => void
) => {
  const scale = size / target
  const reach = Math.max(1, scale)
  for (let i = 0; i < target; i++) {
    const centre = (i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const last = Math.min(size, Math.trunc(centre + reach + 0.5))
    const weights: Array<number> = []
    for (let at = first; at < last; at++) weights.push(Math.max(0, 1 - Math.abs((at - centre + 0.5) / reach)))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    let value = 2 ** 21
    weights.forEach((weight, k) => {
      value += get(first + k) * Math.floor((weight / total) * 2 ** 22 + 0.5)
    })
    put(i, Math.min(255, Math.max(0, Math.floor(value / 2 ** 22))))
  }
}

export const resize = (picture: Rgb, width: number, height: number): Rgb => {
  let from = picture
  if (from.width !== width) {
    const source = from
    const to = { width, height: source.height, data: new Uint8Array(width * source.height * 3) }
    for (let y = 0; y < source.height; y++)
      for (let c = 0; c < 3; c++)
        resizeLine(
          source.width,
          width,
          (x) => source.data[(y * source.width + x) * 3 + c]!,
          (x, value) => (to.data[(y * width + x) * 3 + c] = value)
        )
    from = to
  }
  if (from.height !== height) {
    const source = from
    const to = { width, height, data: new Uint8Array(width * height * 3) }
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        resizeLine(
          source.height,
          height,
          (y) => source.data[(y * width + x) * 3 + c]!,
          (y, value) => (to.data[(y * width + x) * 3 + c] = value)
        )
    from = to
  }
  return from
}

const mean = [0.485, 0.456, 0.406]
const std = [0.229, 0.224, 0.225]

export interface Logits {
  readonly data: Float32Array
  readonly dims: ReadonlyArray<number>
}

/** The model's answer to a picture of any size, seen at `side` x `side`. */
export const logits = async (session: ort.InferenceSession, picture: Rgb, side = 512): Promise<Logits> => {
  const { data } = resize(picture, side, side)
  const input = new Float32Array(3 * side * side)
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < side * side; i++) {
      const value = Math.fround(data[i * 3 + c]! * (1 / 255))
      input[c * side * side + i] = Math.fround(value - Math.fround(mean[c]!)) / Math.fround(std[c]!)
    }
  const results = await session.run({ pixel_values: new ort.Tensor("float32", input, [1, 3, side, side]) })
  const output = results["logits"]
  if (output === undefined || !(output.data instanceof Float32Array))
    throw new Error("the model gave no logits")
  return { data: output.data, dims: output.dims }
}

/** Bilinear with `align_corners=False`, then the largest class, a tie to the lower id. */
export const labels = ({ data, dims }: Logits, width: number, height: number): Uint8Array => {
  const [, classes = 0, rows = 0, columns = 0] = dims
  const out = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    const sy = Math.min(rows - 1, Math.max(0, (y + 0.5) * (rows / height) - 0.5))
    const y0 = Math.floor(sy)
    const y1 = Math.min(rows - 1, y0 + 1)
    const wy = sy - y0
    for (let x = 0; x < width; x++) {
      const sx = Math.min(columns - 1, Math.max(0, (x + 0.5) * (columns / width) - 0.5))
      const x0 = Math.floor(sx)
      const x1 = Math.min(columns - 1, x0 + 1)
      const wx = sx - x0
      let best = -Infinity
      for (let k = 0; k < classes; k++) {
        const plane = k * rows * columns
        const left = (1 - wy) * data[plane + y0 * columns + x0]! + wy * data[plane + y1 * columns + x0]!
        const right = (1 - wy) * data[plane + y0 * columns + x1]! + wy * data[plane + y1 * columns + x1]!
        const value = (1 - wx) * left + wx * right
        if (value > best) {
          best = value
          out[y * width + x] = k
        }
      }
    }
  }
  return out
}
