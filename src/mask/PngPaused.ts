/**
 * Large PNGs read where others wait for their turn: inflated beside the event loop where the platform does that, and put together in
 * steps. Apart from `PngFile`, for those who read at once.
 */
import { Effect } from "effect"
import type { MaskNotDecodable } from "./MaskError.ts"
import * as PngFile from "./PngFile.ts"
import * as PngRows from "./PngRows.ts"
import * as Steps from "./Steps.ts"

/** What is read at once: it takes a few milliseconds. */
const fewPixels = 1 << 18
const fewBytes = 1 << 14

/** What `PngFile.read` gives, while others have their turn. */
export const read = Effect.fnUntraced(function* (
  bytes: Uint8Array,
  name: string,
  maxPixels?: number
): Effect.fn.Return<PngFile.Picture, MaskNotDecodable> {
  const file = yield* Effect.fromResult(PngFile.prepare(bytes, name, maxPixels))
  const { height, width } = file.header
  if (width * height <= fewPixels && bytes.length <= fewBytes)
    return yield* Effect.fromResult(PngFile.read(bytes, name, maxPixels))
  const parts = yield* Effect.flatMap(
    Steps.run(() => PngFile.partsOf(file)),
    Effect.fromResult
  )
  const size = PngRows.sizeOf(file.header)
  const streamed = yield* inflate(parts.packed, size)
  // The stream refuses bytes after the data, too: what it gives nothing for is judged as it is at once, if in steps.
  const space = streamed ?? (yield* Steps.run(() => PngRows.inflatedSteps(parts.packed, size)))
  return yield* Effect.flatMap(
    Steps.run(() => PngFile.pictureOf(file, parts, space)),
    Effect.fromResult
  )
})

/** At most so many bytes, undefined where they are not packed as they should be. */
const inflate = (packed: Uint8Array, size: number): Effect.Effect<Uint8Array | undefined> =>
  Effect.promise(async (signal) => {
    if (typeof DecompressionStream === "undefined") return undefined
    const out = new Uint8Array(size)
    const reader = new Blob([new Uint8Array(packed)])
      .stream()
      .pipeThrough(new DecompressionStream("deflate"), { signal })
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
  })
