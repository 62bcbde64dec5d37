/** PNGs with chunks that no encoder here writes, made by hand. */
import { crc32, deflateSync } from "node:zlib"

export const chunk = (name: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data])
  const ends = Buffer.alloc(8)
  ends.writeUInt32BE(data.length, 0)
  ends.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
}

export interface Parts {
  readonly width: number
  readonly height: number
  readonly depth?: 1 | 2 | 4 | 8 | 16
  /** As the header has it: 0 grey, 2 RGB, 3 a palette, 4 grey and alpha, 6 RGBA. */
  readonly colorType: 0 | 2 | 3 | 4 | 6
  /** Rows of samples as they are stored, without their filters. */
  readonly rows: Uint8Array
  /** What stands between the header and the pixels. */
  readonly chunks?: ReadonlyArray<Uint8Array>
}

export const png = ({ chunks = [], colorType, depth = 8, height, rows, width }: Parts): Buffer => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colorType], 8)
  const stride = rows.length / height
  const filtered = Array.from({ length: height }, (_, y) => [
    Buffer.of(0),
    rows.subarray(y * stride, (y + 1) * stride)
  ]).flat()
  return Buffer.concat([
    Buffer.of(137, 80, 78, 71, 13, 10, 26, 10),
    chunk("IHDR", header),
    ...chunks,
    chunk("IDAT", deflateSync(Buffer.concat(filtered))),
    chunk("IEND", Buffer.alloc(0))
  ])
}
