/**
 * Where to cut: the largest part of an image that has a wanted aspect ratio, placed so that objects stay inside it.
 *
 * ```ts
 * import { Crop } from "effect-segformer/companions"
 *
 * const image = { width: 300, height: 100 }
 * const dog = { x: 220, y: 40, width: 30, height: 30 }
 * Crop.place(image, { width: 1, height: 1 }, [dog]) // => { x: 185, y: 0, width: 100, height: 100 }
 * ```
 */
import type { Box } from "../../mask/Region.ts"

export interface Size {
  readonly width: number
  readonly height: number
}

/** The largest size with this aspect ratio, to half a pixel, that fits in an image. */
export const largest = (image: Size, ratio: Size): Size => {
  const wanted = ratio.width / ratio.height
  const within = (value: number, most: number) => Math.max(1, Math.min(most, Math.round(value)))
  return image.width / image.height > wanted
    ? { width: within(image.height * wanted, image.width), height: image.height }
    : { width: image.width, height: within(image.width / wanted, image.height) }
}

/** A stretch of one axis. */
interface Span {
  readonly from: number
  readonly to: number
  readonly weight: number
}

/**
 * Where a window of `size` starts on an axis of `length`, so that the spans wholly inside weigh as much as can be; of
 * several such places the one whose centre is nearest to that of all spans, or of the axis where there are none.
 */
const start = (length: number, size: number, spans: ReadonlyArray<Span>): number => {
  const last = length - size
  if (last <= 0) return 0
  const clamp = (value: number) => Math.max(0, Math.min(last, value))
  let from = length
  let to = 0
  for (const span of spans) {
    from = Math.min(from, span.from)
    to = Math.max(to, span.to)
  }
  const centred = clamp(Math.round((spans.length === 0 ? length : from + to) / 2 - size / 2))
  if (to - from <= size) return centred
  // A span is inside for all starts from one to another: the sum changes only there.
  const changes = spans
    .map((span) => ({
      from: clamp(Math.ceil(span.to) - size),
      to: Math.floor(span.from),
      weight: span.weight
    }))
    .filter(({ from, to }) => from <= to)
    .flatMap(({ from, to, weight }) => [
      { at: from, weight },
      { at: Math.min(last, to) + 1, weight: -weight }
    ])
    .sort((a, b) => a.at - b.at)
  let best = centred
  let most = 0
  let inside = 0
  for (const [index, { at, weight }] of changes.entries()) {
    inside += weight
    const until = changes[index + 1]?.at ?? last + 1
    if (until === at) continue
    const nearest = Math.max(at, Math.min(until - 1, centred))
    const nearer = Math.abs(nearest - centred) < Math.abs(best - centred)
    if (inside > most || (inside === most && most > 0 && nearer)) {
      best = nearest
      most = inside
    }
  }
  return best
}

/**
 * The largest part of an image with this aspect ratio, in whole pixels. Objects that fit are all inside, in its middle
 * as far as the image allows; where they do not fit together, those inside have as much area as can be.
 */
export const place = (image: Size, ratio: Size, objects: ReadonlyArray<Box> = []): Box => {
  const { height, width } = largest(image, ratio)
  const span = (from: number, size: number, length: number, weight: number): Span => ({
    from: Math.max(0, Math.floor(from)),
    to: Math.min(length, Math.ceil(from + size)),
    weight
  })
  // What lies outside the image cannot be kept.
  const seen = objects
    .map(({ height, width, x, y }) => ({
      x: span(x, width, image.width, width * height),
      y: span(y, height, image.height, width * height)
    }))
    .filter(({ x, y }) => x.from < x.to && y.from < y.to)
  return {
    x: start(
      image.width,
      width,
      seen.map(({ x }) => x)
    ),
    y: start(
      image.height,
      height,
      seen.map(({ y }) => y)
    ),
    width,
    height
  }
}
