/**
 * What this library relies on in Effect 4.1, each found by running it. A test that fails here after an upgrade names
 * the module to look at; some describe gaps that Effect may close, and with them a workaround of ours. Those that are
 * speeds are measured: `npm run bench -- facts`.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import {
  ByteSize,
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Result,
  Schedule,
  Stream
} from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import { gzipSync } from "node:zlib"
import { http, sendJson, tcp } from "../support/TestServer.ts"
import { eventually } from "../support/Eventually.ts"

/** When each of the runs of a failing effect began, in milliseconds, within five minutes. */
const startsOf = <E>(schedule: Schedule.Schedule<unknown, E, E>, error: E) =>
  Effect.gen(function* () {
    const starts: Array<number> = []
    const once = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      starts.push(now)
      return Effect.fail(error)
    })
    const fiber = yield* Effect.forkChild(Effect.exit(Effect.retry(once, schedule)))
    yield* TestClock.adjust("5 minutes")
    yield* Fiber.interrupt(fiber)
    return starts
  })

interface Waits {
  readonly wait: number
}

describe("Schedule", () => {
  // policy/PolicyRunner: attempts of a call.
  it.effect("max of exponential and recurs(3) is their intersection: 4 attempts at 0, 1, 3 and 7 s", () =>
    Effect.gen(function* () {
      const schedule = Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(3)])
      assert.deepStrictEqual(yield* startsOf(schedule, "down"), [0, 1000, 3000, 7000])
    })
  )

  // policy/PolicyRunner: why it is not `Schedule.min`.
  it.effect("min of exponential and recurs(3) is their union, and goes on after 4 attempts", () =>
    Effect.gen(function* () {
      const schedule = Schedule.min([Schedule.exponential("1 second"), Schedule.recurs(3)])
      assert.isAbove((yield* startsOf(schedule, "down")).length, 4)
    })
  )

  // policy/PolicyRunner: Retry-After reaches the delay through the schedule's input.
  it.effect("modifyDelay sees the error as its input after setInputType", () =>
    Effect.gen(function* () {
      const schedule = Schedule.recurs(2).pipe(
        Schedule.setInputType<Waits>(),
        Schedule.modifyDelay(({ input }) => Effect.succeed(Duration.millis(input.wait)))
      )
      assert.deepStrictEqual(yield* startsOf(schedule, { wait: 700 }), [0, 700, 1400])
    })
  )

  // policy/PolicyRunner: a retry may be refused where its delay is known.
  it.effect("modifyDelay that fails ends the retry with its own error", () =>
    Effect.gen(function* () {
      let runs = 0
      const schedule = Schedule.recurs(3).pipe(Schedule.modifyDelay(() => Effect.fail("too long" as const)))
      const once = Effect.suspend(() => {
        runs++
        return Effect.fail("down" as const)
      })
      assert.deepStrictEqual(yield* Effect.exit(Effect.retry(once, schedule)), Exit.fail("too long"))
      assert.strictEqual(runs, 1)
    })
  )
})

const breakerOf = CircuitBreaker.make({
  tripPolicy: CircuitBreaker.consecutive(2),
  openDuration: "50 millis"
}).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()))
const classify = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit)
    ? CircuitBreaker.success
    : Cause.hasInterrupts(exit.cause)
      ? CircuitBreaker.ignored
      : CircuitBreaker.failure()

describe("CircuitBreaker", () => {
  // policy/PolicyRunner: the attempt time-out stands inside the breaker.
  it.effect("a time-out outside a breaker reaches it as an interruption, which it ignores", () =>
    Effect.gen(function* () {
      const breaker = yield* breakerOf
      const stalled = breaker
        .execute(Effect.never, { key: "outside", classify })
        .pipe(Effect.timeout("1 second"))
      for (let i = 0; i < 20; i++) {
        const fiber = yield* Effect.forkChild(Effect.exit(stalled))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
      }
      assert.strictEqual(
        yield* breaker.execute(Effect.succeed("closed"), { key: "outside", classify }),
        "closed"
      )
    })
  )

  it.effect("a time-out inside a breaker counts, and opens it", () =>
    Effect.gen(function* () {
      const breaker = yield* breakerOf
      for (let i = 0; i < 2; i++) {
        const stalled = breaker.execute(Effect.timeout(Effect.never, "1 second"), { key: "inside", classify })
        const fiber = yield* Effect.forkChild(Effect.exit(stalled))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
      }
      const error = yield* Effect.flip(breaker.execute(Effect.void, { key: "inside", classify }))
      assert.isTrue(error instanceof CircuitBreaker.CircuitBreakerError)
    })
  )

  // policy/MonotonicClock: the stores are run under a clock that never jumps.
  it.effect("the memory store reads the wall clock: an hour back keeps a 50 ms opening open", () =>
    Effect.gen(function* () {
      const breaker = yield* breakerOf
      yield* TestClock.setTime(10 * 3_600_000)
      for (let i = 0; i < 2; i++) {
        yield* Effect.exit(breaker.execute(Effect.fail("down"), { key: "clock", classify }))
      }
      yield* TestClock.setTime(9 * 3_600_000)
      yield* TestClock.adjust("30 minutes")
      assert.isTrue(
        Result.isFailure(yield* Effect.result(breaker.execute(Effect.void, { key: "clock", classify })))
      )
      yield* TestClock.adjust("31 minutes")
      assert.isTrue(
        Result.isSuccess(yield* Effect.result(breaker.execute(Effect.void, { key: "clock", classify })))
      )
    })
  )
})

const get = (url: string) => HttpClient.get(url)

describe("HttpClient over undici", () => {
  // service/Exchange: follows redirects itself, hop by hop.
  it.live("redirects are not followed", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.writeHead(302, { location: "/next" }).end())
      const response = yield* get(server.url)
      assert.strictEqual(response.status, 302)
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Exchange: why it is not `HttpClient.followRedirects`.
  it.live("HttpClient.followRedirects forwards x-api-key to another origin", () =>
    Effect.gen(function* () {
      const other = yield* http((_, response) => sendJson(response, {}))
      const server = yield* http((_, response) => void response.writeHead(302, { location: other.url }).end())
      const client = HttpClient.followRedirects(yield* HttpClient.HttpClient)
      yield* client.execute(HttpClientRequest.get(server.url, { headers: { "x-api-key": "secret" } }))
      assert.strictEqual(other.requests[0]?.headers["x-api-key"], "secret")
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Body: decompresses, under a limit.
  it.live("bodies are not decompressed", () =>
    Effect.gen(function* () {
      const server = yield* http(
        (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"))
      )
      const bytes = new Uint8Array(yield* (yield* get(server.url)).arrayBuffer)
      assert.deepStrictEqual([bytes[0], bytes[1]], [0x1f, 0x8b])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Body: counts the bytes itself.
  it.live("HttpIncomingMessage.MaxBodySize does not bound the body of a response", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.end("x".repeat(10_000)))
      const text = yield* Effect.flatMap(get(server.url), (response) => response.text).pipe(
        Effect.provideService(MaxBodySize, ByteSize.bytes(100))
      )
      assert.strictEqual(text.length, 10_000)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Body and service/Decode: bytes are read first, then parsed, so that the two can be told apart.
  it.live("a reset in the middle of a body is the same DecodeError as bad JSON", () =>
    Effect.gen(function* () {
      const cut = yield* tcp((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        setTimeout(() => socket.resetAndDestroy(), 20)
      })
      const bad = yield* http((_, response) => void response.end("{"))
      const failureOf = (url: string) => Effect.flip(Effect.flatMap(get(url), (response) => response.json))
      const reasons = [yield* failureOf(cut.url), yield* failureOf(bad.url)].map((error) => error.reason._tag)
      assert.deepStrictEqual(reasons, ["DecodeError", "DecodeError"])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Body: what is not read is discarded.
  it.live("a response whose body is not read holds its socket", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.end("x".repeat(1_000_000)))
      const response = yield* get(server.url)
      yield* Effect.sleep("100 millis")
      assert.strictEqual(server.sockets.size, 1)
      const { port } = server
      const second = yield* get(`http://127.0.0.1:${port}`)
      // The first is still taken, so the second needed one of its own.
      yield* eventually(() => server.sockets.size === 2, "a second connection")
      assert.deepStrictEqual([response.status, second.status], [200, 200])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Body: a time-out while the body comes in closes the connection, without any help.
  it.live("interrupting arrayBuffer closes the connection", () =>
    Effect.gen(function* () {
      const server = yield* tcp((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"))
      const response = yield* get(server.url)
      yield* Effect.ignore(Effect.timeout(response.arrayBuffer, "50 millis"))
      yield* eventually(() => server.sockets.size === 0, "the connection to be closed")
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // service/Multipart: why its bodies are bytes and streams with a stated length.
  it.live("a stream body with a length is sent with that content-length, not chunked", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => sendJson(response, {}))
      const body = HttpBody.stream(Stream.make(new Uint8Array(3), new Uint8Array(4)), "image/png", 7)
      yield* HttpClient.post(server.url, { body })
      const [request] = server.requests
      assert.deepStrictEqual(
        [request?.headers["content-length"], request?.headers["transfer-encoding"], request?.body.length],
        ["7", undefined, 7]
      )
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  // policy/PolicyRunner: why it is not `HttpClient.retryTransient`, and 1,492 requests in 2 s were seen elsewhere.
  it.live("HttpClient.retryTransient does not bound attempts where failures and bad responses mix", () =>
    Effect.gen(function* () {
      const times = 3
      const server = yield* tcp((socket) => {
        if (server.requests.length % 2 === 0) socket.resetAndDestroy()
        else socket.end("HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
      })
      const client = HttpClient.retryTransient(yield* HttpClient.HttpClient, { times })
      yield* Effect.exit(client.get(server.url))
      assert.isAbove(server.requests.length, times + 1)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )
})

describe("HttpClient over fetch", () => {
  // service/Exchange: sets `redirect: "manual"`.
  it.live("redirects are followed by the platform unless it is told not to", () =>
    Effect.gen(function* () {
      const server = yield* http(({ path }, response) =>
        path === "/next" ? sendJson(response, {}) : void response.writeHead(302, { location: "/next" }).end()
      )
      assert.strictEqual((yield* get(server.url)).status, 200)
      const manual = Effect.provide(
        get(server.url),
        Context.make(FetchHttpClient.RequestInit, { redirect: "manual" })
      )
      assert.strictEqual((yield* manual).status, 302)
    }).pipe(Effect.provide(FetchHttpClient.layer), Effect.scoped)
  )

  // service/Body: does not decompress twice, though the header still names the encoding.
  it.live("bodies are decompressed by the platform, and keep their content-encoding", () =>
    Effect.gen(function* () {
      const server = yield* http(
        (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"))
      )
      const response = yield* get(server.url)
      assert.strictEqual(response.headers["content-encoding"], "gzip")
      assert.strictEqual(yield* response.text, "plain")
    }).pipe(Effect.provide(FetchHttpClient.layer), Effect.scoped)
  )
})

describe("Layer", () => {
  // policy/Breaker: the store comes from the context where there is one.
  it.effect("a memory store built within a scope is separate for each build", () =>
    Effect.gen(function* () {
      const a = Context.get(
        yield* Layer.build(CircuitBreaker.layerStoreMemory()),
        CircuitBreaker.CircuitBreakerStore
      )
      const b = Context.get(
        yield* Layer.build(CircuitBreaker.layerStoreMemory()),
        CircuitBreaker.CircuitBreakerStore
      )
      assert.notStrictEqual(a, b)
    }).pipe(Effect.scoped)
  )
})
