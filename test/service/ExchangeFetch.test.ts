/** Addresses that a service names in its answers: whoever answers must not choose where our requests and keys go. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Exchange } from "effect-segformer/service"
import { FakeHttp } from "effect-segformer/testing"
import { http, sendJson } from "../support/TestServer.ts"
import { attempt, clients, text } from "./support.ts"

const options = { apiKey: Redacted.make("secret-key"), headers: { "x-tenant": "left" } }

describe.each(clients)("Exchange.fetch over %s", (_, layer) => {
  it.live(
    "gets an address of the service's own origin with its headers, and without the path of its base",
    () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, { mask: 1 }))
        const exchange = yield* Exchange.make({ baseUrl: `${server.url}/v1`, ...options })
        const answer = yield* exchange.fetch(`${server.url}/files/a.png?sig=1`, attempt(), {
          accept: "image/png"
        })
        assert.strictEqual(text(answer), '{"mask":1}')
        assert.strictEqual(answer.service, `${server.url}/files/a.png`)
        const [request] = server.requests
        assert.strictEqual(request?.path, "/files/a.png?sig=1")
        assert.strictEqual(request?.headers["authorization"], "Bearer secret-key")
        assert.strictEqual(request?.headers.accept, "image/png")
      }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("gets one of another host only where that is allowed, with no header of ours", () =>
    Effect.gen(function* () {
      const other = yield* http((_, response) => sendJson(response, {}))
      const exchange = yield* Exchange.make({ baseUrl: "http://127.0.0.1:1", ...options })
      const error = yield* Effect.flip(exchange.fetch(`${other.url}/a`, attempt()))
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.include(error.message, "hosts")
      assert.strictEqual(other.requests.length, 0)
      const { host } = new URL(other.url)
      yield* exchange.fetch(`${other.url}/a`, attempt(), { hosts: [host] }).pipe(Effect.withSpan("traced"))
      const headers = other.requests[0]?.headers ?? {}
      const ours = ["authorization", "x-tenant", "x-request-id", "idempotency-key", "traceparent", "b3"]
      assert.deepStrictEqual(
        ours.filter((name) => headers[name] !== undefined),
        []
      )
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("follows a redirect only to a host that is allowed too", () =>
    Effect.gen(function* () {
      const inside = yield* http((_, response) => sendJson(response, { secret: 1 }))
      const server = yield* http(
        (_, response) => void response.writeHead(302, { location: `${inside.url}/meta` }).end()
      )
      const exchange = yield* Exchange.make({ baseUrl: server.url, ...options })
      const error = yield* Effect.flip(exchange.fetch(`${server.url}/a`, attempt()))
      assert.strictEqual(error._tag, "RedirectRefused")
      assert.strictEqual(inside.requests.length, 0)
      const answer = yield* exchange.fetch(`${server.url}/a`, attempt(), {
        hosts: [new URL(inside.url).host]
      })
      assert.strictEqual(answer.status, 200)
      assert.isUndefined(inside.requests[0]?.headers["authorization"])
    }).pipe(Effect.provide(layer), Effect.scoped)
  )
})

describe("Exchange.fetch", () => {
  it.effect.each([
    ["", "no http(s) URL"],
    ["/relative", "no http(s) URL"],
    ["file:///etc/passwd", "no http(s) URL"],
    ["data:text/plain,secret", "no http(s) URL"],
    ["http://169.254.169.254/latest/meta-data", "hosts"],
    ["https://files.example.com.evil.example/a", "hosts"],
    ["https://example.com/a", "hosts"],
    ["http://files.example.com/a", "from https to http"]
  ])("%j is not fetched", ([address, why]) =>
    Effect.gen(function* () {
      const exchange = yield* Exchange.make({ baseUrl: "https://api.example.com" })
      const error = yield* Effect.flip(
        exchange.fetch(address ?? "", attempt(), { hosts: ["*.example.com", "files.example.com"] })
      )
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.include(error.message, why ?? "")
    }).pipe(Effect.provide(FakeHttp.script([])))
  )

  it.effect.each(["https://files.example.com/a", "https://FILES.example.com/a", "https://api.example.com/a"])(
    "%j is",
    (address) =>
      Effect.gen(function* () {
        const exchange = yield* Exchange.make({ baseUrl: "https://api.example.com" })
        const answer = yield* exchange.fetch(address, attempt(), { hosts: ["*.Example.com"] })
        assert.strictEqual(answer.status, 200)
      }).pipe(Effect.provide(FakeHttp.script([FakeHttp.json({})])))
  )
})
