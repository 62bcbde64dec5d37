/** Real image files, encoded by libvips, and those that it does not write by hand. */
import { randomBytes } from "node:crypto"
import { crc32 } from "node:zlib"
import sharp from "sharp"

const pixels = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp(crypto.getRandomValues(new Uint8Array(width * height * channels)), {
    raw: { width, height, channels }
  })

export const png = (width = 8, height = 6) => pixels(width, height).png().toBuffer()

/** Compressible, so that its size is chosen by `level` 0. */
export const largePng = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "#803" } })
    .png({ compressionLevel: 0 })
    .toBuffer()

export const jpeg = (width = 8, height = 6) => pixels(width, height).jpeg().toBuffer()

/** Stored on its side: 8 x 6 in the file, 6 x 8 for a person. */
export const turnedJpeg = () => pixels(8, 6).jpeg().withMetadata({ orientation: 6 }).toBuffer()

/** The same in the other formats that carry EXIF: before the pixels in PNG, behind them in WebP. */
export const turnedPng = () => pixels(8, 6).png().withMetadata({ orientation: 6 }).toBuffer()
export const turnedWebp = () => pixels(8, 6).webp().withMetadata({ orientation: 8 }).toBuffer()

/** Its size lies behind so many bytes of metadata, in segments of 65 kB. */
export const farJpeg = async (metadata: number): Promise<Buffer> => {
  const plain = await pixels(8, 6).jpeg({ progressive: true }).toBuffer()
  const segment = Buffer.alloc(65_000)
  segment.set([0xff, 0xe2, (65_000 - 2) >> 8, (65_000 - 2) & 0xff])
  const segments = Array.from({ length: Math.ceil(metadata / 65_000) }, () => segment)
  return Buffer.concat([plain.subarray(0, 2), ...segments, plain.subarray(2)])
}

export const webp = {
  lossy: () => pixels(8, 6).webp({ quality: 50 }).toBuffer(),
  lossless: () => pixels(8, 6).webp({ lossless: true }).toBuffer(),
  alpha: () => pixels(8, 6, 4).webp({ quality: 50 }).toBuffer()
}
export const gif = () => pixels(8, 6).gif().toBuffer()
/** So many frames of noise, one below the other as sharp takes them. */
const frames = (count: number, width = 8, height = 6) =>
  sharp(randomBytes(width * height * count * 3), {
    raw: { width, height: height * count, channels: 3, pageHeight: height }
  })
export const gifOf = (count: number, width?: number, height?: number) =>
  frames(count, width, height).gif({ loop: 0 }).toBuffer()
export const webpOf = (count: number, orientation?: number) =>
  frames(count)
    .withMetadata(orientation === undefined ? {} : { orientation })
    .webp({ lossless: true })
    .toBuffer()
/** A PNG that says to move: the others of its frames are left out, which a decoder of the first does not see. */
export const apngOf = (count: number, file: Buffer): Buffer => {
  const chunk = Buffer.alloc(20)
  chunk.writeUInt32BE(8)
  chunk.write("acTL", 4, "latin1")
  chunk.writeUInt32BE(count, 8)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 16)), 16)
  const at = file.indexOf("IDAT", 0, "latin1") - 4
  return Buffer.concat([file.subarray(0, at), chunk, file.subarray(at)])
}
/** Another item beside the picture of an AVIF, by what its header says: its pixels are nowhere. */
export const withItem = (file: Buffer, kind: string, flags = 0, relation = ""): Buffer => {
  const entry = Buffer.alloc(21)
  entry.writeUInt32BE(21)
  entry.write(`infe\x02\0\0${String.fromCharCode(flags)}\0\x09\0\0${kind}`, 4, "latin1")
  const references = Buffer.from(`\0\0\0\x1airef\0\0\0\0\0\0\0\x0e${relation}\0\x09\0\x01\0\x01`, "latin1")
  const iref = relation === "" ? Buffer.alloc(0) : references
  const bytes = Buffer.from(file)
  const at = (type: string) => bytes.indexOf(type, 0, "latin1") - 4
  const iinf = at("iinf")
  const end = iinf + bytes.readUInt32BE(iinf)
  for (const [type, by] of [
    ["iinf", 21],
    ["meta", 21 + iref.length]
  ] as const)
    bytes.writeUInt32BE(bytes.readUInt32BE(at(type)) + by, at(type))
  bytes.writeUInt16BE(bytes.readUInt16BE(iinf + 12) + 1, iinf + 12)
  return Buffer.concat([bytes.subarray(0, end), entry, iref, bytes.subarray(end)])
}
export const tiff = () => pixels(8, 6).tiff({ compression: "none" }).toBuffer()
export const avif = () => pixels(80, 60).avif({ effort: 0 }).toBuffer()

/** A TIFF whose directory stands behind its pixels, in the byte order of choice. */
export const farTiff = (pixelBytes: number, little = true): Buffer => {
  const at = 8 + pixelBytes
  const file = Buffer.alloc(at + 2 + 3 * 12 + 4)
  const view = new DataView(file.buffer, file.byteOffset)
  file.write(little ? "II*\0" : "MM\0*", "latin1")
  view.setUint32(4, at, little)
  view.setUint16(at, 3, little)
  const entries = [
    [0x0100, 4, 8],
    [0x0101, 3, 6],
    [0x0112, 3, 8]
  ] as const
  for (const [index, [tag, type, value]] of entries.entries()) {
    const entry = at + 2 + index * 12
    view.setUint16(entry, tag, little)
    view.setUint16(entry + 2, type, little)
    view.setUint32(entry + 4, 1, little)
    if (type === 4) view.setUint32(entry + 8, value, little)
    else view.setUint16(entry + 8, value, little)
  }
  return file
}

export const bmp = (width = 8, height = 6): Buffer => {
  const row = Math.ceil((Math.abs(width) * 3) / 4) * 4
  const file = Buffer.alloc(54 + row * Math.abs(height))
  file.write("BM", "latin1")
  file.writeUInt32LE(file.length, 2)
  file.writeUInt32LE(54, 10)
  file.writeUInt32LE(40, 14)
  file.writeInt32LE(width, 18)
  file.writeInt32LE(height, 22)
  file.writeUInt16LE(1, 26)
  file.writeUInt16LE(24, 28)
  return file
}

/** The oldest kind of BMP, with 16-bit sizes. */
export const oldBmp = (): Buffer => {
  const file = Buffer.alloc(26 + 24 * 6)
  file.write("BM", "latin1")
  file.writeUInt32LE(26, 10)
  file.writeUInt32LE(12, 14)
  file.writeUInt16LE(8, 18)
  file.writeUInt16LE(6, 20)
  return file
}

/** Nothing but the header of a PNG that would take 3.6 GB decoded. */
export const hugePngHeader = (): Buffer => {
  const file = Buffer.alloc(57)
  file.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13])
  file.write("IHDR", 12, "latin1")
  file.writeUInt32BE(30_000, 16)
  file.writeUInt32BE(30_000, 20)
  file.set([8, 2, 0, 0, 0], 24)
  file.write("IEND", 49, "latin1")
  return file
}
