/**
 * What zlib packs, unpacked into memory that is there, and not much further: a byte of it may be a thousand, and `fflate` at once goes on to
 * the end, for minutes.
 */
import { Unzlib } from "fflate"
import * as Steps from "./Steps.ts"

/** Bytes that are unpacked between two pauses: they give 17 million at most. */
const piece = 1 << 14
/** Pieces that give nothing: a block that is copied is no longer than four, and what goes on without any gives nothing more. */
const patience = 6

/** How many bytes of `out` were made until it was full, or nothing came any more; undefined where they are not packed as they should be. */
export function* inflateSteps(packed: Uint8Array, out: Uint8Array): Steps.Steps<number | undefined> {
  let length = 0
  const stream = new Unzlib((bytes) => {
    out.set(bytes.subarray(0, out.length - length), length)
    length = Math.min(out.length, length + bytes.length)
  })
  let idle = 0
  for (let at = 0; at < packed.length && length < out.length && idle < patience; at += piece) {
    if (at > 0) yield
    const before = length
    try {
      // The checksum is for the caller to look at, so none is the last piece.
      stream.push(packed.subarray(at, at + piece))
    } catch {
      return undefined
    }
    idle = length > before ? 0 : idle + 1
  }
  return length
}

/** The same at once. */
export const inflate = Steps.sync(inflateSteps)
