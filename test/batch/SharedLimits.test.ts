import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Duration, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { SharedLimits } from "effect-segformer/cluster"
import { Policy } from "effect-segformer/policy"
import { ConnectionFailed } from "effect-segformer/service"
import { Fixtures } from "effect-segformer/testing"
import * as Needs from "../support/Needs.ts"
import { folder } from "../support/Folder.ts"
import { closedPort } from "../support/TestServer.ts"

const end = async (server: ChildProcess) => {
  server.kill("SIGKILL")
  if (server.exitCode === null && server.signalCode === null) await once(server, "exit")
}

const redis = Effect.gen(function* () {
  const port = yield* closedPort
  const dir = yield* folder()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir], {
        stdio: "ignore"
      })
    ),
    (server) => Effect.promise(() => end(server))
  )
  return { url: Redacted.make(`redis://127.0.0.1:${port}`), end: Effect.promise(() => end(server)) }
})

/** The stores, once the server answers. */
const stores = (url: Redacted.Redacted) =>
  Effect.retry(
    Layer.build(SharedLimits.layer({ redis: url })),
    Schedule.max([Schedule.spaced(50), Schedule.recurs(100)])
  )

const call = (transport: Transport["Service"]) =>
  Effect.provideService(segment(ImageSource.bytes(Fixtures.image)), Transport, transport)

describe.skipIf(!Needs.redis)("limits in Redis", () => {
  it.live("two workers together keep one rate limit", () =>
    Effect.gen(function* () {
      const { url } = yield* redis
      const policy = Policy.make({ rateLimit: { limit: 20, burst: 1 } })
      const make = Transport.make({
        name: "limited",
        predict: () => Effect.succeed(Fixtures.prediction),
        policy
      })
      // Each with a connection of its own, as two processes have.
      const worker = Effect.flatMap(stores(url), (context) => Effect.provideContext(make, context))
      const time = (transports: ReadonlyArray<Transport["Service"]>) =>
        Effect.map(
          Effect.timed(
            Effect.forEach(transports, (transport) => Effect.repeat(call(transport), { times: 9 }), {
              concurrency: "unbounded"
            })
          ),
          ([took]) => Duration.toMillis(took)
        )
      const alone = yield* time([yield* make, yield* make])
      const together = yield* time([yield* worker, yield* worker])
      // Ten calls each: 20 a second each for itself, or 20 a second between them.
      assert.isAbove(together / alone, 1.6)
      assert.isBelow(together / alone, 2.6)
    }).pipe(Effect.scoped)
  )

  it.live("a circuit that one worker opens is open for the other, whose calls cost nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* redis
      let attempts = 0
      const worker: Effect.Effect<Transport["Service"], unknown, Scope.Scope> = Effect.flatMap(
        stores(url),
        (context: Context.Context<never>) =>
          Effect.provideContext(
            Transport.make({
              name: "down",
              policy: Policy.make({ retry: false, breaker: { failures: 3 } }),
              predict: () =>
                Effect.suspend(() => {
                  attempts++
                  return Effect.fail(
                    new ConnectionFailed({ service: "down", phase: "sending", sent: "no", detail: "refused" })
                  )
                })
            }),
            context
          )
      )
      const [first, second] = [yield* worker, yield* worker]
      for (let i = 0; i < 3; i++) yield* Effect.flip(call(first))
      const refused = yield* Effect.flip(call(second))
      assert.strictEqual(refused._tag, "CircuitOpen")
      assert.strictEqual(attempts, 3)
      assert.strictEqual((yield* second.runner.circuit.state)._tag, "Open")
    }).pipe(Effect.scoped)
  )

  it.live("without Redis, calls go on, each worker for itself", () =>
    Effect.gen(function* () {
      const { end, url } = yield* redis
      const make = Transport.make({
        name: "up",
        policy: Policy.make({ rateLimit: { limit: 100 } }),
        predict: () => Effect.succeed(Fixtures.prediction)
      })
      const transport = yield* Effect.flatMap(stores(url), (context) => Effect.provideContext(make, context))
      yield* call(transport)
      yield* end
      const { width } = yield* call(transport)
      assert.strictEqual(width, Fixtures.width)
    }).pipe(Effect.scoped)
  )
})
