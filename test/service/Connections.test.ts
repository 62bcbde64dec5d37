/** Connections, names and log lines of clients of services that a plain `node:http` server stands for. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Layer, Logger, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageProcessing, Projects, Users } from "effect-segformer/companions"
import { Exchange, ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { eventually } from "../support/Eventually.ts"
import * as TestServer from "../support/TestServer.ts"
import { clientOf, UserApi } from "./users.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

/** A service that counts the connections that were ever opened to it, and those that are open at once. */
const counted = Effect.gen(function* () {
  const seen = new Set<unknown>()
  let most = 0
  const server: TestServer.TestServer = yield* TestServer.http((request, response) => {
    seen.add(response.socket)
    most = Math.max(most, server.sockets.size)
    const { path } = request
    const body = path.endsWith("/detect")
      ? []
      : path === "/health"
        ? { status: "healthy" }
        : { id: 7, name: "Ada" }
    setTimeout(() => TestServer.sendJson(response, body), 2)
  })
  return { server, counts: () => ({ opened: seen.size, most }) }
})

describe("connections", () => {
  it.live.each([1, 3, 10])("60 calls at once open no more than the %d that they may", (limit) =>
    Effect.gen(function* () {
      const { counts, server } = yield* counted
      const users = yield* clientOf(server.url, { policy: { concurrency: limit } })
      const call = users.users.byId({ params: { id: "7" }, query: {} })
      yield* Effect.all(
        Array.from({ length: 60 }, () => Effect.ignore(call)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(server.requests.length, 60)
      assert.deepStrictEqual(counts(), { opened: limit, most: limit })
    }).pipe(quiet, Effect.scoped)
  )

  it.live("PYTHON_SERVICE_MAX_CONNECTIONS bounds them, its health checks included", () =>
    Effect.gen(function* () {
      const { counts, server } = yield* counted
      const env = { PYTHON_SERVICE_URL: `${server.url}/`, PYTHON_SERVICE_MAX_CONNECTIONS: "3" }
      const images = yield* Effect.map(
        Layer.build(
          ImageProcessing.layerHttp().pipe(
            Layer.provide([ServiceRegistry.layer(), NodeHttp.layer()]),
            Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
          )
        ),
        (context) => Effect.provideContext(ImageProcessing, context)
      ).pipe(Effect.flatten)
      const call = images.detect({ image_path: "a.jpg", detection_types: ["face"] })
      yield* Effect.all([...Array.from({ length: 60 }, () => call), images.health], {
        concurrency: "unbounded"
      })
      const { most, opened } = counts()
      assert.isAtMost(most, 3)
      assert.isAtMost(opened, 3)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("one that is kept alive is used again", () =>
    Effect.gen(function* () {
      const { counts, server } = yield* counted
      const users = yield* clientOf(server.url)
      for (let i = 0; i < 20; i++)
        yield* users.users.byId({ params: { id: "7" }, query: {} }).pipe(Effect.ignore)
      assert.strictEqual(server.requests.length, 20)
      // The next request may come before the last connection is found free.
      assert.isAtMost(counts().opened, 2)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("what the client of the context is given bounds each service too", () =>
    Effect.gen(function* () {
      const { counts, server } = yield* counted
      const context = yield* Layer.build(
        Layer.merge(ServiceRegistry.layerOf({ user: server.url }), NodeHttp.layer({ connections: 2 }))
      )
      const users = yield* Effect.provideContext(ServiceClient.make(UserApi, { service: "user" }), context)
      yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.ignore(users.users.byId({ params: { id: "7" }, query: {} }))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(counts(), { opened: 2, most: 2 })
    }).pipe(quiet, Effect.scoped)
  )

  it.live("end with the client", () =>
    Effect.gen(function* () {
      const { server } = yield* counted
      yield* Effect.scoped(
        Effect.flatMap(clientOf(server.url), ({ users }) =>
          Effect.ignore(users.byId({ params: { id: "7" }, query: {} }))
        )
      )
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(quiet, Effect.scoped)
  )
})

describe("User-Agent", () => {
  const agents = (server: TestServer.TestServer) =>
    server.requests.map(({ headers }) => String(headers["user-agent"]).replace(/\d+\.\d+\.\d+\S*$/, "x.y.z"))

  it.live.each(["undici", "fetch"] as const)(
    "has the application's name first, ready-made companions' too: %s",
    (which) =>
      Effect.gen(function* () {
        const { server } = yield* counted
        const client = which === "undici" ? NodeHttp.layer() : FetchHttpClient.layer
        const services = Layer.merge(
          ServiceRegistry.layerOf({ user: server.url, project: server.url }),
          client
        )
        const named = Layer.mergeAll(Users.layer, Projects.layer).pipe(
          Layer.provide([services, Layer.succeed(Exchange.UserAgent)("app/1.0")])
        )
        yield* Effect.gen(function* () {
          yield* (yield* Users).getUser({ params: { user_id: 7 } })
          yield* (yield* Projects).getProject({ params: { project_id: 7 } })
        }).pipe(Effect.provide(named))
        const plain = yield* clientOf(server.url)
        yield* Effect.ignore(plain.users.byId({ params: { id: "7" }, query: {} }))
        const own = yield* clientOf(server.url, { userAgent: "shop/2" })
        yield* Effect.ignore(own.users.byId({ params: { id: "7" }, query: {} }))
        assert.deepStrictEqual(agents(server), [
          "app/1.0 effect-segformer/x.y.z",
          "app/1.0 effect-segformer/x.y.z",
          "effect-segformer/x.y.z",
          "shop/2 effect-segformer/x.y.z"
        ])
      }).pipe(quiet, Effect.scoped)
  )

  it.live("that no header may carry is a mistake of the program", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(clientOf("http://127.0.0.1:1", { userAgent: "app\r\nx: y" }))
      assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", /header `user-agent` has characters/)
    }).pipe(Effect.scoped)
  )
})

/** What is logged, as text and with its annotations. */
const logged = () => {
  const lines: Array<readonly [string, Readonly<Record<string, unknown>>]> = []
  const layer = Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      lines.push([
        `${logLevel} ${String(message)}`.replace(/\(\d+ ms\)/, "(N ms)"),
        fiber.getRef(References.CurrentLogAnnotations)
      ])
    })
  ])
  return { lines, texts: () => lines.map(([text]) => text), layer }
}

describe("log", () => {
  const call = (client: ServiceClient.For<typeof UserApi>) =>
    Effect.ignore(client.users.byId({ params: { id: "7" }, query: { fields: "secret" } }))

  it.live("has a line before a request and one after it, with all of it as annotations", () =>
    Effect.gen(function* () {
      const { server } = yield* counted
      const { layer, lines, texts } = logged()
      yield* Effect.provide(Effect.flatMap(clientOf(server.url), call), layer)
      assert.deepStrictEqual(texts(), [
        `Info Request: GET ${server.url}/users/7 (attempt 1/4)`,
        `Info Response: GET ${server.url}/users/7 - 200 (N ms)`
      ])
      assert.deepInclude(lines[0]![1], {
        method: "GET",
        url: `${server.url}/users/7`,
        attempt: 1,
        attempts: 4
      })
      assert.deepInclude(lines[1]![1], { status: 200, attempt: 1, attempts: 4 })
      assert.isNumber(lines[1]![1]["milliseconds"])
      assert.notInclude(JSON.stringify(lines), "secret")
    }).pipe(Effect.scoped)
  )

  it.live("has them at the level that is asked for, of a client or of a part of a program", () =>
    Effect.gen(function* () {
      const { server } = yield* counted
      const rows = [
        [{ logRequests: "info" }, undefined, "Info"],
        [{ logRequests: "debug" }, undefined, "Debug"],
        [{ logRequests: "none" }, undefined, undefined],
        [{}, "debug", "Debug"],
        [{}, "none", undefined],
        [{ logRequests: "none" }, "info", "Info"]
      ] as const
      for (const [options, within, level] of rows) {
        const { layer, texts } = logged()
        yield* Effect.flatMap(clientOf(server.url, options), call).pipe(
          Effect.provideService(Exchange.LogRequests, within),
          Effect.provideService(References.MinimumLogLevel, "Debug"),
          Effect.provide(layer)
        )
        const found = texts()
          .filter((text) => text.includes("/users/7"))
          .map((text) => text.split(" ", 1)[0])
        assert.deepStrictEqual(found, level === undefined ? [] : [level, level])
      }
    }).pipe(Effect.scoped)
  )

  it.live("says what there was instead of an answer", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const { layer, texts } = logged()
      yield* Effect.flatMap(clientOf(`http://127.0.0.1:${port}`, { policy: { retry: false } }), call).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(texts(), [
        `Info Request: GET http://127.0.0.1:${port}/users/7 (attempt 1/1)`,
        `Info No response: GET http://127.0.0.1:${port}/users/7 - ECONNREFUSED (N ms)`
      ])
    }).pipe(Effect.scoped)
  )
})
