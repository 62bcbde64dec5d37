/**
 * The directories of TIFF and BigTIFF, read as libtiff does: the first of two entries counts, and where they differ nobody can
 * be sure.
 */
import * as ExifOrientation from "./ExifOrientation.ts"

/** Bytes of a value of each type that holds whole numbers: BYTE, SHORT, LONG, LONG8 and IFD. */
const sizes: ReadonlyMap<number, 1 | 2 | 4 | 8> = new Map([
  [1, 1],
  [3, 2],
  [4, 4],
  [13, 4],
  [16, 8],
  [18, 8]
])

export interface Layout {
  readonly little: boolean
  readonly big: boolean
}

export interface Directory {
  /** First values of the entries that hold whole numbers. */
  readonly values: ReadonlyMap<number, number>
  readonly tags: ReadonlySet<number>
  /** Entries that are there twice, and differ. */
  readonly contradictions: ReadonlySet<number>
  /** Where the next directory is; 0 where there is none. */
  readonly next: number
}

export const numberAt = (view: DataView, at: number, size: 1 | 2 | 4 | 8, little: boolean): number =>
  size === 8 ? Number(view.getBigUint64(at, little)) : ExifOrientation.numberAt(view, at, size, little)

/** Bytes of a directory's count, of an entry and of an offset. */
export const widths = ({ big }: Layout) => (big ? ([8, 20, 8] as const) : ([2, 12, 4] as const))

/** How many entries the directory at a place has, where they end, and where the next one is; or how many bytes would show it. */
export const frameAt = (
  view: DataView,
  at: number,
  layout: Layout
): { count: number; next: number; end: number } | number => {
  const [countBytes, entryBytes, offsetBytes] = widths(layout)
  if (at + countBytes > view.byteLength) return at + countBytes + 64 * entryBytes
  const count = numberAt(view, at, countBytes, layout.little)
  const end = at + countBytes + count * entryBytes + offsetBytes
  if (end > view.byteLength) return end
  const next = numberAt(view, end - offsetBytes, offsetBytes, layout.little)
  return { count, next, end: end - offsetBytes }
}

/** The directory at a place, or how many bytes would show it. A value that lies elsewhere is left out where it is beyond. */
export const directoryAt = (view: DataView, at: number, layout: Layout): Directory | number => {
  const [countBytes, entryBytes, offsetBytes] = widths(layout)
  const { little } = layout
  const frame = frameAt(view, at, layout)
  if (typeof frame === "number") return frame
  const { count, next } = frame
  const values = new Map<number, number>()
  const contradictions = new Set<number>()
  const tags = new Set<number>()
  for (let entry = at + countBytes, i = 0; i < count; i++, entry += entryBytes) {
    const tag = view.getUint16(entry, little)
    const size = sizes.get(view.getUint16(entry + 2, little))
    const isTwice = tags.has(tag)
    tags.add(tag)
    if (size === undefined) continue
    const length = numberAt(view, entry + 4, offsetBytes, little)
    const place = entry + 4 + offsetBytes
    const where = length * size <= offsetBytes ? place : numberAt(view, place, offsetBytes, little)
    if (length === 0 || where + size > view.byteLength) continue
    const value = numberAt(view, where, size, little)
    if (!isTwice) values.set(tag, value)
    else if (values.get(tag) !== value) contradictions.add(tag)
  }
  return { values, tags, contradictions, next }
}
