/** Encodings that the runtime takes off, where its client has none of its own: browsers, workers, Deno. */
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { HttpClientRequest, HttpClientResponse } from "effect/http"
import { anyPlatform } from "../../src/service/BodyPlatform.ts"
import * as Decompression from "../../src/service/Decompression.ts"

const mebi = 1024 * 1024

/** What a runtime was given at once: some give all that comes of a piece before they look whether anybody wants it. */
const watched = Effect.acquireRelease(
  Effect.sync(() => {
    const taken: Array<number> = []
    const own = globalThis.DecompressionStream
    globalThis.DecompressionStream = class extends own {
      override readonly writable: WritableStream<BufferSource>
      constructor(format: CompressionFormat) {
        super(format)
        const counted = new TransformStream<BufferSource, BufferSource>({
          transform: (chunk, controller) => {
            taken.push(chunk.byteLength)
            controller.enqueue(chunk)
          }
        })
        void counted.readable.pipeTo(super.writable).catch(() => undefined)
        this.writable = counted.writable
      }
    }
    return { own, taken }
  }),
  ({ own }) => Effect.sync(() => void (globalThis.DecompressionStream = own))
)

const decompressed = (body: Uint8Array, maxDecodedBytes: number) => {
  const response = HttpClientResponse.fromWeb(
    HttpClientRequest.get("http://lab/a"),
    new Response(null, { headers: { "content-encoding": "gzip" } })
  )
  const limits = { maxBodyBytes: Infinity, maxDecodedBytes }
  const origin = { service: "http://lab/a", requestId: "r1" }
  return Stream.runFold(
    Decompression.stream(Stream.succeed(body), response, limits, origin, anyPlatform),
    () => 0,
    (sum, chunk) => sum + chunk.length
  )
}

describe("what the runtime decompresses", () => {
  it.live("is given to it in small pieces, and stops at the limit of what comes of them", () =>
    Effect.gen(function* () {
      const { taken } = yield* watched
      const bomb = gzipSync(Buffer.alloc(64 * mebi))
      const error = yield* Effect.flip(decompressed(bomb, mebi))
      assert.strictEqual(error._tag, "ResponseTooLarge")
      // Each may become a thousand times as much.
      assert.isAtMost(Math.max(...taken), 4096)
      assert.strictEqual(yield* decompressed(bomb, 64 * mebi), 64 * mebi)
    }).pipe(Effect.scoped)
  )
})
