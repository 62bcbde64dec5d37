/** What telemetry calls things: by OpenTelemetry's semantic conventions, all of it in one module and one page. */
import { globSync, readFileSync } from "node:fs"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Redacted, References, Tracer } from "effect"
import { ImageSource, type Prediction, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import { RoboflowDialect } from "effect-segformer/server"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import * as ClientMetrics from "../src/service/ClientMetrics.ts"
import { metrics, own, prometheusName, spans, standard } from "../src/TelemetryNames.ts"
import * as page from "./docs/telemetry.ts"
import * as InspectionServer from "./http/servers/InspectionServer.ts"
import { ask, fixture, serve } from "./server/support.ts"
import { http, sendJson, type TestServer } from "./support/TestServer.ts"

const sources = globSync("src/**/*.ts", { exclude: ["src/server/page/client/**"] }).map((path) => ({
  path,
  code: readFileSync(path, "utf8").replaceAll(/\/\*\*[\s\S]*?\*\//g, "")
}))
const others = sources.filter(({ path }) => path !== "src/TelemetryNames.ts")
const all = others.map(({ code }) => code).join("\n")

describe("the names of telemetry", () => {
  it("are in docs/telemetry.md as the code has them (npm run docs writes them)", () => {
    const text = readFileSync(page.path, "utf8")
    assert.strictEqual(text, page.render(text))
    for (const part of Object.values(page.parts)) assert.include(text, part)
  })

  it("are made in no other module", () => {
    const made = others.filter(({ code }) =>
      /Metric\.(counter|gauge|histogram|timer|summary|frequency)\(/.test(code)
    )
    assert.deepStrictEqual(
      made.map(({ path }) => path),
      []
    )
    const written = others.flatMap(({ code, path }) =>
      Array.from(
        code.matchAll(/"(segformer\.[a-z._]+|(?:http|url|server|error)\.[a-z_]+(?:\.[a-z_]+)*)"/g),
        ([, name]) => `${path} ${name}`
      )
    )
    // A metric is asked for by its name, which its type holds to the list.
    assert.deepStrictEqual(
      written.filter((line) => !Object.hasOwn(metrics, line.split(" ")[1]!)),
      []
    )
  })

  it("of spans are those of the list, and each is used", () => {
    const called = Array.from(
      all.matchAll(/(?:Effect\.fn|(?:Effect|Stream)\.withSpan|\bspan|\bspanned)\(\s*(`|"[^"]+")/g),
      ([, name]) => name!
    )
    // A call by a contract is called by its service, group and endpoint.
    assert.deepStrictEqual(
      called.filter((name) => name === "`"),
      ["`"]
    )
    const plain = new Set(called.filter((name) => name !== "`").map((name) => name.slice(1, -1)))
    assert.deepStrictEqual([...plain].toSorted(), Object.keys(spans).toSorted())
    for (const name of plain) assert.match(name, /^[A-Z]\w+\.[a-z]\w+$/)
  })

  it("of metrics are each used, have a unit, and the suffixes of Prometheus", () => {
    for (const [name, { kind, unit }] of Object.entries(metrics)) {
      assert.include(all, `("${name}")`)
      assert.match(name, /^(http|segformer)(\.[a-z]+)+$/)
      assert.match(unit, /^(s|By|\{[a-z]+\})$/)
      const suffix = kind === "counter" ? "_total" : unit === "s" ? "_seconds" : unit === "By" ? "_bytes" : ""
      assert.match(prometheusName(name), new RegExp(`^[a-z_]+${suffix}$`))
    }
    assert.strictEqual(prometheusName("effect_fiber_started"), "effect_fiber_started")
    assert.strictEqual(new Set(Object.keys(metrics).map(prometheusName)).size, Object.keys(metrics).length)
  })

  it("of our own begin with segformer, and attributes have one name each", () => {
    for (const name of Object.values(own)) assert.match(name, /^segformer(\.[a-z]+)+$/)
    const names = [...Object.values(standard), ...Object.values(own)]
    assert.strictEqual(new Set(names).size, names.length)
  })

  it("HTTP durations have the buckets that OpenTelemetry advises", () => {
    const advised = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    assert.deepStrictEqual([...metrics["http.client.request.duration"].boundaries], advised)
    assert.deepStrictEqual([...metrics["http.server.request.duration"].boundaries], advised)
  })

  it("that the dashboard asks for exist, with their labels", () => {
    const dashboard: {
      readonly panels: ReadonlyArray<{ readonly targets: ReadonlyArray<{ readonly expr: string }> }>
    } = JSON.parse(readFileSync("docs/deploy/grafana-dashboard.json", "utf8"))
    const known = new Map(
      Object.entries(metrics).map(([name, { attributes }]) => [
        prometheusName(name),
        new Set(["le", "job", ...attributes.map((attribute) => attribute.replaceAll(".", "_"))])
      ])
    )
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    assert.isAbove(expressions.length, 12)
    for (const expression of expressions) {
      const labels: Array<string> = []
      for (const [, name] of expression.matchAll(
        /\b((?:segformer|http_(?:server|client))_\w+?)(?:_bucket|_count|_sum)?\{/g
      )) {
        assert.isTrue(known.has(name!), name)
        labels.push(...known.get(name!)!)
      }
      assert.isAbove(labels.length, 0, expression)
      for (const [, by] of expression.matchAll(/\b(?:by|ignoring) \(([^)]*)\)/g)) {
        for (const label of by!.split(", ")) assert.include(labels, label, expression)
      }
      for (const [, label] of expression.matchAll(/[{,](\w+)(?:=~?|!=)"/g))
        assert.include(labels, label!, expression)
    }
  })
})

/** Spans that end, with what they say. */
const traced = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const ended: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        ended.push(span)
        return span
      }
    })
    yield* Effect.exit(self).pipe(
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
    return ended.map(({ attributes, kind, name }) => ({
      name,
      kind,
      attributes: Object.fromEntries(attributes)
    }))
  })

const pointsOf = (
  id: keyof typeof metrics
): Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  Effect.map(Metric.snapshot, (found) =>
    found.flatMap(({ attributes, id: name, state }) =>
      name === id ? [{ ...attributes, count: "count" in state ? Number(state.count) : undefined }] : []
    )
  )

describe("a call of a service", () => {
  it.live("is told as OpenTelemetry has it, each attempt by itself, without secrets", () =>
    Effect.gen(function* () {
      const server: TestServer = yield* http((_, response) =>
        server.requests.length === 1
          ? sendJson(response, { error: "busy" }, 503)
          : sendJson(response, InspectionServer.uploadAnswer())
      )
      const port = Number(new URL(server.url).port)
      const service = SegFormerHttp.layer({
        baseUrl: `${server.url}/v1?key=hunter2`,
        apiKey: Redacted.make("hunter2"),
        policy: { retry: { delay: "1 millis" } }
      }).pipe(Layer.provide(NodeHttpClient.layerUndici))
      const spans = yield* traced(Effect.provide(segment(ImageSource.bytes(Fixtures.image)), service))
      const attempts = spans.filter(({ name }) => name === "PolicyRunner.attempt")
      const common = {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": `${server.url}/v1/upload`,
        "segformer.service": `${server.url}/v1`
      }
      assert.deepStrictEqual(
        attempts.map(({ attributes, kind }): Readonly<Record<string, unknown>> => ({ kind, ...attributes })),
        [
          {
            kind: "client",
            ...common,
            "segformer.attempt": 1,
            "http.response.status_code": 503,
            "error.type": "503"
          },
          {
            kind: "client",
            ...common,
            "segformer.attempt": 2,
            "http.response.status_code": 200,
            "http.request.resend_count": 1
          }
        ]
      )
      assert.notInclude(JSON.stringify(spans), "hunter2")
      const place = {
        unit: "s",
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": String(port)
      }
      assert.deepStrictEqual(yield* pointsOf("http.client.request.duration"), [
        { ...place, "http.response.status_code": "503", "error.type": "503", count: 1 },
        { ...place, "http.response.status_code": "200", count: 1 }
      ])
      assert.deepStrictEqual(yield* pointsOf("segformer.call.duration"), [
        { unit: "s", "segformer.service": `${server.url}/v1`, count: 1 }
      ])
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("that reaches nobody has the tag of its error as type", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.socket?.resetAndDestroy())
      const service = SegFormerHttp.layer({ baseUrl: server.url, policy: { retry: false } }).pipe(
        Layer.provide(NodeHttpClient.layerUndici)
      )
      yield* traced(Effect.provide(segment(ImageSource.bytes(Fixtures.image)), service))
      const [request = {}] = yield* pointsOf("http.client.request.duration")
      assert.deepInclude(request, { "error.type": "ConnectionFailed", count: 1 })
      assert.notProperty(request, "http.response.status_code")
      const [call = {}] = yield* pointsOf("segformer.call.duration")
      assert.deepInclude(call, { "error.type": "ConnectionFailed", count: 1 })
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

describe("a server's requests", () => {
  it.live("are measured by route, and its spans show no value of a query: keys travel there", () =>
    Effect.gen(function* () {
      const spans = yield* traced(
        Effect.gen(function* () {
          const { url } = yield* serve(fixture, { dialects: [RoboflowDialect.make()] })
          yield* ask(`${url}/panels/3?api_key=hunter2&access_token=hunter2&confidence=40`, {
            method: "POST",
            body: Buffer.from(Fixtures.image).toString("base64"),
            headers: { "content-type": "application/x-www-form-urlencoded" }
          })
          yield* ask(`${url}/nowhere?token=hunter2`)
        })
      )
      const requests = spans.filter(({ kind }) => kind === "server")
      assert.deepStrictEqual(
        requests.map(({ attributes }) => attributes["url.path"]),
        ["/panels/3", "/nowhere"]
      )
      assert.notInclude(JSON.stringify(spans), "hunter2")
      assert.match(String(requests[0]?.attributes["url.query"]), /^api_key=REDACTED/)
      const points = yield* pointsOf("http.server.request.duration")
      assert.isTrue(
        points.some(
          (point) => "http.response.status_code" in point && point["http.response.status_code"] === "404"
        )
      )
      assert.notInclude(JSON.stringify(points), "nowhere")
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

describe("requests to wherever images lie", () => {
  it.effect("have a series for some servers, and one for all others", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 500; i++) {
        yield* ClientMetrics.timed("GET", `http://host-${i}/a.png?key=hunter2`, (answered) =>
          Effect.sync(() => answered(200))
        )
      }
      const points = yield* pointsOf("http.client.request.duration")
      assert.isAtMost(points.length, 201)
      const rest = points.find((point) => point["server.address"] === "_OTHER")
      assert.isAtLeast(Number(rest?.["count"]), 300)
      assert.notInclude(JSON.stringify(points), "hunter2")
      assert.deepStrictEqual(ClientMetrics.placeOf("https://[::1]/a"), { address: "::1", port: 443 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("whose answer has a size that contradicts the image's has failed", () =>
    Effect.gen(function* () {
      const turned: Prediction = { ...Fixtures.prediction, labelMap: LabelMap.filled(32, 48, 1) }
      yield* segment(ImageSource.bytes(Fixtures.image)).pipe(
        Effect.flip,
        Effect.provide(SegFormerTest.layer(() => Effect.succeed(turned)))
      )
      const [call = {}] = yield* pointsOf("segformer.call.duration")
      assert.deepInclude(call, { "error.type": "MaskNotDecodable", count: 1 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
