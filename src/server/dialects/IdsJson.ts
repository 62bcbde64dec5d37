/** Class ids as arrays of JSON, in pieces of a few rows, so that no string holds a whole label map. */
import type { LabelMap } from "../../mask/LabelMap.ts"

/** Ids that become text at once: about a millisecond of work. */
const idsPerPiece = 1 << 15

/** `[[0, 1], [1, 1]]`: a row of the map in each inner array. */
export function* nested({ data, height, width }: LabelMap): Generator<string> {
  const rows = Math.max(1, Math.floor(idsPerPiece / width))
  yield "["
  for (let from = 0; from < height; from += rows) {
    const text: Array<string> = []
    for (let y = from; y < Math.min(height, from + rows); y++) {
      text.push(`[${data.subarray(y * width, (y + 1) * width).join(",")}]`)
    }
    yield (from === 0 ? "" : ",") + text.join(",")
  }
  yield "]"
}

/** `0,1,1,1`: without brackets. */
export function* flat({ data }: Pick<LabelMap, "data">): Generator<string> {
  for (let from = 0; from < data.length; from += idsPerPiece) {
    yield (from === 0 ? "" : ",") + data.subarray(from, from + idsPerPiece).join(",")
  }
}
