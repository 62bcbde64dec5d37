import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Transport } from "effect-segformer"
import { Batch, BatchSource } from "effect-segformer/batch"
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
})
