/**
 * The label PNG of a map of any size without holding others up: its rows are laid out in slices, and many of them are
 * packed off the event loop. Read by `LabelPng.decode` and everything else that reads PNG.
 */
import { promisify } from "node:util"
import { crc32, deflate, deflateSync } from "node:zlib"
import { Effect } from "effect"
import type { LabelMap } from "../mask/LabelMap.ts"
import { MaskNotDecodable } from "../mask/MaskError.ts"
import { colorOf, type Palette } from "../mask/Palette.ts"
import * as Steps from "../mask/Steps.ts"

const packAsync = promisify(deflate)

/** Rows of up to so many bytes are laid out and packed at once, in a few milliseconds, and in the same memory. */
const most = 1024 * 1024
const scratch = new Uint8Array(most)

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

const chunk = (type: string, data: Uint8Array): Buffer => {
  const out = Buffer.alloc(data.length + 12)
  out.writeUInt32BE(data.length, 0)
  out.write(type, 4, "latin1")
  out.set(data, 8)
  out.writeUInt32BE(crc32(out.subarray(4, data.length + 8)), data.length + 8)
  return out
}

interface Rows {
  readonly depth: 8 | 16
  /** The most that occurs. */
  readonly maxId: number
  /** Each row with the byte of its filter before it: none, which suits flat areas best. */
  readonly bytes: Uint8Array
}

function* layOut({ data, height, width }: LabelMap, space?: Uint8Array): Steps.Steps<Rows> {
  const step = Steps.rowsPerStep(width)
  let maxId = 0
  for (let y = 0; y < height; y++) {
    for (let at = y * width; at < (y + 1) * width; at++) if (data[at]! > maxId) maxId = data[at]!
    if (y % step === step - 1) yield
  }
  const depth = maxId <= 0xff ? 8 : 16
  const stride = (width * depth) / 8 + 1
  const bytes = space?.subarray(0, stride * height) ?? new Uint8Array(stride * height)
  for (let y = 0; y < height; y++) {
    let to = y * stride
    bytes[to++] = 0
    if (depth === 8) bytes.set(data.subarray(y * width, (y + 1) * width), to)
    else {
      for (let at = y * width; at < (y + 1) * width; at++) {
        bytes[to++] = data[at]! >> 8
        bytes[to++] = data[at]! & 0xff
      }
    }
    if (y % step === step - 1) yield
  }
  return { depth, maxId, bytes }
}

/** The file: indexed, in the colours of the palette; grey of 16 bits where an id needs them. */
export const encode = (map: LabelMap, palette: Palette): Effect.Effect<Uint8Array, MaskNotDecodable> =>
  // Two bytes a pixel and one a row, if need be.
  (map.width * 2 + 1) * map.height <= most
    ? Effect.suspend(() => {
        const rows = Steps.runSync(layOut(map, scratch))
        // A small window is enough, and spares an allocation of a quarter of a megabyte.
        return rows.maxId > 0xffff
          ? tooLarge(rows)
          : Effect.succeed(
              file(map, palette, rows, deflateSync(rows.bytes, { level: 3, windowBits: 13, memLevel: 6 }))
            )
      })
    : Effect.flatMap(
        Steps.run(() => layOut(map)),
        (rows) =>
          rows.maxId > 0xffff
            ? tooLarge(rows)
            : Effect.map(
                Effect.promise(() => packAsync(rows.bytes, { level: 3 })),
                (packed) => file(map, palette, rows, packed)
              )
      )

const tooLarge = ({ maxId }: Rows) => {
  const detail = `id ${maxId} does not fit a PNG, which has at most 16 bits a pixel`
  return Effect.fail(new MaskNotDecodable({ mask: "label map", detail }))
}

const file = (
  { height, width }: LabelMap,
  palette: Palette,
  { depth, maxId }: Rows,
  packed: Uint8Array
): Uint8Array => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = depth
  header[9] = depth === 8 ? 3 : 0
  const last = palette.reduce((most, { id }) => (id <= 0xff && id > most ? id : most), maxId)
  const colors = depth === 8 ? Array.from({ length: last + 1 }, (_, id) => colorOf(palette, id)).flat() : []
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    ...(depth === 8 ? [chunk("PLTE", Uint8Array.from(colors))] : []),
    chunk("IDAT", packed),
    chunk("IEND", new Uint8Array())
  ])
}
