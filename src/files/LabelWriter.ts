/** What the file formats of label maps have in common: rows in, as they come, and pieces of the file out. */
import type { ClassTable } from "../mask/ClassTable.ts"
import type { LabelData } from "../mask/LabelMap.ts"

/** What a file is like, whatever its format. */
export interface Layout {
  readonly width: number
  readonly height: number
  /** Bits of an id. */
  readonly depth: 8 | 16
  /** Makes an indexed picture, in the colours that `Palette.colorOf` gives; it has 8 bits. Grey without. */
  readonly palette?: ClassTable | undefined
  /** What ids are called, for formats that note it. */
  readonly classes?: ClassTable | undefined
}

/** A format. Pieces are written one after the other. */
export interface Writer {
  /** How many rows it takes at a time; the last ones may be fewer. */
  readonly rows: number
  readonly start: ReadonlyArray<Uint8Array>
  /** Takes rows of ids in the bits of the layout. */
  readonly write: (labels: LabelData) => Promise<ReadonlyArray<Uint8Array>>
  /** What ids are called is noted where it was not known before, by formats that note it. */
  readonly end: (classes?: ClassTable) => Promise<{
    readonly pieces: ReadonlyArray<Uint8Array>
    /** What is only known at the end, for a place near the start. */
    readonly patch: { readonly at: number; readonly bytes: Uint8Array } | undefined
  }>
  readonly close: () => void
}

/** The samples of some rows as bytes. */
export const bytesOf = (labels: LabelData): Uint8Array =>
  new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)
