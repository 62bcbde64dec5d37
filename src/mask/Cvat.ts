/**
 * CVAT's shapes: a label map as masks (`CvatMask`), polygons or rectangles in pixels of the image. Polygons and rectangles lie on
 * the edges of pixels: one pixel at column 3 is a rectangle from 3 to 4. A polygon there has one ring: holes are joined to it
 * by a line there and back, which fills to the same pixels.
 *
 * ```ts
 * import { Cvat } from "effect-segformer/annotation"
 * import { LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.of(0, 2, 2, 0) })
 * const [box] = Cvat.shapes(map, { typeOf: (id) => (id === 0 ? undefined : "rectangle") })
 * box?.points // => [1, 0, 3, 1]
 * const [mask] = Cvat.shapes(map, { typeOf: (id) => (id === 0 ? undefined : "mask") })
 * mask?.type === "mask" && mask.mask // => { box: { x: 1, y: 0, width: 2, height: 1 }, counts: Uint32Array.of(0, 2) }
 * ```
 */
import * as Areas from "./Areas.ts"
import * as CvatMask from "./CvatMask.ts"
import type { LabelMap } from "./LabelMap.ts"
import * as Steps from "./Steps.ts"

/** The shapes that a label of CVAT may have, of those that a segmenter can give. */
export type ShapeType = "mask" | "polygon" | "rectangle"

export interface Options extends Areas.Options {
  /** The shape of a class; a class without is left out. */
  readonly typeOf: (classId: number) => ShapeType | undefined
  /** Whether masks have their outline in `points`, which CVAT takes where a user wants polygons of them. Off by default. */
  readonly contours?: boolean | undefined
}

/** What all shapes have. */
interface Placed {
  readonly classId: number
  /** Pixels of the area. */
  readonly area: number
  /** Mean confidence of its pixels, 0 to 1, where that is known. */
  readonly score?: number | undefined
  /**
   * `[x0, y0, x1, y1, …]` in pixels: the ring of a polygon, left, top, right and bottom of a rectangle, the outline of a mask, or nothing
   * where that was not asked for.
   */
  readonly points: ReadonlyArray<number>
}

/** One shape. */
export type Shape = Placed &
  (
    | { readonly type: "mask"; readonly mask: CvatMask.CvatMask }
    | { readonly type: "polygon" }
    | { readonly type: "rectangle" }
  )

/** The shapes of a label map. `per: "class"` is for masks; polygons and rectangles are of a region each. */
export const shapes: (map: LabelMap, options: Options) => ReadonlyArray<Shape> = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap, options: Options): Steps.Steps<ReadonlyArray<Shape>> {
  const { contours = false, typeOf } = options
  const areas = yield* Areas.steps(map, options, (classId) => {
    const type = typeOf(classId)
    return type && { outline: type === "polygon" || (type === "mask" && contours), joined: type === "mask" }
  })
  const found: Array<Shape> = []
  for (const own of areas) {
    const { area, box, classId, score, spans } = own
    const type = typeOf(classId)
    const points = own.outlines.length === 0 ? [] : (yield* Areas.ring(own)).flat()
    const placed = { classId, area, ...(score === undefined ? {} : { score }) }
    if (type === "mask") {
      const mask = CvatMask.ofSpans(spans)
      if (mask !== undefined) found.push({ ...placed, type, mask, points })
    } else if (type === "polygon") found.push({ ...placed, type, points })
    else if (type === "rectangle") {
      found.push({ ...placed, type, points: [box.x, box.y, box.x + box.width, box.y + box.height] })
    }
    yield
  }
  return found
}
