/**
 * One region's own pixels, and what is measured of them. The server tells a region by its class, its box and its area; here
 * it is found again in the map, so that what else lies in its box is not taken for it.
 */
import type { Box, Plane, Region } from "./Result.ts"
import * as Runs from "./Runs.ts"

/** A bit for each pixel of a box of the map, rows of whole bytes. */
export interface RegionMask extends Box {
  readonly bits: Uint8Array
  /** Bytes of a row. */
  readonly stride: number
}

/** What is measured of a region, in pixels of the map. */
export interface Measures {
  readonly area: number
  readonly center: { readonly x: number; readonly y: number }
  /** The axes of the ellipse with the region's second moments, whole lengths. */
  readonly long: number
  readonly short: number
  /** Of the long axis from the horizontal, in degrees, -90 to 90. */
  readonly angle: number
}

/**
 * The pixels of a region with corners counting as neighbours, as the server counts them. `undefined` where the map has no
 * such region. It gives way to the page now and then.
 */
export const find = async (
  labels: Plane,
  classId: number,
  region: Region,
  picture: { readonly width: number; readonly height: number },
  ended: AbortSignal
): Promise<RegionMask | undefined> => {
  const box = boxIn(labels, region.box, picture)
  const { data, width } = labels
  const runs = await Runs.find(
    box.width,
    box.height,
    (x, y) => data[(box.y + y) * width + box.x + x] === classId,
    ended
  )
  if (runs === undefined) return undefined
  const scale = (width / picture.width) * (labels.height / picture.height)
  const wanted = chosen(Runs.extents(runs), box, region.area * scale)
  if (wanted === undefined) return undefined
  const { ends, root, rows, starts } = runs
  const stride = (box.width + 7) >> 3
  const bits = new Uint8Array(stride * box.height)
  for (let y = 0; y < box.height; y++) {
    for (let run = rows[y]!; run < rows[y + 1]!; run++) {
      if (root(run) !== wanted) continue
      for (let x = starts[run]!; x < ends[run]!; x++) bits[y * stride + (x >> 3)]! |= 1 << (x & 7)
    }
  }
  return { ...box, bits, stride }
}

/** The region that fills the box from edge to edge; of several, the one whose area is nearest. */
const chosen = (extents: ReadonlyArray<Runs.Extent>, box: Box, area: number): number | undefined => {
  let best: number | undefined
  let least = Number.POSITIVE_INFINITY
  for (const { area: own, height, root, width } of extents) {
    // One that does not fill its box is taken only where none does: in maps of another size than the picture's.
    const off = Math.abs(own - area) + (width === box.width && height === box.height ? 0 : 1e12)
    if (off < least) [best, least] = [root, off]
  }
  return best
}

const boxIn = (
  labels: Plane,
  box: Box,
  picture: { readonly width: number; readonly height: number }
): Box => {
  const [sx, sy] = [labels.width / picture.width, labels.height / picture.height]
  const x = Math.max(0, Math.min(labels.width - 1, Math.floor(box.x * sx)))
  const y = Math.max(0, Math.min(labels.height - 1, Math.floor(box.y * sy)))
  return {
    x,
    y,
    width: Math.max(1, Math.min(labels.width, Math.ceil((box.x + box.width) * sx)) - x),
    height: Math.max(1, Math.min(labels.height, Math.ceil((box.y + box.height) * sy)) - y)
  }
}

/** What is measured of a region. */
export const measure = ({ bits, height, stride, width, x: left, y: top }: RegionMask): Measures => {
  let [area, sx, sy, sxx, syy, sxy] = [0, 0, 0, 0, 0, 0]
  for (let y = 0; y < height; y++) {
    let [count, sum, squares] = [0, 0, 0]
    for (let x = 0; x < width; x++) {
      if ((bits[y * stride + (x >> 3)]! & (1 << (x & 7))) === 0) continue
      count++
      sum += x
      squares += x * x
    }
    area += count
    sx += sum
    sy += y * count
    sxx += squares
    syy += y * y * count
    sxy += y * sum
  }
  const [mx, my] = [sx / area, sy / area]
  // A pixel is a square: it has a spread of its own.
  const a = sxx / area - mx * mx + 1 / 12
  const c = syy / area - my * my + 1 / 12
  const b = sxy / area - mx * my
  const spread = Math.sqrt(((a - c) / 2) ** 2 + b * b)
  const middle = (a + c) / 2
  return {
    area,
    center: { x: left + mx + 0.5, y: top + my + 0.5 },
    long: 4 * Math.sqrt(middle + spread),
    short: 4 * Math.sqrt(Math.max(0, middle - spread)),
    angle: (-Math.atan2(2 * b, a - c) * 90) / Math.PI
  }
}
