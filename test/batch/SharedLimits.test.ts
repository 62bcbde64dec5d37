import { assert, describe, it } from "@effect/vitest"
import { type Context, type Duration, Effect, Layer, Logger, Redacted, type Scope } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { SharedLimits } from "effect-segformer/cluster"
import { Policy } from "effect-segformer/policy"
import { ConnectionFailed } from "effect-segformer/service"
import { Fixtures } from "effect-segformer/testing"
import * as Needs from "../support/Needs.ts"
import * as RedisServer from "../support/RedisServer.ts"

const stores = ({ url }: RedisServer.RedisServer) =>
  Layer.build(SharedLimits.layer({ redis: Redacted.make(url) }))

const call = (transport: Transport["Service"]) =>
  Effect.provideService(segment(ImageSource.bytes(Fixtures.image)), Transport, transport)

describe.skipIf(!Needs.redis)("limits in Redis", () => {
  it.live("two workers together keep one rate limit", () =>
    Effect.gen(function* () {
      const redis = yield* RedisServer.make
      const make = (deadline?: Duration.Input) =>
        Transport.make({
          name: "limited",
          predict: () => Effect.succeed(Fixtures.prediction),
          policy: Policy.make({ retry: false, deadline, rateLimit: { limit: 5, window: "1 hour" } })
        })
      // Each with a connection of its own, as two processes have.
      const worker = (deadline?: Duration.Input) =>
        Effect.flatMap(stores(redis), (context) => Effect.provideContext(make(deadline), context))
      const own = yield* make()
      for (let i = 0; i < 5; i++) yield* call(own)
      const [first, second] = [yield* worker(), yield* worker()]
      yield* Effect.all(
        [Effect.repeat(call(first), { times: 2 }), Effect.repeat(call(second), { times: 1 })],
        {
          concurrency: 2
        }
      )
      const sixth = yield* Effect.flip(call(yield* worker("50 millis")))
      assert.strictEqual(sixth._tag, "TimedOut")
    }).pipe(Effect.scoped)
  )

  it.live("a circuit that one worker opens is open for the other, whose calls cost nothing", () =>
    Effect.gen(function* () {
      const redis = yield* RedisServer.make
      let attempts = 0
      const worker: Effect.Effect<Transport["Service"], unknown, Scope.Scope> = Effect.flatMap(
        stores(redis),
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
      const redis = yield* RedisServer.make
      const make = Transport.make({
        name: "up",
        policy: Policy.make({ rateLimit: { limit: 100 } }),
        predict: () => Effect.succeed(Fixtures.prediction)
      })
      const transport = yield* Effect.flatMap(stores(redis), (context) =>
        Effect.provideContext(make, context)
      )
      yield* call(transport)
      yield* redis.stop
      const { width } = yield* call(transport)
      assert.strictEqual(width, Fixtures.width)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )
})
