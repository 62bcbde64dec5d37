/** The inspection service besides uploads: what it is, its models, and files of results. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Transport } from "effect-segformer"
import { InspectionService, SegFormerHttp } from "effect-segformer/http"
import { http, sendJson, tcp, type TestServer } from "../support/TestServer.ts"
import { eventually } from "../support/Eventually.ts"
import { passing } from "../support/Passing.ts"
import * as InspectionServer from "./servers/InspectionServer.ts"
import { platform, connect, image, bytesOf, tagOf } from "./inspections.ts"

describe("InspectionService: the service and its models", () => {
  it.live("is healthy once its model is loaded, not before", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server, { policy: { retry: false } })
      assert.deepStrictEqual(yield* service.health, { healthy: true, detail: "ready on cpu" })
      server.state.modelLoaded = false
      assert.deepStrictEqual(yield* service.health, { healthy: false, detail: "no model is loaded" })
      assert.strictEqual(yield* tagOf(service.currentModel), "ModelLoading")
      assert.strictEqual(yield* tagOf(service.upload(image("a.png"))), "ModelLoading")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("health is asked once, and says what is wrong with the answer", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => sendJson(response, { error: "no" }, 503))
      const service = yield* connect(server)
      assert.strictEqual(yield* tagOf(service.health), "ServiceUnavailable")
      assert.strictEqual(server.requests.length, 1)
      const odd = yield* http((_, response) => sendJson(response, { status: "degraded", model_loaded: true }))
      const health = yield* (yield* connect(odd)).health
      assert.deepStrictEqual(health, { healthy: false, detail: 'its status is "degraded"' })
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a transport tells health and model too", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const transport = yield* Effect.provide(
        Effect.scoped(Transport),
        SegFormerHttp.layer({ baseUrl: server.url })
      )
      assert.isTrue((yield* transport.health).healthy)
      assert.strictEqual((yield* transport.describe).name, "segformer")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("tells its status and its models", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* Effect.provide(
        Effect.map(InspectionService, (service) => service),
        InspectionService.layer({ baseUrl: server.url })
      )
      assert.deepStrictEqual(yield* service.status, { uptime: 12, queue: 0 })
      assert.deepStrictEqual(yield* service.currentModel, { success: true, current_model: "segformer" })
      assert.deepStrictEqual(yield* service.availableModels, { models: ["segformer", "oneformer"] })
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("success: false in a 200 is a failure of every question", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => sendJson(response, { success: false, error: "no GPU" }))
      const service = yield* connect(server)
      for (const question of [
        service.status,
        service.currentModel,
        service.availableModels,
        service.switchModel("oneformer"),
        service.upload(image("a.png"))
      ]) {
        assert.strictEqual(yield* tagOf(question), "ReportedFailure")
      }
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a model is switched", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server)
      assert.strictEqual(yield* service.switchModel("oneformer"), "oneformer")
      assert.strictEqual(server.state.model, "oneformer")
      assert.strictEqual(server.requests[0]?.headers["content-type"], "application/json")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.effect.each(["reset", "stall", "503", "cut"])(
    "a switch whose answer is lost (%s) is not sent again",
    (fault) =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => {
          if (fault === "reset") socket.resetAndDestroy()
          if (fault === "503") socket.end("HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
          if (fault === "cut") socket.end("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{")
        })
        const service = yield* connect(server, {
          policy: { attemptTimeout: "1 second", retry: { delay: "1 millis" }, breaker: false }
        })
        const asked = Effect.andThen(Effect.flip(service.switchModel("oneformer")), Effect.sleep("1 second"))
        yield* passing(asked, () => (server.requests.length > 0 ? 25 : 0))
        assert.strictEqual(server.requests.length, 1)
      }).pipe(Effect.provide(platform), Effect.scoped)
  )
})

describe("InspectionService: result files", () => {
  it.live("a file and a zip come as they are", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server)
      const file = yield* bytesOf(service.download("/out/a b.png"))
      assert.deepStrictEqual(file, Buffer.from(InspectionServer.png(2, 2), "base64"))
      assert.strictEqual((yield* bytesOf(service.downloadBatch("b1"))).toString(), "PK-zip-bytes")
      assert.match(String(server.requests[0]?.headers["x-request-id"]), /^[0-9a-f]{16,}$/)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  const paths = [
    ["../../etc/passwd", "/download/%252E%252E/%252E%252E/etc/passwd"],
    ["a/../../b", "/download/a/%252E%252E/%252E%252E/b"],
    ["./a", "/download/%252E/a"],
    ["%2e%2e/a", "/download/%252e%252e/a"],
    ["..\\..\\a", "/download/..%5C..%5Ca"],
    ["/abs//a.png", "/download/abs/a.png"],
    ["a?b#c", "/download/a%3Fb%23c"],
    ["http://other/a", "/download/http%3A/other/a"],
    ["\ud800", "/download/%EF%BF%BD"]
  ] as const
  it.live.each(paths)("%j stays below /download", ([path, expected]) =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => sendJson(response, { error: "File not found" }, 404))
      const service = yield* connect(server)
      const error = yield* Effect.flip(bytesOf(service.download(path)))
      assert.strictEqual(error._tag, "NotFound")
      assert.include(error.message, "File not found")
      assert.strictEqual(server.requests[0]?.path, expected)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live.each([
    ["..", "/download/batch/%252E%252E"],
    ["a/../b", "/download/batch/a%2F..%2Fb"]
  ])("the batch %j stays below /download/batch", ([id, expected]) =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.end("zip"))
      yield* bytesOf((yield* connect(server)).downloadBatch(id!))
      assert.strictEqual(server.requests[0]?.path, expected)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a download that never begins is tried again, one that breaks is not", () =>
    Effect.gen(function* () {
      const busy: TestServer = yield* http((_, response) =>
        busy.requests.length < 3 ? sendJson(response, {}, 503) : void response.end("whole")
      )
      assert.strictEqual((yield* bytesOf((yield* connect(busy)).download("a"))).toString(), "whole")
      const cut = yield* tcp((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"))
      assert.strictEqual(yield* tagOf(bytesOf((yield* connect(cut)).download("a"))), "ConnectionFailed")
      assert.strictEqual(cut.requests.length, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.effect("a download that stalls times out and closes its connection; one that drips goes on", () =>
    Effect.gen(function* () {
      const policy = { attemptTimeout: "10 seconds", retry: false } as const
      const stalled = yield* http((_, response) => void response.write("some"))
      const stalling = yield* connect(stalled, { policy })
      const error = yield* passing(Effect.flip(bytesOf(stalling.download("a"))), () =>
        stalled.requests.length > 0 ? 25 : 0
      )
      assert.strictEqual(error._tag, "TimedOut")
      assert.strictEqual("phase" in error && error.phase, "receiving")
      yield* eventually(() => stalled.sockets.size === 0)
      let drip: (() => void) | undefined
      const dripping = yield* http((_, response) => {
        let left = 10
        drip = () => void (left-- > 0 ? response.write("x") : response.end())
      })
      let turns = 0
      // A drop each 5 s, which is less than an attempt may take; all of them take five times as long.
      const dripped = passing(bytesOf((yield* connect(dripping, { policy })).download("a")), () => {
        if (drip === undefined) return 0
        if (turns++ % 20 === 0) drip()
        return 250
      })
      assert.strictEqual((yield* dripped).length, 10)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a zip larger than what is read into memory comes through", () =>
    Effect.gen(function* () {
      const chunk = Buffer.alloc(1024 * 1024)
      const server = yield* http((_, response) => {
        response.writeHead(200, { "content-length": 80 * chunk.length })
        let left = 80
        const more = () => {
          while (left > 0) {
            left--
            if (!response.write(chunk)) return void response.once("drain", more)
          }
          response.end()
        }
        more()
      })
      const service = yield* connect(server)
      const size = yield* Stream.runFold(
        service.downloadBatch("b1"),
        () => 0,
        (sum, part) => sum + part.length
      )
      assert.strictEqual(size, 80 * chunk.length)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
