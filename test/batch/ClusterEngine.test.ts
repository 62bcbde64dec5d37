import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { ClusterEngine } from "effect-segformer/cluster"
import { listenAddress } from "../../src/batch/cluster/ClusterEngine.ts"

describe("a runner", () => {
  it("listens at its own address alone, and at all where it does not know which one is its own", () => {
    const own = Object.values(networkInterfaces()).flatMap(
      (found) => found?.map(({ address }) => address) ?? []
    )
    assert.include(own, "127.0.0.1")
    for (const address of own) assert.strictEqual(listenAddress(address), address)
    assert.strictEqual(listenAddress("localhost"), "127.0.0.1")
    for (const other of ["worker-7.internal", "203.0.113.9"])
      assert.strictEqual(listenAddress(other), "0.0.0.0")
  })
  it.live("says which database is not there, and not its password", () =>
    Effect.gen(function* () {
      const database = Redacted.make("postgres://nobody:hidden@127.0.0.1:1/none")
      const error = yield* Effect.flip(Effect.scoped(Layer.build(ClusterEngine.layerClient({ database }))))
      assert.strictEqual(error._tag, "DatabaseFailed")
      assert.include(error.message, "127.0.0.1:1/none")
      assert.notInclude(error.message, "hidden")
    })
  )
})
