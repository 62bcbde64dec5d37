/**
 * Label maps of windows joined into bands. There is nothing to average in class ids, so each pixel is taken from one
 * window: that whose centre is nearest, along rows and along columns. The picture is cut midway through each overlap.
 */
import type { ConfidenceMap } from "../mask/ConfidenceMap.ts"
import { type LabelData, type LabelMap, sameStorage } from "../mask/LabelMap.ts"
import { type BandWork, rows as bandOf } from "./Band.ts"
import { cuts, type Window, type Windows } from "./Windows.ts"

/** Windows must come in their order, at their own size. Ids of more bits than before widen the band. */
export const make = (windows: Windows) => {
  const { width } = windows
  const columns = cuts(windows.columns, windows.crop.width, width)
  const rows = cuts(windows.rows, windows.crop.height, windows.height)
  let data: LabelData = new Uint8Array()
  let sure: Float32Array | undefined

  return function* (window: Window, labels: LabelMap, confidence: ConfidenceMap | undefined): BandWork {
    const { column, group, row } = window
    const y = rows[group.first]!
    const height = rows[group.end]! - y
    const x = columns[column]!
    const xEnd = columns[column + 1]!
    if (column === 0 && row === group.first) {
      data = sameStorage(labels.data, width * height)
      sure = confidence === undefined ? undefined : new Float32Array(width * height)
    } else if (data.BYTES_PER_ELEMENT < labels.data.BYTES_PER_ELEMENT) {
      const wider = sameStorage(labels.data, data.length)
      wider.set(data)
      data = wider
    }
    // What is sure of some pixels only is no confidence map.
    if (confidence === undefined) sure = undefined
    const top = rows[row]! - windows.rows[row]!
    const offset = rows[row]! - y
    const left = x - windows.columns[column]!
    for (let i = 0; i < rows[row + 1]! - rows[row]!; i++) {
      yield
      const start = (top + i) * labels.width + left
      const end = start + xEnd - x
      data.set(labels.data.subarray(start, end), (offset + i) * width + x)
      if (confidence !== undefined) sure?.set(confidence.data.subarray(start, end), (offset + i) * width + x)
    }
    return column < windows.columns.length - 1 || row < group.end - 1
      ? undefined
      : bandOf(y, width, height, data, sure)
  }
}
