/**
 * Label maps to pixels. Pure, on typed arrays: a picture of 12 megapixels is sampled at the size it is shown at, so that
 * each change of opacity or emphasis costs a few milliseconds.
 */
import type { Box, FoundClass, Plane } from "./Result.ts"

/** What stands out: a class, or the part of it in a box. */
export interface Emphasis {
  readonly className: string
  readonly box?: Box | undefined
  /** How dark the rest becomes, 0 to 1. */
  readonly veil: number
}

/** Pixels as `ImageData` has them, one number each: alpha, blue, green, red from the highest byte down. */
export interface Colors {
  /** By class id, inside and at the edge of its areas. */
  readonly fill: Uint32Array
  readonly edge: Uint32Array
  /** Over what does not stand out. */
  readonly veil: number
}

const pixel = (hex: string | undefined, alpha: number): number => {
  if (hex === undefined) return 0
  const rgb = Number.parseInt(hex.slice(1), 16)
  const a = Math.round(Math.min(1, alpha) * 255)
  return ((a << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0
}

/** The colours of classes at an opacity of 0 to 1. */
export const colors = (
  classes: ReadonlyArray<FoundClass>,
  opacity: number,
  emphasis: Emphasis | undefined
): Colors => {
  const size = classes.reduce((most, { id }) => Math.max(most, id + 1), 1)
  const veil = emphasis === undefined ? 0 : pixel("#000000", emphasis.veil)
  const fill = new Uint32Array(size)
  const edge = new Uint32Array(size)
  for (const { color, id, name } of classes) {
    const other = emphasis !== undefined && emphasis.className !== name
    fill[id] = other ? veil : pixel(color, opacity)
    // Edges stay visible through a faint overlay, and go with it.
    edge[id] = other ? veil : pixel(color, opacity * 1.7)
  }
  return { fill, edge, veil }
}

export interface Target {
  /** `width x rows`, row-major. */
  readonly pixels: Uint32Array
  readonly width: number
  /** Height of the whole picture, of which rows from `top` on are painted. */
  readonly height: number
  readonly top: number
}

/** Paints a label map over transparent pixels, at any size; what a box leaves out is veiled. */
export const paint = (target: Target, labels: Plane, { edge, fill, veil }: Colors, box?: Box): void => {
  const { height, pixels, top, width } = target
  const { data } = labels
  const rows = pixels.length / width
  const column = (x: number) => Math.min(labels.width - 1, Math.floor(((x + 0.5) * labels.width) / width))
  const row = (y: number) => Math.min(labels.height - 1, Math.floor(((y + 0.5) * labels.height) / height))
  const columns = Int32Array.from({ length: width + 1 }, (_, x) => column(x))
  const [left, right, above, below] =
    box === undefined
      ? [0, labels.width, 0, labels.height]
      : [box.x, box.x + box.width, box.y, box.y + box.height]
  let at = 0
  for (let y = 0; y < rows; y++) {
    const here = row(top + y)
    const offset = here * labels.width
    const next = row(top + y + 1) * labels.width
    const inside = here >= above && here < below
    for (let x = 0; x < width; x++, at++) {
      const source = columns[x] ?? 0
      if (!inside || source < left || source >= right) {
        pixels[at] = veil
        continue
      }
      const id = data[offset + source] ?? 0
      const beside = data[offset + (columns[x + 1] ?? 0)] ?? 0
      const under = data[next + source] ?? 0
      const neighbour = beside === id ? under : beside
      const color = fill[id] ?? 0
      pixels[at] =
        neighbour === id
          ? color
          : color === 0 || color === veil
            ? (edge[neighbour] ?? 0) || color
            : (edge[id] ?? 0)
    }
  }
}

/** The share of pixels on which two maps of the same size agree, classes being the same where their names are. */
export const agreement = (
  a: { readonly labels: Plane; readonly classes: ReadonlyArray<FoundClass> },
  b: { readonly labels: Plane; readonly classes: ReadonlyArray<FoundClass> }
): number | undefined => {
  if (a.labels.data.length !== b.labels.data.length) return undefined
  const size = a.classes.reduce((most, { id }) => Math.max(most, id + 1), 1)
  const twin = new Int32Array(size).fill(-1)
  for (const { id, name } of a.classes) twin[id] = b.classes.find((one) => one.name === name)?.id ?? -1
  const [left, right] = [a.labels.data, b.labels.data]
  let same = 0
  for (let at = 0; at < left.length; at++) if (twin[left[at] ?? 0] === right[at]) same++
  return same / left.length
}
