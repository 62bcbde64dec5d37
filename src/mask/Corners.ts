/**
 * The corners of a label map: points between pixels where the border of an area turns. They say beforehand, in one walk and
 * without memory, how much its outlines hold: each region has at least four, and no point of an outline lies elsewhere.
 */
import type { LabelMap } from "./LabelMap.ts"
import * as Steps from "./Steps.ts"

/** How many there are, the border of the map included; no further than the first row in which there are more than `most`. */
export function* countSteps({ data, height, width }: LabelMap, most = Infinity): Steps.Steps<number> {
  const pause = Steps.rowsPerStep(width)
  let count = 4
  for (let x = 1; x < width; x++) {
    if (data[x - 1] !== data[x]) count++
    if (data[(height - 1) * width + x - 1] !== data[(height - 1) * width + x]) count++
  }
  for (let y = 1; y < height && count <= most; y++) {
    if (y % pause === pause - 1) yield
    let above = data[(y - 1) * width]!
    let below = data[y * width]!
    if (above !== below) count++
    for (let x = 1, i = y * width + 1; x < width; x++, i++) {
      const a = data[i - width]!
      const b = data[i]!
      // A line that goes on has one id on either side of it.
      if (!(above === a && below === b) && !(above === below && a === b)) count++
      above = a
      below = b
    }
    if (above !== below) count++
  }
  return count
}
