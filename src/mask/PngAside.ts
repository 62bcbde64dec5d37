/** PNGs that the platform unpacks beside whoever waits, some times as fast as it is done here. */
import { Result } from "effect"
import type { MaskNotDecodable } from "./MaskError.ts"
import * as PngFile from "./PngFile.ts"
import * as PngRows from "./PngRows.ts"
import * as Steps from "./Steps.ts"

/** At most so many bytes; undefined where they are not packed as they should be, or the platform unpacks nothing. */
export const inflate = async (
  packed: Uint8Array,
  size: number,
  signal?: AbortSignal
): Promise<Uint8Array | undefined> => {
  if (typeof DecompressionStream === "undefined") return undefined
  const out = new Uint8Array(size)
  const reader = new Blob([new Uint8Array(packed)])
    .stream()
    .pipeThrough(new DecompressionStream("deflate"), signal === undefined ? {} : { signal })
    .getReader()
  let at = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return out.subarray(0, at)
      if (at < size) out.set(value.subarray(0, size - at), at)
      at += value.length
      // What goes on behind the pixels belongs to nothing, and may go on for minutes.
      if (at >= size + PngRows.mostBehind) break
    }
    await reader.cancel()
    return out
  } catch {
    // What it is that is wrong is told by nothing.
  }
  return undefined
}

/** What `PngFile.read` gives. */
export const read = async (
  bytes: Uint8Array,
  name: string,
  maxPixels?: number
): Promise<Result.Result<PngFile.Picture, MaskNotDecodable>> => {
  const file = PngFile.prepare(bytes, name, maxPixels)
  if (Result.isFailure(file)) return Result.fail(file.failure)
  const parts = Steps.runSync(PngFile.partsOf(file.success))
  if (Result.isFailure(parts)) return Result.fail(parts.failure)
  const size = PngRows.sizeOf(file.success.header)
  const { packed } = parts.success
  // The stream refuses bytes after the data, too: what it gives nothing for is judged as it is at once.
  const space = (await inflate(packed, size)) ?? PngRows.inflated(packed, size)
  return Steps.runSync(PngFile.pictureOf(file.success, parts.success, space))
}
