/** That the service misbehaves as it says: looked at by the platform's own `fetch` and by bare sockets. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect, createServer } from "node:net"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { eventually } from "../support/Eventually.ts"

/** How a plain `fetch` ends: its status and body, or the code of what broke. */
const fetched = (url: string, init?: RequestInit) =>
  Effect.promise(async (signal) => {
    try {
      const response = await fetch(url, { redirect: "manual", ...init, signal })
      const { headers, status } = response
      return { status, headers, body: await response.text() }
    } catch (error) {
      const cause = error instanceof Error ? (error.cause ?? error) : error
      return {
        broke: typeof cause === "object" && cause !== null && "code" in cause ? cause.code : String(cause)
      }
    }
  })

/**
 * Every byte that comes for a plain request, until the other side ends; or, where it is expected to leave the connection
 * open, until after a while there is what is expected.
 */
const raw = (port: number, expected: RegExp, expectedEnd: string) =>
  Effect.callback<{ readonly text: string; readonly end: string }>((resume) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    const done = (end: string) => {
      clearInterval(timer)
      socket.destroy()
      resume(Effect.succeed({ text, end }))
    }
    const least = performance.now() + 200
    const timer = setInterval(() => {
      if (expectedEnd === "open" && performance.now() > least && expected.test(text)) done("open")
    }, 10)
    socket.on("data", (bytes) => (text += bytes.toString("latin1")))
    socket.on("end", () => done("ended"))
    socket.on("error", (error) => done("code" in error ? String(error.code) : error.message))
    socket.write("GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
  })

describe("FaultyService", () => {
  const cases = [
    ["resetBeforeHeaders", Faulty.resetBeforeHeaders, "ECONNRESET", /^$/],
    ["lostAnswer", Faulty.lostAnswer, "ECONNRESET", /^$/],
    [
      "resetInBody",
      Faulty.resetInBody({ body: "ab" }),
      "ECONNRESET",
      /content-length: 1002[\s\S]*\r\n\r\nab$/i
    ],
    [
      "truncate",
      Faulty.truncate({ body: "ab", missing: 3 }),
      "ended",
      /content-length: 5[\s\S]*\r\n\r\nab$/i
    ],
    ["stall", Faulty.stall({ body: "ab" }), "open", /200 OK[\s\S]*\r\n\r\nab$/],
    ["silence", Faulty.silence, "open", /^$/],
    ["drip", Faulty.drip(`abc${"x".repeat(5000)}`, "20 millis"), "open", /\r\n\r\nabc/],
    ["garbage", Faulty.garbage("hello"), "ended", /^hello$/],
    [
      "redirect",
      Faulty.redirect("http://elsewhere/"),
      "open",
      /302 Found[\s\S]*location: http:\/\/elsewhere\//
    ],
    ["refuse", Faulty.refuse(429, "7"), "open", /429[\s\S]*retry-after: 7/],
    ["delay", Faulty.delay("1 minute", Faulty.json(1)), "open", /^$/]
  ] as const
  it.live.each(cases)("%s", ([, fault, end, text]) =>
    Effect.gen(function* () {
      const service = yield* Faulty.make([fault])
      const seen = yield* raw(service.port, text, end)
      assert.strictEqual(seen.end, end)
      assert.match(seen.text, text)
      yield* eventually(() => service.sockets === 0)
    }).pipe(Effect.scoped)
  )

  it.live.each(["gzip", "deflate", "br"] as const)(
    "a bomb of %s is small, and decompresses to what it says",
    (encoding) =>
      Effect.gen(function* () {
        const service = yield* Faulty.make([Faulty.bomb(encoding, 4_000_000)])
        const seen = yield* fetched(service.url)
        assert.strictEqual("body" in seen ? seen.body.length : 0, 4_000_000)
        assert.isBelow("headers" in seen ? Number(seen.headers.get("content-length")) : Infinity, 100_000)
      }).pipe(Effect.scoped)
  )

  it.live("an endless body is as long as it says, announced or not", () =>
    Effect.gen(function* () {
      for (const announced of [true, false]) {
        const service = yield* Faulty.make([Faulty.endless({ bytes: 1_000_001, announced })])
        const seen = yield* fetched(service.url)
        assert.strictEqual("body" in seen ? seen.body.length : 0, 1_000_001)
        assert.strictEqual("headers" in seen && seen.headers.has("content-length"), announced)
      }
    }).pipe(Effect.scoped)
  )

  it.live("plays the script request by request, the last fault for ever, until it is told otherwise", () =>
    Effect.gen(function* () {
      const service = yield* Faulty.make([Faulty.refuse(500), Faulty.refuse(404)])
      const status = Effect.map(fetched(service.url), (seen) => ("status" in seen ? seen.status : 0))
      assert.deepStrictEqual([yield* status, yield* status, yield* status], [500, 404, 404])
      service.behave([Faulty.json(1)])
      assert.strictEqual(yield* status, 200)
      service.behave(Faulty.flap(Faulty.json(1), Faulty.refuse(503), { good: 1, bad: 1 }))
      assert.deepStrictEqual([yield* status, yield* status, yield* status], [200, 503, 200])
    }).pipe(Effect.scoped)
  )

  it.live("counts what it executes, and with keys each key once", () =>
    Effect.gen(function* () {
      for (const [honoursKeys, expected] of [
        [false, 3],
        [true, 2]
      ] as const) {
        const service = yield* Faulty.make(
          [Faulty.lostAnswer, Faulty.json(1), Faulty.resetBeforeHeaders, Faulty.refuse(503), Faulty.json(2)],
          { honoursKeys }
        )
        for (const key of ["a", "a", "b", "b", "b"]) {
          yield* fetched(service.url, { method: "POST", body: "image", headers: { "idempotency-key": key } })
        }
        assert.strictEqual(service.requests.length, 5)
        assert.strictEqual(service.executions, expected)
        assert.strictEqual(new TextDecoder().decode(service.requests[0]!.body), "image")
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes down and comes up at the same port", () =>
    Effect.gen(function* () {
      const service = yield* Faulty.make([Faulty.json(1)], { resetOnAccept: 1 })
      assert.deepStrictEqual(yield* fetched(service.url), { broke: "ECONNRESET" })
      yield* service.down
      assert.deepStrictEqual(yield* fetched(service.url), { broke: "ECONNREFUSED" })
      yield* service.up
      assert.deepInclude(yield* fetched(service.url), { status: 200 })
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(process.platform !== "linux")("has its port while it is down: nobody else is given it", () =>
    Effect.gen(function* () {
      const service = yield* Faulty.make([Faulty.json(1)])
      yield* service.down
      const own = service.port.toString(16).toUpperCase().padStart(4, "0")
      // A connection that is established, from 127.0.0.1 at this port.
      const taken = new RegExp(`^ *\\d+: 0100007F:${own} \\S+ 01 `, "m")
      assert.match(readFileSync("/proc/net/tcp", "utf8"), taken)
      yield* service.up
      assert.deepInclude(yield* fetched(service.url), { status: 200 })
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(process.platform !== "linux")(
    "does not come up at a port that somebody took all the same, and its caller learns why",
    () =>
      Effect.gen(function* () {
        const service = yield* Faulty.make([Faulty.json(1)])
        yield* service.down
        const other = createServer()
        yield* Effect.promise((): Promise<unknown> =>
          once(other.listen(service.port, "127.0.0.1"), "listening")
        )
        const exit = yield* Effect.exit(service.up)
        assert.include(String(exit), "EADDRINUSE")
        yield* Effect.promise((): Promise<unknown> => once(other.close(), "close"))
        yield* service.up
        assert.deepInclude(yield* fetched(service.url), { status: 200 })
      }).pipe(Effect.scoped)
  )
})
