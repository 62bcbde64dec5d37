/** How much of a body is read: no more than its limits, and nothing where nobody wants it. */
import { Effect, Stream } from "effect"
import { type Origin, placeOf } from "./BodyFailure.ts"
import { ResponseTooLarge } from "./WireError.ts"

export interface BodyLimits {
  /** Bytes on the wire. 64 MiB by default. */
  readonly maxBodyBytes: number
  /** Bytes after decompression. 256 MiB by default. */
  readonly maxDecodedBytes: number
}

export const defaultLimits: BodyLimits = {
  maxBodyBytes: 64 * 1024 * 1024,
  maxDecodedBytes: 256 * 1024 * 1024
}

/** Of streams, unless some are given. */
export const noLimits: BodyLimits = { maxBodyBytes: Infinity, maxDecodedBytes: Infinity }

/** Fails once more than `limit` bytes have passed. */
export const bounded =
  (limit: number, stage: "received" | "decompressed", origin: Origin) =>
  <E>(self: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | ResponseTooLarge> =>
    Stream.suspend(() => {
      let seen = 0
      return Stream.mapEffect(self, (chunk) => {
        seen += chunk.length
        return seen > limit
          ? Effect.fail(new ResponseTooLarge({ ...placeOf(origin), stage, limit }))
          : Effect.succeed(chunk)
      })
    })

/** Gives up a response without reading it, so that its connection is closed at once. */
export const discard = (response: {
  readonly stream: Stream.Stream<unknown, unknown>
}): Effect.Effect<void> =>
  // Its stream closes the connection when it is interrupted.
  Effect.ignore(Effect.raceFirst(Stream.runDrain(response.stream), Effect.void))
