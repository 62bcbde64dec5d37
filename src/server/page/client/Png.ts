/**
 * The numbers in a PNG, which a browser's own decoder turns into colours: ids of a mask are palette indexes or greys, and
 * what is drawn of them says nothing of the number.
 */
import type { Plane } from "./Result.ts"

export interface Png {
  readonly width: number
  readonly height: number
  /** `ids` of a grey or indexed picture; `colors` as `0xrrggbb` of one in colours. */
  readonly kind: "ids" | "colors"
  readonly data: Uint8Array | Uint16Array | Uint32Array
  /** Of an indexed picture: the colour of each index, as `0xrrggbb`. */
  readonly palette?: ReadonlyArray<number> | undefined
}

const signature = [137, 80, 78, 71, 13, 10, 26, 10]

/** Samples of a pixel, by colour type. */
const channels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

/** Reads a PNG; fails with a sentence. */
export const decode = async (file: Blob): Promise<Png> => {
  const bytes = new Uint8Array(await file.arrayBuffer())
  const view = new DataView(bytes.buffer)
  if (!signature.every((byte, at) => bytes[at] === byte)) throw new Error("It is no PNG")
  let [width, height, depth, type, interlaced] = [0, 0, 0, 0, 0]
  const parts: Array<Uint8Array<ArrayBuffer>> = []
  let palette: ReadonlyArray<number> | undefined
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at)
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    const start = at + 8
    if (start + length > bytes.length) throw new Error("It ends in its middle")
    if (name === "IHDR") {
      width = view.getUint32(start)
      height = view.getUint32(start + 4)
      depth = bytes[start + 8] ?? 0
      type = bytes[start + 9] ?? 0
      interlaced = bytes[start + 12] ?? 0
    } else if (name === "PLTE") palette = colorsOf(bytes.subarray(start, start + length))
    else if (name === "IDAT") parts.push(bytes.subarray(start, start + length))
    else if (name === "IEND") break
    at = start + length + 4
  }
  const samples = channels[type]
  if (samples === undefined || width === 0 || height === 0)
    throw new Error("It has no size or kind that a PNG has")
  if (interlaced !== 0) throw new Error("It is interlaced: save it without")
  if (width * height > 200_000_000) throw new Error("It has more than 200 megapixels")
  const bits = depth * samples
  const stride = Math.ceil((width * bits) / 8)
  const raw = new Uint8Array(
    await new Response(new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer()
  )
  if (raw.length < (stride + 1) * height) throw new Error("It ends in its middle")
  unfilter(raw, stride, height, Math.max(1, bits >> 3))
  const row = (y: number) => raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1))
  if (samples > 2) {
    const data = new Uint32Array(width * height)
    const wide = depth / 8
    for (let y = 0; y < height; y++) {
      const line = row(y)
      for (let x = 0; x < width; x++) {
        const at = x * samples * wide
        data[y * width + x] = (line[at]! << 16) | (line[at + wide]! << 8) | line[at + wide * 2]!
      }
    }
    return { width, height, kind: "colors", data }
  }
  const data = depth === 16 ? new Uint16Array(width * height) : new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    const line = row(y)
    for (let x = 0; x < width; x++) {
      const at = y * width + x
      if (depth === 16) data[at] = (line[x * samples * 2]! << 8) | line[x * samples * 2 + 1]!
      else if (depth === 8) data[at] = line[x * samples]!
      else {
        const shift = 8 - depth - ((x * depth) & 7)
        data[at] = (line[(x * depth) >> 3]! >> shift) & ((1 << depth) - 1)
      }
    }
  }
  return { width, height, kind: "ids", data, palette: type === 3 ? palette : undefined }
}

const colorsOf = (bytes: Uint8Array): ReadonlyArray<number> =>
  Array.from(
    { length: Math.floor(bytes.length / 3) },
    (_, at) => (bytes[at * 3]! << 16) | (bytes[at * 3 + 1]! << 8) | bytes[at * 3 + 2]!
  )

const unfilter = (raw: Uint8Array, stride: number, height: number, back: number): void => {
  for (let y = 0; y < height; y++) {
    const start = y * (stride + 1)
    const filter = raw[start]
    for (let x = 0; x < stride; x++) {
      const at = start + 1 + x
      const a = x >= back ? raw[at - back]! : 0
      const b = y > 0 ? raw[at - stride - 1]! : 0
      if (filter === 1) raw[at]! += a
      else if (filter === 2) raw[at]! += b
      else if (filter === 3) raw[at]! += (a + b) >> 1
      else if (filter === 4) {
        const c = x >= back && y > 0 ? raw[at - stride - 1 - back]! : 0
        const p = a + b - c
        const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)]
        raw[at]! += pa <= pb && pa <= pc ? a : pb <= pc ? b : c
      }
    }
  }
}

/** Ids as a plane; larger ones than 16 bits there are none. */
export const plane = ({ data, height, width }: Png): Plane | undefined =>
  data instanceof Uint32Array ? undefined : { width, height, data }
