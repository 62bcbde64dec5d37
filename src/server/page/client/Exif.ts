/** What a WebP says of itself that browsers pass over. */

const named = (view: DataView, at: number, name: string): boolean =>
  [...name].every((letter, i) => view.getUint8(at + i) === letter.charCodeAt(0))

/** Chunks that are looked at: an animation has one for each of its frames. */
const most = 1000

/** An orientation that is not read here: any but 1 has the server look. */
const unread = 2

/** Whether a WebP is to be turned or mirrored: a browser may show it as it is stored. */
export const isTurned = async (file: Blob): Promise<boolean> => {
  const read = async (from: number, length: number) =>
    new DataView(await file.slice(from, from + length).arrayBuffer())
  const head = await read(0, 21)
  // Of the extended kind, with a flag for EXIF.
  if (head.byteLength < 21 || !named(head, 0, "RIFF") || !named(head, 8, "WEBPVP8X")) return false
  if ((head.getUint8(20) & 8) === 0) return false
  for (let at = 12, chunks = 0; at + 8 <= file.size && chunks < most; chunks++) {
    const chunk = await read(at, 8)
    const length = chunk.getUint32(4, true)
    if (named(chunk, 0, "EXIF")) return orientationOf(await read(at + 8, Math.min(length, 1 << 16))) > 1
    at += 8 + length + (length & 1)
  }
  return false
}

/** By the tag of its first directory, as in TIFF; 1 where there is none. */
const orientationOf = (exif: DataView): number => {
  const start = exif.byteLength > 6 && named(exif, 0, "Exif\0\0") ? 6 : 0
  if (exif.byteLength < start + 8) return 1
  const little = named(exif, start, "II")
  const first = start + exif.getUint32(start + 4, little)
  if (first + 2 > exif.byteLength) return 1
  const count = exif.getUint16(first, little)
  for (let at = first + 2, entry = 0; entry < count && at + 12 <= exif.byteLength; entry++, at += 12)
    if (exif.getUint16(at, little) === 0x0112)
      // Other types than a short are for the server to read.
      return exif.getUint16(at + 2, little) === 3 ? exif.getUint16(at + 8, little) : unread
  return 1
}
