import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Logger } from "effect"
import { RateLimited } from "effect-segformer/service"
import { Transport } from "effect-segformer"
import { Batch, BatchSource } from "effect-segformer/batch"
import * as FailureRules from "../../src/batch/FailureRules.ts"
import { names, plays } from "./drivers.ts"
import { folder } from "../support/Folder.ts"
import { passing } from "../support/Passing.ts"
import { picture } from "./support.ts"

describe("a run on one machine (the table is played on many in ClusterFailures.test.ts)", () => {
  it.effect.each(plays().map((play) => [play.name, play] as const))(
    "%s",
    ([, { expected, maxFailures, predict, rules }]) =>
      Effect.gen(function* () {
        const files = Object.fromEntries(names.map((name, i) => [name, picture(i)]))
        const source = BatchSource.folder(yield* folder(files))
        const run = Batch.run({
          source,
          sinks: [],
          folder: join(yield* folder(), "run"),
          concurrency: 1,
          maxFailures,
          ...rules
        }).pipe(
          Effect.result,
          Effect.provide(Transport.layer({ name: "fake", predict: ({ image }) => predict(image) })),
          Effect.provide(NodeFileSystem.layer)
        )
        const result = yield* passing(run)
        if (result._tag === "Failure") {
          assert.isTrue(expected.isEnded)
          assert(result.failure._tag === "TooManyFailures")
          assert.strictEqual(result.failure.failed, expected.failed)
        } else {
          const { done, failed } = result.success
          assert.deepStrictEqual({ isEnded: false, failed, done }, { done: undefined, ...expected })
        }
      }).pipe(Effect.scoped)
  )

  it.effect("says for what images wait and for how long, once a minute and not for each", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const logger = Logger.make(({ message }) => void told.push(String(message)))
      const refusal = new RateLimited({
        service: "fake",
        detail: "",
        status: 429,
        retryAfter: Duration.seconds(20)
      })
      const calls = Array.from({ length: 5 }, () => Effect.fail(refusal))
      const wait = FailureRules.whileTurnedAway({ maxWait: Duration.minutes(3) })
      const failed = Effect.forEach(calls, (call) => Effect.flip(wait(call)), { concurrency: "unbounded" })
      const errors = yield* passing(Effect.provide(failed, Logger.layer([logger])), () => 1000)
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        calls.map(() => "RateLimited")
      )
      assert.isAtLeast(told.length, 2)
      assert.isAtMost(told.length, 4)
      assert.strictEqual(
        told[0],
        `Images wait for the service, each for up to 180 s, and are asked for again in 20 s: ${refusal.message}`
      )
    }).pipe(Effect.provide(Transport.layer({ name: "fake", predict: () => Effect.never })))
  )
})
