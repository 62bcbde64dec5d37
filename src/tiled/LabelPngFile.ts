/** A label map as PNG, written band by band: grey of 8 or 16 bits, or indexed. Pixels are class ids as they are. */
import { endianness } from "node:os"
import { crc32, createDeflate } from "node:zlib"
import type { LabelData } from "../mask/LabelMap.ts"
import { bytesOf, type Layout, type Writer } from "./LabelFormat.ts"

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

/** Bytes given to the compressor at a time. */
const PIECE = 1 << 20

const chunk = (type: string, data: Uint8Array): Uint8Array => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, "latin1")
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

const header = ({ colors, depth, height, width }: Layout): Uint8Array => {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(width, 0)
  data.writeUInt32BE(height, 4)
  data[8] = depth
  data[9] = colors === undefined ? 0 : 3
  return chunk("IHDR", data)
}

/** Rows as PNG holds them: a filter (none, the best for ids) and samples, the high byte first. */
const scanlines = (labels: LabelData, { depth, width }: Layout): Uint8Array => {
  const samples = bytesOf(labels)
  const bytes = (width * depth) / 8
  const rows = samples.length / bytes
  const out = Buffer.alloc(rows * (1 + bytes))
  for (let y = 0; y < rows; y++) {
    const row = out.subarray(y * (1 + bytes) + 1, (y + 1) * (1 + bytes))
    row.set(samples.subarray(y * bytes, (y + 1) * bytes))
    if (depth === 16 && endianness() === "LE") row.swap16()
  }
  return out
}

export const make = (layout: Layout): Writer => {
  const deflate = createDeflate({ level: 3 })
  let pieces: Array<Uint8Array> = []
  let failed: Error | undefined
  deflate.on("data", (piece: Uint8Array) => pieces.push(piece))
  deflate.on("error", (error) => {
    failed = error
  })
  const taken = (): ReadonlyArray<Uint8Array> => {
    if (failed !== undefined) throw failed
    const data = pieces.map((piece) => chunk("IDAT", piece))
    pieces = []
    return data
  }
  const rowsAtOnce = Math.max(1, Math.floor(PIECE / layout.width))
  return {
    rows: rowsAtOnce,
    start: [
      SIGNATURE,
      header(layout),
      ...(layout.colors === undefined ? [] : [chunk("PLTE", Uint8Array.from(layout.colors.flat()))])
    ],
    write: async (labels) => {
      await new Promise<void>((resolve, reject) => {
        deflate.write(scanlines(labels, layout), (error) => (error ? reject(error) : resolve()))
      })
      return taken()
    },
    end: async () => {
      await new Promise<void>((resolve, reject) => {
        deflate.once("end", resolve).once("error", reject)
        deflate.end()
      })
      return { pieces: [...taken(), chunk("IEND", new Uint8Array())], patch: undefined }
    },
    close: () => {
      deflate.destroy()
    }
  }
}
