/**
 * How large a model sees a picture, by each of the rules that published preprocessors have: those of the image processors
 * of `transformers`, with their roundings, and that of the test pipeline that SegFormer was published with.
 *
 * No Effect here: the ONNX transport runs it in its session's process.
 */

/** In pixels. */
export interface PixelSize {
  readonly width: number
  readonly height: number
}

/** One rule. */
export type InputSize =
  /** Exactly so, whatever the picture's aspect ratio. */
  | PixelSize
  /** The shorter side as long as this, or what keeps the longer one below `longestEdge`. `multipleOf` rounds both up. */
  | {
      readonly shortestEdge: number
      readonly longestEdge?: number | undefined
      readonly multipleOf?: number | undefined
    }
  /** The longer side as long as this. */
  | { readonly longestEdge: number }
  /** As large as fits into a rectangle of these sides, upright or lying: 2048 and 512 is the paper's test pipeline. */
  | { readonly fitLong: number; readonly fitShort: number }
  /** By the one of the two factors that changes less, each side rounded to a multiple (`DPTImageProcessor`). */
  | { readonly closeTo: PixelSize; readonly multipleOf: number }
  /** What the model is bound to, or this where it is bound to none: nobody has said. */
  | { readonly ofModel: PixelSize }
  /** As it is, each side rounded down to a multiple (`GLPNImageProcessor`). */
  | { readonly multipleOf: number }

/** More would be gigabytes of tensors: a strip of 1 x 100,000 pixels at a shortest edge of 512 is 26 gigapixels. */
const mostPixels = 64_000_000

/** The size at which the model sees a picture of `width` x `height`. Throws where that is beyond 64 megapixels. */
export const of = (rule: InputSize | undefined, width: number, height: number): PixelSize => {
  const size = sized(rule, width, height)
  const found = { width: Math.max(1, size.width), height: Math.max(1, size.height) }
  if (found.width * found.height > mostPixels) {
    throw new RangeError(
      `the model's preprocessor makes ${found.width} x ${found.height} pixels of ${width} x ${height}, and 64 megapixels are the most`
    )
  }
  return found
}

const sized = (rule: InputSize | undefined, width: number, height: number): PixelSize => {
  if (rule === undefined) return { width, height }
  if ("width" in rule) return { width: rule.width, height: rule.height }
  if ("ofModel" in rule) return rule.ofModel
  if ("fitLong" in rule) {
    const long = Math.max(rule.fitLong, rule.fitShort) / Math.max(width, height)
    const factor = Math.min(long, Math.min(rule.fitLong, rule.fitShort) / Math.min(width, height))
    return { width: Math.trunc(width * factor + 0.5), height: Math.trunc(height * factor + 0.5) }
  }
  if ("closeTo" in rule) {
    const across = rule.closeTo.width / width
    const down = rule.closeTo.height / height
    const factor = Math.abs(1 - across) < Math.abs(1 - down) ? across : down
    const rounded = (side: number) => halfToEven((factor * side) / rule.multipleOf) * rule.multipleOf
    return { width: rounded(width), height: rounded(height) }
  }
  if ("shortestEdge" in rule) {
    const { height: h, width: w } = byShortestEdge(rule.shortestEdge, rule.longestEdge, width, height)
    const up = (side: number) => Math.ceil(side / (rule.multipleOf ?? 1)) * (rule.multipleOf ?? 1)
    return { width: up(w), height: up(h) }
  }
  if ("longestEdge" in rule) {
    const factor = rule.longestEdge / Math.max(width, height)
    return { width: Math.trunc(width * factor + 0.5), height: Math.trunc(height * factor + 0.5) }
  }
  const down = (side: number) => Math.max(1, Math.floor(side / rule.multipleOf)) * rule.multipleOf
  return { width: down(width), height: down(height) }
}

const byShortestEdge = (
  shortest: number,
  longest: number | undefined,
  width: number,
  height: number
): PixelSize => {
  const short = Math.min(width, height)
  const long = Math.max(width, height)
  // Python multiplies before it divides, or after, and cuts what is behind the point: the last pixel depends on it.
  if (longest === undefined || (long / short) * shortest <= longest) {
    const other = Math.trunc((shortest * long) / short)
    return width <= height ? { width: shortest, height: other } : { width: other, height: shortest }
  }
  const raw = (longest * short) / long
  const smaller = halfToEven(raw)
  if (smaller === short) return { width, height }
  const other = Math.trunc((raw * long) / short)
  return width < height ? { width: smaller, height: other } : { width: other, height: smaller }
}

/** As Python's `round`. */
const halfToEven = (value: number): number => {
  const whole = Math.floor(value)
  const part = value - whole
  return part > 0.5 || (part === 0.5 && whole % 2 === 1) ? whole + 1 : whole
}

/** Whether every picture gets the same size, and which. */
export const fixed = (rule: InputSize | undefined): PixelSize | undefined =>
  rule === undefined ? undefined : "width" in rule ? rule : "ofModel" in rule ? rule.ofModel : undefined
