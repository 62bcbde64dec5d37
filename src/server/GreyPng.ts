/**
 * Grey PNG files whose pixels are class ids, or 255 in one class and 0 outside: their rows are laid out in slices and
 * packed off the event loop. `LabelPng` makes the same at once, wherever there is JavaScript.
 */
import { promisify } from "node:util"
import { crc32, deflate } from "node:zlib"
import { Effect } from "effect"
import type { ClassTable } from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Steps from "../mask/Steps.ts"
import { Refusal } from "./Refusal.ts"

const pack = promisify(deflate)

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

const chunk = (type: string, data: Uint8Array): Buffer => {
  const out = Buffer.alloc(data.length + 12)
  out.writeUInt32BE(data.length, 0)
  out.write(type, 4, "latin1")
  out.set(data, 8)
  out.writeUInt32BE(crc32(out.subarray(4, data.length + 8)), data.length + 8)
  return out
}

/**
 * The file of rows that each start with a byte for their filter: none, which suits flat areas best. With a palette
 * (red, green, blue of each index) it is an indexed picture.
 */
const file = (
  width: number,
  height: number,
  depth: 8 | 16,
  rows: Uint8Array,
  palette?: Uint8Array
): Effect.Effect<Uint8Array> =>
  Effect.map(
    Effect.promise(() => pack(rows, { level: 3 })),
    (packed) => {
      const header = Buffer.alloc(13)
      header.writeUInt32BE(width, 0)
      header.writeUInt32BE(height, 4)
      header[8] = depth
      if (palette !== undefined) header[9] = 3
      return Buffer.concat([
        signature,
        chunk("IHDR", header),
        ...(palette === undefined ? [] : [chunk("PLTE", palette)]),
        chunk("IDAT", packed),
        chunk("IEND", new Uint8Array())
      ])
    }
  )

function* maskRows(map: LabelMap, id: number, rows: Uint8Array): Steps.Steps<Uint8Array> {
  const { data, height, width } = map
  const step = Steps.rowsPerStep(width)
  for (let y = 0; y < height; y++) {
    let to = y * (width + 1) + 1
    for (let at = y * width; at < (y + 1) * width; at++) rows[to++] = data[at] === id ? 255 : 0
    if (y % step === step - 1) yield
  }
  return rows
}

function* idRows(map: LabelMap, depth: 8 | 16): Steps.Steps<Uint8Array> {
  const { data, height, width } = map
  const stride = (width * depth) / 8 + 1
  const rows = new Uint8Array(stride * height)
  const step = Steps.rowsPerStep(width)
  for (let y = 0; y < height; y++) {
    let to = y * stride + 1
    if (depth === 8) rows.set(data.subarray(y * width, (y + 1) * width), to)
    else {
      for (let at = y * width; at < (y + 1) * width; at++) {
        rows[to++] = data[at]! >> 8
        rows[to++] = data[at]! & 0xff
      }
    }
    if (y % step === step - 1) yield
  }
  return rows
}

/** A file for each class, `[height, width]`, 8 bits: 255 where a pixel is of the class, 0 elsewhere. */
export const masks = (map: LabelMap, ids: Iterable<number>): Effect.Effect<ReadonlyArray<Uint8Array>> =>
  Effect.suspend(() => {
    // One after the other in the same memory: classes are many, and a large image's rows are megabytes.
    const rows = new Uint8Array((map.width + 1) * map.height)
    return Effect.forEach(ids, (id) =>
      Effect.flatMap(
        Steps.run(() => maskRows(map, id, rows)),
        () => file(map.width, map.height, 8, rows)
      )
    )
  })

/**
 * `[height, width]`, the value of a pixel its class id: 8 bits, or 16 where `maxId` needs them. With a palette the
 * pixels have colours besides, where 8 bits are enough.
 */
export const ids = (
  map: LabelMap,
  maxId: number,
  palette?: ClassTable
): Effect.Effect<Uint8Array, Refusal> => {
  if (maxId > 0xffff) {
    const detail = `The class id ${maxId} does not fit a picture of 16 bits`
    return Effect.fail(new Refusal({ status: 500, detail }))
  }
  const depth = maxId > 0xff ? 16 : 8
  return Effect.flatMap(
    Steps.run(() => idRows(map, depth)),
    (rows) =>
      file(
        map.width,
        map.height,
        depth,
        rows,
        palette === undefined || depth === 16 ? undefined : Palette.toBytes(palette, maxId + 1)
      )
  )
}
