/**
 * Results kept for images that come again: the same bytes for the same model need no second run. The least recently
 * used go first once their label maps and confidences take more than they may.
 *
 * A result is large: 60 MB of 12 megapixels, 48 of which say how sure the model is of each pixel. Who answers with little keeps that
 * in its place ({@link ResultCache.kept}), within the same memory.
 *
 * Images are known by the SHA-256 of their bytes, taken off the event loop; failures are not kept.
 */
import { Effect, Metric } from "effect"
import type { Segmentation } from "../Segmentation.ts"
import * as Telemetry from "../TelemetryNames.ts"
import * as Hashing from "../jobs/Hashing.ts"

/** What is kept of one kind, by key. */
export interface Kept<A> {
  readonly find: (key: string) => A | undefined
  /** `bytes` is what it takes. Larger than the whole memory, it is not kept. */
  readonly keep: (key: string, value: A, bytes: number) => void
}

export interface ResultCache {
  /** What bytes are known by, for a model. */
  readonly keyOf: (model: string, image: Uint8Array) => Effect.Effect<string>
  readonly results: Kept<Segmentation>
  /** A kind of its own. */
  readonly kept: <A>() => Kept<A>
  readonly state: () => {
    readonly entries: number
    readonly bytes: number
  }
}

const lookups = Telemetry.servers.counter("segformer.cache.lookups")
export const hits = Metric.withAttributes(lookups, { [Telemetry.own.outcome]: "hit" })
export const misses = Metric.withAttributes(lookups, { [Telemetry.own.outcome]: "miss" })

interface Entry {
  readonly bytes: number
  readonly forget: () => void
}

/** What an entry takes besides its maps, in bytes: regions, pictures' headers, the objects themselves. */
export const overhead = 4096

/** What a result takes, in bytes. */
export const sizeOf = (segmentation: Segmentation): Effect.Effect<number> =>
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

const keyOf = (model: string, image: Uint8Array): Effect.Effect<string> =>
  Effect.map(Hashing.sha256(image), (digest) => `${digest} ${model}`)

/** A cache of at most so many bytes. */
export const make = (maxBytes: number): ResultCache => {
  // In the order of their last use: a `Map` keeps the order in which keys are set.
  const entries = new Map<string, Entry>()
  let bytes = 0
  let kinds = 0

  const remove = (id: string, entry: Entry) => {
    entries.delete(id)
    bytes -= entry.bytes
    entry.forget()
  }

  const add = (id: string, entry: Entry) => {
    entries.set(id, entry)
    bytes += entry.bytes
    for (const [oldest, entry] of entries) {
      if (bytes <= maxBytes) break
      remove(oldest, entry)
    }
  }

  const kept = <A>(): Kept<A> => {
    const values = new Map<string, A>()
    const kind = kinds++
    return {
      find: (key) => {
        const id = `${kind} ${key}`
        const entry = entries.get(id)
        if (entry === undefined) return undefined
        entries.delete(id)
        entries.set(id, entry)
        return values.get(key)
      },
      keep: (key, value, size) => {
        const id = `${kind} ${key}`
        const before = entries.get(id)
        if (before !== undefined) remove(id, before)
        if (size > maxBytes) return
        values.set(key, value)
        add(id, { bytes: size, forget: () => values.delete(key) })
      }
    }
  }

  return { keyOf, kept, results: kept(), state: () => ({ entries: entries.size, bytes }) }
}
