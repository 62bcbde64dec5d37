import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, References, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Exchange } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as TestServer from "../support/TestServer.ts"
import { attempt, send } from "./support.ts"

const call = segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" }))
const at = (baseUrl: string, connections?: number) =>
  SegFormerHttp.layer({ baseUrl, policy: { retry: { delay: "1 millis" } } }).pipe(
    Layer.provide(NodeHttp.layer({ connections }))
  )

describe("NodeHttp", () => {
  it.live("sends a form in pieces with its length stated, and every byte arrives", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      yield* call.pipe(Effect.provide(at(server.url)))
      const [request] = server.requests
      assert.strictEqual(Number(request?.headers["content-length"]), request?.body.length)
      assert.isUndefined(request?.headers["transfer-encoding"])
      assert.deepStrictEqual(server.uploads[0]?.bytes, Fixtures.image)
    }).pipe(Effect.scoped)
  )

  it.live("says in one line that what answers speaks no TLS, without where OpenSSL found that", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => void response.end("plain"))
      const error = yield* Effect.flip(send({ url: server.url.replace("http:", "https:") }))
      assert.match(error.message, /: [\w ]+\. Does it speak TLS/)
      assert.isFalse(error.isRetryable)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("sends the same form again on the next attempt", () =>
    Effect.gen(function* () {
      const server: TestServer.TestServer = yield* TestServer.http((_, response) =>
        server.requests.length === 1
          ? TestServer.sendJson(response, { error: "busy" }, 503)
          : TestServer.sendJson(response, InspectionServer.uploadAnswer())
      )
      const { cost } = yield* call.pipe(
        Effect.provide(at(server.url)),
        Effect.provideService(References.MinimumLogLevel, "None")
      )
      assert.strictEqual(cost.attempts, 2)
      const [first, second] = server.requests.map(({ body }) => body.includes(Buffer.from(Fixtures.image)))
      assert.deepStrictEqual([first, second], [true, true])
    }).pipe(Effect.scoped)
  )

  it.live("opens no more connections than asked", () =>
    Effect.gen(function* () {
      let most = 0
      const server: TestServer.TestServer = yield* TestServer.http((_, response) => {
        most = Math.max(most, server.sockets.size)
        setTimeout(() => TestServer.sendJson(response, InspectionServer.uploadAnswer()), 5)
      })
      yield* Effect.all(
        Array.from({ length: 12 }, () => call),
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(at(server.url, 2)))
      assert.strictEqual(most, 2)
    }).pipe(Effect.scoped)
  )

  it.live("takes the size of its pool from the environment, unless it is given", () =>
    Effect.gen(function* () {
      let most = 0
      const server: TestServer.TestServer = yield* TestServer.http((_, response) => {
        most = Math.max(most, server.sockets.size)
        setTimeout(() => TestServer.sendJson(response, InspectionServer.uploadAnswer()), 5)
      })
      const env = (size: string) =>
        ConfigProvider.layer(ConfigProvider.fromEnv({ env: { SEGFORMER_POOL_SIZE: size } }))
      const mostOver = (client: Layer.Layer<HttpClient.HttpClient, Config.ConfigError>) =>
        Effect.gen(function* () {
          most = 0
          const service = SegFormerHttp.layer({ baseUrl: server.url }).pipe(Layer.provide(client))
          yield* Effect.all(
            Array.from({ length: 8 }, () => call),
            { concurrency: "unbounded" }
          ).pipe(Effect.provide(service))
          yield* eventually(() => server.sockets.size === 0)
          return most
        })
      assert.strictEqual(yield* mostOver(Layer.provide(NodeHttp.layerConfig(NodeHttp.config), env("3"))), 3)
      const given = NodeHttp.layerConfig({ connections: Config.succeed(2) })
      assert.strictEqual(yield* mostOver(Layer.provide(given, env("3"))), 2)
      const wrong = yield* Effect.flip(
        mostOver(Layer.provide(NodeHttp.layerConfig(NodeHttp.config), env("none")))
      )
      assert.include(wrong.message, 'SEGFORMER_POOL_SIZE is "none", but must be a whole number')
    }).pipe(Effect.scoped)
  )

  const large = crypto.getRandomValues(new Uint8Array(60_000))
  const streamed = (call: Partial<Exchange.Call>) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => {
        response.writeHead(200, { "content-length": large.length * 50 })
        const more = (left: number): unknown =>
          left === 0 ? response.end() : response.write(large, () => setImmediate(more, left - 1))
        more(50)
      })
      const exchange = yield* Exchange.make({ baseUrl: server.url })
      return exchange.stream({ method: "GET", path: "/", ...call }, attempt())
    })

  it.live("chunks that are lent hold every byte in their turn, and are empty after it", () =>
    Effect.gen(function* () {
      const body = yield* streamed({ lendsChunks: true })
      const kept: Array<Uint8Array> = []
      const copies = yield* Stream.runFold(
        body,
        () => new Array<Uint8Array>(),
        (all, chunk) => {
          kept.push(chunk)
          return [...all, new Uint8Array(chunk)]
        }
      )
      const all = Buffer.concat(copies)
      for (let at = 0; at < all.length; at += large.length) {
        assert.isTrue(all.subarray(at, at + large.length).equals(large), `at ${at}`)
      }
      assert.strictEqual(all.length, large.length * 50)
      const empty = kept.filter((chunk) => chunk.length === 0).length
      assert.isAbove(empty, kept.length / 2)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )

  it.live("chunks that are not lent stay as they came", () =>
    Effect.gen(function* () {
      const chunks = yield* Stream.runCollect(yield* streamed({}))
      const all = Buffer.concat(chunks)
      assert.strictEqual(all.length, large.length * 50)
      assert.isTrue(all.subarray(-large.length).equals(large))
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.scoped)
  )
})
