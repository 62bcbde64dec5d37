/** What the file formats of labels have in common. */
import type { Rgb } from "../mask/ClassTable.ts"
import type { LabelData } from "../mask/LabelMap.ts"

/** What a file is like, whatever its format. */
export interface Layout {
  readonly width: number
  readonly height: number
  readonly depth: 8 | 16
  /** By class id. */
  readonly colors: ReadonlyArray<Rgb> | undefined
}

/** A format. Pieces are written one after the other. */
export interface Writer {
  /** How many rows it takes at a time; the last ones may be fewer. */
  readonly rows: number
  readonly start: ReadonlyArray<Uint8Array>
  readonly write: (labels: LabelData) => Promise<ReadonlyArray<Uint8Array>>
  readonly end: () => Promise<{
    readonly pieces: ReadonlyArray<Uint8Array>
    /** What is only known at the end, for a place near the start. */
    readonly patch: { readonly at: number; readonly bytes: Uint8Array } | undefined
  }>
  readonly close: () => void
}

/** The samples of some rows as bytes. */
export const bytesOf = (labels: LabelData): Uint8Array =>
  new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)
