import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Redacted, Scope } from "effect"
import { Policy, PolicyRunner } from "effect-segformer/policy"
import * as SharedLimits from "../../src/cli/SharedLimits.ts"
import { eventually } from "../support/Eventually.ts"
import * as Needs from "../support/Needs.ts"
import * as RedisServer from "../support/RedisServer.ts"
import { closedPort } from "../support/TestServer.ts"

const quiet = Effect.provide(Logger.layer([]))

describe("a Redis that cannot be used", () => {
  it.live("is told with what is wrong with it", () =>
    Effect.gen(function* () {
      const why = (address: string) =>
        Effect.map(Effect.flip(SharedLimits.make(Redacted.make(address))), ({ message }) => message)
      assert.include(yield* why(`redis://127.0.0.1:${yield* closedPort}`), "ECONNREFUSED")
      assert.match(yield* why("http://127.0.0.1"), /Redis cannot be used: .*redis:/)
    }).pipe(Effect.scoped, quiet)
  )
})

describe.skipIf(!Needs.redis)("a Redis that hangs", () => {
  it.live("holds up no worker that stops", () =>
    Effect.gen(function* () {
      const redis = yield* RedisServer.make
      const own = yield* Scope.make()
      const stores = yield* Scope.provide(SharedLimits.make(Redacted.make(redis.url)), own)
      const runner = yield* PolicyRunner.make({
        service: "http://test",
        policy: Policy.make({ retry: false })
      }).pipe(Effect.provideContext(stores), Scope.provide(own))
      const call = runner.run(() => Effect.void)
      yield* call
      yield* redis.hang
      // It is asked, and the call goes on without its answer.
      yield* call
      const closing = yield* Effect.forkChild(Scope.close(own, Exit.void))
      yield* eventually(() => closing.pollUnsafe() !== undefined, "the worker to stop")
      yield* Fiber.join(closing)
    }).pipe(Effect.scoped, quiet)
  )
})
