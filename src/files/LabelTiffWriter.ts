/**
 * A label map as tiled TIFF, written band by band: tiles of 256 x 256 pixels, each deflated alone, so that readers get any
 * part of it cheaply. Pixels are class ids as they are. BigTIFF where the file might pass 4 GiB.
 */
import { endianness } from "node:os"
import { promisify } from "node:util"
import { deflate } from "node:zlib"
import * as Palette from "../mask/Palette.ts"
import { bytesOf, type Layout, type Writer } from "./LabelWriter.ts"

const TILE = 256
/** Tiles that are deflated side by side. */
const AT_ONCE = 8
const SHORT = 3
const LONG = 4
const LONG8 = 16

const deflated = promisify(deflate)

/** A tile of a row of tiles; what lies outside the picture is 0. */
const tileOf = (samples: Uint8Array, column: number, { depth, width }: Layout): Uint8Array => {
  const bytes = depth / 8
  const stride = width * bytes
  const tile = Buffer.alloc(TILE * TILE * bytes)
  const from = column * TILE * bytes
  const to = Math.min(stride, from + TILE * bytes)
  for (let y = 0; y * stride < samples.length; y++) {
    tile.set(samples.subarray(y * stride + from, y * stride + to), y * TILE * bytes)
  }
  if (bytes === 2 && endianness() === "BE") tile.swap16()
  return tile
}

type Field = readonly [
  tag: number,
  type: typeof SHORT | typeof LONG | typeof LONG8,
  values: ReadonlyArray<number>
]

/** The directory at `at`, values that do not fit into it behind it. */
const directory = (fields: ReadonlyArray<Field>, at: number, big: boolean): Buffer => {
  const [countBytes, entryBytes, offsetBytes] = big ? [8, 20, 8] : [2, 12, 4]
  const sizes = new Map<number, number>([
    [SHORT, 2],
    [LONG, 4],
    [LONG8, 8]
  ])
  const sizeOf = ([, type, values]: Field) => sizes.get(type)! * values.length
  const head = countBytes + fields.length * entryBytes + offsetBytes
  const outside = fields.reduce((sum, field) => sum + (sizeOf(field) > offsetBytes ? sizeOf(field) : 0), 0)
  const out = Buffer.alloc(head + outside)
  const put = (value: number, size: number, where: number) => {
    if (size === 8) out.writeBigUInt64LE(BigInt(value), where)
    else out.writeUIntLE(value, where, size)
  }
  put(fields.length, countBytes, 0)
  let free = head
  fields.forEach((field, index) => {
    const [tag, type, values] = field
    const entry = countBytes + index * entryBytes
    put(tag, 2, entry)
    put(type, 2, entry + 2)
    put(values.length, offsetBytes, entry + 4)
    let where = entry + 4 + offsetBytes
    if (sizeOf(field) > offsetBytes) {
      put(at + free, offsetBytes, where)
      where = free
      free += sizeOf(field)
    }
    const size = sizes.get(type)!
    values.forEach((value, i) => put(value, size, where + i * size))
  })
  return out
}

/** Deflate may grow what it cannot compress. */
const mayPass4GiB = ({ depth, height, width }: Layout): boolean =>
  width * height * (depth / 8) > 0.9 * 2 ** 32

/** `big` is for tests of what else would take gigabytes. */
export const make = (layout: Layout, big = mayPass4GiB(layout)): Writer => {
  const { depth, height, width } = layout
  const colors = layout.palette && Palette.toBytes(layout.palette, 256)
  const start = Buffer.alloc(big ? 16 : 8)
  start.write("II", "latin1")
  start.writeUInt16LE(big ? 43 : 42, 2)
  if (big) start.writeUInt16LE(8, 4)
  const offsets: Array<number> = []
  const lengths: Array<number> = []
  let at = start.length

  const fields = (): ReadonlyArray<Field> => [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, [depth]],
    // Deflate, as Adobe has it.
    [259, SHORT, [8]],
    // Black is zero, or a palette.
    [262, SHORT, [colors === undefined ? 1 : 3]],
    [277, SHORT, [1]],
    [284, SHORT, [1]],
    ...(colors === undefined
      ? []
      : [
          [
            320,
            SHORT,
            [0, 1, 2].flatMap((c) => Array.from({ length: 256 }, (_, id) => colors[id * 3 + c]! * 257))
          ] satisfies Field
        ]),
    [322, SHORT, [TILE]],
    [323, SHORT, [TILE]],
    [324, big ? LONG8 : LONG, offsets],
    [325, LONG, lengths],
    // Unsigned integers.
    [339, SHORT, [1]]
  ]

  return {
    rows: TILE,
    start: [start],
    write: async (labels) => {
      const samples = bytesOf(labels)
      const tiles: Array<Uint8Array> = []
      const columns = Math.ceil(width / TILE)
      for (let column = 0; column < columns; column += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, columns - column) }, (_, i) =>
          deflated(tileOf(samples, column + i, layout))
        )
        for (const tile of await Promise.all(some)) {
          offsets.push(at)
          lengths.push(tile.length)
          at += tile.length
          tiles.push(tile)
        }
      }
      return tiles
    },
    end: () => {
      // Directories stand at even places.
      const gap = Buffer.alloc(at % 2)
      const bytes = Buffer.alloc(big ? 8 : 4)
      if (big) bytes.writeBigUInt64LE(BigInt(at + gap.length))
      else bytes.writeUInt32LE(at + gap.length)
      return Promise.resolve({
        pieces: [gap, directory(fields(), at + gap.length, big)],
        patch: { at: big ? 8 : 4, bytes }
      })
    },
    close: () => {}
  }
}
