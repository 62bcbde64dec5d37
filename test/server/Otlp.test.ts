/** What is sent by OTLP, read by OpenTelemetry's own protobuf definitions. */
import { join } from "node:path"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Metric, References } from "effect"
import { ImageSource, segment, ServiceUnavailable } from "effect-segformer"
import { Telemetry } from "effect-segformer/server"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import protobuf from "protobufjs"
import { metrics as instruments } from "../../src/TelemetryNames.ts"
import { http } from "../support/TestServer.ts"

const definitions = new protobuf.Root()
definitions.resolvePath = (_, target) => join(import.meta.dirname, "../fixtures/opentelemetry", target)
const services = ["trace", "metrics", "logs"] as const
definitions.loadSync(
  services.map((signal) => `opentelemetry/proto/collector/${signal}/v1/${signal}_service.proto`)
)
const typeOf = (signal: (typeof services)[number]) =>
  definitions.lookupType(
    `opentelemetry.proto.collector.${signal}.v1.Export${signal[0]!.toUpperCase()}${signal.slice(1)}ServiceRequest`
  )
const signals: Readonly<Record<string, protobuf.Type>> = {
  "/v1/traces": typeOf("trace"),
  "/v1/metrics": typeOf("metrics"),
  "/v1/logs": typeOf("logs")
}

/** A field of a record of any shape; a test says which it expects. */
const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce((inner: unknown, key) => Reflect.get(Object(inner), key), value)
const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Segments twice, once against a failure, with a collector that takes what is sent. */
const sent = (protocol: string) =>
  Effect.gen(function* () {
    const received: Array<{ readonly path: string; readonly type: string; readonly body: Buffer }> = []
    const collector = yield* http((request, response) => {
      received.push({
        path: request.path,
        type: String(request.headers["content-type"]),
        body: request.body
      })
      response.writeHead(200).end()
    })
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test"
    }
    const down = new ServiceUnavailable({ service: "test", status: 503, detail: "maintenance" })
    const transport = SegFormerTest.script(
      [SegFormerTest.failWith(down), SegFormerTest.succeed(Fixtures.prediction)],
      { policy: { retry: { delay: "1 millis" } } }
    )
    yield* segment(ImageSource.bytes(Fixtures.image)).pipe(
      Effect.andThen(Effect.logInfo("done")),
      Effect.provide(transport),
      Effect.provide(Telemetry.layer.pipe(Layer.provide(NodeHttpClient.layerUndici))),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
      Effect.provideService(References.MinimumLogLevel, "Info"),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
    return received
  })

/** Fails at a field that the definition of its message has not: a decoder passes over such in silence. */
const walk = (type: protobuf.Type, reader: protobuf.Reader, end: number, place: string): void => {
  while (reader.pos < end) {
    const tag = reader.uint32()
    const field = type.fieldsById[tag >>> 3]
    assert.isDefined(field, `${place} has a field ${tag >>> 3}`)
    field!.resolve()
    if ((tag & 7) === 2 && field!.resolvedType instanceof protobuf.Type) {
      const length = reader.uint32()
      walk(field!.resolvedType, reader, reader.pos + length, `${place}.${field!.name}`)
    } else reader.skipType(tag & 7)
  }
  assert.strictEqual(reader.pos, end, place)
}

/** A message as its definition has it. */
const decoded = (type: protobuf.Type, body: Buffer): unknown => {
  walk(type, protobuf.Reader.create(body), body.length, type.name)
  return type.toObject(type.decode(body), { longs: Number, enums: String, bytes: String })
}

describe("OTLP", () => {
  it.live("as protobuf is what a collector reads, with names, units and buckets", () =>
    Effect.gen(function* () {
      const received = yield* sent("http/protobuf")
      assert.deepStrictEqual(
        [...new Set(received.map(({ path }) => path))].sort(),
        Object.keys(signals).sort()
      )
      const messages = received.map(({ body, path, type }) => {
        assert.strictEqual(type, "application/x-protobuf")
        return [path, decoded(signals[path]!, body)] as const
      })
      const of = (path: string) => messages.filter(([each]) => each === path).map(([, message]) => message)

      const spans = of("/v1/traces").flatMap((message) =>
        list(at(message, "resourceSpans")).flatMap((resource) => list(at(resource, "scopeSpans", 0, "spans")))
      )
      const names = spans.map((span) => at(span, "name"))
      assert.deepStrictEqual(names.toSorted(), [
        "PolicyRunner.attempt",
        "PolicyRunner.attempt",
        "Segmenter.segment"
      ])
      const status = spans.map((span) => String(at(span, "status", "code")))
      assert.strictEqual(status.filter((code) => code === "STATUS_CODE_ERROR").length, 1)

      const found = new Map(
        of("/v1/metrics").flatMap((message) =>
          list(at(message, "resourceMetrics")).flatMap((resource) =>
            list(at(resource, "scopeMetrics", 0, "metrics")).map(
              (metric) => [at(metric, "name"), metric] as const
            )
          )
        )
      )
      const duration = found.get("segformer.call.duration")
      assert.strictEqual(at(duration, "unit"), "s")
      assert.deepStrictEqual(
        list(at(duration, "histogram", "dataPoints", 0, "explicitBounds")),
        instruments["segformer.call.duration"].boundaries
      )
      const attempts = found.get("segformer.attempts")
      assert.strictEqual(at(attempts, "unit"), "{attempt}")
      assert.strictEqual(at(attempts, "sum", "isMonotonic"), true)
      assert.strictEqual(
        at(attempts, "sum", "dataPoints", 0, "asDouble") ?? at(attempts, "sum", "dataPoints", 0, "asInt"),
        2
      )

      const resource = list(at(of("/v1/logs")[0], "resourceLogs", 0, "resource", "attributes"))
      const attribute = (key: string) =>
        at(
          resource.find((each) => at(each, "key") === key),
          "value",
          "stringValue"
        )
      assert.strictEqual(attribute("service.name"), "segformer")
      assert.strictEqual(attribute("deployment.environment.name"), "test")
    }).pipe(Effect.scoped)
  )

  it.live("as JSON has the fields of the definitions, and no other", () =>
    Effect.gen(function* () {
      const received = yield* sent("http/json")
      assert.deepStrictEqual(
        [...new Set(received.map(({ path }) => path))].sort(),
        Object.keys(signals).sort()
      )
      for (const { body, path, type } of received) {
        assert.strictEqual(type, "application/json")
        unknownFields(signals[path]!, JSON.parse(body.toString()), path)
      }
    }).pipe(Effect.scoped)
  )
})

/** Fails at a field that the definition of its message has not, by the name that JSON has for it. */
const unknownFields = (type: protobuf.Type, value: unknown, place: string): void => {
  assert.isObject(value, place)
  for (const [name, inner] of Object.entries(Object(value))) {
    const field = type.fields[name]
    assert.isDefined(field, `${place}.${name}`)
    field!.resolve()
    if (!(field!.resolvedType instanceof protobuf.Type)) continue
    for (const each of field!.repeated ? list(inner) : [inner]) {
      unknownFields(field!.resolvedType, each, `${place}.${name}`)
    }
  }
}
