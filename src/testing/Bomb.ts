/** Small bodies that decompress to very many zeros, for `FaultyService`. Each is made once in a process. */
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

const compress = async (encoding: Encoding, bytes: number): Promise<Uint8Array> => {
  const compressor = compressors[encoding]()
  const parts: Array<Uint8Array> = []
  compressor.on("data", (part: Uint8Array) => parts.push(part))
  const ended = new Promise<void>((resolve, reject) => {
    compressor.on("end", resolve)
    compressor.on("error", reject)
  })
  for (let left = bytes; left > 0; left -= zeros.length) {
    if (!compressor.write(left >= zeros.length ? zeros : zeros.subarray(0, left))) {
      await new Promise<void>((resolve) => void compressor.once("drain", resolve))
    }
  }
  compressor.end()
  await ended
  return Buffer.concat(parts)
}
