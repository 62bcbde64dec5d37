import { assert, describe, it } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Stream } from "effect"
import { buffer } from "node:stream/consumers"
import {
  brotliCompressSync,
  constants,
  createZstdCompress,
  deflateSync,
  gzipSync,
  zstdCompressSync
} from "node:zlib"
import { NodeHttp } from "effect-segformer/service/node"
import * as fc from "fast-check"
import { decompressors, zstdFrames } from "../../src/service/NodeDecompressors.ts"
import { eventually } from "../support/Eventually.ts"
import { http } from "../support/TestServer.ts"
import { clients, send, text } from "./support.ts"

const mebi = 1024 * 1024
const encodings = { gzip: gzipSync, "x-gzip": gzipSync, deflate: deflateSync, br: brotliCompressSync }

const answer = (encoding: string, body: Uint8Array) =>
  http(
    (_, response) =>
      void response.writeHead(200, { "content-encoding": encoding, "content-length": body.length }).end(body)
  )

const undici = clients[0][1]

describe.each(clients)("body limits over %s", (name, layer) => {
  it.live("a body whose stated length is over the limit is not read", () =>
    Effect.gen(function* () {
      let written = 0
      const server = yield* http((_, response) => {
        response.writeHead(200, { "content-length": 10_000_000_000 })
        const more = () => {
          written += 65_536
          if (response.write(Buffer.alloc(65_536))) setImmediate(more)
          else response.once("drain", more)
        }
        more()
      })
      const error = yield* Effect.flip(send(server, { limits: { maxBodyBytes: mebi } }))
      assert.strictEqual(error._tag, "ResponseTooLarge")
      assert.deepStrictEqual("limit" in error && [error.limit, error.stage], [mebi, "received"])
      yield* eventually(() => server.sockets.size === 0)
      // Sockets buffer a few MiB of 10 GB.
      assert.isBelow(written, 64 * mebi)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("a body in chunks is read up to the limit, then its connection is closed", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => {
        const more = setInterval(() => response.write(Buffer.alloc(200_000)), 1)
        response.on("close", () => clearInterval(more))
      })
      const error = yield* Effect.flip(send(server, { limits: { maxBodyBytes: mebi } }))
      assert.strictEqual(error._tag, "ResponseTooLarge")
      assert.include(error.message, "maxBodyBytes")
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each([
    ["whose length is stated", "maxBodyBytes", { "content-length": 1000 }, (bytes: Uint8Array) => bytes],
    ["in chunks", "maxBodyBytes", { "transfer-encoding": "chunked" }, (bytes: Uint8Array) => bytes],
    ["that was compressed", "maxDecodedBytes", { "content-encoding": "gzip" }, gzipSync]
  ] as const)(
    "a body %s of exactly the limit is read, and one more byte is not",
    ([, limit, headers, pack]) =>
      Effect.gen(function* () {
        const server = yield* http(
          (_, response) => void response.writeHead(200, headers).end(pack(Buffer.alloc(1000, "x")))
        )
        assert.strictEqual((yield* send(server, { limits: { [limit]: 1000 } })).body.length, 1000)
        assert.strictEqual(
          (yield* Effect.flip(send(server, { limits: { [limit]: 999 } })))._tag,
          "ResponseTooLarge"
        )
      }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each(Object.entries(encodings))("%s is decompressed", ([encoding, compress]) =>
    Effect.gen(function* () {
      const plain = "some text ".repeat(50_000)
      const server = yield* answer(encoding, compress(plain))
      assert.strictEqual(text(yield* send(server)), plain)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each(Object.entries(encodings))(
    "a bomb of %s stops at the limit of decompressed bytes",
    ([encoding, compress]) =>
      Effect.gen(function* () {
        const server = yield* answer(encoding, bombs[encoding] ?? compress(Buffer.alloc(8 * mebi)))
        const error = yield* Effect.flip(send(server, { limits: { maxDecodedBytes: mebi } }))
        assert.strictEqual(error._tag, "ResponseTooLarge")
        assert.deepStrictEqual("limit" in error && [error.limit, error.stage], [mebi, "decompressed"])
        assert.include(error.message, "maxDecodedBytes")
      }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("a compressed body that is cut off or broken is not decodable", () =>
    Effect.gen(function* () {
      const whole = gzipSync("some text ".repeat(5000))
      const broken = Uint8Array.from(whole, (byte, at) => (at > 20 ? byte ^ 0x55 : byte))
      // The `fetch` of Node takes what was cut off for the whole: nothing is left to see it by.
      const cut = name === "undici" ? [whole.subarray(0, -12)] : []
      for (const body of [...cut, broken, Buffer.from("no gzip at all")]) {
        const server = yield* answer("gzip", body)
        const error = yield* Effect.flip(send(server))
        assert.strictEqual(error._tag, "ResponseNotDecodable")
        assert.include(error.message, "gzip")
      }
    }).pipe(Effect.provide(layer), Effect.scoped)
  )
})

const bombs: Readonly<Record<string, Buffer>> = {
  br: brotliCompressSync(Buffer.alloc(8 * mebi), { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })
}

describe("zstd over NodeHttp", () => {
  const long = "some text ".repeat(50_000)
  const failing = (body: Uint8Array, limits?: { readonly maxDecodedBytes: number }) =>
    Effect.flatMap(answer("zstd", body), (server) => Effect.flip(send(server, { limits })))

  it.live("is decompressed", () =>
    Effect.gen(function* () {
      const server = yield* answer("zstd", zstdCompressSync(long))
      assert.strictEqual(text(yield* send(server)), long)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("frames behind each other in one chunk are all decompressed, and skippable ones passed over", () =>
    Effect.gen(function* () {
      const [hello, world, none] = ["hello ", "world", ""].map((said) => zstdCompressSync(said))
      const skippable = Buffer.from("502a4d180400000061626364", "hex")
      const bodies = [
        [hello, world],
        [skippable, hello, world],
        [hello, skippable, skippable, world, skippable],
        [none, hello, none, none, world, none]
      ].map((frames) => Buffer.concat(frames.filter((frame) => frame !== undefined)))
      for (const body of bodies) {
        const server = yield* answer("zstd", body)
        assert.strictEqual(text(yield* send(server)), "hello world")
        const byByte = Stream.fromIterable(Array.from(body, (byte) => Uint8Array.of(byte)))
        for (const chunks of [Stream.succeed(body), byByte])
          assert.strictEqual(
            Buffer.concat(yield* Stream.runCollect(decompressors.zstd(chunks, String))).toString(),
            "hello world"
          )
      }
      const large = zstdCompressSync("A".repeat(65_536))
      const many = Buffer.concat(Array.from({ length: 40 }, () => large))
      assert.strictEqual(text(yield* send(yield* answer("zstd", many))).length, 40 * 65_536)
      assert.strictEqual((yield* failing(many, { maxDecodedBytes: mebi }))._tag, "ResponseTooLarge")
      for (const more of [Buffer.from("x"), Buffer.from("more text"), large.subarray(0, -1)])
        assert.strictEqual((yield* failing(Buffer.concat([large, more])))._tag, "ResponseNotDecodable")
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("a bomb stops at the limit of decompressed bytes", () =>
    Effect.gen(function* () {
      const bomb = zstdCompressSync(Buffer.alloc(400 * mebi))
      assert.isBelow(bomb.length, 60_000)
      const before = process.memoryUsage.rss()
      let most = before
      const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 1)
      const error = yield* failing(bomb, { maxDecodedBytes: mebi })
      clearInterval(watch)
      assert.strictEqual(error._tag, "ResponseTooLarge")
      assert.deepStrictEqual("limit" in error && [error.limit, error.stage], [mebi, "decompressed"])
      // It takes some 10 MiB, and all of it 400: the rest is what a process may do with its memory meanwhile.
      assert.isBelow(most - before, 200 * mebi)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("what is cut off, broken or none is not decodable", () =>
    Effect.gen(function* () {
      const whole = zstdCompressSync(crypto.getRandomValues(new Uint8Array(60_000)), {
        params: { [constants.ZSTD_c_checksumFlag]: 1 }
      })
      const broken = Uint8Array.from(whole, (byte, at) => (at > 200 && at < 400 ? byte ^ 0x55 : byte))
      for (const body of [whole.subarray(0, -12), broken, Buffer.from("no zstd at all")]) {
        const error = yield* failing(body)
        assert.strictEqual(error._tag, "ResponseNotDecodable")
        assert.include(error.message, "its zstd data is broken or cut off")
      }
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("many frames that hold nothing are refused, and many members of gzip are work as they come", () =>
    Effect.gen(function* () {
      const empty = zstdCompressSync("")
      const frames = (count: number) =>
        Buffer.concat([Buffer.alloc(count * empty.length, empty), zstdCompressSync("hello")])
      assert.strictEqual(text(yield* send(yield* answer("zstd", frames(1000)))), "hello")
      const error = yield* failing(frames(10_000))
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.include(error.message, "it has more than 10000 frames")
      const member = gzipSync("")
      const members = Buffer.concat([Buffer.alloc(100_000 * member.length, member), gzipSync("hello")])
      assert.strictEqual(text(yield* send(yield* answer("gzip", members))), "hello")
      // In one piece it is taken in turns, between which others have theirs.
      let turns = 0
      const count = () => {
        turns++
        next = setImmediate(count)
      }
      let next = setImmediate(count)
      const decoded = yield* Stream.runCollect(decompressors.gzip(Stream.succeed(members), String))
      clearImmediate(next)
      assert.strictEqual(Buffer.concat(decoded).toString(), "hello")
      assert.isAtLeast(turns, members.length / 65_536)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("a window larger than decoders must take is refused, whatever memory it asks for", () =>
    Effect.gen(function* () {
      const frame = yield* Effect.promise(() => asking(27))
      // The decoder of this library takes 8 MiB.
      assert.strictEqual(
        (yield* failing(yield* Effect.promise(() => asking(23)), { maxDecodedBytes: 1 }))._tag,
        "ResponseTooLarge"
      )
      const error = yield* failing(frame)
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.match(error.message, /memory|window/i)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )
})

/** A frame of zeros whose header asks for a window of two to the power of so many bytes. */
const asking = async (windowLog: number): Promise<Buffer> => {
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } })
  // Unless it is flushed, the size is known and the header asks for no more than that.
  compress.write(Buffer.alloc(100))
  compress.flush(() => compress.end())
  return buffer(compress)
}

describe("zstdFrames", () => {
  it("knows where frames end, however the bytes come", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            bytes: fc.uint8Array({ maxLength: 300, size: "max" }),
            repeat: fc.constantFrom(1, 1000),
            checksum: fc.boolean()
          }),
          { minLength: 1, maxLength: 4 }
        ),
        fc.integer({ min: 1, max: 64 }),
        (frames, size) => {
          const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
          const ends: Array<number> = []
          let data = Buffer.alloc(0)
          for (const { bytes, checksum, repeat } of frames) {
            const plain = Buffer.concat(Array.from({ length: repeat }, () => bytes))
            const params = { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 }
            data = Buffer.concat([data, zstdCompressSync(plain, { params })])
            ends.push(data.length)
            data = Buffer.concat([data, skippable])
            ends.push(data.length)
          }
          for (let cut = 0; cut <= data.length; cut += data.length > 2000 ? 97 : 1) {
            const walker = zstdFrames()
            const pieces: Array<Uint8Array> = []
            for (let at = 0; at < cut; at += size)
              pieces.push(...walker.split(data.subarray(at, Math.min(cut, at + size))))
            let passed = 0
            const cuts = new Set(pieces.map((piece) => (passed += piece.length)))
            assert.isTrue(ends.every((end) => end > cut || cuts.has(end)))
            assert.isTrue(Buffer.concat(pieces).equals(data.subarray(0, cut)))
            assert.strictEqual(walker.isWhole(), ends.includes(cut), `cut at ${cut} of ${data.length}`)
          }
        }
      ),
      { numRuns: 50 }
    )
  })
})

describe("decompression over undici", () => {
  it.live.each(["compress", "zstd", "gzip, br", "exi"])("%s, which is unknown here, is named", (encoding) =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => {
        response.writeHead(200, { "content-encoding": encoding })
        // Without an end: only giving it up frees the connection.
        response.write(zstdCompressSync("text"))
      })
      const error = yield* Effect.flip(send(server))
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.include(error.message, `"${encoding}"`)
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live("more encodings than anybody applies are not taken off", () =>
    Effect.gen(function* () {
      const server = yield* answer(Array.from({ length: 6 }, () => "gzip").join(), Buffer.from("x"))
      const error = yield* Effect.flip(send(server))
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.include(error.message, "not supported here")
    }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live("the limits on the wire hold for compressed bytes too", () =>
    Effect.gen(function* () {
      const noise = crypto.getRandomValues(new Uint8Array(60_000))
      const server = yield* answer("gzip", gzipSync(noise))
      const error = yield* Effect.flip(send(server, { limits: { maxBodyBytes: 10_000 } }))
      assert.deepStrictEqual("stage" in error && error.stage, "received")
    }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live("identity is no encoding", () =>
    Effect.gen(function* () {
      const server = yield* answer("Identity", Buffer.from("plain"))
      assert.strictEqual(text(yield* send(server)), "plain")
    }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live("a reset in the middle of a compressed body is a broken connection, not bad data", () =>
    Effect.gen(function* () {
      const body = gzipSync(crypto.getRandomValues(new Uint8Array(60_000)))
      const server = yield* http((_, response) => {
        response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length })
        response.write(body.subarray(0, 30_000))
        setTimeout(() => response.socket?.resetAndDestroy(), 30)
      })
      const error = yield* Effect.flip(send(server))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.strictEqual("phase" in error && error.phase, "receiving")
    }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live("an error's body is decompressed for its message", () =>
    Effect.gen(function* () {
      const server = yield* http(
        (_, response) =>
          void response.writeHead(500, { "content-encoding": "gzip" }).end(gzipSync("out of light"))
      )
      assert.strictEqual(text(yield* send(server)), "out of light")
    }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live("a gzip bomb takes a fraction of what it would become", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(Buffer.alloc(400 * mebi), { level: 1 })
      assert.isBelow(bomb.length, 4_000_000)
      const server = yield* answer("gzip", bomb)
      let most = 0
      const before = process.memoryUsage.rss()
      const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 1)
      const error = yield* Effect.flip(send(server, { limits: { maxDecodedBytes: 4 * mebi } }))
      clearInterval(watch)
      assert.strictEqual(error._tag, "ResponseTooLarge")
      // It takes some 10 MiB, and all of it 400: the rest is what a process may do with its memory meanwhile.
      assert.isBelow(Math.max(most, process.memoryUsage.rss()) - before, 200 * mebi)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )
})
