/** An image that comes as a stream of bytes. */
import { Effect, Stream } from "effect"
import { concat } from "../service/Body.ts"
import { type Image, type ImageLimits, within } from "./Image.ts"
import { type ImageError, ImageNotReadable } from "./ImageError.ts"
import { fromMemory } from "./ImageOpening.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"

/** Collects it, up to the limit. */
export const open = <E, R>(
  name: string,
  data: Stream.Stream<Uint8Array, E, R>,
  limits: ImageLimits
): Effect.Effect<Image, ImageError | CodeNotLoaded, R> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let seen = 0
    return Stream.runForEach(
      Stream.mapError(data, (error) => new ImageNotReadable({ source: name, detail: String(error) })),
      (chunk) => {
        chunks.push(chunk)
        seen += chunk.length
        return within(name, "bytes", seen, limits.maxBytes)
      }
    ).pipe(Effect.andThen(Effect.suspend(() => fromMemory(name, name, concat(chunks), limits))))
  })
