/** What is at a pixel of the picture: what the pointer and the arrow keys read. */
import type { Look } from "./Overlay.ts"
import type { FoundClass, Plane, Result } from "./Result.ts"
import type * as View from "./View.ts"

/** What a pixel is. Coordinates are the image's, from its top left corner. */
export interface Reading {
  readonly x: number
  readonly y: number
  readonly className: string
  readonly color: string | undefined
  readonly confidence: number | undefined
  readonly model: string
}

/** What a result says of a pixel of the picture: maps need not have its size. */
export const reading = (
  shown: Result,
  x: number,
  y: number,
  size: View.Size,
  look: (one: FoundClass) => Look
): Reading => {
  const valueIn = ({ data, height, width }: Plane): number =>
    data[
      Math.floor(((y + 0.5) * height) / size.height) * width + Math.floor(((x + 0.5) * width) / size.width)
    ] ?? 0
  const id = valueIn(shown.labels)
  const found = shown.classes.find((one) => one.id === id)
  const certainty = shown.confidence && valueIn(shown.confidence)
  return {
    x,
    y,
    className: found?.name ?? "no class",
    color: found && look(found).color,
    // The highest byte stands for all from 99.8 % on.
    confidence: certainty === undefined ? undefined : Math.min(certainty, 254.5) / 255,
    model: shown.model
  }
}
