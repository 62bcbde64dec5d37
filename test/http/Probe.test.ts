/** What a probe finds out about a service. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { Probe } from "effect-segformer/http"
import { SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { http, sendJson } from "../support/TestServer.ts"
import * as CustomServer from "./servers/CustomServer.ts"
import { fastApi, image, live, servers } from "./probed.ts"

describe("probe", () => {
  for (const [name, start, expect] of servers) {
    live(
      `knows ${name}, by at most ten questions and no image`,
      Effect.gen(function* () {
        const server = yield* start
        const expected = expect(server.url)
        const finding = yield* Probe.probe(server.url, expected.options)
        assert.strictEqual(finding.protocol, expected.protocol)
        assert.strictEqual(finding.certainty, expected.certainty ?? "sure")
        assert.isTrue(finding.health.healthy, finding.health.detail)
        assert.strictEqual(finding.model, expected.model)
        assert.strictEqual(finding.layer, expected.layer)
        assert.isAbove(Duration.toMillis(finding.latency), 0)
        assert.strictEqual(finding.requests, server.requests.length)
        assert.isAtMost(server.requests.length, 10)
        const asked = server.requests.map(({ method, path }) => `${method} ${path}`)
        assert.strictEqual(new Set(asked).size, asked.length)
        assert.isTrue(server.requests.every(({ body }) => body.length < 100))
        assert.isUndefined(finding.sample)
        // The same over `fetch`, which sends headers of its own and follows nothing less.
        const other = yield* Effect.provide(Probe.probe(server.url, expected.options), FetchHttpClient.layer)
        const { latency: _, ...same } = finding
        assert.deepInclude(other, same)
      })
    )
  }

  live(
    "writes the layer without what terminals obey, whatever a service calls its routes",
    Effect.gen(function* () {
      const schema = { properties: { "\u001b[31mfile\u2028": { type: "string", format: "binary" } } }
      const post = { requestBody: { content: { "multipart/form-data": { schema } } } }
      const server = yield* http(({ path }, response) =>
        path === "/openapi.json"
          ? sendJson(response, { openapi: "3.1.0", info: {}, paths: { "/\u009b31msegment": { post } } })
          : sendJson(response, { detail: "no" }, 422)
      )
      const { layer } = yield* Probe.probe(server.url)
      assert.match(layer ?? "", /path: "\/\\u009b31msegment".*part: "\\u001b\[31mfile\\u2028"/)
      assert.notMatch(layer ?? "", /[\p{Cc}\u2028]/u)
    })
  )

  live(
    "says of a route that its document has a picture for its answer",
    Effect.gen(function* () {
      const form = { type: "object", properties: { file: { type: "string", format: "binary" } } }
      const routeOf = (content: object) => ({
        post: {
          requestBody: { content: { "multipart/form-data": { schema: form } } },
          responses: { 200: { content } }
        }
      })
      for (const [content, expected] of [
        [{ "image/png": {} }, true],
        [{ "application/json": {} }, false]
      ] as const) {
        const document = { openapi: "3.1.0", info: {}, paths: { "/segment": routeOf(content) } }
        const server = yield* http(({ path }, response) =>
          path === "/openapi.json" ? sendJson(response, document) : sendJson(response, { detail: "no" }, 422)
        )
        const { signs } = yield* Probe.probe(server.url)
        const sign = "and answers image/png, which may be the mask itself, or a picture of it"
        assert.strictEqual(signs.includes(sign), expected, signs.join("; "))
      }
    })
  )

  live(
    "knows `segformer serve`, its model and its classes",
    Effect.gen(function* () {
      const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
      const context = yield* Layer.build(
        SegFormerServer.layer({ port: 0 }).pipe(
          Layer.provide([segmenter, SharpCodec.layer, NodeFileSystem.layer, Logger.layer([])])
        )
      )
      const { url } = yield* Effect.provideContext(SegFormerServer, context)
      const finding = yield* Probe.probe(url, { image })
      assert.deepStrictEqual([finding.protocol, finding.certainty], ["segformer", "sure"])
      assert.isTrue(finding.health.healthy)
      assert.match(finding.sample?.detail ?? "", /^48 x 32 pixels, a label map/)
      assert.strictEqual(
        finding.layer,
        `SegFormerHttp.layer({ baseUrl: "${url}", protocol: SegFormer.protocol })`
      )
      assert.deepStrictEqual(finding.settings, { url, protocol: "segformer" })
    })
  )

  live(
    "sends an image where it is given one, once",
    Effect.gen(function* () {
      const server = yield* fastApi
      const { requests, sample } = yield* Probe.probe(server.url, { image })
      assert.strictEqual(sample?.detail, "48 x 32 pixels, a label map of 3 class(es)")
      const sent = server.requests.filter(({ method }) => method === "POST")
      assert.lengthOf(sent, 1)
      assert.include(sent[0]!.body.toString("latin1"), 'name="picture"')
      assert.strictEqual(requests, server.requests.length)
    })
  )

  live(
    "says so where an image fails, and does not fail itself",
    Effect.gen(function* () {
      const server = yield* CustomServer.make
      const { health, layer, sample, settings } = yield* Probe.probe(server.url, { image })
      assert.isUndefined(sample?.classes)
      assert.match(sample?.detail ?? "", /no model/)
      // What was refused is not told to be written.
      assert.deepStrictEqual([sample?.refused, layer, settings], [true, undefined, undefined])
      assert.isFalse(health.healthy)
    })
  )

  const wanted: ReadonlyArray<readonly [status: number, body: string, isForm: boolean]> = [
    [415, "<!doctype html><title>415 Unsupported Media Type</title>", false],
    [415, "", false],
    [415, JSON.stringify({ detail: 'Unsupported media type "" in request.' }), false],
    [400, JSON.stringify({ error: "Request body must be JSON" }), false],
    [400, "<!doctype html><title>400 Bad Request</title><p>Failed to decode JSON object", false],
    [400, "Expecting value: line 1 column 1 (char 0)", false],
    [400, JSON.stringify({ message: "Unexpected end of JSON input" }), false],
    [400, JSON.stringify({ detail: "Content-Type must be application/json" }), false],
    [422, JSON.stringify({ detail: [{ loc: ["body"], msg: "Input should be valid JSON" }] }), false],
    [400, JSON.stringify({ error: "no file in the request" }), true],
    [
      415,
      JSON.stringify({ error: "Content-Type must be multipart/form-data, and not application/json" }),
      true
    ],
    [422, JSON.stringify({ detail: [{ loc: ["body", "photo"], msg: "Field required" }] }), true]
  ]
  for (const [status, body, isForm] of wanted) {
    live(
      `${isForm ? "a form is tried" : "no form is written down"} where a route misses a body with ${status} ${body.slice(0, 60)}`,
      Effect.gen(function* () {
        const server = yield* http(({ method, path }, response) => {
          const isRoute = method === "POST" && path === "/predict"
          response.writeHead(isRoute ? status : path === "/health" ? 200 : 404)
          response.end(isRoute ? body : path === "/health" ? "fine" : "Not Found")
        })
        const { certainty, layer, protocol, settings } = yield* Probe.probe(server.url)
        assert.strictEqual(protocol, "custom")
        assert.strictEqual(certainty, isForm ? "likely" : "possible")
        assert.strictEqual(layer !== undefined, isForm)
        assert.strictEqual(settings !== undefined, isForm)
      })
    )
  }
})
