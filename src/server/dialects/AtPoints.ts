/**
 * The region at a click: which pixels of a label map belong to the regions that somebody points at. It answers what tools ask
 * of models that segment whatever is clicked, out of what a segmenter has found without being told.
 */
import type { Components } from "../../mask/Components.ts"
import type { Box } from "../../mask/Region.ts"
import * as Steps from "../../mask/Steps.ts"

/** In pixels, fractions allowed: a point lies in the pixel that holds it. */
export type Point = readonly [x: number, y: number]

export interface Asked {
  /** The regions of these are meant. */
  readonly inside: ReadonlyArray<Point>
  /** The regions of these are not. */
  readonly outside: ReadonlyArray<Point>
  /** Nothing beyond this is meant. Without points inside, all that is no background in it is. */
  readonly box?: Box | undefined
  /** Classes that are background. */
  readonly background: ReadonlySet<number>
}

/** 1 for each pixel that is meant, row by row, and the class of the first region that is; `undefined` where none is. */
export interface Picked {
  readonly mask: Uint8Array
  readonly classId: number | undefined
}

export function* pick(
  components: Components,
  { background, box, inside, outside }: Asked
): Steps.Steps<Picked> {
  const { component, count, ends, height, rows, starts, width } = components
  const at = ([x, y]: Point): number => {
    const [column, row] = [Math.floor(x), Math.floor(y)]
    if (!(column >= 0 && row >= 0 && column < width && row < height)) return -1
    for (let i = rows[row]!; i < rows[row + 1]!; i++) {
      if (starts[i]! <= column && column < ends[i]!) return component[i]!
    }
    return -1
  }
  const isMeant = new Uint8Array(count)
  const clicked = inside.map(at).filter((found) => found >= 0)
  for (const found of clicked) isMeant[found] = 1
  if (inside.length === 0 && box !== undefined) {
    for (let c = 0; c < count; c++) if (!background.has(components.classIds[c]!)) isMeant[c] = 1
  }
  for (const found of outside.map(at)) if (found >= 0) isMeant[found] = 0
  const [left, top, right, bottom] =
    box === undefined
      ? [0, 0, width, height]
      : [
          Math.max(0, Math.floor(box.x)),
          Math.max(0, Math.floor(box.y)),
          Math.min(width, Math.ceil(box.x + box.width)),
          Math.min(height, Math.ceil(box.y + box.height))
        ]
  const mask = new Uint8Array(width * height)
  const pause = Steps.rowsPerStep(width)
  let first: number | undefined
  for (let y = top; y < bottom; y++) {
    if (y % pause === pause - 1) yield
    for (let i = rows[y]!; i < rows[y + 1]!; i++) {
      const found = component[i]!
      const [from, to] = [Math.max(left, starts[i]!), Math.min(right, ends[i]!)]
      if (found < 0 || isMeant[found] === 0 || from >= to) continue
      first ??= found
      mask.fill(1, y * width + from, y * width + to)
    }
  }
  const chosen = clicked.find((found) => isMeant[found] === 1) ?? first
  return { mask, classId: chosen === undefined ? undefined : components.classIds[chosen] }
}
