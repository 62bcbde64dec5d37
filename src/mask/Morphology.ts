/**
 * Growing, shrinking and cleaning masks.
 *
 * What lies outside the image is unknown: it neither grows into it nor eats from it, so a mask that fills the image
 * stays whole (as in OpenCV's default; SciPy's erodes at the border).
 *
 * ```ts
 * import { BinaryMask, Morphology } from "effect-segformer/mask"
 *
 * const mask = BinaryMask.fromRows(["...", ".#.", "..."])
 * BinaryMask.toRows(Morphology.dilate(mask, { radius: 1, shape: "diamond" })) // => [".#.", "###", ".#."]
 * BinaryMask.area(Morphology.open(mask, { radius: 1 })) // => 0
 * ```
 */
import { dual } from "effect/Function"
import { type BinaryMask, not } from "./BinaryMask.ts"
import * as Components from "./Components.ts"
import type { LabelMap } from "./LabelMap.ts"
import * as ErrorKind from "../ErrorKind.ts"
import { leastArea } from "./Region.ts"

/** The pixels around a centre that count as near it. */
export interface Element {
  /** In pixels: the element is `2 radius + 1` across. */
  readonly radius: number
  /**
   * `square`: at most `radius` away along each axis. `diamond`: along both together. `disc`: as the crow flies.
   * "square" by default.
   */
  readonly shape?: "square" | "diamond" | "disc" | undefined
}

/** Every pixel near one of the mask. */
export const dilate: {
  (element: Element): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, element: Element): BinaryMask
} = dual(2, (mask: BinaryMask, element: Element): BinaryMask => {
  const { data, height, width } = mask
  const radius = Math.max(0, Math.floor(element.radius))
  const reach = reaches({ ...element, radius })
  // The distance to the nearest pixel of the mask in the same column, up or down.
  const far = radius + 1
  const near = new Uint32Array(data.length)
  for (let i = 0; i < data.length; i++) {
    near[i] = data[i] === 1 ? 0 : i < width ? far : Math.min(far, near[i - width]! + 1)
  }
  for (let i = data.length - width - 1; i >= 0; i--) near[i] = Math.min(near[i]!, near[i + width]! + 1)

  const out = new Uint8Array(data.length)
  const steps = new Int32Array(width + 1)
  for (let y = 0; y < height; y++) {
    const row = y * width
    // Each column reaches so far to the left and right; intervals are added up as they begin and end.
    steps.fill(0)
    for (let x = 0; x < width; x++) {
      const distance = near[row + x]!
      if (distance === far) continue
      const half = reach[distance]!
      steps[Math.max(0, x - half)]!++
      steps[Math.min(width, x + half + 1)]!--
    }
    let open = 0
    for (let x = 0; x < width; x++) {
      open += steps[x]!
      out[row + x] = open > 0 ? 1 : 0
    }
  }
  return { width, height, data: out }
})

/** How far an element reaches along a row, by its distance from the centre's row. */
const reaches = ({ radius, shape }: Element): Uint32Array => {
  ErrorKind.oneOf("Morphology", "shape", shape, ["square", "diamond", "disc"])
  return Uint32Array.from({ length: radius + 1 }, (_, distance) =>
    shape === "diamond"
      ? radius - distance
      : shape === "disc"
        ? Math.floor(Math.sqrt(radius * radius - distance * distance))
        : radius
  )
}

/** The pixels of the mask that have no pixel outside it near. */
export const erode: {
  (element: Element): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, element: Element): BinaryMask
} = dual(2, (mask: BinaryMask, element: Element): BinaryMask => not(dilate(not(mask), element)))

/** Eroded, then dilated: what is thinner than the element goes. */
export const open: {
  (element: Element): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, element: Element): BinaryMask
} = dual(2, (mask: BinaryMask, element: Element): BinaryMask => dilate(erode(mask, element), element))

/** Dilated, then eroded: gaps thinner than the element close. */
export const close: {
  (element: Element): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, element: Element): BinaryMask
} = dual(2, (mask: BinaryMask, element: Element): BinaryMask => erode(dilate(mask, element), element))

export interface FillOptions {
  /** Holes of more pixels stay. All are filled by default. */
  readonly maxArea?: number | undefined
  /** How pixels outside the mask are connected: 4 by default, so that a diagonal line of the mask holds. */
  readonly connectivity?: Components.Connectivity | undefined
}

/** Fills what the mask surrounds: parts outside it that do not touch the border of the image. */
export const fillHoles = (mask: BinaryMask, options: FillOptions = {}): BinaryMask => {
  const parts = Components.make(mask, { connectivity: options.connectivity ?? 4, exclude: [1] })
  const areas = Components.areas(parts)
  const stays = touchesBorder(parts)
  for (let c = 0; c < parts.count; c++) if (areas[c]! > (options.maxArea ?? Infinity)) stays[c] = 1
  return painted(mask, parts, (c) => (stays[c] === 0 ? 1 : undefined))
}

export interface RemoveOptions {
  /** Parts of fewer pixels go. */
  readonly minArea: number
  /** 8 by default. */
  readonly connectivity?: Components.Connectivity | undefined
}

/** The mask without its small parts. */
export const removeSmall: {
  (options: RemoveOptions): (self: BinaryMask) => BinaryMask
  (self: BinaryMask, options: RemoveOptions): BinaryMask
} = dual(2, (mask: BinaryMask, options: RemoveOptions): BinaryMask => {
  const minArea = leastArea(options.minArea)
  const parts = Components.make(mask, { connectivity: options.connectivity, exclude: [0] })
  const areas = Components.areas(parts)
  return painted(mask, parts, (c) => (areas[c]! < minArea ? 0 : undefined))
})

/** Which regions go, and what takes their place. */
export interface RemoveRegionsOptions extends RemoveOptions {
  readonly into?: number | undefined
  readonly exclude?: Iterable<number> | undefined
}

/**
 * The label map without its small regions. Each takes the class that it shares the longest border with (of equals the
 * lower id), judged by the map as it was; or the id `into` where that is given. A region that borders on nothing
 * but ignored pixels stays.
 */
export const removeSmallRegions: {
  (options: RemoveRegionsOptions): (self: LabelMap) => LabelMap
  (self: LabelMap, options: RemoveRegionsOptions): LabelMap
} = dual(2, (map: LabelMap, options: RemoveRegionsOptions): LabelMap => {
  const minArea = leastArea(options.minArea)
  const parts = Components.make(map, { connectivity: options.connectivity, exclude: options.exclude })
  const areas = Components.areas(parts)
  const isSmall = (c: number): boolean => areas[c]! < minArea
  const { into } = options
  if (into !== undefined) return painted(map, parts, (c) => (isSmall(c) ? into : undefined))
  const winners = longestNeighbours(map, parts, isSmall)
  return painted(map, parts, (c) => winners.get(c))
})

/** For each of some components, the class with which it shares the most pixel edges. */
const longestNeighbours = (
  map: LabelMap,
  parts: Components.Components,
  wanted: (component: number) => boolean
): Map<number, number> => {
  const { data, height, width } = map
  const shared = new Map<number, Map<number, number>>()
  eachRun(parts, (c, y, first, past) => {
    if (!wanted(c)) return
    let edges = shared.get(c)
    if (edges === undefined) shared.set(c, (edges = new Map()))
    const start = y * width + first
    const end = y * width + past
    const own = data[start]!
    const count = (at: number): void => {
      const id = data[at]!
      if (id !== own && id !== map.ignoreIndex) edges.set(id, (edges.get(id) ?? 0) + 1)
    }
    if (first > 0) count(start - 1)
    if (past < width) count(end)
    if (y > 0) for (let at = start; at < end; at++) count(at - width)
    if (y < height - 1) for (let at = start; at < end; at++) count(at + width)
  })
  const winners = new Map<number, number>()
  for (const [c, edges] of shared) {
    let best = -1
    for (const [id, length] of edges) {
      const most = best < 0 ? 0 : edges.get(best)!
      if (length > most || (length === most && id < best)) best = id
    }
    if (best >= 0) winners.set(c, best)
  }
  return winners
}

const touchesBorder = (parts: Components.Components): Uint8Array => {
  const touches = new Uint8Array(parts.count)
  eachRun(parts, (c, y, start, end) => {
    if (y === 0 || y === parts.height - 1 || start === 0 || end === parts.width) touches[c] = 1
  })
  return touches
}

/** The same with components that get an id. */
const painted = <Self extends LabelMap | BinaryMask>(
  self: Self,
  parts: Components.Components,
  idOf: (component: number) => number | undefined
): Self => {
  const data = self.data.slice()
  eachRun(parts, (c, y, start, end) => {
    const id = idOf(c)
    if (id !== undefined) data.fill(id, y * parts.width + start, y * parts.width + end)
  })
  return { ...self, data }
}

/** Goes through the runs of components row by row: the component, its row, its first column and the one past its last. */
const eachRun = (
  { component, ends, height, rows, starts }: Components.Components,
  visit: (component: number, row: number, start: number, end: number) => void
): void => {
  for (let y = 0; y < height; y++) {
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      if (component[i]! >= 0) visit(component[i]!, y, starts[i]!, ends[i]!)
    }
  }
}
