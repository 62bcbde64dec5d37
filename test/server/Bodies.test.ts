/** How a body comes in: in pieces, late, in part, or only once the server says that it wants it. */
import { connect } from "node:net"
import { request as send } from "node:http"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { ask, form, serve, isWeb } from "./support.ts"

const head = (length: number, more = "") =>
  `POST /v1/segment HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n${more}\r\n`

/** What comes back for what is written, one piece after the other. */
const talk = (port: number, pieces: ReadonlyArray<string | Uint8Array>) =>
  Effect.callback<{ readonly received: () => string; readonly end: () => void }>((resume) => {
    const chunks: Array<Buffer> = []
    const socket = connect(port, "127.0.0.1", () => {
      const next = (at: number): void => {
        const piece = pieces[at]
        if (piece === undefined) {
          const received = () => Buffer.concat(chunks).toString("latin1")
          return resume(Effect.succeed({ received, end: () => socket.destroy() }))
        }
        socket.write(piece, () => setTimeout(() => next(at + 1), 5))
      }
      next(0)
    })
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("error", () => {})
  })

describe("a body", () => {
  it.live("may come in pieces, with its length or without", () =>
    Effect.gen(function* () {
      const { port } = yield* serve()
      const image = Fixtures.image
      const halves = [image.subarray(0, 100), image.subarray(100, 101), image.subarray(101)]
      const first = yield* talk(port, [head(image.length), ...halves])
      yield* eventually(() => first.received() !== "")
      assert.match(first.received(), /^HTTP\/1\.1 200 /)
      first.end()
      const status = yield* Effect.callback<number | undefined>((resume) => {
        const outgoing = send(
          { port, host: "127.0.0.1", method: "POST", path: "/v1/segment" },
          (response) => {
            response.resume()
            resume(Effect.succeed(response.statusCode))
          }
        )
        for (const half of halves) outgoing.write(half)
        outgoing.end()
      })
      assert.strictEqual(status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("of a form has a boundary of at most 200 characters, however it is written", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      for (const [length, quote, expected] of [
        [70, "", 200],
        [200, "", 200],
        [198, '"', 200],
        [201, "", 400],
        [199, '"', 400],
        [252, "", 400],
        [8000, '"', 400]
      ] as const) {
        const boundary = "-".repeat(length)
        const start = `--${boundary}\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n`
        const { body, status } = yield* ask(`${url}/v1/segment`, {
          method: "POST",
          headers: { "content-type": `multipart/form-data; boundary=${quote}${boundary}${quote}; charset=x` },
          body: Buffer.concat([Buffer.from(start), Fixtures.image, Buffer.from(`\r\n--${boundary}--\r\n`)])
        })
        assert.strictEqual(status, expected, `${length}${quote}`)
        if (expected === 400) assert.include(body.toString(), "longer than 200 characters")
      }
    }).pipe(Effect.scoped)
  )

  it.live("of exactly as many bytes as may be is taken, with its length or without", () =>
    Effect.gen(function* () {
      const image = Fixtures.image
      for (const [maxBytes, expected] of [
        [image.length, 200],
        [image.length - 1, 413]
      ] as const) {
        const { port } = yield* serve(undefined, { maxBytes })
        for (const headers of [{ "content-length": image.length }, {}]) {
          const status = yield* Effect.callback<number | undefined>((resume) => {
            const to = { port, host: "127.0.0.1", method: "POST", path: "/v1/segment", headers }
            const outgoing = send(to, (response) => {
              response.resume()
              resume(Effect.succeed(response.statusCode))
            })
            outgoing.on("error", () => {})
            outgoing.end(image)
          })
          assert.strictEqual(status, expected)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live.each(["identity", "Identity", " "])("may say that it is in no encoding: %j", (encoding) =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const body = Uint8Array.from(Fixtures.image)
      const headers = { "content-encoding": encoding }
      assert.strictEqual((yield* ask(`${url}/v1/segment`, { method: "POST", body, headers })).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("may come compressed: it is one under the same limits, and what is none says so", () =>
    Effect.gen(function* () {
      const image = Fixtures.image
      const bomb = Buffer.alloc(4_000_000)
      const { url } = yield* serve(undefined, { maxBytes: 100_000 })
      const inFrames = Buffer.concat(
        [image.subarray(0, 50), image.subarray(50)].map((part) => zlib.zstdCompressSync(part))
      )
      const many = (count: number, frame: Buffer, last = zlib.zstdCompressSync(image)) =>
        Buffer.concat([Buffer.alloc(count * frame.length, frame), last])
      const [nothing, skipped] = [zlib.zstdCompressSync(""), Buffer.from("502a4d1800000000", "hex")]
      // A frame of one empty block that asks for a window of 2 GiB.
      const wide = Buffer.from("28b52ffd00a8010000", "hex")
      for (const [encoding, body, status, said] of [
        ["zstd", many(500, nothing), 200, /"regions"/],
        ["zstd", many(10_000, nothing), 413, /more than 10000 frames/],
        ["zstd", many(10_000, skipped), 413, /more than 10000 frames/],
        ["zstd, gzip", zlib.gzipSync(many(10_000, nothing)), 413, /more than 10000 frames/],
        ["gzip", many(4000, zlib.gzipSync(""), zlib.gzipSync(image)), 200, /"regions"/],
        ["zstd", wide, 400, /no whole zstd data/],
        ["gzip", zlib.gzipSync(image), 200, /"regions"/],
        ["X-GZIP", zlib.gzipSync(image), 200, /"regions"/],
        ["deflate", zlib.deflateSync(image), 200, /"regions"/],
        ["deflate", zlib.deflateRawSync(image), 200, /"regions"/],
        ["br", zlib.brotliCompressSync(image), 200, /"regions"/],
        ["zstd", zlib.zstdCompressSync(image), 200, /"regions"/],
        ["zstd", inFrames, 200, /"regions"/],
        ["identity, gzip", zlib.gzipSync(image), 200, /"regions"/],
        ["br, gzip", zlib.gzipSync(zlib.brotliCompressSync(image)), 200, /"regions"/],
        ["gzip", zlib.gzipSync(bomb), 413, /larger than 100000 bytes/],
        ["br", zlib.brotliCompressSync(bomb), 413, /larger than 100000 bytes/],
        ["zstd", zlib.zstdCompressSync(bomb), 413, /larger than 100000 bytes/],
        ["gzip, gzip", zlib.gzipSync(zlib.gzipSync(bomb)), 413, /larger than 100000 bytes/],
        ["gzip", image, 400, /no whole gzip data/],
        ["gzip", zlib.gzipSync(image).subarray(0, -20), 400, /no whole gzip data/],
        ["zstd", zlib.zstdCompressSync(image).subarray(0, -20), 400, /no whole zstd data/],
        ["gzip", new Uint8Array(0), 400, /./],
        ["compress", image, 415, /gzip, x-gzip, deflate, br, zstd/],
        ["none", image, 415, /It comes in \\"none\\"/],
        ["gzip, gzip, gzip", image, 415, /It comes in/],
        [Array(2000).fill("gzip").join(), image, 415, /It comes in/]
      ] as const) {
        const answer = yield* ask(`${url}/v1/segment`, {
          method: "POST",
          body: Uint8Array.from(body),
          headers: { "content-encoding": encoding }
        })
        assert.strictEqual(answer.status, status, `${encoding}: ${answer.body.toString().slice(0, 200)}`)
        assert.match(answer.body.toString(), said, encoding)
        assert.strictEqual(
          answer.headers.get("accept-encoding"),
          status === 415 ? "gzip, x-gzip, deflate, br, zstd" : null
        )
      }
      const whole = form("image", ["a.png", image])
      const packed = new Request(url, whole)
      const answer = yield* ask(`${url}/v1/segment`, {
        method: "POST",
        body: zlib.gzipSync(Buffer.from(yield* Effect.promise(() => packed.arrayBuffer()))),
        headers: { "content-encoding": "gzip", "content-type": packed.headers.get("content-type") ?? "" }
      })
      assert.strictEqual(answer.status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("has files whose names are one line, whatever is in them", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const disposition =
        "content-disposition: form-data; name=image; filename*=UTF-8''a%0d%0aFAKE%C2%85LINE.png"
      const answer = yield* ask(`${url}/v1/segment`, {
        method: "POST",
        headers: { "content-type": "multipart/form-data; boundary=x" },
        body: `--x\r\n${disposition}\r\n\r\nno image\r\n--x--\r\n`
      })
      assert.strictEqual(answer.status, 400)
      assert.include(answer.body.toString(), "a FAKE LINE.png is not an image")
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(isWeb)("is asked for where the caller waits to be", () =>
    Effect.gen(function* () {
      const { port } = yield* serve()
      const waiting = yield* talk(port, [head(Fixtures.image.length, "expect: 100-continue\r\n")])
      yield* eventually(() => waiting.received() !== "")
      assert.match(waiting.received(), /^HTTP\/1\.1 100 Continue/)
      waiting.end()
      // What is too large is not asked for.
      const small = yield* serve(undefined, { maxBytes: 1000 })
      const refused = yield* talk(small.port, [head(200_000, "expect: 100-continue\r\n")])
      yield* eventually(() => refused.received() !== "")
      assert.match(refused.received(), /^HTTP\/1\.1 413 /)
      refused.end()
    }).pipe(Effect.scoped)
  )

  it.live("that ends too early gives its place back, and harms nobody", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve()
      const places = Effect.map(
        ask(`${url}/metrics`),
        ({ body }) => /^segformer_server_requests_active (\d+)$/m.exec(body.toString())?.[1]
      )
      const broken = yield* talk(port, [head(5000), "not all of it"])
      assert.strictEqual(yield* places, "1")
      broken.end()
      let left = yield* places
      while (left !== "0") left = yield* places
      const longer = yield* serve(undefined, { maxBytes: 50 })
      const unannounced = yield* Effect.callback<number | undefined>((resume) => {
        const outgoing = send(
          { port: longer.port, host: "127.0.0.1", method: "POST", path: "/v1/segment" },
          (response) => {
            response.resume()
            resume(Effect.succeed(response.statusCode))
          }
        )
        outgoing.on("error", () => {})
        outgoing.write(new Uint8Array(60))
        outgoing.end(new Uint8Array(60))
      })
      assert.strictEqual(unannounced, 413)
      assert.strictEqual((yield* ask(`${longer.url}/health`)).status, 200)
    }).pipe(Effect.scoped)
  )
})
