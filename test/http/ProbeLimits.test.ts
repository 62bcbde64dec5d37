/** How much a probe asks of a service, for how long it waits, and what it keeps to itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Probe } from "effect-segformer/http"
import { eventually } from "../support/Eventually.ts"
import { passing } from "../support/Passing.ts"
import { closedPort, http, sendJson } from "../support/TestServer.ts"
import * as CogServer from "./servers/CogServer.ts"
import * as InspectionServer from "./servers/InspectionServer.ts"
import * as ReplicateServer from "./servers/ReplicateServer.ts"
import { image, live, mask, platform } from "./probed.ts"

describe("a probe", () => {
  live(
    "never sends more than ten requests, whatever the service says",
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.writeHead(418).end("I am a teapot"))
      const finding = yield* Probe.probe(server.url, { image })
      assert.isUndefined(finding.protocol)
      assert.isUndefined(finding.layer)
      assert.isFalse(finding.health.healthy)
      assert.strictEqual(server.requests.length, 8)
      assert.strictEqual(finding.requests, 8)
      yield* Probe.probe(server.url)
      // One is kept for a route of images.
      assert.strictEqual(server.requests.length, 17)
    })
  )

  it.effect("nor while a job is waited for", () =>
    Effect.gen(function* () {
      const server = yield* CogServer.make(mask)
      server.state.before = (request, response) => {
        if (request.method === "PUT") sendJson(response, {}, 409, { "retry-after-ms": "1" })
        return request.method === "PUT"
      }
      const probed = Probe.probe(server.url, { image, imageTimeout: "1500 millis" })
      const asked = () => server.requests.some(({ method }) => method === "PUT")
      const finding = yield* passing(probed, () => (asked() ? 5 : 0))
      assert.isUndefined(finding.sample?.classes)
      assert.match(finding.sample?.detail ?? "", /no result within/)
      assert.isAtMost(server.requests.length, 10)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  live(
    "says that a service is not ready, and that one wants a key",
    Effect.gen(function* () {
      const loading = yield* InspectionServer.make
      loading.state.modelLoaded = false
      const one = yield* Probe.probe(loading.url)
      assert.deepStrictEqual(one.health, { healthy: false, detail: "no model is loaded" })
      const locked = yield* ReplicateServer.make(mask)
      const two = yield* Probe.probe(locked.url)
      assert.deepStrictEqual([two.protocol, two.needsKey, two.health.healthy], ["replicate", true, false])
      assert.match(two.health.detail, /it asks for a key: set SEGFORMER_API_KEY/)
    })
  )

  live(
    "gives up after one request where nobody listens",
    Effect.gen(function* () {
      const port = yield* closedPort
      const error = yield* Effect.flip(Probe.probe(`http://127.0.0.1:${port}`))
      assert.strictEqual(error._tag, "ConnectionFailed")
    })
  )

  it.effect("settles where a service answers nothing", () =>
    Effect.gen(function* () {
      const silent = yield* http(() => {})
      const probing = yield* Effect.forkChild(Effect.flip(Probe.probe(silent.url)))
      for (let asked = 1; asked <= 2; asked++) {
        yield* eventually(() => silent.requests.length === asked)
        yield* TestClock.adjust("5 seconds")
      }
      const error = yield* Fiber.join(probing)
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.match(error.message, /answers no question within 5s/)
      assert.strictEqual(silent.requests.length, 2)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.effect("asks no more of a service that falls silent, and says which part of it did not answer", () =>
    Effect.gen(function* () {
      const half = yield* http(({ path }, response) => {
        if (path === "/health") sendJson(response, { detail: "Not Found" }, 404)
      })
      const probing = yield* Effect.forkChild(Probe.probe(half.url))
      for (const path of ["/v1/models", "/"]) {
        yield* eventually(() => half.requests.at(-1)?.path === path)
        yield* TestClock.adjust("5 seconds")
      }
      const found = yield* Fiber.join(probing)
      assert.strictEqual(found.protocol, undefined)
      assert.match(found.health.detail, /as far as it answers: 2 of 3 questions had no answer within 5s/)
      assert.deepStrictEqual(
        half.requests.map(({ path }) => path),
        ["/v1/models", "/health", "/"]
      )
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live.each([502, 503, 504])("a proxy whose service is away says %i, and is taken for none", (status) =>
    Effect.gen(function* () {
      const proxy = yield* http((_, response) => {
        response.writeHead(status, { "content-type": "text/html" }).end("<h1>No server is available</h1>")
      })
      const found = yield* Probe.probe(proxy.url)
      assert.deepStrictEqual([found.protocol, found.health.healthy], [undefined, false])
      assert.match(found.health.detail ?? "", new RegExp(`every question with ${status}, as a proxy does`))
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  live(
    "an answer without end is not read on",
    Effect.gen(function* () {
      const endless = yield* http((_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
        }
        response.on("drain", more)
        more()
      })
      const error = yield* Effect.flip(Probe.probe(endless.url))
      assert.strictEqual(error._tag, "ResponseTooLarge")
    })
  )

  live(
    "keeps its key to itself",
    Effect.gen(function* () {
      const server = yield* http(({ headers }, response) =>
        sendJson(response, { error: `no such key: ${headers.authorization}` }, 401)
      )
      const finding = yield* Probe.probe(server.url, { apiKey: Redacted.make("a-secret-of-mine") })
      assert.isTrue(finding.needsKey)
      assert.notInclude(JSON.stringify(finding), "a-secret-of-mine")
    })
  )
})
