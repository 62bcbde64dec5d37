/**
 * The usual PNG, unpacked in the memory that its pixels take: not interlaced, each chunk whole, as many bytes as its header
 * says. `fast-png` takes ten times as much, since it unpacks what comes bit by bit; it judges whatever is unusual.
 */
import { unzlibSync } from "fflate"
import * as Steps from "./Steps.ts"

/** What a header says of rows. */
export interface Rows {
  readonly width: number
  readonly height: number
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly depth: number
  readonly channels: number
}

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

const crcOn = (start: number, bytes: Uint8Array): number => {
  let crc = start
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8)
  return crc
}

/** CRC-32, the checksum of a chunk: of its name and its data. */
export const crc32 = (bytes: Uint8Array): number => ~crcOn(-1, bytes) >>> 0

/** Whether a chunk (its length, name, data and checksum) is as it was written. */
export function* wholeSteps(chunk: Uint8Array): Steps.Steps<boolean> {
  const end = chunk.length - 4
  const said = new DataView(chunk.buffer, chunk.byteOffset, chunk.length).getUint32(end)
  let crc = -1
  for (let at = 4; at < end; at += Steps.pixelsPerStep) {
    if (at > 4) yield
    crc = crcOn(crc, chunk.subarray(at, Math.min(end, at + Steps.pixelsPerStep)))
  }
  return said === ~crc >>> 0
}

/** The same at once. */
export const isWhole = Steps.sync(wholeSteps)

/** Rows of up to this many bytes are unpacked into the same memory each time. */
const scratch = new Uint8Array(1024 * 1024)

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

const strideOf = ({ channels, depth, width }: Rows): number => Math.ceil((width * channels * depth) / 8)

/** Bytes of rows with their filters. */
export const sizeOf = (rows: Rows): number => (rows.width === 0 ? 0 : (strideOf(rows) + 1) * rows.height)

/** First column and row, and steps, of the seven pictures that an interlaced one is. */
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2]
] as const

/** The same of an interlaced picture. */
const interlacedSizeOf = (rows: Rows): number =>
  passes.reduce((sum, [x, y, dx, dy]) => {
    const width = Math.ceil((rows.width - x) / dx)
    return sum + sizeOf({ ...rows, width, height: Math.ceil((rows.height - y) / dy) })
  }, 0)

/** At most so many bytes, undefined where they are not packed as they should be. Valid until the next call. */
export const inflated = (packed: Uint8Array, size: number): Uint8Array | undefined => {
  const out = size <= scratch.length ? scratch.subarray(0, size) : new Uint8Array(size)
  try {
    return unzlibSync(packed, { out })
  } catch {
    return undefined
  }
}

/** Whether an interlaced picture has fewer bytes than its pixels take. */
export const isShort = (packed: Uint8Array, rows: Rows): boolean => {
  const size = interlacedSizeOf(rows)
  const space = inflated(packed, size)
  return space !== undefined && space.length < size
}

/**
 * Samples of rows as they are packed in a file; below 8 bits several to a byte. `"short"` where there are fewer than there
 * are pixels, undefined where they are not the usual.
 */
export const unpack = (packed: Uint8Array, rows: Rows): Unpacked =>
  Steps.runSync(unfiltered(inflated(packed, sizeOf(rows)), rows))

export type Unpacked = Uint8Array | Uint16Array | "short" | undefined

/** The same of rows with their filters, if they could be inflated. */
export function* unfiltered(space: Uint8Array | undefined, rows: Rows): Steps.Steps<Unpacked> {
  const { channels, depth, height } = rows
  const stride = strideOf(rows)
  if (space === undefined) return undefined
  if (space.length < sizeOf(rows)) return "short"
  const out = new Uint8Array(stride * height)
  const pause = Steps.rowsPerStep(stride)
  // Filters look back a whole sample of each channel.
  const back = Math.ceil((channels * depth) / 8)
  for (let y = 0; y < height; y++) {
    if (y % pause === pause - 1) yield
    const from = y * (stride + 1) + 1
    const row = space.subarray(from, from + stride)
    if (!unfilter(space[from - 1]!, row, out, y * stride, back)) return undefined
    if (depth === 16 && isLittleEndian && y > 0) swap(out, (y - 1) * stride, stride)
  }
  if (depth < 16) return out
  // A row is the one that the next is told from, until that is done.
  if (isLittleEndian) swap(out, (height - 1) * stride, stride)
  return new Uint16Array(out.buffer)
}

/** The bytes of samples of 16 bits in the other order, in place. */
const swap = (bytes: Uint8Array, from: number, length: number): void => {
  for (let i = from; i < from + length; i += 2) {
    const high = bytes[i]!
    bytes[i] = bytes[i + 1]!
    bytes[i + 1] = high
  }
}

/** Puts a row in its place, by the row before it; false where there is no such filter. */
const unfilter = (filter: number, row: Uint8Array, out: Uint8Array, at: number, back: number): boolean => {
  const { length } = row
  // Above the first row all is 0.
  const above = at - length
  const isFirst = above < 0
  switch (filter) {
    case 0:
      out.set(row, at)
      return true
    case 1:
      for (let i = 0; i < length; i++) out[at + i] = row[i]! + (i < back ? 0 : out[at + i - back]!)
      return true
    case 2:
      if (isFirst) out.set(row, at)
      else for (let i = 0; i < length; i++) out[at + i] = row[i]! + out[above + i]!
      return true
    case 3:
      for (let i = 0; i < length; i++) {
        const left = i < back ? 0 : out[at + i - back]!
        out[at + i] = row[i]! + ((left + (isFirst ? 0 : out[above + i]!)) >> 1)
      }
      return true
    case 4:
      for (let i = 0; i < length; i++) {
        const left = i < back ? 0 : out[at + i - back]!
        const up = isFirst ? 0 : out[above + i]!
        out[at + i] = row[i]! + paeth(left, up, isFirst || i < back ? 0 : out[above + i - back]!)
      }
      return true
    default:
      return false
  }
}

/** Of left, up and what lies between them, that which is nearest to left + up - between; in this order where two are. */
const paeth = (left: number, up: number, between: number): number => {
  const toLeft = Math.abs(up - between)
  const toUp = Math.abs(left - between)
  const toBetween = Math.abs(left + up - 2 * between)
  return toLeft <= toUp && toLeft <= toBetween ? left : toUp <= toBetween ? up : between
}
