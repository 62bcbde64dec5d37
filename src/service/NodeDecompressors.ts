/** Encodings of bodies, taken off by Node's own streams. */
import type { Duplex } from "node:stream"
import * as zlib from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Sink, Stream } from "effect"
import type { Decompressor, Platform } from "./BodyPlatform.ts"

/**
 * Where the frames of zstd data end (RFC 8878). Node's decoder takes data that was cut off for the whole, and of a chunk drops
 * what stands behind the end of a frame. Only headers are looked at; what the blocks hold is passed over.
 */
export interface ZstdFrames {
  /** The bytes that come next, in pieces none of which goes on behind the end of a frame. */
  readonly split: (bytes: Uint8Array) => Iterable<Uint8Array>
  /** So far, every frame that began has ended, and at least one has. */
  readonly isWhole: () => boolean
  /** How many have ended, also of those that hold nothing. */
  readonly count: () => number
}

/** Bytes of each header. */
const lengths = { magic: 4, descriptor: 1, block: 3, skippable: 4 } as const

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a5

/** Bytes of the id of a dictionary, and of the size of the content, by their flags. */
const dictionaryBytes = [0, 1, 2, 4] as const
const contentSizeBytes = [0, 2, 4, 8] as const

/** Looks at the data of zstd that it splits. */
export const zstdFrames = (): ZstdFrames => {
  let step: keyof typeof lengths | "unknown" = "magic"
  /** The header under way, little-endian, and how many of its bytes have come. */
  let value = 0
  let seen = 0
  /** Bytes to pass over. */
  let left = 0
  let hasChecksum = false
  let frames = 0
  let skipped = 0

  const take = (): void => {
    switch (step) {
      case "magic":
        step = value === frameMagic ? "descriptor" : value >>> 4 === skippableMagic ? "skippable" : "unknown"
        return
      case "descriptor": {
        const isSingle = (value & 0x20) !== 0
        const contentSize = contentSizeBytes[value >>> 6] || (isSingle ? 1 : 0)
        hasChecksum = (value & 0x04) !== 0
        left = (isSingle ? 0 : 1) + dictionaryBytes[value & 3]! + contentSize
        step = "block"
        return
      }
      case "block": {
        const isLast = (value & 1) !== 0
        // A block of one byte repeated holds that byte alone.
        const size = ((value >>> 1) & 3) === 1 ? 1 : value >>> 3
        left = size + (isLast && hasChecksum ? 4 : 0)
        if (isLast) frames++
        step = isLast ? "magic" : "block"
        return
      }
      case "skippable":
        left = value
        skipped++
        step = "magic"
    }
  }

  const isBetween = () => step === "magic" && seen === 0 && left === 0

  return {
    // As they are asked for: a body may be of millions of empty frames.
    *split(bytes) {
      let from = 0
      for (let at = 0; at < bytes.length;) {
        if (step === "unknown") break
        if (left > 0) {
          const passed = Math.min(left, bytes.length - at)
          left -= passed
          at += passed
        } else {
          value = (value | (bytes[at++]! << (8 * seen++))) >>> 0
          if (seen === lengths[step]) {
            take()
            value = 0
            seen = 0
          }
        }
        if (isBetween()) {
          yield bytes.subarray(from, at)
          from = at
        }
      }
      if (from < bytes.length) yield bytes.subarray(from)
    },
    isWhole: () => isBetween() && frames > 0,
    count: () => frames + skipped
  }
}

/** Compressed bytes that are handled at once: a body may come in one piece, and much work may give nothing out. */
const stride = 64 * 1024

function* slices(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += stride) yield bytes.subarray(at, at + stride)
}

/** In pieces, between which others have their turn. */
const inTurns = <E>(self: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
  Stream.flatMap(self, (chunk) =>
    chunk.length <= stride
      ? Stream.succeed(chunk)
      : Stream.tap(Stream.fromIterable(slices(chunk), { chunkSize: 1 }), () => Effect.yieldNow)
  )

/** Each frame costs a decoder of its own, also one of a few bytes that holds nothing: whoever writes this many means no data. */
const mostFrames = 10_000

/** Data in more pieces than anybody writes. */
export class TooManyFrames extends Error {
  override readonly name = "TooManyFrames"
  constructor() {
    super(`it has more than ${mostFrames} frames`)
  }
}

/** Decoders must take windows of 8 MiB, and may refuse larger ones, which would be memory of the sender's choice (RFC 9659). */
const zstdWindowLog = 23

const zstd: Decompressor = (self, onError) =>
  Stream.suspend(() => {
    const frames = zstdFrames()
    return inTurns(self).pipe(
      Stream.flatMap((chunk) => Stream.fromIterable(frames.split(chunk))),
      Stream.mapEffect((piece) =>
        frames.count() > mostFrames ? Effect.fail(onError(new TooManyFrames())) : Effect.succeed(piece)
      ),
      NodeStream.pipeThroughDuplex({
        evaluate: () =>
          zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLog } }),
        onError
      }),
      Stream.concat(
        Stream.suspend(() =>
          frames.isWhole() ? Stream.empty : Stream.fail(onError(new Error("unexpected end of file")))
        )
      )
    )
  })

/** By zlib's own streams, which read over what stands behind the end of the data, as `fetch` does. */
const by =
  (make: () => Duplex): Decompressor =>
  (self, onError) =>
    NodeStream.pipeThroughDuplex(inTurns(self), { evaluate: make, onError })

const gzip = by(() => zlib.createGunzip())

/** Some send it without the header of zlib, which its first byte tells. */
const deflate: Decompressor = (self, onError) =>
  Stream.unwrap(
    Effect.map(Stream.peel(self, Sink.take<Uint8Array>(1)), ([first, rest]) =>
      by(() => (((first[0]?.[0] ?? 8) & 15) === 8 ? zlib.createInflate() : zlib.createInflateRaw()))(
        Stream.concat(Stream.fromIterable(first), rest),
        onError
      )
    )
  )

/** What takes encodings off, by their names in `Content-Encoding`. */
export const decompressors = {
  gzip,
  "x-gzip": gzip,
  deflate,
  br: by(() => zlib.createBrotliDecompress()),
  zstd
} satisfies Platform["decompressors"]
