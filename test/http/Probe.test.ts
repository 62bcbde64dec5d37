import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger, Redacted, Result, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { ImageSource } from "effect-segformer"
import { Probe } from "effect-segformer/http"
import { LabelPng } from "effect-segformer/mask"
import { SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { passing } from "../support/Passing.ts"
import { closedPort, http, sendJson, type TestServer } from "../support/TestServer.ts"
import * as BentoServer from "./servers/BentoServer.ts"
import * as CogServer from "./servers/CogServer.ts"
import * as CustomServer from "./servers/CustomServer.ts"
import * as GradioServer from "./servers/GradioServer.ts"
import * as HuggingFaceServer from "./servers/HuggingFaceServer.ts"
import * as InspectionServer from "./servers/InspectionServer.ts"
import * as OpenInferenceServer from "./servers/OpenInferenceServer.ts"
import * as ReplicateServer from "./servers/ReplicateServer.ts"
import * as RoboflowServer from "./servers/RoboflowServer.ts"
import * as TfServingServer from "./servers/TfServingServer.ts"
import * as TorchServeServer from "./servers/TorchServeServer.ts"

const mask = Result.getOrThrow(LabelPng.encode(Fixtures.labelMap))
const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const live = <A, E>(name: string, body: Effect.Effect<A, E, Scope.Scope | Layer.Success<typeof platform>>) =>
  it.live(name, () => body.pipe(Effect.provide(platform), Effect.scoped))
const platform = Layer.mergeAll(NodeHttpClient.layerUndici, SharpCodec.layer)

interface Expected {
  readonly protocol: string
  readonly certainty?: "sure" | "likely" | "possible"
  readonly layer: string
  readonly options?: { readonly model?: string; readonly apiKey?: Redacted.Redacted }
  readonly model?: string
}

/** FastAPI, as it describes itself. */
const fastApi = http(({ method, path }, response) => {
  if (path === "/openapi.json") {
    return sendJson(response, {
      openapi: "3.1.0",
      info: { title: "Panel segmenter", version: "1" },
      paths: {
        "/healthz": { get: {} },
        "/login": { post: { requestBody: { content: { "application/json": {} } } } },
        "/v1/segment": {
          post: {
            requestBody: {
              content: {
                "multipart/form-data": { schema: { $ref: "#/components/schemas/Body_segment" } }
              }
            }
          }
        }
      },
      components: {
        schemas: {
          Body_segment: {
            type: "object",
            properties: { threshold: { type: "number" }, picture: { type: "string", format: "binary" } }
          }
        }
      }
    })
  }
  if (path === "/healthz") return sendJson(response, { ok: true })
  if (method === "POST" && path === "/v1/segment") {
    return sendJson(response, { mask: Buffer.from(mask).toString("base64") })
  }
  sendJson(response, { detail: "Not Found" }, 404)
})

const servers: ReadonlyArray<
  readonly [string, Effect.Effect<TestServer, unknown, Scope.Scope>, (url: string) => Expected]
> = [
  [
    "the inspection service",
    InspectionServer.make,
    (url) => ({
      protocol: "inspection",
      model: "segformer",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}" })`
    })
  ],
  [
    "an endpoint of Hugging Face",
    HuggingFaceServer.make,
    (url) => ({
      protocol: "huggingface",
      certainty: "likely",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: HuggingFace.protocol })`
    })
  ],
  [
    "Triton",
    OpenInferenceServer.make({ binary: true }),
    (url) => ({
      protocol: "openinference",
      options: { model: "segformer" },
      model: "segformer",
      layer:
        `Layer.unwrap(\n  Effect.map(OpenInference.make({ model: "segformer" }), (protocol) =>\n` +
        `    SegFormerHttp.layer({ baseUrl: "${url}", protocol })\n  )\n).pipe(Layer.provide(SharpCodec.layer))`
    })
  ],
  [
    "TF Serving",
    TfServingServer.make,
    (url) => ({
      protocol: "tfserving",
      options: { model: "segformer" },
      model: "segformer",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: TfServing.make({ model: "segformer" }) })`
    })
  ],
  [
    "an app of Gradio",
    GradioServer.make({ endpoints: { "/segment": [GradioServer.picture], "/clear": [GradioServer.slider] } }),
    (url) => ({
      protocol: "gradio",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Gradio.make({ endpoint: "segment" }) })`
    })
  ],
  [
    "an app of Gradio 4",
    GradioServer.make({ prefix: "" }),
    (url) => ({
      protocol: "gradio",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Gradio.make({ endpoint: "segment" }) })`
    })
  ],
  [
    "TorchServe",
    TorchServeServer.make,
    (url) => ({
      protocol: "torchserve",
      options: { model: "segformer" },
      model: "segformer",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: TorchServe.make({ model: "segformer" }) })`
    })
  ],
  [
    "BentoML",
    BentoServer.make,
    (url) => ({
      protocol: "bentoml",
      certainty: "likely",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: BentoML.protocol })`
    })
  ],
  [
    "Roboflow",
    RoboflowServer.make,
    (url) => ({
      protocol: "roboflow",
      certainty: "likely",
      options: { model: "panels/3", apiKey: Redacted.make(RoboflowServer.key) },
      model: "panels/3",
      layer:
        `const apiKey = Redacted.make("…")\n` +
        `SegFormerHttp.layer({ baseUrl: "${url}", apiKey, protocol: Roboflow.make({ modelId: "panels/3", apiKey }) })`
    })
  ],
  [
    "Cog",
    CogServer.make(mask),
    (url) => ({
      protocol: "cog",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Cog.make() })`
    })
  ],
  [
    "Replicate",
    ReplicateServer.make(mask),
    (url) => ({
      protocol: "replicate",
      options: { model: "v1", apiKey: Redacted.make(ReplicateServer.token) },
      model: "v1",
      layer:
        `const apiKey = Redacted.make("…")\n` +
        `SegFormerHttp.layer({ baseUrl: "${url}", apiKey, protocol: Replicate.make({ version: "v1" }) })`
    })
  ],
  [
    "a server of one's own that describes itself",
    fastApi,
    (url) => ({
      protocol: "custom",
      certainty: "likely",
      model: "Panel segmenter",
      layer:
        `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Custom.make({ path: "/v1/segment", ` +
        `body: { as: "form", part: "picture" }, healthPath: "/healthz" }) })`
    })
  ],
  [
    "a server of one's own that does not",
    CustomServer.make,
    (url) => ({
      protocol: "custom",
      certainty: "likely",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Custom.make({ path: "/segment" }) })`
    })
  ]
]

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
