/**
 * What services say, as they say it: entities with more and with less than a contract lists, and errors with codes.
 * The services are plain `node:http` ones, written from their descriptions.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Duration, Effect, Layer, Redacted, References, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Designs, Knowledge, Marketplace, Projects, Users } from "effect-segformer/companions"
import { CircuitOpen, TimedOut } from "effect-segformer/policy"
import {
  ConnectionFailed,
  ErrorResponse,
  ResponseNotDecodable,
  ServiceRegistry
} from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import * as TestServer from "../support/TestServer.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const all = Layer.mergeAll(Users.layer, Projects.layer, Knowledge.layer, Designs.layer, Marketplace.layer)

/** All five at one address, by the environment, each below its own path. */
const at = (url: string) => {
  const env = {
    USER_SERVICE_URL: `${url}/api/v1/`,
    USER_SERVICE_RETRY_DELAY: "1",
    PROJECT_SERVICE_URL: `${url}/api/v1`,
    KNOWLEDGE_SERVICE_URL: `${url}/api/v1`,
    DESIGN_SERVICE_URL: `${url}/api/v1`,
    MARKETPLACE_SERVICE_URL: `${url}/api/v1`
  }
  return all.pipe(
    Layer.provide([ServiceRegistry.layer(), NodeHttp.layer()]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  )
}

describe("an entity", () => {
  const extra = {
    is_active: true,
    full_name: "Ada L.",
    tags: ["a", null],
    settings: { theme: { dark: false } },
    created_at: "2026-01-02T03:04:05Z",
    score: 1.5
  }
  const least = { id: 7, name: "Seven" }

  type Row = readonly [
    name: string,
    call: Effect.Effect<
      object,
      { readonly _tag: string; readonly path?: unknown },
      Layer.Success<typeof all>
    >,
    needed: object
  ]
  const rows: ReadonlyArray<Row> = [
    ["getUser", Effect.flatMap(Users, (it) => it.getUser({ params: { user_id: 7 } })), {}],
    ["getProject", Effect.flatMap(Projects, (it) => it.getProject({ params: { project_id: 7 } })), {}],
    ["getResource", Effect.flatMap(Knowledge, (it) => it.getResource({ params: { resource_id: 7 } })), {}],
    ["getDesign", Effect.flatMap(Designs, (it) => it.getDesign({ params: { design_id: "d" } })), {}],
    ["getProduct", Effect.flatMap(Marketplace, (it) => it.getProduct({ params: { product_id: 7 } })), {}],
    ["getOrder", Effect.flatMap(Marketplace, (it) => it.getOrder({ params: { order_id: 7 } })), {}],
    [
      "getComment",
      Effect.flatMap(Projects, (it) => it.getComment({ params: { project_id: 7, comment_id: 1 } })),
      { content: "Fine" }
    ]
  ]

  it.live.each(rows)("%s: an id and a name are enough, and what else there is is kept", ([, call, needed]) =>
    Effect.gen(function* () {
      let answer: unknown
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, answer))
      yield* Effect.gen(function* () {
        const nulls = {
          email: null,
          username: null,
          description: null,
          url: null,
          price: null,
          owner_id: null
        }
        for (const more of [{}, extra, nulls]) {
          answer = { ...least, ...needed, ...more }
          assert.deepStrictEqual({ ...(yield* call) }, answer)
        }
        // A key that is none of an entity.
        answer = JSON.parse(
          `{"__proto__": {"is_admin": true}, ${JSON.stringify({ ...least, ...needed }).slice(1)}`
        )
        assert.isUndefined(Reflect.get(yield* call, "is_admin"))
        answer = { ...extra, ...needed }
        const error = yield* Effect.flip(call)
        assert.deepInclude(error, { _tag: "ResponseNotDecodable", path: "id" })
      }).pipe(Effect.provide(at(server.url)))
    }).pipe(quiet, Effect.scoped)
  )

  it.live("roles are names, objects, or both", () =>
    Effect.gen(function* () {
      let answer: unknown
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, answer))
      yield* Effect.gen(function* () {
        const users = yield* Users
        answer = ["admin", { id: 2, name: "editor", permissions: ["write"] }, { name: "guest" }]
        assert.deepEqual(yield* users.getRoles({ params: { user_id: 7 } }), [
          { name: "admin" },
          { id: 2, name: "editor", permissions: ["write"] },
          { name: "guest" }
        ])
        answer = []
        assert.deepEqual(yield* users.getRoles({ params: { user_id: 7 } }), [])
        answer = [7]
        assert.strictEqual(
          (yield* Effect.flip(users.getRoles({ params: { user_id: 7 } })))._tag,
          "ResponseNotDecodable"
        )
      }).pipe(Effect.provide(at(server.url)))
    }).pipe(quiet, Effect.scoped)
  )

  it.live("what a caller gives beyond the contract is sent; a session's other tokens are secrets too", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(({ path }, response) =>
        TestServer.sendJson(
          response,
          path.endsWith("/login")
            ? { access_token: "secret-1", refresh_token: "secret-2", expires_in: 60 }
            : { id: 1, name: "n" },
          path.endsWith("/login") ? 200 : 201
        )
      )
      yield* Effect.gen(function* () {
        const users = yield* Users
        const password = Redacted.make("pw")
        yield* users.createUser({
          payload: { email: "a@b", username: "ada", password, full_name: "Ada", roles: ["admin"] }
        })
        assert.deepStrictEqual(JSON.parse(server.requests[0]!.body.toString()), {
          email: "a@b",
          username: "ada",
          password: "pw",
          full_name: "Ada",
          roles: ["admin"]
        })
        const session = yield* users.authenticate({ payload: { email: "a@b", password } })
        assert.strictEqual(session["expires_in"], 60)
        assert.notInclude(String(JSON.stringify(session)), "secret-")
      }).pipe(Effect.provide(at(server.url)))
    }).pipe(quiet, Effect.scoped)
  )
})

describe("an error of a service", () => {
  const bodies: ReadonlyArray<readonly [unknown, string | undefined, string]> = [
    [{ error: "No user 7", error_code: "USER_NOT_FOUND" }, "USER_NOT_FOUND", "No user 7"],
    [{ message: "No user 7", errorCode: "E7" }, "E7", "No user 7"],
    [{ message: "No user 7", error: "Not Found", code: 4041, statusCode: 404 }, "4041", "No user 7"],
    [{ error: { code: "nested", message: "No user 7" } }, "nested", "No user 7"],
    [{ detail: { code: "deep", message: "No user 7" } }, "deep", "No user 7"],
    [{ detail: "No user 7" }, undefined, "No user 7"],
    [{ error: "No user 7", code: "" }, undefined, "No user 7"]
  ]
  it.live.each(bodies)("%j has its status and its code", ([body, code, detail]) =>
    Effect.gen(function* () {
      let status = 0
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, body, status))
      yield* Effect.gen(function* () {
        const users = yield* Users
        // Declared by the contract, and not.
        for (status of [404, 409, 422, 418]) {
          const error = yield* Effect.flip(users.updateUser({ params: { user_id: 7 }, payload: {} }))
          assert.isTrue("status" in error)
          if (!("status" in error && "code" in error && "detail" in error)) continue
          assert.deepStrictEqual([error.status, error.code, error.detail], [status, code, detail])
          const { message, ...passed } = ErrorResponse.of(error)
          assert.deepInclude(passed, { status, code: code ?? error._tag })
          assert.strictEqual(message, detail)
        }
      }).pipe(Effect.provide(at(server.url)))
    }).pipe(quiet, Effect.scoped)
  )

  it("that no service said is told without addresses", () => {
    const service = "http://10.0.0.5:8001/users"
    const rows = [
      [
        new ConnectionFailed({
          service,
          phase: "sending",
          sent: "no",
          detail: "connect ECONNREFUSED 10.0.0.5:8001",
          code: "ECONNREFUSED"
        }),
        502
      ],
      [
        new TimedOut({ service, kind: "attempt", phase: "waiting", after: Duration.seconds(5), attempt: 1 }),
        504
      ],
      [new CircuitOpen({ service, retryAfter: Duration.seconds(3) }), 503],
      // Its status is that of the answer, which was a success.
      [
        new ResponseNotDecodable({ service, status: 200, path: "id", detail: "Missing key", excerpt: "{" }),
        502
      ]
    ] as const
    for (const [error, status] of rows) {
      const response = ErrorResponse.of(error)
      assert.strictEqual(response.status, status)
      assert.notInclude(JSON.stringify(response), "10.0.0.5")
    }
    assert.strictEqual(ErrorResponse.of({ _tag: "Other", message: "secret" }).status, 500)
  })

  it.live("is passed on by the handlers of an HttpApi: status, message, code, when to come back", () =>
    Effect.gen(function* () {
      let answer: readonly [number, unknown, Record<string, string>?] = [200, {}]
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, answer[1], answer[0], answer[2])
      )
      const api = HttpApi.make("mine").add(
        HttpApiGroup.make("mine").add(
          HttpApiEndpoint.get("who", "/who/:id", { params: { id: Schema.String }, success: Schema.String })
        )
      )
      const handlers = HttpApiBuilder.group(api, "mine", (handlers) =>
        handlers.handle("who", ({ params }) =>
          Effect.flatMap(Users, (users) => users.getUser({ params: { user_id: params.id } })).pipe(
            Effect.map(({ username }) => username ?? "nobody"),
            Effect.catch(ErrorResponse.respond)
          )
        )
      )
      const routes = Layer.provide(HttpApiBuilder.layer(api), handlers).pipe(
        HttpRouter.provideRequest(at(server.url).pipe(Layer.orDie))
      )
      const mine = yield* Layer.build(
        HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
          Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
        )
      )
      const url = HttpServer.formatAddress(Context.get(mine, HttpServer.HttpServer).address)
      const ask = Effect.promise(async () => {
        const response = await fetch(`${url}/who/7`)
        const json: unknown = await response.json()
        return [response.status, json, response.headers.get("retry-after")]
      })
      answer = [200, { id: 7, username: "ada" }]
      assert.deepStrictEqual(yield* ask, [200, "ada", null])
      answer = [404, { error: "No user 7", error_code: "USER_NOT_FOUND" }]
      assert.deepStrictEqual(yield* ask, [
        404,
        { status: 404, message: "No user 7", code: "USER_NOT_FOUND" },
        null
      ])
      answer = [503, { error: "resting" }, { "retry-after": "90" }]
      assert.deepStrictEqual(yield* ask, [
        503,
        { status: 503, message: "resting", code: "CompanionUnavailable" },
        "90"
      ])
      // A time, which has passed.
      answer = [503, { error: "resting" }, { "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT" }]
      assert.deepStrictEqual((yield* ask)[2], "0")
    }).pipe(quiet, Effect.scoped)
  )
})
