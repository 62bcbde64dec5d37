/** Encodings of bodies, taken off by Node's own streams. */
import type { Duplex } from "node:stream"
import * as zlib from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Sink, Stream } from "effect"
import type { Decompressor, Platform } from "./BodyPlatform.ts"
import * as ZstdFrames from "./ZstdFrames.ts"

/** Decoders must take windows of 8 MiB, and may refuse larger ones, which would be memory of the sender's choice (RFC 9659). */
const zstdWindowLog = 23

const zstd: Decompressor = (self, onError) =>
  Stream.suspend(() => {
    const frames = ZstdFrames.make()
    return self.pipe(
      Stream.tap((chunk) => Effect.sync(() => frames.push(chunk))),
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
    NodeStream.pipeThroughDuplex(self, { evaluate: make, onError })

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
