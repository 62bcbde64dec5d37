/**
 * How EXIF says that a picture is turned, as libexif finds it, by which decoders turn pictures. A module of its own: nearly every
 * image is looked through for it, and few are TIFFs, whose directories are like it (`TiffDirectory`).
 */

/** The tag of the orientation, here and in TIFF. */
export const ORIENTATION = 0x0112

export const orientationOf = (value: number | undefined): number | undefined =>
  value !== undefined && value >= 1 && value <= 8 ? value : undefined

/** Bytes of a value of each type, from BYTE (1) to DOUBLE (12), and which of them are whole numbers. */
const sizes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8]
const wholes = new Set([1, 3, 4, 6, 8, 9])

export const numberAt = (view: DataView, at: number, size: number, little: boolean): number =>
  size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, little) : view.getUint32(at, little)

/** Orientation from the TIFF block of an EXIF segment: a directory may be cut off, and what is there of it counts. */
export const read = (view: DataView, start: number, end: number): number | undefined => {
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
    const size = sizes[type] ?? 0
    const length = size * block.getUint32(entry + 4, little)
    const where = length <= 4 ? entry + 8 : block.getUint32(entry + 8, little)
    // What has no value is no entry.
    if (length === 0 || where + length > block.byteLength) continue
    return wholes.has(type) ? orientationOf(numberAt(block, where, size, little)) : undefined
  }
  return undefined
}
