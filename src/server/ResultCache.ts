/**
 * Results kept for images that come again: the same bytes for the same model need no second run. The least recently
 * used go first once their label maps and confidences take more than they may.
 *
 * Images are known by the SHA-256 of their bytes, taken off the event loop; failures are not kept.
 */
import { Effect, Metric } from "effect"
import type { Segmentation } from "../Segmentation.ts"
import * as Telemetry from "../TelemetryNames.ts"

export interface ResultCache {
  /** The result known for these bytes and this model, or that of `make`. */
  readonly get: <E, R>(
    model: string,
    image: Uint8Array,
    make: Effect.Effect<Segmentation, E, R>
  ) => Effect.Effect<Segmentation, E, R>
  readonly state: () => {
    readonly entries: number
    readonly bytes: number
  }
}

const lookups = Telemetry.servers.counter("segformer.cache.lookups")
const hits = Metric.withAttributes(lookups, { [Telemetry.own.outcome]: "hit" })
const misses = Metric.withAttributes(lookups, { [Telemetry.own.outcome]: "miss" })

interface Entry {
  readonly segmentation: Segmentation
  readonly bytes: number
}

/** What an entry takes besides its maps, in bytes: regions, pictures' headers, the objects themselves. */
const overhead = 4096

const sizeOf = (segmentation: Segmentation): Effect.Effect<number> =>
  Effect.map(
    Effect.orElseSucceed(segmentation.labelMap, () => undefined),
    (map) => {
      const { combined, mask, overlay } = segmentation.pictures
      return (
        overhead +
        (map?.data.byteLength ?? 0) +
        (segmentation.confidence?.data.byteLength ?? 0) +
        (combined?.byteLength ?? 0) +
        (mask?.byteLength ?? 0) +
        (overlay?.byteLength ?? 0)
      )
    }
  )

/** The platform takes no memory that threads share; bodies never are in such. */
const owned = (image: Uint8Array): Uint8Array<ArrayBuffer> =>
  image.buffer instanceof ArrayBuffer
    ? new Uint8Array(image.buffer, image.byteOffset, image.byteLength)
    : new Uint8Array(image)

const keyOf = (model: string, image: Uint8Array): Effect.Effect<string> =>
  Effect.promise(async () => {
    const digest = await crypto.subtle.digest("SHA-256", owned(image))
    return `${Buffer.from(digest).toString("base64")} ${model}`
  })

/** A cache of at most so many bytes. */
export const make = (maxBytes: number): ResultCache => {
  // In the order of their last use: a `Map` keeps the order in which keys are set.
  const entries = new Map<string, Entry>()
  let bytes = 0

  const remove = (key: string, entry: Entry) => {
    entries.delete(key)
    bytes -= entry.bytes
  }

  const keep = (key: string, entry: Entry) => {
    const before = entries.get(key)
    if (before !== undefined) remove(key, before)
    if (entry.bytes > maxBytes) return
    entries.set(key, entry)
    bytes += entry.bytes
    for (const [oldest, entry] of entries) {
      if (bytes <= maxBytes) break
      remove(oldest, entry)
    }
  }

  return {
    get: Effect.fnUntraced(function* (model, image, make) {
      const key = yield* keyOf(model, image)
      const known = entries.get(key)
      if (known !== undefined) {
        yield* Metric.update(hits, 1)
        entries.delete(key)
        entries.set(key, known)
        return known.segmentation
      }
      yield* Metric.update(misses, 1)
      const segmentation = yield* make
      keep(key, { segmentation, bytes: yield* sizeOf(segmentation) })
      return segmentation
    }),
    state: () => ({ entries: entries.size, bytes })
  }
}
