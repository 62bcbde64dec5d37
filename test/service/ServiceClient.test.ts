/**
 * Clients made from contracts: against servers made from the same contracts, against servers that break them, and against
 * fakes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Inspectable, References, Stream, Tracer } from "effect"
import { ServiceClient, ServiceHealth } from "effect-segformer/service"
import { eventually } from "../support/Eventually.ts"
import { serve } from "../support/ContractServer.ts"
import { passing } from "../support/Passing.ts"
import * as TestServer from "../support/TestServer.ts"
import { Busy, clientOf, never, quick, user, UserApi, UserMissing, Users } from "./users.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

describe("ServiceClient: a service that keeps its contract", () => {
  it.live("is called as declared, and answers as declared", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const url = yield* serve(UserApi, {
        users: {
          byId: ({ params, query }) => {
            seen.push([params, query])
            return params.id === "7" ? Effect.succeed(user) : new UserMissing({ id: params.id })
          },
          create: ({ payload }) => Effect.succeed({ id: "8", name: payload.name }),
          remove: () => Effect.void,
          rename: () => new Busy({ reason: "moving" }),
          export: () => Effect.succeed(Stream.make(Uint8Array.of(1, 2), Uint8Array.of(3)))
        }
      })
      const { users } = yield* clientOf(`${url}/`)
      assert.deepStrictEqual(yield* users.byId({ params: { id: "7" }, query: { fields: "name" } }), user)
      assert.deepStrictEqual(
        yield* Effect.flip(users.byId({ params: { id: "a/b ü" }, query: {} })),
        new UserMissing({ id: "a/b ü" })
      )
      assert.deepStrictEqual(seen, [
        [{ id: "7" }, { fields: "name" }],
        [{ id: "a/b ü" }, {}]
      ])
      assert.deepStrictEqual(yield* users.create({ payload: { name: "Grace" } }), { id: "8", name: "Grace" })
      assert.isUndefined(yield* users.remove({ params: { id: "7" } }))
      assert.deepStrictEqual(
        yield* Effect.flip(users.rename({ params: { id: "7" }, payload: user })),
        new Busy({ reason: "moving" })
      )
      const bytes = yield* Stream.runCollect(Stream.unwrap(users.export()))
      assert.deepStrictEqual(
        [...bytes].flatMap((chunk) => [...chunk]),
        [1, 2, 3]
      )
    }).pipe(quiet, Effect.scoped)
  )

  it.live("gives the answer itself where that is asked for", () =>
    Effect.gen(function* () {
      const url = yield* serve(UserApi, { users: { byId: () => Effect.succeed(user) } })
      const { users } = yield* clientOf(url)
      const [found, response] = yield* users.byId({
        params: { id: "7" },
        query: {},
        responseMode: "decoded-and-response"
      })
      assert.deepStrictEqual([found, response.status], [user, 200])
    }).pipe(Effect.scoped)
  )

  it.live("is healthy where its health answers, or where its contract says so", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(({ path }, response) => {
        response.statusCode = path === "/api/health" ? 200 : 404
        response.end(JSON.stringify(user))
      })
      const plain = yield* clientOf(`${server.url}/api`)
      assert.deepStrictEqual(yield* ServiceClient.health(plain), { healthy: true, detail: "status 200" })
      const own = yield* clientOf(`${server.url}/api`, {
        health: ({ users }) =>
          Effect.as(users.byId({ params: { id: "7" }, query: {} }), { healthy: true, detail: "knows user 7" })
      })
      const refused = yield* ServiceClient.health(own)
      assert.isFalse(refused.healthy)
      assert.match(refused.detail, /404/)
      const health = yield* ServiceHealth.make({ service: "user", check: ServiceClient.health(plain) })
      assert.strictEqual((yield* health.check).last?.healthy, true)
    }).pipe(quiet, Effect.scoped)
  )
})

interface Call {
  readonly users: ServiceClient.For<typeof UserApi>["users"]
}
const get = ({ users }: Call) => users.byId({ params: { id: "7" }, query: {} })
const post = ({ users }: Call) => users.create({ payload: { name: "Ada" } })
const find = ({ users }: Call) => users.find({ payload: { name: "Ada" } })
const put = ({ users }: Call) => users.rename({ params: { id: "7" }, payload: user })

describe("ServiceClient: a service that does not", () => {
  const answering =
    (status: number, body = `{"error": {"message": "no, not you"}}`): TestServer.Handler =>
    (_, response) => {
      response.writeHead(status, { "content-type": "application/json" })
      response.end(body)
    }
  const cases: ReadonlyArray<
    readonly [
      string,
      TestServer.Handler,
      (call: Call) => Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>,
      string,
      number,
      RegExp
    ]
  > = [
    ["GET meets 401", answering(401), get, "Unauthorized", 1, /no, not you/],
    ["GET meets 404 in words of its own", answering(404), get, "NotFound", 1, /no, not you/],
    [
      "GET meets 404 as declared",
      answering(404, `{"_tag": "UserMissing", "id": "7"}`),
      get,
      "UserMissing",
      1,
      /./
    ],
    ["GET meets 409", answering(409), get, "RequestRejected", 1, /no, not you/],
    ["GET meets 422", answering(422), get, "RequestRejected", 1, /422/],
    ["GET meets 503", answering(503), get, "ServiceUnavailable", 4, /no, not you/],
    ["GET meets 500", answering(500), get, "ServiceFailed", 4, /500/],
    [
      "PUT meets 503, which its contract declares",
      answering(503, `{"_tag": "Busy", "reason": "x"}`),
      put,
      "Busy",
      4,
      /./
    ],
    ["POST meets 503", answering(503), post, "ServiceUnavailable", 1, /no, not you/],
    ["POST meets 429, which says that nothing was done", answering(429), post, "RateLimited", 4, /429/],
    ["POST meets 503, but is idempotent", answering(503), find, "ServiceUnavailable", 4, /503/],
    ["GET is never answered", never, get, "TimedOut", 4, /^TimedOut Attempt 4 at .* took longer than 1s/],
    ["POST is never answered", never, post, "TimedOut", 1, /^TimedOut The call to .* took longer than 1s/],
    [
      "GET meets bad JSON",
      answering(200, `{"id": "7", "na`),
      get,
      "ResponseNotDecodable",
      1,
      /It starts: \{"id": "7", "na/
    ],
    ["GET meets a page", answering(200, "<html>Proxy</html>"), get, "ResponseNotDecodable", 1, /<html>Proxy/],
    [
      "GET meets another shape",
      answering(200, `{"id": "7", "name": 5}`),
      get,
      "ResponseNotDecodable",
      1,
      /at `name`/
    ],
    [
      "GET meets a status that its contract does not have",
      answering(202, "{}"),
      get,
      "ResponseNotDecodable",
      1,
      /undeclared/
    ],
    [
      "GET meets a redirect",
      (_, response) => void response.writeHead(302, { location: "/elsewhere" }).end(),
      get,
      "RedirectRefused",
      1,
      /redirects/
    ],
    ["GET meets a reset", (_, response) => void response.destroy(), get, "ConnectionFailed", 4, /./],
    ["POST meets a reset", (_, response) => void response.destroy(), post, "ConnectionFailed", 1, /./]
  ]
  it.effect.each(cases)("%s", ([, handler, call, tag, attempts, message]) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(handler)
      // The time of those alone that wait for ever: others have enough of it on a slow machine too.
      const policy = handler === never ? { ...quick, attemptTimeout: "1 second" as const } : quick
      const asked = Effect.flip(call(yield* clientOf(server.url, { policy })))
      const error = yield* passing(asked, () => (handler !== never ? 1 : server.requests.length > 0 ? 5 : 0))
      assert.strictEqual(error._tag, tag)
      assert.match(`${error._tag} ${error.message}`, message)
      assert.strictEqual(server.requests.length, attempts)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("POST to where nobody listens is sent again: it provably never arrived", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const client = yield* clientOf(`http://127.0.0.1:${port}`)
      const { spans, tracer } = recorded()
      const error = yield* Effect.flip(Effect.withTracer(post(client), tracer))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.strictEqual(spans.filter(({ name }) => name === "PolicyRunner.attempt").length, 4)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("a body larger than its limit is not read to its end", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { a: "x".repeat(5000) })
      )
      const error = yield* Effect.flip(get(yield* clientOf(server.url, { limits: { maxBodyBytes: 1000 } })))
      assert.strictEqual(error._tag, "ResponseTooLarge")
    }).pipe(quiet, Effect.scoped)
  )

  it.live("a stream that breaks says so in this library's words", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => {
        response.writeHead(200, { "content-type": "application/octet-stream", "content-length": 1000 })
        response.write("some")
        setTimeout(() => response.destroy(), 20)
      })
      const { users } = yield* clientOf(server.url)
      const error = yield* Effect.flip(Stream.runDrain(Stream.unwrap(users.export())))
      assert.strictEqual(error._tag, "ConnectionFailed")
      const refused = yield* TestServer.http(answering(404))
      const other = yield* clientOf(refused.url)
      assert.strictEqual((yield* Effect.flip(other.users.export()))._tag, "NotFound")
    }).pipe(quiet, Effect.scoped)
  )

  it.live(
    "a stream with a status that the contract does not have is not read, and its connection is closed",
    () =>
      Effect.gen(function* () {
        const server = yield* TestServer.http((_, response) => {
          response.writeHead(202)
          response.write("later")
        })
        const { users } = yield* clientOf(server.url)
        assert.strictEqual((yield* Effect.flip(users.export()))._tag, "ResponseNotDecodable")
        yield* eventually(() => server.sockets.size === 0)
      }).pipe(quiet, Effect.scoped)
  )

  it.live("opens its circuit, and the others' stay closed", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(answering(503))
      const good = yield* serve(UserApi, { users: { byId: () => Effect.succeed(user) } })
      const policy = { ...quick, retryBudget: false } as const
      const [bad, fine] = [yield* clientOf(server.url, { policy }), yield* clientOf(good, { policy })]
      yield* Effect.flip(get(bad))
      assert.strictEqual((yield* Effect.flip(get(bad)))._tag, "CircuitOpen")
      assert.strictEqual(server.requests.length, 5)
      assert.strictEqual((yield* ServiceClient.about(bad).circuit.state)._tag, "Open")
      assert.deepStrictEqual(yield* get(fine), user)
    }).pipe(quiet, Effect.scoped)
  )
})

describe("ServiceClient: keys", () => {
  const busyOnce = () => {
    let asked = 0
    return TestServer.http((_, response) => TestServer.sendJson(response, user, asked++ === 0 ? 503 : 201))
  }
  const keysOf = (server: TestServer.TestServer) =>
    server.requests.map(({ headers }) => headers["idempotency-key"])

  it.live("without one, a POST carries none and is sent once", () =>
    Effect.gen(function* () {
      const server = yield* busyOnce()
      yield* Effect.flip(post(yield* clientOf(server.url)))
      assert.deepStrictEqual(keysOf(server), [undefined])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("under a key of the caller's, a POST is sent again under the same", () =>
    Effect.gen(function* () {
      const server = yield* busyOnce()
      const created = yield* ServiceClient.withIdempotencyKey(post(yield* clientOf(server.url)), "order-1")
      assert.deepStrictEqual(created, user)
      assert.deepStrictEqual(keysOf(server), ["order-1", "order-1"])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("where the service honours them, each call has its own, the same on every attempt", () =>
    Effect.gen(function* () {
      const server = yield* busyOnce()
      const client = yield* clientOf(server.url, { idempotencyKeys: true })
      yield* post(client)
      yield* post(client)
      const [first, again, second] = keysOf(server)
      assert.isDefined(first)
      assert.strictEqual(first, again)
      assert.notStrictEqual(first, second)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("the service's API key is sent, and is in no error, no span and nothing printed", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(({ headers }, response) =>
        TestServer.sendJson(response, { error: `unknown key ${headers.authorization}` }, 401)
      )
      const { spans, tracer } = recorded()
      const client = yield* clientOf(server.url, {}, "hunter2")
      const exit = yield* Effect.withTracer(Effect.exit(get(client)), tracer)
      assert.strictEqual(server.requests[0]?.headers.authorization, "Bearer hunter2")
      const printed = [
        Inspectable.toStringUnknown(exit),
        Inspectable.toStringUnknown(client),
        ...spans.map((span) => JSON.stringify([...span.attributes]))
      ].join()
      assert.isFalse(printed.includes("hunter2"))
      assert.isTrue(spans.some(({ name }) => name === "user.users.byId"))
    }).pipe(Effect.scoped)
  )
})

/** What a program traces. */
const recorded = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

describe("ServiceClient: policies of a call", () => {
  it.live("may differ from its client's", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, {}, 503))
      const client = yield* clientOf(server.url)
      yield* Effect.flip(ServiceClient.withPolicy(get(client), { retry: { times: 1 } }))
      assert.strictEqual(server.requests.length, 2)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("who is interrupted closes the connection", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(() => {})
      const client = yield* clientOf(server.url, { policy: { attemptTimeout: "1 minute" } })
      const fiber = yield* Effect.forkChild(get(client))
      yield* eventually(() => server.requests.length > 0)
      yield* Fiber.interrupt(fiber)
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.effect("what does not fit the contract is not sent", () =>
    Effect.gen(function* () {
      const { users } = yield* Users
      const empty = yield* Effect.flip(users.create({ payload: { name: "" } }))
      assert.strictEqual(empty._tag, "RequestInvalid")
      assert.match(empty.message, /The request for user does not fit its contract at `name`/)
      const outside = yield* Effect.flip(users.byId({ params: { id: ".." }, query: {} }))
      assert.strictEqual(outside._tag, "RequestInvalid")
    }).pipe(Effect.provide(Users.fake({})))
  )
})
