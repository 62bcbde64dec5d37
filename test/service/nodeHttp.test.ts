import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as TestServer from "../support/TestServer.ts"

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

  it.live("sends the same form again on the next attempt", () =>
    Effect.gen(function* () {
      const server: TestServer.TestServer = yield* TestServer.http((_, response) =>
        server.requests.length === 1
          ? TestServer.sendJson(response, { error: "busy" }, 503)
          : TestServer.sendJson(response, InspectionServer.uploadAnswer())
      )
      const { cost } = yield* call.pipe(Effect.provide(at(server.url)))
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
})
