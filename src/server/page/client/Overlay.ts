/**
 * Label maps to pixels. Pure, on typed arrays: what is on the screen is sampled at the size it is shown at, so that each
 * change of view, opacity or emphasis costs a few milliseconds, whatever the picture's size.
 */
import type { RegionMask } from "./RegionMask.ts"
import type { FoundClass, Plane } from "./Result.ts"

/** What stands out: a class, or one region of it. */
export interface Emphasis {
  readonly className: string
  /** The region's own pixels, where it is one region. */
  readonly region?: RegionMask | undefined
  /** How dark the rest becomes, 0 to 1. */
  readonly veil: number
}

/** How a class is shown. */
export interface Look {
  readonly color: string | undefined
  /** 0, hidden, to 1, as strong as the overlay. */
  readonly opacity: number
}

/** Pixels as `ImageData` has them, one number each: alpha, blue, green, red from the highest byte down. */
export interface Colors {
  /** By class id, inside and at the edge of its areas. */
  readonly fill: Uint32Array
  readonly edge: Uint32Array
  /** Over what does not stand out. */
  readonly veil: number
}

export const pixel = (hex: string | undefined, alpha: number): number => {
  const a = Math.round(Math.min(1, alpha) * 255)
  if (hex === undefined || a === 0) return 0
  const rgb = Number.parseInt(hex.slice(1), 16)
  return ((a << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0
}

/** Colours at an opacity of 0 to 1. */
export const colors = (
  classes: ReadonlyArray<FoundClass>,
  look: (one: FoundClass) => Look,
  opacity: number,
  emphasis: Emphasis | undefined
): Colors => {
  const size = classes.reduce((most, { id }) => Math.max(most, id + 1), 1)
  const veil = emphasis === undefined ? 0 : pixel("#000000", emphasis.veil)
  const fill = new Uint32Array(size)
  const edge = new Uint32Array(size)
  for (const one of classes) {
    const { color, opacity: own } = look(one)
    const other = emphasis !== undefined && emphasis.className !== one.name
    fill[one.id] = other ? veil : pixel(color, opacity * own)
    // Edges stay visible through a faint overlay, and go with it.
    edge[one.id] = other ? veil : pixel(color, opacity * own * 1.7)
  }
  return { fill, edge, veil }
}

/** Where pixels are painted: each stands for `step` of the map, the first one's corner at `left` and `top` of it. */
export interface Target {
  /** `width x rows`, row-major. */
  readonly pixels: Uint32Array
  readonly width: number
  readonly left: number
  readonly top: number
  readonly stepX: number
  readonly stepY: number
}

/** Pixels of less confidence than `least`, a byte, are hatched. */
export interface Unsure {
  readonly confidence: Plane
  readonly least: number
}

const hatch = [pixel("#ffffff", 0.55), pixel("#303030", 0.55)] as const

/** Paints a label map over transparent pixels. */
export const paint = (
  target: Target,
  labels: Plane,
  { edge, fill, veil }: Colors,
  region?: RegionMask,
  unsure?: Unsure
): void => {
  const { left, pixels, stepX, stepY, top, width } = target
  const { data } = labels
  const rows = pixels.length / width
  const column = (x: number) => Math.max(0, Math.min(labels.width - 1, Math.floor(left + (x + 0.5) * stepX)))
  const row = (y: number) => Math.max(0, Math.min(labels.height - 1, Math.floor(top + (y + 0.5) * stepY)))
  const columns = Int32Array.from({ length: width + 1 }, (_, x) => column(x))
  const sure = unsure?.confidence
  let at = 0
  for (let y = 0; y < rows; y++) {
    const here = row(y)
    const offset = here * labels.width
    const next = row(y + 1) * labels.width
    const inside = region === undefined || (here >= region.y && here < region.y + region.height)
    const own = region === undefined ? 0 : (here - region.y) * region.stride
    const sureOffset = sure === undefined ? 0 : Math.floor((here * sure.height) / labels.height) * sure.width
    for (let x = 0; x < width; x++, at++) {
      const source = columns[x]!
      if (region !== undefined) {
        const bit = source - region.x
        if (
          !inside ||
          bit < 0 ||
          bit >= region.width ||
          (region.bits[own + (bit >> 3)]! & (1 << (bit & 7))) === 0
        ) {
          pixels[at] = veil
          continue
        }
      }
      const id = data[offset + source]!
      const color = fill[id] ?? 0
      if (
        sure !== undefined &&
        unsure !== undefined &&
        color !== veil &&
        sure.data[sureOffset + Math.floor((source * sure.width) / labels.width)]! < unsure.least
      ) {
        pixels[at] = hatch[((x + y) >> 2) & 1]!
        continue
      }
      const beside = data[offset + columns[x + 1]!]!
      const neighbour = beside === id ? data[next + source]! : beside
      pixels[at] =
        neighbour === id
          ? color
          : color === 0 || color === veil
            ? (edge[neighbour] ?? 0) || color
            : (edge[id] ?? 0)
    }
  }
}
