/** What a client tries again and what opens its circuit, as its users say it: against plain servers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, References } from "effect"
import type { Policy } from "effect-segformer/policy"
import { type ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { Users } from "effect-segformer/companions"
import * as TestServer from "../support/TestServer.ts"
import { clientOf, type UserApi } from "./users.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")
const soon = { times: 3, delay: "1 millis", factor: 1 } as const

const answering = (status: number) =>
  TestServer.http((_, response) =>
    TestServer.sendJson(response, { error: "no" }, status, { "retry-after": "0" })
  )

const call = (client: ServiceClient.For<typeof UserApi>) =>
  Effect.exit(client.users.byId({ params: { id: "7" }, query: {} }))

/** How often a service is asked by one call. */
const asked = (status: number, options: Parameters<typeof clientOf>[1]) =>
  Effect.gen(function* () {
    const server = yield* answering(status)
    yield* call(yield* clientOf(server.url, options))
    return server.requests.length
  }).pipe(quiet, Effect.scoped)

describe("retries of a client", () => {
  const rows: ReadonlyArray<
    readonly [Policy.PolicyOptions["retry"], ReadonlyArray<readonly [number, number]>]
  > = [
    // As it comes: what may pass.
    [
      soon,
      [
        [408, 4],
        [425, 4],
        [429, 4],
        [500, 4],
        [503, 4],
        [400, 1],
        [404, 1]
      ]
    ],
    [
      { ...soon, serverErrors: false },
      [
        [408, 4],
        [429, 4],
        [500, 1],
        [503, 1]
      ]
    ],
    // Transport failures alone.
    [
      { ...soon, statuses: [] },
      [
        [408, 1],
        [425, 1],
        [429, 1],
        [500, 1],
        [502, 1],
        [503, 1],
        [504, 1]
      ]
    ],
    [
      { ...soon, statuses: [503, 404] },
      [
        [503, 4],
        [404, 4],
        [500, 1],
        [429, 1],
        [408, 1]
      ]
    ],
    [
      false,
      [
        [503, 1],
        [429, 1]
      ]
    ]
  ]
  it.live.each(rows)("%j: %j", ([retry, counts]) =>
    Effect.gen(function* () {
      for (const [status, count] of counts)
        assert.strictEqual(yield* asked(status, { policy: { retry } }), count, String(status))
    })
  )

  it.live("retryWhen says which, and no more often than the policy has it", () =>
    Effect.gen(function* () {
      const options = {
        policy: { retry: soon },
        retryWhen: (error: { readonly _tag: string }) => error._tag === "NotFound"
      }
      assert.deepStrictEqual(
        [yield* asked(404, options), yield* asked(503, options), yield* asked(429, options)],
        [4, 1, 1]
      )
    })
  )

  it.live("transport failures are tried again where no status is", () =>
    Effect.gen(function* () {
      const broken = yield* TestServer.tcp((socket) => socket.destroy())
      const options = { policy: { retry: { ...soon, statuses: [] } } }
      yield* call(yield* clientOf(broken.url, options))
      assert.strictEqual(broken.requests.length, 4)

      const port = yield* TestServer.closedPort
      const lines: Array<string> = []
      const layer = Logger.layer([
        Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
      ])
      yield* Effect.provide(Effect.flatMap(clientOf(`http://127.0.0.1:${port}`, options), call), layer).pipe(
        Effect.provideService(References.MinimumLogLevel, "Info")
      )
      const warnings = lines.filter((line) => line.startsWith("Warn"))
      assert.deepStrictEqual(
        warnings.map((line) => line.split(": ", 1)[0]),
        ["Warn Retrying in 1 ms (2 of 4)", "Warn Retrying in 1 ms (3 of 4)", "Warn Retrying in 1 ms (4 of 4)"]
      )
      assert.isTrue(warnings.every((line) => line.includes("ECONNREFUSED")))
      assert.lengthOf(
        lines.filter((line) => line.includes("Request: GET")),
        4
      )
      assert.include(lines.at(-2), "(attempt 4/4)")
    }).pipe(quiet, Effect.scoped)
  )

  it.live("a ready-made companion is told by the registry", () =>
    Effect.gen(function* () {
      const server = yield* answering(503)
      const get = Effect.flatMap(Users, (users) => Effect.exit(users.getUser({ params: { user_id: 7 } })))
      for (const entry of [
        { policy: { retry: { ...soon, statuses: [] } } },
        { policy: { retry: soon }, retryWhen: () => false }
      ]) {
        const layer = Users.layer.pipe(
          Layer.provide([
            ServiceRegistry.layerOf({ user: { baseUrl: server.url, ...entry } }),
            NodeHttp.layer()
          ])
        )
        yield* Effect.provide(get, layer)
      }
      assert.strictEqual(server.requests.length, 2)
    }).pipe(quiet, Effect.scoped)
  )
})

describe("the circuit of a client", () => {
  const tags = (exits: ReadonlyArray<Exit.Exit<unknown, { readonly _tag: string }>>) =>
    exits.map((exit) =>
      Exit.isSuccess(exit)
        ? "ok"
        : exit.cause.reasons.flatMap((r) => (r._tag === "Fail" ? [r.error._tag] : []))[0]
    )

  it.live("around calls counts calls: the retries of one are one", () =>
    Effect.gen(function* () {
      const server = yield* answering(503)
      const client = yield* clientOf(server.url, {
        policy: {
          retry: soon,
          retryBudget: false,
          breaker: { around: "calls", failures: 2, openFor: "1 minute" }
        }
      })
      const exits = [yield* call(client), yield* call(client), yield* call(client)]
      assert.deepStrictEqual(tags(exits), ["ServiceUnavailable", "ServiceUnavailable", "CircuitOpen"])
      assert.strictEqual(server.requests.length, 8)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("opens by transport failures alone where that is said, or by 5xx too", () =>
    Effect.gen(function* () {
      const failing = yield* answering(500)
      const broken = yield* TestServer.tcp((socket) => socket.destroy())
      const policy = (serverErrors: boolean): Policy.PolicyOptions => ({
        retry: false,
        breaker: { around: "calls", failures: 2, serverErrors }
      })
      const run = (url: string, serverErrors: boolean) =>
        Effect.gen(function* () {
          const client = yield* clientOf(url, { policy: policy(serverErrors) })
          return tags([yield* call(client), yield* call(client), yield* call(client)])
        })
      assert.deepStrictEqual(yield* run(failing.url, false), [
        "ServiceFailed",
        "ServiceFailed",
        "ServiceFailed"
      ])
      assert.deepStrictEqual(yield* run(failing.url, true), ["ServiceFailed", "ServiceFailed", "CircuitOpen"])
      assert.deepStrictEqual(yield* run(broken.url, false), [
        "ConnectionFailed",
        "ConnectionFailed",
        "CircuitOpen"
      ])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("what a caller did wrong opens none", () =>
    Effect.gen(function* () {
      const server = yield* answering(404)
      const client = yield* clientOf(server.url, {
        policy: { breaker: { around: "calls", failures: 1 } }
      })
      assert.deepStrictEqual(tags([yield* call(client), yield* call(client)]), ["NotFound", "NotFound"])
    }).pipe(quiet, Effect.scoped)
  )
})
