/** Who may come in, and what a browser may do with an answer. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Tracer } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import {
  CurrentCaller,
  type Dialect,
  Dialects,
  SegFormerApi,
  SegFormerServer,
  type SegFormerServerOptions
} from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { ask, fixture, form, rawGet, serve, isWeb } from "./support.ts"

const secret = "correct-horse-battery-staple"
const tokens = [Redacted.make("another-token-of-somebody"), Redacted.make(secret)]
const bearing = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })

const image = (init: RequestInit = {}): RequestInit => ({
  ...init,
  method: "POST",
  body: Uint8Array.from(Fixtures.image)
})

describe("a server without tokens", () => {
  it.live.skipIf(isWeb)(
    "answers to this machine's names alone, so that no stranger's page can make it a part of theirs",
    () =>
      Effect.gen(function* () {
        const dialects = yield* Dialects.load(Dialects.names)
        const { port } = yield* serve(fixture, { dialects })
        const get = (host: string, path = "/v1/models") => rawGet(port, path, host)
        for (const host of [
          `127.0.0.1:${port}`,
          "localhost",
          "LOCALHOST:80",
          `[::1]:${port}`,
          `[::ffff:127.0.0.1]:${port}`,
          "[0:0:0:0:0:ffff:7fff:1]",
          "app.localhost:1"
        ]) {
          assert.match(yield* get(host), /^HTTP\/1\.1 200 /, host)
        }
        for (const host of [
          "evil.example",
          "127.0.0.1.evil.example",
          "localhost.evil.example:8080",
          "10.0.0.1",
          "[::ffff:10.0.0.1]",
          // An address like any other, however much of it looks like a loopback.
          "[::ffff:7f00:3fff:63e1:ff9b]"
        ]) {
          for (const path of ["/v1/models", "/v1/jobs", "/metrics", "/api/model/current"]) {
            const answer = yield* get(host, path)
            assert.match(answer, /^HTTP\/1\.1 403 /, `${host} ${path}`)
            assert.include(answer, "localhost or 127.0.0.1")
          }
          assert.match(yield* get(host, "/health"), /^HTTP\/1\.1 200 /)
        }
      })
  )

  it.live("answers to any name where anyone may come", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(fixture, { allowAnyone: true })
      const answer = yield* rawGet(port, "/v1/models", "a.example")
      assert.match(answer, /^HTTP\/1\.1 200 /)
    })
  )
})

describe("a server with tokens", () => {
  it.live("lets in who has one, on every route of every dialect, and nobody else", () =>
    Effect.gen(function* () {
      const dialects = yield* Dialects.load(Dialects.names)
      const { url } = yield* serve(fixture, { tokens, dialects })
      const guarded = [
        "/v1/models",
        "/v1/segment",
        "/v1/jobs",
        "/upload",
        "/metrics",
        "/v2",
        "/v2/health/ready",
        "/predictions",
        "/ping",
        "/download/x",
        "/nowhere",
        "//health",
        "/health/",
        "/HEALTH",
        "/docs/../v1/models"
      ]
      for (const path of guarded) {
        for (const method of ["GET", "POST", "PUT", "DELETE"]) {
          for (const headers of [
            {},
            { authorization: secret },
            { authorization: `Basic ${secret}` },
            { authorization: "Bearer " },
            { authorization: `Bearer ${secret}x` },
            { authorization: `Bearer ${secret.slice(0, -1)}` }
          ]) {
            const { status } = yield* ask(url + path, { method, headers })
            assert.strictEqual(status, 401, `${method} ${path} ${JSON.stringify(headers)}`)
          }
        }
      }
      assert.strictEqual((yield* ask(`${url}/v1/models`, bearing(secret))).status, 200)
      assert.strictEqual((yield* ask(`${url}/v1/segment`, image(bearing(secret)))).status, 200)
      const lowercase = yield* ask(`${url}/v1/models`, { headers: { authorization: `bearer ${secret}` } })
      assert.strictEqual(lowercase.status, 200)
      // As basic authentication: a password beside any user, or a user without a password.
      const basic = (pair: string) => ({
        headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` }
      })
      for (const [pair, status] of [
        [`anyone:${secret}`, 200],
        [`:${secret}`, 200],
        [`${secret}:`, 200],
        [`${secret}:other`, 401],
        [secret, 401],
        [":", 401]
      ] as const)
        assert.strictEqual((yield* ask(`${url}/v1/models`, basic(pair))).status, status, pair)
      const upload = { ...form("image", ["a.png", Fixtures.image]), ...bearing(secret) }
      assert.strictEqual((yield* ask(`${url}/upload`, upload)).status, 200)
      assert.strictEqual((yield* ask(`${url}/nowhere`, bearing(secret))).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("says how to ask, and tells what may be seen by all", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(fixture, { tokens, page: true })
      const { headers, json } = yield* ask(`${url}/v1/models`)
      assert.strictEqual(headers.get("www-authenticate"), "Bearer")
      assert.match(JSON.stringify(json), /"tag":"Unauthorized".*Authorization: Bearer/)
      for (const path of ["/", "/health", "/ready", "/openapi.json"]) {
        assert.strictEqual((yield* ask(url + path)).status, 200, path)
      }
      // Open to look at, not to ask something of.
      assert.strictEqual((yield* ask(`${url}/health`, { method: "POST" })).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("answers a client made from the contract that has one", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(fixture, { tokens })
      const api = yield* HttpApiClient.make(SegFormerApi, {
        baseUrl: url,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(Redacted.make(secret)))
      })
      assert.strictEqual((yield* api.models.list()).models.length, 1)
      const stranger = yield* HttpApiClient.make(SegFormerApi, { baseUrl: url })
      assert.deepInclude(yield* Effect.flip(stranger.models.list()), { _tag: "ApiError", status: 401 })
    }).pipe(Effect.provide(FetchHttpClient.layer), Effect.scoped)
  )

  it.live("asks whoever knows about tokens that are not its own", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const whoami: Dialect = {
        name: "whoami",
        refuse: () => {
          throw new Error("nothing to refuse")
        },
        routes: () =>
          Effect.succeed([
            {
              method: "GET",
              path: "/whoami",
              handle: () =>
                Effect.map(CurrentCaller, (caller) => HttpServerResponse.text(caller?.subject ?? "nobody"))
            }
          ])
      }
      const { url } = yield* serve(fixture, {
        tokens,
        dialects: [whoami],
        authorize: (token) =>
          Effect.sync(() => {
            asked.push(Redacted.value(token))
            return Redacted.value(token) === "from-elsewhere" ? { subject: "ada" } : false
          })
      })
      const who = (token: string) => ask(`${url}/whoami`, bearing(token))
      assert.strictEqual((yield* who("from-elsewhere")).body.toString(), "ada")
      assert.match((yield* who(secret)).body.toString(), /^token [\da-f]{8}$/)
      assert.strictEqual((yield* ask(`${url}/v1/models`, bearing("wrong"))).status, 401)
      assert.deepStrictEqual(asked, ["from-elsewhere", "wrong"])
    }).pipe(Effect.scoped)
  )

  it.live("never writes one into its log, its traces, its figures or an answer", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const log = Logger.layer([
        Logger.map(Logger.formatStructured, (entry) => void written.push(JSON.stringify(entry)))
      ])
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          const { attribute, end } = span
          span.attribute = (key, value) => {
            written.push(`${key}=${JSON.stringify(value)}`)
            attribute.call(span, key, value)
          }
          span.end = (time, exit) => {
            written.push(`${options.name} ${JSON.stringify(exit)}`)
            end.call(span, time, exit)
          }
          return span
        }
      })
      const { url } = yield* SegFormerServer.make({ port: 0, page: false, tokens }).pipe(
        Effect.provide(
          Layer.mergeAll(SharpCodec.layer, NodeFileSystem.layer, SegFormerTest.layer(fixture), log)
        ),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      for (const init of [bearing(secret), bearing(`${secret}x`)]) {
        for (const path of ["/v1/models", "/upload", "/v1/segment", "/nowhere"]) {
          written.push((yield* ask(url + path, image(init))).body.toString())
        }
      }
      written.push((yield* ask(`${url}/metrics`, bearing(secret))).body.toString())
      assert.isTrue(written.some((text) => text.includes("http.response.status_code")))
      assert.isTrue(written.some((text) => text.includes("/v1/segment 200")))
      assert.deepStrictEqual(
        written.filter((text) => text.includes(secret)),
        []
      )
    }).pipe(Effect.scoped)
  )
})

describe("a server without tokens", () => {
  const start = (options: SegFormerServerOptions) => serve(fixture, { page: false, ...options })

  it.live.skipIf(isWeb)("does not listen for others, unless it is told that anyone may come", () =>
    Effect.gen(function* () {
      for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com"]) {
        const error = yield* Effect.flip(start({ host }))
        assert.strictEqual(error._tag, "TokensRequired", host)
        assert.match(error.message, /--token-file/)
      }
      assert.strictEqual((yield* Effect.flip(start({ host: "0.0.0.0", tokens: [] })))._tag, "TokensRequired")
      for (const options of [{ allowAnyone: true }, { tokens }, { authorize: () => Effect.succeed(true) }]) {
        yield* start({ host: "0.0.0.0", ...options })
      }
      for (const host of ["localhost", "127.0.0.1", "127.1.2.3"]) yield* start({ host })
    }).pipe(Effect.scoped)
  )
})

describe("every answer", () => {
  it.live("keeps browsers from guessing, framing and leaking, whatever its status", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(fixture, { tokens, page: true })
      const asked: ReadonlyArray<readonly [string, RequestInit, number]> = [
        ["/", {}, 200],
        ["/health", {}, 200],
        ["/docs", {}, 200],
        ["/v1/models", {}, 401],
        ["/v1/models", bearing(secret), 200],
        ["/v1/segment", bearing(secret), 405],
        ["/nowhere", bearing(secret), 404],
        ["/upload", { ...form("image", ["a.png", new Uint8Array(9)]), ...bearing(secret) }, 400]
      ]
      for (const [path, init, status] of asked) {
        const answer = yield* ask(url + path, init)
        assert.strictEqual(answer.status, status, path)
        assert.strictEqual(answer.headers.get("x-content-type-options"), "nosniff", path)
        assert.strictEqual(answer.headers.get("referrer-policy"), "no-referrer", path)
        const policy = answer.headers.get("content-security-policy") ?? ""
        assert.match(policy, /default-src 'none'/, path)
        assert.match(policy, /frame-ancestors 'none'/, path)
        // Nothing of another host.
        assert.notMatch(policy, /https?:|\*/, path)
      }
      assert.match(yield* rawGet(port, "/%2e%2e/%2e%2e/etc/passwd"), /^HTTP\/1\.1 401 /)
    }).pipe(Effect.scoped)
  )

  it.live("comes from routes alone: no path reaches the file system", () =>
    Effect.gen(function* () {
      const dialects = yield* Dialects.load(Dialects.names)
      const { port } = yield* serve(fixture, { dialects })
      const outside = [
        "/../package.json",
        "/..%2fpackage.json",
        "/page/../../package.json",
        "/page/%2e%2e/Page.ts",
        "/download/../../../package.json",
        "/download/..%2f..%2fpackage.json",
        "/download//etc/passwd",
        "/download/batch/..%2f..",
        "/docs/..%5c..%5cpackage.json",
        "/v1/segment/../../package.json",
        "/page/index.html%00.png"
      ]
      for (const path of outside) {
        const answer = yield* rawGet(port, path)
        assert.match(answer, /^HTTP\/1\.1 (?:400|404|405) /, path)
        assert.notMatch(answer, /effect-segformer|root:/, path)
      }
    }).pipe(Effect.scoped)
  )
})
