/** Small bodies that decompress to very many zeros, for `FaultyService`. Each is made once in a process. */
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { createBrotliCompress, createDeflate, createGzip, createZstdCompress, constants } from "node:zlib"

export type Encoding = "gzip" | "deflate" | "br" | "zstd"

const compressors = {
  gzip: () => createGzip({ level: 1 }),
  deflate: () => createDeflate({ level: 1 }),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: () => createZstdCompress()
}

const made = new Map<string, Promise<Uint8Array>>()

const zeros = new Uint8Array(1024 * 1024)

/** The compressed body of so many zeros. */
export const make = (encoding: Encoding, bytes: number): Promise<Uint8Array> => {
  const key = `${encoding} ${bytes}`
  const known = made.get(key)
  if (known !== undefined) return known
  const body = compress(encoding, bytes)
  made.set(key, body)
  return body
}

const compress = (encoding: Encoding, bytes: number): Promise<Uint8Array> =>
  buffer(Readable.from(repeat(zeros, bytes)).pipe(compressors[encoding]()))

/** So many bytes: a piece again and again, the last time as much of it as is left. */
export function* repeat(piece: Uint8Array, bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left)
}
