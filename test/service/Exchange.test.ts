import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Redacted, Stream } from "effect"
import { HttpBody } from "effect/http"
import { Exchange } from "effect-segformer/service"
import { eventually } from "../support/Eventually.ts"
import { closedPort, http, sendJson, tcp } from "../support/TestServer.ts"
import { attempt, clients, send, text } from "./support.ts"

/** Bytes on a socket that look like the start of an answer. */
const head = (...headers: ReadonlyArray<string>) => ["HTTP/1.1 200 OK", ...headers, "", ""].join("\r\n")

describe.each(clients)("Exchange over %s", (_, layer) => {
  describe("a request", () => {
    it.live("says who we are, and carries the ids of its call on every attempt", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}))
        const exchange = yield* Exchange.make({ baseUrl: server.url })
        yield* exchange.send({ method: "GET", path: "/a" }, attempt({ number: 1 }))
        yield* exchange.send({ method: "GET", path: "/a" }, attempt({ number: 2 }))
        for (const { headers } of server.requests) {
          assert.match(headers["user-agent"] ?? "", /^effect-segformer\/\d+\.\d+\.\d+$/)
          assert.strictEqual(headers["x-request-id"], "call-1")
          assert.strictEqual(headers["idempotency-key"], "key-1")
        }
        assert.strictEqual(server.requests.length, 2)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("carries the trace of its span", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}))
        const span = yield* send(server).pipe(Effect.andThen(Effect.currentSpan), Effect.withSpan("outer"))
        const trace = server.requests[0]?.headers["traceparent"] ?? ""
        assert.include(String(trace), span.traceId)
        assert.include(String(trace), span.spanId)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("carries the key and the headers it was given, and the body", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}))
        yield* send(
          server,
          { apiKey: Redacted.make("k-1"), headers: { "X-Tenant": "left", "X-Token": Redacted.make("t-1") } },
          { method: "POST", body: HttpBody.jsonUnsafe({ a: 1 }), headers: { "x-extra": "yes" } }
        )
        const [request] = server.requests
        assert.strictEqual(request?.headers["authorization"], "Bearer k-1")
        assert.strictEqual(request?.headers["x-tenant"], "left")
        assert.strictEqual(request?.headers["x-token"], "t-1")
        assert.strictEqual(request?.headers["x-extra"], "yes")
        assert.strictEqual(request?.body.toString(), '{"a":1}')
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    const bases = [
      ["", "/thing"],
      ["/", "/thing"],
      ["/v1/seg", "/v1/seg/thing"],
      ["/v1/seg//", "/v1/seg/thing"],
      ["?site=3", "/thing?site=3"],
      ["/v1/?site=3&x=%20", "/v1/thing?site=3&x=%20"],
      ["/v1#part", "/v1/thing"]
    ] as const
    it.live.each(bases)("goes from the base URL …%s to %s", ([suffix, expected]) =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}))
        const answer = yield* send({ url: server.url + suffix })
        assert.strictEqual(server.requests[0]?.path, expected)
        assert.strictEqual(answer.service, server.url + expected.split("?")[0])
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    const routes = [
      ["", "", "/"],
      ["/", "", "/"],
      ["/models/b0", "", "/models/b0"],
      ["/models/b0/", "", "/models/b0/"],
      ["/models/b0/?site=3", "", "/models/b0/?site=3"],
      ["/models/b0?site=3", "?x=1", "/models/b0?x=1&site=3"],
      ["/models/b0/", "?x=1", "/models/b0/?x=1"],
      ["/models/b0/", "/", "/models/b0/"],
      ["/models/b0", "/", "/models/b0/"]
    ] as const
    it.live.each(routes)(
      "of …%s, which is a route itself, with the path %j goes to %s",
      ([suffix, path, to]) =>
        Effect.gen(function* () {
          const server = yield* http((_, response) => sendJson(response, {}))
          yield* send({ url: server.url + suffix }, {}, { path })
          assert.strictEqual(server.requests[0]?.path, to)
        }).pipe(Effect.provide(layer), Effect.scoped)
    )
  })

  describe("an answer", () => {
    it.live("is whole whatever its status, under the service's own request id", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) =>
          sendJson(response, { no: 1 }, 418, { "x-request-id": "theirs" })
        )
        const answer = yield* send(server)
        assert.deepStrictEqual([answer.status, text(answer), answer.requestId], [418, '{"no":1}', "theirs"])
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("has our request id where the service gives none", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}, 200, { "x-request-id": "" }))
        assert.strictEqual((yield* send(server)).requestId, "call-1")
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("without a body is empty", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => void response.writeHead(204).end())
        assert.strictEqual((yield* send(server)).body.length, 0)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("that is an error is read only so far, and its connection given up", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => {
          response.writeHead(500)
          const more = setInterval(() => response.write("x".repeat(50_000)), 1)
          response.on("close", () => clearInterval(more))
        })
        const answer = yield* send(server)
        assert.strictEqual(answer.body.length, 64 * 1024)
        yield* eventually(() => server.sockets.size === 0)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("asks to wait: Retry-After becomes part of the error", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) =>
          sendJson(response, { error: "busy" }, 429, { "retry-after": "7" })
        )
        const error = yield* Effect.flip(Effect.flatMap(send(server), (answer) => Exchange.failure(answer)))
        assert.strictEqual(error._tag, "RateLimited")
        assert.deepStrictEqual("retryAfter" in error && error.retryAfter, Duration.seconds(7))
      }).pipe(Effect.provide(layer), Effect.scoped)
    )
  })

  describe("a connection", () => {
    it.live("that is refused was never sent", () =>
      Effect.gen(function* () {
        const port = yield* closedPort
        const error = yield* Effect.flip(send({ url: `http://127.0.0.1:${port}` }))
        assert.strictEqual(error._tag, "ConnectionFailed")
        if (error._tag !== "ConnectionFailed") return
        assert.deepStrictEqual([error.code, error.phase, error.sent], ["ECONNREFUSED", "sending", "no"])
        assert.strictEqual(error.requestId, "call-1")
        assert.include(error.message, "Is the service running")
        assert.isTrue(error.isRetryable)
      }).pipe(Effect.provide(layer))
    )

    it.live("to a name that does not resolve was never sent", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(send({ url: "http://no-such-host.invalid" }))
        assert.strictEqual(error._tag, "ConnectionFailed")
        if (error._tag !== "ConnectionFailed") return
        assert.include(["ENOTFOUND", "EAI_AGAIN"], error.code)
        assert.strictEqual(error.sent, "no")
        assert.include(error.message, "Is the host name right")
        // A name that does not exist will not within seconds; a resolver that does not answer may.
        assert.strictEqual(error.isRetryable, error.code === "EAI_AGAIN")
      }).pipe(Effect.provide(layer))
    )

    it.live("that is reset before the headers may have been sent", () =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => socket.resetAndDestroy())
        const error = yield* Effect.flip(send(server))
        assert.strictEqual(error._tag, "ConnectionFailed")
        if (error._tag !== "ConnectionFailed") return
        assert.deepStrictEqual([error.phase, error.sent, error.isRetryable], ["sending", "maybe", true])
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live.each<readonly [string, string, string]>([
      ["of stated length", head("content-length: 100"), "{"],
      ["in chunks", head("transfer-encoding: chunked"), "1\r\n{\r\n"],
      [
        "in chunks, of a connection that was to close",
        head("connection: close", "transfer-encoding: chunked"),
        "1\r\n{\r\n"
      ]
    ])("that is reset in the middle of a body %s is no bad data", ([, headers, body]) =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => {
          socket.write(headers + body)
          setTimeout(() => socket.resetAndDestroy(), 20)
        })
        const error = yield* Effect.flip(send(server))
        assert.strictEqual(error._tag, "ConnectionFailed")
        if (error._tag !== "ConnectionFailed") return
        assert.deepStrictEqual([error.phase, error.sent, error.isRetryable], ["receiving", "maybe", true])
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("that closes amid chunks, as it has said that it will close, broke like any other", () =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) =>
          socket.end(`${head("connection: close", "transfer-encoding: chunked")}2\r\n{}\r\n`)
        )
        const error = yield* Effect.flip(send(server))
        assert.strictEqual(error._tag, "ConnectionFailed")
        assert.isTrue(error.isRetryable)
        assert.match(error.message, /^The connection to .* broke while its answer came in/)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("that closes before its stated length is no short answer", () =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => socket.end(`${head("content-length: 100")}{}`))
        assert.strictEqual((yield* Effect.flip(send(server)))._tag, "ConnectionFailed")
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("that answers no HTTP is a failed connection", () =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"))
        assert.strictEqual((yield* Effect.flip(send(server)))._tag, "ConnectionFailed")
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("of which one side speaks no TLS is not tried again", () =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
        const error = yield* Effect.flip(send({ url: server.url.replace("http:", "https:") }))
        assert.strictEqual(error._tag, "ConnectionFailed")
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "TLS")
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live.each<readonly [string, string]>([
      ["before the headers", ""],
      ["in a body of stated length", `${head("content-length: 100")}{`],
      ["in a body in chunks", `${head("transfer-encoding: chunked")}1\r\n{\r\n`],
      ["in a compressed body", `${head("content-encoding: gzip", "transfer-encoding: chunked")}`],
      ["in the body of an error", "HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\n{"]
    ])("that stalls %s is closed when its caller gives up", ([, bytes]) =>
      Effect.gen(function* () {
        const server = yield* tcp((socket) => void (bytes === "" || socket.write(bytes)))
        const fiber = yield* Effect.forkChild(send(server))
        yield* eventually(() => server.requests.length === 1)
        yield* Effect.sleep("30 millis")
        assert.strictEqual(server.sockets.size, 1)
        yield* Fiber.interrupt(fiber)
        yield* eventually(() => server.sockets.size === 0)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("is closed when its layer is, though kept alive until then", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}))
        yield* Effect.gen(function* () {
          const exchange = yield* Exchange.make({ baseUrl: server.url })
          for (let i = 0; i < 10; i++) yield* exchange.send({ method: "GET", path: "/" }, attempt())
          assert.isAtMost(server.sockets.size, 2)
        }).pipe(Effect.provide(layer))
        // The connections of `fetch` belong to the process.
        if (layer === clients[0][1]) yield* eventually(() => server.sockets.size === 0)
      }).pipe(Effect.scoped)
    )
  })

  describe("as a stream", () => {
    it.live("the body comes as it is sent, before it is whole", () =>
      Effect.gen(function* () {
        let finish = () => {}
        const server = yield* http((_, response) => {
          response.write("first")
          finish = () => response.end("second")
        })
        const exchange = yield* Exchange.make({ baseUrl: server.url })
        const pieces = yield* exchange.stream({ method: "GET", path: "/" }, attempt()).pipe(
          Stream.map((chunk) => new TextDecoder().decode(chunk)),
          Stream.tap(() => Effect.sync(() => finish())),
          Stream.runCollect
        )
        assert.deepStrictEqual(pieces, ["first", "second"])
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("an error is an error, and a redirect is refused like any other", () =>
      Effect.gen(function* () {
        const server = yield* http(({ path }, response) =>
          path === "/moved"
            ? void response.writeHead(302, { location: "/" }).end()
            : sendJson(response, { error: "gone" }, 410)
        )
        const exchange = yield* Exchange.make({ baseUrl: server.url })
        const tagOf = (path: string) =>
          Effect.map(
            Effect.flip(Stream.runDrain(exchange.stream({ method: "GET", path }, attempt()))),
            (error) => error._tag
          )
        assert.strictEqual(yield* tagOf("/gone"), "NotFound")
        assert.strictEqual(yield* tagOf("/moved"), "RedirectRefused")
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("a body that breaks, or is larger than a limit that was given, ends it", () =>
      Effect.gen(function* () {
        const cut = yield* tcp((socket) => {
          socket.write(`${head("content-length: 100")}abc`)
          setTimeout(() => socket.resetAndDestroy(), 20)
        })
        const long = yield* http((_, response) => void response.end("x".repeat(1000)))
        const tagOf = (url: string) =>
          Effect.gen(function* () {
            const exchange = yield* Exchange.make({ baseUrl: url, limits: { maxBodyBytes: 500 } })
            return yield* exchange.stream({ method: "GET", path: "/" }, attempt()).pipe(
              Stream.runDrain,
              Effect.flip,
              Effect.map((error) => error._tag)
            )
          })
        assert.strictEqual(yield* tagOf(cut.url), "ConnectionFailed")
        assert.strictEqual(yield* tagOf(long.url), "ResponseTooLarge")
      }).pipe(Effect.provide(layer), Effect.scoped)
    )

    it.live("whoever reads only its start closes the connection", () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => {
          const more = setInterval(() => response.write("x".repeat(10_000)), 1)
          response.on("close", () => clearInterval(more))
        })
        const exchange = yield* Exchange.make({ baseUrl: server.url })
        yield* exchange.stream({ method: "GET", path: "/" }, attempt()).pipe(Stream.take(2), Stream.runDrain)
        yield* eventually(() => server.sockets.size === 0)
      }).pipe(Effect.provide(layer), Effect.scoped)
    )
  })
})

describe("Exchange.make", () => {
  const refused = [
    ["ftp://host/a", "must start with http"],
    ["localhost:8080", "must start with http"],
    ["file:///etc/passwd", "must start with http"],
    ["", "write it whole"],
    ["/v1", "write it whole"],
    ["http://", "write it whole"],
    ["http://host:99999", "write it whole"],
    ["http://user:hunter2@host", "a name and password"],
    ["http://user:hunter2@host:99999/?key=hunter2", "write it whole"]
  ] as const
  it.effect.each(refused)("%s is no base URL", ([baseUrl, why]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Exchange.make({ baseUrl }))
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.include(error.message, why)
      assert.notInclude(JSON.stringify(error) + error.message, "hunter2")
      assert.isFalse(error.isRetryable)
    }).pipe(Effect.provide(clients[0][1]))
  )

  /** With options as plain JavaScript may have them. */
  const makeOf = (options: Readonly<Record<string, unknown>>) => {
    const given = { baseUrl: "http://host" }
    for (const [name, value] of Object.entries(options)) Reflect.set(given, name, value)
    return Effect.suspend(() => Exchange.make(given))
  }

  it.effect("what a program gave is shown as it was written, also where it gave nothing", () =>
    Effect.gen(function* () {
      const messageOf = (options: Readonly<Record<string, unknown>>) =>
        Effect.map(Effect.flip(makeOf(options)), ({ message }) => message)
      assert.include(yield* messageOf({ baseUrl: "localhost:8080" }), 'Cannot use "localhost:8080" as a URL')
      assert.include(yield* messageOf({ baseUrl: undefined }), 'Cannot use "" as a URL: write it whole')
    }).pipe(Effect.provide(clients[0][1]))
  )

  it.effect(
    "a key in plain text, and limits that are none, are mistakes of the program, and name the option",
    () =>
      Effect.gen(function* () {
        const given: ReadonlyArray<readonly [Readonly<Record<string, unknown>>, string]> = [
          [{ apiKey: "hunter2" }, "`apiKey` must be one that no log shows: Redacted.make(key)"],
          [
            { limits: { maxBodyBytes: Number.NaN } },
            "`maxBodyBytes` must be a number of at least 0, but is NaN"
          ],
          [
            { limits: { maxDecodedBytes: "x" } },
            '`maxDecodedBytes` must be a number of at least 0, but is "x"'
          ]
        ]
        for (const [options, said] of given) {
          const make = () => Reflect.apply(Exchange.make, undefined, [{ baseUrl: "http://host", ...options }])
          const exit = yield* Effect.exit(Effect.suspend(make))
          assert.isTrue(Exit.hasDies(exit))
          assert.include(String(exit), said)
          assert.notInclude(String(exit), "hunter2")
        }
      }).pipe(Effect.provide(clients[0][1]))
  )

  it.effect("a limit that is not said is as by default", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.end("x".repeat(65 * 1024 * 1024)))
      const exchange = yield* makeOf({ baseUrl: server.url, limits: { maxBodyBytes: undefined } })
      const error = yield* Effect.flip(exchange.send({ method: "GET", path: "/" }, attempt()))
      assert.strictEqual(error._tag, "ResponseTooLarge")
    }).pipe(Effect.provide(clients[0][1]), Effect.scoped)
  )

  it.effect(
    "a header that no request may carry is a mistake of the program, and says which without its value",
    () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Exchange.make({ baseUrl: "http://host", apiKey: Redacted.make("hun\nter2") })
        )
        assert.isTrue(Exit.hasDies(exit))
        assert.include(String(exit), "`authorization`")
        assert.notInclude(String(exit), "ter2")
      }).pipe(Effect.provide(clients[0][1]))
  )
})
