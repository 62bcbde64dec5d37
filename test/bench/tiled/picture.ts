/** A picture of any size, drawn from the sample of the docs: turned copies side by side, so that they join. */
import { open } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import sharp from "sharp"

export interface Size {
  readonly width: number
  readonly height: number
}

export interface Mosaic {
  /** RGB of the part whose upper left pixel is `x`, `y`. */
  readonly part: (x: number, y: number, size: Size) => Uint8Array
}

export const mosaic = async (): Promise<Mosaic> => {
  const { data, info } = await sharp(
    fileURLToPath(new URL("../../../docs/images/sample.jpg", import.meta.url))
  )
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const fold = (at: number, side: number) => {
    const inside = at % side
    return Math.floor(at / side) % 2 === 0 ? inside : side - 1 - inside
  }
  return {
    part: (x, y, { height, width }) => {
      const out = new Uint8Array(width * height * 3)
      const columns = Uint32Array.from({ length: width }, (_, i) => fold(x + i, info.width) * 3)
      let at = 0
      for (let row = 0; row < height; row++) {
        const start = fold(y + row, info.height) * info.width * 3
        for (let i = 0; i < width; i++) {
          const from = start + columns[i]!
          out[at++] = data[from]!
          out[at++] = data[from + 1]!
          out[at++] = data[from + 2]!
        }
      }
      return out
    }
  }
}

/** Rows of a strip. */
const STRIP = 64

/** Writes it as an uncompressed TIFF, strip by strip. */
export const write = async (path: string, { height, width }: Size): Promise<void> => {
  const { part } = await mosaic()
  const strips = Math.ceil(height / STRIP)
  const bytes = width * STRIP * 3
  const entries: ReadonlyArray<readonly [tag: number, type: 3 | 4, count: number, value: number]> = [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, 3, 8 + 2 + 10 * 12 + 4],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, strips, 8 + 2 + 10 * 12 + 4 + 8],
    [277, 3, 1, 3],
    [278, 4, 1, STRIP],
    [279, 4, strips, 8 + 2 + 10 * 12 + 4 + 8 + strips * 4],
    [284, 3, 1, 1]
  ]
  const head = Buffer.alloc(8 + 2 + 10 * 12 + 4 + 8 + strips * 8)
  head.write("II*\0", "latin1")
  head.writeUInt32LE(8, 4)
  head.writeUInt16LE(entries.length, 8)
  let at = 10
  for (const [tag, type, count, value] of entries) {
    head.writeUInt16LE(tag, at)
    head.writeUInt16LE(type, at + 2)
    head.writeUInt32LE(count, at + 4)
    head.writeUInt32LE(value, at + 8)
    at += 12
  }
  at += 4
  for (let i = 0; i < 3; i++) head.writeUInt16LE(8, at + i * 2)
  at += 8
  for (let i = 0; i < strips; i++) {
    head.writeUInt32LE(head.length + i * bytes, at + i * 4)
    head.writeUInt32LE(Math.min(STRIP, height - i * STRIP) * width * 3, at + (strips + i) * 4)
  }
  const file = await open(path, "w")
  try {
    await file.write(head)
    for (let y = 0; y < height; y += STRIP)
      await file.write(part(0, y, { width, height: Math.min(STRIP, height - y) }))
  } finally {
    await file.close()
  }
}
