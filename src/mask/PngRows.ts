/** The pixels of a PNG, unpacked into the memory that they take: as many bytes as its header says, and no more. */
import * as Inflate from "./Inflate.ts"
import * as Steps from "./Steps.ts"

/** What a header says of rows. */
export interface Rows {
  readonly width: number
  readonly height: number
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly depth: number
  readonly channels: number
  /** Seven pictures one after the other, each of pixels between those before it. */
  readonly interlaced: boolean
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

/** A picture that is not interlaced is its only part. */
const partsOf = (
  rows: Rows
): ReadonlyArray<Rows & { readonly pass: readonly [number, number, number, number] }> =>
  (rows.interlaced ? passes : ([[0, 0, 1, 1]] as const)).flatMap((pass) => {
    const [x, y, dx, dy] = pass
    const width = Math.ceil((rows.width - x) / dx)
    const height = Math.ceil((rows.height - y) / dy)
    // Without columns there are no rows either, and no filters of theirs.
    return width > 0 && height > 0 ? [{ ...rows, width, height, pass }] : []
  })

/** Bytes of rows with their filters. */
export const sizeOf = (rows: Rows): number =>
  partsOf(rows).reduce((sum, part) => sum + (strideOf(part) + 1) * part.height, 0)

const adlerOn = (start: number, bytes: Uint8Array): number => {
  let low = start & 0xffff
  let high = start >>> 16
  for (let i = 0; i < bytes.length; i++) {
    low += bytes[i]!
    high += low
    // No sooner than after so many do they need more than 31 bits.
    if ((i & 2047) !== 2047) continue
    low %= 65_521
    high %= 65_521
  }
  return (((high % 65_521) << 16) | (low % 65_521)) >>> 0
}

/** Adler-32, the checksum behind what is packed. */
function* adlerSteps(bytes: Uint8Array): Steps.Steps<number> {
  let sum = 1
  for (let at = 0; at < bytes.length; at += Steps.pixelsPerStep) {
    if (at > 0) yield
    sum = adlerOn(sum, bytes.subarray(at, at + Steps.pixelsPerStep))
  }
  return sum
}

/** Whether this checksum stands there: what follows it belongs to nothing. */
const isSealed = (packed: Uint8Array, sum: number): boolean => {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  for (let at = packed.length - 4; at > 1; at--) if (view.getUint32(at) === sum) return true
  return false
}

/** Bytes behind the pixels that are unpacked for the checksum behind them: what goes on for longer belongs to nothing. */
export const mostBehind = 1 << 16

/** At most so many bytes, undefined where they are not packed as they should be; `room` has place for `mostBehind` more. */
export function* inflatedSteps(
  packed: Uint8Array,
  size: number,
  room = new Uint8Array(size + mostBehind)
): Steps.Steps<Uint8Array | undefined> {
  const length = yield* Inflate.inflateSteps(packed, room)
  if (length === undefined) return undefined
  const bytes = room.subarray(0, length)
  // Where there was no room for all, nobody knows what its checksum is of.
  if (length < room.length && !isSealed(packed, yield* adlerSteps(bytes))) return undefined
  return bytes.subarray(0, size)
}

/** The same at once. Valid until the next call. */
export const inflated = (packed: Uint8Array, size: number): Uint8Array | undefined => {
  const room = size + mostBehind
  return Steps.runSync(
    inflatedSteps(packed, size, room <= scratch.length ? scratch.subarray(0, room) : undefined)
  )
}

/** Samples of rows that were inflated, below 8 bits several to a byte; or what is wrong with them. */
export function* unfiltered(space: Uint8Array, rows: Rows): Steps.Steps<Uint8Array | Uint16Array | string> {
  const { channels, depth, height } = rows
  if (space.length < sizeOf(rows)) return "its data ends before its pixels do"
  const stride = strideOf(rows)
  // Filters look back a whole sample of each channel.
  const back = Math.ceil((channels * depth) / 8)
  const out = new Uint8Array(stride * height)
  let at = 0
  for (const { pass, ...part } of partsOf(rows)) {
    const [left, top, dx, dy] = pass
    const length = strideOf(part)
    const unpacked = rows.interlaced ? new Uint8Array(length * part.height) : out
    const pause = Steps.rowsPerStep(length)
    for (let y = 0; y < part.height; y++, at += length + 1) {
      if (y % pause === pause - 1) yield
      const row = space.subarray(at + 1, at + 1 + length)
      if (!unfilter(space[at]!, row, unpacked, y * length, back))
        return `it is broken (a row of it has filter ${space[at]}, which there is not)`
      if (!rows.interlaced) continue
      for (let x = 0, from = y * length; x < part.width; x++) {
        const to = (top + y * dy) * stride + (left + x * dx) * back
        for (let i = 0; i < back; i++) out[to + i] = unpacked[from++]!
      }
    }
  }
  if (depth < 16) return out
  const pause = Steps.rowsPerStep(stride)
  if (isLittleEndian) {
    for (let y = 0; y < height; y++) {
      if (y % pause === pause - 1) yield
      swap(out, y * stride, stride)
    }
  }
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
