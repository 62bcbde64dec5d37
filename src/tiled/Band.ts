/**
 * Finished rows of a picture, and what puts them together from windows. A band is a label map of the picture's width,
 * so that whatever takes a label map (histograms, regions, run lengths) takes a band.
 */
import type { ClassTable } from "../mask/ClassTable.ts"
import type { ConfidenceMap } from "../mask/ConfidenceMap.ts"
import type { LabelData, LabelMap } from "../mask/LabelMap.ts"
import type { Steps } from "../mask/Steps.ts"

/** `data` holds `[height, width]` class ids of rows `y` to `y + height` of the picture. */
export interface Band extends LabelMap {
  /** The first row. Bands come without gaps, from row 0 down. */
  readonly y: number
  /** The classes of the model, or those that answers have named up to here: each name has one id, that of the first answer with it. */
  readonly classes: ClassTable
  /** Of the same rows, where it was asked for or the service gives it. */
  readonly confidence: ConfidenceMap | undefined
}

/** A band whose classes are not known yet. */
export type Rows = Omit<Band, "classes">

/** What a window finishes: a band, where it was the last of one. */
export type BandWork = Steps<Rows | undefined>

/** Finished rows, from row `y` down. */
export const rows = (
  y: number,
  width: number,
  height: number,
  data: LabelData,
  sure: Float32Array | undefined
): Rows => ({ y, width, height, data, confidence: sure && { width, height, data: sure } })
