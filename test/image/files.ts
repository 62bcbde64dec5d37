/** Files that no encoder here writes, made by hand: TIFFs of any directory, JPEGs with bytes between, AVIF that is turned. */
import { deflateSync } from "node:zlib"
import sharp from "sharp"

export type Entry = readonly [tag: number, type: 1 | 3 | 4, value: number | ReadonlyArray<number>]

const bytesOf = { 1: 1, 3: 2, 4: 4 } as const

export interface Page {
  readonly entries: ReadonlyArray<Entry>
  /** The one strip. */
  readonly strip: Uint8Array
}

/** A TIFF of these pages, entries as they are given; where its strip lies is added. */
export const tiff = (...pages: ReadonlyArray<Page>): Buffer => {
  const parts: Array<Buffer> = [Buffer.from("II*\0\0\0\0\0", "latin1")]
  let at = 8
  const put = (bytes: Uint8Array) => {
    const place = at
    parts.push(Buffer.from(bytes))
    at += bytes.length
    return place
  }
  let link: { readonly part: Buffer; readonly offset: number } = { part: parts[0]!, offset: 4 }
  for (const { entries, strip } of pages) {
    const all: ReadonlyArray<Entry> = [...entries, [273, 4, put(strip)], [279, 4, strip.length]]
    const sorted = all.toSorted(([a], [b]) => a - b)
    const rows = sorted.map(([tag, type, value]) => {
      const values = typeof value === "number" ? [value] : value
      const row = Buffer.alloc(12)
      row.writeUInt16LE(tag, 0)
      row.writeUInt16LE(type, 2)
      row.writeUInt32LE(values.length, 4)
      const size = bytesOf[type]
      const data = Buffer.alloc(Math.max(4, values.length * size))
      values.forEach((one, i) => data.writeUIntLE(one, i * size, size))
      if (values.length * size <= 4) row.set(data, 8)
      else row.writeUInt32LE(put(data), 8)
      return row
    })
    const count = Buffer.alloc(2)
    count.writeUInt16LE(rows.length)
    const directory = Buffer.concat([count, ...rows, Buffer.alloc(4)])
    link.part.writeUInt32LE(at, link.offset)
    at += directory.length
    parts.push(directory)
    link = { part: directory, offset: directory.length - 4 }
  }
  return Buffer.concat(parts)
}

const base = (
  width: number,
  height: number,
  bits: number,
  samples: number,
  format: number
): ReadonlyArray<Entry> => [
  [256, 4, width],
  [257, 4, height],
  [258, 3, Array.from({ length: samples }, () => bits)],
  [259, 3, 1],
  [262, 3, samples === 3 ? 2 : 1],
  [277, 3, samples],
  [278, 4, height],
  [339, 3, Array.from({ length: samples }, () => format)]
]

/** Grey or RGB samples of any kind, in one strip: `format` is 1 for unsigned, 2 for signed numbers, 3 for floats. */
export const page = (
  width: number,
  height: number,
  bits: number,
  strip: Uint8Array,
  {
    extra = [],
    format = 1,
    samples = 1
  }: { extra?: ReadonlyArray<Entry>; format?: number; samples?: number } = {}
): Page => ({
  entries: [
    ...base(width, height, bits, samples, format).filter(([tag]) => !extra.some(([own]) => own === tag)),
    ...extra
  ],
  strip
})

/** So many pixels whose strip is a few bytes. */
export const zeros = deflateSync(Buffer.alloc(90_000))

/** An EXIF segment of a JPEG that says how it is turned. */
export const exif = (orientation: number): Buffer => {
  const block = Buffer.from(
    "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0",
    "latin1"
  )
  block[24] = orientation
  return Buffer.concat([Buffer.from([0xff, 0xe1, 0, block.length + 2]), block])
}

/** Where a marker stands, from the start of a JPEG that is whole. */
export const markerAt = (bytes: Uint8Array, marker: number): number => {
  let at = 2
  while (bytes[at + 1] !== marker) at += 2 + bytes[at + 2]! * 256 + bytes[at + 3]!
  return at
}

export const insert = (bytes: Uint8Array, at: number, more: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])

const box = (type: string, ...content: ReadonlyArray<Uint8Array>): Buffer => {
  const body = Buffer.concat(content)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length + 8)
  head.write(type, 4, "latin1")
  return Buffer.concat([head, body])
}

export const irot = (quarters: number): Buffer => box("irot", Uint8Array.of(quarters))
export const imir = (axis: 0 | 1): Buffer => box("imir", Uint8Array.of(axis))
/** A crop of this size about the middle. */
export const clap = (width: number, height: number): Buffer => {
  const body = Buffer.alloc(32)
  ;[width, 1, height, 1, 0, 1, 0, 1].forEach((value, i) => body.writeUInt32BE(value, i * 4))
  return box("clap", body)
}

/** An AVIF of these pixels with properties that every reader must heed, in their order. */
export const avif = async (
  raster: { readonly data: Uint8Array; readonly width: number; readonly height: number },
  ...properties: ReadonlyArray<Buffer>
): Promise<Buffer> => {
  const { data, height, width } = raster
  const plain = await sharp(data, { raw: { width, height, channels: 3 } })
    .avif({ lossless: true, chromaSubsampling: "4:4:4" })
    .toBuffer()
  const at = (type: string) => plain.indexOf(type, 0, "latin1") - 4
  const more = Buffer.concat(properties)
  const [ipco, ipma] = [at("ipco"), at("ipma")]
  // Properties that are there already, to number those that come.
  let count = 0
  for (let place = ipco + 8; place < ipco + plain.readUInt32BE(ipco); count++)
    place += plain.readUInt32BE(place)
  const own = plain[ipma + 18]!
  const ids = Buffer.from(properties.map((_, i) => 0x80 | (count + 1 + i)))
  const grown = more.length + ids.length
  const bytes = Buffer.from(plain)
  const grow = (type: string, by: number) => bytes.writeUInt32BE(bytes.readUInt32BE(at(type)) + by, at(type))
  grow("meta", grown)
  grow("iprp", grown)
  grow("ipco", more.length)
  grow("ipma", ids.length)
  bytes[ipma + 18] = own + ids.length
  // Where the pixels lie, from the start of the file: the one extent of the one item.
  const iloc = at("iloc")
  const sizes = bytes.readUInt16BE(iloc + 12)
  const extent = iloc + 16 + 4 + ((sizes >> 4) & 15) + 2
  bytes.writeUInt32BE(bytes.readUInt32BE(extent) + grown, extent)
  const associations = ipma + 19 + own
  return Buffer.concat([
    bytes.subarray(0, ipco + plain.readUInt32BE(ipco)),
    more,
    bytes.subarray(ipco + plain.readUInt32BE(ipco), associations),
    ids,
    bytes.subarray(associations)
  ])
}
