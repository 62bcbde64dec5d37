/** Real image files, encoded by libvips, and those that it does not write by hand. */
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
