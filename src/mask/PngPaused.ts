/**
 * Large PNGs read where others wait for their turn: inflated beside the event loop where the platform does that, and put together in
 * steps. Apart from `PngFile`, for those who read at once.
 */
import { Effect } from "effect"
import type { MaskNotDecodable } from "./MaskError.ts"
import * as PngAside from "./PngAside.ts"
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
  const streamed = yield* Effect.promise((signal) => PngAside.inflate(parts.packed, size, signal))
  // The stream refuses bytes after the data, too: what it gives nothing for is judged as it is at once, if in steps.
  const space = streamed ?? (yield* Steps.run(() => PngRows.inflatedSteps(parts.packed, size)))
  return yield* Effect.flatMap(
    Steps.run(() => PngFile.pictureOf(file, parts, space)),
    Effect.fromResult
  )
})
