/**
 * Files as one archive, stored as they are: pictures and packed masks get no smaller. Its checksum is its own: what the page
 * loads at once comes from this folder alone, and compressors of browsers tell none.
 */

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255]!
  return (crc ^ 0xffffffff) >>> 0
}

export interface Entry {
  readonly name: string
  readonly content: Blob
}

/** What a field of four bytes holds, and one of two. */
const [maxBytes, maxEntries] = [0xffffffff, 0xffff]

/** An archive of at most 4 GB and 65,535 files; fails with a sentence for more. Of two files of one name the second gets a number. */
export const make = async (entries: ReadonlyArray<Entry>): Promise<Blob> => {
  const parts: Array<BlobPart> = []
  const directory: Array<BlobPart> = []
  const taken = new Set<string>()
  let [offset, directorySize] = [0, 0]
  for (const { content, name } of entries) {
    const path = new TextEncoder().encode(free(name, taken))
    const crc = crc32(new Uint8Array(await content.arrayBuffer()))
    const head = header(0x04034b50, 30, crc, content.size, path.length, 4)
    const record = header(0x02014b50, 46, crc, content.size, path.length, 6)
    new DataView(record).setUint16(4, 20, true)
    new DataView(record).setUint32(42, offset, true)
    parts.push(head, path, content)
    directory.push(record, path)
    offset += head.byteLength + path.length + content.size
    directorySize += record.byteLength + path.length
  }
  if (entries.length > maxEntries || offset > maxBytes)
    throw new Error("One archive holds 4 GB and 65,535 files at most: take fewer pictures at once")
  const end = new ArrayBuffer(22)
  const view = new DataView(end)
  view.setUint32(0, 0x06054b50, true)
  view.setUint16(8, entries.length, true)
  view.setUint16(10, entries.length, true)
  view.setUint32(12, directorySize, true)
  view.setUint32(16, offset, true)
  return new Blob([...parts, ...directory, end], { type: "application/zip" })
}

/** What both kinds of header have: version, names in UTF-8, no compression, a day that every reader knows. */
const header = (
  signature: number,
  length: number,
  crc: number,
  size: number,
  name: number,
  at: number
): ArrayBuffer => {
  const bytes = new ArrayBuffer(length)
  const view = new DataView(bytes)
  view.setUint32(0, signature, true)
  view.setUint16(at, 20, true)
  view.setUint16(at + 2, 0x0800, true)
  view.setUint16(at + 8, (1 << 5) | 1, true)
  view.setUint32(at + 10, crc, true)
  view.setUint32(at + 14, size, true)
  view.setUint32(at + 18, size, true)
  view.setUint16(at + 22, name, true)
  return bytes
}

/** A name that every system takes, and that none of the others has. */
const free = (asked: string, taken: Set<string>): string => {
  const name = asked.replaceAll(/[<>:"/\\|?*]/g, "_")
  const [, stem = name, ending = ""] = /^(.*?)((?:\.[^.]*)*)$/.exec(name) ?? []
  let path = name
  for (let number = 2; taken.has(path); number++) path = `${stem}-${number}${ending}`
  taken.add(path)
  return path
}
