/** A key must not be in any output of a run: not in logs, spans, errors, nor what they become as text or JSON. */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, Option, Redacted, References, Tracer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { InspectionService, SegFormerHttp } from "effect-segformer/http"
import { Exchange } from "effect-segformer/service"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { steadily } from "../support/Steadily.ts"
import { type Handler, http, sendJson, tcp } from "../support/TestServer.ts"
import { attempt, clients } from "./support.ts"

const key = "sk-hunter2-0123456789"
const query = "q-secret-42"

/** Everything that a run leaves behind, as text. */
const outputs = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const note = (...values: ReadonlyArray<unknown>) => {
      for (const value of values) seen.push(String(value), inspect(value, { depth: 12 }), stringify(value))
    }
    const logger = Logger.make((options) => {
      note(options.message, options.fiber.getRef(References.CurrentLogAnnotations))
      seen.push(
        Logger.formatStructured.log(options) === undefined
          ? ""
          : stringify(Logger.formatStructured.log(options))
      )
    })
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const spans: Array<Tracer.NativeSpan> = []
    const exit = yield* Effect.exit(steadily(self)).pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "Trace"),
      Effect.withTracer(tracer)
    )
    note(exit)
    if (Exit.isFailure(exit)) {
      seen.push(Cause.pretty(exit.cause))
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      note(error)
      if (error instanceof Error) seen.push(error.message, error.stack ?? "")
    }
    for (const span of spans) note(span.name, [...span.attributes], span.events, span.status)
    return { text: seen.join("\n"), spans, exit }
  })

const stringify = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? ""
  } catch {
    return ""
  }
}

const source = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const echo: Handler = (request, response) =>
  sendJson(response, { error: `bad key: ${request.headers["authorization"]}`, request: request.headers }, 401)

const failures: ReadonlyArray<readonly [string, Handler]> = [
  ["an error that repeats the request's headers", echo],
  ["a success that repeats them", (request, response) => sendJson(response, { headers: request.headers })],
  [
    "HTML that repeats them",
    (request, response) => void response.end(`<p>${request.headers["authorization"]}</p>`)
  ],
  ["a 503", (_, response) => sendJson(response, { error: "down" }, 503)],
  [
    "a redirect",
    (_, response) => void response.writeHead(302, { location: `http://other/?key=${query}` }).end()
  ],
  ["a reset", (_, response) => void response.socket?.resetAndDestroy()],
  ["a stall", () => {}],
  ["a success", (_, response) => sendJson(response, {})]
]

describe.each(clients)("secrets over %s", (_, layer) => {
  it.live.each(failures)("stay in the request through %s", ([, handler]) =>
    Effect.gen(function* () {
      const server = yield* http(handler)
      const service = SegFormerHttp.layer({
        baseUrl: `${server.url}/v1?token=${query}`,
        apiKey: Redacted.make(key),
        headers: { "x-other": Redacted.make(`${key}-other`) },
        policy: { attemptTimeout: "1 second", retry: { times: 1, delay: "1 millis" } }
      })
      const { text, spans } = yield* outputs(Effect.provide(segment(source), service))
      assert.strictEqual(server.requests[0]?.headers["authorization"], `Bearer ${key}`)
      assert.include(server.requests[0]?.path, query)
      assert.notInclude(text, key)
      assert.notInclude(text, query)
      assert.include(
        spans.map(({ name }) => name),
        "PolicyRunner.attempt"
      )
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("stay in the request where the service as a whole is asked", () =>
    Effect.gen(function* () {
      const server = yield* http(echo)
      const program = Effect.gen(function* () {
        const service = yield* InspectionService.make({ baseUrl: server.url, apiKey: Redacted.make(key) })
        return yield* Effect.all([Effect.exit(service.switchModel("segformer")), service.status])
      })
      const { text } = yield* outputs(program)
      assert.include(text, "Unauthorized")
      assert.include(text, "<redacted>")
      assert.notInclude(text, key)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )
})

describe("a call under way", () => {
  const undici = clients[0][1]

  it.live(
    "is logged at debug level with method, URL without query, status, time, attempt and request id",
    () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => sendJson(response, {}, 200, { "x-request-id": "theirs" }))
        const lines: Array<readonly [string, Readonly<Record<string, unknown>>]> = []
        const logger = Logger.make(({ fiber, logLevel }) => {
          lines.push([logLevel, fiber.getRef(References.CurrentLogAnnotations)])
        })
        const exchange = yield* Exchange.make({ baseUrl: `${server.url}/v1?token=${query}` })
        yield* exchange
          .send({ method: "GET", path: "/a" }, attempt({ number: 3 }))
          .pipe(
            Effect.provide(Logger.layer([logger])),
            Effect.provideService(References.MinimumLogLevel, "Debug")
          )
        assert.lengthOf(lines, 2)
        const [level, annotations] = lines[1]!
        const { milliseconds, ...rest } = annotations
        assert.strictEqual(level, "Debug")
        assert.isTrue(typeof milliseconds === "number" && milliseconds >= 0)
        assert.deepStrictEqual(rest, {
          method: "GET",
          url: `${server.url}/v1/a`,
          status: 200,
          attempt: 3,
          requestId: "theirs"
        })
      }).pipe(Effect.provide(undici), Effect.scoped)
  )

  it.live.each([
    ["before its headers", ""],
    ["in its body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"]
  ])("that stalls %s ends with its attempt, says where, and closes its socket", ([where, bytes]) =>
    Effect.gen(function* () {
      const server = yield* tcp((socket) => void (bytes === "" || socket.write(bytes ?? "")))
      const service = SegFormerHttp.layer({
        baseUrl: server.url,
        policy: { attemptTimeout: "1 second", retry: false }
      })
      const error = yield* Effect.flip(steadily(Effect.provide(segment(source), service)))
      assert.strictEqual(error._tag, "TimedOut")
      assert.strictEqual("phase" in error && error.phase, where === "in its body" ? "receiving" : "waiting")
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(Effect.provide(undici), Effect.scoped)
  )
})
