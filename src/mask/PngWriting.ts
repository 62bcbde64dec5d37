/** PNG files of samples as they are, without filters, which suits ids best. `fflate` packs them. */
import { Bytes } from "effect"
import { zlibSync } from "fflate"
import { crc32 } from "./PngRows.ts"

/** What all PNG files begin with. */
export const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

/** A chunk: its length, name, data and checksum. */
export const chunk = (name: string, data: Uint8Array, checksum = crc32): Uint8Array => {
  const bytes = new Uint8Array(12 + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, data.length)
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i)
  bytes.set(data, 8)
  view.setUint32(8 + data.length, checksum(bytes.subarray(4, 8 + data.length)))
  return bytes
}

/** The number that a header has for samples of a pixel; one alone may be an index of colours. */
const colorTypes = { 1: 0, 2: 4, 3: 2, 4: 6, index: 3 } as const

export interface Shape {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** Bits per sample. */
  readonly depth: 1 | 2 | 4 | 8 | 16
  /** Samples of a pixel; one that is an `"index"` has colours. */
  readonly channels: keyof typeof colorTypes
}

/** The chunk that says what the picture is like. */
export const header = ({ channels, depth, height, width }: Shape): Uint8Array => {
  const data = new Uint8Array(13)
  const view = new DataView(data.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  data[8] = depth
  data[9] = colorTypes[channels]
  return chunk("IHDR", data)
}

/** The chunk behind which nothing comes. */
export const end = chunk("IEND", new Uint8Array())

export interface Options {
  /** Chunks before the pixels: the colours of an index, names. */
  readonly before?: ReadonlyArray<Uint8Array> | undefined
  /** 0 (store) to 9 (smallest). 3 by default. */
  readonly level?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | undefined
}

export interface Samples extends Shape, Options {
  /** `[height, width, channels]`; fewer than 8 bits are of one channel. */
  readonly data: ArrayLike<number>
}

/** The whole file. */
export const encode = ({ before, level, ...samples }: Samples): Uint8Array =>
  ofRows(samples, rowsOf(samples), { before, level })

/** The whole file of rows as it has them. */
export const ofRows = (shape: Shape, rows: Uint8Array, { before = [], level = 3 }: Options): Uint8Array =>
  Bytes.concat([signature, header(shape), ...before, chunk("IDAT", zlibSync(rows, { level })), end])

/** Rows as a file has them: a filter, of which there is none, and samples; the high byte of one first, or several to a byte. */
const rowsOf = ({ channels, data, depth, height, width }: Samples): Uint8Array => {
  const across = width * (channels === "index" ? 1 : channels)
  if (data.length !== across * height)
    throw new RangeError(
      `PNG: ${width} x ${height} pixels need ${across * height} samples, but there are ${data.length}`
    )
  const stride = 1 + Math.ceil((across * depth) / 8)
  const out = new Uint8Array(stride * height)
  for (let y = 0; y < height; y++) {
    const from = y * across
    const to = y * stride + 1
    if (depth === 8 && data instanceof Uint8Array) out.set(data.subarray(from, from + across), to)
    else if (depth === 8) for (let x = 0; x < across; x++) out[to + x] = data[from + x]!
    else if (depth === 16) {
      for (let x = 0; x < across; x++) {
        out[to + 2 * x] = data[from + x]! >> 8
        out[to + 2 * x + 1] = data[from + x]!
      }
    } else {
      for (let x = 0; x < across; x++) {
        const bit = x * depth
        out[to + (bit >> 3)]! |= data[from + x]! << (8 - depth - (bit & 7))
      }
    }
  }
  return out
}
