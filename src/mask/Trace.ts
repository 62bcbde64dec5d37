/**
 * The rings of areas, walked along the edges of pixels with the area on the right hand. Vertices are gathered in one
 * typed array for all rings, and copied once their number is known.
 */
import type * as Components from "./Components.ts"
import type { LabelMap } from "./LabelMap.ts"
import { type FixedRing, type Point, signedArea } from "./Simplify.ts"
import * as Steps from "./Steps.ts"

/** The rings of a 4-connected part. */
export interface Rings {
  readonly part: number
  readonly outer: FixedRing
  readonly holes: ReadonlyArray<FixedRing>
}

/**
 * Which vertices are junctions, where lines that are simplified on their own meet: of all areas, of the region itself, or
 * none, for those who do not ask.
 */
export type Junctions = "areas" | "region" | "none"

/** The rings of each part, in the order of the parts. */
export function* steps(
  map: LabelMap,
  parts: Components.Components,
  junctions: Junctions
): Steps.Steps<ReadonlyArray<Rings>> {
  const { height, width } = map
  const outers: Array<FixedRing | undefined> = Array.from({ length: parts.count }, () => undefined)
  const holes: Array<Array<FixedRing> | undefined> = Array.from({ length: parts.count }, () => undefined)
  const { follow, isVisited } = makeWalker(map, junctions)
  const { component, ends, rows, starts } = parts
  /** Runs and vertices since the last pause: of noise, a row has thousands. */
  let work = 0
  const begin = (part: number, start: number): void => {
    if (isVisited(start)) return
    for (const ring of follow(start)) {
      work += ring.points.length
      if (ring.area > 0) outers[part] = ring
      else if (holes[part] === undefined) holes[part] = [ring]
      else holes[part].push(ring)
    }
  }
  for (let y = 0; y < height; y++) {
    let above = y === 0 ? 0 : rows[y - 1]!
    const row = y * width
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      // A ring is followed to its end from where it begins, so that some runs take longer than others.
      if (work++ > Steps.itemsPerStep) {
        work = 0
        yield
      }
      const part = component[i]!
      if (part < 0) continue
      const start = starts[i]!
      const end = ends[i]!
      // Every ring has an upper edge, with another area or nothing above it.
      if (y === 0) begin(part, start)
      else {
        while (ends[above]! <= start) above++
        for (let k = above; k < rows[y]! && starts[k]! < end; k++) {
          if (component[k] !== part) begin(part, row + (start > starts[k]! ? start : starts[k]!))
        }
      }
    }
  }
  return yield* Steps.map(outers, (outer, part) => ({ part, outer: outer!, holes: holes[part] ?? none }))
}

const none: ReadonlyArray<never> = []

type AreaRing = FixedRing & { readonly area: number }

/** Walks along rings; `isVisited` says of a pixel whether its upper edge was passed. */
const makeWalker = (map: LabelMap, junctions: Junctions) => {
  const { data, height, width } = map
  // A bit for each pixel.
  const visited = new Uint8Array(Math.ceil((width * height) / 8))
  // Right, down, left, up: to the pixel ahead, and to that on its left.
  const toAhead = [1, width, -1, -width]
  const toLeft = [1 - width, 1 + width, width - 1, -1 - width]
  let xs = new Int32Array(1024)
  let ys = new Int32Array(1024)
  let fixed = new Uint8Array(1024)
  const wantsAreas = junctions === "areas"
  const wantsAny = junctions !== "none"

  /**
   * The rings that start along the upper edge of a pixel. At a corner where the area meets itself the walk stays with
   * its pixel; where it comes by that corner again, it has closed a ring of its own, which is cut off.
   */
  const follow = (start: number): ReadonlyArray<AreaRing> => {
    const id = data[start]!
    let size = 0
    let area = 0
    let touches = false
    let at = start
    // The pixel on the right hand.
    let x = start % width
    let y = (start - x) / width
    let direction = 0
    do {
      // What is outside the image is no area's.
      let isAhead: boolean
      let isLeft: boolean
      let cornerX = x
      let cornerY = y
      if (direction === 0) {
        visited[at >>> 3]! |= 1 << (at & 7)
        area -= y
        cornerX++
        isAhead = x + 1 < width
        isLeft = isAhead && y > 0
      } else if (direction === 1) {
        cornerX++
        cornerY++
        isAhead = y + 1 < height
        isLeft = isAhead && x + 1 < width
      } else if (direction === 2) {
        cornerY++
        area += cornerY
        isAhead = x > 0
        isLeft = isAhead && y + 1 < height
      } else {
        isAhead = y > 0
        isLeft = isAhead && x > 0
      }
      const goesOn = isAhead && data[at + toAhead[direction]!] === id
      const hasLeft = isLeft && data[at + toLeft[direction]!] === id
      let isFixed = false
      if (!goesOn && hasLeft) {
        touches = true
        isFixed = true
      }
      if (wantsAreas) isFixed = isJunction(cornerX, cornerY)
      if (!goesOn || hasLeft || (wantsAreas && isFixed)) {
        if (size === xs.length) {
          xs = new Int32Array(xs.buffer.transfer(size * 8))
          ys = new Int32Array(ys.buffer.transfer(size * 8))
          fixed = new Uint8Array(fixed.buffer.transfer(size * 2))
        }
        xs[size] = cornerX
        ys[size] = cornerY
        fixed[size++] = isFixed ? 1 : 0
      }
      if (!goesOn) direction = direction === 3 ? 0 : direction + 1
      else if (hasLeft) {
        at += toLeft[direction]!
        // To the pixel beyond the corner.
        x += direction < 2 ? 1 : -1
        y += direction === 0 || direction === 3 ? -1 : 1
        direction = direction === 0 ? 3 : direction - 1
      } else {
        at += toAhead[direction]!
        if (direction === 0) x++
        else if (direction === 1) y++
        else if (direction === 2) x--
        else y--
      }
    } while (at !== start || direction !== 0)
    // The corner the walk started from was reached last, and comes first. Of rings there may be millions, each as long as it needs to be.
    const points = Array.from({ length: size }, (_, i): Point => {
      const from = i === 0 ? size - 1 : i - 1
      return [xs[from]!, ys[from]!]
    })
    const marks = wantsAny
      ? Array.from({ length: size }, (_, i) => fixed[i === 0 ? size - 1 : i - 1] === 1)
      : none
    const whole = { points, junctions: marks, area }
    // Two rings that share a corner have eight.
    return touches && size > 7 ? cutLoops(whole) : [whole]
  }

  /** -1 outside the image. */
  const idAt = (x: number, y: number): number =>
    x >= 0 && y >= 0 && x < width && y < height ? data[y * width + x]! : -1

  /** Whether lines between other areas end at a corner: more than two lines meet there. */
  const isJunction = (x: number, y: number): boolean => {
    const a = idAt(x - 1, y - 1)
    const b = idAt(x, y - 1)
    const c = idAt(x, y)
    const d = idAt(x - 1, y)
    return Number(a !== b) + Number(b !== c) + Number(c !== d) + Number(d !== a) > 2
  }

  /** Simple rings from one that comes by some points twice. */
  const cutLoops = (ring: AreaRing): ReadonlyArray<AreaRing> => {
    const rings: Array<AreaRing> = []
    const stack: Array<{ readonly point: Point; readonly junction: boolean }> = []
    const places = new Map<number, number>()
    const stride = width + 1
    for (const [i, point] of ring.points.entries()) {
      const key = point[1] * stride + point[0]
      const place = places.get(key)
      if (place !== undefined) {
        const loop = stack.splice(place)
        for (const { point } of loop) places.delete(point[1] * stride + point[0])
        rings.push(unzip(loop))
      }
      places.set(key, stack.length)
      stack.push({ point, junction: ring.junctions[i] === true })
    }
    rings.push(unzip(stack))
    return rings
  }
  const isVisited = (at: number): boolean => (visited[at >>> 3]! & (1 << (at & 7))) !== 0
  return { isVisited, follow }
}

const unzip = (loop: ReadonlyArray<{ readonly point: Point; readonly junction: boolean }>): AreaRing => {
  const points = loop.map(({ point }) => point)
  return { points, junctions: loop.map(({ junction }) => junction), area: signedArea(points) }
}
