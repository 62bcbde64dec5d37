import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { HttpBody } from "effect/http"
import { Exchange } from "effect-segformer/service"
import { http, sendJson, type Handler } from "../support/TestServer.ts"
import { clients, send, text } from "./support.ts"

const secrets = {
  apiKey: Redacted.make("secret-key"),
  headers: { "x-api-key": Redacted.make("secret-too"), cookie: "session=secret" }
}

const follow = (
  hosts: ReadonlyArray<string> | "any" = [],
  max?: number
): Exchange.ExchangeOptions["redirects"] => ({
  hosts,
  max
})

/** Redirects every path but those listed, which answer with what was asked of them. */
const redirecting =
  (to: Readonly<Record<string, string>>, status = 302): Handler =>
  (request, response) => {
    const location = to[request.path]
    if (location === undefined) sendJson(response, { method: request.method, body: request.body.length })
    else response.writeHead(status, { location }).end("moved")
  }

const refusal = (...args: Parameters<typeof send>) =>
  Effect.map(Effect.flip(send(...args)), (error) => {
    assert.strictEqual(error._tag, "RedirectRefused")
    return error
  })

describe.each(clients)("redirects over %s", (_, layer) => {
  it.live("are refused by default, and the error names the target without its query", () =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing": "http://u:pw@other.example/x?token=abc#y" }))
      const error = yield* refusal(server)
      assert.strictEqual("location" in error && error.location, "http://other.example/x")
      assert.strictEqual("status" in error && error.status, 302)
      assert.isFalse(error.isRetryable)
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each([301, 302, 303, 307, 308])("%i within the origin is followed, with our headers", (status) =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing": "/a?b=c", "/a?b=c": "d", "/d": "./e" }, status))
      const answer = yield* send(server, { ...secrets, redirects: follow() })
      assert.deepStrictEqual(
        server.requests.map(({ path }) => path),
        ["/thing", "/a?b=c", "/d", "/e"]
      )
      assert.strictEqual(answer.service, `${server.url}/e`)
      for (const { headers } of server.requests) {
        assert.strictEqual(headers["authorization"], "Bearer secret-key")
        assert.strictEqual(headers["x-request-id"], "call-1")
      }
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("a query of the base URL is not added to where a redirect leads", () =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing?site=3": "/next" }))
      yield* send({ url: `${server.url}?site=3` }, { redirects: follow() })
      assert.deepStrictEqual(
        server.requests.map(({ path }) => path),
        ["/thing?site=3", "/next"]
      )
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("to another host are followed only where it is allowed, and no header of ours goes there", () =>
    Effect.gen(function* () {
      const other = yield* http(redirecting({}))
      const server = yield* http(redirecting({ "/thing": `${other.url}/there` }))
      yield* refusal(server, { ...secrets, redirects: follow(["elsewhere.example"]) })
      assert.strictEqual(other.requests.length, 0)
      for (const hosts of ["any", [new URL(other.url).host]] as const) {
        const answer = yield* send(server, { ...secrets, redirects: follow(hosts) }).pipe(
          Effect.withSpan("traced")
        )
        assert.strictEqual(answer.service, `${other.url}/there`)
      }
      assert.strictEqual(other.requests.length, 2)
      for (const { headers } of other.requests) {
        const ours = [
          "authorization",
          "x-api-key",
          "cookie",
          "x-request-id",
          "idempotency-key",
          "traceparent",
          "b3"
        ]
        assert.deepStrictEqual(
          ours.filter((name) => headers[name] !== undefined),
          []
        )
        assert.notInclude(JSON.stringify(headers), "secret")
        assert.match(headers["user-agent"] ?? "", /^effect-segformer\//)
      }
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("back from another host are followed, and what was dropped on the way stays dropped", () =>
    Effect.gen(function* () {
      const other = yield* http(
        (_, response) => void response.writeHead(302, { location: `${server.url}/home` }).end()
      )
      const server = yield* http((request, response) =>
        redirecting({ "/thing": `${other.url}/there` })(request, response)
      )
      const answer = yield* send(server, { ...secrets, redirects: follow([new URL(other.url).host]) })
      assert.strictEqual(answer.service, `${server.url}/home`)
      assert.isUndefined(server.requests[1]?.headers["authorization"])
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("in a circle end after the hops that are allowed", () =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing": "/other", "/other": "/thing" }))
      const error = yield* refusal(server, { redirects: follow([], 3) })
      assert.match(error.message, /in a circle.*redirects\.max/)
      assert.strictEqual(server.requests.length, 4)
      yield* refusal(server, { redirects: follow() })
      assert.strictEqual(server.requests.length, 4 + 6)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each([
    ["javascript:alert(1)", "no http(s) URL"],
    ["file:///etc/passwd", "no http(s) URL"],
    ["http://", "no http(s) URL"],
    ["http://a b/", "no http(s) URL"],
    ["data:text/html,hello", "no http(s) URL"],
    ["ftp://files.example/x", "no http(s) URL"],
    ["", "to a place that it does not name: its `Location` is empty"],
    ["http://a.example/x, http://b.example/y", "to http://a.example/x and to http://b.example/y: a redirect"]
  ])("to %s are refused", ([location, why]) =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing": location! }))
      const error = yield* refusal(server, { redirects: follow("any") })
      assert.include(error.message, why!)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("that name no target are answers like any other, and failures that say so", () =>
    Effect.gen(function* () {
      let status = 302
      const server = yield* http(
        (_, response) =>
          void response
            .writeHead(status, status === 304 || status === 305 ? { location: "/next" } : {})
            .end(status === 304 ? undefined : "<title>Sign in</title>")
      )
      for (const [given, tag, said] of [
        [301, "RedirectRefused", /\(301\) to a place that it does not name: it has no `Location`.*Sign in/],
        [302, "RedirectRefused", /no `Location`/],
        [307, "RedirectRefused", /no `Location`/],
        [300, "RedirectRefused", /one of several places/],
        [305, "RedirectRefused", /to a proxy/],
        [304, "ResponseNotDecodable", /nothing has changed/]
      ] as const) {
        status = given
        const answer = yield* send(server, { redirects: follow() })
        assert.strictEqual(answer.status, given)
        const error = yield* Effect.flip(Exchange.failure(answer))
        assert.strictEqual(error._tag, tag)
        assert.match(error.message, said)
      }
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("are followed to a place in UTF-8, and to one that is named twice", () =>
    Effect.gen(function* () {
      const server = yield* http((request, response) => {
        if (request.path !== "/thing") return sendJson(response, {})
        response.socket?.end(
          "HTTP/1.1 302 Found\r\nlocation: /größe\r\nlocation: /größe\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
      })
      assert.strictEqual(
        (yield* send(server, { redirects: follow() })).service,
        `${server.url}/${encodeURIComponent("größe")}`
      )
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  const post = { method: "POST", body: HttpBody.uint8Array(new Uint8Array(9), "image/png") } as const

  it.live.each([301, 302])("%i of a POST is refused: it would lose its body", (status) =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing": "/next" }, status))
      yield* refusal(server, { redirects: follow() }, post)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("303 of a POST leads to a GET without its body", () =>
    Effect.gen(function* () {
      const server = yield* http(redirecting({ "/thing": "/next" }, 303))
      const answer = yield* send(server, { redirects: follow() }, post)
      assert.strictEqual(text(answer), '{"method":"GET","body":0}')
      assert.isUndefined(server.requests[1]?.headers["content-type"])
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each([307, 308])("%i of a POST repeats it with its body, to another host too", (status) =>
    Effect.gen(function* () {
      const other = yield* http(redirecting({}))
      const server = yield* http(redirecting({ "/thing": "/next", "/next": `${other.url}/there` }, status))
      const answer = yield* send(server, { redirects: follow("any") }, post)
      assert.strictEqual(text(answer), '{"method":"POST","body":9}')
      assert.strictEqual(other.requests[0]?.headers["content-type"], "image/png")
      assert.strictEqual(other.requests[0]?.headers["content-length"], "9")
    }).pipe(Effect.provide(layer), Effect.scoped)
  )
})

describe("redirects from https", () => {
  it.effect("to http are refused, whatever is allowed", () =>
    Effect.gen(function* () {
      const { Exchange } = yield* Effect.promise(() => import("effect-segformer/service"))
      const { FakeHttp } = yield* Effect.promise(() => import("effect-segformer/testing"))
      const { attempt } = yield* Effect.promise(() => import("./support.ts"))
      const fake = FakeHttp.script([
        FakeHttp.respond({ status: 302, headers: { location: "http://host/a" } })
      ])
      const error = yield* Effect.provide(
        Effect.flatMap(Exchange.make({ baseUrl: "https://host", redirects: follow("any") }), (exchange) =>
          Effect.flip(exchange.send({ method: "GET", path: "/a" }, attempt()))
        ),
        fake
      )
      assert.strictEqual(error._tag, "RedirectRefused")
      assert.include(error.message, "from https to http")
    })
  )
})
