/**
 * The directories of TIFF and BigTIFF, and of EXIF, which is one, read as libtiff does: the first of two entries counts, and
 * where they differ nobody can be sure.
 */

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
  size === 1
    ? view.getUint8(at)
    : size === 2
      ? view.getUint16(at, little)
      : size === 4
        ? view.getUint32(at, little)
        : Number(view.getBigUint64(at, little))

/** Bytes of a directory's count, of an entry and of an offset. */
export const widths = ({ big }: Layout) => (big ? ([8, 20, 8] as const) : ([2, 12, 4] as const))

/** How many entries the directory at a place has, and where the next one is; or how many bytes would show it. */
export const frameAt = (
  view: DataView,
  at: number,
  layout: Layout
): { count: number; next: number } | number => {
  const [countBytes, entryBytes, offsetBytes] = widths(layout)
  if (at + countBytes > view.byteLength) return at + countBytes + 64 * entryBytes
  const count = numberAt(view, at, countBytes, layout.little)
  const end = at + countBytes + count * entryBytes + offsetBytes
  if (end > view.byteLength) return end
  return { count, next: numberAt(view, end - offsetBytes, offsetBytes, layout.little) }
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

export const ORIENTATION = 0x0112

export const orientationOf = (value: number | undefined): number | undefined =>
  value !== undefined && value >= 1 && value <= 8 ? value : undefined

/** Bytes of BYTE, SHORT and LONG, with a sign or without; and of the other types that an entry of EXIF may have. */
const wholeSizes: ReadonlyMap<number, 1 | 2 | 4> = new Map([
  [1, 1],
  [3, 2],
  [4, 4],
  [6, 1],
  [8, 2],
  [9, 4]
])
const otherSizes: ReadonlyMap<number, number> = new Map([
  [2, 1],
  [5, 8],
  [7, 1],
  [10, 8],
  [11, 4],
  [12, 8]
])

/**
 * Orientation from the TIFF block of an EXIF segment, as libexif finds it, by which decoders turn pictures: a directory may
 * be cut off, and what is there of it counts.
 */
export const exifOrientation = (view: DataView, start: number, end: number): number | undefined => {
  const stop = Math.min(end, view.byteLength)
  if (stop - start < 8) return undefined
  const block = new DataView(view.buffer, view.byteOffset + start, stop - start)
  const little = block.getUint16(0) === 0x4949
  if ((!little && block.getUint16(0) !== 0x4d4d) || block.getUint16(2, little) !== 42) return undefined
  const at = block.getUint32(4, little)
  if (at + 2 > block.byteLength) return undefined
  const room = Math.floor((block.byteLength - at - 2) / 12)
  const last = at + 2 + Math.min(block.getUint16(at, little), room) * 12
  for (let entry = at + 2; entry < last; entry += 12) {
    if (block.getUint16(entry, little) !== ORIENTATION) continue
    const type = block.getUint16(entry + 2, little)
    const whole = wholeSizes.get(type)
    const length = (whole ?? otherSizes.get(type) ?? 0) * block.getUint32(entry + 4, little)
    const where = length <= 4 ? entry + 8 : block.getUint32(entry + 8, little)
    // What has no value is no entry.
    if (length === 0 || where + length > block.byteLength) continue
    return whole === undefined ? undefined : orientationOf(numberAt(block, where, whole, little))
  }
  return undefined
}
