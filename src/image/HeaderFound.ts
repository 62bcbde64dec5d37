/** What a reader of headers finds in the first bytes of a file. */

/**
 * `NeedMore`: the size lies further on, and `bytes` from the start are needed to see it. `Refused`: it is broken, or of a
 * kind that nothing here decodes, or contradicts itself, so that its size cannot be told for sure.
 */
export type Found =
  | {
      readonly _tag: "Sized"
      /** In pixels, as stored: before any orientation is applied. */
      readonly width: number
      /** In pixels, as stored. */
      readonly height: number
      /** EXIF orientation, 1 to 8; 1 where the file says nothing. From 5 on, width and height are to be exchanged. */
      readonly orientation: number
      /** It has more pages or frames than the one asked for. */
      readonly hasMore?: true
      /** So many bytes from the start would show whether it has: these do not. */
      readonly moreAt?: number
      /** The places in the file, from and to, that hold the page asked for, where its decoder would walk over all pages there are. */
      readonly own?: ReadonlyArray<readonly [from: number, to: number]>
      /** The places in the file where the frames begin that make up the page asked for. */
      readonly frames?: ReadonlyArray<number>
      /** Where it says by which matrix its colours were made, where that is by none that it tells: of AVIF. */
      readonly matrixAt?: number
      /** Why its decoder would give other colours than it has. */
      readonly unread?: string
    }
  | { readonly _tag: "NeedMore"; readonly bytes: number }
  | { readonly _tag: "Refused"; readonly detail: string; readonly isBroken: boolean }
  | { readonly _tag: "Unknown" }

/** Bytes as characters, each one its code. */
export type Ascii = (at: number, length: number) => string

/** Reads at least 12 bytes that begin as those of its kind do; the page asked for, from 1, where there are pages. */
export type Reader = (view: DataView, ascii: Ascii, page: number) => Found

export const unknown: Found = { _tag: "Unknown" }

export const needMore = (bytes: number): Found => ({ _tag: "NeedMore", bytes })

export const refused = (detail: string, { isBroken = false } = {}): Found => ({
  _tag: "Refused",
  detail,
  isBroken
})

/** Segments, chunks or boxes before a picture: nobody writes as many, and to walk them would take its time. */
export const MOST_PARTS = 32_768

export const tooManyParts = refused(`it has more than ${MOST_PARTS} parts before its picture`, {
  isBroken: true
})

export const sized = (
  width: number,
  height: number,
  orientation = 1,
  more: boolean | number = false
): Found =>
  width > 0 && height > 0
    ? {
        _tag: "Sized",
        width,
        height,
        orientation,
        ...(typeof more === "number" ? { moreAt: more } : more ? { hasMore: true } : {})
      }
    : refused(`its header says ${width} x ${height} pixels`, { isBroken: true })
