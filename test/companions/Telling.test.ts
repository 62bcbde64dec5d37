/**
 * Verify, notify, report, against plain `node:http` services that are written from their descriptions: by the environment
 * names that their users have.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger, Redacted, References } from "effect"
import { Analytics, Authentication, Notification, userOf } from "effect-segformer/companions"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import * as TestServer from "../support/TestServer.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const within = <I, A, E, L>(
  env: Record<string, string>,
  layer: Layer.Layer<I, L, Layer.Services<typeof Authentication.layer>>,
  self: Effect.Effect<A, E, I>
) =>
  Effect.provide(
    self,
    layer.pipe(
      Layer.provide([ServiceRegistry.layer(), NodeHttp.layer()]),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    )
  )

describe("verify", () => {
  const verify = Effect.flatMap(Authentication, (it) => it.verify(Redacted.make("t-secret")))

  it.live.each([{ AUTH_SERVICE_URL: "" }, { AUTHENTICATION_SERVICE_URL: "" }] as ReadonlyArray<
    Record<string, string>
  >)("finds its service by %j, and shows its key", (names) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { sub: "ada", user_id: 7, roles: ["admin"], exp: 1 })
      )
      const env = {
        ...Object.fromEntries(Object.keys(names).map((name) => [name, `${server.url}/`])),
        AUTH_API_KEY: "k"
      }
      const found = yield* within(env, Authentication.layer, verify)
      assert.strictEqual(found._tag === "Valid" ? userOf(found.claims) : "", "ada")
      const [request] = server.requests
      assert.deepStrictEqual(
        [request?.method, request?.path, request?.headers.authorization, request?.body.toString()],
        ["POST", "/verify", "Bearer k", '{"token":"t-secret"}']
      )
    }).pipe(quiet, Effect.scoped)
  )

  it("takes the user from sub, else from user_id", () => {
    const rows = [
      [{ sub: "ada", user_id: 7 }, "ada"],
      [{ user_id: 7 }, "7"],
      [{ sub: "", user_id: "u" }, "u"],
      [{ sub: null, user_id: 0 }, "0"],
      [{ email: "a@b" }, undefined]
    ] as const
    for (const [claims, user] of rows) assert.strictEqual(userOf(claims), user)
  })

  it.live("logs its requests and its retries, and never the token", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { error: "busy with t-secret", code: "t-secret" }, 503)
      )
      const lines: Array<string> = []
      const layer = Logger.layer([
        Logger.make(({ cause, fiber, logLevel, message }) => {
          const annotations = JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))
          lines.push(`${logLevel} ${String(message)} ${String(cause)} ${annotations}`)
        })
      ])
      const env = { AUTH_SERVICE_URL: server.url, AUTH_SERVICE_RETRY_DELAY: "1" }
      const found = yield* Effect.provide(within(env, Authentication.layer, verify), layer)
      assert.deepInclude(found, { _tag: "NotValid", reason: "unanswered" })
      assert.lengthOf(
        lines.filter((line) => line.includes("Request: POST")),
        3
      )
      assert.lengthOf(
        lines.filter((line) => /Warn Retrying in \d+ ms \([23] of 3\): .*busy/.test(line)),
        2
      )
      assert.notInclude(lines.join(), "t-secret")
    }).pipe(Effect.scoped)
  )
})

describe("send", () => {
  const message = { user_id: "ada", message: "Done", subject: "Panels", metadata: { job: 1 } }
  const send = Effect.flatMap(Notification, (it) => it.send(message))

  it.live.each([
    [202, true, undefined],
    [200, false, undefined],
    [201, false, undefined],
    [204, false, undefined],
    [400, false, undefined],
    [404, false, undefined],
    [500, false, undefined],
    [503, false, undefined],
    [200, true, [200, 201, 202, 204]],
    [201, true, [200, 201, 202, 204]],
    [204, true, [200, 201, 202, 204]],
    [202, false, [200]]
  ] as const)("status %d is %s with sentBy %j, and asked once", ([status, isSent, sentBy]) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => {
        if (status === 204) response.writeHead(204).end()
        else response.writeHead(status, { "content-type": "text/plain" }).end("whatever")
      })
      const env = { NOTIFICATION_SERVICE_URL: server.url, NOTIFICATION_API_KEY: "k" }
      assert.strictEqual(yield* within(env, Notification.layer({ sentBy }), send), isSent)
      assert.lengthOf(server.requests, 1)
      const [request] = server.requests
      assert.deepStrictEqual(JSON.parse(request!.body.toString()), { ...message, channel: "email" })
      assert.strictEqual(request?.headers.authorization, "Bearer k")
    }).pipe(quiet, Effect.scoped)
  )

  it.live("where nobody listens it is false at once, and tried again only where that is asked for", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const attempts = (env: Record<string, string>) =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const layer = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
          const sent = yield* Effect.provide(
            within(
              { NOTIFICATION_SERVICE_URL: `http://127.0.0.1:${port}`, ...env },
              Notification.layer(),
              send
            ),
            layer
          )
          return [sent, lines.filter((line) => line.startsWith("Request:")).length]
        })
      assert.deepStrictEqual(yield* attempts({}), [false, 1])
      const asked = { NOTIFICATION_SERVICE_MAX_RETRIES: "2", NOTIFICATION_SERVICE_RETRY_DELAY: "1" }
      assert.deepStrictEqual(yield* attempts(asked), [false, 3])
    }).pipe(Effect.scoped)
  )
})

describe("report", () => {
  const event = {
    user_id: "ada",
    action: "segment",
    resource_type: "image",
    resource_id: "a.png",
    metadata: { regions: 3 }
  }

  it.live.each([200, 201, 202, 204])("waited for, %d is true", (status) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => void response.writeHead(status).end())
      const env = { ANALYTICS_SERVICE_URL: server.url }
      const report = Effect.flatMap(Analytics, (it) => it.report(event, { wait: true }))
      assert.isTrue(yield* within(env, Analytics.layer(), report))
      assert.strictEqual(server.requests[0]?.path, "/events")
      const sent: unknown = JSON.parse(server.requests[0]!.body.toString())
      assert.deepInclude(sent, event)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("waited for, what the service does not take is false, and nothing fails", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, {}, 422))
      for (const url of [server.url, `http://127.0.0.1:${port}`]) {
        const env = { ANALYTICS_SERVICE_URL: url, ANALYTICS_SERVICE_MAX_RETRIES: "0" }
        const report = Effect.flatMap(Analytics, (it) => it.report(event))
        assert.isFalse(yield* within(env, Analytics.layer({ wait: true }), report))
      }
    }).pipe(quiet, Effect.scoped)
  )

  it.live("not waited for, it is true once it has its place, whatever becomes of it", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, {}, 422))
      // By its parts: its base path is the usual one.
      const env = { ANALYTICS_SERVICE_HOST: "127.0.0.1", ANALYTICS_SERVICE_PORT: String(server.port) }
      const report = Effect.flatMap(Analytics, (it) => it.report(event))
      assert.isTrue(yield* within(env, Analytics.layer(), report))
      assert.deepStrictEqual(
        server.requests.map(({ path }) => path),
        ["/api/v1/events"]
      )
    }).pipe(quiet, Effect.scoped)
  )
})
